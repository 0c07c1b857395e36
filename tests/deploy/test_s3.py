"""A whole run in prod on an S3 server: tables, models, figures and the release are objects, and a kill is survived."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import yaml

from conftest import PROJECT, fresh_environment, kedro, run_on_a_laptop
from kedro_handover.testing import SPARK_SETTINGS
from packaged import RELEASE, assert_same
from s3 import S3, install_server, start_s3
from storage import LOOSE_PARAMS, SMALL_CENSUS, read

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.spark, pytest.mark.slow]

NOT_FETCHED = "S3 was not run: the jars of hadoop-aws could not be fetched from Maven's index."
FILES = 60


@pytest.fixture(scope="module")
def s3(tmp_path_factory) -> Iterator[S3]:
    if (reason := install_server()) is not None:
        pytest.skip(f"S3 was not run: {reason}")
    with start_s3(tmp_path_factory.mktemp("s3")) as found:
        yield found


def check(done: subprocess.CompletedProcess[str]) -> str:
    said = done.stdout + done.stderr
    if "unresolved dependency" in said or "Server access error" in said:
        pytest.skip(NOT_FETCHED)
    assert done.returncode == 0, said
    return said


def test_a_run_on_s3_gives_the_rows_of_a_laptop_and_tells_nobody_its_credentials(s3, tmp_path) -> None:
    base, prod = tmp_path / "base", tmp_path / "prod"
    run_on_a_laptop(base, f"rows={SMALL_CENSUS}")
    s3.files.put(str(base / "01_raw"), "bucket/prod/01_raw", recursive=True)
    conf = shutil.copytree(PROJECT / "conf", tmp_path / "conf", ignore=shutil.ignore_patterns("local"))
    with (conf / "prod/spark.yml").open("a", encoding="utf-8") as spark:
        spark.write(yaml.safe_dump(s3.settings))
    options = ("--env=prod", f"--conf-source={conf}", f"--params=storage={s3.root}/prod,{LOOSE_PARAMS}")
    said = check(kedro("run", *options, **s3.credentials))
    s3.files.get("bucket/prod", str(prod), recursive=True)
    assert_same(prod, base)
    released = json.loads(s3.files.cat(f"bucket/prod/{RELEASE}"))
    assert released["model"]["location"].startswith("s3")
    assert (prod / "08_reporting/parity_report.html").stat().st_size > 10_000
    predictions = read(prod, "07_model_output/predictions.parquet")
    assert predictions.num_rows == read(base, "04_feature/features.parquet").num_rows
    # Another release: one object is replaced, the one before is kept, and nothing lies beside them.
    nodes = "choose_model,digest_model_input,profile_features,record_provenance,publish_release"
    said += check(kedro("run", *options, f"--nodes={nodes}", **s3.credentials))
    again = json.loads(s3.files.cat(f"bucket/prod/{RELEASE}"))
    assert again["model"] == released["model"]
    assert again["sha256"] != released["sha256"]
    beside = {path.removeprefix("bucket/prod/06_models/") for path in s3.files.find("bucket/prod/06_models")}
    assert [path for path in beside if "release" in path and not path.startswith("releases/")] == ["release.json"]
    assert len([path for path in beside if path.startswith("releases/")]) == 1
    assert not [path for path in s3.files.find("bucket/prod") if ".written" in path]
    for secret in (s3.credentials["AWS_ACCESS_KEY_ID"], s3.credentials["AWS_SECRET_ACCESS_KEY"]):
        assert secret not in said
        assert not [path for path in prod.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


SCRIPT = """
import json, sys
from kedro_handover.datasets.spark_table_dataset import SparkTableDataset
from kedro_handover.spark.session import configure_spark, get_spark

configure_spark(json.loads(sys.argv[1]))
spark = get_spark()
table = SparkTableDataset(filepath="s3a://bucket/kill/table.parquet", save_args={"partitionBy": "part"})
first, files = int(sys.argv[2]), int(sys.argv[3])
if first:
    try:
        table.load()
    except Exception as error:
        print("REFUSED " + str(error))
print("READY", flush=True)
table.save(spark.range(first, first + files).selectExpr("id", "id % 1000 AS part"))
print("SAVED " + str(table.load().count()), flush=True)
"""


def test_a_run_killed_while_objects_are_copied_leaves_what_is_refused_and_written_again(s3) -> None:
    settings = json.dumps(SPARK_SETTINGS | s3.settings)

    def save(first: int, files: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", SCRIPT, settings, str(first), str(files)],
            env=fresh_environment(**s3.credentials),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def finish(process: subprocess.Popen[str]) -> str:
        said, _ = process.communicate()
        return check(subprocess.CompletedProcess([], process.returncode, said, ""))

    def count(path: str) -> int:
        return len([one for one in s3.files.find(path) if one.endswith(".parquet")])

    table, written = "bucket/kill/table.parquet", "bucket/kill/table.parquet.written"
    last = f"{table}/part=9"  # by name: deleted with all others, and copied last
    assert f"SAVED {FILES}" in finish(save(0, FILES))
    killed = save(1_000, FILES)
    assert any("READY" in line for line in killed.stdout)
    os.killpg(killed.pid, signal.SIGSTOP)  # it stands still while it is looked at: on a busy machine that takes long
    while not (s3.files.exists(f"{written}/_SUCCESS") and not s3.files.exists(last)):
        assert killed.poll() is None, killed.communicate()
        os.killpg(killed.pid, signal.SIGCONT)
        time.sleep(0.5)
        os.killpg(killed.pid, signal.SIGSTOP)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert count(table) < FILES
    assert count(written) == FILES
    said = finish(save(2_000, FILES + 1))
    assert "REFUSED s3a://bucket/kill/table.parquet was about to be replaced" in said
    assert f"SAVED {FILES + 1}" in said
    assert (count(table), count(written)) == (FILES + 1, 0)
