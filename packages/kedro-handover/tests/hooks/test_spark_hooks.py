"""Spark starts where a run needs it, after all that can be checked without it."""

from __future__ import annotations

from typing import Any

import pytest
from kedro.io import DatasetError

from kedro_handover.errors import ConfigurationError, SparkError
from kedro_handover.hooks import spark as spark_hooks
from toy_project import SPARK_GLOBALS_YML, ToyProject


def test_a_run_on_spark_without_settings_for_it_is_refused(project: ToyProject) -> None:
    project.put_orders()
    with pytest.raises(SparkError, match=r"^orders is Spark's, and this environment has no spark\.yml\."):
        project.run(env="spark", storage="data")


def test_what_is_missing_is_told_before_spark_is_started(project: ToyProject) -> None:
    project.write("conf/spark/spark.yml", "spark.master: spark://127.0.0.1:1\n")  # where nothing answers
    with pytest.raises(DatasetError, match="there is no data"):
        project.run(env="spark", storage="data")


def test_a_wrong_storage_is_told_before_what_is_missing(project: ToyProject) -> None:
    with pytest.raises(ConfigurationError, match="storage is empty"):
        project.run(env="spark", storage="")


def test_machines_that_do_not_share_the_storage_are_not_given_work(project: ToyProject) -> None:
    project.put_orders()
    project.write("conf/spark/spark.yml", "spark.master: yarn\n")
    with pytest.raises(SparkError, match=r"^orders: data/02_.* is a path of this machine, and yarn works on others"):
        project.run(env="spark", storage="data")
    assert project.list_outputs() == []


def list_jobs(spark: Any) -> dict[int, Any]:
    """What Spark's own pages show of the jobs so far, by their numbers; other tests have had theirs on this session."""
    jobs = spark.sparkContext._jsc.sc().statusStore().jobsList(None)  # noqa: SLF001 - pyspark offers no other way
    found = [jobs.apply(place) for place in range(jobs.size())]
    return {job.jobId(): job.description() for job in found}


@pytest.mark.spark
def test_a_run_on_spark_is_watched_to_its_end(project: ToyProject, spark) -> None:
    project.put_orders()
    before = list_jobs(spark)
    project.write("conf/spark/spark.yml", 'spark.master: "local[2]"\n')
    project.run(env="spark", storage="data")
    assert spark.read.parquet(str(project.folder / "data/02_intermediate/orders.parquet")).count() == 2
    progress = spark_hooks.hooks._progress  # noqa: SLF001 - what it was told shows only while Spark works for seconds
    assert progress.node == "write_report"
    names = [name for number, name in list_jobs(spark).items() if number not in before]
    assert {name.get() for name in names if name.isDefined()} == {"read_orders", "count_orders"}
    assert spark.sparkContext.getLocalProperty("spark.job.description") is None
    assert not progress._thread.is_alive()  # noqa: SLF001


@pytest.mark.spark
def test_a_failed_run_on_spark_is_no_longer_watched(project: ToyProject, spark) -> None:  # noqa: ARG001
    project.put_orders()
    project.write("conf/spark/spark.yml", 'spark.master: "local[2]"\n')
    project.write("conf/spark/globals.yml", SPARK_GLOBALS_YML.replace("data/spark", "data"))
    project.run(env="spark")
    with pytest.raises(RuntimeError, match="It is not well"):
        project.run("unwell", env="spark")
    assert not spark_hooks.hooks._progress._thread.is_alive()  # noqa: SLF001
