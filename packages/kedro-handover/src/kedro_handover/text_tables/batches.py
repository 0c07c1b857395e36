"""What the readers of CSV and Parquet have in common: the batches that they give, and how they refuse a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

ROW_NUMBER = "row_number"
MALFORMED_LINE = "malformed_line"
"""The columns that are added to those of the file."""

RENAMED = {name: f"{name}_in_file" for name in (ROW_NUMBER, MALFORMED_LINE)}
"""How a column in the header of a CSV is named that is called like one of those that are added."""


class Refuse(Protocol):
    """Raises an error that names the file and says what is wrong with it."""

    def __call__(self, reason: str) -> NoReturn:
        """Raise the error.

        Args:
            reason: The rest of a sentence that begins with the file: what is wrong, where, and what to do.
        """


def check_names(columns: Iterable[str], refuse: Refuse) -> None:
    """Refuse a file that has a column named like one of those that are added.

    Args:
        columns: The columns of the file.
        refuse: Raises the error.
    """
    if taken := {ROW_NUMBER, MALFORMED_LINE} & set(columns):
        refuse(f"has a column {taken.pop()!r}, which is a name of our own. Rename it.")


def make_schema(columns: list[str], types: list[pa.DataType]) -> pa.Schema:
    """Give the schema of a text table.

    Args:
        columns: The columns of the file.
        types: Their types.
    """
    import pyarrow as pa

    return pa.schema([(ROW_NUMBER, pa.int64()), (MALFORMED_LINE, pa.string()), *zip(columns, types, strict=True)])


def make_batch(numbers: Any, malformed: Any, cells: list[Any], schema: pa.Schema) -> pa.RecordBatch:
    """Put a batch of a text table together.

    Args:
        numbers: The numbers of the rows.
        malformed: The texts of malformed lines.
        cells: The columns of the file.
        schema: What `make_schema` gives.
    """
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([numbers, malformed, *cells], schema=schema)


def first_line(error: Exception) -> str:
    """Give the first line of what an error says."""
    return str(error).splitlines()[0]
