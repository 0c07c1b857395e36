"""Writes a census to try things on: a sample drawn from the published counts, in the form of the published file."""

from premises.pipelines.sample_census.pipeline import create_pipeline

__all__ = ["create_pipeline"]
