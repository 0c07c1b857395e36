"""Figures of a model's evaluation, for a report: each function makes one.

Colours are Okabe and Ito's, which colour-blind readers can tell apart. Figures are made without pyplot, so nothing is
kept behind and no window system is asked for. Names and words come from a project: long ones are shortened or wrapped,
and none is typeset as mathematics.
"""

from __future__ import annotations

import textwrap
from contextlib import contextmanager
from itertools import product
from os.path import commonprefix
from typing import TYPE_CHECKING, Any

from kedro_handover.contract import KEYS
from kedro_handover.evaluation.predictions import TEST, TRAIN, ClassHistograms, NumberPairs, PredictionHistogram
from kedro_handover.lazy_types import DataFrame, Figure
from kedro_handover.project import ProjectSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.container import BarContainer

BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#737373"
CLASS_COLOURS = (BLUE, VERMILION, "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#999999")
"""Of several classes; where there are more, the colours come again with another line."""

CLASS_LINES = ("-", "--", "-.", ":")
SPLIT_LINES: dict[str, dict[str, Any]] = {TRAIN: {"color": GREY, "linestyle": "--"}, TEST: {"color": BLUE}}
STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "font.size": 10,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "text.parse_math": False,  # a name with two dollar signs is a name
}
DARK_SHARE = 0.71
"""Above it, white is read better than black on the blue of the confusion matrix."""

DIFFERENCES = {
    "binary": ("|Δp|", "mean difference in the probability of being {positive}, 0 to 1"),
    "multiclass": ("|Δp|", "mean difference in the probability of a class, 0 to 1"),
    "regression": ("|Δ|", "mean difference in the predicted {value}"),
}
"""How differences are called: in a table, and in words."""

FEW_CLASSES = 3
"""The confusion matrix of more classes is larger, with smaller numbers."""

LEVELS_SHOWN = 3
CELLS_SHOWN = 60
"""So many cells has a figure of predicted against actual numbers along each axis."""

BARS_SHOWN = 30
"""A figure with more bars than that shows the longest, and says so."""

NAME_CHARACTERS = 36
"""Longer names are shortened in their middle: those of columns often begin or end alike."""

USUAL_CHARACTERS = 24
"""Bars with longer names are in a wider figure."""

CLASS_CHARACTERS = 28
"""The same for the word for a class, and for a feature in a box of the tree."""

LEVELS_NAMED, LEVEL_CHARACTERS = 3, 16
"""A box of the tree names so many levels of a category, each in so many characters."""

TITLE_CHARACTERS, LABEL_CHARACTERS, TICK_CHARACTERS = 9, 13.5, 11.5
"""About so many characters of a title, of an axis' label, and of the names beside it, go into an inch."""

BESIDE_INCHES, BELOW_INCHES = 0.5, 0.35
"""What ticks and their names take beside and below an axis, at least."""


def plot_confusion_matrix(metrics: dict[str, dict[str, Any]], project: ProjectSpec) -> Figure:
    """Plot the confusion matrix of the test split: rows, and shares of each true class.

    Args:
        metrics: The metrics of each split.
        project: Its words.
    """
    test, words = metrics[TEST], project.words
    if "confusion_matrix" in test:
        counts, names = test["confusion_matrix"], words.classes
    else:
        counts = [[test["true_positive"], test["false_negative"]], [test["false_positive"], test["true_negative"]]]
        names = [words.positive, words.negative]
    shares = [[count / sum(row) for count in row] for row in counts]
    classes = [textwrap.fill(shorten(word, CLASS_CHARACTERS), 15) for word in names]
    more = max(0, len(names) - FEW_CLASSES)
    with new_figure(5.4 + 0.7 * more, 4.4 + 0.7 * more, grid=False) as (figure, axes):
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in product(range(len(names)), repeat=2):
            count, share = counts[row][column], shares[row][column]
            colour = "white" if share > DARK_SHARE else "black"
            size = 13 if len(names) <= FEW_CLASSES else 9
            axes.text(column, row, f"{count:,}\n{share:.1%}", ha="center", va="center", color=colour, size=size)
        axes.set(
            title="Confusion matrix, test split",
            xticks=range(len(names)),
            xticklabels=classes,
            xlabel="predicted",
            yticks=range(len(names)),
            yticklabels=classes,
            ylabel=f"true ({test['rows']:,} {words.rows}; shares are of each true class)",
        )
    return figure


