"""Tables as they come, CSV or Parquet, every cell as text: one reader for all engines."""

from kedro_handover.text_tables.batches import MALFORMED_LINE, ROW_NUMBER
from kedro_handover.text_tables.dataset import TextTableDataset
from kedro_handover.text_tables.source import Source, describe_source

__all__ = ["MALFORMED_LINE", "ROW_NUMBER", "Source", "TextTableDataset", "describe_source"]
