"""Read Parquet as a text table on Spark's executors: the rows, numbers and refusals of the other reader."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - the name that Spark's own guides use

from kedro_handover.datasets.hadoop_files import escape_pattern, spark_url
from kedro_handover.spark.session import get_spark
from kedro_handover.text_tables.batches import MALFORMED_LINE, ROW_NUMBER
from kedro_handover.text_tables.parquet_reader import is_text, open_parts
from kedro_handover.text_tables.rows_on_spark import refuse_damaged

if TYPE_CHECKING:
    import pyarrow as pa
    from fsspec import AbstractFileSystem
    from pyarrow import dataset

    from kedro_handover.text_tables.batches import Refuse

FILE, FIRST_ROW = "_file", "_first_row"
"""Columns of a part: where it lies, and the number of its first row."""


def read_parquet(fs: AbstractFileSystem, path: str, refuse: Refuse) -> DataFrame | None:
    """Read a Parquet file, or a folder of them, on Spark's executors.

    The driver reads the footers alone: they have the columns, and how many rows are in each part.

    Args:
        fs: The file system.
        path: The file or folder.
        refuse: Raises an error that names the file.

    Returns:
        `row_number`, `malformed_line`, and the columns of the file as text. None if a column is of a type whose values
        Spark and Arrow write as different texts, such as 5.0 or a time of day: only one reader may read those.
    """
    parts = open_parts(fs, path, refuse)
    fragments = list(parts.get_fragments())
    columns = [field for field in parts.schema if not _is_nested(field.type)]
    if not all(_has_one_text(part.physical_schema.field(field.name).type) for part in fragments for field in columns):
        return None
    # Parts of one schema are read together; Spark takes the types of all files that it reads together from one.
    alike: dict[Any, list[tuple[dataset.Fragment, int]]] = {}
    first_row = 1
    for part in fragments:
        alike.setdefault(part.physical_schema.remove_metadata(), []).append((part, first_row))
        first_row += part.count_rows()
    rows = reduce(DataFrame.unionAll, (_read_parts(fs, numbered, columns) for numbered in alike.values()))
    texts = [field.name for field in columns if is_text(field.type)]
    return refuse_damaged(rows, texts, refuse) if texts else rows


def _read_parts(
    fs: AbstractFileSystem, numbered: list[tuple[dataset.Fragment, int]], columns: list[pa.Field]
) -> DataFrame:
    """Read parts that have the same types."""
    spark = get_spark()
    paths = [spark_url(fs, part.path) for part, _ in numbered]
    schema = numbered[0][0].physical_schema
    files = spark.read.parquet(*map(escape_pattern, paths))
    place = files.select("*", F.col("_metadata.file_path").alias(FILE), F.col("_metadata.row_index").alias("_index"))
    first_rows = {urlsplit(path).path: first_row for path, (_, first_row) in zip(paths, numbered, strict=True)}
    # `_metadata.file_path` has file:/ where a path has file:///.
    names = {name: first_rows[unquote(urlsplit(name).path)] for name in files.inputFiles()}
    names |= {name.replace("file:///", "file:/", 1): first_row for name, first_row in names.items()}
    numbers = spark.createDataFrame(list(names.items()), f"{FILE} string, {FIRST_ROW} long")
    # A row of a part that is not known has no number, and the run ends: none is numbered by chance.
    number = F.coalesce(F.col(FIRST_ROW) + F.col("_index"), F.raise_error(F.lit("A part was added while it was read.")))
    return place.join(F.broadcast(numbers), on=FILE, how="left").select(
        number.alias(ROW_NUMBER),
        F.lit(None).cast("string").alias(MALFORMED_LINE),
        *(
            (F.lit(None) if _is_null(schema.field(field.name).type) else F.col(f"`{field.name}`"))
            .cast("string")
            .alias(field.name)
            for field in columns
        ),
    )


def _has_one_text(type_: pa.DataType) -> bool:
    """Say whether Spark and Arrow write each value of a type as the same text."""
    import pyarrow as pa

    same = (pa.types.is_integer, pa.types.is_boolean, pa.types.is_date32, pa.types.is_null, is_text)
    return any(is_of(type_) for is_of in same)


def _is_nested(type_: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_nested(type_))


def _is_null(type_: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_null(type_))
