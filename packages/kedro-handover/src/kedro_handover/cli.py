"""The commands: `kedro run`, `kedro handover …`, and those of a packaged project."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from copy import copy
from typing import Any

import click
import yaml
from kedro.config import MissingConfigException
from kedro.framework.cli import utils
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.project import settings
from kedro.utils import load_obj

from kedro_handover.errors import KedroHandoverError, suggest
from kedro_handover.new_project import handover
from kedro_handover.session import HandoverSession
from kedro_handover.spark.session import list_submit_settings

PATHS = frozenset({"storage"})
"""Names that --params sets to a path."""

UNDECODED = re.compile("[\udc80-\udcff]")
"""How Python writes bytes of the command line that are no letters in the locale's encoding."""

RUNNERS = ("ParallelRunner", "SequentialRunner", "ThreadRunner")


class RunByDefault(click.Group):
    """A group whose command is `run` where none is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `run` before the options of a run.

        Args:
            ctx: Click's context.
            args: The command line.

        Returns:
            The arguments that are left for the command.
        """
        named = args and (args[0] in self.commands or args[0] in self.get_help_option_names(ctx))
        return super().parse_args(ctx, args if named else ["run", *args])


def _is_handover_project() -> bool:
    return issubclass(settings.SESSION_CLASS, HandoverSession)


def _take_as_typed(option: click.Parameter) -> click.Parameter:
    """Give an option that is read as Kedro reads it; a path of --params stays the text that was typed.

    Kedro reads each value as YAML: a folder `2026_11` is a number then, `no` is False, and a `#` ends a name.
    """
    read = option.callback

    def read_as_typed(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        if isinstance(value, str) and UNDECODED.search(value):
            msg = f"a letter is none of the locale's, which is {sys.getfilesystemencoding()}. Set PYTHONUTF8=1."
            raise click.BadParameter(msg, ctx, param)
        try:
            found = read(ctx, param, value) if read is not None else value
        except (utils.KedroCliError, yaml.YAMLError) as error:  # Kedro's shows itself with a trace that is none
            raise click.BadParameter(" ".join(str(error).split()), ctx, param) from error
        if param.name == "params" and isinstance(value, str) and _is_handover_project():
            typed = {name.strip(): text.strip() for name, _, text in (item.partition("=") for item in value.split(","))}
            found |= {name: os.path.expanduser(typed[name]) for name in PATHS & typed.keys()}  # noqa: PTH111 - a URL too
        return found

    changed = copy(option)
    changed.callback = read_as_typed
    return changed


def _run(**options: Any) -> Any:
    runner = options["runner"]
    if runner and _is_handover_project():
        try:
            load_obj(runner, "kedro.runner")
        except (AttributeError, ImportError, ValueError) as error:
            msg = f"There is no runner {runner!r}. {suggest(runner, RUNNERS)}"
            raise click.ClickException(msg) from error
    return kedro_run.callback(**options)  # type: ignore[misc] # click: it may be None, and is not


run = copy(kedro_run)
"""Kedro's own command, told in one sentence what Kedro answers with a trace; in other projects it is the same."""
run.callback = _run
run.params = [_take_as_typed(option) for option in kedro_run.params]

SHARED_OPTIONS = [option for option in run.params if option.name in {"env", "conf_source", "params"}]


@click.command("spark-flags", params=SHARED_OPTIONS)
@click.option(
    "--deploy-mode",
    type=click.Choice(["client", "cluster"]),
    default="client",
    show_default=True,
    help="Where the driver runs. In cluster mode, what holds for this machine alone is left out.",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["flags", "json"]),
    default="flags",
    show_default=True,
    help="flags: options of spark-submit in one line, quoted for a shell. json: the settings by name.",
)
def spark_flags(env: str | None, conf_source: str | None, params: dict[str, Any], deploy_mode: str, style: str) -> None:
    """Print what spark.yml sets, for spark-submit.

    A run reads spark.yml by itself. spark-submit starts the JVM first, and has to be told:

    \b
        flags=$(kedro handover spark-flags --env=prod) &&
          eval spark-submit "$flags" submit.py --env=prod

    The assignment ends the line where the flags are refused; within the second command they would be left out.
    """  # noqa: D301 - the backspace keeps click from filling the lines
    session = HandoverSession.create(env=env, conf_source=conf_source, runtime_params=params)
    loader = session.load_context().config_loader
    try:
        configured = loader["spark"]
    except (KeyError, MissingConfigException):  # Kedro says so of an environment without it, and gives none for base
        configured = {}
    if not configured:
        msg = "This environment has no spark.yml. Try --env=prod."
        raise click.ClickException(msg)
    try:
        listed = list_submit_settings(configured, deploy_mode)
    except KedroHandoverError as error:
        raise click.ClickException(str(error)) from error
    if style == "json":
        click.echo(json.dumps(listed, indent=2))
        return
    master = listed.pop("spark.master")
    flags = [f"--master={master}", f"--deploy-mode={deploy_mode}"]
    click.echo(shlex.join([*flags, *(f"--conf={name}={value}" for name, value in listed.items())]))


handover.add_command(spark_flags)  # in a project `kedro handover` has it, beside what it has everywhere


project_commands = click.Group("Handover", commands=[run])
"""What Kedro has in a project by the entry point `kedro.project_commands`."""


@click.group(cls=RunByDefault, context_settings=utils.CONTEXT_SETTINGS)
def cli() -> None:
    """Run the project: with no command, the options are those of `run`."""


cli.add_command(run)
cli.add_command(spark_flags)
