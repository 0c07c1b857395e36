"""Writes a census to try things on: synthetic, with the published counts, in the form of the published file."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
