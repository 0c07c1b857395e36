"""The research report: how good the research model is, on one page."""

from __future__ import annotations

from typing import Any

from kedro_handover.evaluation.predictions import TEST, TRAIN
from kedro_handover.project import ProjectSpec
from kedro_handover.reporting.page import encode_figure, render_page

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
ARGUMENTS_SHOWN = {
    "family": "Family",
    "max_depth": "Depth at most",
    "min_samples_leaf": "Rows in a leaf, at least",
    "criterion": "Criterion",
}
"""How the arguments of an estimator are called that have a title; the others keep their names."""

SCORES = ("mean_auc", "std_auc", "rank")
"""What a record of the search has beside the arguments of the candidate."""

CANDIDATES_SHOWN = 5
WIDE_FIGURES = ("tree_top",)
"""These take the whole width of the page."""


def render_research_report(  # noqa: PLR0913 - everything that the page shows
    row_counts: dict[str, int],
    rejections: dict[str, Any],
    search: list[dict[str, Any]],
    metrics: dict[str, dict[str, float]],
    project: ProjectSpec,
    *,
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
        sections: Sections of the project's own, by title, see `kedro_handover.reporting.page.render_page`.
        figures: PNG files by name, in the order in which they are shown.

    Returns:
        The page; it holds the figures.
    """
    descriptions = describe_figures(metrics, project)
    known = row_counts["positive"] + row_counts["negative"]
    kept = sum(row_counts[f"{split}_{label}"] for split in (TRAIN, TEST) for label in ("positive", "negative"))
    return render_page(
        "research_report.html",
        sections,
        project=project,
        words=project.words,
        origin=project.describe_origin(row_counts),
        row_counts=row_counts,
        rejections=rejections,
        thinned=known - kept,
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
    return {name: title.format_map(project.words.model_dump()) for name, title in METRICS_SHOWN.items()}


def describe_figures(metrics: dict[str, dict[str, float]], project: ProjectSpec) -> dict[str, str]:
    """Say what each figure shows, for readers who can't see it.

    Args:
        metrics: The metrics of each split.
        project: Its words, and what figures of its own show.

    Returns:
        By the name of the figure.
    """
    test, words = metrics[TEST], project.words
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
        "importances": "Importance of each feature to the model, as a share of all.",
        "tree_top": "The first levels of the decision tree.",
        **project.figures,
    }


def _name_arguments(candidates: list[dict[str, Any]]) -> dict[str, str]:
    """Give the titles of the arguments that candidates have, those that have a title of ours first."""
    there = {name: name for candidate in candidates for name in candidate if name not in SCORES}
    return {name: title for name, title in ARGUMENTS_SHOWN.items() if name in there} | {
        name: name for name in there if name not in ARGUMENTS_SHOWN
    }
