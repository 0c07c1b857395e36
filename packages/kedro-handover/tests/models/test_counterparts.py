"""What MLlib and H2O train beside the research model, of several classes and of numbers, and what MLlib has not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from kedro_handover.errors import ConfigurationError
from kedro_handover.evaluation.predictions import TRAIN
from kedro_handover.models.family import find_family
from kedro_handover.nodes.production_parameters import SparkProductionParameters
from kedro_handover.nodes.training import TRAINERS, predict_on_spark
from kedro_handover.tasks import Task, list_scores

if TYPE_CHECKING:
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


def make_rows(task: Task, *, missing: bool = False) -> pd.DataFrame:
    random = np.random.default_rng(0)
    price, weight = random.normal(50, 20, ROWS), random.normal(5, 2, ROWS)
    value = price / 10 + weight
    if missing:
        price[::9] = np.nan
    return pd.DataFrame(
        {
            "id": [str(place) for place in range(ROWS)],
            "split": "train",
            "fold": 0,
            "label": value if task == "regression" else (value > 9).astype("int64") + (value > 11),
            "price": price.astype("float32"),
            "weight": weight.astype("float32"),
        }
    )


def fit(family: str, task: Task, rows: pd.DataFrame, **more: Any) -> Any:
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
    frame, counts = spark.createDataFrame(rows), {f"{TRAIN}_known": ROWS}
    trained = TRAINERS[by](frame, model, rows[FEATURES].head(5), counts, settings)
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
