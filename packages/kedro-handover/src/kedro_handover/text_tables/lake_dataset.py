"""A table of a lake or of a database as it comes, read by Spark's executors, in one version that is known."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Never, NoReturn

from fsspec.core import url_to_fs
from kedro.io import AbstractDataset, DatasetError

from kedro_handover.datasets.spark_table_dataset import read_by_name
from kedro_handover.text_tables.batches import first_line
from kedro_handover.text_tables.source import describe_as

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

logger = logging.getLogger(__name__)

VERSION_OPTIONS = {"delta": "versionAsOf", "iceberg": "snapshot-id"}
"""The option that names a version, by format. The others have none."""

OTHER_WAYS = ("versionAsOf", "timestampAsOf", "snapshot-id", "as-of-timestamp", "branch", "tag")
"""Options that say which version is meant; only the one that names it is taken."""


class LakeTextTableDataset(AbstractDataset[Never, "DataFrame"]):
    """Reads any table that Spark reads, every cell as text: Delta, Iceberg, Hive, a database by JDBC.

    Such a table has no order of rows, and its files are rewritten as the format likes. So a row is numbered by what it
    holds: rows are put in the order of the 64-bit xxHash of their texts and, where that is the same, of the texts
    themselves, column by column. The same rows have the same numbers, whatever files and formats they lie in.

    What is read of Delta and Iceberg is one version: the one in `load_args`, or the last one, which is looked up
    first. `describe_source` gives it, and a release records it.

    Example:
        One entry in an environment's `globals.yml` makes it the raw table.

        ```yaml
        engine:
          text_table:
            type: kedro_handover.text_tables.lake_dataset.LakeTextTableDataset
            file_format: delta
            filepath: s3a://lake/orders
            load_args: { versionAsOf: 3 }
        ```
    """

    def __init__(  # noqa: PLR0913 - Kedro's names
        self,
        *,
        file_format: str,
        filepath: str | None = None,
        table_name: str | None = None,
        load_args: dict[str, Any] | None = None,
        credentials: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Name the table.

        Args:
            file_format: Spark's name of the format: `delta`, `iceberg`, `hive`, `jdbc`, or any other that Spark reads.
            filepath: A path or a URL that Spark knows, where the table is known by its place.
            table_name: Its name in one of Spark's catalogs or, by JDBC, in the database, where it is known by that.
            load_args: Options of Spark's reader, such as `versionAsOf` (Delta), `snapshot-id` (Iceberg), `url` (JDBC).
            credentials: More options, which are not told to anyone: `user` and `password`.
            metadata: For other tools; not read here.

        Raises:
            DatasetError: If both a place and a name are given, or neither; or if `load_args` says which version is
                meant in another way than by its number.
        """
        if (filepath is None) == (table_name is None):
            msg = f"A table of {file_format} needs a filepath or a table_name, and not both."
            raise DatasetError(msg)
        self._place = filepath or table_name or ""
        self._filepath, self._table_name = filepath, table_name
        self._format = file_format
        self._load_args = load_args or {}
        self._credentials = credentials or {}
        self.metadata = metadata
        by_number = VERSION_OPTIONS.get(file_format)
        if other := [name for name in OTHER_WAYS if name in self._load_args and name != by_number]:
            how = f"Name the version by its number, {by_number}." if by_number else f"{file_format} has no versions."
            self._refuse(f"has load_args that are not to be used: {other[0]}. {how}")

    def load(self) -> DataFrame:
        """Open the table; its rows are read by the executors as they are asked for.

        Returns:
            `row_number` (from 1), `malformed_line` (always null), and the columns as text; nested ones are left out.

        Raises:
            DatasetError: If Spark does not find the table, the version or the format's jars. A null byte, a text that
                is not UTF-8, or rows that others add meanwhile, end the job that meets them.
        """
        from py4j.protocol import Py4JJavaError
        from pyspark.errors import PySparkException

        from kedro_handover.text_tables.rows_on_spark import number_rows, to_texts

        try:
            version = self._find_version()
            table = self._read(version)
            texts = to_texts(table, self._place, self._refuse)
            source = {"table": self._place, "format": self._format, "version": version}
            logger.info("Reading %s, %s.", self._place, self._format if version is None else f"version {version}")
            return describe_as(number_rows(texts, self._refuse), source)
        except (PySparkException, Py4JJavaError) as error:
            reason = first_line(getattr(error, "java_exception", None) or error)
            self._refuse(
                f"can't be read as {self._format}: {reason} The format's jars come by spark.jars.packages in spark.yml."
            )

    def save(self, data: Never) -> NoReturn:  # noqa: ARG002 - Kedro's
        """Refuse: a table comes from outside.

        Raises:
            DatasetError: Always.
        """
        self._refuse("is only read.")

    def _find_version(self) -> int | None:
        """Give the number of the version to read; None where the format has none."""
        from kedro_handover.spark.session import get_spark

        option = VERSION_OPTIONS.get(self._format)
        if option is None:
            return None
        if option in self._load_args:
            return int(self._load_args[option])
        spark = get_spark()
        if self._format == "delta":
            name = self._table_name or f"delta.`{self._place.replace('`', '``')}`"
            newest = spark.sql(f"DESCRIBE HISTORY {name} LIMIT 1").first()
            return None if newest is None else int(newest["version"])
        refs = spark.read.format("iceberg").load(f"{self._place}{'.' if self._table_name else '#'}refs")
        main = refs.filter("name = 'main'").first()
        if main is None:
            self._refuse("has no snapshot: nothing was ever written to it.")
        return int(main["snapshot_id"])

    def _read(self, version: int | None) -> DataFrame:
        from kedro_handover.spark.session import get_spark

        options = {**self._load_args, **self._credentials}
        if version is not None:
            options[VERSION_OPTIONS[self._format]] = version
        if self._format == "jdbc":
            return get_spark().read.format("jdbc").options(dbtable=self._place, **options).load()
        if self._table_name is not None:
            return read_by_name(self._table_name, self._format, options)
        return get_spark().read.format(self._format).options(**options).load(self._place)

    def _refuse(self, reason: str) -> NoReturn:
        msg = f"{self._place} {reason}"
        raise DatasetError(msg)

    def _exists(self) -> bool:
        """Say whether it is there; a table that is known by its name is asked for when it is loaded."""
        if self._filepath is None:
            return True
        fs, path = url_to_fs(self._filepath)
        return bool(fs.exists(path))

    def _describe(self) -> dict[str, Any]:
        return {"place": self._place, "file_format": self._format, "load_args": self._load_args}
