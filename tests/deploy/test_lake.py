"""A whole run in prod on a lake: the raw table is one of Delta, and others read the predictions as one of Iceberg."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

from conftest import PROJECT, kedro
from lake import lake_settings, run_with_lakes
from packaged import assert_same
from premises.census.schema import VINTAGES
from storage import LOOSE_PARAMS, SMALL_CENSUS, read, read_json

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.spark, pytest.mark.slow]

MAKE = """
from kedro_handover.text_tables.lake_dataset import LakeTextTableDataset
from kedro_handover.text_tables.spark_dataset import SparkTextTableDataset

delta = folder + "/lake/census"
rows = SparkTextTableDataset(filepath=folder + "/census.parquet").load().drop("row_number", "malformed_line")
rows.limit(100).write.save(delta, "delta")
rows.repartition(3).write.save(delta, "delta", mode="overwrite")
spark.sql(f"DELETE FROM delta.`{delta}` WHERE ID_BCN LIKE '%77'")
spark.sql(f"OPTIMIZE delta.`{delta}`")
last = LakeTextTableDataset(file_format="delta", filepath=delta).load()
numbered = last.orderBy("row_number").drop("row_number", "malformed_line")
numbered.coalesce(1).write.parquet(sys.argv[1] + "/base/01_raw/CENSUS")
print("FOUND " + json.dumps(numbered.count()))
"""
"""A table of four versions, and the rows of its last for a laptop, in the order of their numbers."""

LOOK = """
table = spark.read.format("iceberg").load("lake.census.predictions")
snapshots = spark.read.format("iceberg").load("lake.census.predictions.snapshots")
first = snapshots.orderBy("committed_at").first().snapshot_id
before = spark.read.format("iceberg").option("snapshot-id", first).load("lake.census.predictions")
print("FOUND " + json.dumps({
    "rows": table.count(), "rows before": before.count(), "snapshots": snapshots.count(),
    "partitions": [field.name for field in table.schema if field.name == "district_id"],
}))
"""


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """The configuration of the project with the few lines that documentation names for a lake."""
    conf = shutil.copytree(PROJECT / "conf", tmp_path / "conf", ignore=shutil.ignore_patterns("local"))
    file = conf / "prod/globals.yml"
    settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    settings["engine"]["text_table"] = {
        "type": "kedro_handover.text_tables.lake_dataset.LakeTextTableDataset",
        "file_format": "delta",
        "filepath": str(tmp_path / "lake/census"),
    }
    settings["engine"]["table_by_group"] = {
        "type": "kedro_handover.datasets.spark_table_dataset.SparkTableDataset",
        "file_format": "iceberg",
        "table_name": "lake.census.predictions",
        "save_args": {"partitionBy": "district_id"},
    }
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    with (conf / "prod/spark.yml").open("a", encoding="utf-8") as spark:
        spark.write(yaml.safe_dump(lake_settings(tmp_path)))
    return conf


def run(*options: str) -> None:
    done = kedro("run", *options)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_census_of_delta_gives_the_rows_of_a_laptop_and_its_version_is_released(tmp_path: Path, conf: Path) -> None:
    base, prod = tmp_path / "base", tmp_path / "prod"
    census = VINTAGES[2016].file.replace(".csv", ".parquet")
    run("--pipelines=synthetic_census", f"--params=storage={tmp_path},format=parquet,rows={SMALL_CENSUS}")
    (tmp_path / "01_raw" / census).rename(tmp_path / "census.parquet")
    rows = run_with_lakes(MAKE.replace("CENSUS", census), tmp_path)
    assert SMALL_CENSUS * 0.9 < rows < SMALL_CENSUS
    run(f"--params=storage={base},format=parquet")
    run("--env=prod", f"--conf-source={conf}", f"--params=storage={prod},{LOOSE_PARAMS}")
    assert_same(prod, base)
    source = {"table": f"{tmp_path}/lake/census", "format": "delta", "version": 3}
    assert read_json(prod, "06_models/release.json")["raw_source"] == source
    # Scored again, and replaced by the format: readers have the table before or the one after.
    run("--env=prod", f"--conf-source={conf}", "--pipelines=scoring", f"--params=storage={prod}")
    valid = read(base, "04_feature/features.parquet").num_rows
    assert run_with_lakes(LOOK, tmp_path) == {
        "rows": valid, "rows before": valid, "snapshots": 2, "partitions": ["district_id"],
    }  # fmt: skip
    assert not (prod / "07_model_output/predictions.parquet").exists()
    assert json.loads((prod / "02_intermediate/raw_source.json").read_text()) == source
