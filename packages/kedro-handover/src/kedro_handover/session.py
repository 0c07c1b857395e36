"""The session: what a plain `kedro run` runs is said by the environment."""

from __future__ import annotations

import logging
import re
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import click
import yaml
from kedro.config import MissingConfigException
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.io import DatasetError
from kedro.runner import ThreadRunner
from kedro.validation import DataValidationError, ParameterValidationError

from kedro_handover.catalog import dataset
from kedro_handover.errors import ConfigurationError, KedroHandoverError, suggest

if TYPE_CHECKING:
    from collections.abc import Iterable

traceback_logger = logging.getLogger("kedro_handover.traceback")

RAISED = re.compile(r"\s\[USER_RAISED_EXCEPTION\] (.*) SQLSTATE: P0001")
"""How Spark 4 wraps a sentence of `raise_error`, which Spark 3.5 leaves as it is."""


NODE_FILTERS = ("node_names", "from_nodes", "to_nodes", "namespaces")
"""Arguments of a run that name nodes, or their namespaces."""

NO_NODES = "Pipeline contains no nodes"
"""How Kedro's sentence begins where filters leave nothing of a pipeline."""

USER_ERRORS = (
    DatasetError,
    DataValidationError,
    MissingConfigException,
    ParameterValidationError,
    yaml.YAMLError,
)
"""Kedro's errors whose message is all that a user needs."""


CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "config_patterns": {
        "parameters": ["parameters*", "parameters*/**", "**/parameters*", "project.yml"],
        "run": ["run.yml"],
        "spark": ["spark.yml"],
    },
    "custom_resolvers": {"dataset": dataset},
}
"""What a project's `settings.py` gives to Kedro's configuration loader."""


class HandoverSession(KedroSession):
    """A Kedro session that takes the pipelines to run from `conf/<env>/run.yml` when none is named."""

    def run(
        self, pipeline_name: str | None = None, pipeline_names: list[str] | None = None, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """Run the named pipelines, or those that `run.yml` lists for this environment.

        Args:
            pipeline_name: One pipeline (Kedro's older argument).
            pipeline_names: Names of registered pipelines.
            args: The other arguments of `KedroSession.run`, in its order.
            kwargs: The same, by name. Nodes may be named without their pipeline: `search_tree`, `mllib.predict`.

        Returns:
            The outputs of the run that are not in the catalog, by name.

        Raises:
            ConfigurationError: If a named pipeline or node is not there, or the configuration is an archive that has
                paths which lead out of it.
            ParameterValidationError: If a parameter has a wrong name or value; nothing has run then.
        """
        try:
            _check_archive(Path(self._conf_source))
            if not pipeline_name and not pipeline_names:
                pipeline_names = list(self._get_config_loader()["run"]["pipelines"])
            self._check_runner(kwargs.get("runner"))
            kwargs |= {key: _in_full(kwargs[key]) for key in NODE_FILTERS if kwargs.get(key)}
            result: dict[str, Any] = self._run(pipeline_name, pipeline_names, *args, **kwargs)
        except (*USER_ERRORS, KedroHandoverError) as error:
            if click.get_current_context(silent=True) is None:
                raise
            # On the command line such an error is its message; where it came from is in the log file.
            traceback_logger.exception("The run has failed.")
            raise click.ClickException(_message(error)) from error
        return result

    def _check_runner(self, runner: Any) -> None:
        """Refuse threads where DuckDB's tables are all of one connection, which one thread has at a time."""
        of_threads = isinstance(runner, ThreadRunner) or getattr(runner, "_is_async", False)
        if of_threads and "duckdb" in self._get_config_loader()["globals"]["engine"]["table"]["type"]:
            msg = "On DuckDB nodes run one after the other: leave out --runner=ThreadRunner and --async."
            raise ConfigurationError(msg)

    def _run(self, pipeline_name: str | None, pipeline_names: list[str] | None, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().run(pipeline_name, pipeline_names, *args, **kwargs)
        except ValueError as error:
            names = pipeline_names or [str(pipeline_name)]
            nodes = [node for key in NODE_FILTERS if key != "namespaces" for node in kwargs.get(key) or ()]
            msg = _name_unknown(names, nodes)
            if str(error).startswith(NO_NODES):
                msg = msg or "Nothing is to run: no node has all that the options of the run ask for."
            if msg:
                raise ConfigurationError(msg) from error
            raise


def _name_unknown(names: Iterable[str], nodes: Iterable[str]) -> str | None:
    """Say which pipeline or node is not there, and which is meant; None where all are."""
    pipelines.set_requested(None)  # Kedro has loaded those that were named
    if unknown := [name for name in names if name not in pipelines]:
        return f"There is no pipeline {unknown[0]!r}. {suggest(unknown[0], pipelines)}"
    known = [node.name for name in names for node in pipelines[name].nodes]
    if unknown := [name for name in nodes if name not in known]:
        other = next((key for key, one in pipelines.items() if unknown[0] in {node.name for node in one.nodes}), None)
        hint = f"It is one of --pipelines={other}." if other else suggest(unknown[0], known)
        return f"{', '.join(names)}: there is no node {unknown[0]!r}. {hint}"
    return None


def _in_full(names: Iterable[str]) -> list[str]:
    """Put the pipeline before names of nodes and namespaces that do without it."""
    nodes = [node for pipeline in pipelines.values() for node in pipeline.nodes]
    in_full = {name.partition(".")[2]: name for node in nodes for name in (node.name, node.namespace or "")}
    return [in_full.get(name, name) for name in names]


def _check_archive(conf_source: Path) -> None:
    """Refuse an archive of the configuration that has paths which lead out of it; Kedro does not look."""
    if not conf_source.is_file():
        return
    if zipfile.is_zipfile(conf_source):
        with zipfile.ZipFile(conf_source) as archive:
            names = archive.namelist()
    elif tarfile.is_tarfile(conf_source):
        with tarfile.open(conf_source) as archive:
            names = archive.getnames()
    else:
        msg = f"{conf_source} is neither a folder nor an archive (.tar.gz, .zip) of the configuration."
        raise ConfigurationError(msg)
    paths = [PurePosixPath(name.replace("\\", "/")) for name in names]
    if leading_out := [str(path) for path in paths if path.is_absolute() or ".." in path.parts]:
        msg = (
            f"{conf_source} has a path that leads out of it, {leading_out[0]!r}: nothing of it is used. Pack it again."
        )
        raise ConfigurationError(msg)


def _message(error: Exception) -> str:
    """Give the message of an error; of Kedro's validation error, that of the project's own error within."""
    cause = error.__cause__
    if isinstance(error, DataValidationError) and isinstance(cause, KedroHandoverError):
        return f"{error.dataset_name}: {cause}"
    text = RAISED.sub(r" \1", str(error))
    message, *trace = text.split("\n\tat ")
    if trace:  # of Java: where it came from is in the log file, and what is wrong stands last
        reasons = re.findall(r"^Caused by: (?:[\w.$]+: )?(.+)$", text, re.MULTILINE)
        return f"{message.splitlines()[0]} {reasons[-1] if reasons else message.splitlines()[-1]}"
    return " ".join(text.splitlines()) if isinstance(error, DatasetError) else text
