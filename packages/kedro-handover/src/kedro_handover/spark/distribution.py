"""Count the values of many columns on Spark, in queries that do not grow with them.

As expressions of DataFrames, the bins of 1,000 columns are tens of thousands of calls from Python to Java. Here cells
become rows first, and the bounds of all bins are one literal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals.stable.v2 as nw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pyspark.sql import DataFrame


def find_ranges(frame: DataFrame, columns: Sequence[str]) -> dict[str, tuple[float | None, float | None]]:
    """Find the lowest and the highest value of each column.

    Args:
        frame: Has the columns.
        columns: Columns of numbers.

    Returns:
        Both of each column; None where it has nulls alone.
    """
    from pyspark.sql import functions as F  # noqa: N812 - the name that Spark's own guides use

    ranges = _unpivot(frame, columns).groupBy("place").agg(F.min("value").alias("low"), F.max("value").alias("high"))
    found = {row["place"]: (row["low"], row["high"]) for row in ranges.collect()}
    return {name: found.get(place, (None, None)) for place, name in enumerate(columns)}


def count_steps(frame: DataFrame, steps: Mapping[str, tuple[float, float]]) -> Iterator[tuple[str, int | None, int]]:
    """Count the rows of each column by how many steps their value is above a start.

    Args:
        frame: Has the columns.
        steps: The start and the length of a step of each column.

    Yields:
        The column, the number of whole steps (None of a null), and the rows.
    """
    starts, lengths = (_write([step[part] for step in steps.values()]) for part in (0, 1))
    return _count(frame, list(steps), f"CAST(floor((value - {starts}[place]) / {lengths}[place]) AS BIGINT)")


def count_bins(frame: DataFrame, ends: Mapping[str, Sequence[float] | None]) -> Iterator[tuple[str, int | None, int]]:
    """Count the rows of each column by bins, or by whole numbers where it has none.

    Args:
        frame: Has the columns.
        ends: The lowest value of the first bin of each column, and the highest of each; None: its values are codes.

    Yields:
        The column, the number of the bin (0 is below the first) or the code, None of a null, and the rows.
    """
    bounds = ", ".join("NULL" if of_one is None else _write(of_one) for of_one in ends.values())
    of_one = f"array({bounds})[place]"
    above = f"size(filter({of_one}, (end, n) -> value > end OR (n = 0 AND value = end)))"
    code = "CAST(value AS BIGINT)"
    bin_or_code = code if not any(ends.values()) else f"IF({of_one} IS NULL, {code}, IF(value IS NULL, NULL, {above}))"
    return _count(frame, list(ends), bin_or_code)


def _count(frame: DataFrame, columns: list[str], integer: str) -> Iterator[tuple[str, int | None, int]]:
    counted = _unpivot(frame, columns).selectExpr("place", f"{integer} AS whole").groupBy("place", "whole").count()
    found = nw.from_native(counted).collect("pyarrow")
    places, wholes, rows = (found[name].to_list() for name in ("place", "whole", "count"))
    return ((columns[place], whole, of_whole) for place, whole, of_whole in zip(places, wholes, rows, strict=True))


def _unpivot(frame: DataFrame, columns: Sequence[str]) -> DataFrame:
    """Make a row of each cell: the place of its column, and its value."""
    cells = ", ".join("CAST(`{}` AS DOUBLE)".format(name.replace("`", "``")) for name in columns)
    return frame.selectExpr(f"posexplode(array({cells})) AS (place, value)")


def _write(numbers: Sequence[float]) -> str:
    """Write numbers as one literal of SQL, each with all of its digits."""
    return f"array({', '.join(f'{float(number)!r}D' for number in numbers)})"
