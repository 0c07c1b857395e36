"""How far a metric of a small test split may be from that of all such rows: intervals at 95 %."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIDENCE = 0.95
Z = 1.959963984540054
"""The quantile of the normal distribution that belongs to it."""

SMALL_SPLIT = 5_000
"""Of a larger split, chance moves a metric by a hundredth or two, and reports give no intervals."""

SHARES = {
    "accuracy": (("true_positive", "true_negative"), ("false_positive", "false_negative")),
    "precision": (("true_positive",), ("false_positive",)),
    "recall": (("true_positive",), ("false_negative",)),
}
"""Metrics that are a share of rows: the counts of those within, and of the others."""


def find_intervals(metrics: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Give the intervals of the metrics of one split of two classes, where it is small.

    Args:
        metrics: What `kedro_handover.evaluation.metrics.compute_metrics` gives.

    Returns:
        By metric, the lower and upper end at `CONFIDENCE`: of shares Wilson's, of the AUC Hanley and McNeil's. Empty
        for a split with `SMALL_SPLIT` rows or more.
    """
    rows, positive = int(metrics["rows"]), int(metrics["positive"])
    if rows >= SMALL_SPLIT:
        return {}
    intervals = {"auc": auc_interval(metrics["auc"], positive, rows - positive)}
    for name, (inside, outside) in SHARES.items():
        hits, misses = (sum(int(metrics[count]) for count in counts) for counts in (inside, outside))
        if hits + misses:
            intervals[name] = share_interval(hits, hits + misses)
    return intervals


def share_interval(hits: int, rows: int) -> tuple[float, float]:
    """Give Wilson's interval of a share.

    Args:
        hits: The rows within.
        rows: All of them, one at least.
    """
    from scipy.stats import binomtest

    interval = binomtest(hits, rows).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def auc_interval(auc: float, positive: int, negative: int) -> tuple[float, float]:
    """Give the interval of an AUC by the standard error of Hanley and McNeil (1982), on the scale of its log odds.

    Args:
        auc: The area under the ROC curve.
        positive: Rows of the positive class, one at least.
        negative: Rows of the negative class, one at least.

    Returns:
        The lower and upper end; both the AUC itself where it is 0 or 1, of which the formula has no error.
    """
    if auc in {0, 1}:
        return auc, auc
    of_positives, of_negatives = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (
        auc * (1 - auc) + (positive - 1) * (of_positives - auc**2) + (negative - 1) * (of_negatives - auc**2)
    ) / (positive * negative)
    odds, reach = math.log(auc / (1 - auc)), Z * math.sqrt(variance) / (auc * (1 - auc))
    low, high = (1 / (1 + math.exp(-(odds + side * reach))) for side in (-1, 1))
    return low, high
