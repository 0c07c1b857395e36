"""Kedro datasets that no library ships."""
