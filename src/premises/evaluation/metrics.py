"""Metrics and curves from the histogram of predictions; exact, and held to scikit-learn's functions by the tests.

"Positive" is active. Every function takes the histogram of one split.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from premises.evaluation.predictions import PredictionHistogram

CALIBRATION_BINS = 10

LIFT_SHARE = 0.1
"""Lift is that of the tenth of the premises with the highest scores."""


@dataclass(frozen=True)
class Thresholds:
    """Premises at or above each distinct probability, from the highest down, after a first point with none.

    Attributes:
        true: Active premises at or above it.
        false: Premises that are not active at or above it.
    """

    true: np.ndarray
    false: np.ndarray


def compute_metrics(histogram: PredictionHistogram) -> dict[str, float | int]:
    """Compute every metric of one split.

    Args:
        histogram: The counted predictions.

    Returns:
        `rows`, `active` (premises), `auc`, `average_precision` (of active), `average_precision_inactive`, `log_loss`
        (nats), `brier`, `ks` (largest distance between the classes' distributions), `lift` (of active in the tenth
        with the highest probability) and `lift_inactive` (of not active in the tenth with the lowest), then at the
        models' own labels: `accuracy`, `balanced_accuracy`, `precision`, `recall`, `f1` of active, and the confusion
        matrix as `true_active`, `false_active`, `true_inactive`, `false_inactive`.

    Raises:
        ValueError: If the split has one class only.
    """
    active, inactive = int(histogram.active.sum()), int(histogram.inactive.sum())
    if not (active and inactive):
        msg = f"metrics: {active:,} active and {inactive:,} inactive premises are to be told apart. Both must be there."
        raise ValueError(msg)
    true_active, false_active = histogram.true_active, histogram.false_active
    true_inactive, false_inactive = inactive - false_active, active - true_active
    recall, specificity = true_active / active, true_inactive / inactive
    predicted_active = true_active + false_active
    turned = reverse(histogram)
    return {
        "rows": active + inactive,
        "active": active,
        "auc": area_under_roc(histogram),
        "average_precision": average_precision(histogram),
        "average_precision_inactive": average_precision(turned),
        "log_loss": log_loss(histogram),
        "brier": brier_score(histogram),
        "ks": kolmogorov_smirnov(histogram),
        "lift": lift(histogram),
        "lift_inactive": lift(turned),
        "accuracy": (true_active + true_inactive) / (active + inactive),
        "balanced_accuracy": (recall + specificity) / 2,
        "precision": true_active / predicted_active if predicted_active else 0.0,
        "recall": recall,
        "f1": 2 * true_active / (2 * true_active + false_active + false_inactive),
        "true_active": true_active,
        "false_active": false_active,
        "true_inactive": true_inactive,
        "false_inactive": false_inactive,
    }


def reverse(histogram: PredictionHistogram) -> PredictionHistogram:
    """Look at the same predictions from the other class: "not active" is the positive one."""
    inactive = int(histogram.inactive.sum()) - histogram.false_active
    return type(histogram)(
        probability=1 - histogram.probability[::-1],
        active=histogram.inactive[::-1],
        inactive=histogram.active[::-1],
        true_active=inactive,
        false_active=int(histogram.active.sum()) - histogram.true_active,
    )


def thresholds(histogram: PredictionHistogram) -> Thresholds:
    """Count the premises at or above each distinct probability: the points of the ROC and precision-recall curves."""
    return Thresholds(
        true=np.concatenate([[0], np.cumsum(histogram.active[::-1])]),
        false=np.concatenate([[0], np.cumsum(histogram.inactive[::-1])]),
    )


def area_under_roc(histogram: PredictionHistogram) -> float:
    """Give the chance that an active premises scores above one that is not, ties counted half; integers, divided once.

    Counts are Python integers: the product of two counts of a large census is beyond 64 bits.
    """
    wins_doubled = below = 0
    for active, inactive in zip(histogram.active.tolist(), histogram.inactive.tolist(), strict=True):
        wins_doubled += active * (2 * below + inactive)
        below += inactive
    return float(wins_doubled / (2 * int(histogram.active.sum()) * below))


def average_precision(histogram: PredictionHistogram) -> float:
    """Give the precision at each threshold, weighted by the recall that it adds."""
    points = thresholds(histogram)
    precision = points.true[1:] / (points.true[1:] + points.false[1:])
    return float(np.sum(np.diff(points.true) * precision) / points.true[-1])


def log_loss(histogram: PredictionHistogram) -> float:
    """Give the mean negative log likelihood, in nats; probabilities are kept off 0 and 1 by float64's epsilon."""
    epsilon = np.finfo(np.float64).eps
    probability = np.clip(histogram.probability, epsilon, 1 - epsilon)
    loss = histogram.active * -np.log(probability) + histogram.inactive * -np.log(1 - probability)
    return float(loss.sum() / (histogram.active.sum() + histogram.inactive.sum()))


def brier_score(histogram: PredictionHistogram) -> float:
    """Give the mean squared difference between probability and outcome."""
    squared = histogram.active * (1 - histogram.probability) ** 2 + histogram.inactive * histogram.probability**2
    return float(squared.sum() / (histogram.active.sum() + histogram.inactive.sum()))


def kolmogorov_smirnov(histogram: PredictionHistogram) -> float:
    """Give the largest difference between the two classes' cumulative shares."""
    points = thresholds(histogram)
    return float(np.max(np.abs(points.true / points.true[-1] - points.false / points.false[-1])))


def lift(histogram: PredictionHistogram) -> float:
    """Give the share of positives in the tenth with the highest scores, over their share in all.

    Premises that share a score are taken in part, in proportion, where the tenth ends among them.
    """
    points = thresholds(histogram)
    rows = points.true + points.false
    captured = np.interp(LIFT_SHARE * rows[-1], rows, points.true)
    return float(captured / points.true[-1] / LIFT_SHARE)


def calibration(histogram: PredictionHistogram) -> tuple[np.ndarray, np.ndarray]:
    """Compare predicted probabilities with outcomes, in `CALIBRATION_BINS` bins of about equal numbers of premises.

    Returns:
        The mean predicted probability of each bin, and its share of active premises; premises that share a probability
        share a bin, so there may be fewer bins.
    """
    rows = histogram.active + histogram.inactive
    bins = (np.cumsum(rows) - rows) * CALIBRATION_BINS // rows.sum()
    in_bin = np.bincount(bins, weights=rows)
    used = in_bin > 0
    predicted = np.bincount(bins, weights=rows * histogram.probability)[used] / in_bin[used]
    outcome = np.bincount(bins, weights=histogram.active)[used] / in_bin[used]
    return predicted, outcome
