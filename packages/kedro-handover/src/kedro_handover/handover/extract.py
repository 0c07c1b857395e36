"""Describes a fitted model of any family that is known, with the preprocessing of its Pipeline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd

from kedro_handover.errors import HandOverError
from kedro_handover.handover.building import Columns
from kedro_handover.handover.description import Step, Then
from kedro_handover.handover.lightgbm_models import extract_lightgbm
from kedro_handover.handover.numpy_evaluator import Scores
from kedro_handover.handover.preprocessing import describe_step
from kedro_handover.handover.reference import Extracted, Extractor
from kedro_handover.handover.sklearn_models import (
    extract_gradient_boosting,
    extract_hist_gradient_boosting,
    extract_linear,
    extract_trees,
)
from kedro_handover.handover.xgboost_models import extract_xgboost

SAMPLE_ROWS = 1_000
"""So many rows go through the preprocessing while it is described."""

EXTRACTORS: Final[dict[str, Extractor]] = {
    **dict.fromkeys(
        (
            "DecisionTreeClassifier",
            "DecisionTreeRegressor",
            "ExtraTreeClassifier",
            "ExtraTreeRegressor",
            "RandomForestClassifier",
            "RandomForestRegressor",
            "ExtraTreesClassifier",
            "ExtraTreesRegressor",
        ),
        extract_trees,
    ),
    **dict.fromkeys(("GradientBoostingClassifier", "GradientBoostingRegressor"), extract_gradient_boosting),
    **dict.fromkeys(
        ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor"), extract_hist_gradient_boosting
    ),
    **dict.fromkeys(
        (
            "LogisticRegression",
            "LogisticRegressionCV",
            "LinearRegression",
            "Ridge",
            "RidgeCV",
            "Lasso",
            "LassoCV",
            "ElasticNet",
            "ElasticNetCV",
        ),
        extract_linear,
    ),
    **dict.fromkeys(("XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor"), extract_xgboost),
    **dict.fromkeys(("LGBMClassifier", "LGBMRegressor"), extract_lightgbm),
}
"""What describes each estimator, by the name of its class."""


@dataclass(frozen=True)
class Described:
    """A model described, whole and without its preprocessing.

    Attributes:
        whole: The model as it is, from the columns of the table.
        table: The rows, as the model takes them.
        body: The last step alone, from the features that the preprocessing gives; the same as `whole` where there is
            none.
        body_table: The rows after the preprocessing.
    """

    whole: Extracted
    table: Any
    body: Extracted
    body_table: Any


def describe(model: Any, rows: Any) -> Described:
    """Describe a fitted model.

    Args:
        model: An estimator, a search that has one, or a Pipeline that ends in one.
        rows: What it was fitted on, or rows like it: a pandas frame or an array.

    Returns:
        The model described.

    Raises:
        HandOverError: If the model, or a step before it, is of a kind that is not described.
    """
    model = getattr(model, "best_estimator_", model)
    table = as_the_model_takes(model, rows)
    columns = Columns.of(table, _names_of(rows))
    if type(model).__name__ != "Pipeline":
        whole = replace(_find_extractor(model)(model, columns, table), columns=tuple(columns.names))
        return Described(whole, table, whole, table)
    before, last = model[:-1], model[-1]
    extractor = _find_extractor(last)
    features, _ = describe_step(before, columns, table[:SAMPLE_ROWS])
    body_table = before.transform(table)
    if _is_sparse(body_table):
        # XGBoost takes what a sparse matrix does not store as missing; trees of scikit-learn take no NaN in one.
        for i, (slot, name) in enumerate(zip(features.slots, features.names, strict=True)):
            number = features.steps.also(slot, Then.NOTHING, name)
            is_xgboost = extractor is extract_xgboost
            features.slots[i] = (
                features.steps.add(Step.MISSING_VALUE, number.step, 0.0)
                if is_xgboost
                else features.steps.also(number, Then.REFUSE_MISSING, name)
                if extractor is extract_trees
                else number
            )
    inner = extractor(last, features, body_table)

    def answer(rows: Any) -> Scores:
        return inner.answer(before.transform(rows))

    whole = Extracted(inner.description, answer, inner.round_off, tuple(columns.names))
    if _is_sparse(body_table) or any(column.type == "text" for column in Columns.of(body_table).steps.inputs):
        return Described(whole, table, whole, table)
    body_columns = Columns.of(body_table)
    body = replace(extractor(last, body_columns, body_table), columns=tuple(body_columns.names))
    return Described(whole, table, body, body_table)


def as_the_model_takes(model: Any, rows: Any) -> Any:
    """Give rows with the names that the model was fitted with, or without any where it knows none.

    Args:
        model: The fitted model.
        rows: A pandas frame, or an array.

    Returns:
        A pandas frame for a model that knows names of columns, else an array.

    Raises:
        HandOverError: If the rows are something else, or there is none.
    """
    if not isinstance(rows, pd.DataFrame | np.ndarray) or not len(rows):
        library = type(rows).__module__.split(".")[0]
        msg = (
            f"prove_on is {'' if library == 'builtins' else f'{library}.'}{type(rows).__name__} with "
            f"{len(rows) if hasattr(rows, '__len__') else 'no'} rows. "
            "Give the pandas frame or the array that the model was fitted on."
        )
        raise HandOverError(msg)
    names = getattr(model, "feature_names_in_", None)
    if names is not None and list(names) == [f"Column_{i}" for i in range(len(names))]:
        names = None  # what LightGBM calls the columns of an array
    if names is None:
        return rows.to_numpy() if isinstance(rows, pd.DataFrame) else rows
    if isinstance(rows, pd.DataFrame):
        if missing := [name for name in names if name not in rows.columns]:
            lacking = ", ".join(repr(str(name)) for name in missing)
            msg = f"prove_on lacks {lacking}, which the model was fitted on. Add the columns."
            raise HandOverError(msg)
        return rows[list(names)].reset_index(drop=True)
    return pd.DataFrame(rows, columns=list(names))


def _is_sparse(table: Any) -> bool:
    return hasattr(table, "tocsr")


def _names_of(rows: Any) -> list[str] | None:
    return [str(name) for name in rows.columns] if isinstance(rows, pd.DataFrame) else None


def _find_extractor(model: Any) -> Extractor:
    name = type(model).__name__
    if name not in EXTRACTORS:
        msg = (
            f"{name} can't be handed over as numbers. These can: {', '.join(EXTRACTORS)}. Hand it over as the library "
            "itself: hand_over(model, prove_on=X, as_library=True)."
        )
        raise HandOverError(msg)
    if not _is_fitted(model):
        msg = f"The {name} is not fitted. Fit it, and hand it over then."
        raise HandOverError(msg)
    classes = getattr(model, "classes_", None)
    if isinstance(classes, np.ndarray) and len(classes) == 1:
        msg = f"The {name} has seen one class alone, {classes.tolist()[0]!r}. Fit it on rows of two classes at least."
        raise HandOverError(msg)
    return EXTRACTORS[name]


def _is_fitted(model: Any) -> bool:
    try:
        return int(model.n_features_in_) >= 0
    except AttributeError:
        return False
    except Exception as error:
        if type(error).__name__ in {"NotFittedError", "LGBMNotFittedError"}:
            return False
        raise
