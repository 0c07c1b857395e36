"""How datasets write what must be there whole or not at all, and what they say meanwhile."""

from __future__ import annotations

import glob
import logging
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fsspec.core import url_to_fs

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_PROGRESS = 10


@contextmanager
def atomic_path(filepath: str) -> Iterator[str]:
    """Give a place beside another; what is there at the end is renamed into it, and removed if something fails before.

    A file or a folder that another engine has written to the place is replaced, whichever of the two comes.

    Args:
        filepath: The place of a file or a folder: a path or a URL that fsspec knows.

    Yields:
        The place beside it, in the form of `filepath`.
    """
    fs, path = url_to_fs(filepath)
    folder, _, name = path.rpartition("/")
    fs.makedirs(folder, exist_ok=True)
    left_over = fs.glob(f"{glob.escape(folder)}/.{glob.escape(name)}.*")  # by runs that were killed
    beside = f".{name}.{secrets.token_hex(4)}"
    written = f"{folder}/{beside}"
    try:
        yield f"{filepath.removesuffix(name)}{beside}"
        if fs.isdir(path) or (fs.isdir(written) and fs.exists(path)):  # no file system renames a folder over anything
            fs.rm(path, recursive=True)
        fs.mv(written, path, recursive=fs.isdir(written))
    finally:
        for place in (*left_over, written):
            if fs.exists(place):
                fs.rm(place, recursive=True)


@contextmanager
def atomic_write(filepath: str, mode: str) -> Iterator[Any]:
    """Open a file beside a place; what is written is renamed into it, and removed if something fails before.

    Args:
        filepath: The place: a path or a URL that fsspec knows.
        mode: "w" for text in UTF-8, "wb" for bytes.

    Yields:
        The open file.
    """
    with atomic_path(filepath) as written:
        fs, path = url_to_fs(written)
        with fs.open(path, mode, **({} if "b" in mode else {"encoding": "utf-8"})) as file:
            yield file


def prefetch(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Fetch each batch on another thread while the one before it is worked on.

    Args:
        batches: The batches.

    Yields:
        Each batch.
    """
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = thread.submit(next, batches, None)
            yield batch


def with_progress(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Pass batches on, with a line in the log now and then.

    Args:
        reader: The batches; `rows` in the schema's metadata, where it is there, is their total.

    Yields:
        Each batch.
    """
    total = int((reader.schema.metadata or {}).get(b"rows", 0))
    started = logged = time.monotonic()
    done = 0
    for batch in reader:
        yield batch
        done += batch.num_rows
        now = time.monotonic()
        if now - logged >= SECONDS_BETWEEN_PROGRESS:
            logged = now
            of_total = f" of {total:,}" if total else ""
            logger.info("%s%s rows written, %s rows/s", f"{done:,}", of_total, f"{done / (now - started):,.0f}")
