"""A table on DuckDB, for which Kedro has no dataset of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import TablePreview

from kedro_handover.datasets.atomic import atomic_path
from kedro_handover.datasets.previews import preview_table

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation


class DuckDBTableDataset(AbstractDataset["DuckDBPyRelation", "DuckDBPyRelation"]):
    """Loads Parquet as a relation, which reads nothing yet; DuckDB computes one as it is written.

    The file is written beside its place and renamed into it: a computation that fails leaves the table before it. All
    relations are of DuckDB's default connection, so that they can be joined.
    """

    def __init__(
        self,
        *,
        filepath: str,
        settings: dict[str, Any] | None = None,
        save_args: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Name the place of the table.

        Args:
            filepath: A path of this machine.
            settings: DuckDB's own, for its default connection: `memory_limit`, `temp_directory`, `threads`, …
            save_args: Arguments of `DuckDBPyRelation.write_parquet`.
            metadata: For other tools; not read here.
        """
        self._filepath = filepath
        self._settings = settings or {}
        self._save_args = save_args or {}
        self.metadata = metadata

    def load(self) -> DuckDBPyRelation:
        """Open the table.

        Raises:
            DatasetError: If it is not there.
        """
        import duckdb

        if not self._exists():
            msg = f"{self._filepath} is not there."
            raise DatasetError(msg)
        for name, value in self._settings.items():
            duckdb.execute(f"SET {name} = ?", [value])
        return duckdb.read_parquet(self._filepath)

    def save(self, data: DuckDBPyRelation) -> None:
        """Compute a table, and write it in place of the one before.

        Args:
            data: The table, as a relation.
        """
        with atomic_path(self._filepath) as written:
            data.write_parquet(written, **self._save_args)

    def preview(self) -> TablePreview:
        """Show the first rows in kedro-viz.

        Returns:
            The rows.
        """
        return preview_table(self._filepath)

    def _exists(self) -> bool:
        return Path(self._filepath).exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "settings": self._settings, "save_args": self._save_args}
