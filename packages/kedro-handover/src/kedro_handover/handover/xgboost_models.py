"""Describes the models of XGBoost."""

from __future__ import annotations

import ctypes
import ctypes.util
import json
from dataclasses import replace
from typing import Any

import numpy as np

from kedro_handover.errors import HandOverError
from kedro_handover.handover.building import Columns, NumberSlot, Trees
from kedro_handover.handover.description import LEAF, NO_SET, Description, Link, Refuses, Step, Then
from kedro_handover.handover.numpy_evaluator import Scores
from kedro_handover.handover.reference import Extracted, find_cut, make_scores, plain_labels

HALF = np.float32(0.5)
LINKS: dict[str, Link] = {
    "binary:logistic": "sigmoid",
    "reg:logistic": "sigmoid",
    "multi:softprob": "softmax",
    "multi:softmax": "softmax",
    "count:poisson": "exp",
    "reg:gamma": "exp",
    "reg:tweedie": "exp",
    "reg:squarederror": "none",
    "reg:squaredlogerror": "none",
    "reg:absoluteerror": "none",
    "reg:pseudohubererror": "none",
}


def extract_xgboost(estimator: Any, columns: Columns, rows: Any) -> Extracted:
    """Describe an `XGBClassifier`, `XGBRegressor`, `XGBRFClassifier` or `XGBRFRegressor`.

    Args:
        estimator: The fitted model.
        columns: Its features.
        rows: Not needed.

    Returns:
        The description, and XGBoost's answers.

    Raises:
        HandOverError: If it is DART or linear, or has an objective or leaves that are not described.
    """
    del rows
    learner = json.loads(estimator.get_booster().save_raw("json"))["learner"]
    objective, booster = learner["objective"]["name"], learner["gradient_booster"]
    if booster["name"] != "gbtree":
        msg = f"The XGBoost model is {booster['name']!r}. Fit it with booster='gbtree': only that can be handed over."
        raise HandOverError(msg)
    if callable(estimator.objective) or objective not in LINKS:
        told = "its own" if callable(estimator.objective) else repr(objective)
        msg = f"The objective of the XGBoost model is {told}. These can be handed over: {', '.join(LINKS)}."
        raise HandOverError(msg)
    classes = plain_labels(estimator.classes_) if hasattr(estimator, "classes_") else ()
    model, n_outputs = booster["model"], max(1, int(learner["learner_model_param"]["num_class"]))
    if int(learner["learner_model_param"]["num_target"]) > 1:
        msg = "The XGBoost model predicts several targets. Fit one model for each, and hand them over one by one."
        raise HandOverError(msg)
    is_stopped_early = getattr(estimator, "early_stopping_rounds", None) is not None
    rounds = estimator.best_iteration + 1 if is_stopped_early else len(model["iteration_indptr"]) - 1
    used = model["iteration_indptr"][rounds]
    trees = Trees()
    for tree, output in zip(model["trees"][:used], model["tree_info"][:used], strict=True):
        _add_tree(trees, tree, output)
    description = trees.write(
        Description(
            family=type(estimator).__name__,
            task="regression" if not classes else "binary" if n_outputs == 1 else "multiclass",
            classes=classes,
            start=_margin(json.loads(learner["learner_model_param"]["base_score"]), LINKS[objective], n_outputs),
            sum_type="float32",
            link=LINKS[objective],
            link_type="float32",
        )
    )
    if classes and n_outputs == 1:
        cut = find_cut(description, lambda second: second[:, 0] > HALF)
        description = replace(description, cut=cut)

    def answer(table: Any) -> Scores:
        predicted = estimator.predict(table)
        probability = estimator.predict_proba(table) if classes else None
        return make_scores(estimator.predict(table, output_margin=True), probability, predicted, classes)

    slots = _encode(estimator, columns, learner.get("feature_types") or [])
    return Extracted(columns.steps.write(description, slots), answer)


def _add_tree(trees: Trees, tree: dict[str, Any], output: int) -> None:
    """Add a tree: XGBoost goes left if `x < t`, and goes right if a category is in the set."""
    left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
    if int(tree["tree_param"]["size_leaf_vector"]) > 1:
        msg = "The leaves of the XGBoost model hold several values. Fit it with multi_strategy='one_output_per_tree'."
        raise HandOverError(msg)
    conditions = np.array(tree["split_conditions"], np.float32)
    default_left = np.array(tree["default_left"])
    sets = np.full(len(left), NO_SET)
    for node, begin, size in zip(
        tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True
    ):
        sets[node] = trees.add_set(tree["categories"][begin : begin + size])
    splits_by_set = sets != NO_SET
    trees.add(
        feature=np.where(left < 0, LEAF, tree["split_indices"]),
        threshold=np.nextafter(conditions, np.float32(-np.inf)),
        left=np.where(splits_by_set, right, left),
        right=np.where(splits_by_set, left, right),
        missing_left=np.where(splits_by_set, 1 - default_left, default_left),
        values=conditions,
        output=output,
        category_set=sets,
    )


def _margin(base_scores: float | list[float], link: Link, n_outputs: int) -> Any:
    """Turn the base score, which is stored as a probability, into a raw score in XGBoost's own arithmetic."""
    base = np.atleast_1d(np.asarray(base_scores, np.float32))
    if link in {"sigmoid", "exp"}:
        library = ctypes.CDLL(ctypes.util.find_library("m") or ctypes.util.find_library("ucrtbase"))
        logf = library.logf
        logf.argtypes, logf.restype = [ctypes.c_float], ctypes.c_float
        odds = [np.float32(1) / p - np.float32(1) for p in base] if link == "sigmoid" else base
        base = np.array([-logf(o) if link == "sigmoid" else logf(o) for o in odds], np.float32)
    return np.broadcast_to(base.astype(np.float64), n_outputs).copy()


def _encode(estimator: Any, columns: Columns, types: list[str]) -> list[NumberSlot]:
    """Round numbers to float32, and give categories their codes."""
    container = estimator.get_booster().get_categories(export_to_arrow=True)
    stored = container.to_arrow() if container is not None and not container.empty() else []
    keys = {number: names.to_pylist() for number, (_, names) in enumerate(stored) if names is not None}
    slots: list[NumberSlot] = []
    for number, (slot, name) in enumerate(zip(columns.slots, columns.names, strict=True)):
        if number in keys:
            found = columns.steps.look_up(
                slot,
                keys[number],
                np.arange(len(keys[number])),
                missing=np.nan,
                unknown=np.nan,
                refuses=Refuses.UNKNOWN,
            )
        else:
            found = columns.steps.also(slot, Then.ROUND, name)
            if (
                types and types[number] == "c"
            ):  # a code without a name: XGBoost cuts its fraction off, if it is not below 0
                found = columns.steps.add(Step.FLOOR, found.step)
        if not np.isnan(estimator.missing):
            found = columns.steps.add(Step.MISSING_VALUE, found.step, float(np.float32(estimator.missing)))
        slots.append(found)
    return slots
