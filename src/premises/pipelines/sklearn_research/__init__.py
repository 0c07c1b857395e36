"""The research model: a scikit-learn decision tree, its evaluation and its report, in pandas."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
