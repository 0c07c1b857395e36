"""A table of a lake is replaced by its format, and its earlier versions stay; the jars come from Maven's index."""

from __future__ import annotations

from pathlib import Path

import pytest
from kedro.io import DatasetError

from kedro_handover.datasets.spark_table_dataset import SparkTableDataset
from lake import run_with_lakes

SCRIPT = """
from kedro_handover.datasets.spark_table_dataset import SparkTableDataset

found = {}
for of, place in {
    "delta": {"file_format": "delta", "filepath": folder + "/table"},
    "iceberg": {"file_format": "iceberg", "table_name": "lake.shop.orders"},
}.items():
    table = SparkTableDataset(**place, save_args={"partitionBy": "shop"})
    was_there = table.exists()
    table.save(spark.createDataFrame([(1, 7), (2, 8)], "id long, shop long"))
    if of == "iceberg":
        snapshots = spark.read.format("iceberg").load("lake.shop.orders.snapshots")
        version = {"snapshot-id": snapshots.first().snapshot_id}
    else:
        version = {"versionAsOf": 0}
    table.save(spark.createDataFrame([(3, 7, "x")], "id long, shop long, name string"))
    try:
        table.save(spark.range(2).selectExpr("id", "id AS shop", "CAST(raise_error('broken') AS STRING) AS name"))
    except Exception as error:
        assert "broken" in str(error), error
    else:
        sys.exit("A save that has to fail did not.")
    first = SparkTableDataset(**place, load_args=version)
    last = SparkTableDataset(**place)
    found[of] = {
        "last": [row.asDict() for row in last.load().collect()],
        "first": [first.load().columns[:2], sorted(map(list, first.load().select("id", "shop").collect()))],
        "exists": [was_there, last.exists()],
        "preview": last.preview()["data"],
    }
print("FOUND " + json.dumps(found))
"""


@pytest.mark.spark
@pytest.mark.slow
def test_a_table_is_replaced_as_a_whole_and_an_earlier_version_is_loaded(tmp_path: Path) -> None:
    found = run_with_lakes(SCRIPT, tmp_path)
    assert found["delta"] == found["iceberg"]
    assert found["delta"] == {
        "last": [{"id": 3, "shop": 7, "name": "x"}],  # a save that failed has changed nothing
        "first": [["id", "shop"], [[1, 7], [2, 8]]],
        "exists": [False, True],
        "preview": [],
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"file_format": "delta", "table_name": "orders"}, "Give a filepath"),
        ({"file_format": "iceberg", "filepath": "orders"}, "Give a table_name"),
        ({}, "Give a filepath"),
    ],
)
def test_a_table_has_a_place_or_a_name_as_its_format_wants_it(options: dict[str, str], said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        SparkTableDataset(**options)
