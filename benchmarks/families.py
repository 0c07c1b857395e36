"""What is each family of models proven on, and how near do MLlib and H2O come to it? Prints two Markdown tables.

For each family and task a model is searched and fitted on made-up rows, as a run does it; with missing values, where
the family takes them. It is scored by the evaluators of the hand-over, on these rows and on others that the proof
makes: extreme, missing and unseen values, and numbers on each threshold and beside it. Its counterparts are trained by
the nodes of a run, and compared on the test split. H2O needs the extra `h2o`.

    python benchmarks/families.py [--families lightgbm] [--handed-over]
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from kedro.config import OmegaConfigLoader
from pyspark.sql import SparkSession

from kedro_handover.errors import ConfigurationError, HandOverError
from kedro_handover.evaluation.parity import compare_predictions
from kedro_handover.evaluation.predictions import TRAIN
from kedro_handover.handover.description import Description
from kedro_handover.handover.extract import describe
from kedro_handover.handover.handed import HandedOver, hand_over
from kedro_handover.handover.numpy_evaluator import evaluate, read_inputs
from kedro_handover.handover.proof import make_extreme_rows, make_threshold_rows, ulps_apart
from kedro_handover.models.family import Family, list_families
from kedro_handover.nodes.production_parameters import SparkProductionParameters
from kedro_handover.nodes.research import collect_research_rows, predict, search_models
from kedro_handover.nodes.research_parameters import SklearnResearchParameters
from kedro_handover.nodes.training import TRAINERS, predict_on_spark
from kedro_handover.spark.session import configure_spark, get_spark
from kedro_handover.tasks import TASKS, Task
from premises.settings import CONFIG_LOADER_ARGS

CONF = Path(__file__).parent.parent / "conf"
ROWS = 4_000
FEATURES = ["price", "weight", "age", "shop_code"]
LIMITS = {"n_diff": None, "mean_abs_diff": 1, "psi": 9}
GRIDS: dict[str, dict[str, list[Any]]] = {
    "decision_tree": {"max_depth": [6], "min_samples_leaf": [20], "criterion": ["gini"]},
    "random_forest": {"n_estimators": [30], "max_depth": [6], "min_samples_leaf": [5]},
    "extra_trees": {"n_estimators": [30], "max_depth": [6], "min_samples_leaf": [5]},
    "gradient_boosting": {"n_estimators": [30]},
    "hist_gradient_boosting": {"max_iter": [30], "max_leaf_nodes": [15]},
    "xgboost": {"n_estimators": [30], "max_depth": [4]},
    "lightgbm": {"n_estimators": [30], "num_leaves": [15]},
    "logistic_regression": {"C": [1.0]},
    "linear_regression": {"fit_intercept": [True]},
}


def make_rows(task: Task, *, missing: bool) -> pd.DataFrame:
    random = np.random.default_rng(22)
    price, weight, age = random.normal(50, 20, ROWS), random.normal(5, 2, ROWS), random.gamma(2, 10, ROWS)
    shop = random.integers(1, 6, ROWS)
    value = price / 10 + weight + 2 * (shop == 2) - age / 20 + random.normal(0, 1, ROWS)  # noqa: PLR2004 - one shop
    cuts = np.quantile(value, [1 / 3, 1 / 2, 2 / 3])
    label: dict[Task, Any] = {
        "binary": value > cuts[1],
        "multiclass": (value > cuts[0]).astype("int64") + (value > cuts[2]),
        "regression": value,
    }
    if missing:
        price[random.random(ROWS) < 0.1], age[random.random(ROWS) < 0.1] = np.nan, np.nan  # noqa: PLR2004 - a tenth
    place = np.arange(ROWS)
    features = {
        name: column.astype("float32") for name, column in zip(FEATURES, (price, weight, age, shop), strict=True)
    }
    return pd.DataFrame(
        {
            "id": place.astype(str),
            "split": np.where(place % 4 == 0, "test", "train"),
            "fold": np.where(place % 4 == 0, -1, place % 3),
            "label": label[task],
            **features,
        }
    )


def on_java(spark: SparkSession, handed: HandedOver, rows: pd.DataFrame, folder: Path) -> pd.DataFrame:
    path = folder / f"{handed.description.digest}.parquet"
    rows.to_parquet(path, index=False)
    return handed.transform(spark.read.parquet(str(path)), a_column_each=True).toPandas()


def on_spark_sql(spark: SparkSession, handed: HandedOver, _: pd.DataFrame, folder: Path) -> pd.DataFrame:
    spark.read.parquet(str(folder / f"{handed.description.digest}.parquet")).createOrReplaceTempView("features")
    return spark.sql(handed.to_sql(dialect="spark", table="features", keep=["row"])).toPandas()


def on_duckdb(_: SparkSession, handed: HandedOver, rows: pd.DataFrame, __: Path) -> pd.DataFrame:
    with duckdb.connect() as connection:
        connection.register("features", pa.Table.from_pandas(rows, preserve_index=False))
        return connection.execute(handed.to_sql(dialect="duckdb", table="features", keep=["row"])).df()


def on_polars(_: SparkSession, handed: HandedOver, rows: pd.DataFrame, __: Path) -> pd.DataFrame:
    query = handed.to_sql(dialect="polars", table="features", keep=["row"])
    return pl.SQLContext({"features": pl.from_pandas(rows)}).execute(query, eager=True).to_pandas()


EVALUATORS: dict[str, Callable[[SparkSession, HandedOver, pd.DataFrame, Path], pd.DataFrame]] = {
    "Java function": on_java,
    "SQL on Spark": on_spark_sql,
    "SQL on DuckDB": on_duckdb,
    "SQL on Polars": on_polars,
}


def compare(description: Description, found: pd.DataFrame, rows: pd.DataFrame) -> str:
    """Hold what an engine gives to NumPy's evaluator, which the proof has held to the library."""
    found = found.sort_values("row", ignore_index=True)
    expected = evaluate(description, read_inputs(description, rows))
    taken = ~expected.refused
    labels = 0
    if description.task == "regression":
        names, wanted = ["prediction"], expected.prediction[:, None]
    else:
        names = ["probability"] if description.task == "binary" else [c for c in found if c.startswith("probability_")]
        wanted = expected.probability[:, 1:] if description.task == "binary" else expected.probability
        labels = int((found.loc[taken, "prediction"].astype(object) != expected.prediction[taken]).sum())
    given = found[names].to_numpy(np.float64, na_value=np.nan)
    if not np.array_equal(np.isnan(given[:, 0]), expected.refused):
        msg = f"{description.family}: other rows are refused."
        raise HandOverError(msg)
    given, wanted = given[taken], np.asarray(wanted, np.float64)[taken]
    other = (given.view(np.int64) != wanted.view(np.int64)).any(axis=1)
    ulps = int(ulps_apart(np.abs(given), np.abs(wanted), description.link_type).max(initial=0))
    return f"{len(found):,} | {int(other.sum()):,} | {ulps:,} | {labels:,}"


