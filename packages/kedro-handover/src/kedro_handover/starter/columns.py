"""Say of each column of a file what it is, as far as its cells tell: a number, a date, a category, or no feature."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from kedro_handover.schema import (
    MISSING_IN_NUMBERS,
    MISSING_MARKS,
    Category,
    Column,
    Date,
    Number,
    Text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ODD_SHARE = 0.05
"""So many of the cells of a number or date column may be something else: they are missing values then."""

MOST_LEVELS = 20
"""Text with no more levels is a category, all of its levels alike."""

MOST_FREQUENT_LEVELS = 60
LEAST_OF_A_LEVEL = 10
LEAST_SHARE_OF_A_LEVEL = 0.001
LEAST_COVERED = 0.5
"""Of other text so many levels are kept, each in so many rows and this share of them at least; if the kept ones are not
in this share of the rows, the text is no category."""

UNITS = ("$", "€", "£", "¥", "%")
WORD_BEHIND = (
    r"^[+-]?[0-9][0-9.,' \x{a0}\x{2009}\x{202f}\x{2019}]*?"
    r"(?P<unit>[ \x{a0}\x{202f}]?[^0-9.,'\x{2019}+\s\x{a0}\x{202f}-][^0-9]*)$"
)
WORD_BEFORE = r"^(?P<unit>(?:[A-Z]{3}|[A-Z]{0,2}\$|Rs\.?)[ \x{a0}]?)[+-]?[0-9.]"
"""Where a unit may stand: any one behind numbers, and before them the usual names of a currency."""

SPACES = (" ", "\u00a0", "\u2009", "\u202f")
THOUSANDS = ("'", "\u2019", *SPACES)
"""Signs that stand between thousands and nowhere else: apostrophes, and spaces, wide, narrow and unbroken."""

LIKE_NUMBERS = r"^[^A-Za-z0-9]{0,3}[0-9]"
"""How text begins that may be meant as numbers."""

NEAR_UNIQUE = 0.95
SHOWN = 3

ID_NAME = re.compile(r"(?:^|_)(?:id|uuid|guid|index|idx|key|nr|no|number|rownames|row|unnamed_0|serial)$")
OWNER_NAME = re.compile(
    r"(?:^|_)(?:person|patient|subject|customer|client|user|member|account|household|student)(?:_|$)"
)
MONTHS = r"(?i)\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b"
DAY_FORMS = {
    "Y-M-D": r"(?P<Y>\d{4})-(?P<M>\d{1,2})-(?P<D>\d{1,2})",
    "Y/M/D": r"(?P<Y>\d{4})/(?P<M>\d{1,2})/(?P<D>\d{1,2})",
    "Y.M.D": r"(?P<Y>\d{4})\.(?P<M>\d{1,2})\.(?P<D>\d{1,2})",
    "D.M.Y": r"(?P<D>\d{1,2})\.(?P<M>\d{1,2})\.(?P<Y>\d{4})",
    "D-M-Y": r"(?P<D>\d{1,2})-(?P<M>\d{1,2})-(?P<Y>\d{4})",
    "M-D-Y": r"(?P<M>\d{1,2})-(?P<D>\d{1,2})-(?P<Y>\d{4})",
    "M/D/Y": r"(?P<M>\d{1,2})/(?P<D>\d{1,2})/(?P<Y>\d{4})",
    "D/M/Y": r"(?P<D>\d{1,2})/(?P<M>\d{1,2})/(?P<Y>\d{4})",
    "YMD": r"(?P<Y>(?:19|20)\d{2})(?P<M>\d{2})(?P<D>\d{2})",
}
"""How days are written, the likelier one first where two read the same cells."""

TIME_OF_DAY = re.compile(r"[T ]+\d{1,2}:\d{2}.*$")
LEAST_DAYS = 5

SENTINELS = frozenset({9.0, 99.0, 999.0, 9999.0, 99999.0, 999999.0, -1.0, -9.0, -99.0, -999.0, -9999.0, -99999.0})
GAP = 0.05
"""A value stands apart if it is so far from the next one, as a share of the range of all others."""

LEAST_GROUPS, LEAST_ROWS_OF_A_GROUP = 10, 3
"""Fewer values, or fewer rows of each, are no groups of rows."""


@dataclass(frozen=True)
class Cells:
    """The distinct cells of a column.

    Attributes:
        texts: The distinct texts.
        counts: The rows of each.
        rows: All rows, with those that have no cell.
    """

    texts: pa.Array
    counts: pa.Array
    rows: int

    @classmethod
    def count(cls, column: pa.ChunkedArray) -> Cells:
        """Count the cells of a column that have something in them."""
        counted = pc.value_counts(column.drop_null())
        return cls(counted.field("values"), counted.field("counts"), len(column))

    def without(self, marks: tuple[str, ...]) -> Cells:
        """Leave out marks for nothing."""
        is_given = pc.invert(pc.is_in(pc.utf8_lower(self.texts), pa.array(marks)))
        return Cells(self.texts.filter(is_given), self.counts.filter(is_given), self.rows)

    @property
    def given(self) -> int:
        """How many rows have a cell."""
        return int(pc.sum(self.counts).as_py() or 0)

    def share(self, mask: pa.Array) -> float:
        """Give the share of the cells that are in a mask of the distinct ones."""
        return int(pc.sum(self.counts.filter(mask)).as_py() or 0) / (self.given or 1)

    def show(self, mask: pa.Array | None = None) -> str:
        """Name the most frequent cells."""
        pairs = self.ranked(mask)[:SHOWN]
        return ", ".join(f"{text!r} in {rows:,}" for text, rows in pairs)

    def ranked(self, mask: pa.Array | None = None) -> list[tuple[str, int]]:
        """List the cells with their rows, the most frequent first."""
        texts, counts = (
            (self.texts, self.counts) if mask is None else (self.texts.filter(mask), self.counts.filter(mask))
        )
        pairs = zip(texts.to_pylist(), counts.to_pylist(), strict=True)
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))


@dataclass(frozen=True)
class Finding:
    """What a column is taken for.

    Attributes:
        column: The column.
        notes: What a person is told about it; those that begin with CHECK ask for a look.
    """

    column: Column
    notes: tuple[str, ...] = ()


def find_column(  # noqa: PLR0913 - all that tells what a column is
    name: str,
    in_file: str,
    cells: Cells,
    *,
    comma_file: bool,
    label: list[float | None] | None = None,
    train: Callable[[], Cells] | None = None,
) -> Finding:
    """Say what a column is.

    Args:
        name: Its name in the project.
        in_file: Its name in the file.
        cells: Its distinct cells.
        comma_file: Whether other columns of the file have decimal commas, or its columns are separated by semicolons.
        label: For each of its distinct cells, the share of positive rows; None where it is not known.
        train: Gives its distinct cells in the training split, of which the frequent levels are learned; else all do.

    Returns:
        The column, and what a person is told.
    """
    given = cells.without(MISSING_MARKS)
    if not given.given:
        return Finding(Text(name, in_file, why="it is empty"))
    if len(given.texts) == 1 and given.given >= (1 - LEAST_SHARE_OF_A_LEVEL) * cells.rows:
        return Finding(Text(name, in_file, why=f"it is always {given.texts[0].as_py()!r}"))
    day = _find_date(name, in_file, given)
    if day is not None:
        return day
    number = _find_number(name, in_file, cells.without(MISSING_IN_NUMBERS), comma_file=comma_file)
    if number is not None:
        if why := _why_no_number(name, number.column, given):
            return Finding(Text(name, in_file, why=why))
        return Finding(number.column, (*number.notes, *_find_groups(number.column, given, label)))
    return _find_category(name, in_file, given, train)


def has_decimal_commas(cells: Cells) -> bool:
    """Say whether the cells of a column are numbers whose commas can't stand between thousands."""
    given = cells.without(MISSING_IN_NUMBERS)
    if not given.given:
        return False
    between = f"[0-9.{''.join(THOUSANDS)}]*"
    numbers = pc.match_substring_regex(given.texts, f"^[+-]?{between}(?:,[0-9]+)?$")
    decimal = pc.match_substring_regex(given.texts, f"^[+-]?{between},(?:[0-9]{{1,2}}|[0-9]{{4,}})$")
    return given.share(numbers) >= 1 - ODD_SHARE and pc.any(decimal).as_py()


