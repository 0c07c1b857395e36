"""What goes wrong is told in one sentence on the command line; where it came from goes to the log file."""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import yaml
from kedro.config import MissingConfigException
from kedro.io import DatasetError
from kedro.validation import DataValidationError, ParameterValidationError

from kedro_handover.errors import ConfigurationError, KedroHandoverError

if TYPE_CHECKING:
    from collections.abc import Iterator

traceback_logger = logging.getLogger("kedro_handover.traceback")

RAISED = re.compile(r"\s\[USER_RAISED_EXCEPTION\] (.*) SQLSTATE: P0001")
"""How Spark 4 wraps a sentence of `raise_error`, which Spark 3.5 leaves as it is."""

JAVA_TRACE = "\n\tat "
CAUSED_BY = re.compile(r"^Caused by: (?:[\w.$]+: )?(.+)$", re.MULTILINE)
"""How Java's trace gives the reason of the exception above it; the innermost comes last."""

DRIVER_TRACE = "\nDriver stacktrace:"
"""What Spark ends its own message with, before Java's trace of it."""

PYTHON_TRACE = "\nTraceback (most recent call last):"
"""How the trace of a Python worker begins in Spark's message; its last line is the reason."""

SPARK_PLAN = re.compile(r";\s*\n['+\w]")
"""Where the plan of a query begins in Spark's message."""

DUPLICATE_KEYS = re.compile(r"Duplicate keys found in (.+?) and (.+?): ([^\n]+)")
"""How Kedro tells of two files of one environment that set the same."""

USER_ERRORS = (
    DatasetError,
    DataValidationError,
    KedroHandoverError,
    MissingConfigException,
    ParameterValidationError,
    yaml.YAMLError,
)
"""Errors whose message is all that a user needs."""

USER_MODULES = frozenset({"omegaconf", "py4j", "pyspark"})
"""Packages whose errors are about the configuration, or what Java says."""


@contextmanager
def tell_errors(conf_source: str | Path) -> Iterator[None]:
    """Tell an error that a user can do something about in one sentence, if there is a command line to tell it on.

    Args:
        conf_source: Where the configuration is.

    Yields:
        Nothing.

    Raises:
        click.ClickException: On the command line, with the sentence. Elsewhere the error itself is raised, or a
            `ConfigurationError` that names the file where Kedro's names none.
    """
    try:
        yield
    except Exception as error:
        clear = explain_conf(error, Path(conf_source)) or error
        is_of_user = isinstance(clear, USER_ERRORS) or type(clear).__module__.split(".")[0] in USER_MODULES
        if is_of_user and click.get_current_context(silent=True) is not None:
            traceback_logger.exception("The run has failed.")
            raise click.ClickException(tell(clear)) from error
        if clear is error:
            raise
        raise clear from error


def tell(error: Exception) -> str:
    """Give the message of an error in one line: of Java's, the first line and the innermost reason.

    Args:
        error: What a run has raised.

    Returns:
        The message; of Kedro's validation error, that of the error within.
    """
    cause = error.__cause__
    if isinstance(error, DataValidationError) and isinstance(cause, KedroHandoverError):
        return f"{error.dataset_name}: {cause}"
    text = RAISED.sub(r" \1", str(error)).strip()
    message, *trace = text.split(JAVA_TRACE)
    if trace:
        lines = message.removesuffix(DRIVER_TRACE).splitlines()
        reasons = CAUSED_BY.findall(text) or [line.removeprefix(": ") for line in lines[1:]]
        return " ".join([lines[0], *reasons[-1:]])
    if PYTHON_TRACE in text:
        return f"{text.splitlines()[0]} {text.splitlines()[-1]}"
    return " ".join(SPARK_PLAN.split(text)[0].split())


def explain_conf(error: Exception, conf_source: Path) -> ConfigurationError | None:
    """Name the file of the configuration that an error is about, where Kedro's error does not, or tells a list.

    Args:
        error: What reading the configuration has raised.
        conf_source: The folder of the configuration.

    Returns:
        An error that says it in one sentence; None if the error is about something else.
    """
    if isinstance(error, UnicodeDecodeError):
        for file in sorted(path for path in conf_source.rglob("*") if path.suffix in {".yml", ".yaml", ".json"}):
            try:
                file.read_text(encoding="utf-8")
            except UnicodeDecodeError as found:
                line = file.read_bytes()[: found.start].count(b"\n") + 1
                return ConfigurationError(f"{_shorten(file)} is not UTF-8, near line {line}. Save it as UTF-8.")
    if isinstance(error, UnicodeEncodeError) and error.encoding == "ascii":
        return ConfigurationError(f"{error.object!r} has letters that are none of the locale's. Set PYTHONUTF8=1.")
    if isinstance(error, ValueError) and (found_twice := DUPLICATE_KEYS.search(str(error))):
        first, second, keys = found_twice.groups()
        files = f"{_shorten(Path(first))} and {_shorten(Path(second))}"
        return ConfigurationError(f"{files} both set {keys}. Remove one of the files, or what it repeats.")
    return None


def _shorten(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
