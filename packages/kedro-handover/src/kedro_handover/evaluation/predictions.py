"""The predictions table, which every model gives alike, and what is counted from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoFrame

from kedro_handover.contract import TABLE_RULES, check_no_violations, count_violations, list_prediction_rules
from kedro_handover.tasks import Task, find_task, list_scores

if TYPE_CHECKING:
    import numpy as np

TRAIN = "train"
TEST = "test"

RULES = TABLE_RULES["predictions"]

MOST_COUNTED = 1_000_000
"""So many distinct values are counted as they are; where there are more, they are rounded to bins first."""

PROBABILITY_WIDTH = 2.0**-16
"""The width of such a bin, of probabilities. Powers of two, so that rounding is exact on every engine."""

STEPS_OF_LABELS = 4_096
"""Of numbers that a regression predicts, about so many bins are as wide as their labels reach."""


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
        bin_width: How wide the bins are that probabilities are rounded to; None where they are as they are.
    """

    probability: np.ndarray
    positive: np.ndarray
    negative: np.ndarray
    true_positive: int
    false_positive: int
    bin_width: float | None = None


@dataclass(frozen=True)
class ClassHistograms:
    """The rows of one split of a multiclass task, counted.

    Attributes:
        confusion: Rows by true class (down) and predicted class (across), in the order of the classes' codes.
        by_class: For each class the rows by its probability: those of the class are positive, all others negative.
    """

    confusion: np.ndarray
    by_class: tuple[PredictionHistogram, ...]

    @property
    def bin_width(self) -> float | None:
        """How wide the bins are that probabilities are rounded to; None where they are as they are."""
        return self.by_class[0].bin_width


@dataclass(frozen=True)
class NumberPairs:
    """The rows of one split of a regression, counted by label and prediction, in ascending order.

    Attributes:
        label: The number of each pair.
        prediction: What is predicted for it.
        rows: The rows that have just these two.
        bin_width: How wide the bins are that both are rounded to; None where they are as they are.
    """

    label: np.ndarray
    prediction: np.ndarray
    rows: np.ndarray
    bin_width: float | None = None


Counted: TypeAlias = PredictionHistogram | ClassHistograms | NumberPairs
"""What is counted of one split; the task decides."""


def count_predictions(predictions: IntoFrame) -> dict[str, Any]:
    """Count the predictions of each split.

    Args:
        predictions: The predictions table of any task: `split`, `label`, `prediction`, and the probabilities.

    Returns:
        For each split that has labelled rows a `PredictionHistogram`, of several classes `ClassHistograms`, of a
        regression `NumberPairs`.

    Raises:
        ContractError: If a probability is missing or is not from 0 to 1, or a prediction is missing.
    """
    frame = nw.from_native(predictions).lazy().filter(~nw.col("label").is_null())
    return COUNT[find_task(frame)](frame)


