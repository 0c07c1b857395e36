"""While Spark works a terminal shows a bar, and a log gets a line now and then."""

from __future__ import annotations

import io
import logging
import os
import re
import subprocess
import sys
import threading
import time

import pytest
from rich.console import Console

from cluster import start_cluster
from kedro_handover.spark import progress
from kedro_handover.spark.progress import StageProgress
from processes import short_lived_environment

pytestmark = pytest.mark.spark

TASKS = 6
TASK_SECONDS = 0.4


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> None:
    for name, seconds in {"LOOK_SECONDS": 0.05, "BAR_SECONDS": 0.1, "LINE_SECONDS": 0.2}.items():
        monkeypatch.setattr(progress, name, seconds)


def work(spark) -> None:
    """Have each task of a stage wait for a while."""
    park = f"java_method('java.util.concurrent.locks.LockSupport', 'parkNanos', {int(TASK_SECONDS * 1e9)}L)"
    spark.range(0, TASKS, 1, TASKS).selectExpr("id", f"{park} AS parked").write.format("noop").mode("overwrite").save()


def watch(spark, console: Console, node: str = "check_rows") -> str:
    with StageProgress(spark.sparkContext, console) as found:
        found.node = node
        work(spark)
    return console.file.getvalue()


def terminal(**more) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=80, **more)


def lines(caplog, logger: logging.Logger) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == logger.name]


def test_a_terminal_shows_the_node_and_its_tasks_and_the_bar_goes_away(spark, caplog) -> None:
    with caplog.at_level(logging.INFO):
        said = watch(spark, terminal())
    assert "check_rows" in said
    assert f"/{TASKS}" in said
    assert said.rstrip().endswith("\x1b[2K")  # the line of the bar is empty again
    assert lines(caplog, progress.logger) == []
    assert lines(caplog, progress.file_logger)


def test_without_a_terminal_the_log_says_how_far_spark_is(spark, caplog) -> None:
    with caplog.at_level(logging.INFO):
        said = watch(spark, Console(file=io.StringIO()))
    assert said == ""
    found = lines(caplog, progress.logger)
    assert found
    assert all(line.startswith("check_rows: ") and f" of {TASKS} tasks on Spark, " in line for line in found)
    counts = [int(line.split()[1]) for line in found]
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]
    assert lines(caplog, progress.file_logger) == []


def test_nothing_is_said_while_spark_does_nothing(spark, caplog) -> None:
    console = terminal()
    with caplog.at_level(logging.INFO), StageProgress(spark.sparkContext, console):
        time.sleep(0.5)
    assert console.file.getvalue() == ""
    assert lines(caplog, progress.logger) + lines(caplog, progress.file_logger) == []


def test_the_watch_ends_with_the_block_whatever_has_happened_in_it(spark) -> None:
    with pytest.raises(ZeroDivisionError), StageProgress(spark.sparkContext, terminal()):
        work(1 / 0)
    with StageProgress(spark.sparkContext, terminal()):
        work(spark)
    assert "stage progress" not in {thread.name for thread in threading.enumerate()}


ON_A_CLUSTER = """
import logging, sys
from kedro_handover.spark import progress
from kedro_handover.spark.session import configure_spark, get_spark
progress.LINE_SECONDS = progress.IDLE_SECONDS = 1.0
logging.basicConfig(format="%(message)s", stream=sys.stdout)
configure_spark({
    "spark.master": sys.argv[1], "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": False, "spark.log.level": "ERROR", "spark.executor.memory": "1g",
})
spark = get_spark()
with progress.StageProgress(spark.sparkContext) as watched:
    watched.name("check_rows")
    print(spark.range(0, 9, 1, 3).count(), "rows")
"""


@pytest.mark.slow
def test_a_cluster_that_has_nobody_for_the_work_is_told_and_the_work_is_done_when_one_comes(tmp_path) -> None:
    with start_cluster(tmp_path, workers=0) as cluster:
        environment = short_lived_environment(PYTHONPATH=os.pathsep.join(sys.path), PYTHONUNBUFFERED="1")
        command = [sys.executable, "-c", ON_A_CLUSTER, cluster.master]
        job = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            warning = next(line for line in job.stdout if line.startswith("check_rows: "))
            assert "check_rows: no executor has taken one of 3 tasks for 1 s. Has the cluster free cores" in warning
            assert re.search(r" Its pages and logs know this run as app-\d+-\d+\.$", warning)
            cluster.add_worker()
            said, errors = job.communicate()
        finally:
            job.kill()
        assert said.splitlines()[-1] == "9 rows", errors
        assert job.returncode == 0
