"""The place of a dataset, for a program of its own that reads it there."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, Never, NoReturn

import fsspec
from kedro.io.core import AbstractVersionedDataset, DatasetError, Version, get_filepath_str, get_protocol_and_path


class LocationDataset(AbstractVersionedDataset[Never, str]):
    """Loads where another dataset lies: its path, or that of its latest version."""

    def __init__(
        self, *, filepath: str, version: Version | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        """Name the place.

        Args:
            filepath: That of the other dataset: a path or a URL that fsspec knows.
            version: Kedro's version of it.
            metadata: For other tools; not read here.
        """
        protocol, path = get_protocol_and_path(filepath, version)
        self._protocol = protocol
        self._fs = fsspec.filesystem(protocol)
        self.metadata = metadata
        super().__init__(
            filepath=PurePosixPath(path), version=version, exists_function=self._fs.exists, glob_function=self._fs.glob
        )

    def load(self) -> str:
        """Give the place.

        Returns:
            A path or a URL.

        Raises:
            DatasetError: If nothing is there.
        """
        path = get_filepath_str(self._get_load_path(), self._protocol)
        if not self._fs.exists(path):
            msg = f"{path} is not there."
            raise DatasetError(msg)
        return path

    def save(self, data: Never) -> NoReturn:  # noqa: ARG002 - Kedro's
        """Refuse: what lies there is saved by its own dataset.

        Raises:
            DatasetError: Always.
        """
        msg = f"{self._filepath} is only pointed at."
        raise DatasetError(msg)

    def _exists(self) -> bool:
        return bool(self._fs.exists(get_filepath_str(self._get_load_path(), self._protocol)))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "protocol": self._protocol, "version": self._version}
