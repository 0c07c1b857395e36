"""The models in production: the research tree handed over, MLlib re-trained, parity, the release and its scores."""

from .pipeline import create_pipeline, create_scoring_pipeline

__all__ = ["create_pipeline", "create_scoring_pipeline"]
