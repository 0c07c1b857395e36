"""Make a new project from the starter's template, whole or not at all."""

from __future__ import annotations

import json
import keyword
import os
import re
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kedro_handover.schema import Category
from kedro_handover.starter.errors import StarterError
from kedro_handover.starter.example import FILE, ID, LABEL, POSITIVE, write_example
from kedro_handover.starter.source import write_schema, write_value
from kedro_handover.starter.table import Table, read_table
from kedro_handover.starter.wheel import copy_pins, pin_environment, pin_library, tell_missing_tools, write_wheel
from kedro_handover.starter.words import choose_words

TEMPLATE = Path(__file__).with_name("template")
LEAVES = (10, 25, 50, 100, 200)
LEAVES_OF_A_TREE = 30
"""A tree has some so many leaves: fewer rows do not fill larger ones."""

SPREADS = {"mllib": 0.5, "h2o": 0.25, "bounded": 1e-6}
"""How far numbers may be from those of research in the mean, as a share of their standard deviation."""

SYNTHETIC_CREDIT = "The rows are synthetic: written by a formula, and nobody's data"


def make_project(  # noqa: PLR0913, PLR0917 - the variables of `make new`
    name: str,
    data: str = "",
    identity: str = "",
    label: str = "",
    positive: str = "",
    group: str = "",
    folder: str = "",
    lock: str = "",
    task: str = "",
) -> tuple[Path, list[str]]:
    """Make a project, whole or not at all.

    Args:
        name: The name of its package.
        data: A file; if none is given, a small one is written.
        identity: The column that tells rows apart; if none is given, the number of the row is the id.
        label: The column to predict.
        positive: A text of the class to be found.
        group: The column whose rows stay on one side of the split.
        folder: Where to make it; the folder of its name, here, if none is given.
        lock: A file of requirements to take pins with hashes from; else those of this environment, without.
        task: What is to be predicted: `binary`, `multiclass` or `regression`; found out, if it is not said.

    Returns:
        The folder, and sentences on what was made of the file.

    Raises:
        StarterError: If the name will not do, the folder is there, or no model can be made from the file.
        DatasetError: If the file can't be read.
    """
    _check_name(name)
    made = Path(folder or name).resolve()
    if made.exists():
        msg = f"{made} is there already, and nothing is overwritten. Give another NAME, or a DIR."
        raise StarterError(msg)
    if not os.access(made.parent, os.W_OK):
        msg = f"{made.parent} is no folder that can be written to. Make it, or give another DIR."
        raise StarterError(msg)
    if data and not Path(data).is_file():
        what = "is a folder" if Path(data).is_dir() else "is not there"
        msg = f"{data} {what}. Give a file with columns, such as a CSV or Parquet file, with DATA."
        raise StarterError(msg)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=made.parent) as beside:
        file = Path(data) if data else write_example(Path(beside) / FILE)
        wishes = (identity, label, positive, group, task) if data else (ID, LABEL, POSITIVE, "", "")
        table = read_table(file, *wishes)
        pins = copy_pins(Path(lock)) if lock else pin_environment()
        table.notes += tell_missing_tools(pins)
        raw = _name_raw(name, file, table) if data else FILE
        context = describe_project(table, raw, is_synthetic=not data)
        staged = _render(Path(beside), name, context)
        shutil.copyfile(file, staged / "data/01_raw" / raw)
        _finish(staged, pins)
        staged.rename(made)
    return made, table.notes


