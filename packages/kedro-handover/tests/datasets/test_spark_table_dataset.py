"""A table on Spark is replaced as a whole or not at all, and comes back with the columns that it was written with."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kedro.io import DatasetError
from pyspark.sql import functions as F  # noqa: N812

from kedro_handover.datasets.spark_table_dataset import SparkTableDataset

ROWS = pd.DataFrame({"order_id": [1, 2, 3], "shop": [1, 2, 2], "name": ["a", None, "c"]})


def table_at(folder, **save_args) -> SparkTableDataset:
    return SparkTableDataset(filepath=str(folder / "table.parquet"), file_format="parquet", save_args=save_args)


def rows_of(frame) -> list[tuple]:
    return sorted(tuple(row) for row in frame.select("order_id", "shop", "name").collect())


def jobs(spark) -> int:
    return spark.sparkContext._jsc.sc().statusStore().jobsList(None).size()  # noqa: SLF001 - pyspark offers no other way


@pytest.mark.parametrize("save_args", [{}, {"partitionBy": "shop"}], ids=["whole", "partitioned"])
def test_a_table_comes_back_and_its_files_are_not_asked_for_columns(spark, tmp_path, save_args) -> None:
    dataset = table_at(tmp_path, **save_args)
    saved = spark.createDataFrame(ROWS).withColumn("shop", F.col("shop").cast("int"))
    dataset.save(saved)
    before = jobs(spark)
    loaded = dataset.load()
    assert jobs(spark) == before
    assert sorted(loaded.dtypes) == sorted(saved.dtypes)
    assert rows_of(loaded) == rows_of(saved)
    found = table_at(tmp_path, **save_args).load()
    assert jobs(spark) == before + 2
    assert found.dtypes == loaded.dtypes
    assert rows_of(found) == rows_of(saved)


def test_a_table_of_others_is_asked_for_its_columns_once_until_it_changes(spark, tmp_path) -> None:
    pq.write_table(pa.table({"other": [1]}), tmp_path / "table.parquet")
    dataset = table_at(tmp_path)
    dataset.load()
    before = jobs(spark)
    assert [tuple(row) for row in dataset.load().collect()] == [(1,)]
    assert jobs(spark) == before + 1  # it is read, and not looked through
    (tmp_path / "table.parquet").unlink()
    pq.write_table(pa.table({"another": ["x"], "other": [2]}), tmp_path / "table.parquet")
    assert dataset.load().columns == ["another", "other"]


def test_a_frame_of_pandas_is_saved_too(spark, tmp_path) -> None:  # noqa: ARG001 - Spark has to run
    dataset = table_at(tmp_path)
    dataset.save(ROWS)
    assert rows_of(dataset.load()) == [(1, 1, "a"), (2, 2, None), (3, 2, "c")]


def test_a_save_that_fails_leaves_the_table_before_it(spark, tmp_path) -> None:
    dataset = table_at(tmp_path)
    dataset.save(ROWS)
    before = {path.name: path.read_bytes() for path in (tmp_path / "table.parquet").iterdir()}
    broken = spark.createDataFrame(ROWS).withColumn("name", F.raise_error(F.lit("no more")))
    with pytest.raises(DatasetError, match="no more"):
        dataset.save(broken)
    assert {path.name: path.read_bytes() for path in (tmp_path / "table.parquet").iterdir()} == before
    assert len(rows_of(dataset.load())) == 3


def test_a_table_can_be_made_from_itself(spark, tmp_path) -> None:  # noqa: ARG001
    dataset = table_at(tmp_path)
    dataset.save(ROWS)
    dataset.save(dataset.load().where("order_id > 1"))
    assert rows_of(dataset.load()) == [(2, 2, None), (3, 2, "c")]
    assert [path.name for path in tmp_path.iterdir()] == ["table.parquet"]


def test_what_a_killed_run_has_left_beside_the_table_is_in_no_ones_way(spark, tmp_path) -> None:  # noqa: ARG001
    left = tmp_path / "table.parquet.written"
    left.mkdir()
    (left / "part-0.parquet").write_bytes(b"half")
    dataset = table_at(tmp_path)
    dataset.save(ROWS)
    assert len(rows_of(dataset.load())) == 3
    assert not left.exists()


def test_a_table_of_one_file_that_another_engine_has_written_is_replaced(spark, tmp_path) -> None:  # noqa: ARG001
    pq.write_table(pa.table({"other": [1]}), tmp_path / "table.parquet")
    dataset = table_at(tmp_path)
    assert dataset.load().columns == ["other"]
    dataset.save(ROWS)
    assert len(rows_of(dataset.load())) == 3


def test_a_table_that_another_process_has_replaced_is_read_with_its_own_columns(spark, tmp_path) -> None:
    dataset = table_at(tmp_path)
    dataset.save(ROWS)
    table_at(tmp_path).save(spark.createDataFrame(pd.DataFrame({"other": ["x"]})))
    assert [tuple(row) for row in dataset.load().collect()] == [("x",)]


def test_a_table_that_is_not_there_is_said(spark, tmp_path) -> None:  # noqa: ARG001
    dataset = table_at(tmp_path)
    with pytest.raises(DatasetError, match=r"(?i)path does not exist"):
        dataset.load()
    assert not dataset.exists()
    dataset.save(ROWS)
    assert dataset.exists()
    (tmp_path / "table.parquet").rename(tmp_path / "gone")
    with pytest.raises(DatasetError, match=r"(?i)path does not exist"):
        dataset.load()
