"""What a run shows in the terminal when it is over."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from premises.evaluation.predictions import TEST, TRAIN
from premises.evaluation.words import describe_origin

SHOWN = {"auc": "AUC", "log_loss": "log loss", "brier": "Brier", "ks": "KS"}


def print_results(metrics: dict[str, dict[str, Any]], row_counts: dict[str, int], reports: list[str]) -> None:
    """Print a table with a row for each model, what rows it comes from, and where the reports are.

    Args:
        metrics: The metrics of each model, by its name: those of each split, by its name.
        row_counts: The rows on their way, as `count_rows` gives them.
        reports: Files with the whole story.
    """
    table = Table(title="Is a premises active? Test split, higher is better but for log loss and Brier")
    table.add_column("model")
    table.add_column("rows", justify="right")
    table.add_column(f"AUC in {TRAIN}", justify="right")
    for title in SHOWN.values():
        table.add_column(title, justify="right")
    for model, by_split in metrics.items():
        test = by_split[TEST]
        table.add_row(
            model,
            f"{test['rows']:,}",
            f"{by_split[TRAIN]['auc']:.4f}",
            *(f"{test[metric]:.4f}" for metric in SHOWN),
        )
    console = Console()
    console.print(table)
    console.print(describe_origin(row_counts))
    for report in reports:
        console.print(f"Report: {report}", markup=False, emoji=False, soft_wrap=True)
