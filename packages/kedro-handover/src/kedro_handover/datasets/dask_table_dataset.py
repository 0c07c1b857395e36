"""A table on Dask that is replaced as a whole."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, cast

from kedro_datasets._typing import TablePreview
from kedro_datasets.dask import ParquetDataset
from narwhals import dtypes
from narwhals._dask.utils import NW_TO_DASK_DTYPES

from kedro_handover.datasets.atomic import atomic_path
from kedro_handover.datasets.previews import preview_table

if TYPE_CHECKING:
    import dask.dataframe as dd

# Narwhals takes the plug-in `narwhals-dask` where it is installed. None has been published yet.
warnings.filterwarnings("ignore", "Dask support is moving out of Narwhals", FutureWarning)

# Narwhals casts on Dask to NumPy's types, which know no null: an integer that is missing ends the run, and a boolean
# that is becomes True. On pandas it keeps to Arrow's types where the column is of them; the tables here always are.
cast("dict[Any, str]", NW_TO_DASK_DTYPES).update(
    {
        dtypes.Boolean: "bool[pyarrow]",
        dtypes.Int64: "int64[pyarrow]",
        dtypes.Float32: "float[pyarrow]",
        dtypes.Float64: "double[pyarrow]",
    }
)


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
