"""Find out how a text file is written: its encoding, its separator, and whether it has a header."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from kedro_handover.starter.errors import TableError
from kedro_handover.text_tables.csv_reader import MARKS, OTHER_FORMATS, SEPARATOR_LINE, SEPARATORS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

START_BYTES = 2**20
BLOCK_BYTES = 2**24
ROWS_LOOKED_AT = 200
MOST_TITLE_LINES = 5
"""More lines before the header are no title."""

LEAST_ALIKE = 0.9
"""So many of the rows have to have the same number of fields."""

GZIP = b"\x1f\x8b"
UTF_16 = {"utf-16-le": 1, "utf-16-be": 0}
"""UTF-16 in either order, and where a letter of ASCII has its null byte."""

NUMBER = re.compile(r"[+-]?(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)(?:[eE][+-]?[0-9]{1,3})?%?")


@dataclass
class Dialect:
    """How a file is written.

    Attributes:
        load_args: What `TextTableDataset` has to be told; nothing, of a CSV in UTF-8 with commas and a header.
        is_compressed: Whether it is compressed by gzip.
        unnamed: Columns that have no name in the header, as the reader names them.
        notes: What was found out, in sentences for people.
    """

    load_args: dict[str, Any] = field(default_factory=dict)
    is_compressed: bool = False
    unnamed: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)


def find_dialect(path: Path, wanted: Sequence[str] = ()) -> Dialect:
    """Look at a text file.

    Args:
        path: The file.
        wanted: Names of columns that a person has given; a first row that has one of them is a header.

    Returns:
        How it is written.

    Raises:
        TableError: If its columns are separated by spaces.
    """
    dialect = Dialect()
    with path.open("rb") as raw:
        dialect.is_compressed = raw.read(2) == GZIP
        raw.seek(0)
        with gzip.open(raw) if dialect.is_compressed else raw as stream:
            start = stream.read(START_BYTES)
            if not start or any(start.startswith(mark) for mark in OTHER_FORMATS):
                return dialect  # the reader says what it is
            encoding = _find_encoding(start, stream, dialect)
    if dialect.is_compressed:
        dialect.notes.append("It is compressed by gzip.")
    if encoding in UTF_16:
        dialect.load_args["encoding"] = encoding
    text = codecs.getincrementaldecoder(encoding)("replace").decode(start)
    if len(start) == START_BYTES:
        text = text[: text.rfind("\n") + 1] or text
    _find_layout(path, text, dialect, {name.strip() for name in wanted if name})
    return dialect


def _find_encoding(start: bytes, stream: Any, dialect: Dialect) -> str:
    """Find the encoding of a file: what is no UTF-8 is of Windows, or Latin-1."""
    marked = next((name for mark, name in MARKS.items() if start.startswith(mark)), None)
    if marked:
        if marked == "utf-16":
            dialect.notes.append("It is in UTF-16.")
        return marked
    for encoding, nulls in UTF_16.items():  # without its mark, as letters of ASCII have a null byte there
        half, rest = start[nulls::2], start[1 - nulls :: 2]
        if half.count(0) > LEAST_ALIKE * len(half) and not rest.count(0):
            dialect.notes.append("It is in UTF-16, without a mark that says so.")
            return encoding
    decoder, is_of_windows, block = codecs.getincrementaldecoder("utf-8")(), False, start
    try:
        while block:
            decoder.decode(block)
            block = stream.read(BLOCK_BYTES)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        while block:
            is_of_windows = is_of_windows or any(0x80 <= byte < 0xA0 for byte in block)  # noqa: PLR2004 - its own signs
            block = stream.read(BLOCK_BYTES)
    else:
        return "utf-8"
    encoding = "cp1252" if is_of_windows and _is_text(start, "cp1252") else "latin-1"
    dialect.load_args["encoding"] = encoding
    dialect.notes.append(
        f"CHECK It is not in UTF-8, and read as {encoding}: look at its accents. Where they are wrong, write it in "
        "UTF-8, such as by `iconv -f CP1251 -t UTF-8`."
    )
    return encoding


def _is_text(start: bytes, encoding: str) -> bool:
    try:
        start.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _find_layout(path: Path, text: str, dialect: Dialect, wanted: set[str]) -> None:
    """Find the separator, lines before the header, and the header."""
    lines = text.splitlines(keepends=True)
    skipped = 0
    separator = None
    if lines and (told := SEPARATOR_LINE.fullmatch(lines[0].strip())) and told[1] in SEPARATORS:
        separator, skipped = told[1], 1
        dialect.notes.append(f"Its first line says how its columns are separated: {lines[0].strip()}.")
    separator = separator or _find_separator("".join(lines[skipped:]))
    if separator is None:
        _refuse_spaces(path, lines)
        return
    rows = _read_rows("".join(lines[skipped:]), separator)
    usual = _usual_fields(rows)
    _refuse_single_quotes(path, "".join(lines[skipped:]), separator, rows)
    title = next((place for place, row in enumerate(rows) if len(row) in {usual, usual - 1}), 0)
    if 0 < title <= MOST_TITLE_LINES and all(len(row) < usual / 2 for row in rows[:title]):
        blank = next(place for place, line in enumerate(lines[skipped:]) if line.strip())
        dialect.notes.append(f"Lines before its header are passed over: {''.join(lines[skipped + blank]).strip()!r}.")
        skipped = _line_of_row(lines, skipped, title)
        rows = rows[title:]
    if separator != ",":
        dialect.load_args["separator"] = separator
        dialect.notes.append(f"Its columns are separated by {SEPARATORS[separator]}.")
    _find_header(rows, usual, dialect, wanted, skipped)


def _find_header(rows: list[list[str]], usual: int, dialect: Dialect, wanted: set[str], skipped: int) -> None:
    header, body = (rows[0] if rows else []), rows[1:]
    names = [name.strip() for name in header]
    if len(header) == usual - 1 and len(body) > 1:  # R names all columns but that of the row names
        dialect.load_args |= {"column_names": ["column_1", *names], "skip_rows": skipped + 1}
        dialect.unnamed = ("column_1",)
        dialect.notes.append("Its header has one name less than there are columns: the first column has none.")
        return
    if skipped:
        dialect.load_args["skip_rows"] = skipped
    if body and not wanted & set(names) and _is_a_row(names, body):
        numbered = [f"column_{place}" for place in range(1, len(header) + 1)]
        dialect.load_args["column_names"] = numbered
        dialect.notes.append(
            f"It has no header, so its columns are column_1 to column_{len(header)}; the first row is "
            f"{', '.join(names[:8])}{', …' if len(names) > 8 else ''}."  # noqa: PLR2004 - a line's worth
        )
        return
    if names != header:
        dialect.load_args["strip_names"] = True
        dialect.notes.append("Spaces around the names of its columns are left out.")
    dialect.unnamed = tuple(f"column_{place}" for place, name in enumerate(names, start=1) if not name)


def _is_a_row(first: list[str], body: list[list[str]]) -> bool:
    """Say whether the first row is one like the others, and no header."""
    columns = [[row[place].strip() for row in body if len(row) == len(first)] for place in range(len(first))]
    is_number = [NUMBER.fullmatch(cell) is not None for cell in first]
    has_numbers = [
        bool(cells) and sum(NUMBER.fullmatch(cell) is not None for cell in cells) >= LEAST_ALIKE * len(cells)
        for cells in columns
    ]
    if any(has_numbers):
        return all(number for number, of_numbers in zip(is_number, has_numbers, strict=True) if of_numbers)
    repeated = [cell in cells for cell, cells in zip(first, columns, strict=True)]
    return len(first) > 1 and sum(repeated) >= len(first) / 2


def _find_separator(text: str) -> str | None:
    """Give the sign that makes the rows alike, of several the one that makes most columns; None where no sign does."""
    scores = {}
    for separator in SEPARATORS:
        rows = _read_rows(text, separator)
        usual = _usual_fields(rows)
        if usual > 1:
            alike = sum(len(row) == usual for row in rows) / len(rows)
            scores[separator] = (alike >= LEAST_ALIKE, usual)
    return max(scores, key=lambda separator: scores[separator], default=None)


def _read_rows(text: str, separator: str, quote: str = '"') -> list[list[str]]:
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, quotechar=quote)
        return [row for row in islice(reader, ROWS_LOOKED_AT) if row]
    except csv.Error:  # a quote without its end; the reader says where
        return []


def _usual_fields(rows: list[list[str]]) -> int:
    return Counter(map(len, rows)).most_common(1)[0][0] if rows else 0


def _line_of_row(lines: list[str], skipped: int, row: int) -> int:
    """Give how many lines there are before a row; blank lines are no rows."""
    whole = [place for place, line in enumerate(lines) if place >= skipped and line.strip()]
    return whole[row]


def _refuse_single_quotes(path: Path, text: str, separator: str, rows: list[list[str]]) -> None:
    """Refuse texts within single quotes, which no reader of CSV takes for quotes: a separator within is one then."""
    within = _read_rows(text, separator, quote="'") if f"{separator}'" in text else []
    if len(within) > 1 and len({*map(len, within)}) == 1 and len(within[0]) < max(map(len, rows)):
        msg = f"{path} has texts within single quotes. Write them within double quotes, as CSV has them."
        raise TableError(msg)


def _refuse_spaces(path: Path, lines: list[str]) -> None:
    """Refuse what is separated by spaces, which no reader of CSV reads."""
    counts = Counter(len(line.split()) for line in lines[:ROWS_LOOKED_AT] if line.strip())
    fields, rows = counts.most_common(1)[0] if counts else (0, 0)
    if fields > 2 and rows >= LEAST_ALIKE * sum(counts.values()):  # noqa: PLR2004 - two words are a sentence
        msg = (
            f"{path} has {fields} columns that are separated by spaces. Separate them by commas: "
            "`tr -s ' ' ',' < file > file.csv`."
        )
        raise TableError(msg)
