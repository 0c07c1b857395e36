"""What happens around a run: inputs and parameters are checked before it, results are shown after it."""

from __future__ import annotations

import atexit
import fcntl
import gc
import logging
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import yaml
from kedro.config import MissingConfigException
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines as registered
from kedro.io import DatasetError
from kedro.validation import ParameterValidationError

from kedro_handover.errors import ConfigurationError, H2OError, SparkError, suggest
from kedro_handover.project import ProjectSpec
from kedro_handover.spark.h2o import check_version, is_installed
from kedro_handover.spark.progress import StageProgress
from kedro_handover.spark.session import configure_spark, get_master, get_spark, is_on_this_machine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kedro.framework.context import KedroContext
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node

logger = logging.getLogger(__name__)

RUNTIME_PARAMETERS = frozenset({"driver_host", "format", "master", "rows", "storage"})
"""Names that --params may set beside the blocks of parameters: conf takes them by `${runtime_params:…}`."""

PARAMETER = "params:"
PATTERN_SIGNS = "*?[]{}"

SPARK_DATASETS = (
    "spark.",
    "kedro_handover.datasets.spark_table_dataset.",
    "kedro_handover.datasets.mllib_model_dataset.",
    "kedro_handover.datasets.mojo_model_dataset.",
    "kedro_handover.datasets.release_dataset.ReleasedModelDataset",
)
"""How the types of the datasets begin that need a running Spark."""

COMMAND = "premises" if Path(sys.argv[0]).name in {"premises", "submit.py"} else "kedro run"
"""What a person has typed to get here: the wheel's command, or that of a checkout."""


