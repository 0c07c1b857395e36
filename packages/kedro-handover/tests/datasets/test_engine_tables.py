"""The tables of the engines on one machine: whole or as before, and shown without an engine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from kedro.io import AbstractDataset, DatasetError

from kedro_handover.datasets.dask_table_dataset import DaskTableDataset
from kedro_handover.datasets.duckdb_table_dataset import DuckDBTableDataset
from kedro_handover.datasets.pandas_table_dataset import PandasTableDataset
from kedro_handover.datasets.polars_table_dataset import PolarsTableDataset
from kedro_handover.datasets.spark_table_dataset import SparkTableDataset
from kedro_handover.datasets.streamed_table_dataset import StreamedTableDataset
from kedro_handover.testing import ON_ONE_MACHINE, Engine

ROWS = {
    "order_id": ["1", "2", None],
    "shop": ["MOLL", None, ""],
    "price": [1, None, 3],
    "is_returned": [True, None, False],
}
SCHEMA = {"order_id": pa.string(), "shop": pa.string(), "price": pa.int64(), "is_returned": pa.bool_()}

KINDS: dict[str, dict[str, Any]] = {
    "pandas": {
        "type": PandasTableDataset,
        "load_args": {"dtype_backend": "pyarrow"},
        "save_args": {"index": False},
    },
    "polars": {"type": PolarsTableDataset, "file_format": "parquet", "save_args": {"compression": "lz4"}},
    "duckdb": {"type": DuckDBTableDataset, "settings": {"preserve_insertion_order": False}},
    "dask": {
        "type": DaskTableDataset,
        "load_args": {"dtype_backend": "pyarrow", "blocksize": "32MiB", "dataset": {"partitioning": None}},
        "save_args": {"write_index": False},
    },
    "spark": {"type": SparkTableDataset, "file_format": "parquet"},
}
"""The kind `table` as the environment of an engine has it."""


@pytest.fixture(params=ON_ONE_MACHINE)
def one_engine(request: pytest.FixtureRequest) -> Engine:
    return Engine(request.param, ON_ONE_MACHINE[request.param])


@pytest.fixture
def table(one_engine: Engine, tmp_path: Path) -> AbstractDataset[Any, Any]:
    folder = tmp_path / "day=2024-01-01"  # it is no column of the table
    return AbstractDataset.from_config("table", {**KINDS[one_engine.name], "filepath": str(folder / "table.parquet")})


def failing(engine: Engine) -> Any:
    """A frame that can't be written."""
    frame = engine.frame({"order_id": ["1", "?"]}, {"order_id": pa.string()})
    if engine.name == "pandas":
        return pd.DataFrame({"order_id": [1, object()]})
    if engine.name == "polars":
        return frame.cast({"order_id": int})
    if engine.name == "duckdb":
        return frame.project("CAST(order_id AS INTEGER) AS order_id")
    return frame.map_partitions(lambda part: part.astype("int64"), meta={"order_id": "int64"})


def test_what_is_saved_is_loaded_with_its_types(one_engine: Engine, table: AbstractDataset[Any, Any]) -> None:
    frame = one_engine.frame(ROWS, SCHEMA)
    table.save(frame)
    table.release()
    assert one_engine.rows(table.load()) == one_engine.rows(frame)
    assert one_engine.types(table.load()) == one_engine.types(frame)


def test_what_can_not_be_computed_leaves_the_table_of_before(one_engine: Engine, table, tmp_path: Path) -> None:
    table.save(one_engine.frame(ROWS, SCHEMA))
    with pytest.raises(DatasetError):
        table.save(failing(one_engine))
    table.release()
    assert len(one_engine.rows(table.load())) == 3
    assert [path.name for path in (tmp_path / "day=2024-01-01").iterdir()] == ["table.parquet"]


def test_what_a_killed_run_has_left_goes_with_the_next_table(one_engine: Engine, table, tmp_path: Path) -> None:
    table.save(one_engine.frame(ROWS, SCHEMA))
    (tmp_path / "day=2024-01-01" / ".table.parquet.0badcafe").mkdir()
    (tmp_path / "day=2024-01-01" / ".table.parquet.0badcafe" / "part.0.parquet").write_bytes(b"PAR1")
    table.save(one_engine.frame({"order_id": ["7"]}, {"order_id": pa.string()}))
    table.release()
    assert one_engine.rows(table.load()) == [{"order_id": "7"}]
    assert [path.name for path in (tmp_path / "day=2024-01-01").iterdir()] == ["table.parquet"]


def test_the_first_rows_are_shown_by_no_engine(one_engine: Engine, table: AbstractDataset[Any, Any]) -> None:
    table.save(one_engine.frame({"order_id": [str(row) for row in range(9)]}, {"order_id": pa.string()}))
    shown = table.preview()
    assert shown["columns"] == ["order_id"]
    assert shown["data"] == [[str(row)] for row in range(5)]


def test_a_table_that_is_not_there_is_an_error_with_its_path(table: AbstractDataset[Any, Any]) -> None:
    with pytest.raises(DatasetError, match=r"table\.parquet"):
        table.load().head(1)


def test_settings_of_polars_hold_once_a_table_is_opened(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("POLARS_JOIN_SAMPLE_LIMIT", "1")
    settings = {"POLARS_JOIN_SAMPLE_LIMIT": 10_000}
    file = str(tmp_path / "table.parquet")
    table = PolarsTableDataset(filepath=file, file_format="parquet", settings=settings)
    table.save(ON_ONE_MACHINE["polars"](pa.table({"a": [1]})))
    table.load()
    assert os.environ["POLARS_JOIN_SAMPLE_LIMIT"] == "10000"


def test_a_run_reads_a_table_of_pandas_once(tmp_path: Path) -> None:
    table = PandasTableDataset(filepath=str(tmp_path / "table.parquet"), save_args={"index": False})
    table.save(pd.DataFrame({"a": [1]}))
    pd.DataFrame({"a": [2]}).to_parquet(tmp_path / "table.parquet")
    assert table.load()["a"].tolist() == [1]
    table.release()
    first = table.load()
    assert first["a"].tolist() == [2]
    assert table.load() is first


def save_rows(name: str, engine: Engine, file: Path, rows: int) -> None:
    """Write a table as an engine does, or as it comes part by part."""
    table = pa.table({"order_id": [str(row) for row in range(rows)]})
    if name == "streamed":
        StreamedTableDataset(filepath=str(file), table=KINDS["pandas"]).save(table.to_reader())
        return
    dataset = AbstractDataset.from_config("table", {**KINDS[name], "filepath": str(file)})
    dataset.save(engine.from_arrow(table))


@pytest.mark.parametrize("first", [*ON_ONE_MACHINE, "spark", "streamed"])
def test_any_engine_writes_where_another_has_written(engine: Engine, first: str, tmp_path: Path, request) -> None:
    file = tmp_path / "table.parquet"
    if first == "spark":
        session = request.getfixturevalue("spark")
        save_rows(first, Engine("spark", lambda table: session.createDataFrame(table.to_pandas())), file, 5)
    else:
        save_rows(first, Engine(first, ON_ONE_MACHINE.get(first, ON_ONE_MACHINE["pandas"])), file, 5)
    save_rows(engine.name, engine, file, 3)
    table = AbstractDataset.from_config("table", {**KINDS[engine.name], "filepath": str(file)})
    assert [row["order_id"] for row in engine.rows(table.load())] == ["0", "1", "2"]
    save_rows("streamed", engine, file, 2)
    table.release()
    assert [row["order_id"] for row in engine.rows(table.load())] == ["0", "1"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("table")] == ["table.parquet"]
