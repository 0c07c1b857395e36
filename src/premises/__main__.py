"""The packaged project's command: `premises`, or `python -m premises`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedro_handover.main import run_project


def main(*args: Any, **kwargs: Any) -> Any:
    """Run the project, or another of its commands, with the options of `kedro run`."""
    return run_project(Path(__file__).parent.name, *args, **kwargs)


if __name__ == "__main__":
    main()
