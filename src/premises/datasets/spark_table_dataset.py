"""A table on Spark that is replaced as a whole, and whose columns need not be looked for again once it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kedro.io import DatasetError
from kedro_datasets._typing import TablePreview
from kedro_datasets.spark import SparkDatasetV2
from kedro_datasets.spark.spark_dataset_v2 import to_spark_path

from premises.datasets.previews import preview_table

if TYPE_CHECKING:
    from pandas import DataFrame
    from pyspark.sql import DataFrame as SparkDataFrame
    from pyspark.sql.types import StructType


class SparkTableDataset(SparkDatasetV2):  # type: ignore[misc]
    """Spark's own overwriting deletes a table before it writes, so a job that fails leaves none.

    Here a table is written beside its place and renamed into it, and the one before stays until then. What this dataset
    has written it loads with the schema that it had, where Spark would run a job to find the schema in the files.
    """

    _written: tuple[StructType, int] | None = None
    """The schema of what was saved here, and when the file system says that it was changed last."""

    def _save(self, data: SparkDataFrame | DataFrame) -> None:
        """Write a table in place of the one before.

        Args:
            data: The table; a frame of pandas is handed to Spark first.

        Raises:
            DatasetError: If the file system does not rename what has been written.
        """
        import pandas as pd

        from premises.spark.session import find_on_hadoop, start_spark

        table = start_spark().createDataFrame(data) if isinstance(data, pd.DataFrame) else data
        fs, path = find_on_hadoop(to_spark_path(self._protocol, str(self._get_save_path())))
        written = path.suffix(".written")  # the next save overwrites what a run that was killed has left there
        options = {name: value for name, value in self._save_args.items() if name != "partitionBy"}
        partitions = self._save_args.get("partitionBy")
        table.write.save(written.toString(), self._file_format, mode="overwrite", partitionBy=partitions, **options)
        fs.delete(path, True)  # noqa: FBT003 - Hadoop's; with all that is in it
        if not fs.rename(written, path):
            msg = f"{written.toString()} is written, and could not be renamed to {path.getName()}: rename it."
            raise DatasetError(msg)
        self._written = table.schema, fs.getFileStatus(path).getModificationTime()

    def _load(self) -> SparkDataFrame:
        """Load the table.

        Returns:
            The table; its columns are read from the files, unless they are what this dataset has written.
        """
        from premises.spark.session import find_on_hadoop, start_spark

        if self._written is not None:
            schema, changed = self._written
            fs, path = find_on_hadoop(to_spark_path(self._protocol, str(self._get_load_path())))
            if fs.exists(path) and fs.getFileStatus(path).getModificationTime() == changed:
                return start_spark().read.load(path.toString(), self._file_format, schema, **self._load_args)
        table: SparkDataFrame = super()._load()
        return table

    def preview(self) -> TablePreview:
        """Show the first rows in kedro-viz; no Spark starts.

        Returns:
            The rows.
        """
        path = to_spark_path(self._protocol, str(self._get_load_path()))
        return preview_table(path, **self._credentials)
