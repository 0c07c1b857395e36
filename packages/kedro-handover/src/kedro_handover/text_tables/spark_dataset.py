"""A table as it comes, read by Spark's executors."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from kedro_handover.text_tables.dataset import TextTableDataset

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

logger = logging.getLogger(__name__)


class SparkTextTableDataset(TextTableDataset):
    """Reads what `TextTableDataset` reads, with the same rows, numbers and refusals, by Spark's executors.

    The driver looks at the footers of Parquet files, and no row goes through it. A CSV is one stream of text, whose
    rows are known by those before them: the driver reads it part by part, in the memory of one part.
    """

    def load(self) -> DataFrame | pa.RecordBatchReader:
        """Open the table; its rows are read as they are asked for.

        Returns:
            What `TextTableDataset.load` gives, as a table on Spark; of a CSV the very same.

        Raises:
            DatasetError: As `TextTableDataset.load` does. A text that is not UTF-8 or has a null byte ends the job that
                meets it.
        """
        if not self._is_parquet:
            return super().load()
        from kedro_handover.text_tables.parquet_on_spark import read_parquet

        rows = self._open(read_parquet)
        if rows is None:
            logger.warning(
                "%s is read by the driver alone, in the memory of one part: it has a column of numbers with a fraction "
                "or of times, and engines write those as different texts. Write such columns as text for Spark's "
                "executors to read it.",
                self._filepath,
            )
            return super().load()
        return rows