def hold_evaluators(spark: SparkSession, family: Family, task: Task, folder: Path) -> Iterator[str]:
    model, table = fit(family, task)
    rows = table[FEATURES]
    handed = hand_over(model, prove_on=rows)
    assert isinstance(handed, HandedOver)  # noqa: S101 - without as_library
    promise = handed.promise
    which = f"| {family.title} | {task} |"
    proven = f"{promise.rows:,} | {promise.n_probability_diff:,} | {promise.max_ulps:,} | {promise.n_label_uncertain:,}"
    yield f"{which} NumPy, to the library itself | {proven} |"
    described = describe(model, rows)
    parts = [rows, make_extreme_rows(described.whole, rows)]
    if described.body is described.whole:
        parts += make_threshold_rows(described.whole, rows)
    difficult = pd.concat(parts, ignore_index=True)
    difficult.insert(0, "row", np.arange(len(difficult)))
    for name, score in EVALUATORS.items():
        yield f"{which} {name} | {compare(handed.description, score(spark, handed, difficult, folder), difficult)} |"


def fit(family: Family, task: Task) -> tuple[Any, pd.DataFrame]:
    grid = GRIDS[family.name]
    if task == "regression" and family.name == "decision_tree":
        grid = {**grid, "criterion": ["squared_error"]}
    wanted = parameters_of(family, grid)
    table = collect_research_rows(make_rows(task, missing=family.takes_missing), wanted)
    return search_models(table, wanted)[0], table


