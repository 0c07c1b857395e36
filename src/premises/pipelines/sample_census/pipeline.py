"""The `sample_census` pipeline."""

from kedro.pipeline import Node, Pipeline

from .nodes import draw_census


def create_pipeline() -> Pipeline:
    """Make the pipeline.

    Returns:
        One node, which draws the census that is written where `census` is read.
    """
    return Pipeline(
        [Node(draw_census, ["params:sample_census", "params:census.vintage"], "drawn_census", name="draw_census")]
    )
