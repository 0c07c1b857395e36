"""A hand-over is proven bit for bit, on rows that are made to be difficult, and refused where one bit differs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from kedro_handover.errors import HandOverError
from kedro_handover.handover import proof
from kedro_handover.handover.extract import Described, describe
from kedro_handover.handover.handed import hand_over
from kedro_handover.handover.numpy_evaluator import apply_link
from kedro_handover.handover.proof import prove

LINEAR = ("logistic", "logistic_three", "linear")


def with_description(described, **changes):
    """The model with parts of its description changed."""
    changed = replace(described.whole, description=replace(described.whole.description, **changes))
    return Described(changed, described.table, changed, described.body_table)


def test_every_family_is_proven_on_rows_of_its_own_thresholds(family):
    promise = prove(family.described)
    assert promise.rows == len(family.difficult)
    assert promise.edge_rows == len(family.difficult) - len(family.rows)
    if family.name in LINEAR:
        assert promise.score == "bounded"
        assert 0 <= promise.max_score_diff < 1e-5
    else:
        assert promise.score == "exact"
        assert promise.max_score_diff == 0
        assert promise.edge_rows > 3 * (family.description.n_nodes - len(family.description.values)) * 0.8


def test_where_exp_is_the_c_librarys_no_probability_differs(family):
    promise = prove(family.described)
    if promise.probability == "exact":
        assert promise.n_probability_diff == 0
    if promise.probability == "ulps":
        assert family.description.exp == "numpy"
        assert promise.max_ulps <= proof.ULPS_ALLOWED
        assert "units in the last place" in str(promise)


def test_a_leaf_that_is_off_by_one_bit_is_refused_with_the_row(fit_family):
    described = fit_family("forest").described
    values = described.whole.description.values.copy()
    values[3, 1] = np.nextafter(values[3, 1], 2)
    with pytest.raises(
        HandOverError, match=r"raw score of RandomForestClassifier .* the first is row \d+ on a threshold: {'p'"
    ):
        prove(with_description(described, values=values))


def test_a_threshold_that_is_off_by_one_float_is_refused(fit_family):
    described = fit_family("gradient").described
    threshold = described.whole.description.threshold.copy()
    threshold[0] = np.nextafter(np.float32(threshold[0]), np.float32(np.inf))
    with pytest.raises(HandOverError, match="on a threshold"):
        prove(with_description(described, threshold=threshold))


def test_a_missing_value_sent_to_the_wrong_side_is_refused(fit_family):
    described = fit_family("xgboost").described
    with pytest.raises(HandOverError, match="raw score of XGBClassifier"):
        prove(with_description(described, missing_left=1 - described.whole.description.missing_left))


def test_a_label_cut_elsewhere_than_the_library_does_is_refused(fit_family):
    described = fit_family("lightgbm").described
    with pytest.raises(HandOverError, match="The label of LGBMClassifier"):
        prove(with_description(described, cut=0.3))


def test_a_row_that_the_library_scores_is_not_refused_in_silence(fit_family):
    described = fit_family("tree_missing").described
    then = described.whole.description.step_then | 2
    with pytest.raises(HandOverError, match="and the hand-over would give no score"):
        prove(with_description(described, step_then=then))


def test_where_the_host_has_another_exp_the_weaker_promise_is_taken_and_said(fit_family, monkeypatch):
    monkeypatch.setattr(proof, "host_exponentials", lambda: {"libm": False, "numpy": False, "float": False})
    promise = prove(fit_family("gradient").described)
    assert promise.probability == "ulps"
    assert "another exp on this machine" in str(promise)


def test_labels_are_exact_at_any_threshold(fit_family):
    fitted = fit_family("histogram")
    probability = fitted.model.predict_proba(fitted.rows)[:, 1]
    threshold = float(np.sort(probability)[200])  # one that rows have exactly
    handed = hand_over(fitted.model, prove_on=fitted.rows, threshold=threshold)
    expected = probability > threshold
    assert handed.transform(fitted.rows)["prediction"].tolist() == expected.tolist()


def test_a_threshold_on_a_forest_is_on_its_mean(fit_family):
    fitted = fit_family("forest")
    handed = hand_over(fitted.model, prove_on=fitted.rows, threshold=0.3)
    fitted.model.n_jobs = 1
    expected = fitted.model.predict_proba(fitted.rows)[:, 1] > 0.3
    assert handed.transform(fitted.rows)["prediction"].tolist() == expected.tolist()


def test_a_linear_model_counts_rows_whose_label_could_differ(table):
    model = LogisticRegression(fit_intercept=False).fit(table.plain, table.binary)
    model.coef_ = np.array([[1.5, -1.5, 0, 0]])
    rows = table.plain.assign(q=table.plain["p"]).query("p != 0")  # the products cancel out
    promise = prove(describe(model, rows))
    assert promise.n_label_uncertain >= len(rows)


def test_the_cut_is_the_smallest_raw_score_of_the_second_class(fit_family):
    fitted = fit_family("xgboost")
    cut = np.float32(fitted.description.cut)
    below = np.nextafter(cut, np.float32(-1))
    margin = np.array([[below], [cut]], np.float64)
    shares = apply_link(fitted.description, margin)[:, 0]
    assert shares[0] <= 0.5 < shares[1]
