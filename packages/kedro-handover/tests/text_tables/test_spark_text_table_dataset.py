"""Spark's executors read what the other engines are given: the same rows, the same numbers, the same refusals."""

from __future__ import annotations

import logging
import struct
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from csv_parts import FOLDER_ROWS, folder_of_csv
from kedro_handover.messages import tell
from kedro_handover.spark.row_local import DECISION, SETTING
from kedro_handover.text_tables import TextTableDataset
from kedro_handover.text_tables.spark_dataset import SparkTextTableDataset

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession

pytestmark = pytest.mark.usefixtures("spark")


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """A folder whose name and parts have the signs that paths, patterns and URLs trip over."""
    folder = tmp_path / "orders [1] ñ%20.parquet"
    (folder / "day=1 ").mkdir(parents=True)
    return folder


def write(file: Path, **columns: Any) -> None:
    pa.parquet.write_table(pa.table(columns), file, row_group_size=2)


def read_both(file: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    by_spark = SparkTextTableDataset(filepath=str(file)).load()
    rows = sorted((row.asDict() for row in by_spark.collect()), key=lambda row: row["row_number"])
    return rows, TextTableDataset(filepath=str(file)).load().read_all().to_pylist()


def refusals(file: Path) -> tuple[str, str]:
    with pytest.raises(Exception) as on_spark:  # noqa: PT011 - Java's is compared by what it says
        SparkTextTableDataset(filepath=str(file)).load().collect()
    with pytest.raises(Exception) as on_others:  # noqa: PT011
        TextTableDataset(filepath=str(file)).load().read_all()
    return tell(on_spark.value), tell(on_others.value)


def test_parts_in_the_order_of_their_paths_give_the_same_rows_and_numbers(orders: Path) -> None:
    days = [date(2020, 2, 29), None, date(1600, 1, 1)]
    write(orders / "part-0.parquet", a=[1, 2, None], b=["x", "", None], day=days, c=[True, False, None])
    integers, nothing = pa.array([2**40, 2], pa.uint64()), pa.array([None, None], pa.bool_())
    write(orders / "day=1 " / "part-1.parquet", a=integers, b=["é", None], day=[None, date(9999, 1, 1)], c=nothing)
    texts = pa.array(["é", None, "é"]).dictionary_encode()
    untyped = pa.nulls(3)
    write(orders / "part 2.parquet", a=pa.array([5, 1, 0]), b=texts, day=pa.array(days), c=untyped)
    by_spark, by_others = read_both(orders)
    assert by_spark == by_others
    assert [row["row_number"] for row in by_spark] == list(range(1, 9))
    assert by_spark[0] == {
        "row_number": 1, "malformed_line": None, "a": "1099511627776", "b": "é", "day": None, "c": None,
    }  # fmt: skip


def test_one_file_of_many_row_groups_is_numbered_through(orders: Path) -> None:
    file = orders / "one.parquet"
    write(file, a=[f"{row}" for row in range(1, 1_001)])
    by_spark, by_others = read_both(file)
    assert by_spark == by_others
    assert all(row["a"] == f"{row['row_number']}" for row in by_spark)


@pytest.mark.parametrize(
    ("damaged", "said"),
    [
        (b"a\0b", "holds a null byte in row 3: it is damaged"),
        (b"\xff\xfe", "can't be read as Parquet: row 3 is not UTF-8"),
    ],
)
def test_a_damaged_text_ends_the_job_that_meets_it(orders: Path, damaged: bytes, said: str) -> None:
    write(orders / "part-0.parquet", a=["x", "y"], b=["1", "2"])
    offsets = pa.py_buffer(struct.pack("<3i", 0, len(damaged), len(damaged) + 1))
    column = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(damaged + b"z")])
    write(orders / "part-1.parquet", a=["x", "y"], b=column)
    on_spark, on_others = refusals(orders)
    assert f"{orders} {said}" in on_spark
    assert str(orders) in on_others


def test_bytes_of_two_texts_do_not_make_a_letter(orders: Path) -> None:
    first, second = (
        pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(struct.pack("<2i", 0, 1)), pa.py_buffer(half)])
        for half in (b"\xc3", b"\xa9")
    )
    write(orders / "one.parquet", a=first, b=second)
    assert "row 1 is not UTF-8" in refusals(orders)[0]


def test_other_types_in_one_part_are_refused_before_a_row_is_read(orders: Path) -> None:
    write(orders / "part-0.parquet", a=["x"])
    write(orders / "part-1.parquet", a=[1])
    on_spark, on_others = refusals(orders)
    assert on_spark == on_others
    assert "has parts with other types: a is one in" in on_spark


def test_numbers_with_a_fraction_are_read_by_the_driver_with_a_warning(orders: Path, caplog: Any) -> None:
    write(orders / "one.parquet", a=[1e30, 0.5])
    with caplog.at_level(logging.WARNING):
        read = SparkTextTableDataset(filepath=str(orders)).load()
    assert read.read_all().to_pylist() == TextTableDataset(filepath=str(orders)).load().read_all().to_pylist()
    assert "is read by the driver alone" in caplog.text


def test_no_more_than_the_footers_goes_through_the_driver(orders: Path) -> None:
    write(orders / "one.parquet", a=["x"] * 10)
    rows = SparkTextTableDataset(filepath=str(orders)).load()
    assert "FileScan parquet" in rows._jdf.queryExecution().executedPlan().toString()  # noqa: SLF001
    assert rows.count() == 10


@pytest.fixture
def with_python(spark: SparkSession) -> Iterator[None]:
    """Executors that have Python, as the setting says."""
    spark.conf.set(SETTING, "local")
    spark.conf.unset(DECISION)
    yield
    spark.conf.unset(SETTING)
    spark.conf.unset(DECISION)


@pytest.mark.usefixtures("with_python")
def test_a_folder_of_csv_is_read_part_by_part_by_executors_that_have_python(tmp_path: Path) -> None:
    rows = SparkTextTableDataset(filepath=str(folder_of_csv(tmp_path))).load()
    assert "MapInArrow" in rows._jdf.queryExecution().executedPlan().toString()  # noqa: SLF001
    assert sorted(map(tuple, rows.collect())) == FOLDER_ROWS


@pytest.mark.usefixtures("with_python")
def test_what_is_wrong_in_a_part_is_told_as_on_other_engines(tmp_path: Path) -> None:
    parts = folder_of_csv(tmp_path)
    (parts / "c.csv").write_bytes(b"id,city\n1,\xff\n")
    with pytest.raises(Exception) as caught:  # noqa: PT011 - Python's, told by Java
        SparkTextTableDataset(filepath=str(parts)).load()
    assert "orders.csv has a part c.csv, which is not UTF-8, near line 2" in tell(caught.value)


def test_a_folder_of_csv_is_read_by_the_driver_where_executors_have_no_python(tmp_path: Path, caplog: Any) -> None:
    reader = SparkTextTableDataset(filepath=str(folder_of_csv(tmp_path))).load()
    assert sorted(tuple(row.values()) for row in reader.read_all().to_pylist()) == FOLDER_ROWS
    assert "is read by the driver alone, one part after the other" in caplog.text
