"""The research model as production runs it: MLlib's tree, or the description that a function in Java evaluates."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs

from kedro_handover.datasets.mllib_model_dataset import MLlibModelDataset
from kedro_handover.handover.description import Description

DESCRIPTION_FILE = "description.npz"


class HandedOverModelDataset(MLlibModelDataset):
    """Saves and loads a `VerifiedModel` whose model is a pipeline of MLlib, or a `Description` as `description.npz`."""

    def _write_model(self, model: Any, path: str) -> None:
        if not isinstance(model, Description):
            super()._write_model(model, path)
            return
        fs, root = url_to_fs(path, **self._credentials)
        fs.makedirs(root, exist_ok=True)
        with fs.open(f"{root}/{DESCRIPTION_FILE}", "wb") as file:
            file.write(model.to_bytes())

    def _read_model(self, path: str) -> Any:
        fs, root = url_to_fs(path, **self._credentials)
        if not fs.exists(f"{root}/{DESCRIPTION_FILE}"):
            return super()._read_model(path)
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / DESCRIPTION_FILE
            copy.write_bytes(fs.cat_file(f"{root}/{DESCRIPTION_FILE}"))
            return Description.load(copy)

    def _describe_model(self, model: Any) -> dict[str, Any]:
        if not isinstance(model, Description):
            return super()._describe_model(model)
        return {"class": model.family, "nodes": model.n_nodes, "trees": len(model.roots)}