def evaluate_predictions(predictions: IntoFrame) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Count the predictions of a model, and compute the metrics of each split from the counts.

    Args:
        predictions: The predictions table of any model, on any engine.

    Returns:
        What `count_predictions` gives, and the metrics of each split, by its name; for the metrics see
        `kedro_handover.evaluation.metrics`.
    """
    from kedro_handover.evaluation import metrics

    compute: dict[type, Callable[[Any], dict[str, Any]]] = {
        PredictionHistogram: metrics.compute_metrics,
        ClassHistograms: metrics.compute_class_metrics,
        NumberPairs: metrics.compute_number_metrics,
    }
    counted = count_predictions(predictions)
    return counted, {split: compute[type(of_split)](of_split) for split, of_split in counted.items()}


def measure_predictions(predictions: IntoFrame) -> dict[str, dict[str, Any]]:
    """Compute the metrics of each split.

    Args:
        predictions: The predictions table of any model, on any engine.

    Returns:
        The metrics of each split, by its name.
    """
    return evaluate_predictions(predictions)[1]


def count_distinct(
    frame: nw.LazyFrame[Any], keys: list[str], widths: Mapping[str, float], **counts: nw.Expr
) -> tuple[nw.DataFrame[Any], bool]:
    """Count rows by the values of columns as they are, or, where these are too many, rounded to bins.

    Args:
        frame: The rows.
        keys: The columns to count by.
        widths: Those of them that may be rounded, and the width of a bin: a power of two.
        counts: What to work out of each group.

    Returns:
        The groups, and whether they are of bins.
    """
    as_they_are = frame.group_by(*keys).agg(**counts).head(MOST_COUNTED + 1).collect("pyarrow")
    if len(as_they_are) <= MOST_COUNTED:
        return as_they_are, False
    rounded = {name: (nw.col(name) * (1 / width) + 0.5).floor() * width for name, width in widths.items()}
    return frame.with_columns(**rounded).group_by(*keys).agg(**counts).collect("pyarrow"), True


def find_width(low: float, high: float) -> float:
    """Give the width of a bin for numbers that reach from one to another: a power of two.

    Args:
        low: The lowest of the labels.
        high: The highest.
    """
    reach = (high - low) or abs(high) or 1.0
    return 2.0 ** math.floor(math.log2(reach / STEPS_OF_LABELS))


def _count_binary(frame: nw.LazyFrame[Any]) -> dict[str, PredictionHistogram]:
    positive = nw.col("label").cast(nw.Int64)
    counted, are_bins = count_distinct(
        frame.with_columns(positive=positive, negative=1 - positive),
        ["split", "probability", "prediction"],
        {"probability": PROBABILITY_WIDTH},
        positive=nw.col("positive").sum(),
        negative=nw.col("negative").sum(),
    )
    (violations,) = counted.select(**count_violations("predictions", RULES)).rows(named=True)
    check_no_violations(violations, "predictions", RULES)
    histograms = {}
    for split in _list_splits(counted):
        rows = counted.filter(nw.col("split") == split)
        predicted = rows["prediction"].to_numpy().astype(bool)
        positive_rows, negative_rows = rows["positive"].to_numpy(), rows["negative"].to_numpy()
        histograms[split] = _make_histogram(
            rows["probability"].to_numpy(),
            positive_rows,
            negative_rows,
            (int(positive_rows[predicted].sum()), int(negative_rows[predicted].sum())),
            PROBABILITY_WIDTH if are_bins else None,
        )
    return histograms


def _count_classes(frame: nw.LazyFrame[Any]) -> dict[str, ClassHistograms]:
    import numpy as np

    scores = list_scores(frame.collect_schema().names())
    rules = list_prediction_rules(scores)
    (violations,) = frame.select(**count_violations("predictions", rules)).collect().rows(named=True)
    check_no_violations({name: int(count or 0) for name, count in violations.items()}, "predictions", rules)
    confusion = frame.group_by("split", "label", "prediction").agg(rows=nw.len()).collect("pyarrow")
    long = frame.select("split", "label", *scores).unpivot(
        on=scores, index=["split", "label"], variable_name="score", value_name="probability"
    )
    counted, are_bins = count_distinct(
        long, ["split", "score", "label", "probability"], {"probability": PROBABILITY_WIDTH}, rows=nw.len()
    )
    of_all = {}
    for split in _list_splits(confusion):
        cells = confusion.filter(nw.col("split") == split)
        matrix = np.zeros((len(scores), len(scores)), dtype=np.int64)
        np.add.at(matrix, (cells["label"].to_numpy(), cells["prediction"].to_numpy()), cells["rows"].to_numpy())
        histograms = []
        for place, score in enumerate(scores):
            rows = counted.filter(nw.col("split") == split, nw.col("score") == score)
            count, is_class = rows["rows"].to_numpy().astype(np.int64), rows["label"].to_numpy() == place
            true = int(matrix[place, place])
            histograms.append(
                _make_histogram(
                    rows["probability"].to_numpy(),
                    count * is_class,
                    count * ~is_class,
                    (true, int(matrix[:, place].sum()) - true),
                    PROBABILITY_WIDTH if are_bins else None,
                )
            )
        of_all[split] = ClassHistograms(matrix, tuple(histograms))
    return of_all


def _count_numbers(frame: nw.LazyFrame[Any]) -> dict[str, NumberPairs]:
    import numpy as np

    rules = list_prediction_rules(["prediction"])
    label = nw.col("label")
    (found,) = (
        frame.select(low=label.min(), high=label.max(), **count_violations("predictions", rules))
        .collect()
        .rows(named=True)
    )
    counts = {name: int(count or 0) for name, count in found.items() if name not in {"low", "high"}}
    check_no_violations(counts, "predictions", rules)
    if found["low"] is None:
        return {}
    width = find_width(float(found["low"]), float(found["high"]))
    widths = {"label": width, "prediction": width}
    counted, are_bins = count_distinct(frame, ["split", "label", "prediction"], widths, rows=nw.len())
    pairs = {}
    for split in _list_splits(counted):
        rows = counted.filter(nw.col("split") == split)
        true, predicted = rows["label"].to_numpy(), rows["prediction"].to_numpy()
        order = np.lexsort((predicted, true))
        number = rows["rows"].to_numpy().astype(np.int64)
        pairs[split] = NumberPairs(true[order], predicted[order], number[order], width if are_bins else None)
    return pairs


def _make_histogram(
    probability: np.ndarray,
    positive: np.ndarray,
    negative: np.ndarray,
    predicted: tuple[int, int],
    bin_width: float | None,
) -> PredictionHistogram:
    """Add up the rows of each distinct probability; `predicted` are the true and the false positives."""
    import numpy as np

    distinct, places = np.unique(probability, return_inverse=True)
    true_positive, false_positive = predicted
    return PredictionHistogram(
        probability=distinct,
        positive=_sum_by_place(positive, places, len(distinct)),
        negative=_sum_by_place(negative, places, len(distinct)),
        true_positive=true_positive,
        false_positive=false_positive,
        bin_width=bin_width,
    )


def _list_splits(counted: nw.DataFrame[Any]) -> list[str]:
    return sorted(set(counted["split"].to_list()))


COUNT: dict[Task, Callable[[nw.LazyFrame[Any]], dict[str, Any]]] = {
    "binary": _count_binary,
    "multiclass": _count_classes,
    "regression": _count_numbers,
}
"""What counts the predictions of each task."""


def _sum_by_place(counts: np.ndarray, places: np.ndarray, length: int) -> np.ndarray:
    import numpy as np

    sums = np.zeros(length, dtype=np.int64)
    np.add.at(sums, places, counts)
    return sums
