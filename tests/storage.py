"""What a run leaves in its storage, for tests to compare."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kedro_handover.datasets.skops_dataset import SkopsDataset
from kedro_handover.models import digest_estimator
from kedro_handover.spark.h2o import is_installed

INTERMEDIATE = ("raw_rows", "official_barris", "repeated_ids", "checked_rows", "rejected_rows", "premises")
"""The tables that stand between the file and the features."""

SAME_TABLES = (
    "02_intermediate/raw_rows.parquet",
    "02_intermediate/checked_rows.parquet",
    "02_intermediate/premises.parquet",
    "04_feature/features.parquet",
    "05_model_input/model_input.parquet",
    "07_model_output/research_predictions.parquet",
)
SAME_FILES = (
    "06_models/research_search.json",
    "08_reporting/research_metrics.json",
    "08_reporting/rejections.json",
    "08_reporting/row_counts.json",
)

SMALL_CENSUS = 8_000
"""Rows that are enough for a tree, and few enough to run often."""

LOOSE = {"agreement": 0, "auc_diff": 1, "psi": 100, "mean_abs_diff": 1}
"""Tolerances that the trees which are trained again on a small census are within."""

TRAINED_AGAIN = ("mllib", "h2o") if is_installed() else ("mllib",)

LOOSE_PARAMS = ",".join(
    f"spark_production.tolerances.{model}.{name}={limit}" for model in TRAINED_AGAIN for name, limit in LOOSE.items()
)
"""The same for --params."""


def digest(table: pa.Table) -> str:
    """Digest the rows of a table, whatever their order and whatever files they come from."""
    columns = [table[name].to_pylist() for name in table.column_names]
    rows = sorted(map(repr, zip(*columns, strict=True)))
    return sha256("\n".join([repr(table.column_names), *rows]).encode()).hexdigest()


def read(storage: Path, path: str) -> pa.Table:
    return pq.read_table(storage / path)


def read_json(storage: Path, path: str) -> Any:
    return json.loads((storage / path).read_text(encoding="utf-8"))


def read_model(storage: Path) -> Any:
    """The tree of research."""
    file = str(storage / "06_models/research_model.skops")
    return SkopsDataset(filepath=file, trusted=["sklearn.tree._tree.Tree"]).load()


def digest_model(storage: Path) -> str:
    """The digest of the tree of research: two files of one tree differ, by the time of day that is in them."""
    return digest_estimator(read_model(storage))
