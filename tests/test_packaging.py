"""What the two projects say of themselves: dependencies, versions, and the one lock."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from conftest import PROJECT

LIBRARY = PROJECT / "packages" / "kedro-handover"
SOURCES = {PROJECT: "premises", LIBRARY: "kedro_handover"}
LOCK = (PROJECT / "requirements.lock").read_text(encoding="utf-8")
OF_TESTS = {"pytest"}
"""What the pytest plug-in `kedro_handover.testing` imports, in a process that pytest has started."""

projects = pytest.mark.parametrize("project", SOURCES, ids=SOURCES.values())


@cache
def describe(project: Path) -> dict[str, Any]:
    return tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def declared(project: Path) -> set[str]:
    """The packages that a project asks for, with its extras."""
    groups = [describe(project)["dependencies"], *describe(project)["optional-dependencies"].values()]
    return {canonicalize_name(Requirement(text).name) for group in groups for text in group}


def imported(package: Path) -> set[str]:
    """The modules that a package imports, by their first names."""
    names = set()
    for path in package.rglob("*.py"):
        if "template" in path.relative_to(package).parts:  # of a project that is yet to be made
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - {package.name}


@projects
def test_what_a_project_imports_it_asks_for(project) -> None:
    distributions = packages_distributions()
    asked = declared(project)
    missing = {
        name
        for name in imported(project / "src" / SOURCES[project]) - OF_TESTS
        if not {canonicalize_name(one) for one in distributions.get(name, [name])} & asked
    }
    assert missing == set()


@projects
def test_its_version_is_the_last_of_its_changelog(project) -> None:
    source = (project / "src" / SOURCES[project] / "__init__.py").read_text(encoding="utf-8")
    (version,) = re.findall(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    dated = re.findall(r"^## \[(.+)\] - \d{4}-\d{2}-\d{2}$", (project / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert dated[0] == version


@projects
def test_it_has_a_licence(project) -> None:
    assert describe(project)["license"] == "Apache-2.0"
    assert "Version 2.0, January 2004" in (project / "LICENSE").read_text()


def test_the_lock_has_a_hash_of_every_package_and_names_no_index() -> None:
    pins = re.split(r"\n(?=\S)", LOCK.strip())
    assert len(pins) > 200
    assert all(re.match(r"[a-z0-9-]+==\S+", pin) for pin in pins)
    assert all("--hash=sha256:" in pin for pin in pins)
    assert "://" not in LOCK


def test_the_lock_has_all_that_the_projects_ask_for() -> None:
    pinned = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", LOCK, re.MULTILINE))
    group = tomllib.loads((PROJECT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    for project in SOURCES:
        extras = describe(project)["optional-dependencies"].values()
        for text in [*describe(project)["dependencies"], *(one for extra in extras for one in extra), *group]:
            wanted = Requirement(text)
            if wanted.name != "kedro-handover":
                assert pinned[canonicalize_name(wanted.name)] in wanted.specifier, text


def test_the_project_asks_for_this_version_of_the_library() -> None:
    (wanted,) = [one for one in map(Requirement, describe(PROJECT)["dependencies"]) if one.name == "kedro-handover"]
    source = (LIBRARY / "src/kedro_handover/__init__.py").read_text()
    assert re.findall(r'^__version__ = "(.+)"$', source, re.MULTILINE)[0] in wanted.specifier


def test_kedro_sends_no_usage_data_of_this_project() -> None:
    assert (PROJECT / ".telemetry").read_text() == "consent: false\n"
