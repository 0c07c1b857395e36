"""A table as it comes: one reader of CSV and Parquet for all engines, so that none of them reads a file otherwise."""

from __future__ import annotations

import codecs
import csv
import io
import logging
import re
from typing import TYPE_CHECKING, Any, Never, NoReturn

from fsspec.core import url_to_fs
from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import TablePreview

from kedro_handover.datasets.previews import ROWS, show_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa
    from fsspec import AbstractFileSystem

logger = logging.getLogger(__name__)

BLOCK_BYTES = 16 * 2**20
"""A row that is longer is an error: it is a quote without its end, most often."""

HEADER_BYTES = 2**20
OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
"""The marks that a file may begin with, and the encodings that they tell of."""

QUOTES = re.compile(b'"+')
ENDS_OF_CELLS = b",\r\n"
FEW_COLUMNS = 8
"""Of so many or fewer, a row has no more commas than two lines of prose: such a text may well be meant."""

ROW_NUMBER = "row_number"
MALFORMED_LINE = "malformed_line"
"""The columns that are added to those of the file."""


class TextTableDataset(AbstractDataset[Never, "pa.RecordBatchReader"]):
    """Reads a table part by part, every cell as text: what stands in a cell is what is loaded.

    A file that is no CSV of the stated form is refused as a whole, with where and why. A row with another number of
    fields than the header is not lost: it comes as it stands in the file, for the contract to reject.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Name the file.

        Args:
            filepath: A path or a URL that fsspec knows. `….csv` is a file in UTF-8 or, with a byte order mark, UTF-16:
                commas, quotes doubled within quotes, a header. `….parquet` is a file or a folder of them.
            metadata: For other tools; not read here.
        """
        self._filepath = filepath
        self.metadata = metadata

    def load(self) -> pa.RecordBatchReader:
        """Open the table; its parts are read as they are asked for.

        Returns:
            `row_number` (int64; the header of a CSV is 1, and blank lines are not counted), `malformed_line` (the text of a row
            with another number of fields than the header, null for all others), and the columns of the file as text,
            those of a Parquet file as dictionaries of their values; an empty cell is null.

        Raises:
            DatasetError: If it is not there, is a folder, has no header, names a column twice, is separated by
                something else than commas, or is no Parquet. Text that is not in its encoding, a null byte, a quote
                that takes in what is not its own, or a row beyond `BLOCK_BYTES` raise it where they are met.
        """
        fs, path = url_to_fs(self._filepath)
        try:
            return self._open_parquet(fs, path) if path.endswith(".parquet") else self._open_csv(fs, path)
        except OSError as error:
            self._refuse(f"can't be read: {error.strerror or error}.")

    def preview(self) -> TablePreview:
        """Show the first rows in kedro-viz.

        Returns:
            The rows.
        """
        with self.load() as reader:
            return show_rows(reader.read_next_batch().slice(0, ROWS).to_pylist(), reader.schema.names)

    def save(self, data: Never) -> NoReturn:  # noqa: ARG002 - Kedro's
        """Refuse: a table comes from outside.

        Raises:
            DatasetError: Always.
        """
        msg = f"{self._filepath} is only read."
        raise DatasetError(msg)

    def _open_csv(self, fs: AbstractFileSystem, path: str) -> pa.RecordBatchReader:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        if fs.isdir(path):
            self._refuse("is a folder. Put one CSV file there.")
        with fs.open(path, "rb") as file:
            start = file.read(HEADER_BYTES)
        encoding = next((name for mark, name in MARKS.items() if start.startswith(mark)), "utf-8")
        columns = self._read_header(start, encoding)
        schema = _schema(columns, [pa.string()] * len(columns))
        malformed: dict[int, str] = {}  # the rows with another number of fields, by their number

        def keep(row: Any) -> str:
            malformed[row.number] = row.text
            return "skip"

        def read() -> Iterator[pa.RecordBatch]:
            with _Checked(fs.open(path, "rb"), encoding, len(columns), self._refuse) as stream:
                reader = arrow_csv.open_csv(
                    pa.PythonFile(stream, mode="r"),
                    # Numbers of rows are told to one thread only.
                    read_options=arrow_csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
                    parse_options=arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=keep),
                    convert_options=arrow_csv.ConvertOptions(
                        column_types=dict.fromkeys(columns, pa.string()), null_values=[""], strings_can_be_null=True
                    ),
                )
                yield from _number_rows(reader, malformed, schema)

        return pa.RecordBatchReader.from_batches(schema, self._explained(read(), "CSV"))

    def _read_header(self, start: bytes, encoding: str) -> list[str]:
        if not start:
            self._refuse("is an empty file. Download the file again.")
        text = codecs.getincrementaldecoder(encoding)("replace").decode(start)
        if "\0" in text:
            self._refuse("begins with null bytes: it is damaged, or no text in UTF-8. Download the file again.")
        try:
            columns = next((row for row in csv.reader(io.StringIO(text, newline="")) if row), [])
        except csv.Error as error:
            self._refuse(f"has no header that can be read: {error}; most often a quote without its end. Fix it.")
        if not columns or (len(start) < HEADER_BYTES and "\n" not in text.strip().replace("\r", "\n")):
            self._refuse("has column names at most, and no rows. Download the file again.")
        if len(columns) == 1 and (other := next((sign for sign in OTHER_DELIMITERS if sign in columns[0]), None)):
            self._refuse(f"has its columns separated by {OTHER_DELIMITERS[other]}. Separate them by commas.")
        if twice := sorted({name for name in columns if columns.count(name) > 1}):
            self._refuse(f"names a column twice: {', '.join(map(repr, twice))}. Leave one of them.")
        self._check_names(columns)
        return columns

    def _check_names(self, columns: list[str]) -> None:
        if taken := {ROW_NUMBER, MALFORMED_LINE} & set(columns):
            self._refuse(f"has a column {taken.pop()!r}, which is a name of our own. Rename it.")

    def _open_parquet(self, fs: AbstractFileSystem, path: str) -> pa.RecordBatchReader:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc
        from pyarrow import dataset

        if not fs.exists(path):
            self._refuse("is not there.")
        try:
            as_stored = dataset.dataset(path, format="parquet", filesystem=fs)
            texts = [field.name for field in as_stored.schema if _is_text(field.type)]
            # A text that repeats is read, looked at and written once in each part.
            by_value = dataset.ParquetFileFormat(dictionary_columns=texts)
            parts = dataset.dataset(path, format=by_value, filesystem=fs)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            self._refuse(f"is not Parquet: {_first_line(error)}")
        self._check_names(parts.schema.names)
        for part in parts.get_fragments():
            if part.physical_schema.names != parts.schema.names:
                self._refuse(f"has parts with other columns: {part.path} is one. Make them alike.")
            for field in part.physical_schema:
                if _kind(field.type) not in {_kind(parts.schema.field(field.name).type), "null"}:
                    self._refuse(f"has parts with other types: {field.name} is one in {part.path}. Make them alike.")
        columns = [field.name for field in as_stored.schema if not pa.types.is_nested(field.type)]
        types = [pa.dictionary(pa.int32(), pa.string()) if name in texts else pa.string() for name in columns]
        schema = _schema(columns, types)

        def read() -> Iterator[pa.RecordBatch]:
            row = 1
            for batch in parts.to_batches(columns=columns, fragment_readahead=1):
                batch.validate(full=True)  # of text, that it is UTF-8
                cells = [batch[name].cast(type_) for name, type_ in zip(columns, types, strict=True)]
                values = [cell.dictionary if isinstance(cell, pa.DictionaryArray) else cell for cell in cells]
                # Most often there is none in the bytes of all texts together, which is quickly seen.
                found = [column.buffers()[-1] for column in values]
                if any(b"\0" in memoryview(text).tobytes() for text in found if text) and any(
                    pc.any(pc.match_substring(column, "\0")).as_py() for column in values
                ):
                    self._refuse(
                        f"holds a null byte in row {row:,} or soon after it: it is damaged. Download it again."
                    )
                numbers = pa.array(np.arange(row, row + batch.num_rows))
                row += batch.num_rows
                yield _batch(numbers, pa.nulls(batch.num_rows, pa.string()), cells, schema)

        return pa.RecordBatchReader.from_batches(schema, self._explained(read(), "Parquet"))

    def _explained(self, batches: Iterator[pa.RecordBatch], kind: str) -> Iterator[pa.RecordBatch]:
        """Say in a sentence what Arrow says."""
        import pyarrow as pa

        try:
            yield from batches
        except (pa.ArrowException, OSError) as error:
            reason = _first_line(error)
            if "straddling" in reason:
                reason = f"a row is longer than {BLOCK_BYTES:,} bytes; most often a quote without its end. Fix it."
            self._refuse(f"can't be read as {kind}: {reason}")

    def _refuse(self, reason: str) -> NoReturn:
        msg = f"{self._filepath} {reason}"
        raise DatasetError(msg)

    def _exists(self) -> bool:
        fs, path = url_to_fs(self._filepath)
        return bool(fs.exists(path))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}


