"""The spark_production pipeline, and its last part alone: scoring, which needs no training."""

from kedro.pipeline import Node, Pipeline, pipeline

from kedro_handover.evaluation.predictions import measure_predictions
from kedro_handover.models import list_production_models
from kedro_handover.nodes.parity import measure_parity
from kedro_handover.nodes.release import (
    choose_model,
    digest_table,
    profile_features,
    publish_release,
    record_provenance,
)
from kedro_handover.nodes.scoring import compare_with_release, score_rows, summarise_scores
from kedro_handover.nodes.training import TRAINERS, choose_verification_rows, hand_over, predict_on_spark
from kedro_handover.reporting.drift_report import render_drift_report
from kedro_handover.reporting.parity_report import render_parity_markdown, render_parity_report

PARAMETERS = "params:spark_production"
PROJECT = "params:project"
RECORDED = ["parameters", "research_model", "raw_source"]


def create_pipeline(*, with_h2o: bool) -> Pipeline:
    """Make the pipeline: `research_model` and `model_input` to models on Spark, `parity`, `release` and the scores.

    Args:
        with_h2o: Whether H2O's model is one of them; H2O has to be installed then.
    """
    models = list_production_models(with_h2o=with_h2o)
    fitted = [f"{model}_model" for model in models]
    training = Pipeline(
        [
            Node(choose_verification_rows, "model_input", "verification_rows", name="choose_verification_rows"),
            Node(
                hand_over,
                ["research_model", "model_input", "verification_rows", "params:sklearn_research"],
                ["handed_over_model", "handed_over_sql", "promise"],
                name="hand_over",
                tags="handed_over",
            ),
            *(
                Node(
                    TRAINERS[model],
                    ["model_input", "research_model", "verification_rows", "row_counts", PARAMETERS],
                    f"{model}_model",
                    name=f"train_{model}",
                    tags=model,
                )
                for model in models
                if model in TRAINERS
            ),
        ]
    )
    release = Pipeline(
        [
            Node(
                measure_parity,
                {
                    "research_predictions": "research_predictions",
                    "promise": "promise",
                    "parameters": PARAMETERS,
                    "research_rows": "params:sklearn_research.research_rows",
                    **{model: f"{model}_predictions" for model in models},
                },
                "parity",
                name="measure_parity",
            ),
            Node(render_parity_markdown, "parity", "parity_summary", name="render_parity_markdown"),
            Node(
                render_parity_report,
                ["parity", "row_counts", "rejections", "promise", PROJECT],
                "parity_report",
                name="render_parity_report",
            ),
            Node(
                choose_model,
                {"parameters": PARAMETERS, **{name: name for name in ("handed_over_sql", *fitted)}},
                "chosen_model",
                name="choose_model",
            ),
            Node(digest_table, "model_input", "model_input_digest", name="digest_model_input"),
            Node(profile_features, ["features", PARAMETERS], "features_profile", name="profile_features"),
            Node(record_provenance, RECORDED, "provenance", name="record_provenance"),
            Node(
                publish_release,
                {
                    "parity": "parity",
                    "parity_report": "parity_report",
                    "chosen_model": "chosen_model",
                    "model_input_digest": "model_input_digest",
                    "features_profile": "features_profile",
                    "row_counts": "row_counts",
                    "provenance": "provenance",
                    "promise": "promise",
                    **{f"{model}_metrics": f"{model}_metrics" for model in models},
                },
                "release@manifest",
                name="publish_release",
            ),
        ]
    )
    return sum(map(_evaluate, models), training) + release + create_scoring_pipeline()


def create_scoring_pipeline() -> Pipeline:
    """Make the pipeline that scores premises with the last `release`: `drift`, `predictions`, `predictions_summary`."""
    release = "release@manifest"
    return Pipeline(
        [
            Node(compare_with_release, [release, "features", PARAMETERS], "drift", name="compare_with_release"),
            Node(render_drift_report, ["drift", "rejections", PROJECT], "drift_report", name="render_drift_report"),
            Node(
                score_rows,
                ["release@model", release, "features", "drift", "drift_report", PROJECT],
                "predictions",
                name="score_rows",
            ),
            Node(
                summarise_scores,
                ["predictions", "premises", release, PROJECT],
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
