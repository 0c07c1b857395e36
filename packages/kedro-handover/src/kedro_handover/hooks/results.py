"""Results are shown when a run is over: a row for each model, how long it took, and where the reports are."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from kedro_handover.hooks.base import ProjectHooks, load_project, shorten_path

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node

logger = logging.getLogger(__name__)

SECONDS_FILE = "KEDRO_HANDOVER_SECONDS"
"""The environment variable that tells the processes of `ParallelRunner` where to write the seconds of their nodes."""


class ResultsHooks(ProjectHooks):
    """Times the nodes of a run, and shows its results in the terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._began: dict[str, float] = {}
        self._seconds: dict[str, float] = {}
        self._process = 0

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any]) -> None:
        """Set the clock to nought.

        Args:
            run_params: How the run was started. `ParallelRunner` runs nodes, and their hooks, in processes of its own:
                they write their seconds to a file.
        """
        self._began, self._seconds, self._process = {}, {}, os.getpid()
        os.environ.pop(SECONDS_FILE, None)
        if self._is_active and "ParallelRunner" in str(run_params.get("runner")):
            handle, os.environ[SECONDS_FILE] = tempfile.mkstemp(prefix="kedro-handover-", suffix=".seconds")
            os.close(handle)

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Start the clock of a node.

        Args:
            node: What is about to run.
        """
        self._began[node.name] = perf_counter()

    @hook_impl
    def after_dataset_saved(self, node: Node) -> None:
        """Stop the clock of a node; engines that are lazy do their work while its output is saved.

        Args:
            node: Whose output has been saved.
        """
        self._seconds[node.name] = perf_counter() - self._began[node.name]
        file = os.environ.get(SECONDS_FILE)
        if file and os.getpid() != self._process:
            with Path(file).open("a", encoding="utf-8") as lines:
                lines.write(f"{self._seconds[node.name]!r} {node.name}\n")

    @hook_impl(trylast=True)
    def after_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
        """Print a row for each model that this run has measured, and where the reports are.

        Args:
            pipeline: What has run.
            catalog: The catalog of the run.
        """
        self._collect_seconds()
        if not self._is_active:
            return
        atexit.register(_end_at_once)
        outputs = sorted(pipeline.all_outputs(), key=lambda name: (not name.startswith("research_"), name))
        metrics = {name.removesuffix("_metrics"): catalog.load(name) for name in outputs if name.endswith("_metrics")}
        reports = [shorten_path(self._get_path(name)) for name in outputs if name.endswith("_report")]
        for name in outputs:
            if name.endswith("_scores"):
                logger.info("Scores: %s", shorten_path(self._get_path(name)))
        project = load_project(catalog)
        if metrics and project is not None and "row_counts" in catalog:
            from kedro_handover.reporting.console import print_results

            parity = catalog.load("parity") if "parity" in outputs else {}
            agreement = {model: one["agreement"] for model, one in parity.items() if "agreement" in one}
            seconds = {model: self._sum_seconds(pipeline, model) for model in metrics}
            known = {model: sum_ for model, sum_ in seconds.items() if sum_ is not None}
            print_results(metrics, catalog.load("row_counts"), reports, project, agreement, known)
        else:
            for report in reports:
                logger.info("Report: %s", report)

    @hook_impl
    def on_pipeline_error(self, pipeline: Pipeline) -> None:
        """Say where the reports are that may show why a run has failed.

        Args:
            pipeline: What was running.
        """
        self._collect_seconds()
        if not self._is_active:
            return
        done = {name for node in pipeline.nodes if node.name in self._seconds for name in node.outputs}
        for name in sorted(done):
            if name.endswith("_report"):
                logger.info("Report: %s", shorten_path(self._get_path(name)))

    def _collect_seconds(self) -> None:
        """Read what processes of `ParallelRunner` have written."""
        if file := os.environ.pop(SECONDS_FILE, None):
            for line in Path(file).read_text(encoding="utf-8").splitlines():
                seconds, _, name = line.partition(" ")
                self._seconds[name] = float(seconds)
            Path(file).unlink()

    def _sum_seconds(self, pipeline: Pipeline, model: str) -> float | None:
        """Add up the seconds of a model's nodes, which have its name as a tag; None where nobody has timed them."""
        names = {node.name for node in pipeline.nodes if model in node.tags}
        timed = [self._seconds[name] for name in names & self._seconds.keys()]
        return sum(timed) if timed else None


def _end_at_once() -> None:
    """Keep Python from looking for circles among all its objects as it ends, for half a second.

    DuckDB counts on that, and tells of what is not freed as a leak.
    """
    if "duckdb" not in sys.modules:
        gc.freeze()


hooks = ResultsHooks()
"""What Kedro registers by an entry point `kedro.hooks`."""
