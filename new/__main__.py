"""The command behind `make new`."""

from __future__ import annotations

import os

import click
from kedro.io import DatasetError

from new.project import ProjectError, make_project
from new.table import TableError


@click.command()
@click.option("--name", required=True, help="The name of its package.")
@click.option("--data", default="", help="A CSV or Parquet file; a small one is drawn if none is given.")
@click.option("--id", "identity", default="", help="The column that tells rows apart.")
@click.option("--label", default="", help="The column to predict; it has two values.")
@click.option("--positive", default="", help="Which of the two is to be found.")
@click.option("--dir", default="", help="Where to make it; beside the template if not said.")
def main(**wishes: str) -> None:
    """Make a project of your own from this template."""
    try:
        made, notes = make_project(**wishes)
    except (ProjectError, TableError, DatasetError) as error:
        raise click.ClickException(str(error)) from error
    shown = os.path.relpath(made)
    for note in notes:
        click.echo(note)
    click.echo(f"{shown} is made. Next: cd {shown}; make run. Its README.md lists what to look through.")


main()
