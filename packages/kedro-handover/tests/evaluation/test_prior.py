"""Probabilities of a thinned or weighted model are put back to the shares of the data, and intervals cover."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from kedro_handover.evaluation.intervals import auc_interval, find_intervals, share_interval
from kedro_handover.evaluation.prior import find_prior_odds, put_back

random = np.random.default_rng(3)
LABEL = random.random(40_000) < 0.1
SCORE = (random.normal(size=40_000) + LABEL)[:, None]
COUNTS = {"positive": 4_000, "negative": 36_000, "test_positive": 800, "test_negative": 7_200}
ALL_OF_TRAIN = {**COUNTS, "train_positive": 3_200, "train_negative": 28_800}
THINNED = {**COUNTS, "train_positive": 3_200, "train_negative": 3_200}


def test_nothing_is_put_back_where_a_model_learned_from_the_shares_of_the_data() -> None:
    assert find_prior_odds(ALL_OF_TRAIN) == 1
    assert put_back(0.3, 1.0) == pytest.approx(0.3)


@pytest.mark.parametrize(("counts", "weight"), [(THINNED, None), (ALL_OF_TRAIN, "balanced"), (THINNED, "balanced")])
def test_the_odds_are_those_of_the_data_over_those_that_were_learned_from(counts: dict, weight: str | None) -> None:
    assert find_prior_odds(counts, weight) == pytest.approx(1 / 9)


def test_put_back_a_balanced_model_says_what_an_unweighted_one_says() -> None:
    weighted = LogisticRegression(class_weight="balanced").fit(SCORE, LABEL).predict_proba(SCORE)[:, 1]
    plain = LogisticRegression().fit(SCORE, LABEL).predict_proba(SCORE)[:, 1]
    odds = LABEL.mean() / (1 - LABEL.mean())
    assert weighted.mean() > 0.4
    assert put_back(weighted, odds).mean() == pytest.approx(LABEL.mean(), abs=0.005)
    assert np.abs(put_back(weighted, odds) - plain).max() < 0.02


def test_wilsons_interval_is_that_of_his_paper() -> None:
    assert share_interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert share_interval(0, 20) == pytest.approx((0, 0.1611), abs=1e-4)


def test_the_interval_of_the_auc_covers_that_of_all_rows_nearly_always() -> None:
    true = roc_auc_score(LABEL, SCORE[:, 0])
    positive, negative = np.flatnonzero(LABEL), np.flatnonzero(~LABEL)
    covered = 0
    for _ in range(300):
        rows = np.concatenate([random.choice(positive, 20), random.choice(negative, 60)])
        low, high = auc_interval(roc_auc_score(LABEL[rows], SCORE[rows, 0]), 20, 60)
        covered += low < true < high
    assert 0.9 < covered / 300 < 0.99
    assert auc_interval(1, 5, 5) == (1, 1)


def test_a_small_split_has_intervals_and_a_large_one_none() -> None:
    cells = {"true_positive": 8, "false_negative": 2, "false_positive": 0, "true_negative": 30}
    metrics = {"rows": 40, "positive": 10, "auc": 0.9, **cells}
    intervals = find_intervals(metrics)
    assert intervals["recall"] == share_interval(8, 10)
    assert intervals["precision"] == share_interval(8, 8)
    assert intervals["accuracy"] == share_interval(38, 40)
    assert intervals["auc"][0] < 0.9 < intervals["auc"][1]
    assert find_intervals({**metrics, "true_positive": 0, "false_positive": 0}).keys() == {"auc", "accuracy", "recall"}
    assert find_intervals({**metrics, "rows": 5_000}) == {}
