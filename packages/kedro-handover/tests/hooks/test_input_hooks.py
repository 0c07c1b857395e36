"""What a run starts from is looked at before it runs, without Spark."""

from __future__ import annotations

import fsspec
import pyspark
import pytest
from kedro.io import DatasetError

from toy_project import CATALOG_YML, ToyProject


def refuse(project: ToyProject, *pipelines: str, env: str | None = None, **params: object) -> str:
    with pytest.raises(DatasetError) as refused:
        project.run(*pipelines, env=env, **params)
    return str(refused.value)


def test_a_raw_file_that_is_missing_is_told_in_the_words_of_the_project(project: ToyProject) -> None:
    assert refuse(project) == (
        "orders_file: there is no data/01_raw/orders.csv. Ask the shop for it, or run `kedro run --pipelines=invent`."
    )
    assert project.list_outputs() == []


def test_what_a_pipeline_makes_is_told_with_that_pipeline_and_the_environment(project: ToyProject) -> None:
    assert refuse(project, "report") == (
        "orders: there is no data/02_intermediate/orders.parquet. Run `kedro run --pipelines=shop` to make it."
    )
    project.write("conf/other/run.yml", "pipelines: [report]")
    assert "Run `kedro run --env=other --pipelines=shop` to make it." in refuse(project, env="other")


def test_an_empty_file_is_refused(project: ToyProject) -> None:
    project.put_orders("")
    assert "orders_file: data/01_raw/orders.csv is an empty file. Remove it. Ask the shop" in refuse(project)


def test_a_link_that_leads_nowhere_is_refused(project: ToyProject) -> None:
    file = project.put_orders()
    file.unlink()
    file.symlink_to("elsewhere.csv")
    assert refuse(project) == (
        "orders_file: data/01_raw/orders.csv is a link that leads nowhere, or in a circle. Fix it."
    )


def test_a_transcoded_dataset_is_made_by_the_pipeline_that_saves_it_in_another_form(project: ToyProject) -> None:
    file = project.folder / f"src/{project.package}/pipeline_registry.py"
    text = file.read_text(encoding="utf-8")
    file.write_text(
        text.replace('"orders", name="read', '"orders@pandas", name="read').replace(
            'count_orders, "orders"', 'count_orders, "orders@again"'
        ),
        encoding="utf-8",
    )
    entry = "${dataset:table,02_intermediate/orders.parquet}"
    catalog = CATALOG_YML.replace(f"orders: {entry}", f"orders@pandas: {entry}\norders@again: {entry}")
    project.write("conf/base/catalog.yml", catalog)
    assert "Run `kedro run --pipelines=shop` to make it." in refuse(project, "report")


def test_a_table_of_sparks_elsewhere_is_looked_for_without_spark(project: ToyProject) -> None:
    fsspec.filesystem("memory").mkdirs("/orders", exist_ok=True)
    project.write("conf/spark/spark.yml", 'spark.master: "local[1]"\n')
    before = pyspark.SparkContext._active_spark_context  # noqa: SLF001 - pyspark offers no other way
    said = refuse(project, "report", env="spark", storage="memory://orders")
    assert "orders: there is no memory:" in said
    assert pyspark.SparkContext._active_spark_context is before  # noqa: SLF001
