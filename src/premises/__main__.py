"""The packaged project's command: `premises`, or `python -m premises`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any


def main(*args: Any, **kwargs: Any) -> Any:
    """Run the project, or another of its commands, with the options of `kedro run`."""
    # Kedro reads both when it is imported. In a checkout, conf/logging.yml and .telemetry say as much.
    os.environ.setdefault("KEDRO_DISABLE_TELEMETRY", "1")
    if not Path("conf/logging.yml").exists():
        os.environ.setdefault("KEDRO_LOGGING_CONFIG", str(Path(__file__).with_name("logging.yml")))
    from kedro.framework.project import configure_project

    configure_project(Path(__file__).parent.name)
    from premises.cli import cli  # it asks for the configured project

    kwargs["standalone_mode"] = not hasattr(sys, "ps1")
    return cli(*args, **kwargs)


if __name__ == "__main__":
    main()
