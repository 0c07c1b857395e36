"""Makes a project from this template: the machinery in other words, and a small example in the place of the census."""

from __future__ import annotations

import ast
import csv
import keyword
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from new.table import BANDS, NOT_GIVEN, Table, read_table
from new.words import Words

TEMPLATE = Path(__file__).parents[1]
OWN_FILES = Path(__file__).with_name("files")
"""What a new project has of its own; `NAME` in a path is its package. They say where functions of the template's go, as
`{{ nodes["split_and_balance"] }}`."""

COPIED = (
    ".ci/run",
    ".gitignore",
    ".telemetry",
    "conf/**/*.yml",
    "data/*/.gitkeep",
    "conf/local/.gitkeep",
    "notebooks/.gitkeep",
    "deploy/**/*",
    "pyproject.toml",
    "requirements.lock",
    "src/premises/**/*",
)
LEFT_OUT = re.compile(
    r"^conf/local/.*yml$|credentials|/\.databricks/|^conf/base/parameters_|__pycache__|\.pyc$|^src/premises/census/(?!text\.py$)|sample_census"
    r"|drawn_census|^src/premises/pipelines/data_engineering/|^src/premises/evaluation/words\.py$"
    r"|^src/premises/__init__\.py$"
)
VERBATIM = (".gitkeep", "requirements.lock", ".gitignore", ".telemetry", "run")

BROWSER = "chromium"
"""What only the template's own tests open, if they need it."""

EXAMPLE_ROWS = 3_000
EXACT = 2**53
"""Whole numbers below it are the same as floats."""

PLANS = ("month by month", "one year", "two years")


class ProjectError(Exception):
    """A project that can't be made."""


def make_project(  # noqa: PLR0913, PLR0917 - the variables of `make new`
    name: str,
    data: str = "",
    identity: str = "",
    label: str = "",
    positive: str = "",
    dir: str = "",  # noqa: A002 - the same
) -> tuple[Path, list[str]]:
    """Make a project, whole or not at all.

    Args:
        name: The name of its package.
        data: A CSV or Parquet file; if none is given, a small one is drawn.
        identity: The column that tells rows apart.
        label: The column to predict.
        positive: Which of its two values is to be found.
        dir: Where to make it; the folder of its name beside the template if none is given.

    Returns:
        The folder, and sentences on what was made of the file.

    Raises:
        ProjectError: If the name will not do, the folder is there, or there is no such file.
        TableError: If no model can be made from the file as it is.
        DatasetError: If the file can't be read.
    """
    _check_name(name)
    made = Path(dir or TEMPLATE.parent / name).resolve()
    if made.exists():
        msg = f"{made} is there already, and nothing is overwritten. Give another NAME, or a DIR."
        raise ProjectError(msg)
    if not os.access(made.parent, os.W_OK):
        msg = f"{made.parent} is no folder that can be written to. Make it, or give another DIR."
        raise ProjectError(msg)
    if data and not Path(data).is_file():
        what = "is a folder" if Path(data).is_dir() else "is not there"
        msg = f"{data} {what}. Give a CSV or Parquet file with DATA."
        raise ProjectError(msg)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=made.parent) as beside:
        staged = Path(beside) / "project"
        file = Path(data) if data else _draw_example(Path(beside) / "subscriptions.csv")
        columns = (identity, label, positive) if data else ("subscription_id", "cancelled", "yes")
        table = read_table(file, *columns)
        words, values = _describe(name, table, file, drawn=not data)
        _write_project(staged, words, values, file)
        staged.rename(made)
    return made, _tell(table)


def _check_name(name: str) -> None:
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        msg = f"NAME={name!r} is no name of a package: small letters, digits and underscores, a letter first."
    elif keyword.iskeyword(name) or name in sys.stdlib_module_names or name in {"tests", "conftest", "new"}:
        msg = f"NAME={name!r} is a word of Python or of the project. Give another."
    elif find_spec(name) is not None:
        msg = f"NAME={name!r} is the name of an installed package. Give another."
    else:
        return
    raise ProjectError(msg)


