"""Metrics and curves from the histogram of predictions; exact, and held to scikit-learn's functions by the tests.

"Positive" is positive. Every function takes the histogram of one split.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from kedro_handover.evaluation.predictions import PredictionHistogram

CALIBRATION_BINS = 10

LIFT_SHARE = 0.1
"""Lift is that of the tenth of the rows with the highest scores."""


@dataclass(frozen=True)
class Thresholds:
    """Rows at or above each distinct probability, from the highest down, after a first point with none.

    Attributes:
        true: Positive rows at or above it.
        false: Rows that are negative at or above it.
    """

    true: np.ndarray
    false: np.ndarray


def compute_metrics(histogram: PredictionHistogram) -> dict[str, float | int]:
    """Compute every metric of one split.

    Args:
        histogram: The counted predictions.

    Returns:
        `rows`, `positive` (rows), `auc`, `average_precision` (of positive), `average_precision_negative`, `log_loss`
        (nats), `brier`, `ks` (largest distance between the classes' distributions), `lift` (of positive in the tenth
        with the highest probability) and `lift_negative` (of negative in the tenth with the lowest), then at the
        models' own labels: `accuracy`, `balanced_accuracy`, `precision`, `recall`, `f1` of positive, and the confusion
        matrix as `true_positive`, `false_positive`, `true_negative`, `false_negative`.

    Raises:
        ValueError: If the split has one class only.
    """
    positive, negative = int(histogram.positive.sum()), int(histogram.negative.sum())
    if not (positive and negative):
        msg = f"metrics: {positive:,} positive and {negative:,} negative rows are to be told apart. Both must be there."
        raise ValueError(msg)
    true_positive, false_positive = histogram.true_positive, histogram.false_positive
    true_negative, false_negative = negative - false_positive, positive - true_positive
    recall, specificity = true_positive / positive, true_negative / negative
    predicted_positive = true_positive + false_positive
    turned = reverse(histogram)
    return {
        "rows": positive + negative,
        "positive": positive,
        "auc": area_under_roc(histogram),
        "average_precision": average_precision(histogram),
        "average_precision_negative": average_precision(turned),
        "log_loss": log_loss(histogram),
        "brier": brier_score(histogram),
        "ks": kolmogorov_smirnov(histogram),
        "lift": lift(histogram),
        "lift_negative": lift(turned),
        "accuracy": (true_positive + true_negative) / (positive + negative),
        "balanced_accuracy": (recall + specificity) / 2,
        "precision": true_positive / predicted_positive if predicted_positive else 0.0,
        "recall": recall,
        "f1": 2 * true_positive / (2 * true_positive + false_positive + false_negative),
        "true_positive": true_positive,
        "false_positive": false_positive,
        "true_negative": true_negative,
        "false_negative": false_negative,
    }


def reverse(histogram: PredictionHistogram) -> PredictionHistogram:
    """Look at the same predictions from the other class: "negative" is the positive one."""
    negative = int(histogram.negative.sum()) - histogram.false_positive
    return type(histogram)(
        probability=1 - histogram.probability[::-1],
        positive=histogram.negative[::-1],
        negative=histogram.positive[::-1],
        true_positive=negative,
        false_positive=int(histogram.positive.sum()) - histogram.true_positive,
    )


def thresholds(histogram: PredictionHistogram) -> Thresholds:
    """Count the rows at or above each distinct probability: the points of the ROC and precision-recall curves."""
    return Thresholds(
        true=np.concatenate([[0], np.cumsum(histogram.positive[::-1])]),
        false=np.concatenate([[0], np.cumsum(histogram.negative[::-1])]),
    )


def area_under_roc(histogram: PredictionHistogram) -> float:
    """Give the chance that a positive row scores above one that is not, ties counted half; integers, divided once.

    Counts are Python integers: the product of two counts of a large table is beyond 64 bits.
    """
    wins_doubled = below = 0
    for positive, negative in zip(histogram.positive.tolist(), histogram.negative.tolist(), strict=True):
        wins_doubled += positive * (2 * below + negative)
        below += negative
    return float(wins_doubled / (2 * int(histogram.positive.sum()) * below))


def average_precision(histogram: PredictionHistogram) -> float:
    """Give the precision at each threshold, weighted by the recall that it adds."""
    points = thresholds(histogram)
    precision = points.true[1:] / (points.true[1:] + points.false[1:])
    return float(np.sum(np.diff(points.true) * precision) / points.true[-1])


def log_loss(histogram: PredictionHistogram) -> float:
    """Give the mean negative log likelihood, in nats; probabilities are kept off 0 and 1 by float64's epsilon."""
    epsilon = np.finfo(np.float64).eps
    probability = np.clip(histogram.probability, epsilon, 1 - epsilon)
    loss = histogram.positive * -np.log(probability) + histogram.negative * -np.log(1 - probability)
    return float(loss.sum() / (histogram.positive.sum() + histogram.negative.sum()))


def brier_score(histogram: PredictionHistogram) -> float:
    """Give the mean squared difference between probability and outcome."""
    squared = histogram.positive * (1 - histogram.probability) ** 2 + histogram.negative * histogram.probability**2
    return float(squared.sum() / (histogram.positive.sum() + histogram.negative.sum()))


def kolmogorov_smirnov(histogram: PredictionHistogram) -> float:
    """Give the largest difference between the two classes' cumulative shares."""
    points = thresholds(histogram)
    return float(np.max(np.abs(points.true / points.true[-1] - points.false / points.false[-1])))


def lift(histogram: PredictionHistogram) -> float:
    """Give the share of positives in the tenth with the highest scores, over their share in all.

    Rows that share a score are taken in part, in proportion, where the tenth ends among them.
    """
    points = thresholds(histogram)
    rows = points.true + points.false
    captured = np.interp(LIFT_SHARE * rows[-1], rows, points.true)
    return float(captured / points.true[-1] / LIFT_SHARE)


def calibration(histogram: PredictionHistogram) -> tuple[np.ndarray, np.ndarray]:
    """Compare predicted probabilities with outcomes, in `CALIBRATION_BINS` bins of about equal numbers of rows.

    Returns:
        The mean predicted probability of each bin, and its share of positive rows; rows that share a probability
        share a bin, so there may be fewer bins.
    """
    rows = histogram.positive + histogram.negative
    bins = (np.cumsum(rows) - rows) * CALIBRATION_BINS // rows.sum()
    in_bin = np.bincount(bins, weights=rows)
    used = in_bin > 0
    predicted = np.bincount(bins, weights=rows * histogram.probability)[used] / in_bin[used]
    outcome = np.bincount(bins, weights=histogram.positive)[used] / in_bin[used]
    return predicted, outcome
