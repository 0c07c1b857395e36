"""What the columns of a table of text are, so that one set of nodes can type them and make features of them.

A project declares a `Schema` and hands it to `kedro_handover.nodes.typing`. What people write in cells is read as they
write it: numbers with thousands, units or decimal commas, dates in a stated form, and the usual marks for nothing.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, TypeAlias

import narwhals.stable.v2 as nw

from kedro_handover.errors import ConfigurationError
from kedro_handover.tasks import Task

__all__ = [
    "MISSING_MARKS",
    "Category",
    "ClassLabel",
    "Column",
    "Date",
    "Label",
    "Number",
    "NumberLabel",
    "Schema",
    "Text",
]

MISSING_MARKS = ("?", ".", "-", "--", "na", "n/a", "#n/a", "nan", "<na>", "null", "#null!", "nil")
"""What people write where there is no value, in lower case; an empty cell is the same."""

MISSING_IN_NUMBERS = (*MISSING_MARKS, "none")
"""The same in a column of numbers, where a word that could be a level can't be one."""

NO_AGE = -1_000_000
"""Stands for the age of a missing date, in days: below all others."""

ROW_ID = "row_id"
"""The name of the id where the number of the row is the id."""


@dataclass(frozen=True)
class Column:
    """A column of the file.

    Attributes:
        name: Its name in the project.
        in_file: Its name in the file.
    """

    name: str
    in_file: str

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features that are made of it."""
        return ()

    @property
    def type(self) -> Any:
        """Its type among the valid rows."""
        return nw.String


@dataclass(frozen=True)
class Text(Column):
    """A column that is kept for people, and is no feature.

    Attributes:
        why: Why it is none.
    """

    why: str = ""


@dataclass(frozen=True)
class Number(Column):
    """A column of numbers.

    Attributes:
        low: The lowest value that is usual.
        high: The highest.
        decimal: The sign before decimals.
        thousands: The sign between groups of three digits; none, if it is empty.
        unit: A sign or a word beside the number, such as $, % or kg; 12% is read as 12.
        absent: A number that stands for no value, such as -999; none, if it is null.
    """

    low: float
    high: float
    decimal: str = "."
    thousands: str = ""
    unit: str = ""
    absent: float | None = None

    @property
    def missing(self) -> float:
        """What stands in the feature where there is no value: a whole number below all others."""
        return -1.0 if self.low >= 0 else float(math.floor(self.low - max(1, (self.high - self.low) / 1000)))

    @property
    def features(self) -> tuple[str, ...]:
        """One, of the column's name."""
        return (self.name,)

    @property
    def type(self) -> Any:
        """A float."""
        return nw.Float64

    @property
    def pattern(self) -> str:
        """How a number looks once its unit is taken away, as a regular expression that all engines know."""
        decimal, thousands = re.escape(self.decimal), re.escape(self.thousands)
        fraction = f"(?:{decimal}[0-9]{{0,30}})?"
        forms = [f"[0-9]{{1,18}}{fraction}", f"{decimal}[0-9]{{1,30}}"]
        if self.thousands:
            forms.append(f"[0-9]{{1,3}}(?:{thousands}[0-9]{{3}}){{1,6}}{fraction}")
        return f"^[+-]?(?:{'|'.join(forms)})(?:[eE][+-]?0?[0-9]{{1,2}})?$"


@dataclass(frozen=True)
class Category(Column):
    """A column of text with few levels, or few that are frequent.

    Its feature `<name>_code` numbers the levels from 1; 0 is no value.

    Attributes:
        levels: The levels. A new one goes to the end: the others keep their numbers.
        others: Whether all other levels are one more, numbered after the last; else they are 0.
    """

    levels: tuple[str, ...]
    others: bool = False

    @property
    def features(self) -> tuple[str, ...]:
        """One: the level's number."""
        return (f"{self.name}_code",)


