"""The packaged wheel on a real cluster: spark-submit gives the rows of a laptop, and no row is lost with what dies."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from cluster import Cluster, start_cluster, wait_for
from conftest import listening_addresses, programs_under
from packaged import SHORT_LIVED, assert_same, assert_same_tables, link_census, released_files
from storage import LOOSE_PARAMS, SAME_TABLES, read, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.spark

KILLS = [("check_premises", "save"), ("train_mllib", "RandomForest.scala"), ("score_rows", "save")]
"""When a worker is killed: the node that has begun, and a stage of the job whose task is lost.

`make test` has the first, on a small census; `make test-all` all in one run, on a whole one."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    """One cluster for all: a worker that is killed has another take its place."""
    with start_cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


def bare_python(folder: Path) -> tuple[Path, Path]:
    """A Python that knows no package beside its own library, and the file that it writes to when it is asked to run."""
    asked, program = folder / "asked", folder / "python"
    program.write_text(f'#!/bin/sh\necho "$@" >> {asked}\nexec {sys.executable} -I -S "$@"\n')
    program.chmod(0o755)
    return program, asked


def test_the_wheel_alone_runs_from_an_empty_folder(released, small) -> None:
    said = (released.parent / "said.txt").read_text()
    assert "INFO    Running node: publish_release" in said
    assert "usage data" not in said  # nothing is sent home
    (line,) = [line for line in said.splitlines() if "H2O" in line]
    assert "H2O is not installed, so its tree is left out. To add it, install premises with its extra h2o." in line
    assert re.findall(r"^│ (\w+) ", said, re.MULTILINE) == ["research", "handed_over", "mllib"]
    assert set(read_json(released, "08_reporting/parity.json")) == {"handed_over", "mllib"}
    assert not (released / "06_models/h2o_model").exists()
    assert list((released.parent / "empty").iterdir()) == []
    assert_same(released, small)
    assert released_files(released)


@dataclass
class Events:
    """What Spark writes into its event log, of one application."""

    folder: Path
    seen: list[dict[str, Any]] = field(default_factory=list)
    bytes_read: int = 0

    def read(self) -> list[dict[str, Any]]:
        """All events so far; what has been read before is not read again."""
        for path in self.folder.iterdir():
            with path.open("rb") as stream:
                stream.seek(self.bytes_read)
                whole = stream.read().rpartition(b"\n")[0]
            if whole:
                self.bytes_read += len(whole) + 1
                # Not splitlines(): Spark tells of expressions that have other ends of lines in them.
                self.seen += map(json.loads, whole.split(b"\n"))
        return self.seen

    def jobs(self, stage: str) -> list[dict[str, Any]]:
        """The jobs so far that have such a stage."""
        return [
            event
            for event in self.read()
            if event["Event"] == "SparkListenerJobStart"
            and any(stage in info["Stage Name"] for info in event["Stage Infos"])
        ]

    def stages(self, stage: str, after: int) -> list[int]:
        """The stages of these jobs, but for those of the first few."""
        return [number for job in self.jobs(stage)[after:] for number in job["Stage IDs"]]


@pytest.mark.parametrize(
    ("kills", "census"),
    [(KILLS[:1], "small"), pytest.param(KILLS, "run_storage", marks=pytest.mark.slow)],
    ids=["one worker", "three workers"],
)
def test_spark_submit_gives_the_rows_of_a_laptop_though_workers_are_killed(  # noqa: PLR0913, PLR0917
    package, cluster, start, request, tmp_path, kills, census
) -> None:
    research = request.getfixturevalue(census)
    storage = link_census(tmp_path / "storage", research)
    params = f"--params=storage={storage}" + (f",{LOOSE_PARAMS}" if census == "small" else "")
    events = Events(tmp_path / "events")
    events.folder.mkdir()
    python, asked = bare_python(tmp_path)
    settings = {
        "spark_pyspark_python": str(python),
        "spark_pyspark_driver_python": str(package.bin / "python"),
        "spark_eventLog_enabled": "true",
        "spark_eventLog_dir": f"file://{events.folder}",
        **SHORT_LIVED,
    }
    job = start(package.spark_submit(cluster.master, params, **settings))
    killed, stages = [], []
    for node, stage in kills:
        job.wait_for_node(node)
        if node == "check_premises":
            wait_for(cluster.executors)
            assert "-Xmx4g" in Path(f"/proc/{job.process.pid}/cmdline").read_text().split("\0")
            for pid in [job.process.pid, *programs_under(job.process.pid), *cluster.executors()]:
                assert all(address.is_loopback for address in listening_addresses(pid))
        before = len(events.jobs(stage))
        killed.append(cluster.kill_worker_at_work(lambda stage=stage, before=before: events.stages(stage, before)))
        stages.append(set(events.stages(stage, before)))
    job.finish()

    seen = events.read()
    assert [event["Executor ID"] for event in seen if event["Event"] == "SparkListenerExecutorRemoved"] == killed
    lost = {
        event["Task Info"]["Executor ID"]: event
        for event in seen
        if event["Event"] == "SparkListenerTaskEnd" and event["Task End Reason"]["Reason"] == "ExecutorLostFailure"
    }
    assert list(lost) == killed
    assert all(lost[executor]["Stage ID"] in within for executor, within in zip(killed, stages, strict=True))
    done = {
        (event["Stage ID"], event["Task Info"]["Index"])
        for event in seen
        if event["Event"] == "SparkListenerTaskEnd" and event["Task End Reason"]["Reason"] == "Success"
    }
    assert {(event["Stage ID"], event["Task Info"]["Index"]) for event in lost.values()} <= done  # by another executor

    assert not asked.exists()  # executors need no Python, least of all one with our packages
    assert_same(storage, research)
    assert released_files(storage)
    predictions = pq.read_table(storage / "07_model_output/predictions.parquet")
    assert predictions.num_rows == read(research, "04_feature/features.parquet").num_rows


def test_a_submitted_run_refuses_a_storage_of_this_machine_if_the_master_may_be_on_another(
    package, cluster, start, small, tmp_path
) -> None:
    storage = link_census(tmp_path / "storage", small)
    master, *rest = package.spark_submit(cluster.master, f"--params=storage={storage}")[1:]
    name = master.replace("127.0.0.1", "LOCALHOST")  # it answers, and is no name that is known for this machine
    job = start(["spark-submit", name, *rest])
    said = job.process.communicate()[0]
    assert job.process.returncode == 1, said
    assert f"is a path of this machine, and {name.removeprefix('--master=')} works on others" in said
    assert [path.name for path in storage.iterdir()] == ["01_raw"]


def test_a_laptop_runs_on_the_cluster_by_naming_its_master(cluster, start, small, tmp_path) -> None:
    storage = link_census(tmp_path / "storage", small)
    options = [f"--params=master={cluster.master},storage={storage}", "--pipelines=data_engineering"]
    job = start([sys.executable, "-m", "kedro", "run", "--env=prod", *options], checkout=True)
    job.wait_for_node("count_rows")
    assert len(cluster.executors()) == 2
    job.finish()
    assert_same_tables(storage, small, SAME_TABLES[:-1])  # all but the predictions of research
