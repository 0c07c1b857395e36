"""A model that can't be handed over says which part of it, and what to do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from kedro_handover.errors import HandOverError
from kedro_handover.handover.building import MAX_CODE, Trees
from kedro_handover.handover.extract import describe
from kedro_handover.handover.handed import hand_over
from kedro_handover.handover.proof import prove


def refused(model, rows, match):
    with pytest.raises(HandOverError, match=match):
        hand_over(model, prove_on=rows)


def test_an_estimator_of_another_kind(table):
    model = KNeighborsClassifier().fit(table.plain, table.binary)
    refused(model, table.plain, r"KNeighborsClassifier can't be handed over .* as_library=True")


def test_an_estimator_that_is_not_fitted(table):
    refused(DecisionTreeClassifier(), table.plain, "DecisionTreeClassifier is not fitted. Fit it")


@pytest.mark.parametrize("make", [DecisionTreeClassifier, HistGradientBoostingClassifier])
def test_an_estimator_that_has_seen_one_class(table, make):
    model = make().fit(table.plain, np.full(len(table.plain), "no"))
    refused(model, table.plain, "has seen one class alone, 'no'. Fit it on rows of two classes")


def test_several_outputs(table):
    both = np.stack([table.binary, table.binary], axis=1)
    refused(DecisionTreeClassifier(max_depth=2).fit(table.plain, both), table.plain, "predicts 2 outputs")
    numbers = np.stack([table.number, table.number], axis=1)
    refused(DecisionTreeRegressor(max_depth=2).fit(table.plain, numbers), table.plain, "predicts 2 outputs")
    refused(LinearRegression().fit(table.plain, numbers), table.plain, "predicts 2 outputs")


def test_boosting_that_starts_from_another_model(table):
    model = GradientBoostingClassifier(n_estimators=2, init=LogisticRegression()).fit(table.plain, table.binary)
    refused(model, table.plain, r"starts from the predictions of LogisticRegression .* init=None")


def test_an_objective_of_ones_own_in_xgboost(table):
    xgboost = pytest.importorskip("xgboost")

    def squared(labels, predicted):
        return predicted - labels, np.ones_like(labels)

    model = xgboost.XGBRegressor(n_estimators=2, objective=squared).fit(table.plain, table.number)
    refused(model, table.plain, "The objective of the XGBoost model is its own. These can be handed over")


def test_dart_and_linear_boosters_of_xgboost(table):
    xgboost = pytest.importorskip("xgboost")
    for booster in ("dart", "gblinear"):
        model = xgboost.XGBClassifier(n_estimators=2, booster=booster).fit(table.plain, table.binary)
        refused(model, table.plain, f"The XGBoost model is '{booster}'. Fit it with booster='gbtree'")


def test_leaves_with_several_values_in_xgboost(table):
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(n_estimators=2, multi_strategy="multi_output_tree", tree_method="hist")
    refused(model.fit(table.plain, table.three), table.plain, "one_output_per_tree")


def test_an_objective_of_ones_own_and_linear_leaves_in_lightgbm(table):
    lightgbm = pytest.importorskip("lightgbm")

    def squared(labels, predicted):
        return predicted - labels, np.ones_like(labels)

    model = lightgbm.LGBMRegressor(n_estimators=2, objective=squared, verbose=-1).fit(table.plain, table.number)
    refused(model, table.plain, "The objective of the LightGBM model is its own")
    model = lightgbm.LGBMRegressor(n_estimators=2, linear_tree=True, verbose=-1).fit(table.plain, table.number)
    refused(model, table.plain, "linear_tree=False")


def test_too_many_categories():
    with pytest.raises(HandOverError, match=f"codes up to {MAX_CODE + 1}. .* group rare categories"):
        Trees().add_set([1, MAX_CODE + 1])


def test_rows_that_are_no_table_or_lack_a_column(table, fit_family):
    model = fit_family("tree").model
    refused(model, [[1, 2, 3, 4]], "prove_on is list with 1 rows. Give the pandas frame")
    refused(
        model, pa.Table.from_pandas(table.plain), r"prove_on is pyarrow\.Table with 600 rows. Give the pandas frame"
    )
    refused(model, table.plain.head(0), "with 0 rows")
    refused(model, table.plain.drop(columns="q"), "prove_on lacks 'q'")


def test_whole_numbers_that_a_double_does_not_hold(table, fit_family):
    rows = table.plain.assign(q=np.int64(2**60 + 1))
    refused(fit_family("tree").model, rows, r"'q' has whole numbers above 2\*\*53")


@pytest.mark.parametrize("name", ["tree", "xgboost", "lightgbm"])
def test_a_model_fitted_on_an_array_gets_the_names_of_the_frame(name, table, fit_family):
    model = clone(fit_family(name).model).fit(table.plain.to_numpy(), table.binary)
    described = describe(model, table.plain)
    assert {column.name for column in described.whole.description.inputs} <= set(table.plain.columns)
    assert prove(described).score == "exact"


def test_an_array_gets_the_names_of_the_model(fit_family):
    fitted = fit_family("tree")
    described = describe(fitted.model, fitted.rows.to_numpy())
    assert {column.name for column in described.whole.description.inputs} <= set(fitted.rows.columns)
    assert prove(described).score == "exact"


def test_a_model_fitted_on_an_array_without_names_numbers_its_columns(table):
    model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(table.plain.to_numpy(), table.binary)
    handed = hand_over(model, prove_on=table.plain.to_numpy())
    assert all(column.name in {"x0", "x1", "x2", "x3"} for column in handed.description.inputs)


def test_features_of_float64_are_cut_as_the_library_cuts_them(table):
    rows = table.plain.astype(np.float64) + 1e-9
    model = RandomForestClassifier(3, max_depth=4, random_state=0).fit(rows, table.binary)
    assert hand_over(model, prove_on=rows).promise.score == "exact"


def test_a_search_hands_over_its_best_estimator(table):
    search = GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [2, 3]}, cv=2)
    handed = hand_over(search.fit(table.plain, table.binary), prove_on=table.plain)
    assert handed.promise.family == "DecisionTreeClassifier"


def test_a_lightgbm_model_wants_rows_with_its_categories(fit_family, table):
    fitted = fit_family("lightgbm_categories")
    rows = table.categories.assign(m=table.categories["m"].astype(np.int64))
    refused(fitted.model, rows, r"fitted on 2 columns of the dtype category, and the rows .* have 1")


def test_text_where_a_number_is_wanted(table):
    model = DecisionTreeClassifier(max_depth=2).fit(table.plain, table.binary)
    rows = table.plain.assign(q=pd.Series(["a"] * len(table.plain), dtype=object))
    refused(model, rows, "The feature 'q' is text where the model takes a number. Encode it")


def test_categories_that_are_numbers_in_lightgbm(codes, table):
    lightgbm = pytest.importorskip("lightgbm")
    label = table.binary ^ np.isin(codes[:, 0], [1, 4, 7])
    model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, min_child_samples=5, cat_smooth=1, n_jobs=1)
    handed = hand_over(model.fit(codes, label, categorical_feature=[0]), prove_on=codes)
    assert (handed.description.category_set >= 0).any()
    odd = pd.DataFrame({"x0": [-1.0, 3.7, 40.0, np.nan, -0.5, 1e300], "x1": 0.0})
    assert handed.transform(odd)["probability"].tolist() == model.predict_proba(odd.to_numpy())[:, 1].tolist()


def test_categories_that_are_numbers_in_histogram_boosting(codes, table):
    label = table.binary ^ np.isin(codes[:, 0], [1, 4, 7])
    model = HistGradientBoostingClassifier(max_iter=5, categorical_features=[0]).fit(codes, label)
    handed = hand_over(model, prove_on=codes)
    assert (handed.description.category_set >= 0).any()
    odd = pd.DataFrame({"x0": [-1.0, 3.7, 40.0, np.nan, 2.0], "x1": 0.0})
    assert handed.transform(odd)["probability"].tolist() == model.predict_proba(odd.to_numpy())[:, 1].tolist()


def test_categories_that_are_numbers_in_xgboost(codes, table):
    xgboost = pytest.importorskip("xgboost")
    label = table.binary ^ np.isin(codes[:, 0], [1, 4, 7])
    model = xgboost.XGBClassifier(
        n_estimators=5, max_depth=3, feature_types=["c", "q"], enable_categorical=True, n_jobs=1
    )
    handed = hand_over(model.fit(codes, label), prove_on=codes)
    assert (handed.description.category_set >= 0).any()
    odd = pd.DataFrame({"x0": [3.0, 11.0, np.nan, 2.0, 3.7, 0.2, -0.5, -1.0, 70.0], "x1": 0.0})
    assert handed.transform(odd)["probability"].tolist() == model.predict_proba(odd.to_numpy())[:, 1].tolist()
