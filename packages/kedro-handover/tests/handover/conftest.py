"""Models of every family on a few hundred rows, and rows that are difficult for each."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from kedro_handover.handover.description import Description
from kedro_handover.handover.extract import Described, describe
from kedro_handover.handover.numpy_evaluator import evaluate, read_inputs
from kedro_handover.handover.proof import make_extreme_rows, make_threshold_rows, ulps_apart

ROWS = 600
ULPS = 4
"""How far the `exp` of an engine may take a probability from the library's."""

NUMBERS = ["p", "q", "r", "s"]


@dataclass(frozen=True)
class Table:
    """Rows to fit on: float32 features, some with missing values and categories, and a label of each task."""

    plain: pd.DataFrame
    missing: pd.DataFrame
    categories: pd.DataFrame
    binary: Any
    texts: Any
    three: Any
    number: Any


@functools.cache
def make_table() -> Table:
    rng = np.random.default_rng(7)
    plain = pd.DataFrame(rng.normal(size=(ROWS, 4)).round(2).astype(np.float32), columns=NUMBERS)
    missing = plain.copy()
    missing.loc[rng.random(ROWS) < 0.1, "p"] = np.nan
    missing.loc[rng.random(ROWS) < 0.1, "s"] = np.nan
    categories = missing.copy()
    categories["k"] = pd.Categorical(rng.choice([*"abcdefghijk", None], ROWS))
    categories["m"] = pd.Categorical(rng.integers(3, 12, ROWS))
    number = (plain.p + plain.q * plain.r + rng.normal(size=ROWS) + categories.k.isin([*"aceg"])).to_numpy(np.float64)
    return Table(
        plain=plain,
        missing=missing,
        categories=categories,
        binary=number > 0.5,
        texts=np.where(number > 0.5, "yes", "no"),
        three=np.digitize(number, [-1, 1]),
        number=number,
    )


def _xgboost(name: str, **options: Any) -> Any:
    return getattr(pytest.importorskip("xgboost"), name)(**{"n_estimators": 8, "max_depth": 4, "n_jobs": 1, **options})


def _lightgbm(name: str, **options: Any) -> Any:
    module = pytest.importorskip("lightgbm")
    return getattr(module, name)(**{"n_estimators": 8, "verbose": -1, "n_jobs": 1, "min_child_samples": 5, **options})


Made = tuple[Callable[[], Any], str, str]
SMALL: dict[str, Any] = {"random_state": 0}
FAMILIES: dict[str, Made] = {
    "tree": (lambda: DecisionTreeClassifier(max_depth=6, **SMALL), "plain", "binary"),
    "tree_missing": (lambda: DecisionTreeClassifier(max_depth=6, **SMALL), "missing", "texts"),
    "tree_regression": (lambda: DecisionTreeRegressor(max_depth=6, **SMALL), "plain", "number"),
    "forest": (lambda: RandomForestClassifier(9, max_depth=6, n_jobs=2, **SMALL), "missing", "binary"),
    "forest_three": (lambda: RandomForestClassifier(9, max_depth=6, **SMALL), "missing", "three"),
    "forest_regression": (lambda: RandomForestRegressor(9, max_depth=6, **SMALL), "missing", "number"),
    "extra": (lambda: ExtraTreesClassifier(9, max_depth=6, **SMALL), "plain", "texts"),
    "extra_regression": (lambda: ExtraTreesRegressor(9, max_depth=6, **SMALL), "plain", "number"),
    "gradient": (lambda: GradientBoostingClassifier(n_estimators=8, **SMALL), "plain", "binary"),
    "gradient_exponential": (
        lambda: GradientBoostingClassifier(n_estimators=8, loss="exponential", **SMALL),
        "plain",
        "texts",
    ),
    "gradient_three": (lambda: GradientBoostingClassifier(n_estimators=4, **SMALL), "plain", "three"),
    "gradient_regression": (lambda: GradientBoostingRegressor(n_estimators=8, **SMALL), "plain", "number"),
    "histogram": (lambda: HistGradientBoostingClassifier(max_iter=8, **SMALL), "missing", "binary"),
    "histogram_categories": (
        lambda: HistGradientBoostingClassifier(max_iter=8, categorical_features="from_dtype", **SMALL),
        "categories",
        "texts",
    ),
    "histogram_three": (lambda: HistGradientBoostingClassifier(max_iter=4, **SMALL), "missing", "three"),
    "histogram_regression": (lambda: HistGradientBoostingRegressor(max_iter=8, **SMALL), "missing", "number"),
    "xgboost": (lambda: _xgboost("XGBClassifier"), "missing", "binary"),
    "xgboost_categories": (
        lambda: _xgboost("XGBClassifier", enable_categorical=True, max_cat_to_onehot=3),
        "categories",
        "binary",
    ),
    "xgboost_three": (lambda: _xgboost("XGBClassifier"), "missing", "three"),
    "xgboost_regression": (lambda: _xgboost("XGBRegressor"), "missing", "number"),
    "xgboost_forest": (lambda: _xgboost("XGBRFClassifier"), "missing", "binary"),
    "xgboost_missing": (lambda: _xgboost("XGBClassifier", missing=0.5), "missing", "binary"),
    "lightgbm": (lambda: _lightgbm("LGBMClassifier"), "missing", "texts"),
    "lightgbm_zeros": (lambda: _lightgbm("LGBMClassifier", zero_as_missing=True), "plain", "binary"),
    "lightgbm_categories": (lambda: _lightgbm("LGBMClassifier"), "categories", "binary"),
    "lightgbm_three": (lambda: _lightgbm("LGBMClassifier"), "missing", "three"),
    "lightgbm_one_for_all": (lambda: _lightgbm("LGBMClassifier", objective="multiclassova"), "missing", "three"),
    "lightgbm_forest": (
        lambda: _lightgbm("LGBMClassifier", boosting_type="rf", subsample=0.5, subsample_freq=1),
        "missing",
        "binary",
    ),
    "lightgbm_dart": (lambda: _lightgbm("LGBMClassifier", boosting_type="dart"), "missing", "binary"),
    "lightgbm_regression": (lambda: _lightgbm("LGBMRegressor"), "missing", "number"),
    "logistic": (LogisticRegression, "plain", "binary"),
    "logistic_three": (LogisticRegression, "plain", "three"),
    "linear": (LinearRegression, "plain", "number"),
}

