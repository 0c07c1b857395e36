"""Evaluates a description in NumPy: what a hand-over is proven with, and what scores frames that are not Spark's."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from kedro_handover.errors import HandOverError
from kedro_handover.handover.description import (
    ALL_OUTPUTS,
    LEAF,
    NO_SET,
    Description,
    Floats,
    Integers,
    Refuses,
    Step,
    Then,
)

BLOCK_CELLS = 200_000
"""Rows are taken so many at a time that rows times trees stay near this: they then fit a core's cache."""

EXPF_ARGUMENT_LIMIT = np.float32(88.7)
"""XGBoost cuts what it gives to `expf` here, so that it stays finite."""


@dataclass(frozen=True, eq=False)
class Scores:
    """What a model says of each row.

    Attributes:
        score: The raw score, a column for each output; NaN where the row is refused.
        probability: A column for each class; None for a regression.
        label: The number of the class; -1 where the row is refused; None for a regression.
        prediction: The class, or the number that a regression predicts.
        refused: Rows that the library would raise an error for.
    """

    score: Floats
    probability: Floats | None
    label: Integers | None
    prediction: NDArray[Any]
    refused: NDArray[np.bool_]


def read_inputs(description: Description, table: Any) -> list[NDArray[Any]]:
    """Take the columns that a model reads out of a table.

    Args:
        description: The model.
        table: A pandas frame, or an Arrow table.

    Returns:
        For each input: doubles with NaN where missing, or texts with None where missing.

    Raises:
        HandOverError: If a column is missing, text where numbers are wanted, or would be cut.
    """
    names = set(table.columns if isinstance(table, pd.DataFrame) else table.schema.names)
    if missing := [column.name for column in description.inputs if column.name not in names]:
        msg = f"The table lacks {', '.join(map(repr, missing))}, which the model reads. Add or rename the columns."
        raise HandOverError(msg)
    columns = []
    for column in description.inputs:
        try:
            columns.append(_read_column(table[column.name], column.name, column.type))
        except (ValueError, TypeError, pa.ArrowException) as error:
            kind = table[column.name].dtype if isinstance(table, pd.DataFrame) else table.schema.field(column.name).type
            msg = f"The column {column.name!r} is {kind}, and the model reads numbers: {error}. Cast it in the table."
            raise HandOverError(msg) from error
    return columns


def _read_column(column: Any, name: str, type_: str) -> NDArray[Any]:
    if isinstance(column, pd.Series):
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.astype(object if type_ == "text" else np.float64)
        if type_ == "text":
            return np.array([value if isinstance(value, str) else None for value in column], object)
        values = column.to_numpy()
        numbers = np.asarray(column.to_numpy(np.float64, na_value=np.nan))
        whole = pd.api.types.is_integer_dtype(column.dtype)
    else:
        if type_ == "text":
            return np.array(column.cast(pa.large_string()).to_pylist(), object)
        whole = pa.types.is_integer(column.type)
        values = column.to_numpy(zero_copy_only=False)
        numbers = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
    if whole and len(numbers) and np.nanmax(np.abs(numbers)) > 2**53:
        msg = (
            f"The column {name!r} has whole numbers above 2**53, which a double does not hold exactly. "
            "Cast it to double in the table, so that the model and its hand-over see the same number."
        )
        raise HandOverError(msg)
    if type_ == "float32":
        with np.errstate(over="ignore"):
            cut = numbers.astype(np.float32).astype(np.float64)
        if not np.array_equal(cut, numbers, equal_nan=True):
            example = values[np.flatnonzero((cut != numbers) & ~np.isnan(numbers))[0]]
            msg = (
                f"The column {name!r} was float32 at the hand-over and holds {example!r} now, which float32 would cut. "
                "Cast it to float32 yourself, or hand the model over with rows of float64."
            )
            raise HandOverError(msg)
    return numbers


def evaluate(description: Description, inputs: Sequence[NDArray[Any]]) -> Scores:
    """Score rows.

    Args:
        description: The model.
        inputs: What `read_inputs` gives.

    Returns:
        The scores, bit for bit those of the library, by the description's promise.
    """
    features, refused = prepare(description, inputs)
    score = add_up(description, features)
    score[refused] = np.nan
    return finish(description, score, refused)


