"""A table in pandas."""

from __future__ import annotations

from kedro.io.core import get_filepath_str
from kedro_datasets._typing import TablePreview
from kedro_datasets.pandas import ParquetDataset

from premises.datasets.previews import preview_table


class PandasTableDataset(ParquetDataset):  # type: ignore[misc]
    """kedro-datasets' `ParquetDataset`, whose preview reads the whole table, with one that does not."""

    def preview(self) -> TablePreview:
        """Show the first rows in kedro-viz.

        Returns:
            The rows.
        """
        return preview_table(get_filepath_str(self._get_load_path(), self._protocol), **self._storage_options)
