"""The tables of the engines on one machine: whole or as before, and shown without an engine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from kedro.config import OmegaConfigLoader
from kedro.io import AbstractDataset, DatasetError

from conftest import ON_ONE_MACHINE, PROJECT, Engine
from kedro_handover.datasets.pandas_table_dataset import PandasTableDataset
from kedro_handover.datasets.polars_table_dataset import PolarsTableDataset
from premises.settings import CONFIG_LOADER_ARGS

ROWS = {
    "premises_id": ["1", "2", None],
    "street": ["MOLL", None, ""],
    "x_mm": [1, None, 3],
    "is_active": [True, None, False],
}
SCHEMA = {"premises_id": pa.string(), "street": pa.string(), "x_mm": pa.int64(), "is_active": pa.bool_()}


@pytest.fixture(params=ON_ONE_MACHINE)
def one_engine(request: pytest.FixtureRequest) -> Engine:
    return Engine(request.param, ON_ONE_MACHINE[request.param])


@pytest.fixture
def table(one_engine: Engine, tmp_path: Path) -> AbstractDataset[Any, Any]:
    """The kind `table` as the environment of the engine has it."""
    env = "base" if one_engine.name == "pandas" else one_engine.name
    kind = OmegaConfigLoader(str(PROJECT / "conf"), env=env, **CONFIG_LOADER_ARGS)["globals"]["engine"]["table"]
    folder = tmp_path / "day=2024-01-01"  # it is no column of the table
    return AbstractDataset.from_config("table", {**kind, "filepath": str(folder / "table.parquet")})


def failing(engine: Engine) -> Any:
    """A frame that can't be written."""
    frame = engine.frame({"premises_id": ["1", "?"]}, {"premises_id": pa.string()})
    if engine.name == "pandas":
        return pd.DataFrame({"premises_id": [1, object()]})
    if engine.name == "polars":
        return frame.cast({"premises_id": int})
    if engine.name == "duckdb":
        return frame.project("CAST(premises_id AS INTEGER) AS premises_id")
    return frame.map_partitions(lambda part: part.astype("int64"), meta={"premises_id": "int64"})


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
    table.save(one_engine.frame({"premises_id": ["7"]}, {"premises_id": pa.string()}))
    table.release()
    assert one_engine.rows(table.load()) == [{"premises_id": "7"}]
    assert [path.name for path in (tmp_path / "day=2024-01-01").iterdir()] == ["table.parquet"]


def test_the_first_rows_are_shown_by_no_engine(one_engine: Engine, table: AbstractDataset[Any, Any]) -> None:
    table.save(one_engine.frame({"premises_id": [str(row) for row in range(9)]}, {"premises_id": pa.string()}))
    shown = table.preview()
    assert shown["columns"] == ["premises_id"]
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
