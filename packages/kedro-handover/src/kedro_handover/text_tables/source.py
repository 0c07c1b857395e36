"""Which table, in which version, raw rows are of: it goes with the rows, as a note on their number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from kedro_handover.text_tables.batches import ROW_NUMBER

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SOURCE = "source"
"""The key of the note."""

Source: TypeAlias = dict[str, Any]
"""The `table`, its `format`, and the number of its `version`; nothing of a file."""


def describe_as(rows: DataFrame, source: Source) -> DataFrame:
    """Note down what rows are of.

    Args:
        rows: A text table on Spark.
        source: What JSON can hold.
    """
    return rows.withMetadata(ROW_NUMBER, {SOURCE: source})


def describe_source(table: Any) -> Source:
    """Say which table raw rows are of, and in which version.

    Args:
        table: A text table as a dataset gives it: batches of Arrow's, or a frame of the engine that reads it.

    Returns:
        `table` (its place or name), `format` and `version` (a number, or None where the format has none) of a table of
        a lake or a database; nothing of a file.
    """
    schema = table.schema
    field = schema[ROW_NUMBER] if hasattr(table, "sparkSession") else None
    return dict(field.metadata.get(SOURCE, {})) if field is not None else {}
