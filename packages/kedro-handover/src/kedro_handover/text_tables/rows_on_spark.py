"""Any table on Spark as a text table: cells as text, rows numbered by what they hold, damaged text refused."""

from __future__ import annotations

import logging
from itertools import accumulate
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812 - the name that Spark's own guides use
from pyspark.sql import types as T  # noqa: N812

from kedro_handover.spark.session import get_spark
from kedro_handover.text_tables.batches import MALFORMED_LINE, ROW_NUMBER, check_names

if TYPE_CHECKING:
    from kedro_handover.text_tables.batches import Refuse

logger = logging.getLogger(__name__)

SEPARATOR = "\x01"
"""Stands between the texts of a row where all are looked at together, so that two of them do not make a letter."""

HASH, BUCKET, ROWS_BEFORE, ROWS_IN_BUCKET = "_hash", "_bucket", "_rows_before", "_rows_in_bucket"

BUCKETS = 1_024
"""So many parts of the rows are counted, and each is sorted by one task: a billion rows are a million in each."""

NESTED = (T.ArrayType, T.MapType, T.StructType)
OF_SEVERAL_TEXTS = (T.FloatType, T.DoubleType, T.DecimalType, T.TimestampType, T.TimestampNTZType)
"""Types whose values engines write as different texts, such as 5.0 or a time of day."""


def to_texts(table: DataFrame, place: str, refuse: Refuse) -> DataFrame:
    """Write the cells of a table as text, as Spark does; nested columns are left out.

    Args:
        table: Any table on Spark.
        place: What it is called in the log.
        refuse: Raises an error that names the table.
    """
    check_names(table.columns, refuse)
    columns = [field for field in table.schema if not isinstance(field.dataType, NESTED)]
    if several := [field.name for field in columns if isinstance(field.dataType, OF_SEVERAL_TEXTS)]:
        logger.warning(
            "%s: %s is a number with a fraction or a time, and comes as Spark writes it. Other engines write such "
            "values as other texts: for research on a copy of the table, copy them as text.",
            place,
            ", ".join(several),
        )
    return table.select(*(column_of(field.name).cast("string").alias(field.name) for field in columns))


def number_rows(texts: DataFrame, refuse: Refuse) -> DataFrame:
    """Number rows by what they hold: in the order of their hash and, where that is the same, of their texts.

    The rows are counted once, by parts of the hash, and then read again.

    Args:
        texts: Columns of text.
        refuse: Raises an error that names the table.

    Returns:
        `row_number` (from 1), `malformed_line` (null) and the columns. A job that meets a damaged text, or more rows
        than were counted, ends.
    """
    columns = [column_of(name) for name in texts.columns]
    hashed = texts.select("*", F.xxhash64(*columns).alias(HASH))
    in_buckets = hashed.select("*", F.pmod(HASH, F.lit(BUCKETS)).cast("int").alias(BUCKET))
    counted = sorted(map(tuple, in_buckets.groupBy(BUCKET).count().collect()))
    rows_before = accumulate((rows for _, rows in counted), initial=0)
    offsets = [(bucket, before, rows) for (bucket, rows), before in zip(counted, rows_before, strict=False)]
    known = get_spark().createDataFrame(offsets, f"{BUCKET} int, {ROWS_BEFORE} long, {ROWS_IN_BUCKET} long")
    position = F.row_number().over(Window.partitionBy(BUCKET).orderBy(HASH, *columns))
    # No number is given twice, or by chance.
    more = F.raise_error(F.lit("The table was changed while it was read. Run again.")).cast("long")
    number = F.when(position <= F.col(ROWS_IN_BUCKET), F.col(ROWS_BEFORE) + position).otherwise(more)
    numbered = in_buckets.join(F.broadcast(known), on=BUCKET, how="left").select(
        number.alias(ROW_NUMBER), F.lit(None).cast("string").alias(MALFORMED_LINE), *columns
    )
    return refuse_damaged(numbered, texts.columns, refuse)


def refuse_damaged(rows: DataFrame, texts: list[str], refuse: Refuse) -> DataFrame:
    """Have a job end at a text that is not UTF-8 or has a null byte, as the reader of other engines does.

    Args:
        rows: A text table.
        texts: The columns to look at.
        refuse: Raises an error that names the file or table.
    """
    together = F.concat_ws(SEPARATOR, *map(column_of, texts))
    reasons = {
        "holds a null byte in row {}: it is damaged. Download the file again.": together.contains("\0"),
        "can't be read as Parquet: row {} is not UTF-8.": ~_is_utf8(together),
    }
    sound: Column = F.lit(True)  # noqa: FBT003 - Spark's
    for reason, is_damaged in reasons.items():
        sentence = F.concat(*_around(_say(reason, refuse)))
        sound = F.when(is_damaged, F.raise_error(sentence).cast("boolean")).otherwise(sound)
    return rows.filter(sound)


def column_of(name: str) -> Column:
    """Give the column of a name that may have any signs.

    Args:
        name: The name, as it stands in the schema.
    """
    return F.col(f"`{name.replace('`', '``')}`")


def _around(sentence: str) -> list[Column]:
    """Put the number of the row into a sentence."""
    before, after = sentence.split("{}")
    return [F.lit(before), F.format_number(ROW_NUMBER, 0), F.lit(after)]


def _say(reason: str, refuse: Refuse) -> str:
    """Give the sentence with which a file would be refused."""
    try:
        refuse(reason)
    except Exception as error:  # noqa: BLE001 - whichever it raises
        return str(error)


def _is_utf8(text: Column) -> Column:
    if hasattr(F, "is_valid_utf8"):  # Spark 4
        is_valid: Column = F.is_valid_utf8(text)
        return is_valid
    # What is not UTF-8 is decoded to other letters.
    return F.decode(text.cast("binary"), "UTF-8") == text