def has_thousands(cells: Cells) -> bool:
    """Say whether the cells of a column are numbers with commas between thousands, and others too small to have one.

    As fractions, 1,234 would be less than 950.
    """
    texts = cells.without(MISSING_IN_NUMBERS).texts.to_pylist()
    small = [int(text) for text in texts if re.fullmatch(r"[0-9]{1,3}", text)]
    large = [int(text.split(",")[0]) for text in texts if re.fullmatch(r"[1-9][0-9]{0,2},[0-9]{3}", text)]
    return len(small) + len(large) == len(texts) and max(small, default=0) > max(large, default=1000)


def _find_number(name: str, in_file: str, given: Cells, *, comma_file: bool) -> Finding | None:
    if not given.given:
        return None
    best: tuple[float, Number, pa.Array] | None = None
    for style in _number_styles(given, comma_file=comma_file):
        column = Number(name, in_file, low=0, high=0, **style)
        mask = pc.match_substring_regex(_bare(given.texts, column.unit), column.pattern)
        if best is None or given.share(mask) > best[0]:
            best = given.share(mask), column, mask
    if best is None or best[0] < 1 - ODD_SHARE:
        return None
    _, column, mask = best
    texts = _bare(given.texts.filter(mask), column.unit).to_pylist()
    values = [float(text.replace(column.thousands or "\0", "").replace(column.decimal, ".")) for text in texts]
    column = Number(
        name, in_file, min(values), max(values), decimal=column.decimal, thousands=column.thousands, unit=column.unit
    )
    counts: Counter[float] = Counter()
    for value, rows in zip(values, given.counts.filter(mask).to_pylist(), strict=True):
        counts[value] += rows
    odd = pc.invert(mask)
    notes = [_describe_style(column)] if column.unit or column.thousands or column.decimal != "." else []
    notes += _find_mixed_units(column, given)
    coded = pc.match_substring_regex(given.texts, "^0[0-9]+$")
    if pc.any(coded).as_py():
        notes.append(
            f"CHECK {in_file!r}: {_count_rows(given, coded)} of its cells begin with a zero ({given.show(coded)}), as "
            "codes do. If it is a code, make it a Category or a Text in the schema."
        )
    if pc.any(odd).as_py():
        notes.append(
            f"{_count_rows(given, odd)} rows have something else in it ({given.show(odd)}): those are missing values."
        )
    if column.decimal == "," and _all_in_threes(texts):
        notes.append(
            f"CHECK {in_file!r}: each comma in it has three digits behind it, and may stand between thousands."
        )
    notes += [f"CHECK {told}" for told in _find_sentinels(column, counts)]
    return Finding(column, tuple(notes))