def plot_roc_curve(histograms: dict[str, Any], project: ProjectSpec) -> Figure:
    """Plot the ROC curve of each split, with the area under it; of several classes that of each in the test split.

    Args:
        histograms: The counted predictions of each split.
        project: Its words.
    """
    from kedro_handover.evaluation.metrics import area_under_roc, roc_curve

    words, several = project.words, _list_classes(histograms, project)
    lines = several or [(split, histogram, SPLIT_LINES[split]) for split, histogram in histograms.items()]
    title = "ROC curve"
    across = f"share of {words.rows} that are {words.negative}, predicted {words.positive}"
    up = f"share of {words.positive} {words.rows}, predicted {words.positive}"
    if several:
        title = "ROC curve of each class against all others, test split"
        across, up = (
            f"share of other {words.rows}, scored as high",
            f"share of {words.rows} of the class that are found",
        )
    with new_figure(5.4, 5) as (figure, axes):
        for name, histogram, line in lines:
            axes.plot(*roc_curve(histogram), label=f"{name}: AUC {area_under_roc(histogram):.3f}", **line)
        axes.plot([0, 1], [0, 1], color="black", linestyle=":", linewidth=1, label="by chance: 0.500")
        axes.set(
            title=title,
            xlabel=across,
            ylabel=up,
            aspect="equal",
        )
        _as_shares(axes.xaxis, axes.yaxis)
        axes.legend(loc="lower right")
    return figure


def plot_precision_recall(histograms: dict[str, Any], project: ProjectSpec) -> Figure:
    """Plot the precision-recall curves of the test split, for each of the classes as the one to find.

    Args:
        histograms: The counted predictions of each split.
        project: Its words.
    """
    from kedro_handover.evaluation.metrics import average_precision, precision_recall_curve, reverse

    words, several = project.words, _list_classes(histograms, project)
    classes = several
    if not classes:
        test, named = histograms[TEST], [shorten(word, CLASS_CHARACTERS) for word in (words.positive, words.negative)]
        classes = [(named[0], test, {"color": BLUE}), (named[1], reverse(test), {"color": VERMILION})]
    with new_figure(6.2, 5.2) as (figure, axes):
        for name, histogram, line in classes:
            precision, recall = precision_recall_curve(histogram)
            share = precision[-1]
            axes.plot(
                recall,
                precision,
                **line,
                marker="o" if len(recall) == 1 else None,  # one point makes no line
                label=f"{name}: average precision {average_precision(histogram):.3f}",
            )
            if not several:
                label = f"{name} by chance: {share:.3f}"
                axes.axhline(share, color=line["color"], linestyle=":", linewidth=1, label=label)
        axes.set(
            title="Precision and recall, test split",
            xlabel="recall: share of the class that is found",
            ylabel="precision: share of those found that are of the class",
            ylim=(0, 1.02),
        )
        _as_shares(axes.xaxis, axes.yaxis)
        # Below the axes: the curves leave no room of their own.
        legend = figure.legend(loc="outside lower center", ncols=2)
        if legend.get_window_extent().width > figure.bbox.width:
            legend.remove()
            figure.legend(loc="outside lower center")
    return figure


