"""A table on Polars that is computed as it is written, and replaced as a whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kedro_datasets._typing import TablePreview
from kedro_datasets.polars import LazyPolarsDataset

from kedro_handover.datasets.atomic import atomic_write
from kedro_handover.datasets.previews import preview_table

if TYPE_CHECKING:
    import polars as pl


class PolarsTableDataset(LazyPolarsDataset):  # type: ignore[misc]
    """Kedro's dataset collects a lazy frame before it writes; here Polars streams it into the file, part by part.

    The file is written beside its place and renamed into it: a computation that fails leaves the table before it.
    """

    def __init__(self, *, settings: dict[str, Any] | None = None, **options: Any) -> None:
        """Name the place of the table.

        Args:
            settings: Polars' own environment variables, for all of the process: `POLARS_MAX_THREADS`, …
            options: What `LazyPolarsDataset` takes.
        """
        super().__init__(**options)
        self._settings = {name: str(value) for name, value in (settings or {}).items()}

    def load(self) -> pl.LazyFrame:
        """Open the table; nothing of it is read yet."""
        import polars as pl

        pl.Config.load(json.dumps({"environment": self._settings}))
        table: pl.LazyFrame = super().load()
        return table

    def save(self, data: pl.LazyFrame) -> None:
        """Compute a table, and write it in place of the one before.

        Args:
            data: The table, lazy.
        """
        # Polars goes on with a file of its own for a moment after a computation has failed; with this one it can't.
        with atomic_write(self._fs.unstrip_protocol(str(self._get_save_path())), "wb") as file:
            data.sink_parquet(file, **self._save_args)
        self._invalidate_cache()

    def preview(self) -> TablePreview:
        """Show the first rows in kedro-viz.

        Returns:
            The rows.
        """
        return preview_table(self._fs.unstrip_protocol(str(self._get_load_path())), **self._storage_options)
