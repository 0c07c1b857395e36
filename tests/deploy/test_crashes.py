"""A driver that is killed, or a disk that fills up: the release stays whole, and the next run needs no cleaning."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack

import pytest

from cluster import start_cluster, wait_for
from packaged import RELEASE, SHORT_LIVED, assert_same, assert_same_tables, released_files
from storage import LOOSE_PARAMS

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
    ("pipelines", "free_kb"),
    [pytest.param([], 100, marks=pytest.mark.slow), (["--pipelines=spark_production"], 60)],
    ids=["a table", "a model"],
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
