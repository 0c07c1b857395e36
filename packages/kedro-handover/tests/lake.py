"""Delta and Iceberg, for tests: scripts that run with their jars, which come from Maven's index."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from kedro_handover.testing import SPARK_SETTINGS
from processes import fresh_environment

if TYPE_CHECKING:
    from pathlib import Path

DELTA = "io.delta:delta-spark_2.12:3.3.2"
ICEBERG = "org.apache.iceberg:iceberg-spark-runtime-3.5_2.12:1.10.0"

CATALOG = "lake"
"""Of Spark, with tables of Iceberg in a folder."""

EXTENSIONS = (
    "io.delta.sql.DeltaSparkSessionExtension",
    "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
)


def lake_settings(folder: Path) -> dict[str, Any]:
    """What `spark.yml` needs for both, as the documentation says it; a catalog `lake` of Iceberg is in the folder."""
    return {
        "spark.jars.packages": f"{DELTA},{ICEBERG}",
        "spark.sql.extensions": ",".join(EXTENSIONS),
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        f"spark.sql.catalog.{CATALOG}": "org.apache.iceberg.spark.SparkCatalog",
        f"spark.sql.catalog.{CATALOG}.type": "hadoop",
        f"spark.sql.catalog.{CATALOG}.warehouse": str(folder / "iceberg"),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),  # else it is made where the command runs
    }


def run_with_lakes(script: str, folder: Path, **more: Any) -> Any:
    """Run a script with a Spark that knows both; skip the test, with a sentence, where the jars can't be fetched.

    Args:
        script: Finds the `folder`, and a running `spark`; prints a line of `FOUND ` and JSON.
        folder: Where it works.
        more: Settings of Spark, with _ for each dot.

    Returns:
        What it has printed.
    """
    settings = {
        **SPARK_SETTINGS,
        **lake_settings(folder),
        "spark.databricks.delta.snapshotPartitions": 1,
        **{name.replace("_", "."): value for name, value in more.items()},
    }
    start = (
        "import json, sys\nfrom kedro_handover.spark.session import configure_spark, get_spark\n"
        "folder = sys.argv[1]\nconfigure_spark(json.loads(sys.argv[2]))\nspark = get_spark()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", start + script, str(folder), json.dumps(settings)],
        cwd=folder,
        env=fresh_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    if "unresolved dependency" in said or "Server access error" in said:
        pytest.skip("Delta and Iceberg were not run: their jars could not be fetched from Maven's index.")
    assert done.returncode == 0, said
    return json.loads(said.partition("FOUND ")[2].splitlines()[0])
