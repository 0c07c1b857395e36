"""The way from an engine's frame to pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro_handover.lazy_types import DataFrame

if TYPE_CHECKING:
    from collections.abc import Iterable

    import narwhals.stable.v2 as nw


PREDICTION_COLUMNS = ("id", "split", "group", "label", "probability", "prediction")


def prediction_columns(columns: Iterable[str]) -> list[str]:
    """Give the columns of a predictions table, in their order.

    Args:
        columns: Those that there are; `group` is optional.
    """
    there = set(columns)
    return [name for name in PREDICTION_COLUMNS if name in there]


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
