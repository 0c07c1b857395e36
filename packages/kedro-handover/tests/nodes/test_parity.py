"""Every model is held to its tolerances, and a failure names the figure and its limit."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest

from kedro_handover.errors import ParityError
from kedro_handover.nodes.parity import measure_parity
from kedro_handover.nodes.production_parameters import SparkProductionParameters, Tolerance
from kedro_handover.testing import to_pandas
from two_models import SCHEMA, two_models

EXACT = Tolerance(n_diff=0, agreement=1, max_abs_diff=0, mean_abs_diff=0, auc_diff=0, psi=0)
ANY = Tolerance(n_diff=None, agreement=0, max_abs_diff=1, mean_abs_diff=1, auc_diff=1, psi=100)
PROMISE = {"model_family": "decision_tree", "probability": "exact"}


def parameters(tolerance: Tolerance, **more) -> SparkProductionParameters:
    return SparkProductionParameters(
        released_model="handed_over",
        threshold=0.5,
        sql_nodes=200,
        max_bins=32,
        seed=1,
        h2o={"bins": 100, "histogram": "AUTO", "unknown_as_missing": True, "attempts": 1},
        drift={"largest_psi": 1, "unseen_share": 0, "categories": [], "action": "warn"},
        tolerances={"handed_over": EXACT, "mllib": tolerance},
        handed_over_bounded=ANY,
        **more,
    )


def measure(  # noqa: PLR0913 - what a test may change
    research, handed_over, mllib, tolerance: Tolerance = EXACT, *, research_rows=None, promise=PROMISE, **more
) -> dict:
    research, handed_over, mllib = (
        to_pandas(pa.Table.from_pandas(frame, schema=pa.schema(SCHEMA), preserve_index=False))
        for frame in (research, handed_over, mllib)
    )
    predicted = {"handed_over": handed_over, "mllib": mllib}
    return measure_parity(research, promise, parameters(tolerance, **more), research_rows, **predicted)


def test_predictions_of_other_rows_are_named_as_such() -> None:
    research, candidate = two_models(rows=100)
    other = candidate.assign(id=candidate["id"] + 10**9)
    with pytest.raises(ParityError, match="research_predictions are of other data"):
        measure(research, other, other)


def test_where_research_took_some_rows_models_are_compared_on_those() -> None:
    research, candidate = two_models()
    taken = research.head(500)
    parity = measure(taken, research, candidate, research_rows=500)
    in_test = (taken["split"] == "test").sum()
    assert [(one["n_rows"], one["n_missing"]) for one in parity.values()] == [(in_test, 0)] * 2
    assert measure(taken, research, candidate)["handed_over"]["n_missing"] > 0


def test_every_figure_out_of_tolerance_is_a_failure_with_its_limit() -> None:
    research, candidate = two_models()
    parity = measure(research, research, candidate)
    assert parity["handed_over"]["failures"] == []
    names = ("n_diff", "agreement", "max_abs_diff", "mean_abs_diff", "auc_diff", "psi")
    assert [failure.split(" is ")[0] for failure in parity["mllib"]["failures"]] == list(names)
    figure = f"{parity['mllib']['agreement']:.6f}"[:-1]
    assert re.fullmatch(rf"agreement is {figure}\d*, allowed at least 1", parity["mllib"]["failures"][1])


def test_a_figure_on_its_limit_is_within_tolerance() -> None:
    research, candidate = two_models()
    one = measure(research, research, candidate)["mllib"]
    limits = {name: abs(one[name]) for name in EXACT.model_dump()}
    assert measure(research, research, candidate, Tolerance(**limits))["mllib"]["failures"] == []
    for name, limit in limits.items():
        tighter = {"n_diff": limit - 1, "agreement": limit * (1 + 1e-9)}.get(name, limit * (1 - 1e-9))
        tolerance = Tolerance(**limits | {name: tighter})
        (failure,) = measure(research, research, candidate, tolerance)["mllib"]["failures"]
        assert failure.startswith(name)
        is_, allowed = re.findall(r"(?<= )[-+.e0-9]+", failure)
        assert is_ != allowed, failure


def test_missing_rows_are_a_failure_whatever_the_tolerances() -> None:
    research, candidate = two_models()
    short = candidate[candidate["id"] != candidate.loc[candidate["split"] == "test", "id"].iloc[0]]
    parity = measure(research, research, short, ANY)
    assert parity["mllib"]["failures"] == ["1 rows are predicted by one of the two models only"]


def test_a_model_that_is_handed_over_within_a_bound_is_held_to_that_bound() -> None:
    research, candidate = two_models()
    assert measure(research, candidate, research)["handed_over"]["failures"]
    bounded = measure(research, candidate, research, promise=PROMISE | {"probability": "bounded"})["handed_over"]
    assert bounded["failures"] == []
    assert bounded["tolerances"] == ANY.model_dump()


def test_a_family_has_tolerances_of_its_own_for_models_that_are_trained_again() -> None:
    research, candidate = two_models()
    of_family = {"tolerances_by_family": {"linear": {"mllib": ANY}}}
    assert measure(research, research, candidate, **of_family)["mllib"]["failures"]
    linear = measure(research, research, candidate, promise=PROMISE | {"model_family": "linear"}, **of_family)
    assert linear["mllib"]["failures"] == []
