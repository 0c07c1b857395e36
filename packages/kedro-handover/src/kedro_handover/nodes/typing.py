"""Type the rows of a file by the schema of a project, make features of them, and state the rules that follow from it.

The nodes work on every engine. What keeps them at one result: nothing depends on the order of rows; text that may not
parse is checked by a pattern and cast after; days are counted in integers; nothing is divided by a number.
"""

from __future__ import annotations

import logging
import re
from datetime import date
from itertools import chain
from operator import add
from typing import Any

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoFrame, IntoFrameT

from kedro_handover.contract import MOST_RULES, Rule, outside
from kedro_handover.errors import DataError
from kedro_handover.expressions import any_of, combine
from kedro_handover.lazy_types import RecordBatchReader
from kedro_handover.nodes.validation import count_repeated_ids, name_columns, take_columns
from kedro_handover.schema import (
    MISSING_IN_NUMBERS,
    MISSING_MARKS,
    NO_AGE,
    Category,
    ClassLabel,
    Column,
    Date,
    Label,
    Number,
    NumberLabel,
    Schema,
)
from kedro_handover.tasks import name_outcome
from kedro_handover.text import trim_text

logger = logging.getLogger(__name__)

MOST = 1e30
"""Numbers beyond it are no values of anything; float32 holds it."""

RULES_OF_A_PROJECT = 12
"""So many flags are left for rules of a project's own."""

TIME_OF_DAY = r"[T ]+[0-9]{1,2}:[0-9]{2}.*$"
DAY = (
    r"^(?:(?:19|20)[0-9]{2}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    r"|(?:(?:19|20)(?:0[48]|[2468][048]|[13579][26])|2000)-02-29)$"
)
"""A day of the calendar, leap years included: engines differ in what they do with any other text."""


def read_rows(table: RecordBatchReader | IntoFrameT, schema: Schema, dataset: str) -> RecordBatchReader | IntoFrameT:
    """Take the columns of a schema from a table of text, part by part, by their names in the project.

    Args:
        table: `row_number`, `malformed_line` and the columns of the file, as text: batches of Arrow's, or a frame of
            the engine that reads the file.
        schema: The columns to take.
        dataset: What the table is called in messages.

    Returns:
        `row_number`, `malformed_line` and the columns of the schema, as text, as the table came.

    Raises:
        DataError: If columns are missing, or there are no rows.
    """
    import pyarrow as pa

    expected = [column.in_file for column in schema.in_file]
    taken = take_columns(table, expected, dataset, "Use a file that has them, or change the schema.")
    names = [*name_columns(taken)[:2], *(column.name for column in schema.in_file)]
    if not isinstance(taken, pa.RecordBatchReader):
        frame = nw.from_native(taken)
        old = frame.collect_schema().names()
        return frame.select(nw.col(before).alias(name) for before, name in zip(old, names, strict=True)).to_native()
    renamed = pa.schema([field.with_name(name) for field, name in zip(taken.schema, names, strict=True)])
    batches = (pa.RecordBatch.from_arrays(batch.columns, schema=renamed) for batch in taken)
    return pa.RecordBatchReader.from_batches(renamed, batches)


def find_repeated_ids(raw_rows: IntoFrameT, schema: Schema) -> IntoFrameT:
    """Find the ids that more than one row has.

    Args:
        raw_rows: All columns as text.
        schema: Names the id.

    Returns:
        The id and `rows_of_id`. An empty cell is none; nor are the numbers of rows ever repeated.
    """
    return count_repeated_ids(nw.from_native(raw_rows).select(**{schema.id_name: _read_id(schema)}).to_native())


