"""Find out what a column asks a model for: one of two classes, one of several, or a number."""

from __future__ import annotations

import math
import re

from kedro_handover.errors import suggest
from kedro_handover.schema import MISSING_IN_NUMBERS, MISSING_MARKS, AnyLabel, ClassLabel, Label, Number, NumberLabel
from kedro_handover.starter.columns import Cells, find_column
from kedro_handover.starter.errors import TableError
from kedro_handover.starter.label import CLASSES, CLASSES_SHOWN, LEAST_OF_A_CLASS, Classes, find_classes, group_texts
from kedro_handover.tasks import TASKS

MOST_CLASSES = 20
"""A column with more values is no label of classes."""


def find_target(cells: Cells, column: str, positive: str, task: str) -> Classes:
    """Tell the task of a label, and its classes or numbers.

    Two values are two classes. More are numbers to predict, where they are numbers, unless they are whole, few and each
    frequent; then, as with few texts, each is a class.

    Args:
        cells: The cells of the column.
        column: Its name, for messages.
        positive: A text of the class to be found; empty, if none is asked for.
        task: The task that is asked for; empty: it is found out.

    Returns:
        The classes. Of several, the first is `positive`; of numbers, those above the middle are.

    Raises:
        TableError: If the column is no label for the task.
    """
    if task and task not in TASKS:
        msg = f"TASK={task!r} is no task. {suggest(task, TASKS)}"
        raise TableError(msg)
    # A minus beside a plus is a class.
    has_plus = "+" in cells.texts.to_pylist()
    given = cells.without(tuple(mark for mark in MISSING_MARKS if mark != "-" or not has_plus))
    counts = dict(given.ranked())
    groups = group_texts(list(counts))
    if task == "binary" or (not task and len(groups) == CLASSES):
        return find_classes(counts, column, positive)
    if positive:
        msg = f"POSITIVE names one of two classes, and {column!r} has {len(groups):,} values. Leave it out."
        raise TableError(msg)
    number = find_column("label", column, cells, comma_file=False).column if len(groups) > CLASSES else None
    is_number = isinstance(number, Number)
    if task == "multiclass" or (not task and _are_classes(groups, counts, is_number=is_number)):
        return _take_classes(groups, counts, column, is_number=is_number)
    if not isinstance(number, Number):
        shown = ", ".join(f"{text!r} in {rows:,} rows" for text, rows in list(counts.items())[:CLASSES_SHOWN])
        more = f" and {len(counts) - CLASSES_SHOWN:,} more" if len(counts) > CLASSES_SHOWN else ""
        msg = (
            f"{column!r} is no label: it has {len(counts):,} values, not two, nor up to {MOST_CLASSES} that are "
            f"classes, nor are they numbers: {shown or 'none'}{more}."
        )
        raise TableError(msg)
    return _take_numbers(number, cells.without(MISSING_IN_NUMBERS))


def make_label(in_file: str, classes: Classes, name: str, taken: set[str]) -> AnyLabel:
    """Make the label's column for the schema.

    Args:
        in_file: Its name in the file.
        classes: What `find_target` gives.
        name: How the project would call a column of its name.
        taken: The names of other columns.
    """
    plain = name.removesuffix("_of_row")
    if classes.task == "binary" and not plain.startswith(("is_", "has_", "was_")):
        plain = f"is_{plain}"
    elif classes.task != "binary":
        plain = name
    free = next(
        one for one in (plain, *(f"{plain}_{number}" for number in range(2, len(taken) + 3))) if one not in taken
    )
    if classes.number is not None:
        number = classes.number
        written = (number.low, number.high, number.decimal, number.thousands, number.unit)
        return NumberLabel(free, in_file, *written)
    if classes.groups:
        return ClassLabel(free, in_file, classes.groups)
    return Label(free, in_file, classes.positive, classes.negative)


