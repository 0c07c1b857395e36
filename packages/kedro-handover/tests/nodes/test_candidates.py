"""Candidates of every task: searched, fitted with what is done to the features first, and handed over exactly."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsClassifier

from kedro_handover.errors import ConfigurationError, HandOverError, ModelInputError
from kedro_handover.handover.description import Description
from kedro_handover.handover.handed import hand_over
from kedro_handover.models.family import find_family_of
from kedro_handover.nodes import training
from kedro_handover.nodes.research import collect_research_rows, predict, score_with_research, search_models
from kedro_handover.nodes.research_parameters import SklearnResearchParameters
from kedro_handover.project import ProjectSpec, RawTable, Words
from kedro_handover.tasks import Task

ROWS = 360
FEATURES = ("price", "weight", "shop_code")
GRIDS: dict[str, dict[str, list[Any]]] = {
    "decision_tree": {"max_depth": [3], "min_samples_leaf": [5], "criterion": ["gini"]},
    "random_forest": {"n_estimators": [4], "max_depth": [4]},
    "extra_trees": {"n_estimators": [4], "max_depth": [4]},
    "gradient_boosting": {"n_estimators": [4]},
    "hist_gradient_boosting": {"max_iter": [4]},
    "xgboost": {"n_estimators": [4]},
    "lightgbm": {"n_estimators": [4]},
}
LINEAR = {"multiclass": {"logistic_regression": {"C": [1.0]}}, "regression": {"linear_regression": {}}}


def make_rows(task: Task, *, missing: bool = False) -> pd.DataFrame:
    """Rows with a label of a task: a number, or whether or how much it is above others."""
    random = np.random.default_rng(0)
    price, weight, shop = random.normal(50, 20, ROWS), random.normal(5, 2, ROWS), random.integers(1, 4, ROWS)
    value = price / 10 + weight + 2 * (shop == 2) + random.normal(0, 1, ROWS)
    labels = {"binary": value > 11, "multiclass": (value > 9).astype(int) + (value > 12), "regression": value}
    if missing:
        price[::9] = np.nan
    return pd.DataFrame(
        {
            "id": [str(place) for place in range(ROWS)],
            "split": ["test" if place % 4 == 0 else "train" for place in range(ROWS)],
            "fold": [-1 if place % 4 == 0 else place % 4 - 1 for place in range(ROWS)],
            "label": labels[task],
            **{name: column.astype("float32") for name, column in zip(FEATURES, (price, weight, shop), strict=True)},
        }
    )


def parameters(**candidates: Any) -> SklearnResearchParameters:
    return SklearnResearchParameters.model_validate({"research_rows": None, "candidates": candidates, "seed": 0})


def candidates_of(task: Task) -> dict[str, Any]:
    tree = {**GRIDS["decision_tree"], "criterion": ["squared_error" if task == "regression" else "gini"]}
    return {**GRIDS, **LINEAR[task], "decision_tree": tree}


LINES, ULPS = 1e-5, 1e-15
BOUNDED = {
    "logistic_regression": LINES,
    "linear_regression": LINES,
    "gradient_boosting": ULPS,
    "hist_gradient_boosting": ULPS,
}
"""Linear models add up in no fixed order; boosting of scikit-learn takes NumPy's own `exp`, where it has one."""

PROJECTS = {
    "binary": ProjectSpec(task="binary", id="id", raw=RawTable(dataset="d")),
    "multiclass": ProjectSpec(
        task="multiclass", id="id", raw=RawTable(dataset="d"), words=Words(classes=["low", "middle", "high"])
    ),
    "regression": ProjectSpec(task="regression", id="id", raw=RawTable(dataset="d")),
}


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_every_family_is_searched_and_scores_on_an_engine_as_in_research(task: Task) -> None:
    rows = make_rows(task)
    for family, grid in candidates_of(task).items():
        wanted = parameters(**{family: grid})
        collected = collect_research_rows(rows, wanted, PROJECTS[task])
        model, (record,) = search_models(collected, wanted)
        assert find_family_of(model) == record["family"] == family
        assert record["mean_r2" if task == "regression" else "mean_auc"] > 0.2  # a few trees do little
        predictions = predict(model, collected, wanted)
        scored = score_with_research(model, collected.drop(columns=["split", "fold"]), wanted, PROJECTS[task])
        same = [name for name in scored.columns if name.startswith("pr")]
        assert same == ["prediction"] if task == "regression" else len(same) == 4
        for name in same:
            if family in BOUNDED:
                np.testing.assert_allclose(scored[name], predictions[name], rtol=BOUNDED[family], atol=BOUNDED[family])
            else:
                assert scored[name].tolist() == predictions[name].tolist(), (family, name)


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("random_forest", {"prepare": {"impute": "median", "scale": "standard", "encode": ["shop_code"]}}),
        ("gradient_boosting", {"prepare": {"impute": "mean", "scale": "min_max"}}),
        ("decision_tree", {"prepare": {"impute": "most_frequent", "encode": ["shop_code"]}}),
        ("decision_tree", {}),
        ("hist_gradient_boosting", {}),
        ("random_forest", {}),
        ("xgboost", {}),
        ("lightgbm", {}),
    ],
)
def test_what_is_done_to_features_first_is_handed_over_and_missing_values_may_stay(
    family: str, settings: dict[str, Any]
) -> None:
    wanted = parameters(**{family: {**GRIDS[family], **settings}})
    rows = collect_research_rows(make_rows("binary", missing=True), wanted)
    model, (record,) = search_models(rows, wanted)
    assert find_family_of(model) == family
    if settings:
        assert record["prepare"].startswith(f"impute {settings['prepare']['impute']}")
    promise: Any = hand_over(model, prove_on=rows[list(FEATURES)], threshold=0.5).promise
    assert (promise.score, promise.probability) == ("exact", "exact")


