"""Macros for the figures of the last run: no page of the site has a measured number typed in.

A page asks by the name of an environment and of a dataset that holds JSON:
`{{ base.research_metrics.test.auc | shown(".3f") }}`; or by the name of a file in `docs/benchmarks`:
`{{ benchmarks.bins.trees }}`. Where there was no run, the page says so and how to get one. A name that a file does not
have ends the build.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs
from jinja2 import ChainableUndefined
from kedro.config import OmegaConfigLoader

from kedro_handover.project import ProjectSpec
from premises.settings import CONFIG_LOADER_ARGS

PROJECT = Path(__file__).parents[1]
CONF = PROJECT / "conf"
RUN = "run `make run`"
SHOWN_ENVIRONMENTS = ("base", "prod")
"""Those whose figures and reports are in the site."""

BENCHMARKS = ("bins",)
"""Files of figures in `docs/benchmarks`, which the scripts of `benchmarks` write."""


class Unmeasured(ChainableUndefined):
    """A figure that no run has made here; whatever is asked of it, it says so."""

    def __str__(self) -> str:
        """Say how to get it."""
        return f"*not measured here:* {self._undefined_hint}"


class Results:
    """JSON files by name: those of a run by their dataset's name, or those of the benchmarks."""

    def __init__(self, paths: dict[str, str], how: str) -> None:
        """Take where the files are, by name, and how to get them."""
        self._paths = paths
        self._how = how

    def __getitem__(self, name: str) -> Any:
        """Load one file."""
        content = read_if_there(self._paths[name])
        return Unmeasured(hint=self._how) if content is None else json.loads(content)


def show(value: Any, form: str) -> str:
    """Write a figure in Python's format; one that is not there says so."""
    return str(value) if isinstance(value, Unmeasured) else format(value, form)


def table(records: Any, columns: dict[str, str]) -> str:
    """Make a table of Markdown.

    Args:
        records: Dictionaries; or one of dictionaries, whose key becomes the field `name` of each.
        columns: For each heading what stands below, as `str.format` takes it: `{seconds:.1f}`. A heading that begins
            with a space is one of numbers.
    """
    if isinstance(records, Unmeasured):
        return str(records)
    if isinstance(records, dict):
        records = [{"name": name, **record} for name, record in records.items()]
    lines = [
        [heading.strip().replace("|", "\\|") for heading in columns],
        ["---:" if heading.startswith(" ") else "---" for heading in columns],
        *([form.format(**record) for form in columns.values()] for record in records),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def read_if_there(path: str) -> bytes | None:
    """Read a file that a run may have written: a path, from the project's folder, or a URL that fsspec knows."""
    fs, found = url_to_fs(path if "://" in path else str(PROJECT / path))
    content: bytes | None = fs.cat_file(found) if fs.exists(found) else None
    return content


def list_environments() -> list[str]:
    """Name the folders of `conf` that hold an environment, base first; `local` is each person's own."""
    found = sorted(path.name for path in CONF.iterdir() if path.name != "local" and any(path.glob("*.yml")))
    return sorted(found, key=lambda name: name != "base")


@cache
def load_conf(env: str, block: str, storage: str | None = None) -> dict[str, Any]:
    """Load a block of an environment's configuration; Kedro's loader resolves it each time that it is asked.

    Args:
        env: The environment's name.
        block: Such as `catalog` or `parameters`.
        storage: Its storage root, where that is another than its `globals.yml` says.
    """
    arguments: Any = CONFIG_LOADER_ARGS
    given = {"storage": storage} if storage else {}
    content: dict[str, Any] = OmegaConfigLoader(str(CONF), env=env, runtime_params=given, **arguments)[block]
    return content


def list_results(storage: dict[str, str]) -> dict[str, Results]:
    """Give the results of each environment, and of the benchmarks, by the name that pages have for them.

    Args:
        storage: The storage root of an environment's run, where it is another than `conf` says.
    """
    of_runs = {
        env: Results({name: one["filepath"] for name, one in _files(env, storage).items()}, RUN)
        for env in list_environments()
    }
    paths = {name: f"docs/benchmarks/{name}.json" for name in BENCHMARKS}
    return {**of_runs, "benchmarks": Results(paths, "see `benchmarks/README.md`")}


def list_files_of_runs(storage: dict[str, str]) -> dict[str, str | bytes]:
    """Read the figures and reports that runs have left, by their place in the site.

    Args:
        storage: As for `list_results`.
    """
    paths = [
        (env, one["filepath"])
        for env in SHOWN_ENVIRONMENTS
        for one in _files(env, storage).values()
        if one["filepath"].endswith((".png", ".html"))
    ]
    found = {_place(env, path): read_if_there(path) for env, path in paths}
    return {place: content for place, content in found.items() if content is not None}


def make_macros(storage: dict[str, str]) -> dict[str, Callable[..., str]]:
    """Make the macros that show what a run has left.

    Args:
        storage: As for `list_results`.
    """

    def figure(env: str, dataset: str, caption: str) -> str:
        path = _files(env, storage)[dataset]["filepath"]
        if read_if_there(path) is None:
            return f"{caption}: {Unmeasured(hint=RUN)}"
        return f"![{caption}]({_place(env, path)})\n\n*{caption}*"

    def report(env: str, dataset: str, text: str) -> str:
        path = _files(env, storage)[dataset]["filepath"]
        return f"{text} ({Unmeasured(hint=RUN)})" if read_if_there(path) is None else f"[{text}]({_place(env, path)})"

    def origin(row_counts: Any) -> str:
        if isinstance(row_counts, Unmeasured):
            return str(row_counts)
        return ProjectSpec.model_validate(load_conf("base", "parameters")["project"]).describe_origin(row_counts)

    return {"figure": figure, "origin": origin, "report": report, "table": table}


def _files(env: str, storage: dict[str, str]) -> dict[str, Any]:
    """Take the datasets of a run that are files; a plain `kedro run` takes base and what stands in `conf/local`."""
    catalog = load_conf("local" if env == "base" else env, "catalog", storage.get(env))
    return {name: one for name, one in catalog.items() if "filepath" in one}


def _place(env: str, path: str) -> str:
    """Say where in the site a file of a run lies; the pages that show it lie in the site's root."""
    return f"run/{env}/{posixpath.basename(path)}"
