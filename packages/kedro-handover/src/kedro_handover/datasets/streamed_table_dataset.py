"""A table that comes part by part, and that the engine reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import TablePreview

from kedro_handover.datasets.atomic import atomic_write, prefetch, with_progress
from kedro_handover.datasets.previews import preview_table

if TYPE_CHECKING:
    import pyarrow as pa


class StreamedTableDataset(AbstractDataset[Any, Any]):
    """Writes batches to one Parquet file, in the memory of one batch; loads it as the engine's tables are loaded.

    A table that the engine itself has read is written as the engine's tables are. The file is written beside its place
    and renamed into it: what fails on the way leaves the one before.
    """

    def __init__(self, *, filepath: str, table: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
        """Name the place of the table.

        Args:
            filepath: A path or a URL that fsspec and the engine know.
            table: The configuration of the dataset that loads it: Kedro's, without `filepath`.
            metadata: For other tools; not read here.
        """
        self._filepath = filepath
        self._table: AbstractDataset[Any, Any] = AbstractDataset.from_config("table", {**table, "filepath": filepath})
        self.metadata = metadata

    def save(self, data: pa.RecordBatchReader | Any) -> None:
        """Write a table in place of the one before.

        Args:
            data: Its batches, or a frame of the engine.
        """
        import pyarrow as pa
        from pyarrow import parquet

        if not isinstance(data, pa.RecordBatchReader):
            self._table.save(data)
            return
        # Least and greatest of texts are of no use to anyone, and take as long to find as the texts to write. How
        # Arrow had the columns is not noted: dictionaries of text are text to whoever reads them.
        numbers = [field.name for field in data.schema if pa.types.is_integer(field.type)]
        options = {"write_statistics": numbers, "store_schema": False}
        with atomic_write(self._filepath, "wb") as file, parquet.ParquetWriter(file, data.schema, **options) as writer:
            for batch in prefetch(with_progress(data)):
                writer.write_batch(batch)
        self._table.release()

    def load(self) -> Any:
        """Load the table as a frame of the engine."""
        return self._table.load()

    def preview(self) -> TablePreview:
        """Show the first rows in kedro-viz.

        Returns:
            The rows.
        """
        return preview_table(self._filepath)

    def _exists(self) -> bool:
        return self._table.exists()

    def _release(self) -> None:
        self._table.release()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "table": self._table}
