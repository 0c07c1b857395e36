"""A table on Dask that is replaced as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kedro_datasets._typing import TablePreview
from kedro_datasets.dask import ParquetDataset

from kedro_handover._compat import keep_arrow_types_on_dask
from kedro_handover.datasets.atomic import atomic_path
from kedro_handover.datasets.previews import preview_table

if TYPE_CHECKING:
    import dask.dataframe as dd

keep_arrow_types_on_dask()


class DaskTableDataset(ParquetDataset):  # type: ignore[misc]
    """Kedro's dataset adds files to those that are there, or deletes them first.

    Here the folder is written beside its place and renamed into it: a computation that fails leaves the table before.
    """

    def save(self, data: dd.DataFrame) -> None:
        """Compute a table, and write it in place of the one before.

        Args:
            data: The table.
        """
        with atomic_path(self._filepath) as written:
            ParquetDataset(
                filepath=written, save_args=self._save_args, credentials=self._credentials, fs_args=self._fs_args
            ).save(data)

    def preview(self) -> TablePreview:
        """Show the first rows in kedro-viz.

        Returns:
            The rows.
        """
        return preview_table(self._filepath, **self.fs_args)
