"""Parity, for people: a Markdown summary, and one page of HTML that needs no other file."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import Any

from premises.evaluation.report import render_page
from premises.evaluation.words import describe_origin, format_share

TITLES = {"handed_over": "handed over", "mllib": "MLlib", "h2o": "H2O"}


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
            f"| {TITLES[name]} | {one['rows']:,} | {one['differing_rows']:,} | {format_share(one['agreement'])} | "
            f"{one['largest_dp']:.4g} | {one['mean_dp']:.4g} | {one['auc']:.4f} | {one['research_auc']:.4f} | "
            f"{one['psi']:.4g} |"
            for name, one in parity.items()
        ),
        "",
    ]
    failures = [f"- {name}: {failure}" for name, one in parity.items() for failure in one["failures"]]
    lines += ["Out of tolerance; nothing is released:", "", *failures] if failures else ["All within tolerance."]
    return "\n".join(lines) + "\n"


def render_parity_page(
    parity: dict[str, dict[str, Any]], row_counts: dict[str, int], rejections: dict[str, Any]
) -> str:
    """Put the comparison of every model on one page, with where they disagree.

    Args:
        parity: What was measured of each model.
        row_counts: The rows on their way, as `count_rows` gives them.
        rejections: How many rows of the census are valid and rejected, and by which rules.

    Returns:
        The page; it holds its pictures.
    """
    from premises.evaluation.plots import plot_disagreement

    pictures = {}
    for name, one in parity.items():
        buffer = BytesIO()
        plot_disagreement(one["by_district"]).savefig(buffer, dpi=120)
        pictures[name] = b64encode(buffer.getvalue()).decode()
    return render_page(
        "parity_report.html",
        origin=describe_origin(row_counts),
        rejections=rejections,
        parity=parity,
        pictures=pictures,
        titles=TITLES,
        format_share=format_share,
    )
