"""A synthetic census on disk: written part by part, and never over anything that was not generated."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from kedro_handover.datasets.atomic import atomic_path, with_progress
from premises.census.origin import SYNTHETIC_NOTICE, is_synthetic_file, note_beside, remove_notes, write_note

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

logger = logging.getLogger(__name__)


class SyntheticCensusDataset(AbstractDataset["pa.RecordBatchReader", None]):
    """A synthetic census, as one CSV file or as a folder of Parquet parts, with a note beside it.

    It is written beside its place and renamed at the end, so that the catalog never sees half of one. It replaces an
    earlier one that is unchanged since it was generated; any other file or folder there is refused.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Name the place of the census.

        Args:
            filepath: A local path. `….csv` is one file; `….parquet` is a folder, with one part for each batch.
            metadata: Anything that Kedro's plugins want to know; not used here.

        Raises:
            DatasetError: If the path ends otherwise.
        """
        self._filepath = filepath
        self._path = Path(filepath)
        self.metadata = metadata
        if self._path.suffix not in {".csv", ".parquet"}:
            msg = f"{filepath} can't be generated: its format is not known. Let it end in .csv or .parquet."
            raise DatasetError(msg)

    def save(self, data: pa.RecordBatchReader) -> None:
        """Write the census.

        Args:
            data: Batches of text columns; `rows` in the schema's metadata, where it is there, is their total.

        Raises:
            DatasetError: If the place can't be written or must not be. Nothing has been generated then.
        """
        self.check_place()
        write = _write_csv if self._path.suffix == ".csv" else _write_parts
        # The note comes to its place first: a kill between the two leaves a note of nothing, never a synthetic census
        # without its note.
        with atomic_path(str(self._path)) as census, atomic_path(str(note_beside(self._path))) as note:
            rows = write(with_progress(data), Path(census))
            write_note(Path(census), Path(note), rows)
            # Asked again: a file may have been saved there while this one was generated.
            self.check_place()
            if self._path.is_dir():
                shutil.rmtree(self._path)
            self._path.unlink(missing_ok=True)
            remove_notes(self._path)
        logger.info("%s: %s rows. %s", self._path, f"{rows:,}", SYNTHETIC_NOTICE)

    def load(self) -> NoReturn:
        """Refuse: whoever reads a synthetic census reads it as the census.

        Raises:
            DatasetError: Always.
        """
        msg = f"{self._filepath} is only written by this dataset. Load `census_file` instead."
        raise DatasetError(msg)

    def check_place(self) -> None:
        """Check that a synthetic census may be written here, before any work is done.

        Raises:
            DatasetError: If the place is not local, or something stands there that was not generated.
        """
        if "://" in self._filepath:
            msg = f"{self._filepath} is not local. Generate the census at a local path, and copy it there."
            raise DatasetError(msg)
        if os.path.lexists(self._path) and not is_synthetic_file(self._path):
            msg = (
                f"{self._path} is taken by something that is not a synthetic census, or was changed since it was "
                "generated; it is left as it is. Move it away to generate a census there."
            )
            raise DatasetError(msg)

    def _exists(self) -> bool:
        return self._path.exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}


def _write_csv(batches: Iterable[pa.RecordBatch], file: Path) -> int:
    """Write one CSV file like the published one: quotes only where they are needed, a line feed after every row."""
    import pyarrow.compute as pc

    rows = 0
    with file.open("w", encoding="utf-8", newline="") as stream:
        for batch in batches:
            if not rows:
                stream.write(",".join(batch.schema.names) + "\n")
            # Arrow's own CSV writer quotes either every text or none.
            cells = [_quote_where_needed(column) for column in batch.columns]
            lines = pc.binary_join_element_wise(*cells, ",", null_handling="replace", null_replacement="")
            stream.write("\n".join(lines.to_pylist()) + "\n")
            rows += batch.num_rows
    return rows


def _quote_where_needed(column: pa.StringArray) -> pa.StringArray:
    import pyarrow.compute as pc

    needed = pc.match_substring_regex(column, '[",\r\n]')
    if not pc.any(needed).as_py():
        return column
    quoted = pc.binary_join_element_wise('"', pc.replace_substring(column, '"', '""'), '"', "")
    return pc.if_else(needed, quoted, column)


def _write_parts(batches: Iterable[pa.RecordBatch], folder: Path) -> int:
    """Write a folder of Parquet files, one for each batch; each says in its metadata that it is synthetic."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = 0
    folder.mkdir()
    for part, batch in enumerate(batches):
        pq.write_table(pa.Table.from_batches([batch]), folder / f"part-{part:05d}.parquet")
        rows += batch.num_rows
    return rows
