"""The fixtures of the library's tests are those of `kedro_handover.testing`, which `pyproject.toml` loads."""
