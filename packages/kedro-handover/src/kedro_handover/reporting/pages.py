"""The research report: one page of HTML that needs no other file."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from kedro_handover.evaluation.predictions import TEST, TRAIN
from kedro_handover.project import ProjectSpec

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
CANDIDATES_SHOWN = 5


def render_research_report(
    row_counts: dict[str, int],
    rejections: dict[str, Any],
    search: list[dict[str, Any]],
    metrics: dict[str, dict[str, float]],
    project: ProjectSpec,
    **figures: bytes,
) -> str:
    """Put rows in and out, the search, the metrics and the pictures on one page.

    Args:
        row_counts: The rows on their way, as `count_rows` gives them.
        rejections: How many rows of the table are valid and rejected, and by which rules.
        search: A record for each candidate of the search, the best first.
        metrics: The metrics of each split.
        project: Its words, and what figures of its own show.
        figures: PNG files by name; the last one is shown on the whole width.

    Returns:
        The page; it holds the pictures.
    """
    test, words = metrics[TEST], project.words
    descriptions = {
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
        "importances": "Importance of each feature, as its share of the fall in impurity.",
        "tree_top": "The first levels of the decision tree.",
        **project.figures,
    }
    known = row_counts["positive"] + row_counts["negative"]
    kept = sum(row_counts[f"{split}_{label}"] for split in (TRAIN, TEST) for label in ("positive", "negative"))
    return render_page(
        "research_report.html",
        project=project,
        origin=project.describe_origin(row_counts),
        rows=row_counts,
        rejections=rejections,
        thinned=known - kept,
        search=search,
        candidates=search[:CANDIDATES_SHOWN],
        metrics=metrics,
        metrics_shown={key: title.format_map(words.model_dump()) for key, title in METRICS_SHOWN.items()},
        pictures=[
            (b64encode(figure).decode(), descriptions.get(name, name.replace("_", " ")))
            for name, figure in figures.items()
        ],
    )


def render_page(template: str, **values: Any) -> str:
    """Fill in one of the pages in `templates`.

    Args:
        template: Its file name.
        values: What it shows; text is escaped.

    Returns:
        The page.
    """
    from jinja2 import Environment, PackageLoader

    loader = PackageLoader("kedro_handover.reporting")
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template(template).render(values)