def count_classes(raw_rows: IntoFrame, schema: Schema, dataset: str) -> dict[str, int]:
    """Count the rows by their class as the file has it, and refuse to learn from one class only.

    Args:
        raw_rows: All columns as text.
        schema: Its label has the texts of the classes, or is a number.
        dataset: What the table is called in messages.

    Returns:
        `positive` and `negative`, or `class_0`, `class_1` and so on, or, of numbers, `known`: the cells that have some
        text; and `unknown`: all other rows.

    Raises:
        DataError: If one of the classes is not there, or no number is.
    """
    label = schema.label
    text = nw.from_native(raw_rows).lazy().select(label=trim_text(label.name))
    counted = text.group_by("label").agg(rows=nw.len()).collect("pyarrow")  # where null is None
    rows = dict(zip(counted["label"].to_list(), map(int, counted["rows"].to_list()), strict=True))
    if not isinstance(label, Label):
        return _count_outcomes(rows, label, dataset)
    positive, negative = (sum(rows.get(one, 0) for one in texts) for texts in (label.positive, label.negative))
    total = sum(rows.values())
    if not (positive and negative):
        msg = (
            f"{dataset}: a model needs rows of both classes, and of {total:,} rows {positive:,} have {label.in_file} "
            f"{' or '.join(map(repr, label.positive))} and {negative:,} {' or '.join(map(repr, label.negative))}. "
            "Use a file that has both."
        )
        raise DataError(msg)
    return {"positive": positive, "negative": negative, "unknown": total - positive - negative}


def _count_outcomes(rows: dict[str | None, int], label: ClassLabel | NumberLabel, dataset: str) -> dict[str, int]:
    """Count what is no label of two classes."""
    total = sum(rows.values())
    if isinstance(label, NumberLabel):
        known = sum(of for text, of in rows.items() if text and text.lower() not in MISSING_IN_NUMBERS)
        if not known:
            msg = f"{dataset}: of {total:,} rows none has a {label.in_file} to learn from. Use a file that has some."
            raise DataError(msg)
        return {"known": known, "unknown": total - known}
    counts = {name_outcome(n): sum(rows.get(text, 0) for text in texts) for n, texts in enumerate(label.classes)}
    if missing := [texts[0] for texts, of in zip(label.classes, counts.values(), strict=True) if not of]:
        msg = (
            f"{dataset}: a model needs rows of all {len(counts)} classes, and of {total:,} rows none has "
            f"{label.in_file} {' or '.join(map(repr, missing))}. Use a file that has them, or change the schema."
        )
        raise DataError(msg)
    return {**counts, "unknown": total - sum(counts.values())}


def type_rows(raw_rows: IntoFrameT, schema: Schema) -> IntoFrameT:
    """Trim and type the columns of a schema; what is missing or can't be read becomes null.

    Args:
        raw_rows: `row_number`, `malformed_line` and the columns of the schema, as text.
        schema: What the columns are.

    Returns:
        `row_number`, `malformed_line`, the columns of `schema.types`, and for the label and each number and date
        `<name>_is_odd`: whether there is a text that can't be read as one.
    """
    label = schema.label
    numbers = (*((label,) if isinstance(label, NumberLabel) else ()), *schema.numbers)
    typed: tuple[Number | Date, ...] = (*numbers, *schema.dates)
    # Each step names what the next one uses: pandas works out an expression anew wherever it stands.
    dates = schema.dates
    classes = {} if isinstance(label, NumberLabel) else {label.name: _read_class("label_text", label)}
    odd_class = {f"{name}_is_odd": ~nw.col("label_text").is_null() & nw.col(name).is_null() for name in classes}
    given = (label, *schema.columns)
    texts = {column.name: trim_text(column.name) for column in given}
    frame = nw.from_native(raw_rows).with_columns(**{schema.id_name: _read_id(schema)}, **texts)
    for columns in (
        {column.name: _given(column) for column in given},
        {
            **({"label_text": nw.col(label.name)} if classes else {}),
            **{f"{number.name}_text": _bare(number) for number in numbers},
            **{f"{day.name}_text": nw.col(day.name).str.replace_all(TIME_OF_DAY, "") for day in dates},
        },
        {f"{number.name}_text": _plain(number) for number in numbers},
        *({f"{day.name}_text": step(day) for day in dates} for step in (_pad_first, _pad_second, _order, _real_day)),
        {
            **classes,
            **{f"{number.name}_value": nw.col(f"{number.name}_text").cast(nw.Float64) for number in numbers},
            **{f"{day.name}_value": nw.col(f"{day.name}_text").str.to_datetime("%Y-%m-%d") for day in dates},
        },
        {
            **odd_class,
            **{f"{column.name}_is_odd": ~nw.col(column.name).is_null() & _is_no_value(column) for column in typed},
        },
        {
            **{number.name: _value(number) for number in numbers},
            **{day.name: nw.col(f"{day.name}_value").cast(nw.Date) for day in dates},
        },
    ):
        frame = frame.with_columns(**columns) if columns else frame
    odd = [f"{column.name}_is_odd" for column in dict.fromkeys((label, *typed))]
    return frame.select("row_number", "malformed_line", *schema.types, *odd).to_native()


