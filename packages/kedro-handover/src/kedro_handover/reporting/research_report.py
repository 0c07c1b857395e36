"""The research report: how good the research model is, on one page."""

from __future__ import annotations

from typing import Any

from kedro_handover.evaluation.intervals import find_intervals
from kedro_handover.evaluation.predictions import TEST, TRAIN
from kedro_handover.evaluation.prior import find_prior_odds
from kedro_handover.formatting import format_share
from kedro_handover.project import ProjectSpec
from kedro_handover.reporting.page import encode_figure, render_page
from kedro_handover.tasks import SCORE_TITLES, SCORES, Task, count_split, list_outcomes

METRICS_SHOWN = {
    "auc": "AUC",
    "average_precision": "Average precision, {positive}",
    "average_precision_negative": "Average precision, {negative}",
    "lift_negative": "Lift of {negative} in the lowest tenth",
    "ks": "Kolmogorov-Smirnov distance",
    "log_loss": "Log loss (nats)",
    "brier": "Brier score",
    "balanced_accuracy": "Balanced accuracy",
    "accuracy": "Accuracy",
    "precision": "Precision, {positive}",
    "recall": "Recall, {positive}",
}
OTHER_METRICS_SHOWN: dict[Task, dict[str, str]] = {
    "multiclass": {
        "auc": "AUC, mean of each class against all others",
        "log_loss": "Log loss (nats)",
        "balanced_accuracy": "Balanced accuracy",
        "accuracy": "Accuracy",
        "macro_f1": "F1, mean of the classes",
    },
    "regression": {
        "r2": "R²",
        "rmse": "Root mean squared error, {value}",
        "mae": "Mean absolute error, {value}",
        "bias": "Mean of predicted minus actual, {value}",
        "mean_label": "Mean {value}",
    },
}
"""Those of other tasks than two classes, by task."""

HEADLINES: dict[Task, tuple[tuple[str, str, str], ...]] = {
    "binary": (
        ("test", "auc", "AUC, test"),
        ("train", "auc", "AUC, train"),
        ("test", "lift_negative", "lift of {negative} in the lowest tenth"),
    ),
    "multiclass": (
        ("test", "auc", "AUC, test"),
        ("train", "auc", "AUC, train"),
        ("test", "balanced_accuracy", "balanced accuracy, test"),
    ),
    "regression": (
        ("test", "r2", "R², test"),
        ("train", "r2", "R², train"),
        ("test", "mae", "mean absolute error, test"),
    ),
}
"""The first numbers of the report: the split, the metric, and what it is called."""

ARGUMENTS_SHOWN = {
    "family": "Family",
    "max_depth": "Depth at most",
    "min_samples_leaf": "Rows in a leaf, at least",
    "criterion": "Criterion",
}
"""How the arguments of an estimator are called that have a title; the others keep their names."""

NO_ARGUMENTS = {"rank", *(f"{kind}_{score}" for kind in ("mean", "std") for score in SCORE_TITLES)}
"""What a record of the search has beside the arguments of the candidate."""

CANDIDATES_SHOWN = 5
WIDE_FIGURES = ("tree_top",)
"""These take the whole width of the page."""


def render_research_report(  # noqa: PLR0913 - everything that the page shows
    row_counts: dict[str, int],
    rejections: dict[str, Any],
    search: list[dict[str, Any]],
    metrics: dict[str, dict[str, Any]],
    project: ProjectSpec,
    *,
    class_weight: str | None = None,
    sections: dict[str, Any] | None = None,
    **figures: bytes,
) -> str:
    """Put rows in and out, the search, the metrics and the figures on one page.

    A project shows a figure of its own by one more input of the node, such as `"map": "research_map"`, and describes it
    under `figures` in `project.yml`.

    Args:
        row_counts: The rows of each class and split, as `count_rows` gives them.
        rejections: How many rows of the table are valid and rejected, and by which rules.
        search: A record for each candidate of the search, the best first.
        metrics: The metrics of each split.
        project: Its words, and what figures of its own show.
        class_weight: "balanced" where both classes have weighed alike in training.
        sections: Sections of the project's own, by title, see `kedro_handover.reporting.page.render_page`.
        figures: PNG files by name, in the order in which they are shown.

    Returns:
        The page; it holds the figures.
    """
    descriptions, words = describe_figures(metrics, project), project.words.model_dump()
    outcomes = list_outcomes(row_counts)
    known = sum(row_counts[outcome] for outcome in outcomes)
    kept = sum(count_split(row_counts, split) for split in (TRAIN, TEST))
    score, _ = SCORES[project.task]
    return render_page(
        "research_report.html",
        sections,
        project=project,
        words=project.words,
        origin=project.describe_origin(row_counts),
        row_counts=row_counts,
        rejections=rejections,
        outcomes={outcome: project.name_outcome(outcome) for outcome in outcomes},
        split_rows={split: count_split(row_counts, split) for split in (TRAIN, TEST)},
        headlines=[
            (_write_headline(metrics[split][metric], metric), title.format_map(words))
            for split, metric, title in HEADLINES[project.task]
        ],
        score=score,
        score_title=SCORE_TITLES[score],
        exactness=say_exactness(metrics, project),
        by_class=list(zip(project.words.classes, metrics[TEST].get("by_class", []), strict=True)),
        thinned=known - kept,
        class_weight=class_weight,
        prior_odds=find_prior_odds(row_counts, class_weight) if project.task == "binary" else 1,
        intervals=find_intervals(metrics[TEST]) if project.task == "binary" else {},
        search=search,
        candidates=search[:CANDIDATES_SHOWN],
        arguments=_name_arguments(search[:CANDIDATES_SHOWN]),
        metrics=metrics,
        metrics_shown=name_metrics(project),
        figures=[
            {
                "png": encode_figure(figure),
                "description": descriptions.get(name, name.replace("_", " ")),
                "is_wide": name in WIDE_FIGURES,
            }
            for name, figure in figures.items()
        ],
    )


