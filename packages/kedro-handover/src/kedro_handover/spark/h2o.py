"""H2O inside Spark: started for a training, closed to strangers, stopped after it."""

from __future__ import annotations

import atexit
import json
import logging
import secrets
import shutil
import socket
import tempfile
import time
import warnings
from contextlib import ExitStack, contextmanager, suppress
from hashlib import md5
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from kedro_handover.errors import H2OError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyspark.sql import DataFrame, SparkSession

logger = logging.getLogger(__name__)

PACKAGE = "h2o-pysparkling"
"""With a dash and a version of Spark, the name of a package that has H2O."""

USER = "premises"

PORTS = range(54_300, 60_000, 100)
"""Where H2O listens: each run takes a hundred ports of its own on this machine, two of them for each node of H2O."""

LOOK_SECONDS = 1.0
"""How often it is looked whether Spark has lost an executor; H2O itself would wait for it for ever."""

LONGEST_CAUSE = 400

STOP_SECONDS = 60.0
"""How long executors may take to be replaced, and a training that was given up to end."""


def is_installed() -> bool:
    """Say whether the extra with H2O is installed."""
    return find_spec("sparkling_water") is not None


def name_package() -> str:
    """Name the package that has H2O for the Spark that is installed."""
    from pyspark import __version__ as spark_version  # a cluster's own pyspark is no installed distribution

    return f"{PACKAGE}-{'.'.join(spark_version.split('.')[:2])}"


def check_version() -> None:
    """Refuse a Sparkling Water that was made for another Spark.

    Raises:
        H2OError: If it was, with the package to install.
    """
    prefix, wanted = f"{PACKAGE}-", name_package()
    names = {one.metadata["Name"].lower().replace("_", "-") for one in distributions()}
    # A name may be written with a dot or a dash.
    found = sorted(prefix + name.removeprefix(prefix).replace("-", ".") for name in names if name.startswith(prefix))
    if wrong := [name for name in found if name != wanted]:
        msg = (
            f"{', '.join(wrong)} is made for another Spark than the one that is installed. Install {wanted} in its "
            "place, or uninstall it to run without H2O's tree."
        )
        raise H2OError(msg)


def train_in_h2o(make_estimator: Callable[[], Any], rows: DataFrame, attempts: int) -> Any:
    """Start H2O, train a model, and stop H2O, whatever has happened.

    H2O dies with any of its executors; it is then started again. It can't be started twice in one JVM: on a cluster the
    executors are replaced when it is stopped. In local mode the one JVM is the driver's as well, so there H2O stays
    until the process ends, and a later training in the same process uses it again.

    Args:
        make_estimator: Makes the estimator, once H2O is there.
        rows: What it is trained on.
        attempts: How often to start, at most.

    Returns:
        The model as a MOJO, which scores without H2O.

    Raises:
        H2OError: If H2O does not start or does not train, or has lost an executor in each attempt.
    """
    for attempt in range(1, attempts + 1):
        with _start_h2o(rows.sparkSession) as run:
            outcome = run(lambda: make_estimator().fit(rows))
        if outcome is not None:
            return outcome
        logger.warning("H2O has lost an executor, in attempt %d of %d.", attempt, attempts)
    msg = (
        f"H2O has lost an executor in each of {attempts} attempts, and no model is saved. Run again when Spark is well."
    )
    raise H2OError(msg)


def read_mojo(path: str, settings: dict[str, Any]) -> Any:
    """Read a MOJO; H2O need not run.

    Args:
        path: The file, on any file system that Spark knows.
        settings: Arguments of pysparkling's `H2OMOJOSettings`.

    Returns:
        The model, a transformer of Spark ML.

    Raises:
        H2OError: If H2O's classes are not installed.
    """
    if not is_installed():
        msg = f"{path} is a model of H2O, which is not installed. Install rows with its extra h2o."
        raise H2OError(msg)
    _load_classes()
    from ai.h2o.sparkling.ml.models import H2OMOJOModel, H2OMOJOSettings

    return H2OMOJOModel.createFromMojo(path, H2OMOJOSettings(**settings))


def _load_classes() -> None:
    """Put Sparkling Water's jar on the running Spark."""
    from ai.h2o.sparkling.Initializer import Initializer

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)
        Initializer.load_sparkling_jar()


@contextmanager
def _start_h2o(spark: SparkSession) -> Iterator[Callable[[Callable[[], Any]], Any]]:
    """Start H2O; give a function that runs some work in it, and gives None when an executor is lost."""
    _load_classes()
    context: Any = spark.sparkContext
    sparkling = context._jvm.ai.h2o.sparkling  # noqa: SLF001 - pyspark offers no other way
    h2o = _scala_object(sparkling, "H2OContext")
    executors = _list_executors(context)

    def run(work: Callable[[], Any]) -> Any:
        with _quiet(context) as quiet_thread:

            def work_quietly() -> Any:
                quiet_thread()
                return work()

            return _run_while(work_quietly, lambda: executors <= _list_executors(context))

    if _is_local(context) and h2o.get().isDefined():
        yield run
        return
    with ExitStack() as stack:
        conf = _configure(context, stack.enter_context(_reserve_ports()))
        context._jvm.org.apache.spark.sql.SparkSession.setDefaultSession(spark._jsparkSession)  # noqa: SLF001
        if not _is_local(context):
            stack.callback(_stop_h2o, context, h2o)
        logger.info("Starting H2O.")
        run(lambda: h2o.getOrCreate(conf._jconf))  # noqa: SLF001
        # The proxy of H2O's web pages listens on all interfaces, and nothing here needs it.
        _scala_object(sparkling.backend.utils, "ProxyStarter").stopFlowProxy()
        if _is_local(context):
            atexit.register(stack.pop_all().close)
        yield run


