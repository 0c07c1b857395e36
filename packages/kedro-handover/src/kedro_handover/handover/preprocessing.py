"""Describes the preprocessing of scikit-learn: what a Pipeline does to each column before the model sees it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from kedro_handover.errors import HandOverError
from kedro_handover.handover.building import Columns, NumberSlot, Slot, TextSlot
from kedro_handover.handover.description import Refuses, Step, Then
from kedro_handover.handover.sklearn_models import is_missing

UNSEEN_TEXT = "\u0000 unseen"


def describe_step(step: Any, columns: Columns, rows: Any) -> tuple[Columns, Any]:
    """Describe a fitted transformer.

    Args:
        step: The transformer, or a Pipeline or ColumnTransformer of some.
        columns: What it reads.
        rows: Some rows that it takes.

    Returns:
        What it gives, described and as rows.

    Raises:
        HandOverError: If it is of a kind that is not described.
    """
    name = type(step).__name__
    if name == "Pipeline":
        for _, member in step.steps:
            columns, rows = describe_step(member, columns, rows)
        return columns, rows
    if step in {"passthrough", None}:
        return columns, rows
    if name == "ColumnTransformer":
        return Columns(columns.steps, *_describe_column_transformer(step, columns, rows)), step.transform(rows)
    if hasattr(step, "get_support"):
        from sklearn.utils import get_tags

        chosen = step.get_support(indices=True).tolist()
        then = Then.NOTHING if get_tags(step).input_tags.allow_nan else Then.REFUSE_INFINITE | Then.REFUSE_MISSING
        kept: list[Slot] = [columns.steps.also(columns.slots[i], then, columns.names[i]) for i in chosen]
        return Columns(columns.steps, kept, [columns.names[i] for i in chosen]), step.transform(rows)
    if name not in DESCRIBED:
        msg = (
            f"The step {name} of the Pipeline can't be handed over as numbers. These can: {', '.join(DESCRIBED)}, "
            "ColumnTransformer and selectors of features. Take another step, or hand the model over as the library "
            "itself: hand_over(model, prove_on=X, as_library=True)."
        )
        raise HandOverError(msg)
    result = step.transform(rows)
    slots = DESCRIBED[name](step, columns, rows, np.dtype(getattr(result, "dtype", np.float64)))
    return Columns(columns.steps, slots, [f"{name}_{i}" for i in range(len(slots))]), result


def _describe_column_transformer(step: Any, columns: Columns, rows: Any) -> tuple[list[Slot], list[str]]:
    width = max((part.stop for part in step.output_indices_.values()), default=0)
    slots: list[Slot | None] = [None] * width
    names = [""] * width
    for name, member, _ in step.transformers_:
        if isinstance(member, str) and member == "drop":
            continue
        chosen = step._transformer_to_input_indices[name]  # noqa: SLF001 - no other way
        block = rows.iloc[:, chosen] if isinstance(rows, pd.DataFrame) else rows[:, chosen]
        part = Columns(columns.steps, [columns.slots[i] for i in chosen], [columns.names[i] for i in chosen])
        if len(chosen):
            part, _ = describe_step(member, part, block)
        place = step.output_indices_[name]
        slots[place], names[place] = part.slots, part.names
    return [slot for slot in slots if slot is not None], names


def _pass(step: Any, columns: Columns, rows: Any, dtype: np.dtype[Any]) -> list[Slot]:
    del rows, dtype
    if step.func is not None:
        msg = (
            f"A FunctionTransformer runs {step.func.__name__}, and no Python function can be handed over as numbers. "
            "Compute the column before the model."
        )
        raise HandOverError(msg)
    return columns.slots


def _impute(step: Any, columns: Columns, rows: Any, dtype: np.dtype[Any]) -> list[Slot]:
    del rows
    is_nan = is_missing(step.missing_values) or step.missing_values is pd.NA
    slots: list[Slot] = []
    indicated: list[Slot] = []
    indicator = step.indicator_.features_.tolist() if step.add_indicator else []
    for i, (slot, name, statistic) in enumerate(zip(columns.slots, columns.names, step.statistics_, strict=True)):
        if isinstance(slot, TextSlot):
            if not is_nan or step.add_indicator:
                msg = f"The SimpleImputer of the text {name!r} has missing_values or add_indicator. Fit it without."
                raise HandOverError(msg)
            slots.append(TextSlot(slot.input, str(statistic)))
            continue
        then = Then.REFUSE_INFINITE if is_nan else Then.REFUSE_INFINITE | Then.REFUSE_MISSING
        number = columns.steps.also(slot, then, name)
        if not is_nan:
            number = columns.steps.add(Step.MISSING_VALUE, number.step, float(step.missing_values))
        if i in indicator:
            indicated.append(columns.steps.add(Step.IS_MISSING, number.step))
        if is_missing(statistic) and not step.keep_empty_features:
            continue  # a column with no value at all is left out
        if dtype == np.float32:
            columns.steps.require_float32(slot)
        imputed = float(np.asarray(statistic).astype(dtype if dtype.kind == "f" else np.float64))
        slots.append(columns.steps.add(Step.IMPUTE, number.step, imputed))
    return [*slots, *indicated]


def _scale(operations: Callable[[Any], list[tuple[Step, Any]]]) -> Callable[..., list[Slot]]:
    """Make the describer of a scaler from its operations, each with one number for each column."""

    def describe(step: Any, columns: Columns, rows: Any, dtype: np.dtype[Any]) -> list[Slot]:
        del rows
        slots: list[Slot] = []
        for i, (slot, name) in enumerate(zip(columns.slots, columns.names, strict=True)):
            number = columns.steps.also(slot, Then.REFUSE_INFINITE, name)
            if dtype == np.float32:
                columns.steps.require_float32(slot)
            for kind, arguments in operations(step):
                argument = float(arguments[i] if np.ndim(arguments) else arguments)
                if dtype == np.float32 and _is_rounded_first(step, kind):
                    argument = float(np.float32(argument))
                then = Then.ROUND if dtype == np.float32 else Then.NOTHING
                number = columns.steps.add(kind, number.step, argument, then)
            slots.append(number)
        return slots

    return describe


def _is_rounded_first(step: Any, kind: Step) -> bool:
    """Whether scikit-learn rounds the argument to float32 too; else it computes in double, and rounds the result."""
    return type(step).__name__ == "StandardScaler" or kind in {Step.AT_LEAST, Step.AT_MOST}


def _standard(step: Any) -> list[tuple[Step, Any]]:
    centred = [(Step.SUBTRACT, step.mean_)] if step.with_mean else []
    return [*centred, *([(Step.DIVIDE, step.scale_)] if step.with_std else [])]


def _min_max(step: Any) -> list[tuple[Step, Any]]:
    low, high = step.feature_range
    return [(Step.MULTIPLY, step.scale_), (Step.ADD, step.min_), *_clip(step, low, high)]


def _max_abs(step: Any) -> list[tuple[Step, Any]]:
    return [(Step.DIVIDE, step.scale_), *_clip(step, -1.0, 1.0)]


def _clip(step: Any, low: float, high: float) -> list[tuple[Step, Any]]:
    return [(Step.AT_LEAST, low), (Step.AT_MOST, high)] if getattr(step, "clip", False) else []


def _robust(step: Any) -> list[tuple[Step, Any]]:
    centred = [(Step.SUBTRACT, step.center_)] if step.with_centering else []
    return [*centred, *([(Step.DIVIDE, step.scale_)] if step.with_scaling else [])]


def _one_hot(step: Any, columns: Columns, rows: Any, dtype: np.dtype[Any]) -> list[Slot]:
    del dtype
    slots: list[Slot] = []
    begin = 0
    for i, width in enumerate(step._n_features_outs):  # noqa: SLF001 - no other way
        place = slice(begin, begin + width)
        begin += width

        def code(output: Any, place: slice = place) -> Any:
            shares = output[:, place]
            return np.where(shares.any(axis=1), shares.argmax(axis=1), -1) if place.stop > place.start else [-1.0]

        found = _look_up(step, columns, rows, i, code)
        slots.extend(columns.steps.add(Step.EQUALS, found.step, k) for k in range(width))
    return slots


def _ordinal(step: Any, columns: Columns, rows: Any, dtype: np.dtype[Any]) -> list[Slot]:
    del dtype

    def reader(i: int) -> Callable[[Any], Any]:
        return lambda output: output[:, i]

    return [_look_up(step, columns, rows, i, reader(i)) for i in range(len(columns.slots))]


def _look_up(step: Any, columns: Columns, rows: Any, i: int, code: Callable[[Any], Any]) -> NumberSlot:
    """Describe one column of an encoder by asking the encoder: of each category, a missing value, and an unseen one.

    So infrequent levels, dropped levels and what happens to unknown ones are the encoder's own.
    """
    slot, name = columns.slots[i], columns.names[i]
    keys = [key for key in step.categories_[i].tolist() if not is_missing(key)]
    lacks = any(key is None for key in step.categories_[i].tolist())
    is_bool = bool(keys) and isinstance(keys[0], bool)
    numbers = isinstance(slot, NumberSlot)
    unseen = (max(map(float, keys), default=0.0) + 1.5) if numbers else UNSEEN_TEXT
    refuses = Refuses.NOTHING
    answers = []
    for key, refusal in ((None if lacks else np.nan, Refuses.MISSING), (unseen, Refuses.UNKNOWN)):
        try:
            answers.append(float(code(_ask(step, columns, rows, i, [key]))[0]))
        except ValueError:
            answers.append(0.0)
            refuses |= refusal
        else:
            if is_bool:
                refuses |= refusal
    values = code(_ask(step, columns, rows, i, keys)) if keys else []
    if isinstance(slot, NumberSlot):
        slot = columns.steps.also(slot, Then.REFUSE_INFINITE, name)
    return columns.steps.look_up(
        slot,
        [float(k) for k in keys] if numbers else keys,
        values,
        missing=answers[0],
        unknown=answers[1],
        refuses=refuses,
    )


def _ask(step: Any, columns: Columns, rows: Any, i: int, keys: Sequence[Any]) -> Any:
    """Transform a table whose column `i` has the keys, and whose other columns have a category that is known."""
    filled: list[Any] = []
    for j, slot in enumerate(columns.slots):
        values = list(keys) if j == i else [step.categories_[j].tolist()[0]] * len(keys)
        kind: Any = object if isinstance(slot, TextSlot) else None
        filled.append(np.array(values, kind))
    if isinstance(rows, pd.DataFrame):
        table: Any = pd.DataFrame(dict(enumerate(filled)))
        table.columns = rows.columns
    else:
        kind = object if any(column.dtype == object for column in filled) else np.float64
        table = np.column_stack([column.astype(kind) for column in filled])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it warns of categories that it does not know
        output = step.transform(table)
    return output.toarray() if hasattr(output, "toarray") else np.asarray(output)


DESCRIBED: dict[str, Callable[[Any, Columns, Any, np.dtype[Any]], list[Slot]]] = {
    "FunctionTransformer": _pass,
    "SimpleImputer": _impute,
    "StandardScaler": _scale(_standard),
    "MinMaxScaler": _scale(_min_max),
    "MaxAbsScaler": _scale(_max_abs),
    "RobustScaler": _scale(_robust),
    "OneHotEncoder": _one_hot,
    "OrdinalEncoder": _ordinal,
}
"""What describes each transformer, by the name of its class."""