class _Checked(io.RawIOBase):
    """A file whose bytes are handed on as they are once they are known to be text; UTF-16 becomes UTF-8."""

    def __init__(self, file: Any, encoding: str, columns: int, refuse: Callable[[str], NoReturn]) -> None:
        import pyarrow as pa

        self._file = file
        self._source = (
            file if encoding != "utf-16" else pa.transcoding_input_stream(pa.PythonFile(file), "utf-16", "utf-8")
        )
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._encoding = encoding
        self._quotes = _Quotes(columns, refuse)
        self._refuse = refuse

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        try:
            block: bytes = self._source.read(size - 1 if size > 1 else size)
            if size > 1 and block.endswith(b"\r"):  # Arrow would lose a line feed that begins the next part
                block += self._source.read(1)
            self._decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            line = self._quotes.line + (_count_breaks(block, 0, error.start) if self._source is self._file else 0)
            encoding = "UTF-16, as its first bytes say" if self._encoding == "utf-16" else "UTF-8"
            msg = (
                f"is not {encoding}, near line {line:,}: {error.reason}. "
                "Convert it to UTF-8; a file in Latin-1 by `iconv -f LATIN1 -t UTF-8`."
            )
            self._refuse(msg)
        if b"\0" in block:
            line = self._quotes.line + _count_breaks(block, 0, block.index(b"\0"))
            self._refuse(f"holds a null byte, near line {line:,}: it is damaged. Download the file again.")
        self._quotes.check(block, end=not block)
        return block

    def close(self) -> None:
        self._file.close()
        super().close()


