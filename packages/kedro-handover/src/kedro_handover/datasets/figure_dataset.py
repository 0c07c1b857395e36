"""A Matplotlib figure as a PNG file that a later node can put into a page."""

from __future__ import annotations

from kedro.io.core import get_filepath_str
from kedro_datasets.matplotlib import MatplotlibDataset


class FigureDataset(MatplotlibDataset):  # type: ignore[misc]
    """kedro-datasets' `MatplotlibDataset`, which saves figures and can't load, with the picture's bytes as its load."""

    def load(self) -> bytes:
        """Load the picture.

        Returns:
            The PNG file's bytes.
        """
        path = get_filepath_str(self._get_load_path(), self._protocol)
        with self._fs.open(path, mode="rb") as file:
            return bytes(file.read())
