"""A table as it comes, read by Spark's executors."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from kedro_handover.text_tables.dataset import TextTableDataset

if TYPE_CHECKING:
    import pyarrow as pa
    from fsspec import AbstractFileSystem
    from pyspark.sql import DataFrame

    from kedro_handover.text_tables.batches import Refuse

logger = logging.getLogger(__name__)


class SparkTextTableDataset(TextTableDataset):
    """Reads what `TextTableDataset` reads, with the same rows, numbers and refusals, by Spark's executors.

    The driver looks at the footers of Parquet files, and no row goes through it. Of a folder of CSV files, each is read
    by one executor, where executors have Python (`spark.handover.polars`). One CSV is one stream of text, whose rows
    are known by those before them: the driver reads it part by part, in the memory of one part.
    """

    def load(self) -> DataFrame | pa.RecordBatchReader:
        """Open the table; its rows are read as they are asked for.

        Returns:
            What `TextTableDataset.load` gives, as a table on Spark; of one CSV the very same.

        Raises:
            DatasetError: As `TextTableDataset.load` does. What is wrong within a part ends the job that meets it.
        """
        rows = self._open(self._read_parquet if self._is_parquet else self._read_csv)
        return super().load() if rows is None else rows

    def _read_parquet(self, fs: AbstractFileSystem, path: str, refuse: Refuse) -> DataFrame | None:
        from kedro_handover.text_tables.parquet_on_spark import read_parquet

        rows = read_parquet(fs, path, refuse)
        if rows is None:
            logger.warning(
                "%s is read by the driver alone: it has a column of numbers with a fraction or of times, which engines "
                "write as different texts. Write such columns as text for Spark's executors to read it.",
                self._filepath,
            )
        return rows

    def _read_csv(self, fs: AbstractFileSystem, path: str, refuse: Refuse) -> DataFrame | None:
        from kedro_handover.spark.row_local import SETTING, is_on_polars
        from kedro_handover.spark.session import get_spark
        from kedro_handover.text_tables.csv_on_spark import read_csv_folder

        if not fs.isdir(path):
            return None
        if not is_on_polars(get_spark()):
            logger.warning(
                "%s is read by the driver alone, one part after the other: executors read CSV by Python, and %s in "
                "spark.yml does not say that they have it.",
                self._filepath,
                SETTING,
            )
            return None
        return read_csv_folder(fs, path, self._options, refuse)
