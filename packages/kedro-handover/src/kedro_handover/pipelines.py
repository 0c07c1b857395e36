"""What a project's `pipeline_registry.py` is made with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kedro.pipeline import Pipeline

if TYPE_CHECKING:
    from collections.abc import Mapping


def build_registry(
    story: Mapping[str, Pipeline], scoring: Mapping[str, tuple[str, Pipeline]] | None = None
) -> dict[str, Pipeline]:
    """Build what a project registers: its pipelines, the parts of them that score without training, and the whole.

    Each pipeline becomes a box of kedro-viz that opens: its nodes get its name before theirs, while datasets and
    parameters keep their names.

    Args:
        story: The project's modular pipelines by name, in the order of the story.
        scoring: Pipelines that score with a model that is there already, by name; each with the name of the pipeline in
            the story whose nodes it shares. What they start from and the story makes in `data_engineering` (its
            `features`, for one) is made first.

    Returns:
        The pipelines by name. `__default__` is the whole story.
    """
    pipelines = {name: _put_in_namespace(name, made) for name, made in story.items()}
    whole = sum(pipelines.values(), Pipeline([]))
    for name, (namespace, made) in (scoring or {}).items():
        first = pipelines[next(iter(pipelines))]
        pipelines[name] = first.to_outputs(*(made.inputs() & first.all_outputs())) + _put_in_namespace(namespace, made)
    return pipelines | {"__default__": whole}


def _put_in_namespace(name: str, made: Pipeline) -> Pipeline:
    return Pipeline(made, namespace=name, prefix_datasets_with_namespace=False)
