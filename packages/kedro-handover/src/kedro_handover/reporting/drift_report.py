"""Drift, for people: one page of HTML that needs no other file."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import Any

from kedro_handover.formatting import format_share
from kedro_handover.project import ProjectSpec
from kedro_handover.reporting.pages import render_page


def render_drift_report(drift: dict[str, Any], rejections: dict[str, Any], project: ProjectSpec) -> str:
    """Put the drift of every feature on one page, with a plot.

    Args:
        drift: What `measure_drift` gives.
        rejections: How many rows of the table are valid and rejected, and by which rules.
        project: Its words.

    Returns:
        The page; it holds its picture.
    """
    from kedro_handover.reporting.plots import plot_drift

    buffer = BytesIO()
    plot_drift(drift).savefig(buffer, dpi=150)
    return render_page(
        "drift_report.html",
        drift=drift,
        rejections=rejections,
        picture=b64encode(buffer.getvalue()).decode(),
        project=project,
        format_share=format_share,
    )