@pytest.mark.parametrize("settings", [{}, {"prepare": {"impute": "median", "encode": ["shop_code"]}}])
def test_a_tree_that_is_more_than_mllibs_can_be_is_handed_over_as_it_is(settings: dict[str, Any]) -> None:
    wanted = parameters(decision_tree={**GRIDS["decision_tree"], **settings})
    table = make_rows("binary", missing=True)
    rows = collect_research_rows(table, wanted)
    model, _ = search_models(rows, wanted)
    handed, sql, promise = training.hand_over(model, table, rows[list(FEATURES)].head(9), wanted)
    assert isinstance(handed.model, Description)
    assert promise["model_family"] == "decision_tree"
    assert promise["probability"] == "exact"
    assert "SELECT" in sql
    scored = score_with_research(model, rows.drop(columns=["split", "fold"]), wanted, PROJECTS["binary"])
    assert scored["probability"].tolist() == predict(model, rows, wanted)["probability"].tolist()
    assert len(set(scored.loc[rows["price"].isna(), "probability"])) > 1


def test_a_tree_that_is_deeper_than_mllibs_can_be_is_handed_over_as_it_is() -> None:
    table = make_rows("binary")
    table["label"] = table["price"].rank() % 2 == 0  # splits cut off a row or two
    table[["weight", "shop_code"]] = np.float32(1)
    wanted = parameters(decision_tree={"max_features": [3]})
    rows = collect_research_rows(table, wanted)
    model, _ = search_models(rows, wanted)
    assert model.get_depth() > 30
    handed, _, promise = training.hand_over(model, table, rows[list(FEATURES)].head(9), wanted)
    assert isinstance(handed.model, Description)
    assert promise["probability"] == "exact"
    scored = score_with_research(model, rows.drop(columns=["split", "fold"]), wanted, PROJECTS["binary"])
    assert scored["probability"].tolist() == predict(model, rows, wanted)["probability"].tolist()


def test_a_tree_that_saw_no_missing_value_takes_none() -> None:
    wanted = parameters(decision_tree=GRIDS["decision_tree"])
    model, _ = search_models(collect_research_rows(make_rows("binary"), wanted), wanted)
    later = make_rows("binary", missing=True).drop(columns=["split", "fold"])
    scored = score_with_research(model, later, wanted, PROJECTS["binary"])
    assert scored["probability"].isna().tolist() == later["price"].isna().tolist()


def test_a_family_that_takes_no_missing_value_says_what_fills_in() -> None:
    wanted = parameters(gradient_boosting=GRIDS["gradient_boosting"], lightgbm=GRIDS["lightgbm"])
    told = "price must be known for every row, and is missing in some. gradient_boosting can't do without; `prepare:"
    with pytest.raises(ModelInputError, match=re.escape(told)):
        collect_research_rows(make_rows("binary", missing=True), wanted)


@pytest.mark.parametrize("family", ["decision_tree", "random_forest", "hist_gradient_boosting", "xgboost", "lightgbm"])
def test_predictions_only_rise_with_a_feature_where_that_is_asked_for(family: str) -> None:
    rows = make_rows("binary")
    falling = parameters(**{family: {**GRIDS[family], "monotone": {"price": -1}}})
    model, _ = search_models(rows, falling)
    along = pd.DataFrame({"price": np.linspace(0, 100, 50), "weight": 5.0, "shop_code": 2.0}).astype("float32")
    assert (np.diff(model.predict_proba(along)[:, 1]) <= 0).all()


