"""The research model: a scikit-learn decision tree, its evaluation and its report, in pandas."""

from .pipeline import create_pipeline, create_scoring_pipeline

__all__ = ["create_pipeline", "create_scoring_pipeline"]
