"""Read a folder of CSV files on Spark's executors: each part by the reader of the other engines, in their Python."""

from __future__ import annotations

from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from kedro_handover.datasets.hadoop_files import escape_pattern, spark_url
from kedro_handover.spark.session import get_spark
from kedro_handover.text_tables.batches import ROW_NUMBER
from kedro_handover.text_tables.csv_folder import count_before_first, list_parts, open_part

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from fsspec import AbstractFileSystem
    from pyspark.sql import DataFrame

    from kedro_handover.text_tables.batches import Refuse
    from kedro_handover.text_tables.csv_reader import CsvOptions

PART, LAST_ROW = "part", "last_row"


def read_csv_folder(fs: AbstractFileSystem, path: str, options: CsvOptions, refuse: Refuse) -> DataFrame:
    """Read a folder of CSV files on executors that have this environment.

    Spark brings the bytes of each part to an executor, in whatever file system they are. They are read twice: the
    number of a row is known once the rows of all parts before its own are.

    Args:
        fs: The file system.
        path: The folder.
        options: How its parts are written.
        refuse: Raises an error that names the folder.

    Returns:
        `row_number`, `malformed_line`, and the columns of the parts as text.
    """
    from pyspark.sql.pandas.types import from_arrow_schema

    parts = list_parts(fs, path, refuse)
    schema, _ = open_part(fs, parts[0], options, refuse)
    places = [escape_pattern(spark_url(fs, part)) for part in parts]
    files: DataFrame = get_spark().read.format("binaryFile").load(places).select("path", "content")
    read = partial(_read_part, options=options, refuse=refuse, schema=schema)
    counted = files.mapInArrow(partial(_count, read=read), f"{PART} string, {LAST_ROW} long").collect()
    last_rows = {row[PART]: row[LAST_ROW] for row in sorted(counted)}
    before = count_before_first(options)
    rows_before = accumulate((last - before for last in last_rows.values()), initial=0)
    added = dict(zip(last_rows, rows_before, strict=False))
    return files.mapInArrow(partial(_number, read=read, added=added), from_arrow_schema(schema))


def _count(batches: Iterator[pa.RecordBatch], read: Any) -> Iterator[pa.RecordBatch]:
    """Find the number of the last row of each part; on an executor."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for part, content in _each(batches):
        last = max((pc.max(batch[ROW_NUMBER]).as_py() or 0 for batch in read(part, content)), default=0)
        yield pa.RecordBatch.from_pydict({PART: [part], LAST_ROW: pa.array([last], pa.int64())})


def _number(batches: Iterator[pa.RecordBatch], read: Any, added: dict[str, int]) -> Iterator[pa.RecordBatch]:
    """Read the rows of each part, numbered through all parts; on an executor."""
    import pyarrow.compute as pc

    for part, content in _each(batches):
        for batch in read(part, content):
            numbers = pc.add(batch[ROW_NUMBER], added[part])
            yield batch.set_column(0, batch.schema.field(ROW_NUMBER), numbers)


def _each(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[str, bytes]]:
    for batch in batches:
        for path, content in zip(batch["path"], batch["content"], strict=True):
            yield path.as_py(), content.as_py()


def _read_part(
    part: str, content: bytes, options: CsvOptions, refuse: Refuse, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    from fsspec.implementations.memory import MemoryFileSystem

    fs, place = MemoryFileSystem(), f"/{part.rpartition('/')[2]}"
    fs.pipe_file(place, content)
    try:
        yield from open_part(fs, place, options, refuse, schema)[1]
    finally:
        fs.rm_file(place)
