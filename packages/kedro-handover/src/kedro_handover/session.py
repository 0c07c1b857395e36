"""The session: an environment says what a plain `kedro run` runs, and what goes wrong is told in one sentence."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.runner import ThreadRunner

from kedro_handover.catalog import dataset
from kedro_handover.errors import ConfigurationError, suggest
from kedro_handover.log_files import drop_unwritable_log_files
from kedro_handover.messages import tell_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kedro.framework.context import KedroContext

NODE_FILTERS = ("node_names", "from_nodes", "to_nodes", "namespaces")
"""Arguments of a run that name nodes, or their namespaces."""

DATASET_FILTERS = ("from_inputs", "to_outputs")
"""Arguments of a run that name datasets."""

NO_NODES = "Pipeline contains no nodes"
"""How Kedro's sentence begins where filters leave nothing of a pipeline."""

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "config_patterns": {
        "parameters": ["parameters*", "parameters*/**", "**/parameters*", "project.yml"],
        "run": ["run.yml"],
        "spark": ["spark.yml"],
    },
    "custom_resolvers": {"dataset": dataset},
    # An environment may set one value of a block; the others stay. Datasets and engines are replaced as a whole: the
    # options of one kind are none of another's.
    "merge_strategy": {"parameters": "soft"},
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
            kwargs: The same, by name. Nodes may be named without their pipeline: `search_models`, `mllib.predict`.

        Returns:
            The outputs of the run that are not in the catalog, by name.

        Raises:
            click.ClickException: On the command line, for an error that a user can do something about; its message is
                one sentence. Elsewhere the error itself is raised.
            ConfigurationError: If a named pipeline, node or dataset is not there, or the configuration can't be read.
            ParameterValidationError: If a parameter has a wrong name or value; nothing has run then.
        """
        with tell_errors(self._conf_source):
            check_platform(sys.platform)
            drop_unwritable_log_files()
            _check_archive(Path(self._conf_source))
            if not pipeline_name and not pipeline_names:
                pipeline_names = list(self._get_config_loader()["run"]["pipelines"])
            self._check_runner(kwargs.get("runner"))
            kwargs |= {key: _in_full(kwargs[key]) for key in NODE_FILTERS if kwargs.get(key)}
            return self._run(pipeline_name, pipeline_names, *args, **kwargs)

    def load_context(self) -> KedroContext:
        """Load the project's context.

        Returns:
            Kedro's context.

        Raises:
            click.ClickException: On the command line, for an error in the configuration; its message is one sentence.
                Elsewhere the error itself is raised.
        """
        with tell_errors(self._conf_source):
            return super().load_context()

    def _check_runner(self, runner: Any) -> None:
        """Refuse threads where DuckDB's tables are all of one connection, which one thread has at a time."""
        of_threads = isinstance(runner, ThreadRunner) or getattr(runner, "_is_async", False)
        if of_threads and "duckdb" in self._get_config_loader()["globals"]["engine"]["table"]["type"]:
            msg = "On DuckDB nodes run one after the other: leave out --runner=ThreadRunner and --async."
            raise ConfigurationError(msg)

    def _run(
        self, pipeline_name: str | None, pipeline_names: list[str] | None, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        try:
            result: dict[str, Any] = super().run(pipeline_name, pipeline_names, *args, **kwargs)
        except ValueError as error:
            msg = _name_unknown(pipeline_names or [str(pipeline_name)], kwargs)
            if str(error).startswith(NO_NODES):
                msg = msg or "Nothing is to run: no node has all that the options of the run ask for."
            if msg:
                raise ConfigurationError(msg) from error
            raise
        return result


def check_platform(platform: str) -> None:
    """Refuse a system on which Spark and the locks of a storage do not work as they are used here.

    Args:
        platform: Python's name of the system.

    Raises:
        ConfigurationError: On Windows.
    """
    if platform == "win32":
        msg = "This runs on Linux and macOS. On Windows, use it in WSL, the Windows Subsystem for Linux."
        raise ConfigurationError(msg)


def _name_unknown(names: Iterable[str], options: Mapping[str, Any]) -> str | None:
    """Say which pipeline, node, namespace or dataset is not there, and which is meant; None where all are."""
    pipelines.set_requested(None)  # Kedro has loaded those that were named
    if unknown := [name for name in names if name not in pipelines]:
        return f"There is no pipeline {unknown[0]!r}. {suggest(unknown[0], pipelines)}"
    where = ", ".join(names)
    nodes = [node for name in names for node in pipelines[name].nodes]
    asked = [name for key in NODE_FILTERS if key != "namespaces" for name in options.get(key) or ()]
    known = {node.name for node in nodes}
    if unknown := [name for name in asked if name not in known]:
        other = next((key for key, one in pipelines.items() if unknown[0] in {node.name for node in one.nodes}), None)
        hint = f"It is one of --pipelines={other}." if other else suggest(unknown[0], known)
        return f"{where}: there is no node {unknown[0]!r}. {hint}"
    known = {prefix for node in nodes for prefix in node.namespace_prefixes if prefix}
    if unknown := [name for name in options.get("namespaces") or () if name not in known]:
        return f"{where}: there is no namespace {unknown[0]!r}. {suggest(unknown[0], known)}"
    datasets = {name for node in nodes for name in (*node.inputs, *node.outputs)}
    known = datasets | {name.partition("@")[0] for name in datasets}
    asked = [name for key in DATASET_FILTERS for name in options.get(key) or ()]
    if unknown := [name for name in asked if name not in known]:
        return f"{where}: there is no dataset {unknown[0]!r}. {suggest(unknown[0], known)}"
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