def describe_target(column: str, classes: Classes) -> str:
    """Say in a sentence what is to be predicted, and what to type where it is something else.

    Args:
        column: The label's name.
        classes: What `find_target` gives.
    """
    if classes.number is not None:
        distinct = len(classes.positive) + len(classes.negative)
        few = " TASK=multiclass takes each value for a class." if distinct <= MOST_CLASSES else ""
        return (
            f"{column!r} is to be predicted, a number from {classes.number.low:g} to {classes.number.high:g} in "
            f"{sum(classes.rows):,} rows ({classes.why}).{few}"
        )
    if classes.groups:
        named = ", ".join(
            f"{texts[0]!r} in {rows:,} rows" for texts, rows in zip(classes.groups, classes.rows, strict=True)
        )
        numbers = " TASK=regression predicts the number itself." if classes.are_numbers else ""
        return f"{column!r} is to be predicted, one of {len(classes.groups)} classes: {named} ({classes.why}).{numbers}"
    positive, negative = (" or ".join(map(repr, texts)) for texts in (classes.positive, classes.negative))
    return (
        f"{column!r} is to be predicted: {positive} is positive in {classes.rows[0]:,} rows ({classes.why}), "
        f"{negative} negative in {classes.rows[1]:,}. POSITIVE= names the other."
    )


def _are_classes(groups: dict[str, list[str]], counts: dict[str, int], *, is_number: bool) -> bool:
    if not CLASSES < len(groups) <= MOST_CLASSES:
        return False
    if not is_number:
        return True
    is_whole = all(text.lstrip("+-").isdigit() for text in counts)
    return is_whole and min(sum(counts[text] for text in texts) for texts in groups.values()) >= LEAST_OF_A_CLASS


def _take_classes(groups: dict[str, list[str]], counts: dict[str, int], column: str, *, is_number: bool) -> Classes:
    if not CLASSES < len(groups) <= MOST_CLASSES:
        msg = f"{column!r} has {len(groups):,} values; a model tells 3 to {MOST_CLASSES} classes apart, or two."
        raise TableError(msg)
    ordered = sorted(groups.values(), key=lambda texts: (_number(texts[0]), texts[0].casefold()))
    rows = tuple(sum(counts[text] for text in texts) for texts in ordered)
    if min(rows) < LEAST_OF_A_CLASS:
        rare = ", ".join(
            f"{texts[0]!r} in {of:,} rows" for texts, of in zip(ordered, rows, strict=True) if of < LEAST_OF_A_CLASS
        )
        msg = (
            f"{column!r} is {rare}: a model needs {LEAST_OF_A_CLASS} rows of each class at least. Put rare classes "
            "together, or leave their cells empty."
        )
        raise TableError(msg)
    texts = tuple(tuple(of) for of in ordered)
    why = "whole numbers, few and each frequent" if is_number else f"at most {MOST_CLASSES} texts"
    others = tuple(text for of in texts[1:] for text in of)
    return Classes(texts[0], others, rows, why, task="multiclass", groups=texts, are_numbers=is_number)


def _take_numbers(number: Number, cells: Cells) -> Classes:
    """Take numbers; those above the middle are called positive, where columns are looked at for what they tell."""
    values = {text: float(bare) for text, _ in cells.ranked() if (bare := _read(text, number)) is not None}
    ranked = sorted(values.items(), key=lambda pair: (pair[1], pair[0]))
    rows = dict(cells.ranked())
    low: list[str] = []
    high: list[str] = []
    total, passed = sum(rows[text] for text in values), 0
    for text, _ in ranked:
        (low if passed * 2 < total else high).append(text)
        passed += rows[text]
    above, below = (sum(rows[text] for text in texts) for texts in (high, low))
    if min(above, below) < LEAST_OF_A_CLASS:
        msg = f"{number.in_file!r} has {total:,} numbers: a model needs {2 * LEAST_OF_A_CLASS} rows at least."
        raise TableError(msg)
    mean = sum(values[text] * rows[text] for text in values) / total
    spread = math.sqrt(sum((values[text] - mean) ** 2 * rows[text] for text in values) / total)
    why = f"{len(values):,} different ones"
    return Classes(tuple(high), tuple(low), (above, below), why, task="regression", number=number, spread=spread)


def _read(text: str, number: Number) -> str | None:
    """Write a cell as Python reads a number; None where it is none."""
    bare = text.replace(number.unit, "").strip(" ") if number.unit else text
    bare = re.sub("^- +", "-", bare)
    if not re.fullmatch(number.pattern, bare):
        return None
    plain = bare.replace(number.thousands, "") if number.thousands else bare
    return plain.replace(number.decimal, ".")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.inf
