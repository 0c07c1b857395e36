"""Describes the models of LightGBM."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from kedro_handover.errors import HandOverError
from kedro_handover.handover.building import Columns, NumberSlot, Trees
from kedro_handover.handover.description import LEAF, NO_SET, Description, Link, Step, Then
from kedro_handover.handover.numpy_evaluator import Scores
from kedro_handover.handover.reference import Extracted, find_cut, make_scores, plain_labels
from kedro_handover.handover.sklearn_models import find_bits

CATEGORICAL, DEFAULT_LEFT = 1, 2
ZERO_THRESHOLD = float(np.float32(1e-35))
"""LightGBM takes a number for 0 that is no further from it."""

MISSING_IS_NONE, MISSING_IS_ZERO = 0, 1
LINKS: dict[str, Link] = {
    "binary": "sigmoid",
    "cross_entropy": "sigmoid",
    "multiclass": "softmax",
    "multiclassova": "sigmoid",
    "poisson": "exp",
    "gamma": "exp",
    "tweedie": "exp",
    "regression": "none",
    "regression_l1": "none",
    "huber": "none",
    "fair": "none",
    "quantile": "none",
    "mape": "none",
}


def extract_lightgbm(estimator: Any, columns: Columns, rows: Any) -> Extracted:
    """Describe an `LGBMClassifier` or `LGBMRegressor`.

    Args:
        estimator: The fitted model.
        columns: Its features.
        rows: Rows like those that it was fitted on; their dtypes tell which columns are categories.

    Returns:
        The description, and LightGBM's answers.

    Raises:
        HandOverError: If the objective is not described, or leaves hold linear models.
    """
    booster = estimator.booster_
    head, *blocks = booster.model_to_string().split("\nTree=")
    header = _read_fields(head)
    name, *parameters = header.get("objective", "custom").split()
    options = dict(option.split(":") for option in parameters if ":" in option)
    if callable(estimator.objective) or name not in LINKS or "sqrt" in parameters:
        told = "its own" if callable(estimator.objective) else repr(header.get("objective", "its own"))
        msg = f"The objective of the LightGBM model is {told}. These can be handed over: {', '.join(LINKS)}."
        raise HandOverError(msg)
    classes = plain_labels(estimator.classes_) if hasattr(estimator, "classes_") else ()
    n_outputs = int(header["num_tree_per_iteration"])
    trees = Trees()
    for number, block in enumerate(blocks):
        _add_tree(trees, _read_fields(block.split("\n\n")[0]), number % n_outputs)
    description = trees.write(
        Description(
            family=type(estimator).__name__,
            task="regression" if not classes else "binary" if n_outputs == 1 else "multiclass",
            classes=classes,
            start=np.zeros(n_outputs),
            divisor=len(blocks) / n_outputs if "average_output" in head.split("\n") else 1.0,
            link=LINKS[name],
            link_scale=float(options.get("sigmoid", 1.0)),
        )
    )
    if classes and n_outputs == 1:
        cut = find_cut(description, lambda second: second[:, 0] > 1 - second[:, 0])
        description = replace(description, cut=cut)

    def answer(table: Any) -> Scores:
        predicted = estimator.predict(table)
        probability = estimator.predict_proba(table) if classes else None
        raw = estimator.predict(table, raw_score=True) / description.divisor  # which LightGBM does after it
        return make_scores(raw, probability, predicted, classes)

    slots = _encode(booster, columns, rows, _find_zero_features(blocks))
    return Extracted(columns.steps.write(description, slots), answer)


def _read_fields(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.split("\n") if "=" in line)


def _add_tree(trees: Trees, tree: dict[str, str], output: int) -> None:
    if tree.get("is_linear", "0") != "0":
        msg = "The leaves of the LightGBM model are linear models. Fit it with linear_tree=False."
        raise HandOverError(msg)

    def numbers(key: str, kind: Any) -> Any:
        return np.array(tree.get(key, "").split(), kind)

    leaf_values = numbers("leaf_value", np.float64)
    if len(leaf_values) == 1:
        nothing = np.zeros(1)
        trees.add(
            feature=[LEAF],
            threshold=nothing,
            left=nothing,
            right=nothing,
            missing_left=nothing,
            values=leaf_values,
            output=output,
        )
        return
    decision, threshold = numbers("decision_type", np.int64), numbers("threshold", np.float64)
    missing_type, by_set = decision >> 2 & 3, decision & CATEGORICAL != 0
    # Where the model has met no missing value, LightGBM takes one as 0.
    zero_left = threshold >= 0
    missing_left = np.where(missing_type == MISSING_IS_NONE, zero_left, decision & DEFAULT_LEFT != 0) & ~by_set
    bounds, words = numbers("cat_boundaries", np.int64), numbers("cat_threshold", np.int64)
    sets = np.full(len(decision), NO_SET)
    for node in np.flatnonzero(by_set):
        number = int(threshold[node])
        sets[node] = trees.add_set(find_bits(words[bounds[number] : bounds[number + 1]]))
    splits, leaves = len(decision), len(leaf_values)
    children = [numbers(key, np.int64) for key in ("left_child", "right_child")]
    left, right = (np.where(child < 0, splits + ~child, child) for child in children)  # ~ gives the leaf's number
    rest = np.zeros(leaves)
    trees.add(
        feature=np.concatenate([numbers("split_feature", np.int64), np.full(leaves, LEAF)]),
        threshold=np.concatenate([threshold, rest]),
        left=np.concatenate([left, rest]),
        right=np.concatenate([right, rest]),
        missing_left=np.concatenate([missing_left, rest]),
        values=np.concatenate([np.zeros(splits), leaf_values]),
        output=output,
        category_set=np.concatenate([sets, np.full(leaves, NO_SET)]),
    )


def _encode(booster: Any, columns: Columns, rows: Any, zero_is_missing: set[int]) -> list[NumberSlot]:
    """Give categories of pandas their codes, and cut fractions off codes that are numbers already."""
    kept = booster.pandas_categorical or []
    is_category = [
        isinstance(rows, pd.DataFrame) and isinstance(rows.iloc[:, i].dtype, pd.CategoricalDtype)
        for i in range(len(columns.slots))
    ]
    if sum(is_category) != len(kept):
        msg = (
            f"The LightGBM model was fitted on {len(kept)} columns of the dtype category, and the rows to prove the "
            f"hand-over on have {sum(is_category)}. Give them with the same dtypes."
        )
        raise HandOverError(msg)
    by_code = _find_coded_features(booster)
    keys = iter(kept)
    slots: list[NumberSlot] = []
    for number, (slot, name) in enumerate(zip(columns.slots, columns.names, strict=True)):
        if is_category[number]:
            known = next(keys)
            slots.append(columns.steps.look_up(slot, known, np.arange(len(known)), missing=np.nan, unknown=np.nan))
        else:
            found = columns.steps.also(slot, Then.NOTHING, name)
            small_as_zero = columns.steps.add(Step.SMALL_AS_ZERO, found.step, ZERO_THRESHOLD)
            if number in by_code:
                slots.append(columns.steps.add(Step.TRUNCATE, small_as_zero.step))
            elif number in zero_is_missing:
                slots.append(columns.steps.add(Step.MISSING_VALUE, small_as_zero.step, 0.0))
            else:
                slots.append(small_as_zero)
    return slots


def _find_zero_features(blocks: list[str]) -> set[int]:
    """Find the features whose zeros are missing, by their splits: that is one for all splits of a feature."""
    found: dict[int, set[bool]] = {}
    for block in blocks:
        tree = _read_fields(block.split("\n\n")[0])
        decisions = map(int, tree.get("decision_type", "").split())
        for number, decision in zip(map(int, tree.get("split_feature", "").split()), decisions, strict=True):
            if not decision & CATEGORICAL:
                found.setdefault(number, set()).add(decision >> 2 & 3 == MISSING_IS_ZERO)
    if mixed := [str(number) for number, kinds in found.items() if len(kinds) > 1]:
        msg = f"The LightGBM model takes zeros of feature {', '.join(mixed)} as missing in some splits only. Refit it."
        raise HandOverError(msg)
    return {number for number, kinds in found.items() if True in kinds}


def _find_coded_features(booster: Any) -> set[int]:
    """Find the features that are categories: their values are listed with colons and no brackets."""
    infos = _read_fields(booster.model_to_string().split("\nTree=")[0]).get("feature_infos", "").split()
    return {number for number, info in enumerate(infos) if info != "none" and not info.startswith("[")}
