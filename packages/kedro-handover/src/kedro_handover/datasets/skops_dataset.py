"""A scikit-learn model in skops' format: no pickle, nothing runs when it is loaded."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any

import fsspec
from kedro.io.core import AbstractVersionedDataset, DatasetError, Version, get_filepath_str, get_protocol_and_path
from kedro_datasets._typing import JSONPreview

from kedro_handover.datasets.atomic import atomic_write

SUFFIX = ".sha256"


class SkopsDataset(AbstractVersionedDataset[Any, Any]):
    """Saves and loads an estimator with skops, and the file's digest beside it, as `sha256sum` writes and checks it.

    skops writes the time of day and memory addresses into the file, so two files of one model differ. Whether two
    models are the same, `kedro_handover.models.digest_estimator` tells.
    """

    def __init__(
        self,
        *,
        filepath: str,
        trusted: list[str],
        sha256: str | None = None,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Create the dataset.

        Args:
            filepath: Where the model lies; a path or a URL that fsspec knows.
            trusted: Types beyond skops' own list that a file may hold; each should have been reviewed.
            sha256: The digest that the file must have; that beside it, if none is given.
            version: Kedro's version of the dataset.
            metadata: For other tools; not read here.
        """
        protocol, path = get_protocol_and_path(filepath, version)
        self._protocol = protocol
        self._fs = fsspec.filesystem(protocol)
        self._trusted = trusted
        self._sha256 = sha256
        self.metadata = metadata
        super().__init__(
            filepath=PurePosixPath(path), version=version, exists_function=self._fs.exists, glob_function=self._fs.glob
        )

    def save(self, data: Any) -> None:
        """Save an estimator.

        Args:
            data: What scikit-learn has fitted.
        """
        from skops.io import dumps

        content = dumps(data)  # before the file is opened: what fails leaves it alone
        path = get_filepath_str(self._get_save_path(), self._protocol)
        place = self._fs.unstrip_protocol(path)
        # Both are whole before either takes its place: a full disk leaves the model that was there.
        with atomic_write(place, "wb") as file, atomic_write(f"{place}{SUFFIX}", "w") as digest:
            file.write(content)
            digest.write(f"{sha256(content).hexdigest()}  {PurePosixPath(path).name}\n")
            digest.flush()
            file.flush()
        self._invalidate_cache()

    def load(self) -> Any:
        """Load the estimator.

        Returns:
            The estimator, as it was saved.

        Raises:
            DatasetError: If the file is not the one that was saved, or holds a type that is not trusted.
        """
        from skops.io import get_untrusted_types, loads

        path = get_filepath_str(self._get_load_path(), self._protocol)
        with self._fs.open(path, mode="rb") as file:
            content = file.read()
        if sha256(content).hexdigest() != (self._sha256 or self._read_digest(path)):
            msg = f"{path} is not the model that was saved: its digest is another one. Train again, or take a copy."
            raise DatasetError(msg)
        if untrusted := sorted(set(get_untrusted_types(data=content)) - set(self._trusted)):
            msg = (
                f"{path} holds types that are not trusted: {', '.join(untrusted)}. It is not the model that was saved."
            )
            raise DatasetError(msg)
        return loads(content, trusted=self._trusted)

    def preview(self) -> JSONPreview:
        """Describe the model for kedro-viz.

        Returns:
            What it is, the number of nodes and the depth of a tree, its features and its hyperparameters.
        """
        model = self.load()
        size = {"nodes": model.tree_.node_count, "depth": model.tree_.max_depth} if hasattr(model, "tree_") else {}
        features = list(getattr(model, "feature_names_in_", []))
        shown = {"class": type(model).__name__, **size, "features": features, "parameters": model.get_params()}
        return JSONPreview(json.dumps(shown, default=str))

    def _read_digest(self, path: str) -> str:
        if not self._fs.exists(f"{path}{SUFFIX}"):
            msg = f"{path} has no digest beside it, {PurePosixPath(path).name}{SUFFIX}. Train again, or take a copy."
            raise DatasetError(msg)
        with self._fs.open(f"{path}{SUFFIX}", mode="r", encoding="utf-8") as file:
            return str(file.read(64))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "protocol": self._protocol, "version": self._version}

    def _exists(self) -> bool:
        return bool(self._fs.exists(get_filepath_str(self._get_load_path(), self._protocol)))

    def _release(self) -> None:
        super()._release()
        self._invalidate_cache()

    def _invalidate_cache(self) -> None:
        self._fs.invalidate_cache(get_filepath_str(self._filepath, self._protocol))
