"""Read a CSV as a text table, part by part: its encoding, its header, its rows and their numbers."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from kedro_handover.parameters import Group
from kedro_handover.text_tables.batches import RENAMED, check_names, make_batch, make_schema
from kedro_handover.text_tables.quotes import QuoteCheck, count_breaks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa
    from fsspec import AbstractFileSystem

    from kedro_handover.text_tables.batches import Refuse

BLOCK_BYTES = 16 * 2**20
"""A row that is longer is an error: it is a quote without its end, most often."""

HEADER_BYTES = 2**20
ROWS_LOOKED_AT, FEWEST_ROWS = 100, 3
"""So many of the first rows, and no fewer, tell which sign separates the columns."""

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
"""The byte order marks that a file may begin with, and the encodings that they tell of."""

OTHER_FORMATS = {
    b"\x1f\x8b": "compressed by gzip. Let its name end in .gz, or give its load_args `compression: gzip`",
    b"PK\x03\x04": "a ZIP archive, as workbooks of Excel are too. Unpack it, or save it as CSV",
    b"PAR1": "Parquet. Let its name end in .parquet",
    b"BZh": "compressed by bzip2. Unpack it",
    b"\xfd7zXZ": "compressed by xz. Unpack it",
    b"\x28\xb5\x2f\xfd": "compressed by Zstandard. Unpack it",
    b"\xd0\xcf\x11\xe0": "a workbook of Excel. Save it as CSV",
}
"""What files of other formats begin with."""

OTHER_TEXTS = {
    re.compile(
        r"\s*<(?:!doctype|html|\?xml|\w+ xmlns)", re.IGNORECASE
    ): "a page or XML, such as a site sends instead of a "
    "file that it does not have. Look at it in a browser, and download the table",
    re.compile(r'\s*(?:\[\s*)?\{\s*(?:"[^"]*"\s*:|\})'): "JSON. Write it as a CSV or Parquet file, such as by pandas' "
    "`read_json(...).to_csv(...)`",
    re.compile(r"(?:\s*%.*\n)*\s*@relation\s", re.IGNORECASE): "ARFF, the format of Weka. Save it as CSV",
    re.compile(r"version https://git-lfs"): "a pointer of Git LFS. Get the file that it points to by `git lfs pull`",
}
"""What texts begin with that are no tables."""

LINE_END = re.compile(r"\r\n|\n|\r")
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*')
"""The first line by which a file tells Excel how its columns are separated."""


class CsvOptions(Group):
    """How a CSV is written, where it is not in UTF-8 with commas and a header: `load_args` in the catalog.

    Attributes:
        separator: The sign between columns: a comma, a semicolon, a tab or a bar. If none is given, a tab where the
            file's name ends in `.tsv`, or else a comma.
        encoding: A text encoding that Python knows, such as `latin-1` or `cp1252`. If none is given, UTF-8, or what the
            byte order mark says that the file begins with.
        compression: `gzip` or `none`. If none is given, `gzip` where the file's name ends in `.gz`.
        column_names: The names of the columns, of a file that has no header.
        skip_rows: How many lines to pass over before the header, or the first row: a line `sep=;`, or a title.
        strip_names: Whether to take the spaces around the names of columns away.
    """

    separator: Literal[",", ";", "\t", "|"] | None = None
    encoding: str | None = None
    compression: Literal["gzip", "none"] | None = None
    column_names: tuple[str, ...] | None = Field(default=None, min_length=1)
    skip_rows: int = Field(default=0, ge=0)
    strip_names: bool = False

    @field_validator("encoding")
    @classmethod
    def _check_encoding(cls, encoding: str | None) -> str | None:
        if encoding is not None:
            try:
                "".encode(encoding)
            except LookupError as error:
                msg = f"{error}; latin-1, cp1252 and utf-16 are some that there are"
                raise ValueError(msg) from None
        return encoding


@dataclass(frozen=True)
class Layout:
    """Where the rows of a CSV begin, and how they are to be read.

    Attributes:
        columns: The names of its columns.
        encoding: Its encoding.
        separator: The sign between its columns.
        skipped: Bytes before the header, once the text is in UTF-8.
        header: Bytes of the header.
        first_line: The line on which the header begins, or the first row where there is none.
        first_row: The number of the first row.
    """

    columns: list[str]
    encoding: str
    separator: str
    skipped: int
    header: int
    first_line: int
    first_row: int


def open_csv(
    fs: AbstractFileSystem, path: str, options: CsvOptions, refuse: Refuse
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Open a CSV.

    Args:
        fs: The file system.
        path: The file.
        options: How it is written.
        refuse: Raises an error that names the file.

    Returns:
        The schema, and the batches, which are read as they are asked for.
    """
    import pyarrow as pa

    is_compressed = options.compression == "gzip" or (options.compression is None and path.lower().endswith(".gz"))
    open_file = partial(fs.open, path, "rb", compression="gzip" if is_compressed else None)
    with open_file() as file:
        start = file.read(HEADER_BYTES)
    layout = _read_layout(start, path, options, refuse)
    schema = make_schema(layout.columns, [pa.string()] * len(layout.columns))
    return schema, _read(open_file, layout, schema, refuse)


