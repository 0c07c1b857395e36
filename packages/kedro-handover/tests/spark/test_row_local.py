"""Nodes that look at one row at a time give the same rows on Polars in Spark's executors as on Spark itself."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import pyarrow as pa
import pytest

from kedro_handover.errors import SparkError
from kedro_handover.spark import row_local as module
from kedro_handover.spark.row_local import DECISION, SETTING, is_on_polars, row_local
from kedro_handover.testing import to_spark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

ROWS = 250


@row_local
def check(rows: Any, names: Any, *, factor: int) -> Any:
    """Trim, join, cast: what a contract does."""
    frame = nw.from_native(rows).join(nw.from_native(names), on="code", how="left")
    return frame.select(
        nw.col("row_number"),
        text=nw.when(nw.col("text") != "").then(nw.col("text").str.strip_chars(" \t")),
        day=nw.col("day").str.to_datetime("%Y-%m-%d").cast(nw.Date),
        value=nw.col("number").cast(nw.Float64) * factor,
        known=~nw.col("name").is_null(),
        name=nw.col("name"),
    ).to_native()


@pytest.fixture
def setting(spark: SparkSession) -> Iterator[Callable[[str], None]]:
    def set_(value: str) -> None:
        spark.conf.set(SETTING, value)
        spark.conf.unset(DECISION)

    yield set_
    spark.conf.unset(SETTING)
    spark.conf.unset(DECISION)


@pytest.fixture
def tables(spark: SparkSession, tmp_path: Path) -> tuple[DataFrame, DataFrame]:
    rows = pa.table(
        {
            "row_number": pa.array(range(ROWS)),
            "code": pa.array([None if row % 7 == 0 else f"{row % 5}" for row in range(ROWS)]),
            "text": pa.array([None if row % 11 == 0 else "\té  " * (row % 3) for row in range(ROWS)]),
            "day": pa.array([None if row % 3 else "2016-02-29" for row in range(ROWS)]),
            "number": pa.array([None if row % 2 else f"{row}.125" for row in range(ROWS)]),
        }
    )
    names = pa.table({"code": pa.array(["1", "2", None]), "name": pa.array(["one", "dos", "none"])})
    (tmp_path / "rows").mkdir()
    (tmp_path / "names").mkdir()
    return to_spark(rows, spark, tmp_path / "rows"), to_spark(names, spark, tmp_path / "names")


def collect(frame: DataFrame) -> list[dict[str, Any]]:
    return sorted((row.asDict() for row in frame.collect()), key=lambda row: row["row_number"])


def plan(frame: DataFrame) -> str:
    return str(frame._jdf.queryExecution().executedPlan().toString())  # noqa: SLF001


def test_both_give_the_same_rows_and_types(
    setting: Callable[[str], None], tables: tuple[DataFrame, DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS", 100)  # several parts
    setting("false")
    by_spark = check(*tables, factor=3)
    setting("local")
    by_polars = check(*tables, factor=3)
    assert "MapInArrow" in plan(by_polars)
    assert "MapInArrow" not in plan(by_spark)
    assert [(field.name, field.dataType) for field in by_polars.schema] == [
        (field.name, field.dataType) for field in by_spark.schema
    ]
    assert collect(by_polars) == collect(by_spark)
    assert len(collect(by_polars)) == ROWS


def test_a_large_table_beside_the_rows_is_left_to_spark_and_said(
    setting: Callable[[str], None], tables: tuple[DataFrame, DataFrame], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(module, "MOST_ROWS_BESIDE", 2)
    setting("local")
    assert "MapInArrow" not in plan(check(*tables, factor=1))
    assert "more than 2 rows" in caplog.text


def test_the_setting_is_looked_at_once_and_said(
    spark: SparkSession, setting: Callable[[str], None], caplog: Any
) -> None:
    with caplog.at_level(logging.INFO, logger=module.__name__):
        for value, on_polars in (("local", True), ("false", False), ("", False)):
            setting(value)
            assert (is_on_polars(spark), is_on_polars(spark)) == (on_polars, on_polars)
    said = [record.message for record in caplog.records]
    assert said == [
        "Rows are checked by Polars in the Python of the executors: spark.handover.polars is local.",
        *["Rows are checked by Spark's own expressions: spark.handover.polars is false."] * 2,
    ]


def test_a_setting_that_is_none_of_the_three_is_refused(spark: SparkSession, setting: Callable[[str], None]) -> None:
    setting("yes")
    with pytest.raises(SparkError, match=r"spark\.handover\.polars is 'yes' in spark\.yml\. Set it to local, true or"):
        is_on_polars(spark)


def test_on_other_engines_the_node_is_as_it_is(tables: tuple[DataFrame, DataFrame]) -> None:
    import polars as pl

    rows, names = (pl.from_arrow(nw.from_native(table).collect("pyarrow").to_native()) for table in tables)
    assert check(rows, names, factor=2).height == ROWS
    assert check.__wrapped__.__name__ == check.__name__ == "check"
