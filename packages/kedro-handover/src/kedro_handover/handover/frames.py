"""Adds what a model says to a frame of pandas, Polars or DuckDB, whichever it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from kedro_handover.errors import HandOverError
from kedro_handover.handover.description import Label
from kedro_handover.handover.numpy_evaluator import Scores
from kedro_handover.tasks import name_probability

Scorer = Callable[[Any], Scores]
"""Scores a pandas frame or an Arrow table."""


def is_of_spark(frame: Any) -> bool:
    """Whether a frame is one of Spark, without importing it."""
    return type(frame).__module__.startswith("pyspark.sql")


def add_scores(frame: Any, score: Scorer, classes: Sequence[Label], *, a_column_each: bool = False) -> Any:
    """Add `probability` and `prediction` to a frame that is not Spark's.

    Args:
        frame: A pandas or Polars frame, a Polars lazy frame, an Arrow table, or a relation of DuckDB.
        score: Scores a pandas frame or an Arrow table.
        classes: The labels; empty for a regression.
        a_column_each: Whether more than two classes have a column each, instead of a list.

    Returns:
        A frame of the same kind; of DuckDB a relation on its default connection. `probability` is that of the second
        class, or a list with one for each class where there are more; a regression has none.

    Raises:
        HandOverError: If the frame is of another kind.
    """
    if isinstance(frame, pd.DataFrame):
        return _add_to_pandas(frame, score(frame), classes, a_column_each=a_column_each)
    if isinstance(frame, pa.Table):
        return _add_to_arrow(frame, score(frame), classes, a_column_each=a_column_each)
    module = type(frame).__module__
    if module.startswith("polars"):
        import polars as pl

        if isinstance(frame, pl.LazyFrame):
            return add_scores(frame.collect(), score, classes, a_column_each=a_column_each).lazy()
        arrow = frame.to_arrow()
        return pl.from_arrow(_add_to_arrow(arrow, score(arrow), classes, a_column_each=a_column_each))
    if "duckdb" in module:
        import duckdb

        table = frame.to_arrow_table()
        return duckdb.from_arrow(_add_to_arrow(table, score(table), classes, a_column_each=a_column_each))
    msg = f"{module}.{type(frame).__name__} can't be scored. Give a frame of Spark, pandas, Polars, DuckDB or Arrow."
    raise HandOverError(msg)


def _add_to_pandas(
    frame: pd.DataFrame, scores: Scores, classes: Sequence[Label], *, a_column_each: bool
) -> pd.DataFrame:
    added: dict[str, Any] = {}
    if _has_several(scores) and a_column_each:
        added |= _name_each(scores)
    elif scores.probability is not None:
        added["probability"] = _masked(scores.probability, scores.refused)
        if scores.probability.shape[1] > 2:  # noqa: PLR2004 - more than two classes
            rows = [None if refused else row for row, refused in zip(scores.probability, scores.refused, strict=True)]
            added["probability"] = pd.Series(rows, index=frame.index, dtype=object)
    if not scores.refused.any():
        added["prediction"] = scores.prediction.astype(_kind(classes))
    else:
        nullable: Any = {bool: "boolean", int: "Int64", float: "Float64", str: object}[_kind(classes)]
        found = [None if pd.isna(p) else p for p in scores.prediction]
        added["prediction"] = pd.Series(found, index=frame.index, dtype=nullable)
    return frame.assign(**added)


def _has_several(scores: Scores) -> bool:
    return scores.probability is not None and scores.probability.shape[1] > 2  # noqa: PLR2004 - two classes


def _name_each(scores: Scores) -> dict[str, NDArray[np.float64]]:
    """Give the probability of each class by the name of its column; NaN where the row is refused."""
    shares = np.where(scores.refused[:, None], np.nan, np.asarray(scores.probability))
    return {name_probability(place): shares[:, place] for place in range(shares.shape[1])}


def _add_to_arrow(table: pa.Table, scores: Scores, classes: Sequence[Label], *, a_column_each: bool) -> pa.Table:
    arrays = to_arrow(scores, classes)
    if _has_several(scores) and a_column_each:
        each = {name: pa.array(shares, mask=scores.refused) for name, shares in _name_each(scores).items()}
        arrays = each | {"prediction": arrays["prediction"]}
    for name, array in arrays.items():
        if name in table.column_names:
            table = table.drop_columns([name])
        table = table.append_column(name, array)
    return table


def to_arrow(scores: Scores, classes: Sequence[Label]) -> dict[str, pa.Array]:
    """Give the columns that are added, as Arrow.

    Args:
        scores: What the model says.
        classes: The labels; empty for a regression.

    Returns:
        `probability`, unless it is a regression, and `prediction`; null where the row is refused.
    """
    columns: dict[str, pa.Array] = {}
    if scores.probability is not None:
        if scores.probability.shape[1] > 2:  # noqa: PLR2004 - more than two classes
            pairs = zip(scores.probability.tolist(), scores.refused.tolist(), strict=True)
            rows = [None if refused else row for row, refused in pairs]
            columns["probability"] = pa.array(rows, pa.list_(pa.float64()))
        else:
            columns["probability"] = pa.array(scores.probability[:, 1], mask=scores.refused)
    type_ = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}[_kind(classes)]
    predictions = zip(scores.prediction.tolist(), scores.refused.tolist(), strict=True)
    columns["prediction"] = pa.array([None if refused else p for p, refused in predictions], type_)
    return columns


def _masked(probability: NDArray[np.float64], refused: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.where(refused, np.nan, probability[:, 1])


def _kind(classes: Sequence[Label]) -> type:
    """Give the type of the labels; numbers of a regression are floats."""
    kinds = {type(label) for label in classes} or {float}
    return kinds.pop() if len(kinds) == 1 else str