def _configure(context: Any, base_port: int) -> Any:
    """Make H2O's configuration: what `spark.yml` says, and a password that each request needs."""
    from ai.h2o.sparkling.H2OConf import H2OConf

    # Spark hands the file to every executor that it ever gets, so it stays until the process ends.
    folder = Path(tempfile.mkdtemp(prefix="premises-h2o-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    password = secrets.token_hex(32)
    login = folder / f"{folder.name}.conf"
    login.touch(mode=0o600)
    login.write_text(f"{USER}: MD5:{md5(password.encode(), usedforsecurity=False).hexdigest()}\n", encoding="ascii")
    host = context.getConf().get("spark.driver.host")
    conf = H2OConf()
    conf.setHashLoginEnabled().setLoginConf(str(login)).setUserName(USER).setPassword(password)
    conf.setClientIp(host).setBasePort(base_port)
    conf.setProgressBarDisabled().setModelPrintAfterTrainingDisabled()
    conf.setClusterTopologyListenerDisabled()  # it would leave a training waiting
    if host == "127.0.0.1":
        conf.setExtraProperties(f"-ip {host} -web_ip {host}")
    if _is_local(context):
        conf.setLogDir(str(folder / "logs")).setIcedDir(str(folder / "iced"))
    return conf


@contextmanager
def _reserve_ports() -> Iterator[int]:
    """Take a block of ports; the first of them, bound and not listened on, tells other runs here that it is taken."""
    for first in PORTS:
        with socket.socket() as lock:
            try:
                lock.bind(("127.0.0.1", first))
            except OSError:
                continue
            yield first + 1
            return
    msg = f"No block of ports from {PORTS.start} to {PORTS.stop} is free for H2O on this machine. End other runs."
    raise H2OError(msg)


@contextmanager
def _quiet(context: Any) -> Iterator[Callable[[], None]]:
    """Keep what H2O prints off the console, unless `spark.yml` asks for it. Scala has one console a thread."""
    if context.getConf().get("spark.ext.h2o.log.level", "ERROR") not in {"ERROR", "FATAL"}:
        yield lambda: None
        return
    jvm = context._jvm  # noqa: SLF001
    system, console = jvm.System, _scala_object(jvm.scala, "Console")
    out, error = system.out, system.err
    nowhere = jvm.java.io.PrintStream(jvm.java.io.OutputStream.nullOutputStream())

    def quiet_thread() -> None:
        console.setOutDirect(nowhere)
        console.setErrDirect(nowhere)

    system.setOut(nowhere)
    system.setErr(nowhere)
    try:
        yield quiet_thread
    finally:
        system.setOut(out)
        system.setErr(error)


def _run_while(work: Callable[[], Any], is_well: Callable[[], bool]) -> Any:
    """Run some work; give up and give None when all is no longer well."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(work())
        except Exception as error:  # noqa: BLE001 - it is raised below, where somebody waits for it
            outcome.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(LOOK_SECONDS)
        if not is_well():
            return None
    (result,) = outcome
    if isinstance(result, (Py4JError, PySparkException)):
        msg = f"H2O: {_root_cause(result)}"
        raise H2OError(msg) from result
    if isinstance(result, Exception):
        raise result
    return result


def _stop_h2o(context: Any, h2o: Any) -> None:
    """End H2O with its executors; Spark gets new ones. What waits for H2O in another thread then ends with an error."""
    running = h2o.get()
    if running.isDefined():
        # Scala's own name of the method that leaves Spark and the JVM alone, as pysparkling calls it.
        getattr(running.get(), "ai$h2o$sparkling$H2OContext$$stop")(False, False, False)  # noqa: FBT003
    old = _list_executors(context)
    scheduler = context._jsc.sc()  # noqa: SLF001
    scheduler.schedulerBackend().killExecutors(scheduler.getExecutorIds(), False, False, True)  # noqa: FBT003 - replace
    until = time.monotonic() + STOP_SECONDS
    while (old & (now := _list_executors(context)) or len(now) < len(old)) and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)


def _list_executors(context: Any) -> set[str]:
    """Give the ids of the executors; there are not valid in local mode."""
    if _is_local(context):
        return set()
    ids = context._jsc.sc().getExecutorIds()  # noqa: SLF001
    return {ids.apply(place) for place in range(ids.size())}


def _is_local(context: Any) -> bool:
    return bool(context._jsc.sc().isLocal())  # noqa: SLF001


def _scala_object(package: Any, name: str) -> Any:
    return getattr(getattr(package, f"{name}$"), "MODULE$")


def _root_cause(error: Any) -> str:
    """Give the message at the bottom of a Java exception, in one line that is not too long."""
    cause = getattr(error, "java_exception", None)
    while cause is not None and cause.getCause() is not None:
        cause = cause.getCause()
    message = str(cause.getMessage() if cause is not None else error)
    _, _, answer = message.partition("Server error: ")
    with suppress(ValueError, KeyError):  # H2O's own words stand in the JSON that its node answers with, if it does
        message = json.JSONDecoder().raw_decode(answer)[0]["msg"].replace("ERROR MESSAGE:", "")
    words = " ".join(message.split())
    return words if len(words) < LONGEST_CAUSE else f"{words[:LONGEST_CAUSE]}…"
