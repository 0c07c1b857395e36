"""Metrics from counts are those that scikit-learn gives for single rows: on any engine, with ties, for any number."""

import json
from collections import Counter
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
import sklearn.metrics as reference
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from kedro_handover.evaluation.metrics import (
    CALIBRATION_BINS,
    area_under_roc,
    average_precision,
    calibration,
    compute_metrics,
    lift,
    precision_recall_curve,
    reverse,
    roc_curve,
)
from kedro_handover.evaluation.predictions import PredictionHistogram, count_predictions, evaluate_predictions
from kedro_handover.testing import Engine

TOLERANCE = 1e-12
"""Relative and absolute: sums of up to some ten thousand float64 numbers, taken in another order."""

SCHEMA = {
    "id": pa.int64(),
    "split": pa.string(),
    "label": pa.bool_(),
    "probability": pa.float64(),
    "prediction": pa.bool_(),
}
on_each_engine = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def close(value):
    return pytest.approx(value, rel=TOLERANCE, abs=TOLERANCE)


few = st.sampled_from([0.0, 1e-300, 0.1, 0.25, 1 / 3, 0.5, np.nextafter(0.5, 1), 0.9, 1 - 2**-53, 1.0])
many = st.floats(0, 1)
probabilities = few | many


@st.composite
def predictions(draw):
    """Probability, label and prediction of rows of both classes; one class may be very rare."""
    scores = draw(st.sampled_from([few, many, probabilities]))
    one = st.tuples(scores, st.booleans(), st.booleans())
    rows = draw(st.lists(one, max_size=40))
    rare = draw(st.booleans())
    common = draw(st.lists(st.tuples(scores, st.just(not rare), st.booleans()), min_size=1, max_size=3))
    rows += common * draw(st.sampled_from([1, 1, 500]))
    rows += [(draw(scores), rare, draw(st.booleans()))]
    return rows


def histogram_of(rows):
    """Count rows one by one."""
    counts = Counter((probability, label) for probability, label, _ in rows)
    distinct = sorted({probability for probability, _, _ in rows})
    return PredictionHistogram(
        probability=np.array(distinct),
        positive=np.array([counts[probability, True] for probability in distinct]),
        negative=np.array([counts[probability, False] for probability in distinct]),
        true_positive=sum(label and predicted for _, label, predicted in rows),
        false_positive=sum(not label and predicted for _, label, predicted in rows),
    )


def columns_of(rows):
    return tuple(np.array(column) for column in zip(*rows, strict=True))


def lift_by_row(label, score):
    """Take of each row the share of it that is in the tenth with the highest scores."""
    ordered = np.sort(score)
    up_to, below = np.searchsorted(ordered, score, side="right"), np.searchsorted(ordered, score, side="left")
    taken = np.clip((len(score) / 10 - (len(score) - up_to)) / (up_to - below), 0, 1)
    return taken[label].sum() / label.sum() / 0.1


def expected_metrics(rows):
    probability, label, predicted = columns_of(rows)
    with np.errstate(divide="ignore"):  # in the p-value, which no one asks for
        ks = ks_2samp(probability[label], probability[~label], method="asymp").statistic
    true_negative, false_positive, false_negative, true_positive = reference.confusion_matrix(label, predicted).ravel()
    return {
        "rows": len(rows),
        "positive": label.sum(),
        "auc": reference.roc_auc_score(label, probability),
        "average_precision": reference.average_precision_score(label, probability),
        # Minus keeps apart what 1 - probability would make one number.
        "average_precision_negative": reference.average_precision_score(~label, -probability),
        "log_loss": reference.log_loss(label, probability),
        "brier": reference.brier_score_loss(label, probability),
        "ks": ks,
        "lift": lift_by_row(label, probability),
        "lift_negative": lift_by_row(~label, -probability),
        "accuracy": reference.accuracy_score(label, predicted),
        "balanced_accuracy": reference.balanced_accuracy_score(label, predicted),
        "precision": reference.precision_score(label, predicted, zero_division=0),
        "recall": reference.recall_score(label, predicted),
        "f1": reference.f1_score(label, predicted),
        "true_positive": true_positive,
        "false_positive": false_positive,
        "true_negative": true_negative,
        "false_negative": false_negative,
    }


@settings(max_examples=100, deadline=None)
@given(rows=predictions())
@example(rows=[(0.0, False, False), (1.0, True, True)])
@example(rows=[(1.0, False, True), (0.0, True, False)])
@example(rows=[(0.5, False, False), (0.5, True, False)])
def test_every_metric_is_that_of_the_reference(rows) -> None:
    assert compute_metrics(histogram_of(rows)) == close(expected_metrics(rows))


@pytest.mark.parametrize("distinct", [2, 7, 20_000])
@pytest.mark.parametrize("positive", [1, 4_000, 19_999])
def test_every_metric_is_that_of_the_reference_for_a_large_split(distinct: int, positive: int) -> None:
    random = np.random.default_rng(distinct + positive)
    label = random.permutation(np.arange(20_000) < positive)
    score = np.clip(random.random(20_000) * 0.7 + label * 0.3, 0, 1)
    probability = np.floor(score * distinct) / distinct
    rows = list(zip(probability.tolist(), label.tolist(), (probability > 0.4).tolist(), strict=True))
    assert compute_metrics(histogram_of(rows)) == close(expected_metrics(rows))