class _Quotes:
    """Looks for a quote that takes in what is not its own: Arrow would make one row of several, and say nothing."""

    def __init__(self, columns: int, refuse: Callable[[str], NoReturn]) -> None:
        self._columns = columns
        self._refuse = refuse
        self.line = 1  # where the next part begins
        self._opened = 0  # the line of the quote that is open, if one is
        self._doubtful = self._first_doubtful = 0  # texts that may be rows, and the line of the first
        self._commas = self._breaks = 0  # within it
        self._rest = b""  # of the last part, behind its last line end

    def check(self, part: bytes, *, end: bool) -> None:
        """Go on with the next part of the file.

        Args:
            part: The bytes.
            end: Whether it is the last.
        """
        part = self._rest + part
        whole = len(part) if end else max(part.rfind(b"\n"), part.rfind(b"\r")) + 1
        lines, self._rest = part[:whole], part[whole:]
        if not self._opened and _are_cells_quoted_whole(lines):
            self.line += _count_breaks(lines)
        else:
            self._follow(lines)
        if end and self._opened:
            self._refuse(f"has a quote without its end, near line {self._opened:,}. Fix it.")
        if end and self._doubtful:
            logger.warning(
                "%s quoted texts have line breaks and as many commas as whole rows, the first near line %s. Where a "
                "quote is without its end, rows were read as text: look there.",
                f"{self._doubtful:,}",
                f"{self._first_doubtful:,}",
            )
            self._doubtful = 0  # the end of a file may be asked for again

    def _follow(self, lines: bytes) -> None:
        """Go from quote to quote."""
        place = 0
        for run in QUOTES.finditer(lines):
            self._pass(lines, place, run.start())
            place, length = run.end(), len(run[0])
            if not self._opened:
                if run.start() and lines[run.start() - 1] not in ENDS_OF_CELLS:
                    continue  # a quote within a text that is not quoted is a sign like others
                self._opened, self._commas, self._breaks, length = self.line, 0, 0, length - 1
            if length % 2:  # the others are doubled
                self._close(lines[place : place + 1])
        self._pass(lines, place, len(lines))

    def _pass(self, lines: bytes, start: int, stop: int) -> None:
        breaks = _count_breaks(lines, start, stop)
        self.line += breaks
        if self._opened:
            self._breaks += breaks
            self._commas += lines.count(b",", start, stop)

    def _close(self, after: bytes) -> None:
        if after and after not in ENDS_OF_CELLS:
            reason = f"a text goes on behind its closing quote, near line {self.line:,}"
            self._refuse(f"can't be read as CSV: {reason}. Double each quote within quotes, or end one that is open.")
        if self._columns <= FEW_COLUMNS:
            # The row has as many fields as it should only if the text has all commas of the rows that it took in.
            if 0 < self._breaks * (self._columns - 1) == self._commas:
                self._doubtful += 1
                self._first_doubtful = self._first_doubtful or self._opened
        elif self._breaks and self._commas >= self._columns - 1:
            reason = f"a quote near line {self._opened:,} takes {self._breaks:,} more lines into one text"
            self._refuse(f"can't be read as CSV: {reason}. Most often it is without its end: fix it.")
        self._opened = 0


