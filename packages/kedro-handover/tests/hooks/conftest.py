from __future__ import annotations

import sys
from pathlib import Path

import pytest
from kedro.framework.startup import bootstrap_project

from toy_project import ToyProject, make_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyProject:
    """A project of orders, in the working directory; its package is importable for this test alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", sys.path.copy())
    project = make_project(tmp_path)
    bootstrap_project(project.folder)  # Kedro sets up logging here: what a test captures stays captured
    return project
