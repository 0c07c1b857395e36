"""A table as it comes: one reader of CSV and Parquet for all engines, so that none of them reads a file otherwise."""

from __future__ import annotations

import zlib
from functools import partial
from typing import TYPE_CHECKING, Any, Never, NoReturn, TypeVar

from fsspec.core import url_to_fs
from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import TablePreview
from pydantic import ValidationError

from kedro_handover.datasets.previews import ROWS, show_rows
from kedro_handover.errors import suggest
from kedro_handover.text_tables import csv_reader
from kedro_handover.text_tables.batches import first_line
from kedro_handover.text_tables.csv_folder import open_text
from kedro_handover.text_tables.csv_reader import CsvOptions
from kedro_handover.text_tables.parquet_reader import open_parquet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

T = TypeVar("T")


class TextTableDataset(AbstractDataset[Never, "pa.RecordBatchReader"]):
    """Reads a table part by part, every cell as text: what stands in a cell is what is loaded.

    A file that is not a CSV of the stated form is refused as a whole, with where and why. A row with another number of
    fields than the header is not lost: it comes as it stands in the file, for the contract to reject.

    Example:
        An export of Excel in Western Europe: `sep=;` on its first line, columns separated by semicolons.

        ```yaml
        orders_file:
          type: kedro_handover.text_tables.TextTableDataset
          filepath: data/01_raw/orders.csv
          load_args: { separator: ";", encoding: cp1252, skip_rows: 1 }
        ```
    """

    def __init__(
        self, *, filepath: str, load_args: dict[str, Any] | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        """Name the file.

        Args:
            filepath: A path or a URL that fsspec knows. `….parquet` is a Parquet file or a folder of them; all else
                (`….csv`, `….tsv`, `….txt`, `….csv.gz`) is a text file in UTF-8 or, with a byte order mark, UTF-16:
                columns separated by commas, by tabs in `….tsv`; quotes doubled within quotes; a header. It may be a
                folder of such files, each with its header.
            load_args: How a text file is written, where it is otherwise: `separator`, `encoding`, `compression`,
                `column_names` (of a file without a header), `skip_rows`, `strip_names`; see `CsvOptions`.
            metadata: For other tools; not read here.

        Raises:
            DatasetError: If `load_args` has a name or a value that is not known, or the file is Parquet.
        """
        self._filepath = filepath
        self._is_parquet = filepath.lower().endswith(".parquet")
        self._load_args = load_args or {}
        self._options = self._check_options(self._load_args)
        self.metadata = metadata

    def load(self) -> pa.RecordBatchReader:
        """Open the table; its parts are read as they are asked for.

        Returns:
            `row_number` (int64; the header of a CSV is 1, or 1 more for each line that is skipped before it; blank
            lines, and the headers of a folder's other parts, are not counted), `malformed_line` (the text of a row with
            another number of fields than the header, null for all others), and the columns of the file as text, those
            of a Parquet file as dictionaries of their values; an empty cell is null. A column without a name is named
            `column_1` by its place.

        Raises:
            DatasetError: If it is not there, has no header, names a column twice, is separated or
                compressed by something else than is said, or is not Parquet. Text that is not in its encoding, a null
                byte, a quote that takes in what is not its own, or a row beyond `BLOCK_BYTES` raise it where they are
                met.
        """
        import pyarrow as pa

        opener = open_parquet if self._is_parquet else partial(open_text, options=self._options)
        schema, batches = self._open(opener)
        return pa.RecordBatchReader.from_batches(schema, self._explain(batches))

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

    def _open(self, opener: Callable[..., T]) -> T:
        fs, path = url_to_fs(self._filepath)
        try:
            return opener(fs, path, refuse=self._refuse)
        except (OSError, EOFError, zlib.error) as error:
            self._refuse(f"can't be read: {getattr(error, 'strerror', None) or error}.")

    def _check_options(self, load_args: dict[str, Any]) -> CsvOptions:
        if load_args and self._is_parquet:
            self._refuse("is Parquet, which has no load_args. Leave them out.")
        if unknown := sorted(set(load_args) - set(CsvOptions.model_fields)):
            self._refuse(
                f"has load_args that are not known: {unknown[0]}. {suggest(unknown[0], CsvOptions.model_fields)}"
            )
        try:
            return CsvOptions.model_validate(load_args)
        except ValidationError as error:
            wrong = error.errors()[0]
            self._refuse(
                f"has load_args that are not to be used: {wrong['loc'][0]}: {wrong['msg']}; it is {wrong['input']!r}."
            )

    def _explain(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Say in a sentence what Arrow says."""
        import pyarrow as pa

        try:
            yield from batches
        except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
            reason = first_line(error)
            if "straddling" in reason:
                block = csv_reader.BLOCK_BYTES
                reason = f"a row is longer than {block:,} bytes; most often a quote without its end. Fix it."
            self._refuse(f"can't be read as {'Parquet' if self._is_parquet else 'CSV'}: {reason}")

    def _refuse(self, reason: str) -> NoReturn:
        msg = f"{self._filepath} {reason}"
        raise DatasetError(msg)

    def _exists(self) -> bool:
        fs, path = url_to_fs(self._filepath)
        return bool(fs.exists(path))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "load_args": self._load_args}
