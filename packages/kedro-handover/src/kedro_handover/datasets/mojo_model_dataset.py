"""An H2O MOJO as a dataset."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fsspec.core import url_to_fs

from kedro_handover._compat import get_java_object, measure_mojo_trees
from kedro_handover.datasets.verified_model_dataset import VerifiedModelDataset

if TYPE_CHECKING:
    from ai.h2o.sparkling.ml.models import H2OMOJOModel

MOJO_FILE = "mojo.zip"
SETTINGS_FILE = "settings.json"


class MojoModelDataset(VerifiedModelDataset):
    """Saves and loads a `VerifiedModel` whose model is an H2O MOJO; it scores without H2O's cluster.

    The folder `model` holds `mojo.zip`, H2O's own file as it is, which any scorer of H2O takes, and `settings.json`:
    what the model does with levels of a category that it has not seen. Missing values go where H2O sends them.
    """

    def _write_model(self, model: H2OMOJOModel, path: str) -> None:
        from kedro_handover.spark.session import hadoop_path

        fs, root = url_to_fs(path, **self._credentials)
        fs.makedirs(root, exist_ok=True)
        with fs.open(f"{root}/{SETTINGS_FILE}", "w", encoding="utf-8") as file:
            json.dump({"convertUnknownCategoricalLevelsToNa": model.getConvertUnknownCategoricalLevelsToNa()}, file)
        target_fs, target = hadoop_path(f"{path}/{MOJO_FILE}")
        _, mojo = hadoop_path(f"file://{get_java_object(model).getMojo().getAbsolutePath()}")
        target_fs.copyFromLocalFile(mojo, target)

    def _read_model(self, path: str) -> H2OMOJOModel:
        from kedro_handover.spark.h2o import read_mojo

        fs, root = url_to_fs(path, **self._credentials)
        with fs.open(f"{root}/{SETTINGS_FILE}", encoding="utf-8") as file:
            return read_mojo(f"{path}/{MOJO_FILE}", json.load(file))

    def _describe_model(self, model: H2OMOJOModel) -> dict[str, Any]:
        return {"class": type(model).__name__, **measure_mojo_trees(model)}