def name_metrics(project: ProjectSpec) -> dict[str, str]:
    """Give the titles of the metrics that people are shown, in the words of a project.

    Args:
        project: Its words.

    Returns:
        By the name of the metric, in the order of reports.
    """
    shown = OTHER_METRICS_SHOWN.get(project.task, METRICS_SHOWN)
    return {name: title.format_map(project.words.model_dump()) for name, title in shown.items()}


def say_exactness(metrics: dict[str, dict[str, Any]], project: ProjectSpec) -> str:
    """Say whether metrics are those of the single rows, or of bins, and how wide these are.

    Args:
        metrics: The metrics of each split.
        project: Its words.

    Returns:
        A sentence.
    """
    widths = {of_split["bin_width"] for of_split in metrics.values() if "bin_width" in of_split}
    what = f"Labels and predictions of {project.words.value}" if project.task == "regression" else "Probabilities"
    if widths:
        return f"{what} are so many that they were rounded to bins, {max(widths):g} wide, before they were counted."
    return f"{what} were counted as they are, so metrics are those of the single {project.words.rows}."


def describe_figures(metrics: dict[str, dict[str, Any]], project: ProjectSpec) -> dict[str, str]:
    """Say what each figure shows, for readers who can't see it.

    Args:
        metrics: The metrics of each split.
        project: Its words, and what figures of its own show.

    Returns:
        By the name of the figure.
    """
    test, words = metrics[TEST], project.words
    of_all = {
        "importances": "Importance of each feature to the model, as a share of all.",
        "tree_top": "The first levels of the decision tree.",
        **project.figures,
    }
    if project.task == "regression":
        return {
            "predicted_actual": (
                f"Predicted against actual {words.value} in test: R² {test['r2']:.3f}, mean absolute error "
                f"{test['mae']:.4g}."
            ),
            "residuals": (
                f"Predicted minus actual {words.value}, in train and test: {test['bias']:.3g} in the mean of test, "
                f"root mean squared error {test['rmse']:.4g}."
            ),
            **of_all,
        }
    if project.task == "multiclass":
        named = list(zip(words.classes, test["by_class"], strict=True))
        found = sum(row[place] for place, row in enumerate(test["confusion_matrix"]))
        return {
            "roc_curve": _list_by_class("ROC curve of each class against all others in test: AUC", named, "auc"),
            "precision_recall": _list_by_class(
                "Precision against recall of each class in test: average precision", named, "average_precision"
            ),
            "confusion_matrix": (
                f"Confusion matrix of {len(named)} classes: {found:,} of {test['rows']:,} {words.rows} of the test "
                "split are predicted to be of their own; of "
                + ", of ".join(f"{word} {format_share(of_class['recall'])}" for word, of_class in named)
                + "."
            ),
            "calibration": f"Share of {words.rows} of each class against its predicted probability, in test.",
            **of_all,
        }
    return {
        "roc_curve": f"ROC curves: AUC {metrics[TRAIN]['auc']:.3f} in train, {test['auc']:.3f} in test.",
        "precision_recall": (
            f"Precision against recall in test: average precision {test['average_precision']:.3f} of {words.positive} "
            f"{words.rows}."
        ),
        "confusion_matrix": (
            f"Confusion matrix: {test['true_positive']:,} of {test['positive']:,} {words.positive} {words.rows} of the "
            "test split are found."
        ),
        "calibration": f"Share of {words.positive} {words.rows} against predicted probability, in train and test.",
        **of_all,
    }


def _list_by_class(told: str, named: list[tuple[str, dict[str, float]]], metric: str) -> str:
    return f"{told} {', '.join(f'{of_class[metric]:.3f} of {word}' for word, of_class in named)}."


def _write_headline(value: float, metric: str) -> str:
    if metric == "lift_negative":
        return f"{value:.1f}\N{MULTIPLICATION SIGN}"
    return f"{value:,.4g}" if metric == "mae" else f"{value:.3f}"


def _name_arguments(candidates: list[dict[str, Any]]) -> dict[str, str]:
    """Give the titles of the arguments that candidates have, those that have a title of ours first."""
    there = {name: name for candidate in candidates for name in candidate if name not in NO_ARGUMENTS}
    return {name: title for name, title in ARGUMENTS_SHOWN.items() if name in there} | {
        name: name for name in there if name not in ARGUMENTS_SHOWN
    }
