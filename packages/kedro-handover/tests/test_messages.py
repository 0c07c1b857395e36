"""Whatever Java says is told in one line, with the innermost reason."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from kedro.io import DatasetError

from kedro_handover.errors import ConfigurationError, DataError
from kedro_handover.messages import tell, tell_errors
from processes import short_lived_environment


def catch(work) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever Spark raises
        work()
    return caught.value


def test_a_sentence_that_a_query_raises_is_told_as_it_is(spark) -> None:
    error = catch(spark.sql("select raise_error('A row misses a feature.')").collect)
    assert tell(error).endswith("A row misses a feature.")
    assert "\n" not in tell(error)


def test_a_column_that_is_not_there_is_told_without_the_plan_of_the_query(spark) -> None:
    said = tell(catch(lambda: spark.range(1).select("price")))
    assert said.startswith("[UNRESOLVED_COLUMN")
    assert "price" in said
    assert "Project" not in said
    assert "\n" not in said


def test_a_file_system_that_java_does_not_know_is_told_by_its_name(spark) -> None:
    said = tell(catch(lambda: spark.read.text("nowhere://a/b")))
    assert 'No FileSystem for scheme "nowhere"' in said
    assert "\tat " not in said
    assert "\n" not in said


def test_the_innermost_reason_of_a_chain_is_told() -> None:
    text = (
        "Failed while saving data to dataset.\nAn error occurred while calling o42.save.\n: "
        "org.apache.spark.SparkException: Job aborted.\n\tat org.apache.A.b(A.scala:1)\n"
        "Caused by: org.apache.spark.SparkException: Task failed.\n\tat org.apache.C.d(C.scala:2)\n\t... 9 more\n"
        "Caused by: java.io.IOException: No space left on device\n\tat java.base/java.io.F.write(Native Method)\n"
    )
    assert tell(DatasetError(text)) == "Failed while saving data to dataset. No space left on device"


def test_the_reason_of_a_python_worker_is_the_last_line_of_its_trace(spark) -> None:
    def be_unwell(rows):
        for row in rows:
            yield row["price"]

    said = tell(catch(spark.range(1).mapInPandas(be_unwell, "id long").collect))
    assert "KeyError: 'price'" in said
    assert "\n" not in said
    assert "File " not in said


LOSE_EXECUTORS = """
import os, signal
from kedro_handover.messages import tell
from kedro_handover.spark.session import configure_spark, get_spark
configure_spark({
    "spark.master": "local-cluster[1,1,1024]",
    "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": False, "spark.log.level": "OFF",
})
def kill_executor(row):
    os.kill(int(open(f"/proc/{os.getppid()}/stat").read().split()[3]), signal.SIGKILL)
try:
    get_spark().sparkContext.parallelize([1], 1).map(kill_executor).collect()
except Exception as error:
    print(tell(error))
"""


@pytest.mark.spark
@pytest.mark.slow
def test_of_executors_that_die_at_a_task_the_reason_is_told() -> None:
    environment = short_lived_environment(PYTHONPATH=os.pathsep.join(sys.path), SPARK_LOCAL_IP="127.0.0.1")
    command = [sys.executable, "-c", LOSE_EXECUTORS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    (said,) = done.stdout.splitlines()
    assert "Job aborted due to stage failure: Task 0 in stage 0.0 failed 4 times" in said
    assert said.endswith("Reason: Command exited with code 137"), done.stderr


def test_on_a_command_line_the_sentence_is_all_and_elsewhere_the_error_is(tmp_path: Path) -> None:
    sentence, fault = "orders: no rows. Download the file again.", "a fault of ours"
    with pytest.raises(DataError, match=r"^orders: no rows\."), tell_errors(tmp_path):
        raise DataError(sentence)
    with click.Context(click.Command("run")):
        with pytest.raises(click.ClickException) as told, tell_errors(tmp_path):
            raise DataError(sentence)
        assert told.value.message == sentence
        with pytest.raises(RuntimeError, match=fault), tell_errors(tmp_path):
            raise RuntimeError(fault)


def test_text_of_data_that_is_not_utf_8_is_not_blamed_on_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "parameters.yml").write_text("a: é", encoding="utf-8")
    with pytest.raises(UnicodeDecodeError), tell_errors(tmp_path):
        b"\xff".decode()
    (tmp_path / "parameters.yml").write_bytes(b"a: 1\nb: \xe9\n")
    with pytest.raises(ConfigurationError, match=r"parameters\.yml is not UTF-8, near line 2\."), tell_errors(tmp_path):
        b"\xff".decode()
