"""An MLlib model that proves at each load that it still predicts what it did when it was saved."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fsspec.core import url_to_fs
from kedro.io.core import DatasetError
from kedro_datasets._typing import JSONPreview
from kedro_datasets.spark import SparkDatasetV2

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem
    from pandas import DataFrame
    from pyspark.ml import PipelineModel

VERIFICATION_FILE = "verification.json"


@dataclass(frozen=True)
class VerifiedModel:
    """A model, and rows whose predictions are known.

    Attributes:
        model: Takes feature columns, gives `probability` (a vector: not active, active).
        verification: The feature columns as float32, and `probability` of active as float64: a few rows.
        location: Where it was loaded from.
    """

    model: PipelineModel
    verification: DataFrame
    location: str | None = None


def predict_verification(model: PipelineModel, features: DataFrame) -> list[float]:
    """Predict a few rows.

    Args:
        model: The model.
        features: Its feature columns.

    Returns:
        The probability of active of each row, in order.
    """
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as F  # noqa: N812 - the name that Spark's own guides use

    from premises.spark.session import start_spark

    frame = start_spark().createDataFrame(features.reset_index(drop=True).reset_index(names="row"))
    scored = model.transform(frame).select("row", vector_to_array(F.col("probability"))[1].alias("probability"))
    return [row["probability"] for row in sorted(scored.collect(), key=lambda row: row["row"])]


class MLlibModelDataset(SparkDatasetV2):  # type: ignore[misc]
    """Saves and loads a `VerifiedModel` anywhere that Spark writes to; kedro-datasets' Spark dataset finds the path.

    The folder holds the model as MLlib writes it, and `verification.json`, which is written last: without it the model
    does not exist.
    """

    def _save(self, data: VerifiedModel) -> None:
        """Save a model; an earlier one in its place is replaced."""
        path = str(self._get_save_path())
        fs, root = self._filesystem(path)
        if fs.exists(f"{root}/{VERIFICATION_FILE}"):
            fs.rm(f"{root}/{VERIFICATION_FILE}")
        data.model.write().overwrite().save(self._for_spark(f"{path}/model"))
        tree: Any = data.model.stages[-1]
        content = {
            "model": {"class": type(tree).__name__, "nodes": tree.numNodes, "depth": tree.depth},
            "verification": {
                name: [float(value) for value in data.verification[name]] for name in data.verification.columns
            },
        }
        with fs.open(f"{root}/{VERIFICATION_FILE}", "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)

    def _load(self) -> VerifiedModel:
        """Load the model, and hold it to its verification rows.

        Raises:
            DatasetError: If there is no whole model, or it gives another probability for one of the rows.
        """
        import pandas as pd
        from pyspark.ml import PipelineModel

        from premises.spark.session import start_spark

        path = str(self._get_load_path())
        if not self._exists():
            msg = f"{path} holds no whole model: {VERIFICATION_FILE}, which is written last, is missing. Train again."
            raise DatasetError(msg)
        start_spark()
        rows = pd.DataFrame(self._read(path)["verification"])
        features = rows.drop(columns="probability").astype("float32")
        model = PipelineModel.load(self._for_spark(f"{path}/model"))
        for row, (expected, given) in enumerate(
            zip(rows["probability"], predict_verification(model, features), strict=True)
        ):
            if given != expected:
                msg = (
                    f"{path}: for verification row {row}, {features.iloc[row].to_dict()}, the model gives {given!r} "
                    f"and has to give {expected!r}. It is not the model that was saved: take another version."
                )
                raise DatasetError(msg)
        return VerifiedModel(model, rows, self._for_spark(path))

    def _exists(self) -> bool:
        fs, root = self._filesystem(str(self._get_load_path()))
        return bool(fs.exists(f"{root}/{VERIFICATION_FILE}"))

    def preview(self) -> JSONPreview:
        """Describe the model for kedro-viz; starts no Spark.

        Returns:
            Its class, number of nodes and depth.
        """
        return JSONPreview(json.dumps(self._read(str(self._get_load_path()))["model"]))

    def _read(self, path: str) -> dict[str, Any]:
        fs, root = self._filesystem(path)
        with fs.open(f"{root}/{VERIFICATION_FILE}", encoding="utf-8") as file:
            content: dict[str, Any] = json.load(file)
        return content

    def _filesystem(self, path: str) -> tuple[AbstractFileSystem, str]:
        fs, root = url_to_fs(self._for_spark(path), **self._credentials)
        return fs, root

    def _for_spark(self, path: str) -> str:
        """Give a path of this dataset with the scheme that Spark wants."""
        return str(self._spark_path).removesuffix(self._path) + path