def _read_layout(start: bytes, path: str, options: CsvOptions, refuse: Refuse) -> Layout:
    """Look at the first bytes of a file."""
    if not start:
        refuse("is an empty file. Download the file again.")
    if other := next((name for mark, name in OTHER_FORMATS.items() if start.startswith(mark)), None):
        refuse(f"is {other}.")
    encoding = _find_encoding(start, options, refuse)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(start)
    if "\0" in text:
        refuse(
            "begins with null bytes: it is damaged, or no text in UTF-8. Save it as CSV in UTF-8, or download it again."
        )
    if other := next((name for start, name in OTHER_TEXTS.items() if start.match(text)), None):
        refuse(f"is {other}.")
    if not options.skip_rows and (told := SEPARATOR_LINE.fullmatch(LINE_END.split(text, 1)[0])):
        refuse(
            f"begins with a line that is not a header and says how its columns are separated: {told[0].strip()!r}. "
            f"Give its load_args `separator: {json.dumps(told[1])}` and `skip_rows: 1`."
        )
    place = _pass_lines(text, options.skip_rows, refuse)
    skipped = len(text[:place].encode()) + (len(codecs.BOM_UTF8) if encoding == "utf-8-sig" else 0)
    text = text[place:]
    separator = options.separator or ("\t" if path.lower().removesuffix(".gz").endswith(".tsv") else ",")
    if options.column_names is None:
        names, header = _read_header(text, separator, refuse)
    else:
        names, header = list(options.column_names), 0
    is_whole = len(start) < HEADER_BYTES
    if not text[header:].strip() and is_whole:
        refuse("has column names at most, and no rows. Download the file again.")
    columns = _name_columns(names, options, refuse)
    rows = text if is_whole else text[: text.rfind("\n") + 1]
    if other := _find_separator(rows, separator, columns, is_given=options.separator is not None):
        said = "" if options.separator is None else f", and its load_args say {SEPARATORS[separator]}"
        refuse(
            f"has its columns separated by {SEPARATORS[other]}{said}. Separate them by {SEPARATORS[separator]}. "
            f"Or give its load_args `separator: {json.dumps(other)}`."
        )
    line = 1 + options.skip_rows
    return Layout(
        columns,
        encoding,
        separator,
        skipped,
        header=len(text[:header].encode()),
        first_line=line,
        first_row=line + (options.column_names is None),
    )


def _find_encoding(start: bytes, options: CsvOptions, refuse: Refuse) -> str:
    marked = next((name for mark, name in MARKS.items() if start.startswith(mark)), None)
    given = options.encoding and codecs.lookup(options.encoding).name
    if marked and given and not marked.startswith(given[: len("utf-8")]):
        refuse(f"is in {marked.removesuffix('-sig').upper()}, as its first bytes say, and its load_args say {given}.")
    return marked or (given or "utf-8").removesuffix("-sig")


def _pass_lines(text: str, lines: int, refuse: Refuse) -> int:
    """Give the place behind so many lines."""
    place = 0
    for _ in range(lines):
        end = LINE_END.search(text, place)
        if end is None:
            refuse(f"has fewer lines than are to be skipped (`skip_rows: {lines}`). Give fewer.")
        place = end.end()
    return place


def _read_header(text: str, separator: str, refuse: Refuse) -> tuple[list[str], int]:
    """Read the names of the columns.

    Returns:
        The names as they stand in the file, and the place behind the header.
    """
    stream = io.StringIO(text, newline="")
    try:
        names = next((row for row in csv.reader(stream, delimiter=separator) if row), [])
    except csv.Error as error:
        refuse(f"has no header that can be read: {error}; most often a quote without its end. Fix it.")
    return names, stream.tell()


def _name_columns(names: list[str], options: CsvOptions, refuse: Refuse) -> list[str]:
    columns = [name.strip() for name in names] if options.strip_names else names
    # As R and pandas write the numbers of rows; no engine knows a column without a name.
    columns = [name or f"column_{place}" for place, name in enumerate(columns, start=1)]
    if options.column_names is None:
        columns = [RENAMED.get(name, name) for name in columns]
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        refuse(f"names a column twice: {', '.join(map(repr, twice))}. Leave one of them.")
    check_names(columns, refuse)
    return columns


def _find_separator(text: str, separator: str, columns: list[str], *, is_given: bool) -> str | None:
    """Find another sign that separates the columns: it makes several of one, or more of them in each of the rows.

    A separator that was given is believed, unless it makes a single column.
    """
    header = LINE_END.split(text, maxsplit=1)[0]
    others = [other for other in SEPARATORS if other != separator and other in header]
    if len(columns) == 1:
        return next(iter(others), None)
    return (
        next((other for other in others if _count_fields(text, other) > len(columns)), None) if not is_given else None
    )


