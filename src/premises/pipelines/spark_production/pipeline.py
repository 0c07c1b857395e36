"""The spark_production pipeline, and its last part alone: scoring, which needs no training."""

from kedro.pipeline import Node, Pipeline, pipeline

from premises.evaluation.drift import render_drift_page
from premises.evaluation.parity_report import render_parity_markdown, render_parity_page
from premises.evaluation.predictions import measure_predictions

from .nodes import (
    choose_verification_rows,
    compare_with_release,
    hand_over,
    measure_parity,
    predict_on_spark,
    publish_release,
    score_premises,
    summarise_scores,
    train_h2o,
    train_mllib,
)

PARAMETERS = "params:spark_production"


def create_pipeline(*, with_h2o: bool) -> Pipeline:
    """Make the pipeline: `research_tree` and `model_input` to models on Spark, `parity`, `release` and the scores.

    Args:
        with_h2o: Whether H2O's tree is one of the models; H2O has to be installed then.
    """
    models = ["handed_over", "mllib", *(["h2o"] if with_h2o else [])]
    trained_anew = {"mllib": train_mllib, "h2o": train_h2o}
    training = Pipeline(
        [
            Node(choose_verification_rows, "model_input", "verification_rows", name="choose_verification_rows"),
            Node(
                hand_over,
                ["research_tree", "verification_rows"],
                ["handed_over_model", "research_tree_sql"],
                name="hand_over",
                tags="handed_over",
            ),
            *(
                Node(
                    trained_anew[model],
                    ["model_input", "research_search", "verification_rows", PARAMETERS],
                    f"{model}_model",
                    name=f"train_{model}",
                    tags=model,
                )
                for model in models
                if model in trained_anew
            ),
        ]
    )
    release = Pipeline(
        [
            Node(
                measure_parity,
                {
                    "research_predictions": "research_predictions",
                    "premises_features": "premises_features",
                    "parameters": PARAMETERS,
                    "research_rows": "params:sklearn_research.research_rows",
                    **{model: f"{model}_predictions" for model in models},
                },
                "parity",
                name="measure_parity",
            ),
            Node(render_parity_markdown, "parity", "parity_summary", name="render_parity_markdown"),
            Node(
                render_parity_page, ["parity", "row_counts", "rejections"], "parity_report", name="render_parity_page"
            ),
            Node(
                publish_release,
                {
                    "parity": "parity",
                    "parity_report": "parity_report",
                    "research_tree_sql": "research_tree_sql",
                    "research_tree": "research_tree",
                    "model_input": "model_input",
                    "premises_features": "premises_features",
                    "row_counts": "row_counts",
                    "all_parameters": "parameters",
                    "parameters": PARAMETERS,
                    **{f"{model}_{part}": f"{model}_{part}" for model in models for part in ("model", "metrics")},
                },
                "release",
                name="publish_release",
            ),
        ]
    )
    return sum(map(_evaluate, models), training) + release + create_scoring_pipeline()


def create_scoring_pipeline() -> Pipeline:
    """Make the pipeline that scores premises with the last `release`: `drift`, `predictions`, `predictions_summary`."""
    return Pipeline(
        [
            Node(
                compare_with_release, ["release", "premises_features", PARAMETERS], "drift", name="compare_with_release"
            ),
            Node(render_drift_page, ["drift", "rejections"], "drift_report", name="render_drift_page"),
            Node(
                score_premises,
                ["release", "premises_features", "drift", "drift_report"],
                "predictions",
                name="score_premises",
            ),
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
            Node(measure_predictions, "predictions", "metrics", name="evaluate"),
        ],
        namespace=model,
        inputs={"model": f"{model}_model", "model_input": "model_input"},
        outputs={"predictions": f"{model}_predictions", "metrics": f"{model}_metrics"},
        parameters={PARAMETERS},
        tags=model,
    )
