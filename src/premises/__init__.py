"""Premises: a model from research to production, and the proof that they are the same."""

__version__ = "0.2.0"
