"""The command of a packaged project: `<package>`, or `python -m <package>`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

_names = ["kedro run"]
"""Commands that run pipelines; the last one is what was typed."""


def run_project(package: str, *args: Any, **kwargs: Any) -> Any:
    """Run a packaged project, or another of its commands, with the options of `kedro run`.

    Args:
        package: The name of the project's package.
        args: Click's arguments.
        kwargs: Click's options.

    Returns:
        What the command returns.
    """
    # Kedro reads both when it is imported. In a checkout, conf/logging.yml and .telemetry say as much.
    os.environ.setdefault("KEDRO_DISABLE_TELEMETRY", "1")
    if not Path("conf/logging.yml").exists():
        os.environ.setdefault("KEDRO_LOGGING_CONFIG", str(Path(__file__).with_name("logging.yml")))
    from kedro.framework.project import configure_project

    configure_project(package)
    _names.append(package)
    from kedro_handover.cli import cli  # it asks for the configured project

    kwargs["standalone_mode"] = not hasattr(sys, "ps1")
    return cli(*args, **kwargs)


def name_command(env: str | None = None) -> str:
    """Name the command that runs pipelines, as a person has typed it: `kedro run`, or that of the package.

    Args:
        env: The environment, if one is to be named.

    Returns:
        The command, for hints.
    """
    return f"{_names[-1]} --env={env}" if env else _names[-1]