def parameters_of(family: Family, grid: dict[str, list[Any]]) -> SklearnResearchParameters:
    return SklearnResearchParameters.model_validate(
        {"research_rows": None, "candidates": {family.name: grid}, "seed": 0}
    )


def measure_counterparts(spark: SparkSession, family: Family, task: Task, folder: Path) -> Iterator[str]:
    model, table = fit(family, task)
    is_number = task == "regression"
    limits = LIMITS | (
        {"max_abs_diff": None, "r2_diff": 1} if is_number else {"agreement": 0, "max_abs_diff": 1, "auc_diff": 1}
    )
    h2o = {"bins": 1_024, "histogram": "UniformAdaptive", "unknown_as_missing": True, "attempts": 2}
    drift = {"largest_psi": 1, "unseen_share": 1, "categories": [], "action": "warn"}
    settings = SparkProductionParameters.model_validate(
        {"released_model": "handed_over", "sql_nodes": 400, "max_bins": 1_024, "seed": 1, "h2o": h2o, "drift": drift}
        | {"tolerances": {"mllib": limits}, "handed_over_bounded": limits}
    )
    research = predict(model, table, parameters_of(family, GRIDS[family.name]))
    path = folder / f"{family.name}-{task}.parquet"
    table.to_parquet(path, index=False)
    frame = spark.read.parquet(str(path))
    for name, train in TRAINERS.items():
        which = f"| {family.title} | {task} | {'MLlib' if name == 'mllib' else 'H2O'} |"
        try:
            counts = {f"{TRAIN}_known": int((table["split"] == TRAIN).sum())}
            trained = train(frame, model, table[FEATURES].head(5), counts, settings)
        except ConfigurationError:
            yield f"{which} has no counterpart | | |"
            continue
        predictions = predict_on_spark(trained, frame, settings).toPandas()
        one = compare_predictions(research, {name: predictions})[name]
        agreement = "" if is_number else f"{one['agreement']:.1%}"
        quality = one["r2_diff" if is_number else "auc_diff"]
        yield f"{which} {agreement} | {one['mean_abs_diff']:.4f} | {quality:+.4f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="*", choices=GRIDS, default=list(GRIDS))
    parser.add_argument("--handed-over", action="store_true", help="the first table alone: nothing is trained again")
    options = parser.parse_args()
    configure_spark(OmegaConfigLoader(str(CONF), env="prod", **CONFIG_LOADER_ARGS)["spark"])
    spark = get_spark()
    families = [family for name, family in list_families().items() if name in options.families]
    cases = [(family, task) for family in families for task in TASKS if task in family.tasks]
    with tempfile.TemporaryDirectory() as name:
        print("| family | task | evaluator | rows tried | rows differing | units in the last place | other labels |")
        print("| --- | --- | --- | ---: | ---: | ---: | ---: |")
        for case in cases:
            for line in hold_evaluators(spark, *case, Path(name)):
                print(line, flush=True)
        if options.handed_over:
            return
        print("\n| family | task | by | same label | mean \\|Δ\\| | AUC or R² less research |")
        print("| --- | --- | --- | ---: | ---: | ---: |")
        for case in cases:
            for line in measure_counterparts(spark, *case, Path(name)):
                print(line, flush=True)


if __name__ == "__main__":
    main()
