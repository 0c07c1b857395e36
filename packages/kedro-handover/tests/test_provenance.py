"""Provenance says null or dirty; it never ends a run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kedro_handover.provenance import describe_commit

NOTHING = {"git_commit": None, "git_dirty": None}


def git(folder: Path, *arguments: str) -> str:
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    done = subprocess.run(["git", *author, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project in a repository of its own, as it was committed."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text("[tool.kedro]", encoding="utf-8")
    git(project, "init", "--quiet")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message=Begin")
    return project


def test_a_checkout_is_told_by_its_commit(project: Path) -> None:
    assert describe_commit(project) == {"git_commit": git(project, "rev-parse", "HEAD"), "git_dirty": False}


def test_a_checkout_that_is_edited_is_dirty(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.kedro.more]", encoding="utf-8")
    assert describe_commit(project) == {"git_commit": git(project, "rev-parse", "HEAD"), "git_dirty": True}


def test_what_a_run_writes_makes_no_checkout_dirty(project: Path) -> None:
    (project / "toy.log").write_text("", encoding="utf-8")
    assert describe_commit(project)["git_dirty"] is False


def test_a_repository_around_a_project_that_it_does_not_know_says_nothing_of_it(project: Path) -> None:
    inner = project / "inner"
    inner.mkdir()
    (inner / "pyproject.toml").write_text("[tool.kedro]", encoding="utf-8")
    assert describe_commit(inner) == NOTHING


def test_without_git_a_repository_or_a_commit_there_is_nothing(project: Path, tmp_path: Path, monkeypatch) -> None:
    assert describe_commit(tmp_path) == NOTHING
    new = tmp_path / "new"
    new.mkdir()
    (new / "pyproject.toml").write_text("", encoding="utf-8")
    git(new, "init", "--quiet")
    git(new, "add", ".")
    assert describe_commit(new) == NOTHING
    monkeypatch.setenv("PATH", str(tmp_path))
    assert describe_commit(project) == NOTHING
