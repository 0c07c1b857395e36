"""The research report: one page of HTML that needs no other file."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from premises.evaluation.predictions import TEST, TRAIN
from premises.evaluation.words import describe_origin

METRICS_SHOWN = {
    "auc": "AUC",
    "average_precision": "Average precision, active",
    "average_precision_inactive": "Average precision, not active",
    "lift_inactive": "Lift of not active in the lowest tenth",
    "ks": "Kolmogorov-Smirnov distance",
    "log_loss": "Log loss (nats)",
    "brier": "Brier score",
    "balanced_accuracy": "Balanced accuracy",
    "accuracy": "Accuracy",
    "precision": "Precision, active",
    "recall": "Recall, active",
}
CANDIDATES_SHOWN = 5


def render_research_report(
    row_counts: dict[str, int],
    rejections: dict[str, Any],
    search: list[dict[str, Any]],
    metrics: dict[str, dict[str, float]],
    *pictures: bytes,
) -> str:
    """Put rows in and out, the search, the metrics and the pictures on one page.

    Args:
        row_counts: The rows on their way, as `count_rows` gives them.
        rejections: How many rows of the census are valid and rejected, and by which rules.
        search: A record for each candidate of the search, the best first.
        metrics: The metrics of each split.
        pictures: PNG files: ROC curve, precision and recall, confusion matrix, calibration, importances, map, the
            top of the tree.

    Returns:
        The page; it holds the pictures.
    """
    test = metrics[TEST]
    alternatives = (
        f"ROC curves: AUC {metrics[TRAIN]['auc']:.3f} in train, {test['auc']:.3f} in test.",
        f"Precision against recall in test: average precision {test['average_precision']:.3f} for active premises.",
        f"Confusion matrix: {test['true_active']:,} of {test['active']:,} active premises of the test split are found.",
        "Share of active premises against predicted probability, in train and test.",
        "Importance of each feature, as its share of the fall in impurity.",
        "Map of Barcelona: mean predicted probability of being active.",
        "The first levels of the decision tree.",
    )
    known = row_counts["active"] + row_counts["inactive"]
    kept = sum(row_counts[f"{split}_{label}"] for split in (TRAIN, TEST) for label in ("active", "inactive"))
    return render_page(
        "research_report.html",
        origin=describe_origin(row_counts),
        rows=row_counts,
        rejections=rejections,
        thinned=known - kept,
        search=search,
        candidates=search[:CANDIDATES_SHOWN],
        metrics=metrics,
        metrics_shown=METRICS_SHOWN,
        pictures=[
            (b64encode(picture).decode(), alternative)
            for picture, alternative in zip(pictures, alternatives, strict=True)
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

    loader = PackageLoader("premises.evaluation")
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template(template).render(values)
