"""The spark24_production pipeline: `kedro run --env=spark24`, after `kedro run --env=prod`."""

from kedro.pipeline import Node, Pipeline

from kedro_handover.evaluation.predictions import measure_predictions
from kedro_handover.models.registry import PRODUCTION_MODELS, SPARK24_MODELS
from kedro_handover.nodes.parity import measure_parity
from kedro_handover.nodes.spark24 import SAME_AS, check_parity, hold_to_production, predict_on_spark24, write_bundle
from kedro_handover.reporting.parity_report import render_parity_report

PARAMETERS = "params:spark_production"
RELEASED = ("release@manifest", "research_search", "handed_over_location", "h2o_location", "handed_over_sql")
"""What production has left: all that the bundle is made of."""


def create_pipeline() -> Pipeline:
    """Make the pipeline: what production has left, and `model_input`, to predictions and parity of Spark 2.4."""
    compared = sorted({*SAME_AS.values(), *(f"spark24_{way}" for way in SAME_AS)})
    all_models = [*PRODUCTION_MODELS, *SPARK24_MODELS]
    return Pipeline(
        [
            Node(
                predict_on_spark24,
                [*RELEASED, "model_input_location", PARAMETERS, "params:spark24"],
                [f"{model}_predictions" for model in SPARK24_MODELS],
                name="predict_on_spark24",
            ),
            *(
                Node(measure_predictions, f"{model}_predictions", f"{model}_metrics", name=f"evaluate_{model}")
                for model in SPARK24_MODELS
            ),
            Node(
                hold_to_production,
                {model: f"{model}_predictions" for model in compared},
                "spark24_differences",
                name="hold_to_production",
            ),
            Node(
                measure_parity,
                {
                    "research_predictions": "research_predictions",
                    "promise": "promise",
                    "parameters": PARAMETERS,
                    "research_rows": "params:sklearn_research.research_rows",
                    **{model: f"{model}_predictions" for model in all_models},
                },
                "spark24_parity",
                name="measure_parity",
            ),
            Node(
                render_parity_report,
                ["spark24_parity", "row_counts", "rejections", "promise", "params:project"],
                "spark24_parity_report",
                name="render_parity_report",
            ),
            Node(check_parity, ["spark24_parity", "spark24_parity_report"], "spark24_checked", name="check_parity"),
        ]
    )


def create_bundle_pipeline() -> Pipeline:
    """Make the pipeline that writes the bundle for a cluster with Spark 2.4; `make spark24-bundle` runs it."""
    return Pipeline(
        [Node(write_bundle, [*RELEASED, PARAMETERS, "params:spark24"], "spark24_bundle", name="write_bundle")]
    )