class RunHooks:
    """Checks the parameters and inputs of a run before its first node, and shows its results after the last."""

    def __init__(self) -> None:
        self._conf_source = Path()
        self._command = COMMAND
        self._storage = ""
        self._locked: int | None = None
        self._has_spark_settings = False
        self._storage_is_shared = False
        self._conf_catalog: dict[str, Any] = {}
        self._project: ProjectSpec | None = None
        self._began = 0.0
        self._seconds: dict[str, float] = {}
        self._watch = ExitStack()
        self._progress: StageProgress | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Prepare Spark where the environment has settings for it; no Spark starts here.

        Args:
            context: The project's context.

        Raises:
            SparkError: If JAVA_HOME is set and has no Java.
        """
        self._conf_source = Path(context.config_loader.conf_source)
        self._command = f"{COMMAND} --env={context.env}" if context.env else COMMAND
        self._has_spark_settings = False
        environment = context.config_loader["globals"]
        storage = str((context.config_loader.runtime_params or {}).get("storage", environment["storage"]))
        self._storage = storage if "://" in storage else str(Path(context.project_path) / storage)
        self._storage_is_shared = environment.get("storage_is_shared", False)
        try:
            settings = context.config_loader["spark"]
        except MissingConfigException:  # the environment's engine is another
            return
        configure_spark(settings)
        self._has_spark_settings = True

    @hook_impl
    def after_catalog_created(self, conf_catalog: dict[str, Any]) -> None:
        """Keep the catalog's configuration, which knows where datasets lie.

        Args:
            conf_catalog: The configuration, by dataset.
        """
        self._conf_catalog = conf_catalog

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
        """Refuse a run that could not end well, before any output is touched.

        Args:
            pipeline: What is about to run.
            catalog: The catalog of the run; it holds each parameter as `params:<name>`.

        Raises:
            ParameterValidationError: If no pipeline has a parameter of a name that is set in a file or by --params
                (Kedro itself checks the parameters that it knows, and would pass over a misspelt block), or no file
                sets one that the run takes.
            DatasetError: If a dataset that the run starts from is missing or an empty file.
            SparkError: If the run needs Spark and the environment has no settings for it, it does not start, or its
                workers don't share the run's storage.
            ConfigurationError: If another run writes to the same storage, or its path has signs of a pattern.
            H2OError: If H2O's tree is to be released and H2O is not installed, or it was made for another Spark.
        """
        self._seconds = {}
        self._check_parameters_are_set(pipeline, catalog)
        self._project = catalog.load("params:project") if "params:project" in catalog else None
        self._check_parameter_names(name for name in catalog if name.startswith(PARAMETER))
        if pipeline.all_outputs() & {"mllib_model", "h2o_model", "release@manifest"}:
            self._check_h2o(pipeline, catalog)
        used = pipeline.datasets() & self._conf_catalog.keys()
        if sign := next((sign for sign in PATTERN_SIGNS if sign in self._storage), None):
            msg = f"{self._storage} has a {sign}: engines would take it for several folders. Give another storage."
            raise ConfigurationError(msg)
        inputs = sorted(pipeline.inputs() & used)
        of_spark = sorted(name for name in used if _type_of_table(self._conf_catalog[name]).startswith(SPARK_DATASETS))
        if of_spark and not self._has_spark_settings:
            msg = f"{of_spark[0]} is Spark's, and this environment has no spark.yml. Try --env=prod."
            raise SparkError(msg)
        for name in inputs:
            self._check_local_input(name)
        if of_spark:
            self._check_storage(used, get_master())
            get_spark()
        for name in inputs:
            path = self._conf_catalog[name].get("filepath", "")
            if not _is_local(path) and not catalog.exists(name):
                raise DatasetError(self._missing(name, path))
        if of_spark:
            self._progress = self._watch.enter_context(StageProgress(get_spark().sparkContext))
            atexit.register(self._watch.close)  # Kedro tells no hook of Ctrl-C, and a bar hides the cursor
        self._take_storage()

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
        """Print a row for each model that this run has measured, and where the reports are.

        Args:
            pipeline: What has run.
            catalog: The catalog of the run.
        """
        self._watch.close()
        self._leave_storage()
        atexit.register(_end_at_once)
        outputs = sorted(pipeline.all_outputs(), key=lambda name: (not name.startswith("research_"), name))
        metrics = {name.removesuffix("_metrics"): catalog.load(name) for name in outputs if name.endswith("_metrics")}
        reports = [_short(self._conf_catalog[name]["filepath"]) for name in outputs if name.endswith("_report")]
        for name in outputs:
            if name.endswith("_scores"):
                logger.info("Scores: %s", _short(self._conf_catalog[name]["filepath"]))
        if not metrics:
            for report in reports:
                logger.info("Report: %s", report)
        else:
            from kedro_handover.reporting.console import print_results

            parity = catalog.load("parity") if "parity" in outputs else {}
            agreement = {model: one["agreement"] for model, one in parity.items()}
            seconds = {
                model: sum(self._seconds.get(node.name, 0) for node in pipeline.nodes if model in node.tags)
                for model in metrics
            }
            print_results(
                metrics, catalog.load("row_counts"), reports, catalog.load("params:project"), agreement, seconds
            )

    @hook_impl
    def on_pipeline_error(self, pipeline: Pipeline) -> None:
        """Take the bar away before the error is told, and say where the reports are that may show why.

        Args:
            pipeline: What was running.
        """
        self._watch.close()
        self._leave_storage()
        done = {name for node in pipeline.nodes if node.name in self._seconds for name in node.outputs}
        for name in sorted(done):
            if name.endswith("_report"):
                logger.info("Report: %s", _short(self._conf_catalog[name]["filepath"]))

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Start the clock of a node.

        Args:
            node: What is about to run.
        """
        self._began = perf_counter()
        if self._progress is not None:
            self._progress.node = node.name

    @hook_impl
    def after_dataset_saved(self, node: Node) -> None:
        """Stop the clock of a node; on Spark the work is done while its output is saved.

        Args:
            node: Whose output has been saved.
        """
        self._seconds[node.name] = perf_counter() - self._began

    def _take_storage(self) -> None:
        """Refuse to write where another run of this machine writes: each would read what the other has written."""
        self._leave_storage()  # that of a run in this process that was interrupted
        if "://" in self._storage:
            return
        try:
            Path(self._storage).mkdir(parents=True, exist_ok=True)
            folder = os.open(self._storage, os.O_RDONLY)
        except OSError as error:
            msg = f"{_short(self._storage)} can't be written to: {error.strerror}. Give another storage."
            raise DatasetError(msg) from error
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the system lets go of it however this process ends
        except BlockingIOError as error:
            os.close(folder)
            msg = (
                f"{_short(self._storage)}: another run writes there. Wait for its end, or give this one a storage of "
                "its own: --params=storage=…"
            )
            raise ConfigurationError(msg) from error
        self._locked = folder

    def _leave_storage(self) -> None:
        if self._locked is not None:
            os.close(self._locked)
            self._locked = None

    @staticmethod
    def _check_h2o(pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
        if is_installed():
            check_version()
            return
        logger.info("H2O is not installed, so its tree is left out. To add it, install rows with its extra h2o.")
        if (
            "release@manifest" in pipeline.all_outputs()
            and catalog.load("params:spark_production").released_model == "h2o"
        ):
            msg = "spark_production.released_model is h2o, and H2O is not installed. Install rows with its extra h2o."
            raise H2OError(msg)

    def _check_local_input(self, name: str) -> None:
        """Ask the file system: Spark would have to start, and read the file, to find out."""
        path = self._conf_catalog[name].get("filepath", "")
        if not _is_local(path):
            return
        if Path(path).is_symlink() and not Path(path).exists():
            msg = f"{name}: {_short(path)} is a link that leads nowhere, or in a circle. Fix it."
            raise DatasetError(msg)
        if not Path(path).exists():
            raise DatasetError(self._missing(name, path))
        if Path(path).is_file() and Path(path).stat().st_size == 0:
            msg = f"{name}: {_short(path)} is an empty file. Remove it. {self._how_to_get(name, path)}"
            raise DatasetError(msg)

    def _check_storage(self, used: Iterable[str], master: str) -> None:
        """Refuse to spread a run over machines of which each would write to a disk of its own."""
        if is_on_this_machine(master) or self._storage_is_shared:
            return
        shared = sorted(
            {*used} - {self._project.raw.dataset if self._project else ""}
        )  # that one is read by the driver alone
        paths = {name: self._conf_catalog[name].get("filepath", "") for name in shared}
        if local := [name for name, path in paths.items() if path and (_is_local(path) or path.startswith("file:"))]:
            msg = (
                f"{local[0]}: {_short(paths[local[0]])} is a path of this machine, and {master} works on others: they "
                "do not find what is there, and what they write would be lost. Give a storage that all share, as "
                "--params=storage=hdfs://… or in globals.yml. Where the path is a mount that all have, set "
                "storage_is_shared: true in globals.yml."
            )
            raise SparkError(msg)

    def _check_parameter_names(self, names: Iterable[str]) -> None:
        known = RUNTIME_PARAMETERS | {
            _block(name) for pipeline in registered.values() for name in pipeline.inputs() if name.startswith(PARAMETER)
        }
        for name in sorted({_block(name) for name in names} - known):
            files = [
                _short(str(path))
                for path in sorted(self._conf_source.rglob("parameters*.yml"))
                if name in (yaml.safe_load(path.read_text(encoding="utf-8")) or {})
            ]
            msg = f"{', '.join(files) or '--params'}: no pipeline has a parameter {name!r}. {suggest(name, known)}"
            raise ParameterValidationError(msg)

    def _check_parameters_are_set(self, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
        taken = {name for name in pipeline.inputs() if name.startswith(PARAMETER)}
        if missing := sorted({_block(name) for name in taken if name not in catalog}):
            files = ", ".join(f"parameters_{name}.yml" for name in missing)
            msg = (
                f"the run takes the parameters {', '.join(missing)}, and no file sets them. Put {files} into conf/base."
            )
            raise ParameterValidationError(msg)

    def _missing(self, name: str, path: str) -> str:
        return f"{name}: there is no {_short(path)}. {self._how_to_get(name, path)}"

    def _how_to_get(self, name: str, path: str) -> str:
        if self._project is not None and name == self._project.raw.dataset:
            told = self._project.raw.how_to_get
            text = told if isinstance(told, str) else told.get(Path(path).name, told.get(name, ""))
            return text.replace("{command}", COMMAND)
        makers = sorted(key for key, made in registered.items() if name in made.all_outputs() and key != "__default__")
        if not makers:
            return "No pipeline makes it: put it there."
        return f"Run `{self._command} --pipelines={makers[0]}` to make it."


def _end_at_once() -> None:
    """Keep Python from looking for circles among all its objects as it ends, for half a second.

    DuckDB counts on that, and tells of what is not freed as a leak.
    """
    if "duckdb" not in sys.modules:
        gc.freeze()


def _block(name: str) -> str:
    """Give the top-level name of `params:block.key`."""
    return name.removeprefix(PARAMETER).split(".")[0]


def _type_of_table(config: dict[str, Any]) -> str:
    """Give the type of a dataset, or of the one that it loads with."""
    of_table: str = config.get("table", config)["type"]
    return of_table


def _is_local(path: str) -> bool:
    """Say whether a path is one of this machine's."""
    return "://" not in path


def _short(path: str) -> str:
    """Give a path as a person would type it from here."""
    return str(Path(path).relative_to(Path.cwd())) if Path(path).is_relative_to(Path.cwd()) else path


hooks = RunHooks()
"""What Kedro registers by the entry point `kedro.hooks`."""
