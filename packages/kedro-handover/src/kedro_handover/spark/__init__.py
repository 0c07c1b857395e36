"""Spark: its session as the configuration describes it, its progress, scoring, and H2O inside it."""
