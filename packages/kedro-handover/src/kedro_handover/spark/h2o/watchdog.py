"""Work in H2O that is given up when Spark loses one of its executors, which H2O would wait for without end."""

from __future__ import annotations

import json
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any

from kedro_handover._compat import get_java_context
from kedro_handover.errors import H2OError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark import SparkContext

CHECK_SECONDS = 1.0
"""How often Spark is asked for its executors."""

LONGEST_CAUSE = 400
"""Characters of a Java exception that a message quotes, at most."""


def is_local(context: SparkContext) -> bool:
    """Say whether Spark runs in local mode: in one JVM, the driver's, with no executors beside it."""
    return bool(get_java_context(context).sc().isLocal())


def list_executors(context: SparkContext) -> set[str]:
    """List the ids of the executors; none in local mode."""
    if is_local(context):
        return set()
    ids = get_java_context(context).sc().getExecutorIds()
    return {ids.apply(place) for place in range(ids.size())}


def run_while(work: Callable[[], Any], is_well: Callable[[], bool]) -> Any:
    """Run some work on another thread, and give it up when something it needs is lost.

    Args:
        work: What to do; it may go on in its thread when it has been given up.
        is_well: Asked every `CHECK_SECONDS` whether all that the work needs is still there.

    Returns:
        What the work returns; None where it was given up.

    Raises:
        H2OError: If the work has failed in the JVM: the cause, in one line. Other errors are raised as they are.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(work())
        except Exception as error:  # noqa: BLE001 - it is raised below, on the thread that waits for it
            outcome.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(CHECK_SECONDS)
        if not is_well():
            return None
    (result,) = outcome
    if isinstance(result, (Py4JError, PySparkException)):
        msg = f"H2O: {find_cause(result)}"
        raise H2OError(msg) from result
    if isinstance(result, Exception):
        raise result
    return result


def find_cause(error: Any) -> str:
    """Find the message at the bottom of a Java exception.

    Args:
        error: What Py4J or pyspark has raised.

    Returns:
        The message in one line, cut at `LONGEST_CAUSE` characters; H2O's own words where its node has answered.
    """
    cause = getattr(error, "java_exception", None)
    while cause is not None and cause.getCause() is not None:
        cause = cause.getCause()
    message = str(cause.getMessage() if cause is not None else error)
    _, _, answer = message.partition("Server error: ")
    with suppress(ValueError, KeyError):  # no answer in JSON: the message stays what it is
        message = json.JSONDecoder().raw_decode(answer)[0]["msg"].replace("ERROR MESSAGE:", "")
    words = " ".join(message.split())
    return words if len(words) < LONGEST_CAUSE else f"{words[:LONGEST_CAUSE]}…"