def _count_breaks(text: bytes, start: int = 0, stop: int | None = None) -> int:
    """Count the ends of lines: a line feed, a carriage return, or both."""
    feeds, returns = text.count(b"\n", start, stop), text.count(b"\r", start, stop)
    return feeds + (returns - text.count(b"\r\n", start, stop) if returns else 0)


def _are_cells_quoted_whole(lines: bytes) -> bool:
    """Say whether each quote of whole lines opens a cell, closes one on the same line, or is doubled within one.

    Most files are all like that, and all of a part is looked at at once: going from quote to quote takes twenty times
    as long where every cell is quoted.
    """
    import numpy as np

    text = np.frombuffer(lines, np.uint8)
    quotes = np.flatnonzero(text == ord('"'))
    if not len(quotes):
        return True
    if len(quotes) % 2:
        return False
    opening, closing = quotes[0::2], quotes[1::2]
    doubled = opening[1:] == closing[:-1] + 1
    opening, closing = opening[np.append(True, ~doubled)], closing[np.append(~doubled, True)]
    ends_a_cell = np.zeros(256, bool)
    ends_a_cell[list(ENDS_OF_CELLS)] = True
    before = text[opening[opening > 0] - 1]
    after = text[closing[closing < len(text) - 1] + 1]
    breaks = np.flatnonzero((text == ord("\n")) | (text == ord("\r")))
    return bool(
        ends_a_cell[before].all()
        and ends_a_cell[after].all()
        and np.array_equal(np.searchsorted(breaks, opening), np.searchsorted(breaks, closing))
    )


def _number_rows(reader: Any, malformed: dict[int, str], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Put the number of each row beside it, and hand on the rows that have other fields than the columns."""
    import numpy as np
    import pyarrow as pa

    first, passed = 2, np.array([], dtype=np.int64)  # the header is row 1; the reader may be ahead of what it gives
    for batch in reader:
        # Taken at once: Arrow adds to them from a thread of its own, for the part that it reads ahead.
        new = {number: malformed.pop(number) for number in list(malformed)}
        passed = np.append(passed[passed >= first], list(new)).astype(np.int64)
        numbers = np.arange(first, first + batch.num_rows + len(passed))
        numbers = numbers[~np.isin(numbers, passed)][: batch.num_rows]
        if len(numbers):
            yield _batch(pa.array(numbers), pa.nulls(len(numbers), pa.string()), batch.columns, schema)
            first = int(numbers[-1]) + 1
        yield from _put(new, schema)
    yield from _put(malformed, schema)


def _put(malformed: dict[int, str], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    if malformed:
        numbers, texts = pa.array(malformed.keys(), pa.int64()), pa.array(malformed.values(), pa.string())
        nothing = pa.nulls(len(malformed), pa.string())
        yield _batch(numbers, texts, [nothing] * (len(schema) - 2), schema)


def _batch(numbers: Any, malformed: Any, cells: list[Any], schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([numbers, malformed, *cells], schema=schema)


def _schema(columns: list[str], types: list[pa.DataType]) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([(ROW_NUMBER, pa.int64()), (MALFORMED_LINE, pa.string()), *zip(columns, types, strict=True)])


def _kind(type_: pa.DataType) -> str:
    """Name what kind a column is of: within a kind, a value has one text whatever its type."""
    import pyarrow as pa

    if _is_text(type_):
        return "text"
    return "integer" if pa.types.is_integer(type_) else str(type_)


def _is_text(type_: pa.DataType) -> bool:
    import pyarrow as pa

    of = type_.value_type if pa.types.is_dictionary(type_) else type_
    return bool(pa.types.is_string(of) or pa.types.is_large_string(of) or pa.types.is_string_view(of))


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
