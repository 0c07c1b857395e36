"""Writes a census to try things on: a sample drawn from the published counts, in the form of the published file."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