def _all_in_threes(texts: list[str]) -> bool:
    with_comma = [text for text in texts if "," in text]
    return bool(with_comma) and all(re.fullmatch(r"[+-]?[0-9]{1,3},[0-9]{3}", text) for text in with_comma)


def _number_styles(given: Cells, *, comma_file: bool) -> Iterator[dict[str, Any]]:
    """Try how numbers may be written: the plain one first, then what signs in the cells ask for."""
    texts = given.texts
    units = ["", *(unit for unit in UNITS if pc.any(pc.match_substring(texts, unit)).as_py()), *_find_words(given)]
    has_comma, has_point = (pc.any(pc.match_substring(texts, sign)).as_py() for sign in ",.")
    for unit in units:
        yield {"unit": unit}
        signs = [(",", "."), (".", ",")] if comma_file else [(".", ","), (",", ".")]
        for decimal, thousands in signs:
            if not has_comma and not (comma_file and has_point):
                break
            bare = _bare(texts, unit)
            if decimal == "," and not comma_file and not pc.any(pc.match_substring_regex(bare, ",[0-9]{1,2}$")).as_py():
                continue
            yield {"unit": unit, "decimal": decimal, "thousands": thousands if _has(bare, thousands) else ""}
        for thousands in THOUSANDS:
            if _has(texts, thousands):
                yield {"unit": unit, "decimal": "," if comma_file else ".", "thousands": thousands}


def _find_words(given: Cells) -> list[str]:
    """Find the word that nearly all cells have beside a number."""
    words = []
    for pattern in (WORD_BEHIND, WORD_BEFORE):
        found = pc.struct_field(pc.extract_regex(given.texts, pattern), "unit")
        rows: Counter[str] = Counter()
        for word, count in zip(found.to_pylist(), given.counts.to_pylist(), strict=True):
            rows[word or ""] += count
        word, count = rows.most_common(1)[0]
        bare = word if word.strip(" ") != word.strip() else word.strip(" ")
        if bare and bare not in UNITS and count >= (1 - ODD_SHARE) * given.given:
            words.append(bare)
    return words


