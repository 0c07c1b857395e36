"""The sklearn_research pipeline."""

from kedro.pipeline import Node, Pipeline

from kedro_handover.evaluation.predictions import evaluate_predictions
from kedro_handover.nodes.research import (
    collect_research_rows,
    count_scores,
    predict,
    score_with_research,
    search_models,
)
from kedro_handover.reporting.plots import (
    plot_calibration,
    plot_confusion_matrix,
    plot_importances,
    plot_precision_recall,
    plot_roc_curve,
    plot_tree_top,
)
from kedro_handover.reporting.research_report import render_research_report

from .score_map import plot_score_map

FIGURES = ("roc_curve", "precision_recall", "confusion_matrix", "calibration", "importances", "map", "tree_top")
"""Those of the report, in its order; `map` is the project's own."""


def create_pipeline() -> Pipeline:
    """Make the pipeline: `model_input` to `research_model`, its predictions, metrics, figures and report."""
    parameters, project = "params:sklearn_research", "params:project"
    histograms, metrics = "research_histograms", "research_metrics"
    return Pipeline(
        [
            Node(
                collect_research_rows,
                ["model_input", parameters, "params:project"],
                "research_rows",
                name="collect_research_rows",
            ),
            Node(
                search_models,
                ["research_rows", parameters],
                ["research_model", "research_search"],
                name="search_models",
                tags="research",
            ),
            Node(
                predict,
                ["research_model", "research_rows", parameters],
                "research_predictions",
                name="predict",
                tags="research",
            ),
            Node(evaluate_predictions, "research_predictions", [histograms, metrics], name="evaluate_predictions"),
            Node(plot_roc_curve, [histograms, project], "research_roc_curve", name="plot_roc_curve"),
            Node(
                plot_precision_recall, [histograms, project], "research_precision_recall", name="plot_precision_recall"
            ),
            Node(plot_confusion_matrix, [metrics, project], "research_confusion_matrix", name="plot_confusion_matrix"),
            Node(plot_calibration, [histograms, project], "research_calibration", name="plot_calibration"),
            Node(
                plot_importances, ["research_model", "research_rows"], "research_importances", name="plot_importances"
            ),
            Node(plot_tree_top, ["research_model", project], "research_tree_top", name="plot_tree_top"),
            Node(plot_score_map, ["research_rows", "research_predictions"], "research_map", name="plot_score_map"),
            Node(
                render_research_report,
                {
                    "row_counts": "row_counts",
                    "rejections": "rejections",
                    "search": "research_search",
                    "metrics": metrics,
                    "project": project,
                    "class_weight": "params:sklearn_research.class_weight",
                    **{figure: f"research_{figure}" for figure in FIGURES},
                },
                "research_report",
                name="render_research_report",
            ),
        ]
    )


def create_scoring_pipeline() -> Pipeline:
    """Make the pipeline that scores every premises with the last `research_model`, on whatever engine holds them."""
    return Pipeline(
        [
            Node(
                score_with_research,
                ["research_model", "features", "params:sklearn_research", "params:project"],
                "research_scores",
                name="score_with_research",
            ),
            Node(count_scores, "research_scores", "score_counts", name="count_scores"),
        ]
    )
