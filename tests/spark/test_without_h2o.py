"""Where H2O is not installed nothing of it runs, and its tree can't be released."""

from __future__ import annotations

import shutil
import subprocess
import sys

from conftest import PROJECT
from processes import short_lived_environment

WITHOUT_H2O = """
import sys
sys.modules["sparkling_water"] = None  # as if it were not installed
from kedro.framework.cli.cli import main
sys.argv[0] = "kedro"
main()
"""


def kedro_without_h2o(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_H2O, *arguments],
        cwd=PROJECT,
        env=short_lived_environment(COLUMNS="300"),
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_h2o_no_pipeline_has_a_node_of_it() -> None:
    for name in ("__default__", "spark_production"):
        done = kedro_without_h2o("registry", "describe", name)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "train_mllib" in done.stdout
        assert "h2o" not in done.stdout


def test_without_h2o_its_tree_can_not_be_released(prod_storage, tmp_path) -> None:
    storage = shutil.copytree(prod_storage, tmp_path / "storage")
    before = (storage / "06_models/release.json").read_bytes()
    nodes = "choose_model,digest_model_input,profile_features,record_provenance"
    done = kedro_without_h2o(
        *("run", "--env=prod", "--pipelines=spark_production", f"--from-nodes={nodes}"),
        f"--params=storage={storage},spark_production.released_model=h2o",
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "Traceback" not in said
    assert "Error: spark_production.released_model is h2o, and H2O is not installed. Install premises with" in said
    assert (storage / "06_models/release.json").read_bytes() == before