def schema_rules(schema: Schema) -> list[Rule]:
    """State what a schema asks of the rows of a file.

    Args:
        schema: What the columns are.

    Returns:
        The rules, about what `type_rows` gives, with `rows_of_id` beside it. A row is rejected that is malformed, has
        no id or one that another row has, or has a label that is no class or no number. Other cells that can't be read
        are missing values: their rows are kept and counted. Where columns are many, one rule is about all of a kind.
    """
    label = schema.label
    texts = "a number" if isinstance(label, NumberLabel) else " or ".join(map(repr, _list_texts(label)))
    rules = [
        Rule("row_is_whole", "The row has as many fields as the header.", ~nw.col("malformed_line").is_null()),
        Rule("label_is_readable", f"{label.in_file} is {texts}, or empty.", nw.col(f"{label.name}_is_odd")),
    ]
    if schema.id:
        rules[1:1] = [
            Rule("id_is_readable", f"{schema.id.in_file or 'The id'} is not empty.", nw.col(schema.id.name).is_null()),
            Rule("id_is_unique", "No other row has the id.", nw.col("rows_of_id").fill_null(1) > 1),
        ]
    readable: dict[Any, tuple[str, nw.Expr]] = {
        **{number: (f"{number.in_file} is a number, or empty.", _is_odd(number)) for number in schema.numbers},
        **{day: (f"{day.in_file} is a day written {day.form}, or empty.", _is_odd(day)) for day in schema.dates},
    }
    usual = {
        number: (
            f"{number.in_file} is {number.low:g} to {number.high:g}.",
            ((nw.col(number.name) < number.low) | (nw.col(number.name) > number.high)).fill_null(value=False),
        )
        for number in schema.numbers
    }
    known = {
        one: (
            f"{one.in_file} is one of the {len(one.levels)} levels that the schema has.",
            ~nw.col(one.name).is_null() & ~nw.col(one.name).is_in(list(one.levels)),
        )
        for one in schema.categories
        if not one.others
    }
    kinds: dict[str, dict[Any, tuple[str, nw.Expr]]] = {"is_readable": readable, "is_usual": usual, "is_known": known}
    room = MOST_RULES - RULES_OF_A_PROJECT - len(rules)
    are_many = sum(map(len, kinds.values())) > room
    return [*rules, *chain.from_iterable(_warn(kind, of_kind, are_many) for kind, of_kind in kinds.items())]


def make_features(schema: Schema) -> dict[str, nw.Expr]:
    """Make the features that follow from a schema: each is a number, whether or not its cell has a value.

    Args:
        schema: What the columns are.

    Returns:
        By name, as float32: numbers, with one of their own where there is none; the number of a category's level; and
        of a date its age in days, its month and its weekday.
    """
    features: dict[str, nw.Expr] = {}
    for column in schema.columns:
        if isinstance(column, Number):
            features[column.name] = nw.col(column.name).fill_null(column.missing)
        elif isinstance(column, Category):
            features[column.features[0]] = _number_levels(column)
        elif isinstance(column, Date):
            features |= dict(zip(column.features, _describe_day(column), strict=True))
    return {name: value.cast(nw.Float32) for name, value in features.items()}


def list_levels(schema: Schema) -> dict[str, list[str]]:
    """List what the numbers of each category's feature stand for, to be kept beside the model that learns from them.

    Args:
        schema: What the columns are.

    Returns:
        By feature, the words for 0 (no value), for each level from 1 on, and for all others, if they are one.
    """
    return {
        column.features[0]: ["none given", *column.levels, *(["any other"] if column.others else [])]
        for column in schema.categories
    }


def select_features(valid_rows: IntoFrameT, schema: Schema, features: dict[str, nw.Expr]) -> IntoFrameT:
    """Put features beside the id, the label, and what rows are compared and split by.

    Args:
        valid_rows: The columns of `schema.types`.
        schema: Names the id, the label, the group and what is split by.
        features: Expressions by name, of float32.

    Returns:
        `id`, `label`, `group` and `split_by` if the schema has them, and the features.
    """
    keys = {"id": nw.col(schema.id_name), "label": nw.col(schema.label.name)}
    if schema.group:
        keys["group"] = nw.col(schema.group).fill_null("none given")
    if schema.split_by:
        by = nw.col(schema.split_by)
        is_text = schema.types[schema.split_by] == nw.String
        keys["split_by"] = by if is_text else by.cast(nw.Int64).cast(nw.String)
    return nw.from_native(valid_rows).select(**keys, **features).to_native()


