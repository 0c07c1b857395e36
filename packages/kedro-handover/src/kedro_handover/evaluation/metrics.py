"""Metrics and curves of one split, from the histogram of its predictions.

They are scikit-learn's functions: each bin of the histogram is two rows with a `sample_weight`, its positive and its
negative rows; of several classes each is looked at against all others; of a regression each pair of a label and a
prediction is a row with its `sample_weight`. What scikit-learn has no function for, or what has to be exact, is
computed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import sklearn.metrics as sklearn_metrics

if TYPE_CHECKING:
    from typing import Any

    from kedro_handover.evaluation.predictions import ClassHistograms, NumberPairs, PredictionHistogram

CALIBRATION_BINS = 10

LIFT_SHARE = 0.1
"""Lift is that of the tenth of the rows with the highest scores."""


def compute_metrics(histogram: PredictionHistogram) -> dict[str, float | int]:
    """Compute every metric of one split.

    Args:
        histogram: The counted predictions.

    Returns:
        `rows`, `positive` (rows), `auc`, `average_precision` (of positive), `average_precision_negative`, `log_loss`
        (nats), `brier`, `ks` (largest distance between the classes' distributions), `lift` (of positive in the tenth
        with the highest probability) and `lift_negative` (of negative in the tenth with the lowest), then at the
        model's own labels: `accuracy`, `balanced_accuracy`, `precision`, `recall`, `f1` of positive, and the confusion
        matrix as `true_positive`, `false_positive`, `true_negative`, `false_negative`. Where probabilities are so many
        that they are rounded to bins, `bin_width` says how wide these are.

    Raises:
        ValueError: If the split has one class only.
    """
    positive, negative = int(histogram.positive.sum()), int(histogram.negative.sum())
    if not (positive and negative):
        msg = f"metrics: {positive:,} positive and {negative:,} negative rows are to be told apart. Both must be there."
        raise ValueError(msg)
    reversed_ = reverse(histogram)
    label, bins, weight = _weigh(histogram)
    probability = histogram.probability[bins]
    return {
        "rows": positive + negative,
        "positive": positive,
        "auc": area_under_roc(histogram),
        "average_precision": average_precision(histogram),
        "average_precision_negative": average_precision(reversed_),
        "log_loss": float(sklearn_metrics.log_loss(label, probability, sample_weight=weight)),
        "brier": float(sklearn_metrics.brier_score_loss(label, probability, sample_weight=weight)),
        "ks": kolmogorov_smirnov(histogram),
        "lift": lift(histogram),
        "lift_negative": lift(reversed_),
        **_measure_labels(histogram),
        **_say_bins(histogram),
    }


def compute_class_metrics(counted: ClassHistograms) -> dict[str, Any]:
    """Compute every metric of one split of a multiclass task.

    Args:
        counted: The counted predictions.

    Returns:
        `rows`, `auc` (the mean of each class against all others), `log_loss` (nats), `accuracy`, `balanced_accuracy`,
        `macro_f1`, `confusion_matrix` (rows by true and predicted class), and `by_class`: of each its `rows`, `auc`,
        `average_precision`, `precision`, `recall` and `f1`; and `bin_width` where probabilities are rounded to bins.

    Raises:
        ValueError: If a class has no row.
    """
    rows = counted.confusion.sum(axis=1)
    classes = np.arange(len(rows))
    if not rows.all():
        missing = ", ".join(map(str, classes[rows == 0]))
        msg = f"metrics: no row is of class {missing}. Each of the {len(rows)} classes must be there."
        raise ValueError(msg)
    true, predicted = (codes.ravel() for codes in np.meshgrid(classes, classes, indexing="ij"))
    cells = counted.confusion.ravel()
    precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(
        true, predicted, labels=classes, sample_weight=cells, zero_division=0
    )
    aucs = [area_under_roc(histogram) for histogram in counted.by_class]
    return {
        "rows": int(rows.sum()),
        "auc": sum(aucs) / len(aucs),
        "log_loss": _log_loss_of_classes(counted),
        "accuracy": float(sklearn_metrics.accuracy_score(true, predicted, sample_weight=cells)),
        "balanced_accuracy": float(sklearn_metrics.balanced_accuracy_score(true, predicted, sample_weight=cells)),
        "macro_f1": float(np.mean(f1)),
        "confusion_matrix": counted.confusion.tolist(),
        "by_class": [
            {
                "rows": int(rows[place]),
                "auc": aucs[place],
                "average_precision": average_precision(histogram),
                "precision": float(precision[place]),
                "recall": float(recall[place]),
                "f1": float(f1[place]),
            }
            for place, histogram in enumerate(counted.by_class)
        ],
        **_say_bins(counted),
    }


def compute_number_metrics(counted: NumberPairs) -> dict[str, Any]:
    """Compute every metric of one split of a regression, in the unit of what is predicted.

    Args:
        counted: The counted predictions.

    Returns:
        `rows`, `mae` (mean absolute error), `rmse` (root mean squared error), `r2` (share of the labels' variance that
        is explained), `bias` (mean of prediction minus label), `mean_label`, and `bin_width` where numbers are rounded
        to bins.
    """
    label, prediction, rows = counted.label, counted.prediction, counted.rows
    return {
        "rows": int(rows.sum()),
        "mae": float(sklearn_metrics.mean_absolute_error(label, prediction, sample_weight=rows)),
        "rmse": float(sklearn_metrics.root_mean_squared_error(label, prediction, sample_weight=rows)),
        "r2": float(sklearn_metrics.r2_score(label, prediction, sample_weight=rows)),
        "bias": float(np.average(prediction - label, weights=rows)),
        "mean_label": float(np.average(label, weights=rows)),
        **_say_bins(counted),
    }


def _log_loss_of_classes(counted: ClassHistograms) -> float:
    """Compute the log loss from the probability that each row was given for its own class."""
    labels, given, weights = [], [], []
    classes = len(counted.by_class)
    for place, histogram in enumerate(counted.by_class):
        is_there = histogram.positive > 0
        probability = histogram.probability[is_there]
        of_class = np.zeros((len(probability), classes))
        of_class[:, place], of_class[:, place - 1] = probability, 1 - probability  # which other class makes no odds
        labels.append(np.full(len(probability), place))
        given.append(of_class)
        weights.append(histogram.positive[is_there])
    label, weight = np.concatenate(labels), np.concatenate(weights)
    return float(sklearn_metrics.log_loss(label, np.vstack(given), sample_weight=weight, labels=np.arange(classes)))


def _say_bins(counted: PredictionHistogram | ClassHistograms | NumberPairs) -> dict[str, float]:
    return {} if counted.bin_width is None else {"bin_width": counted.bin_width}


def reverse(histogram: PredictionHistogram) -> PredictionHistogram:
    """Look at the same predictions from the other class, as if negative were positive.

    Args:
        histogram: The counted predictions.

    Returns:
        The same counts with the classes exchanged, by the probability of being negative.
    """
    true_negative = int(histogram.negative.sum()) - histogram.false_positive
    return type(histogram)(
        probability=1 - histogram.probability[::-1],
        positive=histogram.negative[::-1],
        negative=histogram.positive[::-1],
        true_positive=true_negative,
        false_positive=int(histogram.positive.sum()) - histogram.true_positive,
        bin_width=histogram.bin_width,
    )


def area_under_roc(histogram: PredictionHistogram) -> float:
    """Compute the chance that a positive row scores above a negative one, ties counted half.

    `sklearn.metrics.roc_auc_score` adds areas up as float64, so that its last bit depends on the number of bins. Parity
    subtracts the AUCs of models whose bins differ; so this function counts pairs of rows in integers, and divides once.
    The integers are Python's: the product of two counts of a large table is beyond 64 bits.

    Args:
        histogram: The counted predictions.
    """
    wins_doubled = below = 0
    for positive, negative in zip(histogram.positive.tolist(), histogram.negative.tolist(), strict=True):
        wins_doubled += positive * (2 * below + negative)
        below += negative
    return float(wins_doubled / (2 * int(histogram.positive.sum()) * below))


def average_precision(histogram: PredictionHistogram) -> float:
    """Compute the precision at each threshold, weighted by the recall that it adds.

    Args:
        histogram: The counted predictions.
    """
    label, bins, weight = _weigh(histogram)
    return float(sklearn_metrics.average_precision_score(label, bins, sample_weight=weight))


def kolmogorov_smirnov(histogram: PredictionHistogram) -> float:
    """Compute the largest difference between the two classes' cumulative shares.

    Args:
        histogram: The counted predictions.
    """
    false_positive_rate, true_positive_rate = roc_curve(histogram)
    return float(np.max(np.abs(true_positive_rate - false_positive_rate)))


def lift(histogram: PredictionHistogram) -> float:
    """Compute the share of positives in the tenth with the highest scores, over their share in all.

    Rows that share a score are taken in part, in proportion, where the tenth ends among them.

    Args:
        histogram: The counted predictions.
    """
    label, bins, weight = _weigh(histogram)
    _, false, _, true, _ = sklearn_metrics.confusion_matrix_at_thresholds(label, bins, sample_weight=weight)
    rows = np.concatenate([[0], true + false])
    captured = np.interp(LIFT_SHARE * rows[-1], rows, np.concatenate([[0], true]))
    return float(captured / true[-1] / LIFT_SHARE)


def roc_curve(histogram: PredictionHistogram) -> tuple[np.ndarray, np.ndarray]:
    """Compute the points of the ROC curve: one for each distinct probability, from the highest down, after (0, 0).

    Args:
        histogram: The counted predictions.

    Returns:
        The false positive rate and the true positive rate of each point.
    """
    label, bins, weight = _weigh(histogram)
    rates = sklearn_metrics.roc_curve(label, bins, sample_weight=weight, drop_intermediate=False)
    return rates[0], rates[1]


def precision_recall_curve(histogram: PredictionHistogram) -> tuple[np.ndarray, np.ndarray]:
    """Compute the points of the precision-recall curve: one for each distinct probability, from the highest down.

    Args:
        histogram: The counted predictions.

    Returns:
        The precision and the recall of each point.
    """
    label, bins, weight = _weigh(histogram)
    precision, recall, _ = sklearn_metrics.precision_recall_curve(label, bins, sample_weight=weight)
    return precision[-2::-1], recall[-2::-1]  # the last is a precision of 1 that no threshold has


def calibration(histogram: PredictionHistogram) -> tuple[np.ndarray, np.ndarray]:
    """Compare predicted probabilities with outcomes, in `CALIBRATION_BINS` bins of about equal numbers of rows.

    `sklearn.calibration.calibration_curve` takes no `sample_weight`.

    Args:
        histogram: The counted predictions.

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


