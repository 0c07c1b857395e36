"""Pictures of a model's evaluation, for a report: each function draws one figure.

Colours are Okabe and Ito's, which colour-blind readers can tell apart. Figures are made without pyplot, so nothing is
kept behind and no window system is asked for.
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import product
from typing import TYPE_CHECKING, Any

from kedro_handover.evaluation.predictions import TEST, TRAIN, PredictionHistogram
from kedro_handover.lazy_types import DecisionTreeClassifier, Figure
from kedro_handover.project import ProjectSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#737373"
SPLIT_LINES: dict[str, dict[str, Any]] = {TRAIN: {"color": GREY, "linestyle": "--"}, TEST: {"color": BLUE}}
STYLE: dict[Any, Any] = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "font.size": 10,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}
DARK_SHARE = 0.71
"""Above it, white is read better than black on the blue of the confusion matrix."""

LEVELS_SHOWN = 3


def plot_confusion_matrix(metrics: dict[str, dict[str, float]], project: ProjectSpec) -> Figure:
    """Draw the confusion matrix of the test split: rows, and shares of each true class.

    Args:
        metrics: The metrics of each split.
        project: Its words.
    """
    test, words = metrics[TEST], project.words
    counts = ((test["true_positive"], test["false_negative"]), (test["false_positive"], test["true_negative"]))
    shares = [[count / sum(row) for count in row] for row in counts]
    with new_figure(5.4, 4.4, grid=False) as (figure, axes):
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in product((0, 1), repeat=2):
            count, share = counts[row][column], shares[row][column]
            colour = "white" if share > DARK_SHARE else "black"
            axes.text(column, row, f"{count:,}\n{share:.1%}", ha="center", va="center", color=colour, size=13)
        axes.set(
            title="Confusion matrix, test split",
            xticks=[0, 1],
            xticklabels=[words.positive, words.negative],
            xlabel="predicted",
            yticks=[0, 1],
            yticklabels=[words.positive, words.negative],
            ylabel=f"true ({test['rows']:,} {words.rows}; shares are of each true class)",
        )
    return figure


def plot_roc_curve(histograms: dict[str, PredictionHistogram], project: ProjectSpec) -> Figure:
    """Draw the ROC curve of each split, with the area under it.

    Args:
        histograms: The counted predictions of each split.
        project: Its words.
    """
    from kedro_handover.evaluation.metrics import area_under_roc, thresholds

    words = project.words
    with new_figure(5.4, 5) as (figure, axes):
        for split, histogram in histograms.items():
            points = thresholds(histogram)
            label = f"{split}: AUC {area_under_roc(histogram):.3f}"
            axes.plot(points.false / points.false[-1], points.true / points.true[-1], label=label, **SPLIT_LINES[split])
        axes.plot([0, 1], [0, 1], color="black", linestyle=":", linewidth=1, label="by chance: 0.500")
        axes.set(
            title="ROC curve",
            xlabel=f"share of {words.rows} that are {words.negative}, predicted {words.positive}",
            ylabel=f"share of {words.positive} {words.rows}, predicted {words.positive}",
            aspect="equal",
        )
        _as_shares(axes.xaxis, axes.yaxis)
        axes.legend(loc="lower right")
    return figure


def plot_precision_recall(histograms: dict[str, PredictionHistogram], project: ProjectSpec) -> Figure:
    """Draw the precision-recall curves of the test split, for each of the two classes as the one to find.

    Args:
        histograms: The counted predictions of each split.
        project: Its words.
    """
    from kedro_handover.evaluation.metrics import average_precision, reverse, thresholds

    test, words = histograms[TEST], project.words
    with new_figure(6.2, 5.2) as (figure, axes):
        for name, histogram, colour in (
            (words.positive, test, BLUE),
            (words.negative, reverse(test), VERMILION),
        ):
            points = thresholds(histogram)
            found = points.true[1:] + points.false[1:]
            share = points.true[-1] / found[-1]
            axes.plot(
                points.true[1:] / points.true[-1],
                points.true[1:] / found,
                color=colour,
                marker="o" if len(found) == 1 else None,  # one point makes no line
                label=f"{name}: average precision {average_precision(histogram):.3f}",
            )
            axes.axhline(share, color=colour, linestyle=":", linewidth=1, label=f"{name} by chance: {share:.3f}")
        axes.set(
            title="Precision and recall, test split",
            xlabel="recall: share of the class that is found",
            ylabel="precision: share of those found that are of the class",
            ylim=(0, 1.02),
        )
        _as_shares(axes.xaxis, axes.yaxis)
        figure.legend(loc="outside lower center", ncols=2)  # the curves leave no room of their own
    return figure


def plot_calibration(histograms: dict[str, PredictionHistogram], project: ProjectSpec) -> Figure:
    """Draw the share of positive rows against the predicted probability, in bins of about equal numbers.

    Args:
        histograms: The counted predictions of each split.
        project: Its words.
    """
    from kedro_handover.evaluation.metrics import calibration

    words = project.words
    with new_figure(5.4, 5) as (figure, axes):
        axes.plot([0, 1], [0, 1], color="black", linestyle=":", linewidth=1, label="as predicted")
        for split, histogram in histograms.items():
            predicted, outcome = calibration(histogram)
            axes.plot(predicted, outcome, marker="o", label=split, **SPLIT_LINES[split])
        axes.set(
            title="Calibration",
            xlabel=f"mean predicted probability of being {words.positive}",
            ylabel=f"share of {words.rows} that are {words.positive}",
            aspect="equal",
            xlim=(0, 1),
            ylim=(0, 1.02),
        )
        _as_shares(axes.xaxis, axes.yaxis)
        axes.legend(loc="lower right")
    return figure


def plot_importances(tree: DecisionTreeClassifier) -> Figure:
    """Draw how much of the tree's fall in impurity each feature brought.

    Args:
        tree: The fitted tree.
    """
    order = tree.feature_importances_.argsort(kind="stable")
    names = [_words(tree.feature_names_in_[place]) for place in order]
    with new_figure(6, 4.6) as (figure, axes):
        bars = axes.barh(names, tree.feature_importances_[order], color=BLUE)
        axes.bar_label(bars, fmt="{:.1%}", padding=3, size=9)
        axes.set(title="Importance of the features", xlabel=f"share of the fall in impurity ({tree.criterion})")
        _as_shares(axes.xaxis)
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.15)
        if not tree.feature_importances_.any():  # a tree of one leaf
            axes.set_xlim(0, 1)
    return figure


def plot_tree_top(tree: DecisionTreeClassifier, project: ProjectSpec) -> Figure:
    """Draw the first levels of the tree.

    Args:
        tree: The fitted tree.
        project: Its words.
    """
    from sklearn.tree import plot_tree

    with new_figure(15, 6.4, grid=False) as (figure, axes):
        plot_tree(
            tree,
            max_depth=LEVELS_SHOWN - 1,
            feature_names=[_words(name) for name in tree.feature_names_in_],
            class_names=[project.words.negative, project.words.positive],
            filled=True,
            impurity=False,
            proportion=True,
            rounded=True,
            precision=2,
            fontsize=10,
            ax=axes,
        )
        depth, leaves = tree.get_depth(), tree.get_n_leaves()
        shown = "A whole tree" if depth < LEVELS_SHOWN else f"The first {LEVELS_SHOWN} levels of a tree"
        axes.set_title(
            f"{shown} of depth {depth} with {leaves} {'leaf' if leaves == 1 else 'leaves'}. "
            f"value: shares of {project.words.negative} and {project.words.positive}; left is yes"
        )
    return figure


def plot_drift(drift: dict[str, Any]) -> Figure:
    """Draw the population stability index of each feature, against the limit.

    Args:
        drift: What `kedro_handover.evaluation.drift.measure_drift` gives.
    """
    features = list(reversed(drift["features"]))
    limit = drift["largest_psi"]
    with new_figure(9, 1.2 + 0.24 * len(features)) as (figure, axes):
        colours = [VERMILION if one["psi"] > limit else BLUE for one in features]
        names = [_words(one["feature"]) for one in features]
        bars = axes.barh(names, [one["psi"] for one in features], color=colours)
        axes.axvline(limit, color=GREY, linestyle="--")
        axes.bar_label(bars, fmt="%.3f", padding=3, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})
        axes.grid(visible=False, axis="y")
        axes.set(
            title="Drift of each feature since the release",
            xlabel=f"population stability index, no unit; limit {limit:g}",
            xlim=(0, 1.15 * max(limit, *(one["psi"] for one in features))),
        )
    return figure


def plot_disagreement(by_group: list[dict[str, Any]], project: ProjectSpec) -> Figure:
    """Draw how far a model's probabilities are from those of research in each group.

    Args:
        by_group: Records with `group` and `mean_abs_diff`.
        project: Its words.
    """
    with new_figure(5.4, 4) as (figure, axes):
        names = [project.name_group(record["group"]) for record in by_group]
        bars = axes.barh(names, [record["mean_abs_diff"] for record in by_group], color=BLUE)
        axes.bar_label(bars, fmt="{:.3g}", padding=3, size=9)
        axes.xaxis.set_major_formatter("{x:.2g}")  # else a factor such as 1e-8 stands over the axis' label
        axes.locator_params(axis="x", nbins=4)
        axes.set(
            title=f"Mean |Δp| by {project.words.group}, test split",
            xlabel=f"mean difference in the probability of being {project.words.positive}, 0 to 1",
        )
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.15)
    return figure


@contextmanager
def new_figure(width_inches: float, height_inches: float, *, grid: bool = True) -> Iterator[tuple[Figure, Axes]]:
    """Give a figure to draw on while the style holds."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as MatplotlibFigure

    with rc_context({**STYLE, "axes.grid": grid}):
        figure = MatplotlibFigure(figsize=(width_inches, height_inches), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, figure.add_subplot()


def _as_shares(*which: Axis) -> None:
    from matplotlib.ticker import PercentFormatter

    for axis in which:
        axis.set_major_formatter(PercentFormatter(1))


def _words(name: str) -> str:
    return name.replace("_", " ")
