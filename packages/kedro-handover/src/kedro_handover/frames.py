"""Names of columns, and the way from an engine's frame to pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro_handover.lazy_types import DataFrame
from kedro_handover.tasks import list_scores

if TYPE_CHECKING:
    from collections.abc import Iterable

    import narwhals.stable.v2 as nw


PREDICTION_COLUMNS = ("id", "split", "group", "label", "probability", "prediction")


def prediction_columns(columns: Iterable[str]) -> list[str]:
    """Give the columns of a predictions table, in their order.

    Args:
        columns: Those that there are; `group` is optional, and of several classes each has a probability.
    """
    there = list(columns)
    *keys, prediction = [name for name in PREDICTION_COLUMNS if name in there and name != "probability"]
    return [*keys, *(name for name in list_scores(there) if name != prediction), prediction]


def free_names(wanted: Iterable[str], taken: Iterable[str]) -> list[str]:
    """Give names for columns that a node adds for itself: a table may have any names, those of its own too.

    Args:
        wanted: The names if no column has them.
        taken: The names of the columns that there are, whatever their case: some engines do not tell it apart.

    Returns:
        For each name the same, with as many underscores behind it as are needed.
    """
    lower = {name.lower() for name in taken}
    names = []
    for name in wanted:
        free = name
        while free.lower() in lower:
            free += "_"
        lower.add(free.lower())
        names.append(free)
    return names


def collect_to_pandas(frame: nw.LazyFrame[Any]) -> DataFrame:
    """Collect a frame to pandas in NumPy's types, the same whichever engine it comes from.

    Args:
        frame: What is to be collected; it has to fit in memory.

    Returns:
        Its columns, with a new index.
    """
    names = frame.collect_schema().names()
    # Arrow carries pandas' own types and index along, where the frame was pandas', and would bring them back.
    table = frame.collect("pyarrow").select(names).to_native()
    frame_in_memory: DataFrame = table.to_pandas(ignore_metadata=True)
    return frame_in_memory
