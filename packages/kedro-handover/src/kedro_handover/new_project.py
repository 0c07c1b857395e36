"""The commands `kedro handover new` and `kedro handover upgrade`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click
from kedro.io import DatasetError

WISHES = ("name", "data", "id", "label", "task", "positive", "split_by", "dir")
"""What may be asked for, on the command line or in a file."""

OLD_NAMES = {"group": "split_by"}
"""What was called otherwise before, and is still taken."""

if sys.argv[1:2] == ["handover"]:
    os.environ.setdefault("KEDRO_DISABLE_TELEMETRY", "1")  # outside of a project there is no .telemetry that says so


@click.group(name="Handover")
def commands() -> None:
    """Commands that Kedro registers by the entry point `kedro.global_commands`."""


@commands.group(context_settings={"help_option_names": ["-h", "--help"]})
def handover() -> None:
    """Make a project that hands its model over, or give one another version of the library."""


@handover.command()
@click.option("--name", help="The name of its package.")
@click.option("--data", help="A CSV or Parquet file; a small one is written if none is given.")
@click.option("--id", help="The column that tells rows apart; the number of the row, if none is given.")
@click.option("--label", help="The column to predict.")
@click.option(
    "--task",
    help="What is to be predicted: binary, multiclass or regression; found out from the column, if not said.",
)
@click.option("--positive", help="Which of the two is to be found; the one that says yes, or the rarer, if not said.")
@click.option(
    "--split-by",
    "--group",
    help="A column, such as a patient's, whose rows stay on one side of the split, and in one fold.",
)
@click.option("--dir", help="Where to make it; the folder of its name, here, if not said.")
@click.option(
    "--lock", type=click.Path(exists=True, dir_okay=False), help="Requirements to take pins with hashes from."
)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A YAML file with these options by name, where names of columns have signs that a shell would read.",
)
def new(config: Path | None, lock: str | None, **options: str | None) -> None:
    """Make a project of your own from a file.

    The file is looked through: what is found out is shown, and written into the project. What is not given on the
    command line or in --config is asked for.
    """
    from kedro_handover.errors import KedroHandoverError
    from kedro_handover.starter.make import make_project

    wishes = _read_config(config) if config else {}
    wishes |= {name: text for name, text in options.items() if text is not None}
    if "name" not in wishes:
        wishes["name"] = click.prompt("Name of the package")
        for name, question in (("data", "File"), ("id", "Column with the id"), ("label", "Column to predict")):
            if name not in wishes and (name == "data" or wishes["data"]):
                wishes[name] = click.prompt(question, default="", show_default=False)
    renamed = {"identity": "id", "folder": "dir", "group": "split_by"}
    arguments = {argument: wishes.pop(wish, "") for argument, wish in renamed.items()}
    try:
        made, notes = make_project(**wishes, **arguments, lock=lock or "")
    except (KedroHandoverError, DatasetError) as error:
        raise click.ClickException(str(error)) from error
    shown = os.path.relpath(made)
    for note in notes:
        click.echo(note)
    click.echo(f"{shown} is made. Next: cd {shown}; make run. Its README.md lists what to look through.")


@handover.command()
@click.option("--wheel", required=True, type=click.Path(path_type=Path), help="The wheel of the other version.")
def upgrade(wheel: Path) -> None:
    """Have this project use another version of the library; `make upgrade` then installs it."""
    from kedro_handover.errors import KedroHandoverError
    from kedro_handover.starter.wheel import pin_library

    if not Path("pyproject.toml").is_file():
        msg = "There is no pyproject.toml here. Go to the folder of the project."
        raise click.ClickException(msg)
    try:
        version = pin_library(Path.cwd(), wheel)
    except (KedroHandoverError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"The project depends on kedro-handover {version}, which lies in wheels/.")


def _read_config(path: Path) -> dict[str, Any]:
    """Read wishes from a file."""
    import yaml

    from kedro_handover.errors import suggest

    try:
        wishes = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        msg = f"{path} is no YAML in UTF-8: {' '.join(str(error).split())}"
        raise click.ClickException(msg) from error
    if not isinstance(wishes, dict):
        msg = f"{path} has no options. Write one a line, such as `name: churn`."
        raise click.ClickException(msg)
    wishes = {OLD_NAMES.get(str(name), str(name)): text for name, text in wishes.items()}
    if unknown := sorted(set(wishes) - set(WISHES)):
        msg = f"{path} has an option {unknown[0]!r}. {suggest(unknown[0], WISHES)}"
        raise click.ClickException(msg)
    return {name: "" if text is None else str(text) for name, text in wishes.items()}
