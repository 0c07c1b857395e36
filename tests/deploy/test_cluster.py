"""The packaged wheel on a real cluster: spark-submit gives the rows of a laptop, and no row is lost with what dies."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from cluster import Cluster, start_cluster, wait_for
from conftest import PROJECT, fresh_environment, listening_addresses, programs_under, run_on_a_laptop
from packaged import Package, make_package
from storage import LOOSE_PARAMS, SAME_FILES, SAME_TABLES, SMALL_CENSUS, digest, digest_model, read, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.spark

MOMENTS = [
    ("check_premises", 0.5, []),
    ("build_features", 1.0, []),
    ("split_and_balance", 0.5, []),
    ("search_models", 1.0, []),
    ("hand_over", 0.0, ["--pipelines=spark_production"]),
    ("train_mllib", 1.0, ["--pipelines=spark_production"]),
    ("predict", 0.2, ["--pipelines=spark_production"]),
    ("measure_parity", 0.5, ["--pipelines=spark_production"]),
    ("publish_release", 0.0, ["--pipelines=spark_production"]),
    ("score_rows", 0.3, ["--pipelines=spark_production"]),
]
"""When the driver is killed: the node that has begun, the seconds since then, and what of the project runs."""

FEW_MOMENTS = [moment for moment in MOMENTS if moment[0] in {"build_features", "publish_release"}]
"""While a table is written, and the release; `make test-all` has all."""

KILLS = [("check_premises", "save"), ("train_mllib", "RandomForest.scala"), ("score_rows", "save")]
"""When a worker is killed: the node that has begun, and a stage of the job whose task is lost.

`make test` has the first, `make test-all` all in one run."""

SHORT_LIVED = dict.fromkeys(
    ("spark_driver_extraJavaOptions", "spark_executor_extraJavaOptions"), "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
)
"""A JVM that lives for seconds should not spend them on making its code fast."""

RELEASE = "06_models/release.json"


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Package:
    return make_package(tmp_path_factory.mktemp("package"))


@pytest.fixture
def cluster(tmp_path) -> Iterator[Cluster]:
    """A cluster whose workers may be killed."""
    with start_cluster(tmp_path / "cluster") as found:
        yield found


@pytest.fixture(scope="module")
def whole_cluster(tmp_path_factory) -> Iterator[Cluster]:
    """A cluster that stays whole, for all tests that kill nothing."""
    with start_cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@dataclass
class Job:
    """A run in a process group of its own, with what it has said so far."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    def wait_for_node(self, name: str) -> None:
        for line in self.process.stdout:
            self.said.append(line)
            if f"Running node: {name}" in line:
                return
        raise AssertionError("".join(self.said))

    def finish(self) -> None:
        self.said.append(self.process.stdout.read())
        assert self.process.wait() == 0, "".join(self.said)

    def is_there(self) -> bool:
        """Whether any process of the group still runs."""
        self.process.poll()
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True


@pytest.fixture
def start(package, tmp_path) -> Iterator[Any]:
    """Starts a command from an empty folder, or from the checkout; what still runs after the test is ended."""
    jobs = []

    def start_job(command: list[str], *, checkout: bool = False) -> Job:
        folder = tmp_path / f"empty{len(jobs)}"
        folder.mkdir()
        environment = fresh_environment() if checkout else package.environment
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


def bare_python(folder: Path) -> tuple[Path, Path]:
    """A Python that knows no package beside its own library, and the file that it writes to when it is asked to run."""
    asked, program = folder / "asked", folder / "python"
    program.write_text(f'#!/bin/sh\necho "$@" >> {asked}\nexec {sys.executable} -I -S "$@"\n')
    program.chmod(0o755)
    return program, asked


def link_census(storage: Path, of: Path) -> Path:
    shutil.copytree(of / "01_raw", storage / "01_raw", copy_function=os.link)
    return storage


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """A storage with a small census, and the research on it as a laptop does it."""
    storage = tmp_path_factory.mktemp("small")
    run_on_a_laptop(storage, f"rows={SMALL_CENSUS}")
    return storage


def assert_same_tables(storage: Path, research: Path, tables: tuple[str, ...] = SAME_TABLES) -> None:
    for path in tables:
        assert digest(read(storage, path)) == digest(read(research, path)), path


def assert_same(storage: Path, research: Path) -> None:
    assert_same_tables(storage, research)
    assert digest_model(storage) == digest_model(research)
    for path in SAME_FILES:
        assert (storage / path).read_bytes() == (research / path).read_bytes(), path
    handed_over = read_json(storage, "08_reporting/parity.json")["handed_over"]
    assert (handed_over["n_diff"], handed_over["max_abs_diff"]) == (0, 0)
    assert handed_over["n_rows"] > 1_000


def released_files(storage: Path) -> dict[Path, bytes]:
    """The release, which is whole JSON, and every file of the model that it names."""
    release = storage / RELEASE
    model = Path(json.loads(release.read_text())["model"]["location"].removeprefix("file://"))
    assert (model / "verification.json").exists()
    assert (model / "model/metadata/_SUCCESS").exists()
    return {path: path.read_bytes() for path in [release, *model.rglob("*")] if path.is_file()}


@pytest.fixture(scope="module")
def released(package, small, tmp_path_factory) -> Path:
    """A storage with a release, made by the installed wheel on this machine alone, from an empty folder."""
    storage = link_census(tmp_path_factory.mktemp("released") / "storage", small)
    empty = storage.parent / "empty"
    empty.mkdir()
    done = package.premises(*package.options, f"--params=storage={storage},{LOOSE_PARAMS}", cwd=empty)
    assert done.returncode == 0, done.stdout + done.stderr
    (storage.parent / "said.txt").write_text(done.stdout + done.stderr)
    return storage


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


