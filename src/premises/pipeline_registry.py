"""The project's pipelines, by name."""

from kedro.pipeline import Pipeline

from kedro_handover.spark.h2o import is_installed
from premises.pipelines import (
    data_engineering,
    sklearn_research,
    spark24_production,
    spark_production,
    synthetic_census,
)


def register_pipelines() -> dict[str, Pipeline]:
    """Register the pipelines.

    Returns:
        The pipelines by name. `__default__` is the whole graph from the census on; what a plain `kedro run` takes of
        it is said by `conf/<env>/run.yml`. `scoring` is the part that needs no training: the last release scores
        whatever census is there; `research_scoring` does it with the research tree, on any engine. `synthetic_census`
        stands outside: it makes a census to try things on. H2O's tree is in it where the extra h2o is installed.
        `spark24_production` stands outside too: it runs what production has released on Spark 2.4.
    """
    story = {
        "data_engineering": data_engineering.create_pipeline(),
        "sklearn_research": sklearn_research.create_pipeline(),
        "spark_production": spark_production.create_pipeline(with_h2o=is_installed()),
    }
    story = {name: _in_namespace(name, made) for name, made in story.items()}
    features = story["data_engineering"].to_outputs("features")
    return {
        **story,
        "scoring": features + _in_namespace("spark_production", spark_production.create_scoring_pipeline()),
        "research_scoring": features + _in_namespace("sklearn_research", sklearn_research.create_scoring_pipeline()),
        "spark24_production": spark24_production.create_pipeline(),
        "spark24_bundle": spark24_production.create_bundle_pipeline(),
        "synthetic_census": synthetic_census.create_pipeline(),
        "__default__": sum(story.values(), Pipeline([])),
    }


def _in_namespace(name: str, made: Pipeline) -> Pipeline:
    """Make a pipeline one box of kedro-viz, which opens; datasets and parameters keep their names."""
    return Pipeline(made, namespace=name, prefix_datasets_with_namespace=False)
