"""Production on Spark 2.4. What can be told without it is told here; the slow tier runs the whole."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from conftest import PROJECT, kedro
from processes import fresh_environment, listening_addresses, programs_under

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = PROJECT / "deploy" / "spark-2.4"
SCRIPT = FOLDER / "production.py"


def test_the_script_is_python_3_7_and_has_no_package_of_ours() -> None:
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 7))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not {"premises", "kedro", "kedro_handover", "pandas", "pyarrow", "narwhals"} & imported
    assert {"pyspark", "ai"} <= imported


def test_its_requirements_are_all_locked_with_hashes_and_name_no_registry() -> None:
    text = (FOLDER / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    packages = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert packages
    assert all(line.endswith("\\") and "==" in line for line in packages)
    wanted = [line.split("==")[0] for line in (FOLDER / "requirements.in").read_text().splitlines() if "==" in line]
    assert {name.replace(".", "-") for name in wanted} <= {line.split("==")[0] for line in packages}


def test_the_set_up_says_what_is_missing(tmp_path: Path) -> None:
    nothing = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYENV_ROOT": str(tmp_path), "UV": "no-uv"}
    done = subprocess.run(
        [str(FOLDER / "setup.sh"), str(tmp_path / "home")], env=nothing, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "Spark 2.4 needs Python 3.7, and there is none here. Install one, and name it: PYTHON37=/path/to/python3.7."
    )


def test_without_its_set_up_a_run_is_refused_in_a_sentence(prod_storage: Path, tmp_path: Path) -> None:
    params = f"--params=storage={prod_storage},spark24.home={tmp_path}/nothing"
    done = kedro("run", "--env=spark24", params)
    assert done.returncode == 1
    assert "is not set up in" in " ".join(done.stderr.split())
    assert "Run `make spark24`." in " ".join(done.stderr.split())


def test_the_bundle_of_a_release_is_what_the_script_takes(prod_storage: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    params = f"--params=storage={prod_storage},spark24.bundle={bundle}"
    done = kedro("run", "--env=spark24", "--pipelines=spark24_bundle", params)
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads((bundle / "bundle.json").read_text())
    release = json.loads((prod_storage / "06_models" / "release.json").read_text())
    assert content["sql"] == release["model"]["sql"]
    for metadata in (bundle / "mllib_tree").rglob("metadata/part-00000"):
        stage = json.loads(metadata.read_text())
        assert stage["sparkVersion"].startswith("2.4.")
        assert not {"leafCol", "minWeightFractionPerNode"} & {*stage["paramMap"], *stage["defaultParamMap"]}


@pytest.mark.slow
def test_the_whole_runs_on_spark_2_4_and_not_one_row_differs(prod_storage: Path, tmp_path: Path) -> None:
    home = PROJECT / ".spark24"
    uv = PROJECT / ".uv" / "bin" / "uv"
    set_up = [str(FOLDER / "setup.sh"), str(home)]
    subprocess.run(set_up, env=fresh_environment(UV=str(uv)), check=True)
    storage = tmp_path / "storage"
    shutil.copytree(prod_storage, storage)
    command = [sys.executable, "-m", "kedro", "run", "--env=spark24", f"--params=storage={storage}"]
    with (tmp_path / "said.txt").open("w") as said:
        running = subprocess.Popen(command, cwd=PROJECT, env=fresh_environment(), stdout=said, stderr=said)
        heard = set()
        while running.poll() is None:
            heard |= {address for pid in programs_under(running.pid) for address in listening_addresses(pid)}
            time.sleep(0.5)
    assert running.returncode == 0, (tmp_path / "said.txt").read_text()
    assert heard  # Spark and H2O do listen
    assert all(address.is_loopback for address in heard), heard
    differences = json.loads((storage / "08_reporting" / "spark24_differences.json").read_text())
    rows = len(pd.read_parquet(storage / "05_model_input" / "model_input.parquet", columns=["id"]))
    assert differences == {way: {"rows": rows, "n_diff": 0} for way in ("sql", "mllib_tree", "mojo")}
    parity = json.loads((storage / "08_reporting" / "spark24_parity.json").read_text())
    assert [failure for one in parity.values() for failure in one["failures"]] == []
    assert (parity["spark24_sql"]["n_diff"], parity["spark24_sql"]["max_abs_diff"]) == (0, 0)
    report = (storage / "08_reporting" / "spark24_parity_report.html").read_text()
    for title in ("H2O on Spark 2.4", "MLlib on Spark 2.4", "handed over, as SQL on Spark 2.4"):
        assert title in report
