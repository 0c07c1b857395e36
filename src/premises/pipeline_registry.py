"""The project's pipelines, by name."""

from kedro.pipeline import Pipeline

from kedro_handover.pipelines import build_registry
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
        The pipelines by name. `__default__` is the whole story from the census on; `conf/<env>/run.yml` says what a
        plain `kedro run` takes of it. `scoring` needs no training: the last release scores whatever census is there;
        `research_scoring` does it with the research tree, on any engine. What stands outside the story makes a census
        to try things on, and runs a release on Spark 2.4. H2O's tree is there where the extra h2o is installed.
    """
    story = {
        "data_engineering": data_engineering.create_pipeline(),
        "sklearn_research": sklearn_research.create_pipeline(),
        "spark_production": spark_production.create_pipeline(with_h2o=is_installed()),
    }
    scoring = {
        "scoring": ("spark_production", spark_production.create_scoring_pipeline()),
        "research_scoring": ("sklearn_research", sklearn_research.create_scoring_pipeline()),
    }
    return build_registry(story, scoring) | {
        "spark24_production": spark24_production.create_pipeline(),
        "spark24_bundle": spark24_production.create_bundle_pipeline(),
        "synthetic_census": synthetic_census.create_pipeline(),
    }