def plot_calibration(histograms: dict[str, Any], project: ProjectSpec) -> Figure:
    """Plot the share of positive rows, or of rows of each class, against the predicted probability.

    The rows are in bins of about equal numbers; of several classes they are those of the test split.

    Args:
        histograms: The counted predictions of each split.
        project: Its words.
    """
    from kedro_handover.evaluation.metrics import calibration

    words, several = project.words, _list_classes(histograms, project)
    lines = several or [(split, histogram, SPLIT_LINES[split]) for split, histogram in histograms.items()]
    with new_figure(5.4, 5) as (figure, axes):
        axes.plot([0, 1], [0, 1], color="black", linestyle=":", linewidth=1, label="as predicted")
        for name, histogram, line in lines:
            predicted, outcome = calibration(histogram)
            axes.plot(predicted, outcome, marker="o", label=name, **line)
        axes.set(
            title="Calibration of each class, test split" if several else "Calibration",
            xlabel=f"mean predicted probability of being {'of the class' if several else words.positive}",
            ylabel=f"share of {words.rows} that are {'of the class' if several else words.positive}",
            aspect="equal",
            xlim=(0, 1),
            ylim=(0, 1.02),
        )
        _as_shares(axes.xaxis, axes.yaxis)
        axes.legend(loc="upper left" if several else "lower right")
    return figure


def plot_predicted_actual(histograms: dict[str, NumberPairs], project: ProjectSpec) -> Figure:
    """Plot the numbers that a regression predicts against those that there are, in the test split.

    Args:
        histograms: The counted predictions of each split.
        project: Its words.
    """
    import numpy as np
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import LogLocator, NullLocator

    test, value = histograms[TEST], project.words.value
    ends = min(test.label.min(), test.prediction.min()), max(test.label.max(), test.prediction.max())
    edges = np.linspace(*ends, CELLS_SHOWN + 1) if ends[0] < ends[1] else np.array([ends[0] - 0.5, ends[0] + 0.5])
    with new_figure(6.2, 5.2) as (figure, axes):
        _, _, _, image = axes.hist2d(
            test.label,
            test.prediction,
            bins=[edges, edges],
            weights=test.rows,
            cmin=0.5,
            cmap="viridis_r",
            norm=LogNorm(),
        )
        axes.plot(edges[[0, -1]], edges[[0, -1]], color="black", linestyle=":", linewidth=1, label="as predicted")
        # Plain whole numbers, whether the counts reach over several powers of ten or over none.
        bar = figure.colorbar(image, ax=axes, label=f"{project.words.rows} in a cell", format="{x:,.0f}")
        bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        bar.ax.yaxis.set_minor_locator(NullLocator())
        axes.set(title="Predicted against actual, test split", xlabel=f"actual {value}", ylabel=f"predicted {value}")
        axes.legend(loc="upper left")
    return figure


def plot_residuals(histograms: dict[str, NumberPairs], project: ProjectSpec) -> Figure:
    """Plot how far the numbers that a regression predicts are from those that there are, in train and test.

    Args:
        histograms: The counted predictions of each split.
        project: Its words.
    """
    import numpy as np

    errors = {split: pairs.prediction - pairs.label for split, pairs in histograms.items()}
    largest = max(float(np.abs(error).max()) for error in errors.values()) or 1.0
    edges = np.linspace(-largest, largest, CELLS_SHOWN + 1)
    with new_figure(5.4, 5) as (figure, axes):
        for split, error in errors.items():
            rows = histograms[split].rows
            axes.hist(
                error,
                bins=edges.tolist(),
                weights=rows / rows.sum(),
                histtype="step",
                label=split,
                **SPLIT_LINES[split],
            )
        axes.axvline(0, color="black", linestyle=":", linewidth=1)
        axes.set(
            title="Residuals",
            xlabel=f"predicted minus actual {project.words.value}",
            ylabel=f"share of {project.words.rows}",
        )
        _as_shares(axes.yaxis)
        axes.legend(loc="upper left")
    return figure