def _measure_labels(histogram: PredictionHistogram) -> dict[str, float | int]:
    """Compute the metrics of the labels that the model gives, from the four cells of the confusion matrix."""
    true_positive, false_positive = histogram.true_positive, histogram.false_positive
    false_negative = int(histogram.positive.sum()) - true_positive
    true_negative = int(histogram.negative.sum()) - false_positive
    label, predicted = [True, False, True, False], [True, True, False, False]
    cells = [true_positive, false_positive, false_negative, true_negative]
    precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(
        label, predicted, average="binary", sample_weight=cells, zero_division=0
    )
    return {
        "accuracy": float(sklearn_metrics.accuracy_score(label, predicted, sample_weight=cells)),
        "balanced_accuracy": float(sklearn_metrics.balanced_accuracy_score(label, predicted, sample_weight=cells)),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "true_positive": true_positive,
        "false_positive": false_positive,
        "true_negative": true_negative,
        "false_negative": false_negative,
    }


def _weigh(histogram: PredictionHistogram) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the label, the number of the bin and the `sample_weight` of each bin's positive, then negative rows.

    The number of the bin does for a score where only the order counts. It keeps bins apart that 1 - probability would
    make one, where two probabilities of the other class are next to 0.
    """
    bins = np.arange(len(histogram.probability))
    label = np.repeat([True, False], len(bins))
    return label, np.concatenate([bins, bins]), np.concatenate([histogram.positive, histogram.negative])
