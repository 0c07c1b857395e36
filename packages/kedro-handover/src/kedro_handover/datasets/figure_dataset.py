"""A Matplotlib figure as a PNG file that a later node can put into a report."""

from __future__ import annotations

from kedro.io.core import get_filepath_str
from kedro_datasets.matplotlib import MatplotlibDataset


class FigureDataset(MatplotlibDataset):  # type: ignore[misc]
    """kedro-datasets' `MatplotlibDataset`, which saves figures and can't load: here the file's bytes are loaded."""

    def load(self) -> bytes:
        """Load the figure.

        Returns:
            The PNG file's bytes.
        """
        path = get_filepath_str(self._get_load_path(), self._protocol)
        with self._fs.open(path, mode="rb") as file:
            return bytes(file.read())
