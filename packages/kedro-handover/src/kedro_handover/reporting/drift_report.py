"""The drift report: how far the rows to score are from those of the release, on one page."""

from __future__ import annotations

from typing import Any

from kedro_handover.project import ProjectSpec
from kedro_handover.reporting.page import encode_figure, render_page


def render_drift_report(
    drift: dict[str, Any], rejections: dict[str, Any], project: ProjectSpec, *, sections: dict[str, Any] | None = None
) -> str:
    """Put the drift of every feature on one page, with a figure.

    Args:
        drift: What `kedro_handover.evaluation.drift.measure_drift` gives.
        rejections: How many rows of the table are valid and rejected, and by which rules.
        project: Its words.
        sections: Sections of the project's own, by title, see `kedro_handover.reporting.page.render_page`.

    Returns:
        The page; it holds its figure.
    """
    from kedro_handover.reporting.plots import plot_drift

    return render_page(
        "drift_report.html",
        sections,
        drift=drift,
        rejections=rejections,
        figure=encode_figure(plot_drift(drift)),
        project=project,
        words=project.words,
    )
