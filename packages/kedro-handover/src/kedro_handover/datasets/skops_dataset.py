"""A scikit-learn model in skops' format: no pickle, nothing runs when it is loaded."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any
from zipfile import ZipFile, ZipInfo

import fsspec
from kedro.io.core import AbstractVersionedDataset, DatasetError, Version, get_filepath_str, get_protocol_and_path
from kedro_datasets._typing import JSONPreview

from kedro_handover.datasets.atomic import atomic_write

SUFFIX = ".sha256"


class SkopsDataset(AbstractVersionedDataset[Any, Any]):
    """Saves and loads an estimator with skops; the same model gives the same bytes.

    skops writes the time of day and memory addresses into the file; both are replaced here by constants, so that a
    model can be recognised by its digest. It stands beside the file, as `sha256sum` writes and checks it.
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
            sha256: The digest that the file has to have; that beside it, if none is given.
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
        content = serialise(data)  # before the file is opened: what fails leaves it alone
        path = get_filepath_str(self._get_save_path(), self._protocol)
        place = self._fs.unstrip_protocol(path)
        # Both are whole before either takes its place: a disk that is full leaves the model that was there.
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
        if strangers := sorted(set(get_untrusted_types(data=content)) - set(self._trusted)):
            msg = (
                f"{path} holds types that are not trusted: {', '.join(strangers)}. It is not the model that was saved."
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
        said = {"class": type(model).__name__, **size, "features": features, "parameters": model.get_params()}
        return JSONPreview(json.dumps(said, default=str))

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


def serialise(estimator: Any) -> bytes:
    """Write an estimator as its file has it.

    Args:
        estimator: What scikit-learn has fitted.

    Returns:
        The bytes; the same for the same estimator.
    """
    from skops.io import dumps

    return _without_times_and_addresses(dumps(estimator))


def digest_estimator(estimator: Any) -> str:
    """Give the SHA-256 of an estimator, in hexadecimal digits; the same for the same estimator."""
    return sha256(serialise(estimator)).hexdigest()


def _without_times_and_addresses(content: bytes) -> bytes:
    """Number the objects of a skops file as its schema names them, and give its members the earliest date of a zip."""
    with ZipFile(BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = members["schema.json"].decode()
    addresses = dict.fromkeys(re.findall(r'"__id__": (\d+)', schema))
    numbers = {address: str(number) for number, address in enumerate(addresses)}
    schema = re.sub(r'("__id__": )(\d+)', lambda match: match[1] + numbers[match[2]], schema)
    schema = re.sub(r'"(\d+)(\.npy)"', lambda match: f'"{numbers[match[1]]}{match[2]}"', schema)
    others = {name: data for name, data in members.items() if not name.endswith(".npy")}
    arrays = {
        f"{numbers[name.removesuffix('.npy')]}.npy": _without_padding(data)
        for name, data in members.items()
        if name.endswith(".npy")
    }
    buffer = BytesIO()
    with ZipFile(buffer, "w") as archive:
        for name, data in sorted((others | arrays | {"schema.json": schema.encode()}).items()):
            archive.writestr(ZipInfo(name), data)  # a ZipInfo's date is 1980-01-01 unless it is set
    return buffer.getvalue()


def _without_padding(content: bytes) -> bytes:
    """Set to zero what lies between the fields of a structured array: a tree's nodes have whatever was in memory."""
    import numpy as np

    array = np.load(BytesIO(content), allow_pickle=False)
    if array.dtype.names is None:
        return content
    clean = np.zeros(array.shape, dtype=array.dtype)
    for name in array.dtype.names:
        clean[name] = array[name]
    buffer = BytesIO()
    np.save(buffer, clean, allow_pickle=False)
    return buffer.getvalue()