def feature_rules(features: Schema | list[str]) -> list[Rule]:
    """State what has to hold for the features of every row.

    Args:
        features: Their names, or the schema that they follow from.

    Returns:
        The rules; a row that violates one is a fault of a node, and ends the run.
    """
    names = features.features if isinstance(features, Schema) else features
    violated = any_of(outside(name, -MOST, MOST) for name in names)
    return [Rule("features_are_known", "every feature is a number.", violated)]


def _read_id(schema: Schema) -> nw.Expr:
    if schema.id is None:
        return nw.col("row_number").cast(nw.String)
    text = trim_text(schema.id.name)
    return nw.when(text != "").then(text)


def _given(column: Column) -> nw.Expr:
    """Give the text of a cell; null where there is nothing, or a mark for nothing."""
    text = nw.col(column.name)
    if isinstance(column, Number | Category | Date | Label | ClassLabel):
        marks: tuple[str, ...] = MISSING_IN_NUMBERS if isinstance(column, Number) else MISSING_MARKS
        if isinstance(column, Label | ClassLabel):  # a minus may be a class
            classes = {one.lower() for one in _list_texts(column)}
            marks = tuple(mark for mark in marks if mark not in classes)
        return nw.when((text != "") & ~text.str.to_lowercase().is_in(list(marks))).then(text)
    return nw.when(text != "").then(text)


def _bare(number: Number) -> nw.Expr:
    text = nw.col(number.name)
    if not number.unit:
        return text
    bare = text.str.replace_all(number.unit, "", literal=True).str.strip_chars(" ")
    return bare.str.replace_all(r"^- +", "-")


def _plain(number: Number) -> nw.Expr:
    """Write a number that looks like one as all engines read it."""
    text = _where(f"{number.name}_text", number.pattern)
    if number.thousands:
        text = text.str.replace_all(number.thousands, "", literal=True)
    return text if number.decimal == "." else text.str.replace_all(number.decimal, ".", literal=True)


def _where(column: str, pattern: str) -> nw.Expr:
    return nw.when(nw.col(column).str.contains(pattern)).then(nw.col(column))


def _is_no_value(column: Number | Date) -> nw.Expr:
    value = f"{column.name}_value"
    return outside(value, -MOST, MOST) if isinstance(column, Number) else nw.col(value).is_null()


def _value(number: Number) -> nw.Expr:
    value = nw.col(f"{number.name}_value")
    is_value = (value >= -MOST) & (value <= MOST)
    return nw.when(is_value if number.absent is None else is_value & (value != number.absent)).then(value)


def _either(column: str, label: Label) -> nw.Expr:
    """Give True for some texts, False for others, null for anything else."""
    text = nw.col(column)
    # `is_in` would give a boolean of NumPy's in pandas, which knows no null.
    is_positive = any_of(text == one for one in label.positive)
    return nw.when(text.is_in([*label.positive, *label.negative])).then(is_positive)


def _read_class(column: str, label: Label | ClassLabel) -> nw.Expr:
    """Give the class that a text says, null for anything else."""
    if isinstance(label, Label):
        return _either(column, label)
    text = nw.col(column)
    places = [any_of(text == one for one in texts).cast(nw.Int64) * n for n, texts in enumerate(label.classes)]
    return nw.when(text.is_in(list(_list_texts(label)))).then(combine(places, add))


def _list_texts(label: Label | ClassLabel) -> tuple[str, ...]:
    if isinstance(label, Label):
        return (*label.positive, *label.negative)
    return tuple(chain.from_iterable(label.classes))


def _pad_first(day: Date) -> nw.Expr:
    """Write the first number that may have one digit with two."""
    text, sign = nw.col(f"{day.name}_text"), _sign(day)
    if not sign:
        return text
    if day.form.startswith("Y"):
        is_short = text.str.contains(f"^[0-9]{{4}}{sign}[0-9]{sign}")
        return nw.when(is_short).then(_insert_zero(text, 5)).otherwise(text)
    return nw.when(text.str.contains(f"^[0-9]{sign}")).then(_insert_zero(text, 0)).otherwise(text)


