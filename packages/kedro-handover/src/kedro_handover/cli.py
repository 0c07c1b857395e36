"""The project's commands: `premises` from the wheel, and beside Kedro's own in a checkout."""

from __future__ import annotations

import json
import shlex
from typing import Any

import click
from kedro.config import MissingConfigException
from kedro.framework.cli.project import run
from kedro.framework.session import KedroSession

from kedro_handover.errors import SparkError
from kedro_handover.spark.session import list_submit_settings

SHARED_OPTIONS = [option for option in run.params if option.name in {"env", "conf_source", "params"}]


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


@click.group(cls=RunByDefault, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Run the project: `premises --env=prod` is short for `premises run --env=prod`."""


cli.add_command(run)


@cli.command("spark-flags", params=SHARED_OPTIONS)
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
        eval spark-submit "$(rows spark-flags --env=prod)" submit.py --env=prod
    """  # noqa: D301 - the backspace keeps click from filling the lines
    session = KedroSession.create(env=env, conf_source=conf_source, runtime_params=params)
    try:
        loader = session.load_context().config_loader
    except MissingConfigException as error:  # no such environment
        raise click.ClickException(str(error)) from error
    try:
        configured = loader["spark"]
    except MissingConfigException:  # Kedro says so of an environment without it, and gives none for base
        configured = {}
    if not configured:
        msg = "This environment has no spark.yml. Try --env=prod."
        raise click.ClickException(msg)
    try:
        settings = list_submit_settings(configured, deploy_mode)
    except SparkError as error:
        raise click.ClickException(str(error)) from error
    if style == "json":
        click.echo(json.dumps(settings, indent=2))
        return
    master = settings.pop("spark.master")
    flags = [f"--master={master}", f"--deploy-mode={deploy_mode}"]
    click.echo(shlex.join([*flags, *(f"--conf={name}={value}" for name, value in settings.items())]))
