"""A model on Spark that is checked at each load: it must predict what it did when it was saved."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from fsspec.core import url_to_fs
from kedro.io.core import DatasetError
from kedro_datasets._typing import JSONPreview
from kedro_datasets.spark import SparkDatasetV2

from kedro_handover.datasets.hadoop_files import spark_path
from kedro_handover.tasks import list_scores

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem
    from pandas import DataFrame

VERIFICATION_FILE = "verification.json"
MODEL = "model"


@dataclass(frozen=True)
class VerifiedModel:
    """A model, and rows whose predictions are known.

    Attributes:
        model: What `kedro_handover.spark.models.add_scores` scores with.
        verification: A few rows: the feature columns as float32, and what the model gives as float64: `probability` of
            positive, that of each class, or the `prediction` of a regression.
        location: Where it was loaded from.
        sha256: The digest of its `verification.json`, which has those of all its files.
    """

    model: Any
    verification: DataFrame
    location: str | None = None
    sha256: str | None = None


def predict_verification(model: Any, features: DataFrame) -> dict[str, list[float]]:
    """Predict a few rows.

    Args:
        model: The model.
        features: Its feature columns.

    Returns:
        By column what the model gives for each row, in order: `probability` of positive, that of each class, or the
        `prediction` of a regression.
    """
    from kedro_handover.spark.models import add_scores
    from kedro_handover.spark.session import get_spark

    frame = get_spark().createDataFrame(features.reset_index(drop=True).reset_index(names="row"))
    scored = add_scores(model, frame)
    scores = list_scores(scored.columns)
    rows = sorted(scored.select("row", *scores).collect(), key=lambda row: row["row"])
    return {name: [row[name] for row in rows] for name in scores}


class VerifiedModelDataset(SparkDatasetV2):  # type: ignore[misc]
    """Saves and loads a `VerifiedModel` wherever Spark can write.

    The folder holds the model in its own form, and `verification.json`, which is written last: without it the model
    does not exist. It has the digests of all files of the model, which are checked before Spark or H2O reads one.
    """

    _sha256: str | None = None
    _loaded: tuple[str, VerifiedModel] | None = None

    def __init__(self, *, filepath: str, sha256: str | None = None, **options: Any) -> None:
        """Name the place of the model.

        Args:
            filepath: A path or a URL that Spark and fsspec know.
            sha256: The digest that `verification.json` has to have; any, if none is given.
            options: Those of Kedro's Spark dataset.
        """
        super().__init__(filepath=filepath, **options)
        self._sha256 = sha256

    @abstractmethod
    def _write_model(self, model: Any, path: str) -> None:
        """Write a model to a path that Spark knows and where nothing is."""

    @abstractmethod
    def _read_model(self, path: str) -> Any:
        """Read a model back."""

    @abstractmethod
    def _describe_model(self, model: Any) -> dict[str, Any]:
        """Describe a model in a few words, for a preview."""

    def _save(self, data: VerifiedModel) -> None:
        """Save a model; an earlier one in its place is replaced."""
        path = str(self._get_save_path())
        fs, root = self._filesystem(path)
        if fs.exists(f"{root}/{VERIFICATION_FILE}"):
            fs.rm(f"{root}/{VERIFICATION_FILE}")
        self._write_model(data.model, f"{spark_path(self._protocol, path)}/{MODEL}")
        content = {
            "model": self._describe_model(data.model),
            "files": _digest_files(fs, f"{root}/{MODEL}"),
            "verification": {
                name: [float(value) for value in data.verification[name]] for name in data.verification.columns
            },
        }
        with fs.open(f"{root}/{VERIFICATION_FILE}", "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
        self._loaded = None

    def _load(self) -> VerifiedModel:
        """Load the model and check it against its verification rows; once, however many nodes of a run take it.

        Raises:
            DatasetError: If there is no whole model, its files are not those that were saved, or it gives another
                probability for one of the rows.
        """
        import pandas as pd

        from kedro_handover.spark.session import get_spark

        path = str(self._get_load_path())
        if self._loaded is not None and self._loaded[0] == path:
            return self._loaded[1]
        if not self._exists():
            msg = f"{path} holds no whole model: {VERIFICATION_FILE}, which is written last, is missing. Train again."
            raise DatasetError(msg)
        content, digest = self._check_files(path)
        get_spark()
        rows = pd.DataFrame(content["verification"])
        expected = {name: rows[name].tolist() for name in list_scores(rows.columns)}
        features = rows.drop(columns=list(expected)).astype("float32")
        place = spark_path(self._protocol, path)
        model = self._read_model(f"{place}/{MODEL}")
        given = predict_verification(model, features)
        for name, row in product(expected, range(len(rows))):
            if given[name][row] != expected[name][row]:
                msg = (
                    f"{path}: for verification row {row}, {features.iloc[row].to_dict()}, the model gives "
                    f"{given[name][row]!r} and has to give {expected[name][row]!r}. It is not the model that was "
                    "saved: take another version."
                )
                raise DatasetError(msg)
        self._loaded = path, VerifiedModel(model, rows, place, digest)
        return self._loaded[1]

    def _exists(self) -> bool:
        fs, root = self._filesystem(str(self._get_load_path()))
        return bool(fs.exists(f"{root}/{VERIFICATION_FILE}"))

    def preview(self) -> JSONPreview:
        """Describe the model for kedro-viz; starts no Spark.

        Returns:
            What it is, its number of nodes, its depth, its features.
        """
        content, _ = self._read(str(self._get_load_path()))
        names = list(content["verification"])
        features = [name for name in names if name not in list_scores(names)]
        return JSONPreview(json.dumps({**content["model"], "features": features}))

    def _check_files(self, path: str) -> tuple[dict[str, Any], str]:
        """Compare the files with their digests, and these with the digest that is asked for."""
        try:
            content, digest = self._read(path)
            files = dict(content["files"])
        except (ValueError, KeyError, TypeError) as error:
            msg = f"{path} is not a model that this version has saved: see its {VERIFICATION_FILE}. Train again."
            raise DatasetError(msg) from error
        fs, root = self._filesystem(path)
        found = _digest_files(fs, f"{root}/{MODEL}")
        changed = sorted(name for name in found.keys() | files if found.get(name) != files.get(name))
        if self._sha256 is not None and digest != self._sha256:
            changed.insert(0, VERIFICATION_FILE)
        if changed:
            more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            msg = f"{path} is not the model that was saved: {changed[0]}{more} is another file. Take another version."
            raise DatasetError(msg)
        return content, digest

    def _read(self, path: str) -> tuple[dict[str, Any], str]:
        """Read what stands beside the model, and digest it."""
        fs, root = self._filesystem(path)
        with fs.open(f"{root}/{VERIFICATION_FILE}", "rb") as file:
            text = file.read()
        return json.loads(text), hashlib.sha256(text).hexdigest()

    def _filesystem(self, path: str) -> tuple[AbstractFileSystem, str]:
        fs, root = url_to_fs(spark_path(self._protocol, path), **self._credentials)
        return fs, root

    def _release(self) -> None:
        self._loaded = None
        super()._release()


def _digest_files(fs: AbstractFileSystem, root: str) -> dict[str, str]:
    """Digest every file below a folder, by its path there."""
    return {
        path.removeprefix(f"{root}/"): hashlib.sha256(fs.cat_file(path)).hexdigest() for path in sorted(fs.find(root))
    }