def _describe(name: str, table: Table, file: Path, *, drawn: bool) -> tuple[Words, dict[str, Any]]:
    """Say what the project is about: for the rules of words, and for its own files."""
    title = name.replace("_", " ").capitalize()
    subject = " ".join(re.findall(r"\w+", table.label.in_file.replace("_", " "))).removeprefix("is ")
    group = table.grouped_by
    words = Words(
        {
            "name": name,
            "title": title,
            "camel": name.title().replace("_", ""),
            "upper": name.upper(),
            "dashed": name.replace("_", "-").strip("-"),
            "format": file.suffix.removeprefix("."),
            "id": table.id.name,
            "label": table.label_column,
            "group": table.group,
            "group_words": (group.name if group else table.group).replace("_", " "),
            "question": f"{subject[:1].upper()}{subject[1:]}: yes or no?",
        }
    )
    first = table.numbers[0] if table.numbers else None
    values = {
        "name": name,
        "title": title,
        "table": table,
        "raw_path": f"data/01_raw/{name}{file.suffix}",
        "summarised_by": [table.group, group.name] if group else [table.group],
        "band_width": 1.0 if first is None else (first.high - first.low) / BANDS or 1.0,
        "leaves": [leaf for leaf in (10, 25, 50, 100, 200) if leaf * 30 <= table.rows or leaf == 10],  # noqa: PLR2004
        "not_given": NOT_GIVEN,
        "drawn": drawn,
    }
    return words, values


def _write_project(staged: Path, words: Words, values: dict[str, Any], file: Path) -> None:
    """Write the whole project."""
    _copy(staged, words)
    _write_own(staged, words, values)
    shutil.copyfile(file, staged / values["raw_path"])
    _format(staged)


def _copy(staged: Path, words: Words) -> None:
    """Copy the machinery, in the words of the project."""
    for pattern in COPIED:
        for source in sorted(TEMPLATE.glob(pattern)):
            path = source.relative_to(TEMPLATE).as_posix()
            if source.is_dir() or LEFT_OUT.search(path):
                continue
            place = path.replace("src/premises/census/", f"src/{words.values['name']}/data/")
            place = place.replace("src/premises/", f"src/{words.values['name']}/").replace("census_file", "raw_file")
            target = staged / place
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            target.chmod(source.stat().st_mode)
            if source.name not in VERBATIM:
                target.write_text(words.put(path, source.read_text(encoding="utf-8")), encoding="utf-8")


def _write_own(staged: Path, words: Words, values: dict[str, Any]) -> None:
    """Write what is the project's own, with the template's functions where it says so."""
    environment = Environment(
        loader=FileSystemLoader(OWN_FILES),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - Python and YAML
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "repr": repr,
        "number": lambda number: repr(int(number) if abs(number) < EXACT and number == int(number) else number),
    }
    pieces = {
        "contract": _take_definitions("src/premises/census/contract.py", words),
        "nodes": _take_definitions("src/premises/pipelines/data_engineering/nodes.py", words),
        "words": _take_definitions("src/premises/evaluation/words.py", words),
        "makefile": _take_targets(),
    }
    for own in sorted(OWN_FILES.rglob("*.jinja")):
        path = own.relative_to(OWN_FILES).as_posix()
        target = staged / path.replace("NAME", words.values["name"]).removesuffix(".jinja")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(environment.get_template(path).render(**values, **pieces), encoding="utf-8")