def _list_classes(
    histograms: dict[str, Any], project: ProjectSpec
) -> list[tuple[str, PredictionHistogram, dict[str, Any]]]:
    """Give the name, the counted test rows and the line of each of several classes; none where there are two."""
    test = histograms[TEST]
    if not isinstance(test, ClassHistograms):
        return []
    colours = len(CLASS_COLOURS)
    return [
        (
            shorten(word, CLASS_CHARACTERS),
            histogram,
            {
                "color": CLASS_COLOURS[place % colours],
                "linestyle": CLASS_LINES[place // colours % len(CLASS_LINES)],
            },
        )
        for place, (word, histogram) in enumerate(zip(project.words.classes, test.by_class, strict=True))
    ]


def plot_importances(research_model: Any, research_rows: DataFrame) -> Figure:
    """Plot how much each feature brought to the model, the most important first.

    Trees tell by how much the feature made the impurity fall, linear models by its coefficient after scaling. Of a
    model that does not tell, it is the fall in AUC on the test split when the feature's values change places.

    Args:
        research_model: The fitted model.
        research_rows: `split`, `label` and the features.
    """
    from kedro_handover.evaluation.importances import find_importances

    importances, told = find_importances(research_model, research_rows)
    names = [name for name in research_rows.columns if name not in KEYS]
    order = importances.argsort(kind="stable")[::-1][:BARS_SHOWN]
    shown = importances[order]
    labels = [name_feature(names[place]) for place in order]
    with new_figure(*_bars_size(6, 4.6, labels)) as (figure, axes):
        bars = _plot_bars(axes, labels, shown.tolist())
        axes.bar_label(bars, fmt="{:.1%}", padding=3, size=9)
        axes.set(
            title=f"Importance of the {_of_all(len(order), len(names), 'most important')}features",
            xlabel=told,
        )
        _as_shares(axes.xaxis)
        axes.margins(x=0.15)
        if not shown.any():  # a tree of one leaf
            axes.set_xlim(0, 1)
    return figure


def plot_tree_top(research_model: Any, project: ProjectSpec, levels: dict[str, list[str]] | None = None) -> Figure:
    """Plot the first levels of the tree, or of the first tree of a forest.

    Args:
        research_model: The fitted model.
        project: Its words.
        levels: By feature, the words for its values 0, 1, 2, … where these number the levels of a category.
    """
    from sklearn.tree import plot_tree

    tree, which = _find_tree(research_model)
    words = project.words
    classes = [shorten(word, CLASS_CHARACTERS) for word in words.classes or (words.negative, words.positive)]
    with new_figure(15, 6.4, grid=False) as (figure, axes):
        if tree is None:
            text = f"{type(research_model).__name__} has no tree of scikit-learn that could be shown."
            axes.text(0.5, 0.5, text, ha="center", va="center", size=13)
            axes.set_axis_off()
            return figure
        names = getattr(research_model, "feature_names_in_", range(tree.n_features_in_))
        boxes = plot_tree(
            tree,
            max_depth=LEVELS_SHOWN - 1,
            feature_names=[shorten(name_feature(str(name)), CLASS_CHARACTERS) for name in names],
            class_names=classes if hasattr(tree, "classes_") else None,
            filled=True,
            impurity=False,
            proportion=True,
            rounded=True,
            precision=2,
            fontsize=10,
            ax=axes,
        )
        _name_levels(boxes, levels or {})
        depth, leaves = tree.get_depth(), tree.get_n_leaves()
        shown = "A whole tree" if depth < LEVELS_SHOWN else f"The first {LEVELS_SHOWN} levels of a tree"
        if hasattr(tree, "classes_"):
            value = f"shares of {', '.join(classes[:-1])} and {classes[-1]}"
        else:
            is_added = project.task != "regression" or hasattr(research_model, "init_")  # a booster's is
            value = "what the tree adds" if is_added else f"predicted {words.value}"
        axes.set_title(
            f"{shown} of depth {depth} with {leaves} {'leaf' if leaves == 1 else 'leaves'}{which}. "
            f"value: {value}; left is yes"
        )
    return figure


def _name_levels(boxes: Sequence[Any], levels: dict[str, list[str]]) -> None:
    """Name the levels of a category in the boxes of a tree, where its numbers would say nothing."""
    shown = {shorten(name_feature(name), CLASS_CHARACTERS): words for name, words in levels.items()}
    for box in boxes:
        question, *rest = box.get_text().split("\n")
        name, is_split, threshold = question.rpartition(" <= ")
        if not is_split or name not in shown:
            continue
        until = int(float(threshold)) + 1
        yes, no = shown[name][:until], shown[name][until:]
        if not no:  # the model was fitted to other levels
            continue
        words, verb = (yes, "is") if len(yes) <= len(no) else (no, "is not")
        listed = [shorten(word, LEVEL_CHARACTERS) for word in words[:LEVELS_NAMED]]
        more = [f"{len(words) - LEVELS_NAMED} more"] if len(words) > LEVELS_NAMED else []
        listed += more
        either = f"{', '.join(listed[:-1])} or {listed[-1]}" if len(listed) > 1 else listed[0]
        told = textwrap.wrap(f"{name.removesuffix(' code')} {verb} {either}", CLASS_CHARACTERS)
        box.set_text("\n".join([*told, *rest]))


def _find_tree(model: Any) -> tuple[Any, str]:
    """Give a tree of scikit-learn that stands for the model, and which one it is; None where there is none."""
    if hasattr(model, "tree_"):
        return model, ""
    trees = [] if getattr(model, "estimators_", None) is None else list(model.estimators_)
    if not trees:
        return None, ""
    first = trees[0] if hasattr(trees[0], "tree_") else trees[0][0]
    return first, f", the first of {len(trees):,}"


def plot_drift(drift: dict[str, Any]) -> Figure:
    """Plot the population stability index of each feature against the limit, the one that has drifted most first.

    Args:
        drift: What `kedro_handover.evaluation.drift.measure_drift` gives.
    """
    features, limit = drift["features"][:BARS_SHOWN], drift["largest_psi"]
    names = [name_feature(one["feature"]) for one in features]
    with new_figure(*_bars_size(9, 0, names)) as (figure, axes):
        colours = [VERMILION if one["psi"] > limit else BLUE for one in features]
        bars = _plot_bars(axes, names, [one["psi"] for one in features], colours)
        axes.axvline(limit, color=GREY, linestyle="--")
        axes.bar_label(bars, fmt="%.3f", padding=3, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})
        which = "each feature"
        if len(features) < len(drift["features"]):
            which = f"the {_of_all(len(features), len(drift['features']), 'most drifted')}features"
        axes.set(
            title=f"Drift of {which} since the release",
            xlabel=f"population stability index, no unit; limit {limit:g}",
            xlim=(0, 1.15 * max(limit, *(one["psi"] for one in features))),
        )
    return figure