@settings(max_examples=100, deadline=None)
@given(rows=predictions())
def test_the_curves_have_the_points_of_the_reference(rows) -> None:
    probability, label, _ = columns_of(rows)
    histogram = histogram_of(rows)
    false_shares, true_shares, scores = reference.roc_curve(label, probability, drop_intermediate=False)
    np.testing.assert_array_equal(histogram.probability[::-1], scores[1:])
    found_false, found_true = roc_curve(histogram)
    np.testing.assert_allclose(found_true, true_shares, rtol=TOLERANCE)
    np.testing.assert_allclose(found_false, false_shares, rtol=TOLERANCE)
    precision, recall, _ = reference.precision_recall_curve(label, probability)
    found_precision, found_recall = precision_recall_curve(histogram)
    np.testing.assert_allclose(found_recall, recall[-2::-1], rtol=TOLERANCE)
    np.testing.assert_allclose(found_precision, precision[-2::-1], rtol=TOLERANCE)


@settings(max_examples=100, deadline=None)
@given(rows=predictions())
def test_calibration_puts_each_row_in_the_bin_of_its_rank(rows) -> None:
    bins = {}
    for probability, label, _ in rows:
        below = sum(other < probability for other, _, _ in rows)
        bins.setdefault(below * CALIBRATION_BINS // len(rows), []).append((probability, label))
    predicted, outcome = calibration(histogram_of(rows))
    assert predicted == close([np.mean([probability for probability, _ in bins[place]]) for place in sorted(bins)])
    assert outcome == close([np.mean([label for _, label in bins[place]]) for place in sorted(bins)])


def test_calibration_has_ten_bins_of_equal_numbers_where_all_probabilities_differ() -> None:
    rows = [(number / 1000, number % 4 == 0, True) for number in range(1000)]
    predicted, outcome = calibration(histogram_of(rows))
    assert predicted == close(np.arange(10) / 10 + 0.0495)
    assert outcome == close(np.full(10, 0.25))


@settings(max_examples=50, deadline=None)
@given(rows=predictions())
def test_the_other_class_is_what_it_is_with_labels_and_scores_turned(rows) -> None:
    turned = compute_metrics(reverse(histogram_of(rows)))
    straight = compute_metrics(histogram_of(rows))
    swapped = {
        "auc": straight["auc"],
        "brier": straight["brier"],
        "ks": straight["ks"],
        "accuracy": straight["accuracy"],
        "positive": straight["rows"] - straight["positive"],
        "true_positive": straight["true_negative"],
        "false_positive": straight["false_negative"],
        "true_negative": straight["true_positive"],
        "false_negative": straight["false_positive"],
        "average_precision": straight["average_precision_negative"],
        "average_precision_negative": straight["average_precision"],
        "lift": straight["lift_negative"],
        "lift_negative": straight["lift"],
    }
    assert {name: turned[name] for name in swapped} == close(swapped)


COUNTS = st.lists(st.tuples(st.integers(0, 2**52), st.integers(0, 2**52)).filter(any), min_size=1, max_size=8).filter(
    lambda bins: all(map(sum, zip(*bins, strict=True)))
)


@settings(max_examples=100, deadline=None)
@given(bins=COUNTS)
@example(bins=[(2**33, 2**52), (2**52, 2**33), (2**52, 1)])
def test_counts_beyond_32_bits_are_exact(bins) -> None:
    probability = [Fraction(place, 8) for place in range(len(bins))]
    positives, negatives = map(sum, zip(*bins, strict=True))
    rows = positives + negatives
    histogram = PredictionHistogram(
        probability=np.array(probability, dtype=np.float64),
        positive=np.array([positive for positive, _ in bins], dtype=np.int64),
        negative=np.array([negative for _, negative in bins], dtype=np.int64),
        true_positive=bins[-1][0],
        false_positive=bins[-1][1],
    )
    found = compute_metrics(histogram)

    wins = sum(
        positive * (sum(below for _, below in bins[:place]) + Fraction(negative, 2))
        for place, (positive, negative) in enumerate(bins)
    )
    assert found["auc"] == float(wins / (positives * negatives))

    def precision_over_recall(pairs):
        from_top = [tuple(map(sum, zip(*pairs[place:], strict=True))) for place in range(len(pairs))]
        return sum(
            Fraction(positive * above, above + others)
            for (positive, _), (above, others) in zip(pairs, from_top, strict=True)
        ) / sum(positive for positive, _ in pairs)

    turned = [(negative, positive) for positive, negative in reversed(bins)]
    squares = sum(
        positive * (1 - score) ** 2 + negative * score**2
        for score, (positive, negative) in zip(probability, bins, strict=True)
    )
    shares = [
        Fraction(sum(positive for positive, _ in bins[place:]), positives)
        - Fraction(sum(negative for _, negative in bins[place:]), negatives)
        for place in range(len(bins))
    ]
    true_negative = negatives - bins[-1][1]
    expected = {
        "rows": rows,
        "positive": positives,
        "average_precision": precision_over_recall(bins),
        "average_precision_negative": precision_over_recall(turned),
        "brier": squares / rows,
        "ks": max(map(abs, shares)),
        "accuracy": Fraction(bins[-1][0] + true_negative, rows),
        "recall": Fraction(bins[-1][0], positives),
        "f1": Fraction(2 * bins[-1][0], positives + sum(bins[-1])),
        "true_negative": true_negative,
    }
    assert {name: found[name] for name in expected} == close({name: float(value) for name, value in expected.items()})
    assert found["lift"] == close(float(exact_lift(bins)))
    assert found["lift_negative"] == close(float(exact_lift(turned)))


def exact_lift(bins) -> Fraction:
    wanted = Fraction(sum(map(sum, bins)), 10)
    captured = Fraction(0)
    for positive, negative in reversed(bins):
        taken = min(wanted, positive + negative)
        captured += taken * Fraction(positive, positive + negative)
        wanted -= taken
    return captured / sum(positive for positive, _ in bins) * 10


@on_each_engine
@given(rows=predictions(), seed=st.integers(0, 99))
def test_predictions_are_counted_alike_on_every_engine_in_any_order(engine: Engine, rows, seed: int) -> None:
    shuffled = [rows[place] for place in np.random.default_rng(seed).permutation(len(rows))]
    (split, found), *others = count_predictions(table(engine, shuffled)).items()
    expected = histogram_of(rows)
    assert (split, others) == ("test", [])
    np.testing.assert_array_equal(found.probability, expected.probability)
    np.testing.assert_array_equal(found.positive, expected.positive)
    np.testing.assert_array_equal(found.negative, expected.negative)
    assert (found.true_positive, found.false_positive) == (expected.true_positive, expected.false_positive)
    assert compute_metrics(found) == compute_metrics(expected)


def table(engine: Engine, rows, splits=None):
    probability, label, predicted = zip(*rows, strict=True)
    columns = {
        "id": list(range(len(rows))),
        "split": splits or ["test"] * len(rows),
        "label": list(label),
        "probability": list(probability),
        "prediction": list(predicted),
    }
    return engine.frame(columns, SCHEMA)


def test_each_split_is_measured_by_itself_and_unknown_labels_are_left_out(engine: Engine) -> None:
    train = [(0.2, False, False), (0.7, True, True), (0.7, False, True)]
    test = [(0.2, True, False), (0.9, True, True), (0.1, False, False)]
    unknown = [(0.3, None, True), (0.7, None, True)]
    splits = ["train"] * 3 + ["test"] * 3 + ["train", "test"]
    histograms, metrics = evaluate_predictions(table(engine, train + test + unknown, splits))
    assert sorted(histograms) == sorted(metrics) == ["test", "train"]
    assert metrics["train"] == close(expected_metrics(train))
    assert metrics["test"] == close(expected_metrics(test))
    assert histograms["train"].probability.tolist() == [0.2, 0.7]


def test_a_split_without_labels_is_not_measured(engine: Engine) -> None:
    rows = [(0.2, False, False), (0.7, True, True), (0.7, None, True)]
    assert list(count_predictions(table(engine, rows, ["train", "train", "test"]))) == ["train"]


def test_metrics_are_plain_numbers_for_a_json_file(engine: Engine) -> None:
    metrics = evaluate_predictions(table(engine, [(0.2, False, False), (0.7, True, True)]))[1]
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert list(metrics["test"]) == list(expected_metrics([(0.2, False, False), (0.7, True, True)]))


@pytest.mark.parametrize(
    ("label", "counts"), [(True, "3 positive and 0 negative"), (False, "0 positive and 3 negative")]
)
def test_one_class_only_is_refused_with_the_counts(engine: Engine, label, counts) -> None:
    rows = [(0.2, label, False), (0.7, label, True), (0.7, label, True)]
    with pytest.raises(ValueError, match=f"{counts} rows are to be told apart. Both must be there"):
        evaluate_predictions(table(engine, rows))


def test_a_model_without_a_clue_has_the_metrics_of_chance() -> None:
    metrics = compute_metrics(histogram_of([(0.25, number % 4 == 0, False) for number in range(100)]))
    chance = {"auc": 0.5, "average_precision": 0.25, "ks": 0, "lift": 1, "lift_negative": 1, "brier": 0.1875}
    assert {name: metrics[name] for name in chance} == close(chance)
    assert metrics["precision"] == metrics["f1"] == 0


def test_a_model_that_knows_has_the_best_metrics() -> None:
    rows = [(float(label), label, label) for label in (number % 5 == 0 for number in range(100))]
    metrics = compute_metrics(histogram_of(rows))
    best = {"auc": 1, "average_precision": 1, "average_precision_negative": 1, "log_loss": 0, "brier": 0, "ks": 1}
    assert {name: metrics[name] for name in best} == close(best)
    assert metrics["lift"] == close(5)
    assert area_under_roc(reverse(histogram_of(rows))) == average_precision(histogram_of(rows)) == 1
    assert lift(histogram_of(rows)) == metrics["lift"]
