"""The data_engineering pipeline."""

from kedro.pipeline import Node, Pipeline

from .nodes import build_premises_features, clean_premises, count_rows, split_and_balance


def create_pipeline() -> Pipeline:
    """Make the pipeline: `census` to `premises`, `premises_features`, `model_input` and `row_counts`."""
    return Pipeline(
        [
            Node(clean_premises, "census", "premises", name="clean_premises"),
            Node(
                build_premises_features,
                ["premises", "params:data_engineering"],
                "premises_features",
                name="build_premises_features",
            ),
            Node(
                split_and_balance,
                ["premises_features", "params:data_engineering"],
                "model_input",
                name="split_and_balance",
            ),
            Node(count_rows, ["premises", "model_input"], "row_counts", name="count_rows"),
        ]
    )
