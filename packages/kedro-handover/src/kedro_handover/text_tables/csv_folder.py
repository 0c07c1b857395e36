"""Read a folder of CSV files as one text table: its parts in the order of their paths, each with its own header."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NoReturn

from kedro_handover.text_tables.batches import ROW_NUMBER
from kedro_handover.text_tables.csv_reader import open_csv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa
    from fsspec import AbstractFileSystem

    from kedro_handover.text_tables.batches import Refuse
    from kedro_handover.text_tables.csv_reader import CsvOptions


def open_text(
    fs: AbstractFileSystem, path: str, options: CsvOptions, refuse: Refuse
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Open a CSV, or a folder of them.

    Args:
        fs: The file system.
        path: The file or folder.
        options: How they are written.
        refuse: Raises an error that names the file.

    Returns:
        The schema, and the batches, which are read as they are asked for. Rows are numbered through all parts; the
        headers of the second part and those after it are not counted.
    """
    if not fs.isdir(path):
        return open_csv(fs, path, options, refuse)
    parts = list_parts(fs, path, refuse)
    schema, _ = open_part(fs, parts[0], options, refuse)

    def read(part: str) -> Iterator[pa.RecordBatch]:
        return open_part(fs, part, options, refuse, schema)[1]

    return schema, _read_parts(read, parts, count_before_first(options))


def list_parts(fs: AbstractFileSystem, path: str, refuse: Refuse) -> list[str]:
    """List the parts of a folder: files that are not empty, and not hidden by a point or a line before a name.

    Args:
        fs: The file system.
        path: The folder.
        refuse: Raises an error that names the folder.

    Returns:
        Their paths, in order.
    """
    found = fs.find(path, detail=True)
    parts = sorted(
        name
        for name, info in found.items()
        if info["size"] and not any(one.startswith((".", "_")) for one in name.removeprefix(path).split("/"))
    )
    if not parts:
        refuse("is a folder without a CSV that has rows. Put the file, or its parts, there.")
    return parts


def open_part(
    fs: AbstractFileSystem, part: str, options: CsvOptions, refuse: Refuse, schema: pa.Schema | None = None
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Open one part of a folder.

    Args:
        fs: The file system.
        part: Its path.
        options: How it is written.
        refuse: Raises an error that names the folder.
        schema: That of the first part, which it has to have.

    Returns:
        The schema, and the batches, numbered as those of a file of its own.
    """
    refuse_part = partial(_refuse_part, part=part.rpartition("/")[2], refuse=refuse)
    found, batches = open_csv(fs, part, options, refuse_part)
    if schema is not None and found.names != schema.names:
        refuse(f"has parts with other columns: {part} is one. Make them alike.")
    return found, batches


def count_before_first(options: CsvOptions) -> int:
    """Count the lines of a file that are numbered before its first row.

    Args:
        options: How it is written.
    """
    return options.skip_rows + (options.column_names is None)


def _refuse_part(reason: str, *, part: str, refuse: Refuse) -> NoReturn:
    refuse(f"has a part {part}, which {reason}")


def _read_parts(
    read: Callable[[str], Iterator[pa.RecordBatch]], parts: list[str], before: int
) -> Iterator[pa.RecordBatch]:
    """Read part after part, and number the rows through."""
    import pyarrow.compute as pc

    last = before
    for part in parts:
        added = last - before
        for batch in read(part):
            numbers = pc.add(batch[ROW_NUMBER], added)
            last = max(last, pc.max(numbers).as_py() or 0)
            yield batch.set_column(0, batch.schema.field(ROW_NUMBER), numbers)
