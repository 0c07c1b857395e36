"""Describes the trees, forests, boosters and linear models of scikit-learn."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from kedro_handover.errors import HandOverError
from kedro_handover.handover.building import Columns, NumberSlot, Trees
from kedro_handover.handover.description import ALL_OUTPUTS, LEAF, NO_SET, Description, Floats, Then
from kedro_handover.handover.numpy_evaluator import Scores
from kedro_handover.handover.reference import Extracted, link_of, make_scores, plain_labels

BITS_OF_A_WORD = 32
TWO = 2
SMALLEST_DOUBLE = float(np.nextafter(0.0, 1.0))


def extract_trees(estimator: Any, columns: Columns, rows: Any) -> Extracted:
    """Describe a decision tree, a random forest or extra trees.

    Args:
        estimator: The fitted classifier or regressor.
        columns: Its features.
        rows: Not needed.

    Returns:
        The description, and the answers of scikit-learn on one thread: with more, it adds trees up in any order.

    Raises:
        HandOverError: If the model predicts several outputs.
    """
    del rows
    name = type(estimator).__name__
    if estimator.n_outputs_ != 1:
        msg = (
            f"The {name} predicts {estimator.n_outputs_} outputs. Fit a model for each, and hand them over one by one."
        )
        raise HandOverError(msg)
    classes = plain_labels(estimator.classes_) if hasattr(estimator, "classes_") else ()
    members = getattr(estimator, "estimators_", [estimator])
    trees = Trees(width=max(1, len(classes)))
    for member in members:
        fitted = member.tree_
        trees.add(
            feature=fitted.feature,
            threshold=fitted.threshold,
            left=fitted.children_left,
            right=fitted.children_right,
            missing_left=fitted.missing_go_to_left,
            values=fitted.value[:, 0, :],
            output=ALL_OUTPUTS,
        )
    then = Then.ROUND | Then.REFUSE_INFINITE
    if not members[0].__sklearn_tags__().input_tags.allow_nan:
        then |= Then.REFUSE_MISSING
    description = trees.write(
        Description(
            family=name,
            task=_task_of(classes),
            classes=classes,
            start=np.zeros(max(1, len(classes))),
            divisor=float(len(members)),
        )
    )
    on_one_thread = copy.copy(estimator)
    if hasattr(estimator, "n_jobs"):
        on_one_thread.n_jobs = 1

    def answer(table: Any) -> Scores:
        predicted = on_one_thread.predict(table)
        score = on_one_thread.predict_proba(table) if classes else predicted
        return make_scores(score, score if classes else None, predicted, classes)

    return Extracted(columns.steps.write(description, columns.then(then)), answer)


def extract_gradient_boosting(estimator: Any, columns: Columns, rows: Any) -> Extracted:
    """Describe a `GradientBoostingClassifier` or `GradientBoostingRegressor`.

    Args:
        estimator: The fitted model.
        columns: Its features.
        rows: Not needed.

    Returns:
        The description, and scikit-learn's answers.

    Raises:
        HandOverError: If each row starts from the prediction of another model.
    """
    del rows
    name = type(estimator).__name__
    if estimator.init_ != "zero" and not type(estimator.init_).__name__.startswith("Dummy"):
        msg = (
            f"The {name} starts from the predictions of {type(estimator.init_).__name__} (init=…), which are no part "
            "of its trees. Fit it with init=None or init='zero'."
        )
        raise HandOverError(msg)
    classes = plain_labels(estimator.classes_) if hasattr(estimator, "classes_") else ()
    trees = Trees()
    for stage in estimator.estimators_:
        for output, member in enumerate(stage):
            fitted = member.tree_
            trees.add(
                feature=fitted.feature,
                threshold=fitted.threshold,
                left=fitted.children_left,
                right=fitted.children_right,
                missing_left=fitted.missing_go_to_left,
                values=estimator.learning_rate * fitted.value[:, 0, 0],
                output=output,
            )
    description = trees.write(
        Description(
            family=name,
            task=_task_of(classes),
            classes=classes,
            start=estimator._raw_predict_init(np.zeros((1, estimator.n_features_in_), np.float32))[0],  # noqa: SLF001 - no other way
            link=link_of(len(classes)) if classes else "none",
            link_scale=2.0 if estimator.loss == "exponential" else 1.0,
            exp="numpy" if len(classes) > TWO else "libm",
            cut=0.0 if len(classes) == TWO else None,
        )
    )

    def answer(table: Any) -> Scores:
        predicted = estimator.predict(table)
        if not classes:
            return make_scores(predicted, None, predicted, ())
        return make_scores(estimator.decision_function(table), estimator.predict_proba(table), predicted, classes)

    then = Then.ROUND | Then.REFUSE_INFINITE | Then.REFUSE_MISSING
    return Extracted(columns.steps.write(description, columns.then(then)), answer)


def extract_hist_gradient_boosting(estimator: Any, columns: Columns, rows: Any) -> Extracted:
    """Describe a `HistGradientBoostingClassifier` or `HistGradientBoostingRegressor`.

    Args:
        estimator: The fitted model, with native categories and missing values as they are.
        columns: Its features.
        rows: Not needed.

    Returns:
        The description, and scikit-learn's answers.
    """
    del rows
    classes = plain_labels(estimator.classes_) if hasattr(estimator, "classes_") else ()
    trees = Trees()
    for iteration in estimator._predictors:  # noqa: SLF001 - no other way
        for output, predictor in enumerate(iteration):
            nodes = predictor.nodes
            sets = np.full(len(nodes), NO_SET)
            for node in np.flatnonzero(nodes["is_categorical"] & ~nodes["is_leaf"].astype(bool)):
                words = predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]]
                sets[node] = trees.add_set(find_bits(words))
            trees.add(
                feature=np.where(nodes["is_leaf"], LEAF, nodes["feature_idx"]),
                threshold=nodes["num_threshold"],
                left=nodes["left"],
                right=nodes["right"],
                missing_left=nodes["missing_go_to_left"],
                values=nodes["value"],
                output=output,
                category_set=sets,
            )
    log_link = not classes and type(estimator._loss.link).__name__ == "LogLink"  # noqa: SLF001 - no other way
    description = trees.write(
        Description(
            family=type(estimator).__name__,
            task=_task_of(classes),
            classes=classes,
            start=np.asarray(estimator._baseline_prediction, np.float64).ravel(),  # noqa: SLF001 - no other way
            link=link_of(len(classes)) if classes else "exp" if log_link else "none",
            exp="numpy" if log_link or len(classes) > TWO else "libm",
            cut=SMALLEST_DOUBLE if len(classes) == TWO else None,
        )
    )

    def answer(table: Any) -> Scores:
        raw = estimator._raw_predict(table)  # noqa: SLF001 - a regressor gives its raw score nowhere else
        probability = estimator.predict_proba(table) if classes else None
        return make_scores(raw, probability, estimator.predict(table), classes)

    return Extracted(columns.steps.write(description, _order_histogram_features(estimator, columns)), answer)


def _order_histogram_features(estimator: Any, columns: Columns) -> list[NumberSlot]:
    """Encode native categories, which the estimator puts first."""
    if estimator._preprocessor is None:  # noqa: SLF001 - no other way
        return columns.then(Then.NOTHING)
    categories = estimator._preprocessor.named_transformers_["encoder"].categories_  # noqa: SLF001
    encoded: list[NumberSlot] = []
    plain: list[NumberSlot] = []
    for slot, name, is_categorical in zip(columns.slots, columns.names, estimator.is_categorical_, strict=True):
        if not is_categorical:
            plain.append(columns.steps.also(slot, Then.NOTHING, name))
            continue
        known = [key for key in categories[len(encoded)].tolist() if not is_missing(key)]
        key_slot = columns.steps.also(slot, Then.REFUSE_INFINITE, name) if isinstance(slot, NumberSlot) else slot
        encoded.append(columns.steps.look_up(key_slot, known, np.arange(len(known)), missing=np.nan, unknown=np.nan))
    return [*encoded, *plain]


def extract_linear(estimator: Any, columns: Columns, rows: Any) -> Extracted:
    """Describe a linear or logistic regression.

    Args:
        estimator: The fitted model.
        columns: Its features.
        rows: Some rows that it takes, from which its precision is seen.

    Returns:
        The description, and scikit-learn's answers with the rounding of its sums.

    Raises:
        HandOverError: If the model predicts several outputs.
    """
    name = type(estimator).__name__
    classes = plain_labels(estimator.classes_) if hasattr(estimator, "classes_") else ()
    coefficients = np.atleast_2d(np.asarray(estimator.coef_, np.float64))
    if not classes and len(coefficients) > 1:
        msg = f"The {name} predicts {len(coefficients)} outputs. Fit a model for each, and hand them over one by one."
        raise HandOverError(msg)
    description = Description(
        family=name,
        task=_task_of(classes),
        classes=classes,
        start=np.broadcast_to(np.asarray(estimator.intercept_, np.float64).ravel(), len(coefficients)).copy(),
        coefficients=coefficients,
        link=link_of(len(classes)) if classes else "none",
        exp="numpy" if len(classes) > TWO else "libm",
        cut=SMALLEST_DOUBLE if len(classes) == TWO else None,
    )
    decide = estimator.decision_function if classes else estimator.predict

    def answer(table: Any) -> Scores:
        probability = estimator.predict_proba(table) if classes else None
        return make_scores(decide(table), probability, estimator.predict(table), classes)

    round_off = float(np.finfo(np.asarray(decide(rows[:1])).dtype).eps) / 2
    slots = columns.then(Then.REFUSE_INFINITE | Then.REFUSE_MISSING)
    return Extracted(columns.steps.write(description, slots), answer, round_off)


def find_bits(words: Any) -> list[int]:
    """Give the numbers of the bits that are set in a row of 32-bit words."""
    return [
        word_number * BITS_OF_A_WORD + bit
        for word_number, word in enumerate(np.asarray(words).tolist())
        for bit in range(BITS_OF_A_WORD)
        if word >> bit & 1
    ]


def is_missing(key: Any) -> bool:
    """Whether a category stands for a missing value."""
    return key is None or (isinstance(key, float) and np.isnan(key))


def _task_of(classes: Any) -> Any:
    return "regression" if not classes else "binary" if len(classes) == TWO else "multiclass"


def bound_of_sums(description: Description, features: Floats, round_off: float) -> Floats:
    """Bound how far two sums of the same products can be apart, whatever order each is made in.

    Args:
        description: A linear model.
        features: One column for each feature.
        round_off: The rounding of one operation of the library.

    Returns:
        The bound for each row and output: with n terms, each sum is within n times the rounding of the exact one,
        relative to the sum of the absolute products.
    """
    terms = features.shape[1] + 1
    with np.errstate(over="ignore"):
        absolute = np.abs(features) @ np.abs(description.coefficients).T + np.abs(description.start)
    own = np.finfo(np.float64).eps / 2
    library = np.float32 if round_off > own else np.float64
    absolute = np.where(absolute < np.finfo(library).max, absolute, np.inf)  # there the library's sum overflows
    return np.asarray(absolute * 1.01 * (terms + 1) * (own / (1 - terms * own) + round_off / (1 - terms * round_off)))