@dataclass(frozen=True)
class Date(Column):
    """A column of days; a time of day behind them is left out.

    Its features are `<name>_age_days` (days until `as_of`), `<name>_month` (1 to 12), `<name>_weekday` (1 is Monday).

    Attributes:
        form: How a day is written, in the order of its parts, such as `Y-M-D`, `D.M.Y` or `YMD`.
        as_of: The day, as 2024-01-31, up to which ages are counted.
    """

    form: str
    as_of: str

    @property
    def features(self) -> tuple[str, ...]:
        """Three."""
        return (f"{self.name}_age_days", f"{self.name}_month", f"{self.name}_weekday")

    @property
    def type(self) -> Any:
        """A day."""
        return nw.Date


@dataclass(frozen=True)
class Label(Column):
    """The column to predict, with the texts of its two classes.

    Attributes:
        positive: The texts of the class to be found.
        negative: Those of the other class. A cell that is empty, or has a mark for nothing, is of unknown class.
    """

    positive: tuple[str, ...]
    negative: tuple[str, ...]

    @property
    def type(self) -> Any:
        """True, false, or null where the class is unknown."""
        return nw.Boolean


@dataclass(frozen=True)
class ClassLabel(Column):
    """The column to predict, with the texts of its several classes.

    Attributes:
        classes: The texts of each class: those of the first are class 0, those of the next 1, … A cell that is empty,
            or has a mark for nothing, is of unknown class.
    """

    classes: tuple[tuple[str, ...], ...]

    @property
    def type(self) -> Any:
        """The place of the class, or null where it is unknown."""
        return nw.Int64


@dataclass(frozen=True)
class NumberLabel(Number):
    """The column to predict, a number; unknown where there is none."""

    @property
    def features(self) -> tuple[str, ...]:
        """None."""
        return ()


AnyLabel: TypeAlias = Label | ClassLabel | NumberLabel


@dataclass(frozen=True)
class Schema:
    """The columns that a project takes from its file; others are left out.

    Attributes:
        label: The column to predict.
        columns: All columns but the id and the label, in the order of the features.
        id: The column that tells rows apart; where there is none, the number of the row is the id.
        group: The name of a category by which reports compare rows.
        split_by: The name of a column; rows that have it alike stay on one side of the split, and in one fold.
    """

    label: AnyLabel
    columns: tuple[Column, ...]
    id: Text | None = None
    group: str | None = None
    split_by: str | None = None

    def __post_init__(self) -> None:
        """Check that names are unlike each other, and that those that are referred to are there.

        Raises:
            ConfigurationError: If they are not.
        """
        names = [column.name for column in self.in_file]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            msg = f"schema: two columns are named {twice[0]!r}. Give one of them another name."
            raise ConfigurationError(msg)
        for role in ("group", "split_by"):
            name = getattr(self, role)
            if name is not None and name not in names:
                msg = f"schema: {role} is {name!r}, and no column has that name. Name one of {', '.join(names)}."
                raise ConfigurationError(msg)

    @property
    def in_file(self) -> tuple[Column, ...]:
        """All columns that are taken from the file."""
        return (*((self.id,) if self.id else ()), self.label, *self.columns)

    @property
    def id_name(self) -> str:
        """The name of the id among the valid rows."""
        return self.id.name if self.id else ROW_ID

    @property
    def task(self) -> Task:
        """What is predicted."""
        if isinstance(self.label, Label):
            return "binary"
        return "multiclass" if isinstance(self.label, ClassLabel) else "regression"

    @property
    def numbers(self) -> tuple[Number, ...]:
        """The columns of numbers."""
        return tuple(column for column in self.columns if isinstance(column, Number))

    @property
    def categories(self) -> tuple[Category, ...]:
        """The columns with levels."""
        return tuple(column for column in self.columns if isinstance(column, Category))

    @property
    def dates(self) -> tuple[Date, ...]:
        """The columns of days."""
        return tuple(column for column in self.columns if isinstance(column, Date))

    @property
    def features(self) -> tuple[str, ...]:
        """The names of all features that are made of the columns."""
        return tuple(feature for column in self.columns for feature in column.features)

    @property
    def types(self) -> dict[str, Any]:
        """The columns of the valid rows, in their order, and their types."""
        return {self.id_name: nw.String, **{column.name: column.type for column in (self.label, *self.columns)}}
