"""What a run shows in the terminal when it is over."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from kedro_handover.evaluation.predictions import TEST, TRAIN
from kedro_handover.formatting import describe_rows, format_share
from kedro_handover.project import ProjectSpec
from kedro_handover.tasks import Task

SHOWN: dict[Task, dict[str, str]] = {
    "binary": {"auc": "AUC", "ks": "KS"},
    "multiclass": {"auc": "AUC", "balanced_accuracy": "balanced accuracy"},
    "regression": {"r2": "R²", "mae": "MAE"},
}
"""The metrics of the test split by task; the first is that of the training split too."""


def print_results(  # noqa: PLR0913, PLR0917 - everything that a run shows
    metrics: dict[str, dict[str, Any]],
    row_counts: dict[str, int],
    reports: list[str],
    project: ProjectSpec,
    agreement: dict[str, float] | None = None,
    seconds: dict[str, float] | None = None,
) -> None:
    """Print a table with a row for each model, what rows it comes from, and where the reports are.

    Args:
        metrics: The metrics of each model, by its name: those of each split, by its name.
        row_counts: The rows on their way, as `count_rows` gives them.
        reports: Files with the whole story.
        project: Its words.
        agreement: For each model in production, the share of rows that it labels as research does.
        seconds: For each model, the seconds that its training and predictions took in this run.
    """
    table = Table(title=f"{project.words.question} The test split")
    table.add_column("model", no_wrap=True)
    table.add_column("rows", justify="right")
    shown = SHOWN[project.task]
    (first, first_title), *_ = shown.items()
    table.add_column(f"{TRAIN} {first_title}", justify="right")
    for title in shown.values():
        table.add_column(title, justify="right")
    has_labels = project.task != "regression"
    if has_labels:
        table.add_column("agreement", justify="right")
    table.add_column("seconds", justify="right")
    for model, by_split in metrics.items():
        test = by_split[TEST]
        table.add_row(
            model,
            f"{test['rows']:,}",
            f"{by_split[TRAIN][first]:.4f}",
            *(f"{test[metric]:.4f}" for metric in shown),
            *([format_share(agreement[model]) if agreement and model in agreement else ""] if has_labels else []),
            f"{seconds[model]:.1f}" if seconds and model in seconds else "",
        )
    console = Console()
    console.print(table)
    console.print(describe_rows(row_counts))
    console.print(project.describe_origin(row_counts))
    for report in reports:
        console.print(f"Report: {report}", markup=False, emoji=False, soft_wrap=True)
