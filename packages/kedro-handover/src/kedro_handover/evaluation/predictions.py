"""The predictions table, which every model gives alike, and what is counted from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoFrame

from kedro_handover.contract import TABLE_RULES, check_no_violations, count_violations

if TYPE_CHECKING:
    import numpy as np

TRAIN = "train"
TEST = "test"

RULES = TABLE_RULES["predictions"]


@dataclass(frozen=True)
class PredictionHistogram:
    """The rows of one split, counted by their predicted probability, prediction and label.

    A tree gives few distinct probabilities, so this is small whatever the number of rows, and metrics and curves that
    are computed from it are those of the single rows.

    Attributes:
        probability: The distinct probabilities of being positive, ascending.
        positive: Positive rows that were given each probability.
        negative: Negative rows that were given each probability.
        true_positive: Positive rows predicted to be positive.
        false_positive: Negative rows predicted to be positive.
    """

    probability: np.ndarray
    positive: np.ndarray
    negative: np.ndarray
    true_positive: int
    false_positive: int


def count_predictions(predictions: IntoFrame) -> dict[str, PredictionHistogram]:
    """Count the predictions of each split.

    Args:
        predictions: `id`, `split`, `label` (boolean), `probability` (float64), `prediction` (boolean).

    Returns:
        A histogram for each split that has labelled rows.

    Raises:
        ContractError: If a probability is missing or is not from 0 to 1, or a prediction is missing.
    """
    import numpy as np

    positive = nw.col("label").cast(nw.Int64)
    counted = (
        nw.from_native(predictions)
        .lazy()
        .filter(~nw.col("label").is_null())
        .with_columns(positive=positive, negative=1 - positive)
        .group_by("split", "probability", "prediction")
        .agg(nw.col("positive").sum(), nw.col("negative").sum())
        .collect("pyarrow")
    )
    (violations,) = counted.select(**count_violations("predictions", RULES)).rows(named=True)
    check_no_violations(violations, "predictions", RULES)
    histograms = {}
    for split in sorted(set(counted["split"].to_list())):
        rows = counted.filter(nw.col("split") == split)
        probability, places = np.unique(rows["probability"].to_numpy(), return_inverse=True)
        positive_rows, negative_rows = rows["positive"].to_numpy(), rows["negative"].to_numpy()
        predicted = rows["prediction"].to_numpy().astype(bool)
        histograms[split] = PredictionHistogram(
            probability=probability,
            positive=_sum_by_place(positive_rows, places, len(probability)),
            negative=_sum_by_place(negative_rows, places, len(probability)),
            true_positive=int(positive_rows[predicted].sum()),
            false_positive=int(negative_rows[predicted].sum()),
        )
    return histograms


def evaluate_predictions(
    predictions: IntoFrame,
) -> tuple[dict[str, PredictionHistogram], dict[str, dict[str, float | int]]]:
    """Count the predictions of a model, and compute the metrics of each split from the counts.

    Args:
        predictions: The predictions table of any model, on any engine.

    Returns:
        The histogram and the metrics of each split, by its name; for the metrics see
        `kedro_handover.evaluation.metrics.compute_metrics`.
    """
    from kedro_handover.evaluation.metrics import compute_metrics

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
