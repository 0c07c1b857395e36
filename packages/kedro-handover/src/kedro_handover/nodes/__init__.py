"""The functions that a project's pipelines list as nodes."""
