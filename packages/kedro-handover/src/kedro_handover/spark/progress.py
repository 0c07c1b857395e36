"""Spark's progress: a bar in a terminal, a line in the log now and then."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

import rich

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from pyspark import SparkContext
    from rich.console import Console
    from rich.progress import Progress

LOOK_SECONDS = 0.5
"""How often Spark is asked."""

BAR_SECONDS = 2.0
"""How long Spark works before a bar is shown: shorter work would only make it flicker."""

LINE_SECONDS = 30.0
"""How often a line goes to the log while Spark works."""

IDLE = (
    "%s: no executor has taken one of %d tasks for %.0f s. Has the cluster free cores and memory for executors, and do "
    "they stay? Its pages and logs know this run as %s."
)

IDLE_SECONDS = 30.0
"""How long no executor works before that is said."""

DESCRIPTION = "spark.job.description"

logger = logging.getLogger(__name__)
file_logger = logging.getLogger(f"{__name__}.file")
"""In a terminal, where the bar is, the lines go to the log file alone."""


class StageProgress:
    """Watches Spark's stages from a thread of its own, from `with` to its end."""

    node = "loading"
    """The node that runs; a stage's own name in Spark is a line of code."""

    def __init__(self, context: SparkContext, console: Console | None = None) -> None:
        """Watch a running Spark.

        Args:
            context: Spark's context.
            console: Where the bar is shown, if it is a terminal; Rich's own, which the log goes to as well.
        """
        self._context = context
        self._tracker = context.statusTracker()
        self._console = console or rich.get_console()
        self._end = Event()
        self._thread = Thread(target=self._watch, name="stage progress", daemon=True)

    def name(self, node: str) -> None:
        """Say which node runs; Spark's pages and event logs have the name with each of its jobs.

        Args:
            node: Its name.
        """
        self.node = node
        self._context.setLocalProperty(DESCRIPTION, node)

    def __enter__(self) -> Self:
        """Start watching."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop watching, and remove the bar."""
        from py4j.protocol import Py4JError

        self._end.set()
        self._thread.join()
        with suppress(Py4JError, OSError):  # Spark may have ended, and nothing is named then
            self._context.setLocalProperty(DESCRIPTION, None)  # type: ignore[arg-type] # Java takes it away

    def _watch(self) -> None:
        from py4j.protocol import Py4JError

        started = logged = worked = 0.0
        bar: Progress | None = None
        try:
            while not self._end.wait(LOOK_SECONDS):
                now = time.monotonic()
                done, tasks, failed, running = self._count_tasks()
                if not tasks:
                    started = 0.0
                    if bar is not None:
                        bar.stop()
                        bar = None
                    continue
                if not started:
                    started = logged = worked = now
                if running:
                    worked = now
                if self._console.is_terminal and now - started >= BAR_SECONDS:
                    bar = bar or _start_bar(self._console)
                    bar.update(bar.task_ids[0], description=self.node, completed=done, total=tasks)
                if now - logged >= LINE_SECONDS:
                    logged = now
                    self._log(done, tasks, failed, seconds=now - started, idle_seconds=now - worked)
        except (Py4JError, OSError) as error:  # Spark has ended; who waits for its work gets the error
            logger.debug("Spark answers no more: %s", error)
        finally:
            if bar is not None:
                bar.stop()

    def _log(self, done: int, tasks: int, failed: int, *, seconds: float, idle_seconds: float) -> None:
        if idle_seconds >= IDLE_SECONDS:
            logger.warning(IDLE, self.node, tasks - done, idle_seconds, self._context.applicationId)
            return
        retried = f", {failed} failed and are retried" if failed else ""
        log = file_logger if self._console.is_terminal else logger
        log.info("%s: %d of %d tasks on Spark, %.0f s%s.", self.node, done, tasks, seconds, retried)

    def _count_tasks(self) -> tuple[int, int, int, int]:
        """Count the tasks of the stages that run: done, all, failed, and those that an executor has now."""
        stages = [self._tracker.getStageInfo(stage) for stage in self._tracker.getActiveStageIds()]
        found = [stage for stage in stages if stage is not None]
        return (
            sum(stage.numCompletedTasks for stage in found),
            sum(stage.numTasks for stage in found),
            sum(stage.numFailedTasks for stage in found),
            sum(stage.numActiveTasks for stage in found),
        )


def _start_bar(console: Console) -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), "tasks", TimeElapsedColumn())
    bar = Progress(*columns, console=console, transient=True)
    bar.add_task("", total=None)
    bar.start()
    return bar
