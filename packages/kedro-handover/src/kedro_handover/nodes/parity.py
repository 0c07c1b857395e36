"""Compare each model in production with research, row by row, and hold it to its tolerances."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoFrame

from kedro_handover.evaluation.parity import compare_predictions
from kedro_handover.nodes.production_parameters import NumberTolerance, SparkProductionParameters, Tolerance


def measure_parity(
    research_predictions: IntoFrame,
    promise: dict[str, Any],
    parameters: SparkProductionParameters,
    research_rows: int | None = None,
    **predictions: IntoFrame,
) -> dict[str, dict[str, Any]]:
    """Compare each model in production with research, and hold it to its tolerances.

    Args:
        research_predictions: The predictions table of research.
        promise: What `hand_over` promises.
        parameters: `tolerances`; a model that is handed over within a bound is held to those of `handed_over_bounded`.
        research_rows: How many rows research took at most; the models are compared on those. None: it took all.
        predictions: The predictions table of each model in production, by its name.

    Returns:
        For each model what `kedro_handover.evaluation.parity.compare_predictions` gives, its `tolerances`, and
        `failures`: a sentence for each that is violated.
    """
    if research_rows is not None:
        taken = nw.from_native(research_predictions).lazy().select("id")
        predictions = {
            name: nw.from_native(one).lazy().join(taken, on="id", how="semi").to_native()
            for name, one in predictions.items()
        }
    parity = {}
    for name, compared in compare_predictions(research_predictions, predictions).items():
        tolerance = parameters.find_tolerance(name, promise)
        parity[name] = {
            **compared,
            "tolerances": tolerance.model_dump(),
            "failures": _list_failures(compared, tolerance),
        }
    return parity


def _list_failures(compared: dict[str, Any], tolerance: Tolerance | NumberTolerance) -> list[str]:
    allowed = {name: limit for name, limit in tolerance.model_dump().items() if limit is not None}
    failures = [
        f"{name} is {compared[name]:.12g}, allowed {'at least' if name == 'agreement' else 'at most'} {limit:.12g}"
        for name, limit in allowed.items()
        if (compared[name] < limit if name == "agreement" else abs(compared[name]) > limit)
    ]
    if compared["n_missing"]:
        failures.append(f"{compared['n_missing']:,} rows are predicted by one of the two models only")
    return failures
