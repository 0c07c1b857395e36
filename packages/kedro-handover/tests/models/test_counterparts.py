"""What MLlib and H2O train beside the research model, of several classes and of numbers, and what MLlib has not."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from kedro_handover.datasets.mojo_model_dataset import MojoModelDataset
from kedro_handover.errors import ConfigurationError
from kedro_handover.evaluation.predictions import TRAIN
from kedro_handover.models.family import Counterpart, find_family
from kedro_handover.nodes.production_parameters import SparkProductionParameters
from kedro_handover.nodes.research import search_models
from kedro_handover.nodes.research_parameters import SklearnResearchParameters
from kedro_handover.nodes.training import TRAINERS, predict_on_spark
from kedro_handover.tasks import Task, list_scores

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

ROWS = 120
FEATURES = ["price", "weight"]
SMALL: dict[str, dict[str, Any]] = {
    "decision_tree": {"max_depth": 3},
    "random_forest": {"n_estimators": 2, "max_depth": 3},
    "hist_gradient_boosting": {"max_iter": 2, "max_depth": 3},
    "logistic_regression": {},
    "linear_regression": {},
}
CLASSES = {"n_diff": None, "agreement": 0, "max_abs_diff": 1, "mean_abs_diff": 1, "auc_diff": 1, "psi": 10}
NUMBERS = {"n_diff": None, "max_abs_diff": None, "mean_abs_diff": 10, "r2_diff": 1, "psi": 10}


def parameters(tolerance: dict[str, Any]) -> SparkProductionParameters:
    h2o = {"bins": 16, "histogram": "AUTO", "unknown_as_missing": True, "attempts": 1}
    drift = {"largest_psi": 1, "unseen_share": 1, "categories": [], "action": "warn"}
    block = {"released_model": "handed_over", "sql_nodes": 400, "max_bins": 32, "seed": 1, "h2o": h2o, "drift": drift}
    tolerances = {"tolerances": {"mllib": tolerance}, "handed_over_bounded": tolerance}
    return SparkProductionParameters.model_validate({**block, **tolerances})


def make_rows(task: Task, *, missing: bool = False, rows: int = ROWS) -> pd.DataFrame:
    random = np.random.default_rng(0)
    price, weight = random.normal(50, 20, rows), random.normal(5, 2, rows)
    value = price / 10 + weight
    if missing:
        price[::9] = np.nan
    return pd.DataFrame(
        {
            "id": [str(place) for place in range(rows)],
            "split": "train",
            "fold": 0,
            "label": value if task == "regression" else (value > 9).astype("int64") + (value > 11),
            "price": price.astype("float32"),
            "weight": weight.astype("float32"),
        }
    )


def count(rows: pd.DataFrame) -> dict[str, int]:
    """Count rows of training as the product does."""
    kinds = {"f": lambda _: "known", "b": lambda label: "positive" if label else "negative"}
    name = kinds.get(rows["label"].dtype.kind, lambda label: f"class_{label}")
    return {f"{TRAIN}_{outcome}": int(n) for outcome, n in rows["label"].map(name).value_counts().items()}


def fit(family: str, task: Task, rows: pd.DataFrame, **more: Any) -> Any:
    """Fit a family of no argument but those of `SMALL`, and of others that are named."""
    model: Any = find_family(family).make_estimator(task, 0, None)
    last = f"{model.steps[-1][0]}__" if hasattr(model, "steps") else ""
    model.set_params(**{f"{last}{name}": value for name, value in (SMALL[family] | more).items()})
    return model.fit(rows[FEATURES], rows["label"])


def train(
    spark: SparkSession, family: str, task: Task, *, by: str = "mllib", missing: bool = False, **more: Any
) -> pd.DataFrame:
    """Train the counterpart of a fitted model of a family; what it predicts."""
    rows = make_rows(task, missing=missing)
    model = fit(family, task, rows, **more)
    settings = parameters(NUMBERS if task == "regression" else CLASSES)
    frame = spark.createDataFrame(rows)
    trained = TRAINERS[by](frame, model, rows[FEATURES].head(5), count(rows), settings)
    assert list_scores(trained.verification.columns) == list_scores(predict_on_spark(trained, frame, settings).columns)
    return predict_on_spark(trained, frame, settings).toPandas()


@pytest.mark.parametrize(("family", "task"), [(name, "multiclass") for name in SMALL if name != "linear_regression"])
def test_mllib_tells_several_classes_apart_but_for_boosters(spark: SparkSession, family: str, task: Task) -> None:
    if family == "hist_gradient_boosting":
        with pytest.raises(
            ConfigurationError, match="MLlib has no counterpart of histogram gradient boosting for several"
        ):
            train(spark, family, task)
        return
    found = train(spark, family, task)
    shares = found[["probability_0", "probability_1", "probability_2"]].to_numpy()
    assert shares.sum(axis=1) == pytest.approx(1)
    assert found["prediction"].tolist() == shares.argmax(axis=1).tolist()
    assert (found["prediction"] == found["label"]).mean() > 0.7


@pytest.mark.slow
def test_a_booster_of_h2o_tells_several_classes_apart_as_that_of_research_does(spark: SparkSession) -> None:
    rows = make_rows("multiclass")
    research = fit("hist_gradient_boosting", "multiclass", rows, max_iter=30)
    found = train(spark, "hist_gradient_boosting", "multiclass", by="h2o", max_iter=30).set_index("id").loc[rows["id"]]
    shares = found[["probability_0", "probability_1", "probability_2"]].to_numpy()
    assert shares.sum(axis=1) == pytest.approx(1)
    assert found["prediction"].tolist() == shares.argmax(axis=1).tolist()
    agreement = (found["prediction"].to_numpy() == research.predict(rows[FEATURES])).mean()
    assert agreement > 0.8


@pytest.mark.parametrize("family", [name for name in SMALL if name != "logistic_regression"])
def test_mllib_predicts_numbers(spark: SparkSession, family: str) -> None:
    found = train(spark, family, "regression")
    assert "probability" not in found
    assert np.corrcoef(found["prediction"], found["label"])[0, 1] > 0.7


def test_mllib_has_the_median_in_the_place_of_a_missing_value(spark: SparkSession) -> None:
    found = train(spark, "random_forest", "regression", missing=True)
    assert len(found) == ROWS
    assert found["prediction"].notna().all()


WEIGHED = {
    **SMALL,
    "decision_tree": {"max_depth": 3, "min_samples_leaf": 5, "criterion": "gini"},
    "hist_gradient_boosting": {"max_iter": 10, "max_depth": 3},
    "gradient_boosting": {"n_estimators": 10},
    "xgboost": {"n_estimators": 10, "max_depth": 3},
    "lightgbm": {"n_estimators": 10, "num_leaves": 4},
}
WEIGHED.pop("linear_regression")
FEW = ("logistic_regression", "xgboost")
"""Families whose weights `make test` looks at: one that has an argument for them, and one that has none."""


def train_weighed(spark: SparkSession, family: str, class_weight: str | None, by: str) -> tuple[float, float]:
    """Train a counterpart on rows of which a tenth is positive; the mean probability of research, and its own."""
    rows = make_rows("multiclass", rows=1_000)
    noise = np.random.default_rng(1).normal(0, 3, len(rows))
    rows["label"] = (rows["price"] / 10 + rows["weight"] + noise).rank(pct=True) > 0.9
    rows["fold"] = np.arange(len(rows)) % 3
    grid = {name: [value] for name, value in WEIGHED[family].items()} or {"C": [1.0]}
    wanted = SklearnResearchParameters.model_validate(
        {"research_rows": None, "candidates": {family: grid}, "class_weight": class_weight, "seed": 0}
    )
    model, _ = search_models(rows.assign(split=np.where(np.arange(len(rows)) % 4, "train", "test")), wanted)
    frame, settings = spark.createDataFrame(rows), parameters(CLASSES)
    trained = TRAINERS[by](frame, model, rows[FEATURES].head(5), count(rows), settings)
    found = predict_on_spark(trained, frame, settings).toPandas()["probability"].mean()
    return model.predict_proba(rows[FEATURES])[:, 1].mean(), found


@pytest.mark.parametrize(
    "family",
    [pytest.param(name, marks=() if name in FEW else pytest.mark.slow) for name in WEIGHED],
)
def test_classes_weigh_in_mllib_as_they_do_in_research(spark: SparkSession, family: str) -> None:
    research, found = train_weighed(spark, family, "balanced", "mllib")
    assert research > 0.25
    assert found == pytest.approx(research, abs=0.1)


def test_where_classes_weigh_what_they_are_a_tenth_is_positive_in_mllib_too(spark: SparkSession) -> None:
    research, found = train_weighed(spark, "xgboost", None, "mllib")
    assert research == pytest.approx(0.1, abs=0.03)
    assert found < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("family", ["decision_tree", *FEW])
def test_classes_weigh_in_h2o_as_they_do_in_research(spark: SparkSession, family: str) -> None:
    research, found = train_weighed(spark, family, "balanced", "h2o")
    assert research > 0.25
    assert found == pytest.approx(research, abs=0.1)


@pytest.mark.parametrize(
    ("family", "task"), [("logistic_regression", "multiclass"), ("linear_regression", "regression")]
)
def test_a_linear_model_of_h2o_is_saved_and_gives_the_same_when_it_is_loaded(
    spark: SparkSession, tmp_path: Path, family: str, task: Task
) -> None:
    rows = make_rows(task)
    settings = parameters(NUMBERS if task == "regression" else CLASSES)
    frame = spark.createDataFrame(rows)
    trained = TRAINERS["h2o"](frame, fit(family, task, rows), rows[FEATURES].head(5), count(rows), settings)
    dataset = MojoModelDataset(filepath=str(tmp_path / "model"))
    dataset.save(trained)
    loaded = MojoModelDataset(filepath=str(tmp_path / "model")).load()
    first, second = (
        predict_on_spark(one, frame, settings).toPandas().sort_values("id", ignore_index=True)
        for one in (trained, loaded)
    )
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    described = json.loads(dataset.preview())
    assert described == {"class": described["class"], "features": FEATURES}


def test_a_forest_of_h2o_is_described_by_its_nodes_and_trees(spark: SparkSession, tmp_path: Path) -> None:
    rows = make_rows("multiclass")
    frame, model = spark.createDataFrame(rows), fit("random_forest", "multiclass", rows)
    trained = TRAINERS["h2o"](frame, model, rows[FEATURES].head(5), count(rows), parameters(CLASSES))
    dataset = MojoModelDataset(filepath=str(tmp_path / "model"))
    dataset.save(trained)
    described = json.loads(dataset.preview())
    assert described["trees"] == 2 * 3  # one for each class
    assert described["nodes"] > described["trees"]


def counterpart(family: str, arguments: dict[str, Any], task: Task = "binary") -> Counterpart:
    model = find_family(family).make_estimator(task, 0, None)
    given = find_family(family).list_arguments(model) | arguments
    settings = parameters(NUMBERS if task == "regression" else CLASSES)
    return Counterpart(task=task, features=FEATURES, arguments=given, rows=1_000, parameters=settings)


@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize(
    ("family", "arguments", "wanted"),
    [
        ("decision_tree", {"min_samples_leaf": 0.0101}, {"minInstancesPerNode": 11}),
        ("random_forest", {"min_samples_leaf": 7, "max_features": 0.5}, {"minInstancesPerNode": 7}),
        ("hist_gradient_boosting", {"min_samples_leaf": 9, "max_iter": 3}, {"minInstancesPerNode": 9, "maxIter": 3}),
        ("lightgbm", {"subsample": 0.5}, {"subsamplingRate": 1.0}),
        ("lightgbm", {"subsample": 0.5, "subsample_freq": 1}, {"subsamplingRate": 0.5}),
        ("logistic_regression", {"C": 0.1}, {"regParam": 0.01, "elasticNetParam": 0.0, "fitIntercept": True}),
        ("logistic_regression", {"C": 0.1, "l1_ratio": 0.3}, {"regParam": 0.01, "elasticNetParam": 0.3}),
        ("logistic_regression", {"penalty": "l1", "C": 1.0}, {"regParam": 0.001, "elasticNetParam": 1.0}),
        ("logistic_regression", {"C": math.inf, "fit_intercept": False}, {"regParam": 0.0, "fitIntercept": False}),
    ],
)
def test_the_arguments_of_research_are_those_of_mllibs_counterpart(
    family: str, arguments: dict[str, Any], wanted: dict[str, Any]
) -> None:
    trainer = find_family(family).make_mllib(counterpart(family, arguments)).getStages()[-1]
    assert {name: trainer.getOrDefault(name) for name in wanted} == pytest.approx(wanted)


def test_predictions_of_h2os_booster_only_fall_with_a_feature_where_those_of_research_do(spark: SparkSession) -> None:
    rows = make_rows("regression")
    model = find_family("hist_gradient_boosting").make_estimator("regression", 0, None)
    model.set_params(max_iter=5, monotonic_cst=(-1, 0)).fit(rows[FEATURES], rows["label"])
    settings = parameters(NUMBERS)
    trained = TRAINERS["h2o"](spark.createDataFrame(rows), model, rows[FEATURES].head(5), count(rows), settings)
    along = rows.head(50).assign(price=np.linspace(0, 100, 50).astype("float32"), weight=np.float32(5))
    along["id"] = [f"{place:02}" for place in range(50)]
    found = predict_on_spark(trained, spark.createDataFrame(along), settings).toPandas().sort_values("id")
    assert (found["prediction"].diff().dropna() <= 0).all()