def _pad_second(day: Date) -> nw.Expr:
    """Write the second number that may have one digit with two."""
    text, sign = nw.col(f"{day.name}_text"), _sign(day)
    if not sign:
        return text
    if day.form.startswith("Y"):
        is_short = text.str.contains(f"^[0-9]{{4}}{sign}[0-9]{{2}}{sign}[0-9]$")
        return nw.when(is_short).then(_insert_zero(text, 8)).otherwise(text)
    is_short = text.str.contains(f"^[0-9]{{2}}{sign}[0-9]{sign}")
    return nw.when(is_short).then(_insert_zero(text, 3)).otherwise(text)


def _order(day: Date) -> nw.Expr:
    """Write a padded day as 2024-01-31; what is of another length is no day."""
    text, sign = nw.col(f"{day.name}_text"), _sign(day)
    widths = {"Y": 4, "M": 2, "D": 2}
    starts, place = {}, 0
    for part in day.form.replace(day.form.strip("YMD")[:1] or " ", ""):
        starts[part] = place
        place += widths[part] + bool(sign)
    in_order = [text.str.slice(starts[part], widths[part]) for part in "YMD"]
    iso = nw.concat_str(in_order[0], nw.lit("-"), in_order[1], nw.lit("-"), in_order[2])
    parts = sign.join(f"[0-9]{{{widths[part]}}}" for part in starts)
    return nw.when(text.str.contains(f"^{parts}$")).then(iso)


def _real_day(day: Date) -> nw.Expr:
    return _where(f"{day.name}_text", DAY)


def _insert_zero(text: nw.Expr, place: int) -> nw.Expr:
    if not place:
        return nw.concat_str(nw.lit("0"), text)
    return nw.concat_str(text.str.slice(0, place), nw.lit("0"), text.str.slice(place))


def _sign(day: Date) -> str:
    """Give the sign between the parts of a day, as a regular expression has it."""
    return re.escape(day.form.strip("YMD")[:1])


def _number_levels(category: Category) -> nw.Expr:
    """Number the levels from 1; 0 is no value, and an unknown level unless there are others."""
    rest = len(category.levels) + 1 if category.others else 0
    places = [
        (nw.col(category.name) == level).cast(nw.Int64) * (place - rest)
        for place, level in enumerate(category.levels, start=1)
    ]
    return (combine(places, add) + rest).fill_null(0)


def _describe_day(day: Date) -> list[nw.Expr]:
    """Give the age in days, the month and the weekday, in integers."""
    value = nw.col(day.name)
    year, month, of_month = (part.cast(nw.Int64) for part in (value.dt.year(), value.dt.month(), value.dt.day()))
    # The year begins in March here, so that the day that comes and goes is its last.
    before_march = (month <= 2).cast(nw.Int64)  # noqa: PLR2004 - January and February
    year = year - before_march
    # No division here: on Spark one within another is analysed four times as long.
    month_from_march = month - 3 + before_march * 12
    days = year * 365 + year // 4 - year // 100 + year // 400 + (month_from_march * 153 + 2) // 5 + of_month
    until = date.fromisoformat(day.as_of).toordinal() + DAYS_BEFORE
    since_monday = days - 1 - DAYS_BEFORE
    weekday = since_monday - since_monday // 7 * 7 + 1
    return [(days * -1 + until).fill_null(NO_AGE), month.fill_null(0), weekday.fill_null(0)]


DAYS_BEFORE = 306
"""The first day of March of the year 0 is so many days before the first of January of the year 1."""


def _is_odd(column: Column) -> nw.Expr:
    return nw.col(f"{column.name}_is_odd")


def _warn(kind: str, columns: dict[Any, tuple[str, nw.Expr]], are_many: bool) -> list[Rule]:  # noqa: FBT001 - private
    if not are_many:
        return [Rule(f"{column.name}_{kind}", *of_column, severity="warn") for column, of_column in columns.items()]
    if not columns:
        return []
    (description, _), *_ = columns.values()
    violated = any_of(condition for _, condition in columns.values())
    return [Rule(f"all_{kind}", f"{description} And so on, for {len(columns)} columns.", violated, severity="warn")]
