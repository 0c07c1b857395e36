"""A table on Spark that is replaced as a whole, and whose columns need not be looked for again once it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsspec.core import url_to_fs
from kedro.io import DatasetError
from kedro_datasets._typing import TablePreview
from kedro_datasets.spark import SparkDatasetV2

from kedro_handover.datasets.hadoop_files import spark_path
from kedro_handover.datasets.previews import preview_table, show_rows

if TYPE_CHECKING:
    from pandas import DataFrame
    from pyspark.sql import DataFrame as SparkDataFrame
    from pyspark.sql.types import StructType


LAKE_FORMATS = frozenset({"delta"})
"""Formats whose own log replaces a table in one step, and keeps the versions before it."""


class SparkTableDataset(SparkDatasetV2):  # type: ignore[misc]
    """Spark's own overwriting deletes a table before it writes, so a job that fails leaves none.

    Here a table is written beside its place and renamed into it, and the one before stays until then. What this dataset
    has written or loaded it loads again with the schema that it had: Spark would run a job to find it in the files.

    A table of Delta (`file_format: delta`) is replaced by Delta itself, which keeps the versions before it; `load_args:
    { versionAsOf: 3 }` loads one of them.
    """

    _known: tuple[StructType, int | None] | None = None
    """The schema of what was saved or loaded here, and when the file system says that it was changed last."""

    def _save(self, data: SparkDataFrame | DataFrame) -> None:
        """Write a table in place of the one before.

        Args:
            data: The table; a frame of pandas is handed to Spark first.

        Raises:
            DatasetError: If the file system does not rename what has been written.
        """
        import pandas as pd

        from kedro_handover.spark.session import get_spark, hadoop_path

        table = get_spark().createDataFrame(data) if isinstance(data, pd.DataFrame) else data
        place = spark_path(self._protocol, str(self._get_save_path()))
        if self._file_format in LAKE_FORMATS:
            new_columns = {"overwriteSchema": "true", **self._save_args}
            table.write.save(place, self._file_format, mode="overwrite", **new_columns)
            return
        fs, path = hadoop_path(place)
        written = path.suffix(".written")  # the next save overwrites what a run that was killed has left there
        options = {name: value for name, value in self._save_args.items() if name != "partitionBy"}
        partitions = self._save_args.get("partitionBy")
        table.write.save(written.toString(), self._file_format, mode="overwrite", partitionBy=partitions, **options)
        fs.delete(path, True)  # noqa: FBT003 - Hadoop's; with all that is in it
        if not fs.rename(written, path):
            msg = f"{written.toString()} is written, and could not be renamed to {path.getName()}: rename it."
            raise DatasetError(msg)
        self._known = table.schema, fs.getFileStatus(path).getModificationTime()

    def _load(self) -> SparkDataFrame:
        """Load the table.

        Returns:
            The table; its columns are read from the files, unless they are known and the files are as they were.
        """
        from kedro_handover.spark.session import get_spark, hadoop_path

        spark = get_spark()
        fs, path = hadoop_path(spark_path(self._protocol, str(self._get_load_path())))
        if self._file_format in LAKE_FORMATS:  # its log has the columns
            return spark.read.load(path.toString(), self._file_format, self._schema, **self._load_args)
        changed = fs.getFileStatus(path).getModificationTime() if fs.exists(path) else None
        known = self._known[0] if self._known is not None and self._known[1] == changed else self._schema
        table = spark.read.load(path.toString(), self._file_format, known, **self._load_args)
        self._known = table.schema, changed
        return table

    def _exists(self) -> bool:
        """Ask the file system, as the driver's other datasets do: kedro-datasets would start a Spark of its own."""
        fs, path = url_to_fs(spark_path(self._protocol, str(self._get_load_path())), **self._credentials)
        return bool(fs.exists(path))

    def preview(self) -> TablePreview:
        """Show the first rows in kedro-viz; no Spark starts.

        Returns:
            The rows; none of a table of Delta, whose files are of all its versions.
        """
        if self._file_format in LAKE_FORMATS:
            return show_rows([], [])
        path = spark_path(self._protocol, str(self._get_load_path()))
        return preview_table(path, **self._credentials)
