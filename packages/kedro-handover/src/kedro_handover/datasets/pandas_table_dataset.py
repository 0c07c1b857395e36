"""A table in pandas that is replaced as a whole, and that a run which has it in memory does not read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kedro_datasets._typing import TablePreview
from kedro_datasets.pandas import ParquetDataset

from kedro_handover.datasets.atomic import atomic_write
from kedro_handover.datasets.previews import preview_table

if TYPE_CHECKING:
    import pandas as pd


class PandasTableDataset(ParquetDataset):  # type: ignore[misc]
    """kedro-datasets' `ParquetDataset` reads a table once for each node that takes it, and for a preview as a whole.

    Here the nodes of a run are handed the table that was saved or first read, until Kedro releases it; none of them
    changes a frame that it is given.
    """

    _in_memory: pd.DataFrame | None = None

    def load(self) -> pd.DataFrame:
        """Load the table."""
        if self._in_memory is None:
            self._in_memory = super().load()
        return self._in_memory

    def save(self, data: pd.DataFrame) -> None:
        """Write a table in place of the one before.

        Args:
            data: The table.
        """
        with atomic_write(self._fs.unstrip_protocol(str(self._get_save_path())), "wb") as file:
            data.to_parquet(file, **self._save_args)
        self._invalidate_cache()
        self._in_memory = data

    def preview(self) -> TablePreview:
        """Show the first rows in kedro-viz.

        Returns:
            The rows.
        """
        return preview_table(self._fs.unstrip_protocol(str(self._get_load_path())), **self._storage_options)

    def _release(self) -> None:
        self._in_memory = None
        super()._release()
