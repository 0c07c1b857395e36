"""Which code runs: the commit of a checkout, where there is one."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

MARK = "pyproject.toml"
"""A file that every Kedro project has in its root, and its repository knows."""


def describe_commit(project: Path) -> dict[str, Any]:
    """Name the commit of a project, and say whether its checkout has changes beyond it.

    Args:
        project: The project's folder.

    Returns:
        `git_commit` and `git_dirty`; both are None where there is no git, no commit, or no repository of the project's:
        one that it lies in and that does not know its files says nothing of it.
    """
    nothing = {"git_commit": None, "git_dirty": None}
    if _ask_git(project, "ls-files", "--error-unmatch", MARK) is None:
        return nothing
    commit = _ask_git(project, "rev-parse", "HEAD")
    changes = _ask_git(project, "status", "--porcelain", "--untracked-files=no", "--", ".")
    if commit is None or changes is None:
        return nothing
    return {"git_commit": commit, "git_dirty": bool(changes)}


def _ask_git(folder: Path, *arguments: str) -> str | None:
    """Give git's answer; None where there is no git, or it has none."""
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603, S607
    except OSError:  # there is no git
        return None
    return done.stdout.strip() if done.returncode == 0 else None
