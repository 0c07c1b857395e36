"""The spark_production pipeline, and its last part alone: scoring, which needs no training."""

from kedro.pipeline import Node, Pipeline, pipeline

from premises.evaluation.parity_report import render_parity_markdown, render_parity_page
from premises.evaluation.predictions import evaluate_predictions

from .nodes import (
    choose_verification_rows,
    hand_over,
    measure_parity,
    predict_on_spark,
    publish_release,
    score_premises,
    summarise_scores,
    train_mllib,
)

PARAMETERS = "params:spark_production"


def create_pipeline() -> Pipeline:
    """Make the pipeline: `research_tree` and `model_input` to models on Spark, `parity`, `release` and the scores."""
    models = Pipeline(
        [
            Node(choose_verification_rows, "model_input", "verification_rows", name="choose_verification_rows"),
            Node(
                hand_over,
                ["research_tree", "verification_rows"],
                ["handed_over_model", "research_tree_sql"],
                name="hand_over",
                tags="handed_over",
            ),
            Node(
                train_mllib,
                ["model_input", "research_search", "verification_rows", PARAMETERS],
                "mllib_model",
                name="train_mllib",
                tags="mllib",
            ),
        ]
    )
    release = Pipeline(
        [
            Node(
                measure_parity,
                [
                    "research_predictions",
                    "handed_over_predictions",
                    "mllib_predictions",
                    "premises_features",
                    PARAMETERS,
                    "params:sklearn_research.research_rows",
                ],
                "parity",
                name="measure_parity",
            ),
            Node(render_parity_markdown, "parity", "parity_summary", name="render_parity_markdown"),
            Node(render_parity_page, ["parity", "row_counts"], "parity_report", name="render_parity_page"),
            Node(
                publish_release,
                [
                    "parity",
                    "parity_report",
                    "handed_over_model",
                    "mllib_model",
                    "research_tree_sql",
                    "handed_over_metrics",
                    "mllib_metrics",
                    "model_input",
                    "row_counts",
                    "parameters",
                    PARAMETERS,
                ],
                "release",
                name="publish_release",
            ),
        ]
    )
    return models + _evaluate("handed_over") + _evaluate("mllib") + release + create_scoring_pipeline()


def create_scoring_pipeline() -> Pipeline:
    """Make the pipeline that scores premises with the last `release`: `predictions` and `predictions_summary`."""
    return Pipeline(
        [
            Node(score_premises, ["release", "premises_features"], "predictions", name="score_premises"),
            Node(
                summarise_scores,
                ["predictions", "premises", "release"],
                "predictions_summary",
                name="summarise_scores",
            ),
        ]
    )


def _evaluate(model: str) -> Pipeline:
    """Make the part that every model on Spark goes through: its predictions and their metrics."""
    return pipeline(
        [
            Node(predict_on_spark, ["model", "model_input", PARAMETERS], "predictions", name="predict"),
            Node(evaluate_predictions, "predictions", ["histograms", "metrics"], name="evaluate"),
        ],
        namespace=model,
        inputs={"model": f"{model}_model", "model_input": "model_input"},
        outputs={"predictions": f"{model}_predictions", "metrics": f"{model}_metrics"},
        parameters={PARAMETERS},
        tags=model,
    )
