"""Hold raw rows to a contract: every one of them is valid, or rejected with its reasons.

The nodes work on every engine. Rules reach them as data: the records that `kedro_handover.contract.list_rules` gives.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from textwrap import shorten
from typing import Any

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoFrame, IntoFrameT

from kedro_handover.contract import RuleRecord, count_outcomes, is_rejected, name_errors
from kedro_handover.errors import DataError
from kedro_handover.formatting import describe_rows
from kedro_handover.lazy_types import RecordBatchReader
from kedro_handover.text import trim_text

logger = logging.getLogger(__name__)

COLUMNS_SHOWN, NAME_SHOWN = 8, 40
"""So many columns are named in a message, and so many letters of each."""


def take_columns(
    table: RecordBatchReader | IntoFrameT,
    columns: Sequence[str],
    dataset: str,
    advice: str = "Use a file that has them.",
) -> RecordBatchReader | IntoFrameT:
    """Take columns of a text table, part by part; their order in the file does not matter.

    Args:
        table: `row_number`, `malformed_line` and the columns of the file, as text: batches of Arrow's, or a frame of
            the engine that reads the file.
        columns: Those of the file to take.
        dataset: What the table is called in messages.
        advice: What to do where columns are missing.

    Returns:
        `row_number`, `malformed_line` and the columns, as the table came.

    Raises:
        DataError: If columns are missing, or the table has no rows.
    """
    import pyarrow as pa

    row_number, malformed_line, *found = name_columns(table)
    unknown = [name for name in found if name not in columns]
    if missing := [name for name in columns if name not in found]:
        msg = (
            f"{dataset}: {len(missing)} of {len(columns)} columns are missing: {list_columns(missing)}. "
            f"Not known: {list_columns(unknown) or 'none'}. {advice}"
        )
        raise DataError(msg)
    if unknown:
        logger.info("%s: left out, as nobody knows such columns: %s.", dataset, list_columns(unknown))
    taken = [row_number, malformed_line, *columns]
    is_batches = isinstance(table, pa.RecordBatchReader)
    some = _take_from_batches(table, taken) if is_batches else _take_from_frame(table, taken)
    if some is None:
        msg = f"{dataset}: there are column names and no rows. Download the file again."
        raise DataError(msg)
    return some


def name_columns(table: RecordBatchReader | IntoFrame) -> list[str]:
    """Name the columns of a text table.

    Args:
        table: Batches of Arrow's, or a frame of the engine that reads the file.
    """
    import pyarrow as pa

    if isinstance(table, pa.RecordBatchReader):
        return list(table.schema.names)
    return nw.from_native(table).collect_schema().names()


def _take_from_batches(table: RecordBatchReader, columns: list[str]) -> RecordBatchReader | None:
    import pyarrow as pa

    schema = pa.schema([table.schema.field(name) for name in columns])
    parts = (batch.select(columns) for batch in table if batch.num_rows)
    first = next(parts, None)
    return None if first is None else pa.RecordBatchReader.from_batches(schema, chain([first], parts))


def _take_from_frame(table: IntoFrameT, columns: list[str]) -> IntoFrameT | None:
    frame = nw.from_native(table)
    first = frame.lazy().select("row_number").head(1).collect()
    return frame.select(columns).to_native() if len(first) else None


def list_columns(columns: Sequence[str]) -> str:
    """List columns for a message, which stays short: the first of them, and how many more there are.

    Args:
        columns: Their names.
    """
    shown = ", ".join(shorten(column, NAME_SHOWN, placeholder=" …") for column in columns[:COLUMNS_SHOWN])
    return f"{shown} and {len(columns) - COLUMNS_SHOWN} more" if len(columns) > COLUMNS_SHOWN else shown


def count_labels(raw_rows: IntoFrame, dataset: str, column: str, classes: Sequence[str]) -> dict[str, int]:
    """Count the rows by their label as it stands in the file, and refuse to learn from one class only.

    Args:
        raw_rows: All columns as text.
        dataset: What the table is called in messages.
        column: The label's.
        classes: The two texts that both have to be there: the positive and the negative class.

    Returns:
        The rows of each text; that of rows without one is empty.

    Raises:
        DataError: If one of the classes is not there.
    """
    label = nw.from_native(raw_rows).lazy().select(label=trim_text(column))
    counted = label.group_by("label").agg(rows=nw.len()).collect("pyarrow")  # where null is None
    rows = Counter[str]()
    for text, of_text in zip(counted["label"].to_list(), counted["rows"].to_list(), strict=True):
        rows[text or ""] += int(of_text)
    if not all(rows[text] for text in classes):
        found = " and ".join(f"{rows[text]:,} have {column} '{text}'" for text in classes)
        msg = (
            f"{dataset}: a model needs rows of both classes, and of {sum(rows.values()):,} rows {found}. "
            "Use a file that has both."
        )
        raise DataError(msg)
    return dict(sorted(rows.items()))


def count_repeated_ids(ids: IntoFrameT) -> IntoFrameT:
    """Find the ids that more than one row has.

    Args:
        ids: One column; null where a row has no id.

    Returns:
        The column and `rows_of_id`, for ids that come more than once.
    """
    frame = nw.from_native(ids)
    (name,) = frame.collect_schema().names()
    return (
        frame.filter(~nw.col(name).is_null())
        .group_by(name)
        .agg(rows_of_id=nw.len())
        .filter(nw.col("rows_of_id") > 1)
        .select(name, nw.col("rows_of_id").cast(nw.Int64))
        .to_native()
    )


def select_rejected(raw_rows: IntoFrameT, checked_rows: IntoFrameT, rules: list[RuleRecord]) -> IntoFrameT:
    """Take the rows that violate a rule of severity "error", as they stand in the file.

    Args:
        raw_rows: All columns as text.
        checked_rows: `row_number` and `violations`.
        rules: The records of the rules.

    Returns:
        `violated_rules` (their names, with a comma and a space between), `row_number` (the row of the file; its header
        is 1), `malformed_line` (the text of a row with another number of fields than the header) and the raw columns.
    """
    raw = nw.from_native(raw_rows)
    rejected = (
        nw.from_native(checked_rows).filter(is_rejected(rules)).select("row_number", violated_rules=name_errors(rules))
    )
    columns = raw.collect_schema().names()
    return raw.join(rejected, on="row_number", how="inner").select("violated_rules", *columns).to_native()


def count_rejected(
    raw_rows: IntoFrame,
    checked_rows: IntoFrame,
    rejected_rows: IntoFrame,
    rules: list[RuleRecord],
    rejected_share: float,
) -> dict[str, Any]:
    """Account for every raw row, and refuse to go on if too many of them are rejected.

    Args:
        raw_rows: The rows as they were read.
        checked_rows: `violations` of each.
        rejected_rows: The rows that are rejected.
        rules: The records of the rules.
        rejected_share: So many of the rows may be rejected, 0 to 1.

    Returns:
        `rows_in`, `valid`, `rejected`, and `rules`: of each its `name`, `description`, `severity`, and the `rows` that
        violate it.

    Raises:
        DataError: If rows are unaccounted for, or the share of rejected rows is over the limit.
    """
    outcomes = nw.from_native(checked_rows).lazy().group_by("violations").agg(rows=nw.len())
    counted = {"rows_in": _count_rows(raw_rows), **count_outcomes(outcomes.collect().rows(named=True), rules)}
    rows_in, valid, rejected = counted["rows_in"], counted["valid"], counted["rejected"]
    if unaccounted := rows_in - valid - rejected:
        msg = f"{unaccounted:,} of {rows_in:,} rows are unaccounted for: run data_engineering again."
        raise DataError(msg)
    if (kept := _count_rows(rejected_rows)) != rejected:
        msg = f"{rejected:,} rows are rejected, and {kept:,} kept: run data_engineering again."
        raise DataError(msg)
    logger.info("%s", describe_rows(counted))
    for rule in counted["rules"]:
        if rule["rows"]:
            outcome = "rejected" if rule["severity"] == "error" else "kept"
            logger.warning(
                "%s: violated by %s rows, %s. %s", rule["name"], f"{rule['rows']:,}", outcome, rule["description"]
            )
    if not valid or rejected > rejected_share * rows_in:
        errors = sorted(
            (rule for rule in counted["rules"] if rule["severity"] == "error" and rule["rows"]),
            key=lambda rule: (-rule["rows"], rule["name"]),
        )
        reasons = ", ".join(f"{rule['name']} {rule['rows']:,}" for rule in errors)
        allowed = f"rejected_share allows {rejected_share:.2%}" if valid else "none is left"
        msg = (
            f"{rejected:,} of {rows_in:,} rows are rejected, and {allowed}: {reasons}. "
            "See rejected_rows, which has each of them with its reasons; nothing after it was written."
        )
        raise DataError(msg)
    return counted


def select_valid(
    checked_rows: IntoFrameT,
    rules: list[RuleRecord],
    rejections: dict[str, Any],  # noqa: ARG001 - too many rejected rows have ended the run before this
) -> IntoFrameT:
    """Take the rows that violate no rule of severity "error".

    Args:
        checked_rows: `row_number`, `violations` and typed columns.
        rules: The records of the rules.
        rejections: What `count_rejected` gives.

    Returns:
        The typed columns.
    """
    frame = nw.from_native(checked_rows)
    columns = [name for name in frame.collect_schema().names() if name not in {"row_number", "violations"}]
    return frame.filter(~is_rejected(rules)).select(*columns).to_native()


def _count_rows(frame: IntoFrame) -> int:
    return int(nw.from_native(frame).lazy().select(rows=nw.len()).collect()["rows"][0])
