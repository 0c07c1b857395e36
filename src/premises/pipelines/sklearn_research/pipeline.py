"""The sklearn_research pipeline."""

from kedro.pipeline import Node, Pipeline

from premises.evaluation.plots import (
    plot_calibration,
    plot_confusion_matrix,
    plot_importances,
    plot_precision_recall,
    plot_roc_curve,
    plot_score_map,
    plot_tree_top,
)
from premises.evaluation.predictions import evaluate_predictions
from premises.evaluation.report import render_research_report

from .nodes import collect_research_rows, count_scores, predict, score_premises, search_tree

PICTURES = (
    "research_roc_curve",
    "research_precision_recall",
    "research_confusion_matrix",
    "research_calibration",
    "research_importances",
    "research_map",
    "research_tree_top",
)


def create_pipeline() -> Pipeline:
    """Make the pipeline: `model_input` to `research_tree`, its predictions, metrics, pictures and report."""
    parameters = "params:sklearn_research"
    return Pipeline(
        [
            Node(collect_research_rows, ["model_input", parameters], "research_rows", name="collect_research_rows"),
            Node(
                search_tree,
                ["research_rows", parameters],
                ["research_tree", "research_search"],
                name="search_tree",
                tags="research",
            ),
            Node(
                predict,
                ["research_tree", "research_rows", parameters],
                "research_predictions",
                name="predict",
                tags="research",
            ),
            Node(
                evaluate_predictions,
                "research_predictions",
                ["research_histograms", "research_metrics"],
                name="evaluate_predictions",
            ),
            Node(plot_roc_curve, "research_histograms", "research_roc_curve", name="plot_roc_curve"),
            Node(
                plot_precision_recall, "research_histograms", "research_precision_recall", name="plot_precision_recall"
            ),
            Node(plot_confusion_matrix, "research_metrics", "research_confusion_matrix", name="plot_confusion_matrix"),
            Node(plot_calibration, "research_histograms", "research_calibration", name="plot_calibration"),
            Node(plot_importances, "research_tree", "research_importances", name="plot_importances"),
            Node(plot_tree_top, "research_tree", "research_tree_top", name="plot_tree_top"),
            Node(plot_score_map, ["research_rows", "research_predictions"], "research_map", name="plot_score_map"),
            Node(
                render_research_report,
                ["row_counts", "rejections", "research_search", "research_metrics", *PICTURES],
                "research_report",
                name="render_research_report",
            ),
        ]
    )


def create_scoring_pipeline() -> Pipeline:
    """Make the pipeline that scores every premises with the last `research_tree`, on whatever engine holds them."""
    return Pipeline(
        [
            Node(
                score_premises,
                ["research_tree", "premises_features", "params:sklearn_research"],
                "premises_scores",
                name="score_premises_with_research_tree",
            ),
            Node(count_scores, "premises_scores", "score_counts", name="count_scores"),
        ]
    )
