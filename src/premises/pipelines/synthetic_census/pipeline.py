"""The `synthetic_census` pipeline."""

from kedro.pipeline import Node, Pipeline

from .nodes import generate_census


def create_pipeline() -> Pipeline:
    """Make the pipeline.

    Returns:
        One node, which generates the census that is written where `census_file` is read.
    """
    return Pipeline(
        [
            Node(
                generate_census,
                ["params:synthetic_census", "params:census.vintage"],
                "synthetic_census",
                name="generate_census",
            )
        ]
    )
