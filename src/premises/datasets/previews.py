"""What a table shows of itself in kedro-viz: no engine starts, and the table is not read as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fsspec.core import url_to_fs
from kedro_datasets._typing import TablePreview

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 5


def preview_table(filepath: str, **credentials: Any) -> TablePreview:
    """Show the first rows of a table, whichever engine wrote it.

    Args:
        filepath: A Parquet file, or a folder of them, partitioned or not; a path or a URL that fsspec knows.
        credentials: Those of its file system.

    Returns:
        The rows, as kedro-viz shows them.
    """
    from pyarrow import dataset

    fs, path = url_to_fs(filepath, **credentials)
    table = dataset.dataset(path, format="parquet", partitioning="hive", filesystem=fs)
    return show_rows(table.head(ROWS, batch_readahead=0, fragment_readahead=0))


def show_rows(rows: pa.Table | pa.RecordBatch) -> TablePreview:
    """Put rows into the form that kedro-viz shows.

    Args:
        rows: A few rows.

    Returns:
        The rows, with their columns' names, and numbers from 0.
    """
    data = [list(row.values()) for row in rows.to_pylist()]
    return TablePreview({"index": list(range(len(data))), "columns": rows.schema.names, "data": data})
