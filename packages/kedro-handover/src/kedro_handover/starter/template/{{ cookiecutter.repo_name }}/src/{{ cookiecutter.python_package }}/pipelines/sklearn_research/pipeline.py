"""The sklearn_research pipeline."""

from kedro.pipeline import Node, Pipeline
from kedro_handover.evaluation.predictions import evaluate_predictions
from kedro_handover.nodes import research
from kedro_handover.reporting import plots
from kedro_handover.reporting.research_report import render_research_report

PARAMS, PROJECT = "params:sklearn_research", "params:project"
ROWS, MODEL, SEARCH, PREDICTIONS = "research_rows", "research_model", "research_search", "research_predictions"
HISTOGRAMS, METRICS = "research_histograms", "research_metrics"
{% if cookiecutter._project.task == "regression" %}
FIGURES = ("predicted_actual", "residuals", "importances", "tree_top")
{% else %}
FIGURES = ("roc_curve", "precision_recall", "confusion_matrix", "calibration", "importances", "tree_top")
{% endif %}
"""Those of the report, in its order."""


def create_pipeline() -> Pipeline:
    """Make the pipeline: `model_input` to `research_model`, its predictions, metrics, figures and report."""
    inputs = {"row_counts": "row_counts", "rejections": "rejections", "search": SEARCH}
{% if cookiecutter._project.task != "regression" %}
    inputs["class_weight"] = "params:sklearn_research.class_weight"
{% endif %}
    figures = {figure: f"research_{figure}" for figure in FIGURES}
    return Pipeline(
        [
            Node(research.collect_research_rows, ["model_input", PARAMS, PROJECT], ROWS, name="collect_research_rows"),
            Node(research.search_models, [ROWS, PARAMS], [MODEL, SEARCH], name="search_models", tags="research"),
            Node(research.predict, [MODEL, ROWS, PARAMS], PREDICTIONS, name="predict", tags="research"),
            Node(evaluate_predictions, PREDICTIONS, [HISTOGRAMS, METRICS], name="evaluate_predictions"),
{% if cookiecutter._project.task == "regression" %}
            Node(
                plots.plot_predicted_actual,
                [HISTOGRAMS, PROJECT],
                figures["predicted_actual"],
                name="plot_predicted_actual",
            ),
            Node(plots.plot_residuals, [HISTOGRAMS, PROJECT], figures["residuals"], name="plot_residuals"),
{% else %}
            Node(plots.plot_roc_curve, [HISTOGRAMS, PROJECT], figures["roc_curve"], name="plot_roc_curve"),
            Node(
                plots.plot_precision_recall,
                [HISTOGRAMS, PROJECT],
                figures["precision_recall"],
                name="plot_precision_recall",
            ),
            Node(
                plots.plot_confusion_matrix,
                [METRICS, PROJECT],
                figures["confusion_matrix"],
                name="plot_confusion_matrix",
            ),
            Node(plots.plot_calibration, [HISTOGRAMS, PROJECT], figures["calibration"], name="plot_calibration"),
{% endif %}
            Node(plots.plot_importances, [MODEL, ROWS], figures["importances"], name="plot_importances"),
            Node(plots.plot_tree_top, [MODEL, PROJECT, "levels"], figures["tree_top"], name="plot_tree_top"),
            Node(
                render_research_report,
                {**inputs, "metrics": METRICS, "project": PROJECT, **figures},
                "research_report",
                name="render_research_report",
            ),
        ]
    )


def create_scoring_pipeline() -> Pipeline:
    """Make the pipeline that scores every row with the last `research_model`, on whatever engine holds them."""
    inputs = [MODEL, "features", PARAMS, PROJECT, "row_counts"]
    return Pipeline(
        [
            Node(research.score_with_research, inputs, "research_scores", name="score_with_research"),
            Node(research.count_scores, "research_scores", "score_counts", name="count_scores"),
        ]
    )
