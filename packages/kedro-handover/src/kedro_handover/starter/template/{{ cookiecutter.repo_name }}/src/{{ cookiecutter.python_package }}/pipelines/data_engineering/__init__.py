"""From the raw file to the rows that models are trained on; the same nodes on every engine."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
