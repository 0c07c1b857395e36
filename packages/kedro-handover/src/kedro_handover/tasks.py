"""The three tasks of a model, and how each writes its labels and its predictions.

| task | `label` | a model gives |
| --- | --- | --- |
| binary | boolean | `probability` of being positive, and `prediction`, a boolean |
| multiclass | integer, the class' place from 0 on | `probability_0`, `probability_1`, …, `prediction`, an integer |
| regression | float64 | `prediction`, a float64 |

A table tells its task by the type of its label, so that a node needs nothing else to be told.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import narwhals.stable.v2 as nw

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Task: TypeAlias = Literal["binary", "multiclass", "regression"]
TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")

LABEL_TYPES: dict[Task, Any] = {"binary": nw.Boolean, "multiclass": nw.Int64, "regression": nw.Float64}
"""The type of `label`, and of `prediction`."""

SCORES: dict[Task, tuple[str, str]] = {
    "binary": ("auc", "roc_auc"),
    "multiclass": ("auc", "roc_auc_ovr"),
    "regression": ("r2", "r2"),
}
"""What the search compares candidates by: its name in records, and scikit-learn's. Of several classes it is the mean of
each against all others."""

SCORE_TITLES = {"auc": "AUC", "r2": "R²"}

PROBABILITY = re.compile(r"probability_([0-9]+)")


def find_task(frame: Any) -> Task:
    """Tell the task of a table by the type of its label.

    Args:
        frame: A table with `label`, native or of Narwhals.
    """
    dtype = nw.from_native(frame, pass_through=False).collect_schema()["label"]
    if dtype.is_integer():
        return "multiclass"
    return "regression" if dtype.is_float() else "binary"


def name_probability(place: int) -> str:
    """Name the column with the probability of one of several classes.

    Args:
        place: That of the class, from 0 on.
    """
    return f"probability_{place}"


def list_scores(columns: Iterable[str]) -> list[str]:
    """List the columns of a table that have what a model gives, but for a label: probabilities, else the prediction.

    Args:
        columns: Those of the table.

    Returns:
        `probability`; or those of all classes, in their order; or `prediction`, of a regression.
    """
    there = list(columns)
    if "probability" in there:
        return ["probability"]
    several = sorted((name for name in there if PROBABILITY.fullmatch(name)), key=lambda name: int(name.split("_")[1]))
    return several or [name for name in there if name == "prediction"]


def name_outcome(place: int) -> str:
    """Name the rows of one of several classes, where rows are counted."""
    return f"class_{place}"


def list_outcomes(row_counts: Mapping[str, int]) -> list[str]:
    """List what rows are counted by, from the counts themselves.

    Args:
        row_counts: The rows on their way, as `kedro_handover.nodes.split.count_rows` gives them.

    Returns:
        `positive` and `negative`; `class_0`, `class_1`, …; or `known` alone, of a regression.
    """
    return [name.removeprefix("train_") for name in row_counts if name.startswith("train_")]


def count_split(row_counts: Mapping[str, int], split: str) -> int:
    """Add up the rows of a split.

    Args:
        row_counts: The rows on their way, as `kedro_handover.nodes.split.count_rows` gives them.
        split: "train" or "test".
    """
    return sum(row_counts[f"{split}_{outcome}"] for outcome in list_outcomes(row_counts))
