"""What a dataset shows in kedro-viz: its first rows, or what the model is; no table is read as a whole."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kedro_datasets._typing import JSONPreview, TablePreview
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from kedro_handover.datasets.pandas_table_dataset import PandasTableDataset
from kedro_handover.datasets.release_dataset import ReleaseDataset
from kedro_handover.datasets.skops_dataset import SkopsDataset
from kedro_handover.datasets.spark_table_dataset import SparkTableDataset
from kedro_handover.datasets.streamed_table_dataset import StreamedTableDataset
from kedro_handover.text_tables.dataset import TextTableDataset

MAKERS = {
    "pandas": PandasTableDataset,
    "spark": lambda filepath: SparkTableDataset(filepath=filepath, file_format="parquet"),
    "streamed": lambda filepath: StreamedTableDataset(filepath=filepath, table={"type": "pandas.ParquetDataset"}),
}
table = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)

DAY = dt.date(2016, 6, 7)
ROWS = pa.table({"order_id": range(7), "rules": [["a", "b"], None, *([[]] * 5)], "day": [DAY, None, *([DAY] * 5)]})
FIRST = {
    "index": [0, 1, 2, 3, 4],
    "columns": ["order_id", "rules", "day"],
    "data": [[0, ["a", "b"], DAY], [1, None, None], [2, [], DAY], [3, [], DAY], [4, [], DAY]],
}


def bytes_read() -> int:
    return int(re.search(r"rchar: (\d+)", Path("/proc/self/io").read_text())[1])


@table
def test_a_table_shows_its_first_rows(make, tmp_path) -> None:
    pq.write_table(ROWS, tmp_path / "table.parquet")
    assert make(filepath=str(tmp_path / "table.parquet")).preview() == FIRST


@table
def test_a_table_of_many_files_shows_its_first_rows(make, tmp_path) -> None:
    """Spark writes folders, with notes of its own beside the files, and files without rows."""
    folder = tmp_path / "table.parquet"
    for shop, rows in ((1, ROWS.slice(0, 0)), (2, ROWS.slice(0, 3)), (3, ROWS.slice(3))):
        (folder / f"shop={shop}").mkdir(parents=True)
        pq.write_table(rows, folder / f"shop={shop}" / "part-0.snappy.parquet")
    (folder / "_SUCCESS").touch()
    (folder / "shop=1" / ".part-0.snappy.parquet.crc").write_bytes(b"crc")
    found = make(filepath=str(folder)).preview()
    assert found["columns"] == [*FIRST["columns"], "shop"]
    assert found["data"] == [[*row, shop] for row, shop in zip(FIRST["data"], (2, 2, 2, 3, 3), strict=True)]


@table
def test_a_table_without_rows_shows_its_columns(make, tmp_path) -> None:
    pq.write_table(ROWS.slice(0, 0), tmp_path / "table.parquet")
    assert make(filepath=str(tmp_path / "table.parquet")).preview() == {
        "index": [],
        "columns": FIRST["columns"],
        "data": [],
    }


@table
def test_a_table_is_not_read_as_a_whole(make, tmp_path) -> None:
    file = tmp_path / "table.parquet"
    numbers = pa.table({"number": np.random.default_rng(0).random(1_000_000)})
    pq.write_table(numbers, file, row_group_size=50_000)
    before = bytes_read()
    assert len(make(filepath=str(file)).preview()["data"]) == 5
    assert bytes_read() - before < file.stat().st_size / 4


def test_a_text_table_shows_its_first_rows_as_they_stand_in_the_file(tmp_path) -> None:
    (tmp_path / "orders.csv").write_text("id,name\n" + "007,à\n" * 8, encoding="utf-8")
    found = TextTableDataset(filepath=str(tmp_path / "orders.csv")).preview()
    assert found["columns"] == ["row_number", "malformed_line", "id", "name"]
    assert found["data"] == [[row, None, "007", "à"] for row in range(2, 7)]


def test_a_release_shows_its_manifest(tmp_path) -> None:
    dataset = ReleaseDataset(filepath=str(tmp_path / "release.json"))
    manifest = {"model": {"name": "handed_over"}, "place": "Sants-Montjuïc", "released_at": "2026-11-27T12:00:00+00:00"}
    dataset.save(manifest)
    assert json.loads(dataset.preview()) == manifest


def test_a_tree_says_how_large_it_is_and_what_it_looks_at(tmp_path) -> None:
    rows = pd.DataFrame({"x_metres": [1.0, 2, 3, 4], "is_on_axis": [0.0, 1, 0, 1]})
    tree = DecisionTreeClassifier(max_depth=3, random_state=1).fit(rows, [False, False, True, True])
    dataset = SkopsDataset(filepath=str(tmp_path / "tree.skops"), trusted=["sklearn.tree._tree.Tree"])
    dataset.save(tree)
    found = json.loads(dataset.preview())
    assert found.pop("parameters")["max_depth"] == 3
    assert found == {
        "class": "DecisionTreeClassifier",
        "nodes": 3,
        "depth": 1,
        "features": ["x_metres", "is_on_axis"],
    }


def test_another_model_than_a_tree_is_described_too(tmp_path) -> None:
    dataset = SkopsDataset(filepath=str(tmp_path / "model.skops"), trusted=[])
    dataset.save(LogisticRegression(C=0.5).fit([[0.0], [1.0]], [False, True]))
    found = json.loads(dataset.preview())
    assert (found["class"], found["features"], found["parameters"]["C"]) == ("LogisticRegression", [], 0.5)


@pytest.mark.parametrize(
    ("kind", "of"),
    [
        (PandasTableDataset, TablePreview),
        (SparkTableDataset, TablePreview),
        (StreamedTableDataset, TablePreview),
        (TextTableDataset, TablePreview),
        (SkopsDataset, JSONPreview),
        (ReleaseDataset, JSONPreview),
    ],
)
def test_kedro_viz_finds_the_form_of_a_preview_by_its_name(kind, of) -> None:
    assert kind.preview.__annotations__["return"] == of.__name__