MANY_TREES: dict[str, Made] = {
    "histogram_many": (
        lambda: HistGradientBoostingClassifier(max_iter=60, categorical_features="from_dtype", **SMALL),
        "categories",
        "binary",
    ),
    "xgboost_many": (lambda: _xgboost("XGBClassifier", n_estimators=80, max_depth=6), "missing", "binary"),
    "xgboost_many_categories": (
        lambda: _xgboost("XGBClassifier", n_estimators=60, enable_categorical=True, max_cat_to_onehot=3),
        "categories",
        "three",
    ),
    "lightgbm_many": (lambda: _lightgbm("LGBMRegressor", n_estimators=60), "categories", "number"),
}
"""What the Java function scores by masks, as one walk after another would take longer; too large for SQL."""


@dataclass(frozen=True)
class Fitted:
    """A fitted model, described, and rows that are difficult for it."""

    name: str
    model: Any
    rows: pd.DataFrame
    described: Described
    difficult: pd.DataFrame

    @property
    def description(self) -> Description:
        return self.described.whole.description


@functools.cache
def fit(name: str) -> Fitted:
    make, rows_name, label_name = (FAMILIES | MANY_TREES)[name]
    table = make_table()
    rows = getattr(table, rows_name)
    model = make().fit(rows, getattr(table, label_name))
    described = describe(model, rows)
    made = [make_extreme_rows(described.whole, rows), *make_threshold_rows(described.whole, rows)]
    difficult = pd.concat([without_categories(part) for part in (rows, *made)], ignore_index=True)
    difficult.insert(0, "id", np.arange(len(difficult)))
    return Fitted(name, model, rows, described, difficult)


def without_categories(rows: pd.DataFrame) -> pd.DataFrame:
    """Give the columns as a table in a database has them: text, and numbers."""
    kinds = {
        name: np.float64 if pd.api.types.is_numeric_dtype(column.dtype.categories.dtype) else object
        for name, column in rows.items()
        if isinstance(column.dtype, pd.CategoricalDtype)
    }
    return rows.astype(kinds)


@pytest.fixture(params=sorted(FAMILIES))
def family(request: pytest.FixtureRequest) -> Fitted:
    return fit(request.param)


@pytest.fixture
def fit_family() -> Callable[[str], Fitted]:
    return fit


@pytest.fixture
def table() -> Table:
    return make_table()


@pytest.fixture
def assert_same() -> Callable[[pd.DataFrame, Description, pd.DataFrame], None]:
    return _assert_same


def _assert_same(scored, description, rows):
    """Hold what an engine gives to the NumPy evaluator, which the proof holds to the library."""
    scored = scored.sort_values("id", ignore_index=True)
    expected = evaluate(description, read_inputs(description, rows))
    if description.task == "regression":
        found, wanted = scored[["prediction"]], expected.prediction[:, None].astype(np.float64)
    else:
        names = ["probability"] if description.task == "binary" else [c for c in scored if c.startswith("probability_")]
        found = scored[names]
        wanted = expected.probability[:, 1:] if description.task == "binary" else expected.probability
        labels = [None if pd.isna(label) else label for label in scored["prediction"].astype(object)]
        assert labels == expected.prediction.tolist()
    found = found.to_numpy(np.float64, na_value=np.nan)
    assert np.array_equal(np.isnan(found[:, 0]), expected.refused)
    taken = ~expected.refused
    apart = ulps_apart(np.abs(found[taken]), np.abs(wanted[taken]), description.link_type)
    assert apart.max(initial=0) <= (0 if description.link == "none" else ULPS)


@pytest.fixture
def codes(table: Table) -> Any:
    """Categories as whole numbers in a plain array, beside a number."""
    rng = np.random.default_rng(3)
    return np.column_stack([rng.integers(0, 12, len(table.plain)), table.plain["q"]]).astype(np.float64)
