"""The release: what production serves, published by one rename."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Never, NoReturn

from fsspec.core import url_to_fs
from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import JSONPreview

from kedro_handover.datasets.atomic import atomic_write

SHA256 = "sha256"


class ReleaseDataset(AbstractDataset[dict[str, Any], dict[str, Any]]):
    """A small JSON manifest that is written beside its place and renamed into it, so that it is there whole or not.

    The models that it names are versions of their own, which no later run overwrites: a run that is killed at any
    point leaves the previous release as it was. The manifest holds its own digest, so that one that was changed is
    recognised, and those of the models, which are held to them before they are loaded.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Name the place of the manifest.

        Args:
            filepath: A path or a URL that fsspec knows.
            metadata: For other tools; not read here.
        """
        self._filepath = filepath
        self.metadata = metadata

    def save(self, data: dict[str, Any]) -> None:
        """Publish a manifest in place of the one before.

        Args:
            data: What JSON can hold.
        """
        text = _to_text({**data, SHA256: _digest(data)})  # what fails here has written nothing
        with atomic_write(self._filepath, "w") as file:
            file.write(text)

    def load(self) -> dict[str, Any]:
        """Load the manifest.

        Raises:
            DatasetError: If nothing has been released, or it is not what was released.
        """
        if not self._exists():
            msg = f"Nothing has been released at {self._filepath}. Run `kedro run --env=prod` first."
            raise DatasetError(msg)
        fs, path = url_to_fs(self._filepath)
        with fs.open(path, encoding="utf-8") as file:
            text = file.read()
        try:
            manifest: dict[str, Any] = json.loads(text)
            digest = manifest.pop(SHA256)
        except (ValueError, AttributeError, KeyError, TypeError) as error:
            msg = f"{self._filepath} is no manifest with its digest. Run `kedro run --env=prod` to release again."
            raise DatasetError(msg) from error
        if digest != _digest(manifest):
            msg = f"{self._filepath} was changed since it was released: take it from a copy, or release again."
            raise DatasetError(msg)
        return manifest

    def preview(self) -> JSONPreview:
        """Show the manifest in kedro-viz.

        Returns:
            The manifest.
        """
        return JSONPreview(_to_text(self.load()))

    def _exists(self) -> bool:
        fs, path = url_to_fs(self._filepath)
        return bool(fs.exists(path))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}


class ReleasedModelDataset(AbstractDataset[Never, Any]):
    """The model that a manifest names, in the form in which it was released; Spark has to be there to load it."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Name the place of the manifest.

        Args:
            filepath: A path or a URL that fsspec knows.
            metadata: For other tools; not read here.
        """
        self._manifest = ReleaseDataset(filepath=filepath)
        self.metadata = metadata

    def load(self) -> Any:
        """Load the model, held to its digest and to its verification rows.

        Returns:
            What `kedro_handover.spark.models.add_probability` scores with.

        Raises:
            DatasetError: If nothing has been released, or the model is not the one that was.
        """
        from kedro_handover.datasets.mllib_model_dataset import MLlibModelDataset
        from kedro_handover.datasets.mojo_model_dataset import MojoModelDataset
        from kedro_handover.spark.models import SqlModel

        model = self._manifest.load()["model"]
        if model["form"] == "sql":
            return SqlModel(model["sql"])
        dataset = {"mllib": MLlibModelDataset, "mojo": MojoModelDataset}[model["form"]]
        return dataset(filepath=model["location"], sha256=model["sha256"]).load().model

    def save(self, data: Never) -> NoReturn:  # noqa: ARG002 - Kedro's
        """Refuse: a model is released by its manifest.

        Raises:
            DatasetError: Always.
        """
        msg = "A model is released by saving its manifest."
        raise DatasetError(msg)

    def preview(self) -> JSONPreview:
        """Show in kedro-viz which model it is; starts no Spark.

        Returns:
            The part of the manifest that names the model.
        """
        return JSONPreview(_to_text(self._manifest.load()["model"]))

    def _exists(self) -> bool:
        return self._manifest.exists()

    def _describe(self) -> dict[str, Any]:
        return {"manifest": self._manifest}


def _to_text(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)


def _digest(data: dict[str, Any]) -> str:
    return hashlib.sha256(_to_text(data).encode()).hexdigest()
