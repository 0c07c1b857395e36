"""Parity, for people: a Markdown summary, and one page of HTML that needs no other file."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import Any

from kedro_handover.formatting import format_share
from kedro_handover.models.registry import ALL_MODELS
from kedro_handover.project import ProjectSpec
from kedro_handover.reporting.pages import render_page

TITLES = {name: model.title for name, model in ALL_MODELS.items()}


def render_parity_markdown(parity: dict[str, dict[str, Any]]) -> str:
    """Say in a table how far each model is from research.

    Args:
        parity: What was measured of each model.

    Returns:
        The table, in Markdown, and the failures if there are any.
    """
    lines = [
        "# Parity with research",
        "",
        "| model | rows | differing | same label | largest \\|Δp\\| | mean \\|Δp\\| | AUC | research | PSI |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {TITLES[name]} | {one['n_rows']:,} | {one['n_diff']:,} | {format_share(one['agreement'])} | "
            f"{one['max_abs_diff']:.4g} | {one['mean_abs_diff']:.4g} | {one['auc']:.4f} | {one['research_auc']:.4f} | "
            f"{one['psi']:.4g} |"
            for name, one in parity.items()
        ),
        "",
    ]
    failures = [f"- {name}: {failure}" for name, one in parity.items() for failure in one["failures"]]
    lines += ["Out of tolerance; nothing is released:", "", *failures] if failures else ["All within tolerance."]
    return "\n".join(lines) + "\n"


def render_parity_report(
    parity: dict[str, dict[str, Any]], row_counts: dict[str, int], rejections: dict[str, Any], project: ProjectSpec
) -> str:
    """Put the comparison of every model on one page, with where they disagree.

    Args:
        parity: What was measured of each model.
        row_counts: The rows on their way, as `count_rows` gives them.
        rejections: How many rows of the table are valid and rejected, and by which rules.
        project: Its words.

    Returns:
        The page; it holds its pictures.
    """
    from kedro_handover.reporting.plots import plot_disagreement

    pictures = {}
    for name, one in parity.items():
        if not one["by_group"]:
            continue
        buffer = BytesIO()
        plot_disagreement(one["by_group"], project).savefig(buffer, dpi=120)
        pictures[name] = b64encode(buffer.getvalue()).decode()
    return render_page(
        "parity_report.html",
        project=project,
        origin=project.describe_origin(row_counts),
        rejections=rejections,
        parity=parity,
        pictures=pictures,
        titles=TITLES,
        format_share=format_share,
    )
