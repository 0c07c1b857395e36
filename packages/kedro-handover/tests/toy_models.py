"""Small models on Spark, and what a saved one leaves on disk."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kedro_handover.datasets.verified_model_dataset import VERIFICATION_FILE
from kedro_handover.models.estimators import make_h2o_tree
from kedro_handover.spark.h2o import train_in_h2o

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession


def make_rows(rows: int = 300) -> pd.DataFrame:
    """Three features as the models take them, the same at each call."""
    values = np.random.default_rng(0).normal(size=(rows, 3)).astype(np.float32)
    return pd.DataFrame(values, columns=["width", "height", "weight"])


def train_h2o_tree(  # noqa: PLR0913 - every setting of a tree
    spark: SparkSession,
    features: pd.DataFrame,
    label: pd.Series,
    *,
    depth: int = 4,
    min_rows: int = 5,
    bins: int = 256,
    unknown_as_missing: bool = True,
) -> Any:
    """Train H2O's tree in this process; a MOJO."""
    rows = spark.createDataFrame(features.assign(label=np.where(label, "true", "false")))
    found = {"max_depth": depth, "min_samples_leaf": min_rows}

    def make() -> Any:
        names = list(features)
        return make_h2o_tree(names, found, bins, "UniformAdaptive", 7, unknown_as_missing=unknown_as_missing)

    return train_in_h2o(make, rows, attempts=1)


def digest_again(model: Path) -> None:
    """Write down the digests of a saved model's files as they are now, as if they had been saved so."""
    file = model / VERIFICATION_FILE
    content = json.loads(file.read_text(encoding="utf-8"))
    folder = model / "model"
    content["files"] = {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
    file.write_text(json.dumps(content), encoding="utf-8")
