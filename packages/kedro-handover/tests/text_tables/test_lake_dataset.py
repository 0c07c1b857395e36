"""Tables of lakes and databases: every cell as text, rows numbered by what they hold, the version known."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kedro.io import DatasetError
from omegaconf import OmegaConf

from kedro_handover.catalog import dataset
from kedro_handover.messages import tell
from kedro_handover.text_tables import describe_source
from kedro_handover.text_tables.lake_dataset import LakeTextTableDataset
from lake import run_with_lakes

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.spark


def rows_of(frame: DataFrame) -> list[tuple[Any, ...]]:
    return sorted(map(tuple, frame.collect()))


def load(place: Path, file_format: str = "parquet", **options: Any) -> DataFrame:
    return LakeTextTableDataset(file_format=file_format, filepath=str(place), **options).load()


def test_rows_have_the_same_numbers_whatever_files_they_lie_in(spark: SparkSession, tmp_path: Path) -> None:
    rows = spark.range(3_000).selectExpr("id % 700 AS id", "IF(id % 7 = 0, NULL, 'é' || id % 70) AS `na.me`")
    rows.write.parquet(str(tmp_path / "one"))
    rows.repartition(7).sortWithinPartitions("id").write.orc(str(tmp_path / "other"))
    first, second = load(tmp_path / "one"), load(tmp_path / "other", "orc")
    assert first.columns == ["row_number", "malformed_line", "id", "na.me"]
    assert rows_of(first) == rows_of(second)
    assert [row[0] for row in rows_of(first)] == list(range(1, 3_001))
    assert sorted((int(row[2]), row[3] or "") for row in rows_of(first)) == sorted(
        (row[0], row[1] or "") for row in rows.collect()
    )


def test_the_first_rows_are_those_of_the_least_hashes(spark: SparkSession, tmp_path: Path) -> None:
    # Nulls leave no trace in Spark's hash: these four rows have two hashes, and their texts decide.
    rows = [(None, "a"), ("a", None), (None, "b"), ("b", None)]
    spark.createDataFrame(rows, "x string, y string").write.parquet(str(tmp_path / "t"))
    found = [tuple(row)[2:] for row in rows_of(load(tmp_path / "t"))]
    assert found in ([*rows[:2], *rows[2:]], [*rows[2:], *rows[:2]])


def test_rows_that_come_while_it_is_read_end_the_job(spark: SparkSession, tmp_path: Path) -> None:
    url = f"jdbc:derby:{tmp_path}/shop;create=true"  # Derby is among Spark's jars
    rows = spark.createDataFrame([("a",)], "x string")
    rows.write.jdbc(url, "orders")
    table = LakeTextTableDataset(file_format="jdbc", table_name="orders", load_args={"url": url}).load()
    rows.write.jdbc(url, "orders", mode="append")
    with pytest.raises(Exception, match="was changed while it was read"):
        table.collect()


def test_a_null_byte_and_a_name_of_our_own_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    spark.createDataFrame([("a\0b",)], "x string").write.parquet(str(tmp_path / "t"))
    with pytest.raises(Exception) as caught:  # noqa: PT011 - Java's is compared by what it says
        load(tmp_path / "t").collect()
    assert f"{tmp_path}/t holds a null byte in row 1" in tell(caught.value)
    spark.createDataFrame([("a",)], "row_number string").write.parquet(str(tmp_path / "u"))
    with pytest.raises(DatasetError, match="a name of our own"):
        load(tmp_path / "u")


def test_numbers_with_a_fraction_come_with_a_warning_and_nested_columns_not(
    spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spark.sql("SELECT 1 AS id, 2.5D AS price, ARRAY(1) AS items").write.parquet(str(tmp_path / "t"))
    with caplog.at_level(logging.WARNING):
        assert rows_of(load(tmp_path / "t")) == [(1, None, "1", "2.5")]
    assert "price is a number with a fraction or a time" in caplog.text


def test_a_table_of_a_database_is_read_by_jdbc_and_its_password_is_told_to_nobody(
    spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"jdbc:derby:{tmp_path}/shop;create=true"
    secret = {"user": "me", "password": "ZW4tc2VjcmV0"}
    spark.createDataFrame([(7, 2), (5, 3)], "id int, items int").write.jdbc(url, "orders", properties=secret)
    table = LakeTextTableDataset(file_format="jdbc", table_name="orders", load_args={"url": url}, credentials=secret)
    with caplog.at_level(logging.INFO):
        found = table.load()
        assert sorted(row[2:] for row in rows_of(found)) == [("5", "3"), ("7", "2")]
    assert describe_source(found) == {"table": "orders", "format": "jdbc", "version": None}
    assert secret["password"] not in caplog.text + str(table) + repr(table._describe())  # noqa: SLF001


def test_what_is_not_there_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"can't be read as parquet: .*spark\.jars\.packages"):
        load(tmp_path / "nothing")
    with pytest.raises(DatasetError, match="can't be read as delta: "):
        load(tmp_path, "delta")
    assert not LakeTextTableDataset(file_format="delta", filepath=str(tmp_path / "nothing")).exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"file_format": "delta"}, "needs a filepath or a table_name"),
        ({"file_format": "delta", "filepath": "a", "table_name": "b"}, "and not both"),
        ({"file_format": "delta", "filepath": "a", "load_args": {"timestampAsOf": "2020-01-01"}}, "versionAsOf"),
        ({"file_format": "iceberg", "table_name": "a", "load_args": {"tag": "x"}}, "snapshot-id"),
        ({"file_format": "hive", "table_name": "a", "load_args": {"versionAsOf": 1}}, "hive has no versions"),
    ],
)
def test_a_version_is_named_by_its_number_and_a_table_by_one_place(options: dict[str, Any], said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        LakeTextTableDataset(**options)


def test_the_catalog_leaves_a_table_the_place_or_name_that_its_kind_gives() -> None:
    def resolve(**kind: Any) -> dict[str, Any]:
        root = {"_kinds": {}, "_engine": {"text_table": {"type": "t", **kind}}, "_raw_storage": "data"}
        return dataset("text_table", "01_raw/orders.csv", _root_=OmegaConf.create(root))

    assert resolve()["filepath"] == "data/01_raw/orders.csv"
    assert resolve(filepath="s3a://lake/orders")["filepath"] == "s3a://lake/orders"
    assert "filepath" not in resolve(table_name="lake.shop.orders")


def test_a_kind_of_the_catalog_and_of_the_engine_is_one_before_it_is_resolved() -> None:
    of_catalog = {"type": "t", "sep": ",", "load_args": {"delimiter": "${..sep}", "header": True}}
    root = {"_kinds": {"text_table": of_catalog}, "_engine": {"text_table": {"sep": ";"}}, "_raw_storage": "data"}
    found = dataset("text_table", "01_raw/orders.csv", OmegaConf.create({"sep": "|"}), _root_=OmegaConf.create(root))
    assert (found["sep"], found["load_args"]) == ("|", {"delimiter": ";", "header": True})


SCRIPT = """
from kedro_handover.text_tables import describe_source
from kedro_handover.text_tables.lake_dataset import LakeTextTableDataset

