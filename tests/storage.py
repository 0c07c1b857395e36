"""What a run leaves in its storage, for tests to compare."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kedro_handover.datasets.verified_model_dataset import VERIFICATION_FILE
from kedro_handover.spark.h2o import is_installed

INTERMEDIATE = ("census", "official_barris", "repeated_ids", "checked_rows", "rejected_rows", "premises")
"""The tables that stand between the file and the features."""

SAME_TABLES = (
    "02_intermediate/census.parquet",
    "02_intermediate/checked_rows.parquet",
    "02_intermediate/premises.parquet",
    "04_feature/features.parquet",
    "05_model_input/model_input.parquet",
    "07_model_output/research_predictions.parquet",
)
SAME_FILES = (
    "06_models/research_model.skops",
    "06_models/research_search.json",
    "08_reporting/research_metrics.json",
    "08_reporting/rejections.json",
    "08_reporting/row_counts.json",
)

SMALL_CENSUS = 8_000
"""Rows that are enough for a tree, and few enough to run often."""

LOOSE = {"agreement": 0, "auc_diff": 1, "psi": 100, "mean_abs_diff": 1}
"""Tolerances that the trees which are trained anew on a small census are within."""

TRAINED_ANEW = ("mllib", "h2o") if is_installed() else ("mllib",)

LOOSE_PARAMS = ",".join(
    f"spark_production.tolerances.{model}.{name}={limit}" for model in TRAINED_ANEW for name, limit in LOOSE.items()
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
