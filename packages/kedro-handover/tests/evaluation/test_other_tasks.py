"""Several classes, and a number to predict: counted by each engine, they give what scikit-learn gives for the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import sklearn.metrics as sklearn_metrics

from kedro_handover.errors import ContractError
from kedro_handover.evaluation import predictions as counting
from kedro_handover.evaluation.parity import compare_predictions
from kedro_handover.evaluation.predictions import TEST, evaluate_predictions
from kedro_handover.tasks import name_probability

if TYPE_CHECKING:
    from kedro_handover.testing import Engine

ROWS, CLASSES = 300, 3


def class_predictions(seed: int = 0) -> pa.Table:
    """Predictions of three classes in two splits and two groups, with few distinct probabilities."""
    random = np.random.default_rng(seed)
    shares = random.integers(1, 9, (ROWS, CLASSES)).astype(float)
    shares /= shares.sum(axis=1, keepdims=True)
    label = np.array([random.choice(CLASSES, p=row) for row in shares])
    return pa.table(
        {
            "id": [str(place) for place in range(ROWS)],
            "split": ["train" if place % 3 else TEST for place in range(ROWS)],
            "group": [place % 2 for place in range(ROWS)],
            "label": pa.array(label, pa.int64()),
            **{name_probability(place): shares[:, place] for place in range(CLASSES)},
            "prediction": pa.array(shares.argmax(axis=1), pa.int64()),
        }
    )


def number_predictions(seed: int = 0) -> pa.Table:
    """Predictions of a number, a little off."""
    random = np.random.default_rng(seed)
    label = random.normal(100, 20, ROWS).round(1)
    return pa.table(
        {
            "id": [str(place) for place in range(ROWS)],
            "split": ["train" if place % 3 else TEST for place in range(ROWS)],
            "group": [place % 2 for place in range(ROWS)],
            "label": label,
            "prediction": label + random.normal(0, 5, ROWS),
        }
    )


def of_test(table: pa.Table) -> dict[str, np.ndarray]:
    test = table.filter(pc.equal(table["split"], TEST))
    return {name: test[name].to_numpy() for name in test.column_names}


def test_metrics_of_several_classes_are_those_of_the_rows(engine: Engine) -> None:
    table = class_predictions()
    _, metrics = evaluate_predictions(engine.from_arrow(table))
    found, rows = metrics[TEST], of_test(table)
    shares = np.column_stack([rows[name_probability(place)] for place in range(CLASSES)])
    label, predicted = rows["label"], rows["prediction"]
    assert found["rows"] == len(label)
    assert found["confusion_matrix"] == sklearn_metrics.confusion_matrix(label, predicted).tolist()
    assert found["auc"] == pytest.approx(sklearn_metrics.roc_auc_score(label, shares, multi_class="ovr"))
    assert found["log_loss"] == pytest.approx(sklearn_metrics.log_loss(label, shares))
    assert found["balanced_accuracy"] == pytest.approx(sklearn_metrics.balanced_accuracy_score(label, predicted))
    assert found["macro_f1"] == pytest.approx(sklearn_metrics.f1_score(label, predicted, average="macro"))
    recalls = sklearn_metrics.recall_score(label, predicted, average=None)
    assert [of_class["recall"] for of_class in found["by_class"]] == pytest.approx(recalls.tolist())
    assert "bin_width" not in found


def test_metrics_of_a_number_are_those_of_the_rows(engine: Engine) -> None:
    table = number_predictions()
    _, metrics = evaluate_predictions(engine.from_arrow(table))
    found, rows = metrics[TEST], of_test(table)
    label, predicted = rows["label"], rows["prediction"]
    assert found["mae"] == pytest.approx(sklearn_metrics.mean_absolute_error(label, predicted))
    assert found["rmse"] == pytest.approx(sklearn_metrics.root_mean_squared_error(label, predicted))
    assert found["r2"] == pytest.approx(sklearn_metrics.r2_score(label, predicted))
    assert "bin_width" not in found


@pytest.mark.parametrize(("make", "metric"), [(class_predictions, "log_loss"), (number_predictions, "mae")])
def test_too_many_values_are_rounded_to_bins_whose_width_is_said(
    monkeypatch: pytest.MonkeyPatch, make: Any, metric: str
) -> None:
    _, exact = evaluate_predictions(make())
    monkeypatch.setattr(counting, "MOST_COUNTED", 10)
    counted, binned = evaluate_predictions(make())
    width = binned[TEST]["bin_width"]
    assert width == counted[TEST].bin_width
    assert binned[TEST][metric] != exact[TEST][metric]
    assert binned[TEST][metric] == pytest.approx(exact[TEST][metric], abs=10 * width)


def test_a_number_that_is_not_predicted_is_refused(engine: Engine) -> None:
    table = number_predictions()
    gone = pa.array([None, *table["prediction"].to_pylist()[1:]], pa.float64())
    odd = table.set_column(table.schema.get_field_index("prediction"), "prediction", gone)
    with pytest.raises(ContractError, match="1 rows violate that prediction is a number"):
        evaluate_predictions(engine.from_arrow(odd))


def test_parity_of_several_classes_counts_rows_and_classes_that_differ(engine: Engine) -> None:
    research, candidate = class_predictions(), class_predictions()
    moved = candidate["probability_1"].to_pylist()
    other = candidate["prediction"].to_pylist()
    moved[0] += 0.25  # rows 0 and 3 are of the test split
    other[3] = (other[3] + 1) % CLASSES
    for name, column in (("probability_1", pa.array(moved)), ("prediction", pa.array(other, pa.int64()))):
        candidate = candidate.set_column(candidate.schema.get_field_index(name), name, column)
    found = compare_predictions(
        engine.from_arrow(research),
        {"same": engine.from_arrow(research), "other": engine.from_arrow(candidate.slice(0, ROWS - 3))},
    )
    same, differing = found["same"], found["other"]
    assert (same["n_diff"], same["n_label_diff"], same["max_abs_diff"], same["psi"]) == (0, 0, 0, 0)
    assert same["auc"] == same["research_auc"] == evaluate_predictions(research)[1][TEST]["auc"]
    assert (differing["n_rows"], differing["n_missing"]) == (ROWS // 3 - 1, 1)
    assert (differing["n_diff"], differing["n_label_diff"]) == (1, 1)
    assert differing["max_abs_diff"] == pytest.approx(0.25)
    assert differing["mean_abs_diff"] == pytest.approx(0.25 / differing["n_rows"] / CLASSES)
    assert [one["n_diff"] for one in differing["by_class"]] == [0, 1, 0]
    assert [(one["group"], one["n_label_diff"]) for one in differing["by_group"]] == [(0, 0), (1, 1)]


def test_parity_of_a_number_is_in_its_unit(engine: Engine) -> None:
    research, candidate = number_predictions(), number_predictions()
    moved = candidate["prediction"].to_pylist()
    moved[0] += 2.0
    candidate = candidate.set_column(candidate.schema.get_field_index("prediction"), "prediction", pa.array(moved))
    found = compare_predictions(engine.from_arrow(research), {"other": engine.from_arrow(candidate)})["other"]
    assert (found["n_rows"], found["n_missing"], found["n_diff"]) == (ROWS // 3, 0, 1)
    assert found["max_abs_diff"] == pytest.approx(2.0)
    assert found["mean_abs_diff"] == pytest.approx(2.0 / found["n_rows"])
    assert found["r2"] == evaluate_predictions(candidate)[1][TEST]["r2"]
    assert found["r2_diff"] == found["r2"] - found["research_r2"] != 0
    assert "agreement" not in found


def test_the_last_digits_of_a_number_move_no_row_to_another_decile() -> None:
    research, moved = number_predictions(), number_predictions()
    place = moved.schema.get_field_index("prediction")
    for shift, is_stable in ((1e-9, True), (20.0, False)):
        candidate = moved.set_column(place, "prediction", pc.add(moved["prediction"], shift))
        found = compare_predictions(research, {"other": candidate})["other"]
        assert found["n_diff"] == ROWS // 3
        assert (found["psi"] == 0) is is_stable