def describe_project(table: Table, raw: str, *, is_synthetic: bool) -> dict[str, Any]:
    """Give what the template asks of a table, beside the names of the project.

    Args:
        table: What the project is made for.
        raw: The name of its file in `data/01_raw`.
        is_synthetic: Whether the file is the starter's own example.

    Returns:
        Variables of the template; their names begin with `_`, so that cookiecutter takes them as they are.
    """
    schema = table.schema
    words = choose_words(table, table.file)
    codes = [column.features[0] for column in schema.columns if isinstance(column, Category)]
    codes += [feature for day in schema.dates for feature in day.features[1:]]
    by = [schema.group] if schema.group else []
    return {
        "_schema": write_schema(schema),
        "_raw": {"file": raw, "load_args": write_value(table.dialect.load_args) if table.dialect.load_args else ""},
        "_project": {
            "task": table.classes.task,
            "words": {key: write_value(text) for key, text in words.items()},
            "id": schema.id_name,
            "credit": write_value(SYNTHETIC_CREDIT if is_synthetic else ""),
            "summarise_by": write_value(by),
            "sentence": f"{words['question']} A model says so of each row of `data/01_raw/{raw}`.",
        },
        "_research": {
            "criterion": "squared_error" if table.classes.task == "regression" else "gini",
            "leaves": write_value(
                [leaf for leaf in LEAVES if leaf * LEAVES_OF_A_TREE <= table.rows or leaf == LEAVES[0]]
            ),
        },
        "_data": {"rejected_share": f"{table.rejected_share:g}"},
        "_drift": {"categories": write_value(codes)},
        "_spread": {name: f"{share * table.classes.spread:.3g}" for name, share in SPREADS.items()},
        "_notes": table.notes,
    }


def finish_example(project: Path) -> None:
    """Put the example's table and the library's wheel into a project that `kedro new --starter=handover` has made.

    Args:
        project: Its folder.
    """
    write_example(project / "data/01_raw" / FILE)
    _finish(project, pin_environment())


def _finish(project: Path, pins: list[str]) -> None:
    (project / "requirements.lock").write_text("".join(f"{line}\n" for line in pins), encoding="utf-8")
    with tempfile.TemporaryDirectory() as beside:
        pin_library(project, write_wheel(Path(beside)))


def _render(folder: Path, name: str, context: dict[str, Any]) -> Path:
    """Fill in the template. Cookiecutter's own way would render the texts of the file once more."""
    from cookiecutter.generate import generate_files
    from kedro import __version__ as kedro_version

    settings = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
    names = {
        "project_name": name.replace("_", " ").strip().capitalize(),
        "repo_name": name.replace("_", "-").strip("-"),
        "python_package": name,
        "kedro_version": kedro_version,
    }
    variables = {**settings, **names, **context}
    return Path(generate_files(TEMPLATE, {"cookiecutter": variables}, folder, accept_hooks=False))


def _name_raw(name: str, file: Path, table: Table) -> str:
    """Give the project's copy a name that the reader takes for what the file is."""
    if file.name.lower().endswith(".parquet"):
        return f"{name}.parquet"
    return f"{name}.csv.gz" if table.dialect.is_compressed else f"{name}.csv"


def _check_name(name: str) -> None:
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        msg = f"NAME={name!r} is no name of a package: small letters, digits and underscores, a letter first."
    elif keyword.iskeyword(name) or name in sys.stdlib_module_names or name in {"tests", "conftest"}:
        msg = f"NAME={name!r} is a word of Python or of the project. Give another."
    elif find_spec(name) is not None:
        msg = f"NAME={name!r} is the name of an installed package. Give another."
    else:
        return
    raise StarterError(msg)


def write_settings() -> str:
    """Write the template's `cookiecutter.json`: the example's table as it would be looked through.

    Returns:
        The text; a test holds the file to it, and `python -m kedro_handover.starter.make` writes it.
    """
    with tempfile.TemporaryDirectory() as beside:
        table = read_table(write_example(Path(beside) / FILE), ID, LABEL, POSITIVE)
    settings = {
        "project_name": "New Project",
        "repo_name": "{{ cookiecutter.project_name.strip().replace(' ', '-').replace('_', '-').lower() }}",
        "python_package": "{{ cookiecutter.project_name.strip().replace(' ', '_').replace('-', '_').lower() }}",
        "kedro_version": "1.7.0",
        "_jinja2_env_vars": {"lstrip_blocks": True, "trim_blocks": True},
        **describe_project(table, FILE, is_synthetic=True),
    }
    return json.dumps(settings, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    (TEMPLATE / "cookiecutter.json").write_text(write_settings(), encoding="utf-8")
