"""The predictions table, which every model gives alike, and what is counted from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoFrame

from premises.census.contract import check_no_broken, count_broken

if TYPE_CHECKING:
    import numpy as np

TRAIN = "train"
TEST = "test"

KEYS = ("premises_id", "split", "fold", "is_active")
"""The columns of `model_input` that are not features."""

PREDICTION_COLUMNS = ("premises_id", "split", "is_active", "probability", "prediction")


@dataclass(frozen=True)
class PredictionHistogram:
    """The premises of one split, counted by their predicted probability, prediction and label.

    A tree gives few distinct probabilities, so this is small whatever the number of premises, and every metric and
    curve that is computed from it is exact.

    Attributes:
        probability: The distinct probabilities of being active, ascending.
        active: Active premises that were given each probability.
        inactive: Premises that are not active, likewise.
        true_active: Active premises predicted to be active.
        false_active: Premises that are not active, predicted to be active.
    """

    probability: np.ndarray
    active: np.ndarray
    inactive: np.ndarray
    true_active: int
    false_active: int


def count_predictions(predictions: IntoFrame) -> dict[str, PredictionHistogram]:
    """Count the predictions of each split.

    Args:
        predictions: `premises_id`, `split`, `is_active` (boolean), `probability` (float64), `prediction` (boolean).

    Returns:
        A histogram for each split that has labelled premises.

    Raises:
        ContractError: If a probability is missing or is none, or a prediction is missing.
    """
    import numpy as np

    active = nw.col("is_active").cast(nw.Int64)
    counted = (
        nw.from_native(predictions)
        .lazy()
        .filter(~nw.col("is_active").is_null())
        .with_columns(active=active, inactive=1 - active)
        .group_by("split", "probability", "prediction")
        .agg(nw.col("active").sum(), nw.col("inactive").sum())
        .collect("pyarrow")
    )
    (broken,) = counted.select(**count_broken("predictions")).rows(named=True)
    check_no_broken(broken)
    histograms = {}
    for split in sorted(set(counted["split"].to_list())):
        rows = counted.filter(nw.col("split") == split)
        probability, places = np.unique(rows["probability"].to_numpy(), return_inverse=True)
        active_rows, inactive_rows = rows["active"].to_numpy(), rows["inactive"].to_numpy()
        predicted = rows["prediction"].to_numpy().astype(bool)
        histograms[split] = PredictionHistogram(
            probability=probability,
            active=_sum_by_place(active_rows, places, len(probability)),
            inactive=_sum_by_place(inactive_rows, places, len(probability)),
            true_active=int(active_rows[predicted].sum()),
            false_active=int(inactive_rows[predicted].sum()),
        )
    return histograms


def evaluate_predictions(
    predictions: IntoFrame,
) -> tuple[dict[str, PredictionHistogram], dict[str, dict[str, float | int]]]:
    """Count the predictions of a model, and compute the metrics of each split from the counts.

    Args:
        predictions: The predictions table of any model, on any engine.

    Returns:
        The histogram and the metrics (see `premises.evaluation.metrics.compute_metrics`) of each split, by its name.
    """
    from premises.evaluation.metrics import compute_metrics

    histograms = count_predictions(predictions)
    return histograms, {split: compute_metrics(histogram) for split, histogram in histograms.items()}


def measure_predictions(predictions: IntoFrame) -> dict[str, dict[str, float | int]]:
    """Compute the metrics of each split.

    Args:
        predictions: The predictions table of any model, on any engine.

    Returns:
        The metrics of each split, by its name.
    """
    return evaluate_predictions(predictions)[1]


def _sum_by_place(counts: np.ndarray, places: np.ndarray, length: int) -> np.ndarray:
    import numpy as np

    sums = np.zeros(length, dtype=np.int64)
    np.add.at(sums, places, counts)
    return sums
