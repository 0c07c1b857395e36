"""Production on Spark 2.4, the Spark of the article that this project follows: the same models, held to research."""

from .pipeline import create_bundle_pipeline, create_pipeline

__all__ = ["create_bundle_pipeline", "create_pipeline"]
