"""A table on Spark that is replaced as a whole, and whose columns need not be looked for again once it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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


LAKE_FORMATS = frozenset({"delta", "iceberg"})
"""Formats whose own log replaces a table in one step, and keeps the versions before it."""

WRITTEN = ".written"
"""Beside a table, what is to take its place."""


def read_by_name(table_name: str, file_format: str, options: dict[str, Any]) -> SparkDataFrame:
    """Read a table that one of Spark's catalogs knows.

    Args:
        table_name: Its name, with those of the catalog and the database.
        file_format: Its format.
        options: Those of Spark's reader.
    """
    from kedro_handover.spark.session import get_spark

    reader = get_spark().read.options(**options)
    # Iceberg gives an old snapshot the columns that it had where it is loaded; as a table it has those of today.
    return reader.format("iceberg").load(table_name) if file_format == "iceberg" else reader.table(table_name)


class SparkTableDataset(SparkDatasetV2):  # type: ignore[misc]
    """Spark's own overwriting deletes a table before it writes, so a job that fails leaves none.

    Here a table is written beside its place and renamed into it, and the one before stays until then. What this dataset
    has written or loaded it loads again with the schema that it had: Spark would run a job to find it in the files.

    A table of Delta or Iceberg (`file_format`) is replaced by the format itself, which keeps the versions before it;
    `load_args: { versionAsOf: 3 }`, of Iceberg `{ snapshot-id: … }`, loads one of them. Delta knows a table by its
    `filepath`, Iceberg by its `table_name` in one of Spark's catalogs.
    """

    _known: tuple[StructType, int | None] | None = None
    """The schema of what was saved or loaded here, and when the file system says that it was changed last."""

    def __init__(
        self, *, file_format: str = "parquet", filepath: str = "", table_name: str | None = None, **options: Any
    ) -> None:
        """Name the table.

        Args:
            file_format: `parquet`, or another that Spark writes; `delta` and `iceberg` by their jars.
            filepath: A path or a URL that Spark knows.
            table_name: The name of a table of Iceberg in a catalog of Spark's.
            options: Those of Kedro's `spark.SparkDatasetV2`.

        Raises:
            DatasetError: If a table of Iceberg has no name, or another no place.
        """
        if file_format == "iceberg" and not table_name:
            msg = f"{filepath}: a table of Iceberg is written by its name in a catalog of Spark's. Give a table_name."
            raise DatasetError(msg)
        if file_format != "iceberg" and not filepath:
            msg = f"{table_name or 'A table'}: a table of {file_format} is written to a place. Give a filepath."
            raise DatasetError(msg)
        super().__init__(filepath=filepath or str(table_name), file_format=file_format, **options)
        self._table_name = table_name

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
        if self._table_name is not None:
            self._replace(table, self._table_name)
            return
        place = spark_path(self._protocol, str(self._get_save_path()))
        if self._file_format in LAKE_FORMATS:
            new_columns = {"overwriteSchema": "true", **self._save_args}
            table.write.save(place, self._file_format, mode="overwrite", **new_columns)
            return
        fs, path = hadoop_path(place)
        written = path.suffix(WRITTEN)  # the next save overwrites what a run that was killed has left there
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

        Raises:
            DatasetError: If it lies on S3, and a run was killed while it replaced the table.
        """
        from kedro_handover.spark.session import get_spark, hadoop_path

        if self._table_name is not None:
            return read_by_name(self._table_name, self._file_format, self._load_args)
        spark = get_spark()
        fs, path = hadoop_path(spark_path(self._protocol, str(self._get_load_path())))
        if self._file_format in LAKE_FORMATS:  # its log has the columns
            return spark.read.load(path.toString(), self._file_format, self._schema, **self._load_args)
        if path.toString().startswith("s3") and _was_left_between(fs, path.suffix(WRITTEN)):
            msg = (
                f"{path.toString()} was about to be replaced when a run ended. S3 copies one object after the other: "
                "the table may be incomplete. Run again what writes it."
            )
            raise DatasetError(msg)
        changed = fs.getFileStatus(path).getModificationTime() if fs.exists(path) else None
        known = self._known[0] if self._known is not None and self._known[1] == changed else self._schema
        table = spark.read.load(path.toString(), self._file_format, known, **self._load_args)
        self._known = table.schema, changed
        return table

    def _replace(self, table: SparkDataFrame, name: str) -> None:
        """Have Iceberg replace a table, or make it, in one step."""
        from pyspark.sql import functions as F  # noqa: N812

        partitions = self._save_args.get("partitionBy") or []
        names = [partitions] if isinstance(partitions, str) else partitions
        options = {key: value for key, value in self._save_args.items() if key != "partitionBy"}
        writer = table.writeTo(name).using(self._file_format).options(**options)
        (writer.partitionedBy(*map(F.col, names)) if names else writer).createOrReplace()

    def _exists(self) -> bool:
        """Ask the file system, as the driver's other datasets do: kedro-datasets would start a Spark of its own."""
        if self._table_name is not None:
            from kedro_handover.spark.session import get_spark

            return bool(get_spark().catalog.tableExists(self._table_name))
        fs, path = url_to_fs(spark_path(self._protocol, str(self._get_load_path())), **self._credentials)
        return bool(fs.exists(path))

    def preview(self) -> TablePreview:
        """Show the first rows in kedro-viz; no Spark starts.

        Returns:
            The rows; none of a table of Delta or Iceberg, whose files are of all its versions.
        """
        if self._file_format in LAKE_FORMATS:
            return show_rows([], [])
        path = spark_path(self._protocol, str(self._get_load_path()))
        return preview_table(path, **self._credentials)


def _was_left_between(fs: Any, written: Any) -> bool:
    """Say whether a run has ended after it had written a table, and before that had taken its place."""
    from kedro_handover._compat import get_jvm
    from kedro_handover.spark.session import get_spark

    temporary = get_jvm(get_spark().sparkContext).org.apache.hadoop.fs.Path(written, "_temporary")
    return bool(fs.exists(written)) and not fs.exists(temporary)