def prepare(description: Description, inputs: Sequence[NDArray[Any]]) -> tuple[Floats, NDArray[np.bool_]]:
    """Run the steps.

    Args:
        description: The model.
        inputs: One array for each input.

    Returns:
        A column for each feature, and which rows the library would refuse.
    """
    rows = len(inputs[0]) if inputs else 0
    refused = np.zeros(rows, bool)
    results: list[Floats] = []
    with np.errstate(all="ignore"):
        for kind, source, argument, then in zip(
            description.step_kind.tolist(),
            description.step_source.tolist(),
            description.step_argument.tolist(),
            description.step_then.tolist(),
            strict=True,
        ):
            if kind == Step.NUMBER:
                result = inputs[source]
            elif kind == Step.TEXT_LOOKUP:
                result = _look_up(description, int(argument), inputs[source], refused)
            elif kind == Step.NUMBER_LOOKUP:
                result = _look_up(description, int(argument), results[source], refused)
            else:
                result = _ELEMENTWISE[Step(kind)](results[source], argument)
            if then & Then.ROUND:
                result = result.astype(np.float32).astype(np.float64)
            if then & Then.REFUSE_MISSING:
                refused |= np.isnan(result)
            if then & Then.REFUSE_INFINITE:
                refused |= np.isinf(result)
            results.append(result)
    features = np.empty((rows, len(description.features)))
    for j, step in enumerate(description.features.tolist()):
        features[:, j] = results[step]
    return features, refused


_ELEMENTWISE: dict[Step, Callable[[Floats, float], Floats]] = {
    Step.IMPUTE: lambda x, a: np.where(np.isnan(x), a, x),
    Step.ADD: lambda x, a: x + a,
    Step.SUBTRACT: lambda x, a: x - a,
    Step.MULTIPLY: lambda x, a: x * a,
    Step.DIVIDE: lambda x, a: x / a,
    Step.AT_LEAST: lambda x, a: np.where(x < a, a, x),
    Step.AT_MOST: lambda x, a: np.where(x > a, a, x),
    Step.EQUALS: lambda x, a: np.asarray(x == a, np.float64),
    Step.MISSING_VALUE: lambda x, a: np.where(x == a, np.nan, x),
    Step.TRUNCATE: lambda x, _: np.trunc(x),
    Step.FLOOR: lambda x, _: np.floor(x),
    Step.SMALL_AS_ZERO: lambda x, a: np.where(np.abs(x) <= a, 0.0, x),
    Step.IS_MISSING: lambda x, _: np.asarray(np.isnan(x), np.float64),
}


def _look_up(description: Description, table: int, keys: NDArray[Any], refused: NDArray[np.bool_]) -> Floats:
    begin, end = description.table_offsets[table], description.table_offsets[table + 1]
    is_text = keys.dtype == object
    known = description.table_texts[begin:end] if is_text else description.table_numbers[begin:end].tolist()
    entries = dict(zip(known, description.table_values[begin:end].tolist(), strict=True))
    missing = np.array([key is None for key in keys], bool) if is_text else np.isnan(keys)
    unknown = np.array([key not in entries for key in keys.tolist()], bool) & ~missing
    result = np.array([entries.get(key, 0.0) for key in keys.tolist()], np.float64)
    result[missing], result[unknown] = description.table_missing[table], description.table_unknown[table]
    refuses = int(description.table_refuses[table])
    if refuses & Refuses.MISSING:
        refused |= missing
    if refuses & Refuses.UNKNOWN:
        refused |= unknown
    return result


