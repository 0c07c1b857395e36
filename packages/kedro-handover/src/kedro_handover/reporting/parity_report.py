"""The parity report: how far production is from research, as a summary in Markdown and on one page."""

from __future__ import annotations

from typing import Any

from kedro_handover.formatting import format_share
from kedro_handover.models.registry import ALL_MODELS
from kedro_handover.project import ProjectSpec
from kedro_handover.reporting.page import encode_figure, render_page

TITLES = {name: model.title for name, model in ALL_MODELS.items()}


def render_parity_markdown(parity: dict[str, dict[str, Any]]) -> str:
    """Summarise in a table how far each model is from research.

    Args:
        parity: What `kedro_handover.nodes.parity.measure_parity` gives.

    Returns:
        The table, in Markdown, and the failures if there are any.
    """
    are_numbers = any("r2" in one for one in parity.values())
    lines = ["# Parity report: production against research", ""]
    if are_numbers:
        lines += [
            "| model | rows | differing | largest \\|Δ\\| | mean \\|Δ\\| | R² | research | PSI |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
            *(
                f"| {TITLES[name]} | {one['n_rows']:,} | {one['n_diff']:,} | {one['max_abs_diff']:.4g} | "
                f"{one['mean_abs_diff']:.4g} | {one['r2']:.4f} | {one['research_r2']:.4f} | {one['psi']:.4g} |"
                for name, one in parity.items()
            ),
        ]
    else:
        lines += [
            "| model | rows | differing | same label | largest \\|Δp\\| | mean \\|Δp\\| | AUC | research | PSI |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
            *(
                f"| {TITLES[name]} | {one['n_rows']:,} | {one['n_diff']:,} | {format_share(one['agreement'])} | "
                f"{one['max_abs_diff']:.4g} | {one['mean_abs_diff']:.4g} | {one['auc']:.4f} | "
                f"{one['research_auc']:.4f} | {one['psi']:.4g} |"
                for name, one in parity.items()
            ),
        ]
    lines.append("")
    failures = [f"- {name}: {failure}" for name, one in parity.items() for failure in one["failures"]]
    lines += ["Out of tolerance; nothing is released:", "", *failures] if failures else ["All within tolerance."]
    return "\n".join(lines) + "\n"


def render_parity_report(  # noqa: PLR0913 - everything that the page shows
    parity: dict[str, dict[str, Any]],
    row_counts: dict[str, int],
    rejections: dict[str, Any],
    promise: dict[str, Any],
    project: ProjectSpec,
    *,
    sections: dict[str, Any] | None = None,
) -> str:
    """Put the comparison of every model on one page, with where they disagree.

    Args:
        parity: What `kedro_handover.nodes.parity.measure_parity` gives.
        row_counts: The rows of each class and split, as `count_rows` gives them.
        rejections: How many rows of the table are valid and rejected, and by which rules.
        promise: What `kedro_handover.nodes.training.hand_over` promises, and the rows that it was proven on.
        project: Its words.
        sections: Sections of the project's own, by title, see `kedro_handover.reporting.page.render_page`.

    Returns:
        The page; it holds its figures.
    """
    from kedro_handover.reporting.plots import plot_disagreement

    return render_page(
        "parity_report.html",
        sections,
        project=project,
        words=project.words,
        origin=project.describe_origin(row_counts),
        rejections=rejections,
        parity=parity,
        promise=promise,
        figures={
            name: encode_figure(plot_disagreement(one["by_group"], project))
            for name, one in parity.items()
            if any(of_group["mean_abs_diff"] for of_group in one["by_group"])
        },
        titles=TITLES,
    )
