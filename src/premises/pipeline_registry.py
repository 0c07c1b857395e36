"""The project's pipelines, by name."""

from kedro.pipeline import Pipeline

from premises.pipelines import data_engineering, sample_census, sklearn_research


def register_pipelines() -> dict[str, Pipeline]:
    """Register the pipelines.

    Returns:
        The pipelines by name. `__default__` is the whole graph from the census on; what a plain `kedro run` takes of
        it is said by `conf/<env>/run.yml`. `sample_census` stands outside: it makes a census to try things on.
    """
    story = {
        "data_engineering": data_engineering.create_pipeline(),
        "sklearn_research": sklearn_research.create_pipeline(),
    }
    return {
        **story,
        "sample_census": sample_census.create_pipeline(),
        "__default__": sum(story.values(), Pipeline([])),
    }
