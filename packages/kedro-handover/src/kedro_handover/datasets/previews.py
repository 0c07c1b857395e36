"""What a table shows of itself in kedro-viz: no engine starts, and the table is not read as a whole."""

from __future__ import annotations

from itertools import islice
from typing import Any

from fsspec.core import url_to_fs
from kedro_datasets._typing import TablePreview

ROWS = 5
BUFFER_BYTES = 2**16
"""So much of a column is read at once."""


def preview_table(filepath: str, **credentials: Any) -> TablePreview:
    """Show the first rows of a table, whichever engine wrote it.

    Args:
        filepath: A Parquet file, or a folder of them, partitioned or not; a path or a URL that fsspec knows.
        credentials: Those of its file system.

    Returns:
        The rows, as kedro-viz shows them.
    """
    from pyarrow import dataset, parquet

    fs, path = url_to_fs(filepath, **credentials)
    # Below the table alone: a folder on the way there that is named like a partition is not one.
    options: dict[str, Any] = {"partitioning": "hive", "partition_base_dir": path}
    table = dataset.dataset(path, format="parquet", filesystem=fs, **options)
    rows: list[dict[str, Any]] = []
    for part in table.get_fragments():
        keys = dataset.get_partition_keys(part.partition_expression)
        with fs.open(part.path) as file:  # the `head` of Arrow would read ahead
            opened = parquet.ParquetFile(file, buffer_size=BUFFER_BYTES, pre_buffer=False)
            batches = islice(opened.iter_batches(batch_size=ROWS), 1)
            rows += [{**row, **keys} for batch in batches for row in batch.to_pylist()]
        if len(rows) >= ROWS:
            break
    return show_rows(rows[:ROWS], table.schema.names)


def show_rows(rows: list[dict[str, Any]], columns: list[str]) -> TablePreview:
    """Put rows into the form that kedro-viz shows.

    Args:
        rows: A few rows.
        columns: The names of their columns.

    Returns:
        The rows, numbered from 0.
    """
    data = [[row[column] for column in columns] for row in rows]
    return TablePreview({"index": list(range(len(rows))), "columns": columns, "data": data})
