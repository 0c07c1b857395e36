"""Spark is set up where an environment has settings for it, started where a run needs it, and watched as it works."""

from __future__ import annotations

import atexit
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from kedro.config import MissingConfigException
from kedro.framework.hooks import hook_impl

from kedro_handover.errors import SparkError
from kedro_handover.hooks.base import ProjectHooks, is_local, load_project, shorten_path
from kedro_handover.spark.progress import StageProgress
from kedro_handover.spark.row_local import is_on_polars
from kedro_handover.spark.session import configure_spark, get_master, get_spark, is_on_this_machine

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from kedro.framework.context import KedroContext
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node

SPARK_DATASETS = (
    "spark.",
    "kedro_datasets.spark.",
    "kedro_handover.datasets.spark_table_dataset.",
    "kedro_handover.text_tables.spark_dataset.",
    "kedro_handover.text_tables.lake_dataset.",
    "kedro_handover.datasets.mllib_model_dataset.",
    "kedro_handover.datasets.mojo_model_dataset.",
    "kedro_handover.datasets.release_dataset.ReleasedModelDataset",
)
"""How the types of the datasets begin that need a running Spark."""


class SparkHooks(ProjectHooks):
    """Starts Spark for the runs that need it, with the settings of the environment's `spark.yml`."""

    def __init__(self) -> None:
        super().__init__()
        self._has_settings = False
        self._storage_is_shared = False
        self._watch = ExitStack()
        self._progress: StageProgress | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Have every Spark session of this process made from `spark.yml`, where there is one; no Spark starts here.

        Args:
            context: The project's context.

        Raises:
            SparkError: If JAVA_HOME is set and has no Java.
        """
        super().after_context_created(context)
        self._has_settings = False
        if not self._is_active:
            return
        globals_ = context.config_loader["globals"]
        self._storage_is_shared = bool(globals_.get("storage_is_shared", False))
        try:
            settings = context.config_loader["spark"]
        except (KeyError, MissingConfigException):  # the environment's engine is another
            return
        configure_spark(settings)
        self._has_settings = True
        given = (context.config_loader.runtime_params or {}).get("storage")
        _use_hadoop([str(given)] if given else [str(globals_.get(name, "")) for name in ("storage", "raw_storage")])

    @hook_impl
    def after_catalog_created(self, conf_catalog: dict[str, Any]) -> None:
        """Keep the catalog's configuration, and look at the hosts of its places.

        Args:
            conf_catalog: The configuration, by dataset.

        Raises:
            ConfigurationError: If datasets lie on different hosts of one kind of Hadoop's file systems.
        """
        super().after_catalog_created(conf_catalog)
        if self._has_settings:
            _use_hadoop([self._get_path(name) for name in conf_catalog])

    @hook_impl(wrapper=True)
    def before_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> Generator[None, Any, Any]:
        """Start Spark if the run has datasets of Spark's, after the other hooks have checked what they can without it.

        Args:
            pipeline: What is about to run.
            catalog: The catalog of the run.

        Yields:
            To the other hooks.

        Raises:
            SparkError: If the environment has no settings for Spark, it does not start, or its workers don't share the
                run's storage.
        """
        self._watch.close()  # of a run in this process that was interrupted
        self._progress = None
        used = pipeline.datasets() & self._conf_catalog.keys() if self._is_active else set()
        of_spark = sorted(name for name in used if self._get_type(name).startswith(SPARK_DATASETS))
        if of_spark and not self._has_settings:
            msg = f"{of_spark[0]} is Spark's, and this environment has no spark.yml. Try --env=prod."
            raise SparkError(msg)
        result = yield
        if of_spark:
            self._start(used, catalog)
        return result

    @hook_impl
    def before_dataset_loaded(self, node: Node) -> None:
        """Name the node for the bar and for Spark's pages, whose own names say where in the code a job was asked for.

        Args:
            node: What is about to run; its inputs may cost Spark jobs before.
        """
        self._name(node.name)

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Name a node without inputs of the catalog, too.

        Args:
            node: What is about to run.
        """
        self._name(node.name)

    @hook_impl(tryfirst=True)
    def after_pipeline_run(self) -> None:
        """Take the bar away before the results are shown."""
        self._watch.close()

    @hook_impl(tryfirst=True)
    def on_pipeline_error(self) -> None:
        """Take the bar away before the error is told."""
        self._watch.close()

    def _name(self, node: str) -> None:
        if self._progress is not None:
            self._progress.name(node)

    def _start(self, used: set[str], catalog: CatalogProtocol[Any, Any]) -> None:
        project = load_project(catalog)
        raw = project.raw.dataset if project else ""
        # Parquet and tables of a lake are read by the executors, a CSV by the driver.
        is_read_by_all = self._get_path(raw).endswith(".parquet") or "file_format" in self._conf_catalog.get(raw, {})
        read_by_driver = set() if is_read_by_all else {raw}
        self._check_storage(used - read_by_driver, get_master())
        spark = get_spark()
        is_on_polars(spark)  # what it is asked to be, and is not, ends a run here
        self._progress = self._watch.enter_context(StageProgress(spark.sparkContext))
        atexit.register(self._watch.close)  # Kedro tells no hook of Ctrl-C, and a bar hides the cursor

    def _get_type(self, name: str) -> str:
        """Give the type of a dataset, or of the one that it loads with."""
        config = self._conf_catalog[name]
        return str(config.get("table", config)["type"])

    def _check_storage(self, shared: Iterable[str], master: str) -> None:
        """Refuse to spread a run over machines of which each would write to a disk of its own."""
        if is_on_this_machine(master) or self._storage_is_shared:
            return
        paths = {name: self._get_path(name) for name in sorted(shared)}
        if local := [name for name, path in paths.items() if path and (is_local(path) or path.startswith("file:"))]:
            msg = (
                f"{local[0]}: {shorten_path(paths[local[0]])} is a path of this machine, and {master} works on others: "
                "they do not find what is there, and what they write would be lost. Give a storage that all share, as "
                "--params=storage=hdfs://… or in globals.yml. Where the path is a mount that all have, set "
                "storage_is_shared: true in globals.yml."
            )
            raise SparkError(msg)


def _use_hadoop(places: list[str]) -> None:
    if not all(map(is_local, places)):  # fsspec and kedro-datasets take their time to import
        from kedro_handover.datasets.hadoop_files import use_hadoop

        use_hadoop(places)


hooks = SparkHooks()
"""What Kedro registers by an entry point `kedro.hooks`."""