def _find_mixed_units(column: Number, given: Cells) -> list[str]:
    """Point out numbers some of which have a unit that others have not: 12% is not 0.12 then."""
    if not column.unit:
        return []
    without = pc.and_(
        pc.match_substring_regex(given.texts, column.pattern), pc.invert(pc.match_substring(given.texts, column.unit))
    )
    if not pc.any(without).as_py():
        return []
    told = (
        f"CHECK {column.in_file!r}: {_count_rows(given, without)} of its numbers are without {column.unit} "
        f"({given.show(without)}). All are read as they stand: are they on one scale?"
    )
    return [told]


def _has(texts: pa.Array, thousands: str) -> bool:
    """Say whether a sign stands between groups of three digits."""
    found = pc.match_substring_regex(texts, f"[0-9]{re.escape(thousands)}[0-9]{{3}}(?:[^0-9]|$)")
    return bool(pc.any(found).as_py())


def _bare(texts: pa.Array, unit: str) -> pa.Array:
    if not unit:
        return texts
    bare = pc.utf8_trim(pc.replace_substring(texts, unit, ""), " ")  # as the project's nodes do
    return pc.replace_substring_regex(bare, "^- +", "-")


def _describe_style(column: Number) -> str:
    parts = [
        column.unit,
        f"{_show_sign(column.thousands)} between thousands" if column.thousands else "",
        "a decimal comma" if column.decimal == "," else "",
    ]
    return f"It is read as numbers with {' and '.join(part for part in parts if part)}."


def _show_sign(sign: str) -> str:
    return f"an unbroken or narrow space (U+{ord(sign):04X})" if sign in SPACES[1:] else repr(sign)


def _count_rows(cells: Cells, mask: pa.Array) -> str:
    return f"{sum(rows for _, rows in cells.ranked(mask)):,}"


def _find_sentinels(column: Number, counts: Counter[float]) -> list[str]:
    """Point out values at an end of the range that may stand for nothing."""
    values = sorted(counts)
    if len(values) < MOST_LEVELS:
        return []
    told = []
    for value, nearest, farthest in ((values[0], values[1], values[-1]), (values[-1], values[-2], values[0])):
        is_apart = abs(nearest - value) > GAP * abs(farthest - nearest)
        is_negative_one = value == -1 and nearest >= 0
        is_zero = value == 0 and nearest > 1 and is_apart
        if (is_negative_one or is_zero or (value in SENTINELS and is_apart)) and counts[value] > 1:
            told.append(
                f"{column.in_file!r} is {value:g} in {counts[value]:,} rows, and the next value is {nearest:g}: where "
                f"it stands for nothing, give the column absent={value:g} in the schema."
            )
    return told


def _why_no_number(name: str, column: Column, given: Cells) -> str:
    """Say why numbers are no feature: they number the rows, or what rows belong to."""
    values = given.texts
    assert isinstance(column, Number)  # noqa: S101 - for the type checker
    distinct, rows = len(values), given.given
    if not _is_whole(given) or distinct < MOST_LEVELS / 2:
        return ""
    if distinct == rows == cells_between(column) and rows > MOST_LEVELS:
        return "it counts the rows"
    if ID_NAME.search(name) and distinct >= NEAR_UNIQUE * rows:
        return "it numbers the rows"
    if distinct >= LEAST_GROUPS and OWNER_NAME.search(name):
        return (
            "it numbers whom rows belong to. Rows of one value stay on one side of the split with "
            f"SPLIT_BY={column.in_file}"
        )
    return ""


def _find_groups(column: Column, given: Cells, label: list[float | None] | None) -> list[str]:
    """Point out numbers that may be those of persons, or of anything else that rows belong to."""
    distinct = len(given.texts)
    if label is None or distinct < LEAST_GROUPS or given.given < LEAST_ROWS_OF_A_GROUP * distinct:
        return []
    if not _is_whole(given):
        return []
    if any(share not in {0, 1} for share in label if share is not None):
        return []
    told = (
        f"CHECK {column.in_file!r}: all rows of one value have one label. If it numbers what rows belong to, "
        f"SPLIT_BY={column.in_file} keeps these on one side of the split; if it knows the label, make it a Text."
    )
    return [told]


def _is_whole(given: Cells) -> bool:
    return given.share(pc.match_substring_regex(given.texts, r"^-?[0-9]{1,18}(?:\.0*)?$")) == 1


def cells_between(column: Number) -> int:
    """Give how many whole numbers there are from the lowest to the highest."""
    return int(column.high - column.low) + 1