def add_up(description: Description, features: Floats) -> Floats:
    """Make the raw scores from the features.

    Args:
        description: The model.
        features: One column for each feature.

    Returns:
        One column for each output, summed in the library's order and type.
    """
    rows, type_ = len(features), np.dtype(description.sum_type)
    score = np.empty((rows, description.n_outputs), type_)
    if description.is_linear:
        with np.errstate(all="ignore"):
            for k in range(description.n_outputs):
                total = np.zeros(rows)
                for j in range(features.shape[1]):
                    total = total + features[:, j] * description.coefficients[k, j]
                score[:, k] = total + description.start[k]
        return score
    values = description.values.astype(type_)  # noqa: PD011 - an array of NumPy
    outputs = description.tree_output.tolist()
    size = max(1, BLOCK_CELLS // len(outputs))
    for begin in range(0, rows, size):
        block = score[begin : begin + size]
        block[:] = description.start.astype(type_)
        leaves = description.left[find_leaves(description, features[begin : begin + size])]
        for tree, output in enumerate(outputs):
            if output == ALL_OUTPUTS:
                block += values[leaves[:, tree]]
            else:
                block[:, output] += values[leaves[:, tree], 0]
        if description.divisor != 1:
            block /= type_.type(description.divisor)
    return score.astype(np.float64)


def find_leaves(description: Description, features: Floats, reached: Integers | None = None) -> Integers:
    """Find the leaf of each row in each tree.

    Args:
        description: The model.
        features: One column for each feature; a few thousand rows at a time.
        reached: If given, is filled with a row that comes to each node.

    Returns:
        The number of a node: a row for each row, a column for each tree.
    """
    rows, trees = len(features), len(description.roots)
    flat, width = np.ascontiguousarray(features).ravel(), features.shape[1]
    found = np.empty(rows * trees, np.int32)
    slot = np.arange(rows * trees)
    node = np.tile(description.roots, rows)
    row_start = np.repeat(np.arange(rows) * width, trees)
    has_sets = bool(len(description.set_offsets) > 1)
    while len(slot):
        if reached is not None:
            reached[node] = row_start // max(width, 1)
        feature = description.feature[node]
        done = feature == LEAF
        if done.any():
            found[slot[done]] = node[done]
            going = ~done
            slot, node, row_start, feature = slot[going], node[going], row_start[going], feature[going]
            if not len(slot):
                break
        value = flat[row_start + feature]
        goes_left = value <= description.threshold[node]
        if has_sets:
            splits = np.flatnonzero(description.category_set[node] != NO_SET)
            goes_left[splits] = _are_members(description, description.category_set[node[splits]], value[splits])
        missing = np.isnan(value)
        goes_left = np.where(missing, description.missing_left[node] != 0, goes_left)
        node = np.where(goes_left, description.left[node], description.right[node])
    return found.reshape(rows, trees)


def _are_members(description: Description, sets: Integers, codes: Floats) -> NDArray[np.bool_]:
    """Tell for each pair of a set and a code whether the code is in the set."""
    pairs = np.repeat(np.arange(len(description.set_offsets) - 1), np.diff(description.set_offsets))
    members = pairs.astype(np.float64) * 2**20 + description.set_codes
    possible = (codes >= 0) & (codes < 2**20) & (codes == np.trunc(codes))
    wanted = sets.astype(np.float64) * 2**20 + np.where(possible, codes, 0.0)
    return np.asarray(possible & np.isin(wanted, members))


def finish(description: Description, score: Floats, refused: NDArray[np.bool_]) -> Scores:
    """Make probabilities, labels and predictions from raw scores.

    Args:
        description: The model.
        score: One column for each output.
        refused: Rows without a score.

    Returns:
        All that the model says.
    """
    linked = apply_link(description, score)
    if description.task == "regression":
        return Scores(score, None, None, np.where(refused, np.nan, linked[:, 0]), refused)
    probability = linked
    if description.n_outputs == 1:
        second = linked[:, 0].astype(description.link_type)
        probability = np.stack([type(second[0])(1) - second if len(second) else second, second], axis=1)
        probability = probability.astype(np.float64)
        cut = np.inf if description.cut is None else description.cut
        label = (score[:, 0] >= cut).astype(np.int32)
    elif description.above is not None:
        label = (probability[:, 1] > description.above).astype(np.int32)
    else:
        label = np.argmax(score, axis=1).astype(np.int32)
    label[refused] = -1
    classes = np.array([*description.classes, None], object)
    return Scores(score, probability, label, classes[label], refused)


def apply_link(description: Description, score: Floats) -> Floats:
    """Apply the link to raw scores, with the C library's own functions.

    Args:
        description: The model.
        score: One column for each output.

    Returns:
        Probabilities, or predictions of a regression.
    """
    if description.link == "none":
        return score
    single = description.link_type == "float32"
    raise_e: Callable[[Any], NDArray[Any]] = exp_float if single else exp
    with np.errstate(all="ignore"):
        x: NDArray[Any] = score * description.link_scale
        if single:
            x = x.astype(np.float32)
        if description.link == "softmax":
            raised = raise_e(x - np.fmax.reduce(x, axis=1, keepdims=True))
            total = np.zeros(len(x))
            for k in range(x.shape[1]):
                total = total + raised[:, k]
            shares = raised / total.astype(x.dtype)[:, None]
        elif description.link == "sigmoid":
            one = x.dtype.type(1)
            raised = raise_e(np.minimum(-x, EXPF_ARGUMENT_LIMIT) if single else -x)
            shares = one / (one + raised)
        else:
            shares = raise_e(x)
    return np.asarray(shares, np.float64)


def exp(x: Floats) -> Floats:
    """Raise e to each power with the C library's `exp`: NumPy has one of its own on processors with AVX-512.

    Args:
        x: The powers.

    Returns:
        The results, in the same shape.
    """
    return np.array([_exp(power) for power in x.ravel().tolist()], np.float64).reshape(x.shape)


def _exp(power: float) -> float:
    try:
        return math.exp(power)
    except OverflowError:
        return math.inf


def exp_float(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Raise e to each power with the C library's `expf`.

    Args:
        x: The powers.

    Returns:
        The results, in the same shape.
    """
    expf = _find_expf()
    return np.array([expf(power) for power in x.ravel().tolist()], np.float32).reshape(x.shape)


@functools.cache
def _find_expf() -> Any:
    """Find `expf` in the C library that this process has loaded."""
    library = ctypes.CDLL(ctypes.util.find_library("m") or ctypes.util.find_library("ucrtbase"))
    expf = library.expf
    expf.argtypes, expf.restype = [ctypes.c_float], ctypes.c_float
    return expf