@dataclass(frozen=True)
class Events:
    """What Spark writes into its event log."""

    folder: Path

    def read(self) -> list[dict[str, Any]]:
        text = "".join(path.read_text() for path in self.folder.iterdir())
        # Not splitlines(): Spark tells of expressions that have other ends of lines in them.
        return [json.loads(line) for line in text.split("\n")[:-1]]

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
    "kills", [KILLS[:1], pytest.param(KILLS, marks=pytest.mark.slow)], ids=["one worker", "three workers"]
)
def test_spark_submit_gives_the_rows_of_a_laptop_though_workers_are_killed(  # noqa: PLR0913, PLR0917
    package, cluster, start, run_storage, tmp_path, kills
) -> None:
    storage = link_census(tmp_path / "storage", run_storage)
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
    job = start(package.spark_submit(cluster.master, f"--params=storage={storage}", **settings))
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
    assert_same(storage, run_storage)
    assert released_files(storage)
    predictions = pq.read_table(storage / "07_model_output/predictions.parquet")
    assert predictions.num_rows == read(run_storage, "04_feature/features.parquet").num_rows


def test_a_submitted_run_refuses_a_storage_of_this_machine_if_the_master_may_be_on_another(
    package, whole_cluster, start, small, tmp_path
) -> None:
    storage = link_census(tmp_path / "storage", small)
    master, *rest = package.spark_submit(whole_cluster.master, f"--params=storage={storage}")[1:]
    name = master.replace("127.0.0.1", "LOCALHOST")  # it answers, and is no name that is known for this machine
    job = start(["spark-submit", name, *rest])
    said = job.process.communicate()[0]
    assert job.process.returncode == 1, said
    assert f"is a path of this machine, and {name.removeprefix('--master=')} works on others" in said
    assert [path.name for path in storage.iterdir()] == ["01_raw"]


def test_a_laptop_runs_on_the_cluster_by_naming_its_master(whole_cluster, start, small, tmp_path) -> None:
    storage = link_census(tmp_path / "storage", small)
    options = [f"--params=master={whole_cluster.master},storage={storage}", "--pipelines=data_engineering"]
    job = start([sys.executable, "-m", "kedro", "run", "--env=prod", *options], checkout=True)
    job.wait_for_node("count_rows")
    assert len(whole_cluster.executors()) == 2
    job.finish()
    assert_same_tables(storage, small, SAME_TABLES[:-1])  # all but the predictions of research


@pytest.mark.parametrize(
    ("moments", "workers"),
    [(FEW_MOMENTS, 0), pytest.param(MOMENTS, 1, marks=pytest.mark.slow)],
    ids=["two moments", "ten moments on a cluster"],
)
def test_a_driver_killed_at_any_moment_leaves_the_release_whole_and_the_next_run_needs_no_cleaning(  # noqa: PLR0913, PLR0917
    package, start, small, released, tmp_path, moments, workers
) -> None:
    storage = shutil.copytree(released, tmp_path / "storage")
    release = storage / RELEASE
    release.write_text(release.read_text().replace(str(released), str(storage)))
    params = f"--params=storage={storage},spark_production.sql_nodes=1,{LOOSE_PARAMS}"  # MLlib's form is released
    with ExitStack() as stack:
        master = stack.enter_context(start_cluster(tmp_path / "cluster", workers)).master if workers else "local[2]"
        command = package.spark_submit(master, params, **SHORT_LIVED)
        for number, (node, seconds, run) in enumerate(moments):
            before = released_files(storage)
            job = start([*command, *run])
            job.wait_for_node(node)  # what the killed run before has left is no hindrance until here
            time.sleep(seconds)
            if number % 2:
                os.killpg(job.process.pid, signal.SIGKILL)
            else:
                os.kill(job.process.pid, signal.SIGKILL)  # the JVM alone: Python finds out by itself
            wait_for(lambda job=job: not job.is_there())
            is_as_before = released_files(storage) == before  # and whole, as that function asserts
            # The release is one rename, which the signal may come before or after.
            assert node == "publish_release" or is_as_before == (node != "score_rows"), node
        start(command).finish()
        assert_same(storage, small)
        assert json.loads(release.read_text())["model"]["form"] == "mllib"
        assert released_files(storage) != before
        assert not [path for path in storage.rglob("*") if ".written" in path.name or path.name.startswith(".release")]


ON_A_SMALL_DISK = """
mount -t tmpfs -o "size=$1k" tmpfs "$2" && cp -a "$3/." "$2" || exit 99
disk="$2" copy="$4"
shift 4
"$@"
status=$?
cp -a "$disk" "$copy" && exit $status
"""
"""Puts a storage on a disk that only this process and its children see, and takes a copy of it in the end."""


@pytest.mark.parametrize(
    ("pipelines", "free_kb"), [([], 100), (["--pipelines=spark_production"], 60)], ids=["a table", "a model"]
)
def test_a_disk_too_full_for_what_is_written_is_one_sentence_and_the_release_stays(  # noqa: PLR0913, PLR0917
    package, small, released, tmp_path, pipelines, free_kb
) -> None:
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    pages = sum(-(-path.stat().st_size // 4096) for path in released.rglob("*") if path.is_file())
    run = ["premises", *package.options, *pipelines, f"--params=storage={disk},{LOOSE_PARAMS}"]
    alone = ["unshare", "--map-root-user", "--mount", "sh", "-c", ON_A_SMALL_DISK, "sh"]
    done = subprocess.run(
        [*alone, str(4 * pages + free_kb), disk, released, copy, *run],
        cwd=tmp_path,
        env=package.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert "No space left on device" in error
    assert (copy / RELEASE).read_bytes() == (released / RELEASE).read_bytes()
    assert_same_tables(copy, small)