def _find_date(name: str, in_file: str, given: Cells) -> Finding | None:
    """Take a column for days, if nearly all of its cells are, and there are some."""
    sample = given.texts[0].as_py()
    if len(given.texts) < LEAST_DAYS or not any(sign.isdigit() for sign in sample):
        return None
    texts = [TIME_OF_DAY.sub("", text) for text in given.texts.to_pylist()]
    counts = given.counts.to_pylist()
    found: list[tuple[float, str, date, int]] = []
    for form, pattern in DAY_FORMS.items():
        compiled = re.compile(pattern)
        if not any(compiled.fullmatch(text) for text in texts[:50]):
            continue
        days = [_read_day(compiled, text) for text in texts]
        rows = sum(count for day, count in zip(days, counts, strict=True) if day)
        if rows >= (1 - (ODD_SHARE if form != "YMD" else 0)) * given.given:
            found.append((rows, form, max(day for day in days if day), given.given - rows))
    if not found:
        if several := _find_several_forms(texts, counts, given.given):
            why = f"its days are written in several forms, such as {several}. Write them in one, such as 2024-01-31"
            return Finding(Text(name, in_file, why=why))
        if given.share(pc.match_substring_regex(given.texts, MONTHS + r".*[0-9]|[0-9].*" + MONTHS)) > 1 - ODD_SHARE:
            why = f"dates are not read in the form of {sample!r}. Write them as 2024-01-31 to have features of them"
            return Finding(Text(name, in_file, why=why))
        return None
    rows, form, last, odd = max(found, key=lambda one: one[0])
    notes = []
    if odd:
        notes.append(f"{odd:,} rows have something in it that is no day: those are missing values.")
    if sum(one[0] == rows for one in found) > 1:
        other = next(one[1] for one in found if one[1] != form and one[0] == rows)
        notes.append(f"CHECK {in_file!r} is read as {form}; all of its cells could be {other} too.")
    return Finding(Date(name, in_file, form=form, as_of=last.isoformat()), tuple(notes))


def _find_several_forms(texts: list[str], counts: list[int], rows: int) -> str:
    """Give a day of each form, where nearly all cells are days of one form or another."""
    shown: dict[str, str] = {}
    of_forms = 0
    for text, of_text in zip(texts, counts, strict=True):
        for form, pattern in DAY_FORMS.items():
            if _read_day(re.compile(pattern), text):
                shown.setdefault(form, text)
                of_forms += of_text
                break
    return " and ".join(list(shown.values())[:SHOWN]) if len(shown) > 1 and of_forms >= (1 - ODD_SHARE) * rows else ""


def _read_day(pattern: re.Pattern[str], text: str) -> date | None:
    match = pattern.fullmatch(text)
    if match is None:
        return None
    try:
        day = date(int(match["Y"]), int(match["M"]), int(match["D"]))
    except ValueError:
        return None
    return day if 1900 <= day.year < 2100 else None  # noqa: PLR2004 - as the nodes read them


def _find_category(name: str, in_file: str, given: Cells, count_train: Callable[[], Cells] | None) -> Finding:
    """Take text for a category: all of its levels, where they are few; else those that are frequent in training."""
    there_are = len(given.texts)
    if there_are <= MOST_LEVELS:
        return Finding(Category(name, in_file, levels=tuple(sorted(given.texts.to_pylist()))))
    train = given if count_train is None else count_train().without(MISSING_MARKS)
    least = max(LEAST_OF_A_LEVEL, LEAST_SHARE_OF_A_LEVEL * train.given)
    kept = [(text, rows) for text, rows in train.ranked()[:MOST_FREQUENT_LEVELS] if rows >= least]
    if sum(rows for _, rows in kept) < LEAST_COVERED * train.given:
        why = f"it is text with {there_are:,} different values, of which few are frequent"
        if given.share(pc.match_substring_regex(given.texts, LIKE_NUMBERS)) >= 1 - ODD_SHARE:
            odd = given.texts.filter(pc.invert(pc.match_substring_regex(given.texts, Number("", "", 0, 0).pattern)))
            sample = next(iter(odd.to_pylist()), "")
            why += f". If cells such as {sample!r} are numbers, write them as 1234.5, one unit or none beside all"
        return Finding(Text(name, in_file, why=why))
    levels = tuple(sorted(text for text, _ in kept))
    if len(kept) == there_are:
        return Finding(Category(name, in_file, levels=levels))
    rest = (
        f"The {len(kept):,} levels that are frequent in the training split are kept; "
        f"the other {there_are - len(kept):,} are one."
    )
    return Finding(Category(name, in_file, levels=levels, others=True), (rest,))