first = spark.range(500).selectExpr("id", "'x' || id % 9 AS name").repartition(3)
later = first.selectExpr("*", "id AS more").filter("id % 5 > 0")
found = {}

def tell(of, **options):
    table = LakeTextTableDataset(**options).load()
    found[of] = [sorted(map(list, table.collect())), describe_source(table), table.columns]

delta = folder + "/de`lta"
first.write.save(delta, "delta")
name = "delta.`{}`".format(delta.replace("`", "``"))
spark.sql(f"ALTER TABLE {name} SET TBLPROPERTIES ('delta.enableDeletionVectors' = true)")
spark.sql(f"DELETE FROM {name} WHERE id % 5 = 0")
spark.read.load(delta, "delta").write.saveAsTable("orders_delta", "delta")
later.write.mode("append").option("mergeSchema", True).save(delta, "delta")
tell("delta, first", file_format="delta", filepath=delta, load_args={"versionAsOf": 0})
tell("delta, less", file_format="delta", filepath=delta, load_args={"versionAsOf": 2})
tell("delta, last", file_format="delta", filepath=delta)
tell("delta, by name", file_format="delta", table_name="orders_delta")

first.writeTo("lake.shop.orders").using("iceberg").create()
tell("iceberg, by name", file_format="iceberg", table_name="lake.shop.orders")
first_snapshot = found["iceberg, by name"][1]["version"]
spark.sql("DELETE FROM lake.shop.orders WHERE id % 5 = 0")
tell("iceberg, less", file_format="iceberg", filepath=folder + "/iceberg/shop/orders")
later.writeTo("lake.shop.orders").using("iceberg").createOrReplace()
tell("iceberg, first", file_format="iceberg", table_name="lake.shop.orders", load_args={"snapshot-id": first_snapshot})
tell("iceberg, last", file_format="iceberg", table_name="lake.shop.orders")

first.write.saveAsTable("orders_hive", "hive")
tell("hive", file_format="hive", table_name="orders_hive")
print("FOUND " + json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Rows, source and columns of tables of Delta, Iceberg and Hive; the jars come from Maven."""
    folder = tmp_path_factory.mktemp("lake")
    return run_with_lakes(
        SCRIPT,
        folder,
        spark_sql_catalogImplementation="hive",
        spark_sql_warehouse_dir=str(folder / "hive"),
        spark_hadoop_javax_jdo_option_ConnectionURL=f"jdbc:derby:;databaseName={folder}/metastore;create=true",
    )


@pytest.mark.slow
def test_the_same_rows_of_delta_iceberg_and_hive_have_the_same_numbers(found: dict[str, Any]) -> None:
    rows = {of: one[0] for of, one in found.items()}
    assert [row[0] for row in rows["hive"]] == list(range(1, 501))
    for of in ("delta, first", "iceberg, first", "iceberg, by name"):
        assert rows[of] == rows["hive"], of
    assert len(rows["delta, less"]) == 400
    assert rows["delta, less"] == rows["iceberg, less"] == rows["delta, by name"]


@pytest.mark.slow
def test_the_version_is_known_also_where_it_is_the_last_one(found: dict[str, Any]) -> None:
    versions = {of: one[1]["version"] for of, one in found.items()}
    assert [versions[f"delta, {of}"] for of in ("first", "less", "last", "by name")] == [0, 2, 3, 0]
    assert versions["iceberg, first"] == versions["iceberg, by name"]
    assert len({versions[f"iceberg, {of}"] for of in ("first", "less", "last")}) == 3
    assert versions["hive"] is None


@pytest.mark.slow
def test_an_old_version_has_the_columns_of_its_time(found: dict[str, Any]) -> None:
    columns = {of: one[2][2:] for of, one in found.items()}
    assert columns["delta, first"] == columns["iceberg, first"] == ["id", "name"]
    assert columns["delta, last"] == columns["iceberg, last"] == ["id", "name", "more"]
