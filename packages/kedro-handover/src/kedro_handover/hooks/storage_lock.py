"""One run at a time writes to a storage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from kedro.framework.hooks import hook_impl
from kedro.io import DatasetError

from kedro_handover.errors import ConfigurationError
from kedro_handover.hooks.base import ProjectHooks, is_local, shorten_path

if TYPE_CHECKING:
    from collections.abc import Generator

    from kedro.framework.context import KedroContext

LOCK_FILE = ".lock"
"""Stands in the root of a storage. The system lets go of it however a process ends, and it stays there."""

PATTERN_SIGNS = "*?[]{}"


class StorageLockHooks(ProjectHooks):
    """Refuses to write where another run writes: each would read what the other has written."""

    def __init__(self) -> None:
        super().__init__()
        self._storage = ""
        self._lock: FileLock | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Find the root of the storage.

        Args:
            context: The project's context.

        Raises:
            ConfigurationError: If it is no text, is empty, or has signs of a pattern.
        """
        super().after_context_created(context)
        self._storage = ""
        if not self._is_active:
            return
        loader = context.config_loader
        given = loader.runtime_params or {}
        where = "--params" if "storage" in given else "globals.yml"
        storage = given["storage"] if "storage" in given else loader["globals"].get("storage")
        if isinstance(storage, Path):
            storage = str(storage)
        _check_storage(storage, where)
        self._storage = storage if not is_local(storage) else str(Path(context.project_path) / storage)

    @hook_impl(wrapper=True, tryfirst=True)
    def before_pipeline_run(self) -> Generator[None, Any, Any]:
        """Lock the storage after all other hooks have agreed to the run, so that a run that is refused writes nothing.

        Yields:
            To the other hooks.

        Raises:
            DatasetError: If the storage can't be written to.
            ConfigurationError: If another run writes there.
        """
        result = yield
        if self._is_active:
            self._acquire()
        return result

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Release the lock."""
        self._release()

    @hook_impl
    def on_pipeline_error(self) -> None:
        """Release the lock."""
        self._release()

    def _acquire(self) -> None:
        self._release()  # that of a run in this process that was interrupted
        if not is_local(self._storage):
            return
        lock = FileLock(Path(self._storage) / LOCK_FILE, thread_local=False)
        try:
            Path(self._storage).mkdir(parents=True, exist_ok=True)
            lock.acquire(blocking=False)
        except Timeout as error:
            msg = (
                f"{shorten_path(self._storage)}: another run writes there. Wait for its end, or give this one a "
                "storage of its own: --params=storage=…"
            )
            raise ConfigurationError(msg) from error
        except OSError as error:
            msg = f"{shorten_path(self._storage)} can't be written to: {error.strerror}. Give another storage."
            raise DatasetError(msg) from error
        self._lock = lock

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _check_storage(storage: Any, where: str) -> None:
    if not isinstance(storage, str):
        what = "empty" if storage is None else f"{storage!r}, which is no text"
        msg = f"{where}: storage is {what}. Give a folder or a URL; in YAML, put what looks like a number in quotes."
        raise ConfigurationError(msg)
    if not storage.strip():
        msg = f"{where}: storage is empty. Give a folder or a URL."
        raise ConfigurationError(msg)
    if sign := next((sign for sign in PATTERN_SIGNS if sign in storage), None):
        msg = f"{storage} has a {sign}: engines would take it for several folders. Give another storage."
        raise ConfigurationError(msg)


hooks = StorageLockHooks()
"""What Kedro registers by an entry point `kedro.hooks`."""
