"""The release: what production serves, published by one rename."""

from __future__ import annotations

import hashlib
import json
import logging
from datetime import UTC, datetime
from typing import Any, Never, NoReturn

from fsspec.core import url_to_fs
from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import JSONPreview

from kedro_handover.datasets.atomic import atomic_write

SHA256 = "sha256"

HISTORY = "releases"
"""The folder beside a manifest that has those before it, each under the time of its release."""

logger = logging.getLogger(__name__)


class ReleaseDataset(AbstractDataset[dict[str, Any], dict[str, Any]]):
    """A small JSON manifest that is written beside its place and renamed into it, so that it is there whole or not.

    The models that it names are versions of their own, which no later run overwrites: a run that is killed at any
    point leaves the previous release as it was. The manifest holds its own digest, so that one that was changed is
    recognised, and those of the models, which are checked before they are loaded.

    The manifest that a new one replaces stays in the folder `releases` beside it. To go back to it, copy it to the
    place of the release.
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
        """Publish a manifest in place of the one before, which is kept in `releases`.

        Args:
            data: What JSON can hold; its `released_at` is a time in ISO format, with its zone.
        """
        text = _to_signed_text(data)  # what fails here has written nothing
        _name_in_history(data)
        self._keep_previous()
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
            msg = f"{self._filepath} is not a manifest with its digest. Run `kedro run --env=prod` to release again."
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

    def _keep_previous(self) -> None:
        """Copy the manifest that is about to be replaced to the history."""
        if not self._exists():
            return
        try:
            previous = self.load()
        except DatasetError as error:  # it is no release any more, and this one takes its place
            logger.warning("%s It is not kept in %s.", error, HISTORY)
            return
        folder = self._filepath[: self._filepath.rfind("/") + 1]  # empty for a name alone
        with atomic_write(f"{folder}{HISTORY}/{_name_in_history(previous)}", "w") as file:
            file.write(_to_signed_text(previous))

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
        """Load the model, and check it against its digest and its verification rows.

        Returns:
            What `kedro_handover.spark.models.add_scores` scores with.

        Raises:
            DatasetError: If nothing has been released, or the model is not the one that was.
        """
        from kedro_handover.datasets.handed_over_model_dataset import HandedOverModelDataset
        from kedro_handover.datasets.mllib_model_dataset import MLlibModelDataset
        from kedro_handover.datasets.mojo_model_dataset import MojoModelDataset
        from kedro_handover.spark.models import SqlModel

        model = self._manifest.load()["model"]
        if model["form"] == "sql":
            return SqlModel(model["sql"])
        dataset = {"java": HandedOverModelDataset, "mllib": MLlibModelDataset, "mojo": MojoModelDataset}[model["form"]]
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


def _to_signed_text(data: dict[str, Any]) -> str:
    return _to_text({**data, SHA256: _digest(data)})


def _name_in_history(manifest: dict[str, Any]) -> str:
    """Name a manifest by the time of its release, in UTC and without colons, which HDFS takes in no path."""
    released_at = datetime.fromisoformat(manifest["released_at"]).astimezone(UTC)
    return f"{released_at:%Y-%m-%dT%H.%M.%SZ}.json"


def _digest(data: dict[str, Any]) -> str:
    return hashlib.sha256(_to_text(data).encode()).hexdigest()
