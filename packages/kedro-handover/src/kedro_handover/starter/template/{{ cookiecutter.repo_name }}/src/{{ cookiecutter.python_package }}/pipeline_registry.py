"""The project's pipelines, by name."""

from kedro.pipeline import Pipeline
from kedro_handover.spark.h2o import is_installed

from {{ cookiecutter.python_package }}.pipelines import data_engineering, sklearn_research, spark_production


def register_pipelines() -> dict[str, Pipeline]:
    """Register the pipelines.

    Returns:
        The pipelines by name; `conf/<env>/run.yml` names those of a plain `kedro run`. `scoring` and `research_scoring`
        train nothing: the last release, or the last research model, scores whatever file is there.
    """
    story = {
        "data_engineering": data_engineering.create_pipeline(),
        "sklearn_research": sklearn_research.create_pipeline(),
        "spark_production": spark_production.create_pipeline(with_h2o=is_installed()),
    }
    features = story["data_engineering"].to_outputs("features")
    return {
        **story,
        "scoring": features + spark_production.create_scoring_pipeline(),
        "research_scoring": features + sklearn_research.create_scoring_pipeline(),
        "__default__": sum(story.values(), Pipeline([])),
    }