@pytest.mark.parametrize("settings", [{}, {"prepare": {"impute": "median", "encode": ["shop_code"]}}])
@pytest.mark.parametrize("family", ["gradient_boosting", "hist_gradient_boosting", "xgboost", "lightgbm"])
def test_classes_weigh_the_same_in_every_family_where_it_is_asked_for(family: str, settings: dict[str, Any]) -> None:
    rows = make_rows("binary")
    rows["label"] &= rows["weight"] > 6  # few are positive
    wanted = {family: {**GRIDS[family], **settings}}
    found = [
        search_models(rows, parameters(**wanted).model_copy(update={"class_weight": weight}))[0]
        for weight in (None, "balanced")
    ]
    without, balanced = (model.predict_proba(rows[list(FEATURES)])[:, 1].mean() for model in found)
    assert rows["label"].mean() < 0.25
    assert balanced > without + 0.05


def test_a_number_has_no_classes_to_weigh() -> None:
    wanted = parameters(random_forest=GRIDS["random_forest"]).model_copy(update={"class_weight": "balanced"})
    with pytest.raises(
        ConfigurationError, match=r"class_weight: a number to predict has no classes to weigh\. Make it"
    ):
        search_models(make_rows("regression"), wanted)


@pytest.mark.parametrize(
    ("task", "candidates", "message"),
    [
        ("binary", {"gradient_boosting": {"monotone": {"price": 1}}}, "there are no monotone constraints in gradient"),
        ("multiclass", {"xgboost": {"monotone": {"price": 1}}}, "no monotone constraints for several classes"),
        ("binary", {"xgboost": {"monotone": {"prize": 1}}}, "there is no feature 'prize'. Did you mean 'price'?"),
        ("binary", {"xgboost": {"prepare": {"encode": ["shop"]}}}, "encode names 'shop', no feature."),
        ("binary", {"linear_regression": {}}, "linear regression is for regression, and the task is binary"),
        (
            "regression",
            {"logistic_regression": {"C": [1.0]}},
            "is for binary and multiclass, and the task is regression",
        ),
    ],
)
def test_what_a_family_can_not_do_is_said(task: Task, candidates: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        search_models(make_rows(task), parameters(**candidates))


def test_a_wrong_setting_of_a_candidate_is_refused_with_its_place() -> None:
    told = "random_forest.prepare.impute: Input should be 'mean', 'median' or 'most_frequent'; it is 'zero'"
    with pytest.raises(ValueError, match=re.escape(told)):
        parameters(random_forest={"n_estimators": [4], "prepare": {"impute": "zero"}})


def test_a_project_that_declares_another_task_or_other_classes_is_refused() -> None:
    wanted = parameters(random_forest=GRIDS["random_forest"])
    with pytest.raises(ConfigurationError, match=r"project\.yml says that the task is regression, and the label of"):
        collect_research_rows(make_rows("multiclass"), wanted, PROJECTS["regression"])
    four = ProjectSpec(task="multiclass", id="id", raw=RawTable(dataset="d"), words=Words(classes=["a", "b", "c", "d"]))
    with pytest.raises(
        ConfigurationError, match=r"project\.yml names 4 classes in words\.classes, and model_input has 3"
    ):
        collect_research_rows(make_rows("multiclass"), wanted, four)
    with pytest.raises(ValueError, match=r"words\.classes has to name 3 classes or more"):
        ProjectSpec(task="multiclass", id="id", raw=RawTable(dataset="d"))


@pytest.mark.parametrize(
    ("family", "grid", "message"),
    [
        ("xgboost", {"n_estimators": [3], "booster": ["dart"]}, "dart"),
        ("xgboost", {"n_estimators": [3], "objective": ["binary:hinge"]}, "The objective of the XGBoost model is"),
    ],
)
def test_the_part_of_a_model_that_can_not_be_handed_over_is_named_by_the_node(
    family: str, grid: dict[str, list[Any]], message: str
) -> None:
    rows, wanted = make_rows("binary"), parameters(**{family: grid})
    model, _ = search_models(rows, wanted)
    with pytest.raises(HandOverError, match=f"(?i){message}"):
        training.hand_over(model, rows, rows[list(FEATURES)].head(5), wanted)


def test_a_model_of_another_kind_is_named_by_the_node() -> None:
    rows, wanted = make_rows("binary"), parameters(random_forest=GRIDS["random_forest"])
    model = KNeighborsClassifier().fit(rows[list(FEATURES)], rows["label"])
    with pytest.raises(HandOverError, match="KNeighborsClassifier can't be handed over as numbers"):
        training.hand_over(model, rows, rows[list(FEATURES)].head(5), wanted)