def plot_disagreement(by_group: list[dict[str, Any]], project: ProjectSpec) -> Figure:
    """Plot how far a model's probabilities, or predicted numbers, are from those of research in each group.

    Args:
        by_group: Records with `group` and `mean_abs_diff`.
        project: Its words.
    """
    word = project.words.group
    largest = sorted(by_group, key=lambda record: -record["mean_abs_diff"])[:BARS_SHOWN]
    groups = {record["group"] for record in largest}
    shown = [record for record in by_group if record["group"] in groups]
    which = f", the {_of_all(len(shown), len(by_group), 'largest')}values" if len(shown) < len(by_group) else ""
    names = [project.name_group(record["group"]) for record in shown]
    with new_figure(*_bars_size(5.4, 4, names)) as (figure, axes):
        bars = _plot_bars(axes, names, [record["mean_abs_diff"] for record in shown])
        axes.bar_label(bars, fmt="{:.3g}", padding=3, size=9)
        axes.xaxis.set_major_formatter("{x:.2g}")  # else a factor such as 1e-8 stands over the axis' label
        axes.locator_params(axis="x", nbins=4)
        axes.set(
            title=f"Mean {DIFFERENCES[project.task][0]} by {word}, test split{which}",
            xlabel=DIFFERENCES[project.task][1].format_map(project.words.model_dump()),
        )
        axes.margins(x=0.15)
    return figure