def _count_fields(text: str, separator: str) -> int:
    """Count the fields of the first rows; 0 where they differ in it, or are too few to tell."""
    try:
        rows = [
            row for row in islice(csv.reader(io.StringIO(text, newline=""), delimiter=separator), ROWS_LOOKED_AT) if row
        ]
    except csv.Error:
        return 0
    counts = {len(row) for row in rows}
    return counts.pop() if len(counts) == 1 and len(rows) >= FEWEST_ROWS else 0


def _read(open_file: Callable[[], Any], layout: Layout, schema: pa.Schema, refuse: Refuse) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    malformed: dict[int, str] = {}  # the rows with another number of fields, by their number

    def keep(row: Any) -> str:
        malformed[row.number + layout.first_row - 1] = row.text
        return "skip"

    with _Checked(open_file(), layout, refuse) as stream:
        reader = arrow_csv.open_csv(
            pa.PythonFile(stream, mode="r"),
            # Numbers of rows are told to one thread only.
            read_options=arrow_csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False, column_names=layout.columns),
            parse_options=arrow_csv.ParseOptions(
                delimiter=layout.separator, newlines_in_values=True, invalid_row_handler=keep
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(layout.columns, pa.string()), null_values=[""], strings_can_be_null=True
            ),
        )
        yield from _number_rows(reader, malformed, layout.first_row, schema)


class _Checked(io.RawIOBase):
    """The rows of a file, whose bytes are handed on once they are known to be text; other encodings become UTF-8."""

    def __init__(self, file: Any, layout: Layout, refuse: Refuse) -> None:
        import pyarrow as pa

        self._file = file
        self._is_utf8 = layout.encoding in {"utf-8", "utf-8-sig"}
        self._source = (
            file if self._is_utf8 else pa.transcoding_input_stream(pa.PythonFile(file), layout.encoding, "utf-8")
        )
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._encoding = layout.encoding
        self._skipped, self._header = layout.skipped, layout.header  # bytes that are still to be left out
        self._quotes = QuoteCheck(len(layout.columns), layout.separator, layout.first_line, refuse)
        self._refuse = refuse

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while True:
            block = self._read_text(size)
            is_end = not block
            skipped, self._skipped = block[: self._skipped], max(0, self._skipped - len(block))
            block = block[len(skipped) :]
            self._quotes.check(block, end=is_end)
            header, self._header = block[: self._header], max(0, self._header - len(block))
            block = block[len(header) :]
            if block or is_end:
                return block

    def _read_text(self, size: int) -> bytes:
        """Read a block that is whole text."""
        try:
            block: bytes = self._source.read(size - 1 if size > 1 else size)
            if size > 1 and block.endswith(b"\r"):  # Arrow would lose a line feed that begins the next part
                block += self._source.read(1)
            self._decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            line = self._quotes.line + (count_breaks(block, self._skipped, error.start) if self._is_utf8 else 0)
            encoding = {
                "utf-16": "UTF-16, as its first bytes say",
                "utf-8": "UTF-8",
                "utf-8-sig": "UTF-8",
            }.get(self._encoding, f"{self._encoding}, as its load_args say")
            self._refuse(
                f"is not {encoding}, near line {line:,}: {error.reason}. Convert it to UTF-8; a file in "
                "Latin-1 by `iconv -f LATIN1 -t UTF-8`. Or give its load_args its encoding: `encoding: latin-1`, or "
                "`encoding: cp1252` for a file of Windows."
            )
        if b"\0" in block:
            line = self._quotes.line + count_breaks(block, self._skipped, block.index(b"\0"))
            self._refuse(f"holds a null byte, near line {line:,}: it is damaged. Download the file again.")
        return block

    def close(self) -> None:
        self._file.close()
        super().close()


def _number_rows(reader: Any, malformed: dict[int, str], first: int, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Put the number of each row beside it, and hand on the rows that have other fields than the columns."""
    import numpy as np
    import pyarrow as pa

    passed = np.array([], dtype=np.int64)  # the reader may be ahead of what it gives
    for batch in reader:
        # Taken at once: Arrow adds to them from a thread of its own, for the part that it reads ahead.
        new = {number: malformed.pop(number) for number in list(malformed)}
        passed = np.append(passed[passed >= first], list(new)).astype(np.int64)
        numbers = np.arange(first, first + batch.num_rows + len(passed))
        numbers = numbers[~np.isin(numbers, passed)][: batch.num_rows]
        if len(numbers):
            yield make_batch(pa.array(numbers), pa.nulls(len(numbers), pa.string()), batch.columns, schema)
            first = int(numbers[-1]) + 1
        yield from _put(new, schema)
    yield from _put(malformed, schema)


def _put(malformed: dict[int, str], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    if malformed:
        numbers, texts = pa.array(malformed.keys(), pa.int64()), pa.array(malformed.values(), pa.string())
        nothing = pa.nulls(len(malformed), pa.string())
        yield make_batch(numbers, texts, [nothing] * (len(schema) - 2), schema)
