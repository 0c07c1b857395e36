"""From the raw census to the rows that models are trained on; the same nodes on every engine."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