@contextmanager
def new_figure(width_inches: float, height_inches: float, *, grid: bool = True) -> Iterator[tuple[Figure, Axes]]:
    """Make a figure to plot on in the style of the reports; a project's own figures are made with it too.

    Args:
        width_inches: Its width.
        height_inches: Its height.
        grid: Whether there are lines at the ticks.

    Yields:
        The figure and its axes. When the block ends, titles and labels that are longer than the figure are wrapped.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as MatplotlibFigure

    with rc_context({**STYLE, "axes.grid": grid}):
        figure = MatplotlibFigure(figsize=(width_inches, height_inches), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        yield figure, axes
        names = (len(label.get_text()) / TICK_CHARACTERS for label in axes.get_yticklabels())
        beside = max(BESIDE_INCHES, *names)
        title = axes.get_title(loc="left")
        if len(title) > (most := int((width_inches - beside) * TITLE_CHARACTERS)):
            axes.set_title(textwrap.fill(title, most))
        room = {axes.xaxis.label: width_inches - beside, axes.yaxis.label: height_inches - BELOW_INCHES}
        for label, inches in room.items():
            if len(label.get_text()) > (most := int(inches * LABEL_CHARACTERS)):
                label.set_text(textwrap.fill(label.get_text(), most))


def name_feature(name: str) -> str:
    """Write a feature's name in words.

    Args:
        name: That of its column.
    """
    return name.replace("_", " ")


def shorten(name: str, characters: int = NAME_CHARACTERS) -> str:
    """Shorten a long name in its middle.

    Args:
        name: Any text.
        characters: The most that may be left.
    """
    if len(name) <= characters:
        return name
    end = (characters - 1) // 2
    return f"{name[: characters - 1 - end].rstrip()}…{name[-end:].lstrip()}"


def shorten_apart(names: Sequence[str]) -> list[str]:
    """Shorten long names so that those that differ in their middle alone are still told apart.

    Args:
        names: Any texts.

    Returns:
        Each as `shorten` gives it; of those that are alike then, the start and what makes them differ.
    """
    alike: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        alike.setdefault(shorten(name), []).append(name)
    shown = {}
    for short, of_one in alike.items():
        start = len(commonprefix(of_one))  # noqa: RUF071 - texts, not paths
        end = len(commonprefix([name[::-1] for name in of_one])) if len(of_one) > 1 else 0  # noqa: RUF071
        for name in of_one:
            differing = name[start : max(len(name) - end, start + 1)]
            apart = f"{name[: NAME_CHARACTERS // 2].rstrip()}…{shorten(differing, NAME_CHARACTERS // 2 - 2)}…"
            shown[name] = apart if len(of_one) > 1 else short
    return [shown[name] for name in names]


def _plot_bars(
    axes: Axes, names: Sequence[str], lengths: Sequence[float], colours: str | list[str] = BLUE
) -> BarContainer:
    """Plot horizontal bars, the first on top; by number, since two names may be written alike."""
    places = range(len(names))
    bars = axes.barh(places, lengths, color=colours)
    axes.set_yticks(places, shorten_apart(names))
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    return bars


def _bars_size(width_inches: float, least_height_inches: float, names: Sequence[str]) -> tuple[float, float]:
    """Give the size of a figure of bars: wider for long names, higher for many."""
    longest = max(len(shorten(name)) for name in names)
    wider = max(0, longest - USUAL_CHARACTERS) / LABEL_CHARACTERS
    return width_inches + wider, max(least_height_inches, 1.2 + 0.24 * len(names))


def _of_all(shown: int, there_are: int, which: str) -> str:
    return f"{shown} {which} of {there_are} " if shown < there_are else ""


def _as_shares(*which: Axis) -> None:
    from matplotlib.ticker import PercentFormatter

    for axis in which:
        axis.set_major_formatter(PercentFormatter(1))