def _take_definitions(path: str, words: Words) -> dict[str, str]:
    """Give the definitions of a module of the template by their names, in the words of the project."""
    source = (TEMPLATE / path).read_text(encoding="utf-8")
    lines, body = source.splitlines(), ast.parse(source).body
    found: dict[str, str] = {}
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names, start = [node.name], min(part.lineno for part in (node, *node.decorator_list))
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names, start = (
                [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)],
                node.lineno,
            )
        else:
            continue
        is_described = isinstance(after, ast.Expr) and isinstance(node, (ast.Assign, ast.AnnAssign))
        end = after.end_lineno if is_described and after else node.end_lineno
        found |= dict.fromkeys(names, words.put(path, "\n".join(lines[start - 1 : end])))
    return found


def _take_targets() -> dict[str, str]:
    """Give the targets of the Makefile with their comments, each with what it alone needs; and its `variables`."""
    blocks = (TEMPLATE / "Makefile").read_text(encoding="utf-8").strip("\n").split("\n\n")
    targets, needs = {}, {}
    for block in blocks:
        if head := re.search(r"^([^\s#:=]+|\$\(UV\)):(?!=)([^#\n]*)", block, re.MULTILINE):
            targets[head[1]], needs[head[1]] = block, head[2].split()
    own = set(re.findall(r"makefile\[\"(.+?)\"\]", (OWN_FILES / "Makefile.jinja").read_text(encoding="utf-8")))
    taken = {}
    for name, block in targets.items():
        needed = [targets[one] for one in needs[name] if one in targets and one not in own | {BROWSER}]
        taken[name] = "\n\n".join([block.replace(f" {BROWSER}", ""), *needed])
    (variables,) = (block for block in blocks if block.startswith("BIN :="))
    return taken | {"variables": re.sub(r"^(?:CENSUS|VINTAGE|BIN4) :=.*\n", "", variables, flags=re.MULTILINE)}


def _format(staged: Path) -> None:
    """Order imports and fill lines: names are of another length and order than the template's."""
    for command in (["check", "--quiet", "--fix-only", "--select=I,F401"], ["format", "--quiet"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--no-cache", "src", "tests"]
        done = subprocess.run(ruff, cwd=staged, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
        if done.returncode:
            msg = f"ruff, which orders imports and fills lines, has failed: {done.stderr.strip()}"
            raise ProjectError(msg)


def _tell(table: Table) -> list[str]:
    """Say what was made of the columns."""
    shown = {"numbers": table.numbers, "categories": table.codes, "no features": table.texts}
    kinds = [
        f"{kind}: {', '.join(one.in_file or 'the column without a name' for one in found)}"
        for kind, found in shown.items()
        if found
    ]
    return [
        f"{table.file}: {table.rows:,} rows, told apart by {table.id.in_file!r}.",
        f"{table.label.in_file!r} is to be predicted: {table.positive!r} is positive, {table.negative!r} negative.",
        f"Taken for {'; for '.join(kinds)}.",
        *(
            f"CHECK {name!r}: it alone tells the classes apart with an AUC of {auc:.2f}. Is it known before the label?"
            for name, auc in table.leaks.items()
        ),
    ]


def _draw_example(path: Path) -> Path:
    """Write a small file to see the project run: subscriptions that are cancelled, some of their cells missing."""
    draw = random.Random(EXAMPLE_ROWS)  # noqa: S311 - the same at each call
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("subscription_id", "months", "plan", "monthly_price", "calls_for_help", "note", "cancelled"))
        for number in range(1, EXAMPLE_ROWS + 1):
            months, plan, calls = draw.randint(1, 72), draw.choice(PLANS), min(int(draw.expovariate(0.7)), 9)
            price = round(draw.uniform(5, 60), 2)
            odds = 0.6 - months / 60 + calls / 2 + price / 50 - 1.2 * PLANS.index(plan)
            cancelled = draw.random() < 1 / (1 + 2.718**-odds)
            writer.writerow(
                (
                    number,
                    months,
                    plan if draw.random() > 0.02 else "",  # noqa: PLR2004
                    price if draw.random() > 0.03 else "",  # noqa: PLR2004
                    calls,
                    f"note {draw.getrandbits(20)}",
                    "yes" if cancelled else "no",
                )
            )
    return path
