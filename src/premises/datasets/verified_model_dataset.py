"""A model on Spark that proves at each load that it still predicts what it did when it was saved."""

from __future__ import annotations

import json
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fsspec.core import url_to_fs
from kedro.io.core import DatasetError
from kedro_datasets._typing import JSONPreview
from kedro_datasets.spark import SparkDatasetV2
from kedro_datasets.spark.spark_dataset_v2 import to_spark_path

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem
    from pandas import DataFrame

VERIFICATION_FILE = "verification.json"


@dataclass(frozen=True)
class VerifiedModel:
    """A model, and rows whose predictions are known.

    Attributes:
        model: An MLlib pipeline or an H2O MOJO; `premises.spark.models.add_probability` knows how to score with it.
        verification: The feature columns as float32, and `probability` of active as float64: a few rows.
        location: Where it was loaded from.
    """

    model: Any
    verification: DataFrame
    location: str | None = None


def predict_verification(model: Any, features: DataFrame) -> list[float]:
    """Predict a few rows.

    Args:
        model: The model.
        features: Its feature columns.

    Returns:
        The probability of active of each row, in order.
    """
    from premises.spark.models import add_probability
    from premises.spark.session import start_spark

    frame = start_spark().createDataFrame(features.reset_index(drop=True).reset_index(names="row"))
    scored = add_probability(model, frame).select("row", "probability")
    return [row["probability"] for row in sorted(scored.collect(), key=lambda row: row["row"])]


class VerifiedModelDataset(SparkDatasetV2):  # type: ignore[misc]
    """Saves and loads a `VerifiedModel` anywhere that Spark writes to; kedro-datasets' Spark dataset finds the path.

    The folder holds the model in its own form, and `verification.json`, which is written last: without it the model
    does not exist.
    """

    _loaded: tuple[str, VerifiedModel] | None = None

    @abstractmethod
    def _write_model(self, model: Any, path: str) -> None:
        """Write a model to a path that Spark knows; there is none."""

    @abstractmethod
    def _read_model(self, path: str) -> Any:
        """Read a model back."""

    @abstractmethod
    def _describe_model(self, model: Any) -> dict[str, Any]:
        """Say in a few words what a model is, for people."""

    def _save(self, data: VerifiedModel) -> None:
        """Save a model; an earlier one in its place is replaced."""
        path = str(self._get_save_path())
        fs, root = self._filesystem(path)
        if fs.exists(f"{root}/{VERIFICATION_FILE}"):
            fs.rm(f"{root}/{VERIFICATION_FILE}")
        self._write_model(data.model, f"{to_spark_path(self._protocol, path)}/model")
        content = {
            "model": self._describe_model(data.model),
            "verification": {
                name: [float(value) for value in data.verification[name]] for name in data.verification.columns
            },
        }
        with fs.open(f"{root}/{VERIFICATION_FILE}", "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
        self._loaded = None

    def _load(self) -> VerifiedModel:
        """Load the model, and hold it to its verification rows; once, however many nodes of a run take it.

        Raises:
            DatasetError: If there is no whole model, or it gives another probability for one of the rows.
        """
        import pandas as pd

        from premises.spark.session import start_spark

        path = str(self._get_load_path())
        if self._loaded is not None and self._loaded[0] == path:
            return self._loaded[1]
        if not self._exists():
            msg = f"{path} holds no whole model: {VERIFICATION_FILE}, which is written last, is missing. Train again."
            raise DatasetError(msg)
        start_spark()
        rows = pd.DataFrame(self._read(path)["verification"])
        features = rows.drop(columns="probability").astype("float32")
        spark_path = to_spark_path(self._protocol, path)
        model = self._read_model(f"{spark_path}/model")
        for row, (expected, given) in enumerate(
            zip(rows["probability"], predict_verification(model, features), strict=True)
        ):
            if given != expected:
                msg = (
                    f"{path}: for verification row {row}, {features.iloc[row].to_dict()}, the model gives {given!r} "
                    f"and has to give {expected!r}. It is not the model that was saved: take another version."
                )
                raise DatasetError(msg)
        self._loaded = path, VerifiedModel(model, rows, spark_path)
        return self._loaded[1]

    def _exists(self) -> bool:
        fs, root = self._filesystem(str(self._get_load_path()))
        return bool(fs.exists(f"{root}/{VERIFICATION_FILE}"))

    def preview(self) -> JSONPreview:
        """Describe the model for kedro-viz; starts no Spark.

        Returns:
            What it is, its number of nodes, its depth.
        """
        return JSONPreview(json.dumps(self._read(str(self._get_load_path()))["model"]))

    def _read(self, path: str) -> dict[str, Any]:
        fs, root = self._filesystem(path)
        with fs.open(f"{root}/{VERIFICATION_FILE}", encoding="utf-8") as file:
            content: dict[str, Any] = json.load(file)
        return content

    def _filesystem(self, path: str) -> tuple[AbstractFileSystem, str]:
        fs, root = url_to_fs(to_spark_path(self._protocol, path), **self._credentials)
        return fs, root

    def _release(self) -> None:
        self._loaded = None
        super()._release()
