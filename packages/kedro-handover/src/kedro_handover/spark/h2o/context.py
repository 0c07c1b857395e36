"""H2O's cluster inside Spark: how it is started, who may use it, and how it is stopped."""

from __future__ import annotations

import atexit
import logging
import secrets
import shutil
import socket
import tempfile
import time
import warnings
from contextlib import ExitStack, contextmanager
from hashlib import md5
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro_handover._compat import (
    get_java_context,
    get_java_object,
    get_jvm,
    get_scala_object,
    listen_only_on,
    stop_h2o_context,
)
from kedro_handover.errors import H2OError
from kedro_handover.spark.h2o.package import is_installed
from kedro_handover.spark.h2o.watchdog import CHECK_SECONDS, is_local, list_executors, run_while

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyspark import SparkContext
    from pyspark.sql import DataFrame, SparkSession

logger = logging.getLogger(__name__)

USER = "kedro-handover"
"""The one user that H2O knows; the password is another one in each run."""

PORTS = range(54_300, 60_000, 100)
"""Where H2O listens: each run takes a hundred ports of its own on this machine, two of them for each node of H2O."""

STOP_SECONDS = 60.0
"""How long executors may take to be replaced, and a training that was given up to end."""

NO_HEARTBEAT = 2**31 - 1
"""Milliseconds: a heartbeat for Spark's web pages, where Spark has ended, starts another Spark or prints a trace."""


def train_in_h2o(make_estimator: Callable[[], Any], rows: DataFrame, attempts: int) -> Any:
    """Start H2O, train a model, and stop H2O whatever has happened.

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
        msg = f"{path} is a model of H2O, which is not installed. Install kedro-handover with its extra h2o."
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
    """Start H2O; yield a function that runs some work in it, and returns None when an executor is lost."""
    _load_classes()
    context = spark.sparkContext
    jvm = get_jvm(context)
    h2o = get_scala_object(jvm.ai.h2o.sparkling, "H2OContext")
    executors = list_executors(context)

    def run(work: Callable[[], Any]) -> Any:
        with _quiet(context) as quiet_thread:

            def work_quietly() -> Any:
                quiet_thread()
                return work()

            return run_while(work_quietly, lambda: executors <= list_executors(context))

    if is_local(context) and h2o.get().isDefined():
        yield run
        return
    with ExitStack() as stack:
        conf = _configure(context, stack.enter_context(_reserve_ports()))
        jvm.org.apache.spark.sql.SparkSession.setDefaultSession(get_java_object(spark))
        if not is_local(context):
            stack.callback(_stop_h2o, context, h2o)
        logger.info("Starting H2O.")
        with listen_only_on(jvm, context.getConf().get("spark.driver.host", "127.0.0.1")):
            run(lambda: h2o.getOrCreate(get_java_object(conf)))
        # Nothing here needs the proxy of H2O's web pages.
        get_scala_object(jvm.ai.h2o.sparkling.backend.utils, "ProxyStarter").stopFlowProxy()
        if is_local(context):
            atexit.register(stack.pop_all().close)
        yield run


def _configure(context: SparkContext, base_port: int) -> Any:
    """Make H2O's configuration: what `spark.yml` says, and a password that each request needs."""
    from ai.h2o.sparkling.H2OConf import H2OConf

    # Spark hands the file to every executor that it ever gets, so it stays until the process ends.
    folder = Path(tempfile.mkdtemp(prefix=f"{USER}-h2o-"))
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
    if is_local(context):
        conf.setBackendHeartbeatInterval(NO_HEARTBEAT)
        conf.setLogDir(str(folder / "logs")).setIcedDir(str(folder / "iced"))
    return conf


@contextmanager
def _reserve_ports() -> Iterator[int]:
    """Reserve a block of ports: its first one, bound and not listened on, tells other runs here that it is taken."""
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
def _quiet(context: SparkContext) -> Iterator[Callable[[], None]]:
    """Keep what H2O prints off the console, unless `spark.yml` asks for it. Scala has one console for each thread."""
    if context.getConf().get("spark.ext.h2o.log.level", "ERROR") not in {"ERROR", "FATAL"}:
        yield lambda: None
        return
    jvm = get_jvm(context)
    system, console = jvm.System, get_scala_object(jvm.scala, "Console")
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


def _stop_h2o(context: SparkContext, h2o: Any) -> None:
    """End H2O with its executors; Spark gets new ones. What waits for H2O in another thread then ends with an error."""
    running = h2o.get()
    if running.isDefined():
        stop_h2o_context(running.get())
    old = list_executors(context)
    scheduler = get_java_context(context).sc()
    adjust_target, count_failures, force = False, False, True  # so Spark replaces them
    scheduler.schedulerBackend().killExecutors(scheduler.getExecutorIds(), adjust_target, count_failures, force)
    until = time.monotonic() + STOP_SECONDS
    while (old & (now := list_executors(context)) or len(now) < len(old)) and time.monotonic() < until:
        time.sleep(CHECK_SECONDS)
