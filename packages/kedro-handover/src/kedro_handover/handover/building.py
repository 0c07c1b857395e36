"""What extractors write a description with: steps that share their beginnings, and trees that share their arrays."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from kedro_handover.errors import HandOverError
from kedro_handover.handover.description import LEAF, NO_SET, Description, Input, InputType, Refuses, Step, Then

MAX_CODE = 65_535
"""The largest code of a category: sets are bits, and a row has at most this many looked at."""


@dataclass(frozen=True)
class NumberSlot:
    """A feature on its way: a number that a step gives."""

    step: int


@dataclass(frozen=True)
class TextSlot:
    """A feature on its way: the text in an input column, and what stands in for it where it is missing."""

    input: int
    imputed: str | None = None


Slot = NumberSlot | TextSlot


@dataclass(frozen=True)
class _Written:
    """A step as it is written, so that two equal ones are one."""

    kind: Step
    source: int
    argument: float | bytes  # the bytes of a number that may be NaN, which is not equal to itself
    then: Then


@dataclass
class Steps:
    """The steps that prepare features, each written once.

    Attributes:
        inputs: The columns, in the order of the table.
    """

    inputs: list[Input] = field(default_factory=list)
    _steps: list[_Written] = field(default_factory=list)
    _known: dict[_Written, int] = field(default_factory=dict)
    _tables: list[tuple[tuple[Any, ...], NDArray[np.float64], float, float, Refuses]] = field(default_factory=list)

    def add_input(self, name: str, type_: InputType) -> Slot:
        """Add a column, and give it as a slot."""
        self.inputs.append(Input(name, type_))
        number = len(self.inputs) - 1
        return TextSlot(number) if type_ == "text" else self.add(Step.NUMBER, number)

    def add(self, kind: Step, source: int, argument: float = 0.0, then: Then = Then.NOTHING) -> NumberSlot:
        """Add a step, or find the same one.

        Args:
            kind: What it does.
            source: The step, or for `NUMBER` and `TEXT_LOOKUP` the input, that it reads.
            argument: Its number.
            then: What happens to its result.

        Returns:
            The slot of its result.
        """
        written = _Written(kind, source, np.float64(argument).tobytes(), then)
        if written not in self._known:
            self._known[written] = len(self._steps)
            self._steps.append(written)
        return NumberSlot(self._known[written])

    def also(self, slot: Slot, then: Then, name: str) -> NumberSlot:
        """Give the slot with further `Then` flags.

        Args:
            slot: A number.
            then: The flags.
            name: The feature, for the error.

        Returns:
            The new slot.

        Raises:
            HandOverError: If it is text.
        """
        if isinstance(slot, TextSlot):
            msg = f"The feature {name!r} is text where the model takes a number. Encode it in the model's Pipeline."
            raise HandOverError(msg)
        step = self._steps[slot.step]
        return self.add(step.kind, step.source, _number(step.argument), step.then | then)

    def look_up(  # noqa: PLR0913 - a table has as many parts
        self,
        slot: Slot,
        keys: Sequence[Any],
        values: ArrayLike,
        *,
        missing: float,
        unknown: float,
        refuses: Refuses = Refuses.NOTHING,
        then: Then = Then.NOTHING,
    ) -> NumberSlot:
        """Add a lookup of categories.

        Args:
            slot: The text or number to look up.
            keys: The categories.
            values: What each gives.
            missing: What a missing value gives.
            unknown: What any other gives.
            refuses: Which of these two have no value.
            then: What happens to the result.

        Returns:
            The slot of the value.

        Raises:
            HandOverError: If texts are to be found among numbers, or the other way round.
        """
        found = np.asarray(values, np.float64)
        texts = [isinstance(key, str) for key in keys]
        if any(texts) != all(texts) or (keys and texts[0] != isinstance(slot, TextSlot)):
            where = self.inputs[slot.input].name if isinstance(slot, TextSlot) else "a numeric column"
            msg = (
                f"The categories of {where} are {', '.join(map(repr, keys[:5]))}…, which are not of the column's own "
                "type. Make them all texts or all numbers, as they are in the table."
            )
            raise HandOverError(msg)
        if isinstance(slot, TextSlot) and slot.imputed is not None:
            if slot.imputed in keys:
                missing, refuses = float(found[list(keys).index(slot.imputed)]), refuses & ~Refuses.MISSING
            else:
                missing, unknown_refused = unknown, bool(refuses & Refuses.UNKNOWN)
                refuses = (refuses & ~Refuses.MISSING) | (Refuses.MISSING if unknown_refused else Refuses.NOTHING)
        self._tables.append((tuple(keys), found, missing, unknown, refuses))
        kind = Step.TEXT_LOOKUP if isinstance(slot, TextSlot) else Step.NUMBER_LOOKUP
        return self.add(kind, slot.input if isinstance(slot, TextSlot) else slot.step, len(self._tables) - 1, then)

    def require_float32(self, slot: Slot) -> None:
        """Mark the inputs behind a slot as float32: the library computes in the type of the column."""
        while isinstance(slot, NumberSlot):
            step = self._steps[slot.step]
            slot = TextSlot(step.source) if step.kind in {Step.NUMBER, Step.TEXT_LOOKUP} else NumberSlot(step.source)
            if step.kind is Step.NUMBER:
                self.inputs[step.source] = Input(self.inputs[step.source].name, "float32")

    def write(self, description: Description, features: Sequence[NumberSlot]) -> Description:
        """Put the steps that the features need into a description.

        Args:
            description: The body.
            features: The slot of each feature.

        Returns:
            The description with inputs, steps and tables.
        """
        needed: set[int] = set()
        for slot in features:
            number = slot.step
            while number not in needed:
                needed.add(number)
                if self._steps[number].kind in {Step.NUMBER, Step.TEXT_LOOKUP}:
                    break
                number = self._steps[number].source
        kept = {old: new for new, old in enumerate(sorted(needed))}
        steps = [self._steps[old] for old in kept]
        used_inputs = sorted({s.source for s in steps if s.kind in {Step.NUMBER, Step.TEXT_LOOKUP}})
        used_tables = sorted(
            {int(_number(s.argument)) for s in steps if s.kind in {Step.TEXT_LOOKUP, Step.NUMBER_LOOKUP}}
        )
        tables = [self._tables[number] for number in used_tables]
        sources, arguments = [], []
        for step in steps:
            from_input = step.kind in {Step.NUMBER, Step.TEXT_LOOKUP}
            sources.append(used_inputs.index(step.source) if from_input else kept[step.source])
            looks_up = step.kind in {Step.TEXT_LOOKUP, Step.NUMBER_LOOKUP}
            argument = _number(step.argument)
            arguments.append(used_tables.index(int(argument)) if looks_up else argument)
        keys = [key for table in tables for key in table[0]]
        return replace(
            description,
            inputs=tuple(self.inputs[number] for number in used_inputs),
            step_kind=np.array([s.kind for s in steps], np.int32),
            step_source=np.array(sources, np.int32),
            step_argument=np.array(arguments, np.float64),
            step_then=np.array([s.then for s in steps], np.int32),
            features=np.array([kept[slot.step] for slot in features], np.int32),
            table_offsets=np.cumsum([0, *(len(table[0]) for table in tables)], dtype=np.int32),
            table_numbers=np.array([0.0 if isinstance(key, str) else float(key) for key in keys], np.float64),
            table_texts=tuple(key if isinstance(key, str) else "" for key in keys),
            table_values=np.concatenate([np.zeros(0), *(table[1] for table in tables)]),
            table_missing=np.array([table[2] for table in tables], np.float64),
            table_unknown=np.array([table[3] for table in tables], np.float64),
            table_refuses=np.array([table[4] for table in tables], np.int32),
        )


def _number(argument: float | bytes) -> float:
    return float(np.frombuffer(argument, np.float64)[0]) if isinstance(argument, bytes) else argument


@dataclass
class Columns:
    """The features that a model reads: where each comes from, and how it is called.

    Attributes:
        steps: What they are written to.
        slots: One for each feature.
        names: Their names.
    """

    steps: Steps
    slots: list[Slot]
    names: list[str]

    @classmethod
    def of(cls, table: Any, names: Sequence[str] | None = None) -> Columns:
        """Take the columns of a table as they are.

        Args:
            table: A pandas frame or a two-dimensional array.
            names: Names for the columns of an array; `x0`, `x1`, … where there are none.

        Returns:
            One slot for each column: text, or a number.
        """
        steps = Steps()
        if isinstance(table, pd.DataFrame):
            known = [str(name) for name in table.columns]
            types: list[InputType] = ["text" if is_text(table.iloc[:, i]) else "float64" for i in range(table.shape[1])]
        else:
            known = list(names) if names is not None else [f"x{i}" for i in range(table.shape[1])]
            types = ["float64"] * len(known)
        return cls(steps, [steps.add_input(*pair) for pair in zip(known, types, strict=True)], known)

    def then(self, then: Then) -> list[NumberSlot]:
        """Give every feature as a number, with flags."""
        return [self.steps.also(slot, then, name) for slot, name in zip(self.slots, self.names, strict=True)]


def is_text(column: pd.Series[Any]) -> bool:
    """Whether a column of pandas holds text: categories count by what they are names of."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return not pd.api.types.is_numeric_dtype(column.dtype.categories.dtype)
    return not (pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype))


@dataclass
class Trees:
    """Trees on their way into one description; each is given with its own numbering of nodes."""

    width: int = 1
    _parts: list[dict[str, NDArray[Any]]] = field(default_factory=list)
    _sets: list[NDArray[np.int32]] = field(default_factory=list)
    _nodes: int = 0
    _leaves: int = 0

    def add_set(self, codes: Iterable[float]) -> int:
        """Keep a set of categories; its number goes to `category_set` of the nodes that split by it."""
        found = np.unique(np.fromiter(codes, np.int64))
        if len(found) and (found[0] < 0 or found[-1] > MAX_CODE):
            msg = (
                f"A split tells {len(found)} categories apart, codes up to {found[-1]}. Codes up to {MAX_CODE} can "
                "be handed over: group rare categories before the model, as OrdinalEncoder(max_categories=…) does."
            )
            raise HandOverError(msg)
        self._sets.append(found.astype(np.int32))
        return len(self._sets) - 1

    def add(  # noqa: PLR0913 - a tree has as many arrays
        self,
        *,
        feature: ArrayLike,
        threshold: ArrayLike,
        left: ArrayLike,
        right: ArrayLike,
        missing_left: ArrayLike,
        values: ArrayLike,
        output: int,
        category_set: ArrayLike | None = None,
    ) -> None:
        """Add a tree.

        Args:
            feature: Of each node; a negative one is a leaf's.
            threshold: Of each node, the largest number that goes left.
            left: Children on the left, by the tree's own numbers.
            right: Children on the right.
            missing_left: Whether missing values go left.
            values: Of each node, one value or a row of them; those of leaves are kept.
            output: What the tree adds to, or `ALL_OUTPUTS`.
            category_set: Of each node, the number that `add_set` gave, or -1.
        """
        split_by = np.asarray(feature, np.int32)
        is_leaf = split_by < 0
        kept = np.asarray(values, np.float64).reshape(len(split_by), self.width)[is_leaf]
        of_leaf = self._leaves + np.cumsum(is_leaf) - 1
        sets = np.full(len(split_by), NO_SET) if category_set is None else np.asarray(category_set)
        self._parts.append(
            {
                "feature": np.where(is_leaf, LEAF, split_by),
                "threshold": np.where(is_leaf | (sets != NO_SET), 0.0, np.asarray(threshold, np.float64)),
                "left": np.where(is_leaf, of_leaf, np.asarray(left, np.int64) + self._nodes),
                "right": np.where(is_leaf, 0, np.asarray(right, np.int64) + self._nodes),
                "missing_left": np.where(is_leaf, 0, np.asarray(missing_left, np.int32)),
                "category_set": np.where(is_leaf, NO_SET, sets),
                "values": kept,
                "roots": np.array([self._nodes]),
                "tree_output": np.array([output]),
            }
        )
        self._nodes += len(split_by)
        self._leaves += len(kept)

    def write(self, description: Description) -> Description:
        """Put the trees into a description.

        Args:
            description: All but the trees.

        Returns:
            The description with them.

        Raises:
            HandOverError: If there is none, or a threshold is NaN.
        """
        if not self._parts:
            msg = "The model has no trees. Fit it first."
            raise HandOverError(msg)
        joined = {name: np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]}
        if math.isnan(joined["threshold"].sum()) and np.isnan(joined["threshold"]).any():
            msg = "A threshold of the model is NaN, which no number can be compared with. Fit the model again."
            raise HandOverError(msg)
        whole = {name: array.astype(np.int32) for name, array in joined.items() if name not in {"threshold", "values"}}
        return replace(
            description,
            **whole,  # type: ignore[arg-type]  # the names are those of the arrays above
            threshold=joined["threshold"],
            values=joined["values"],
            set_offsets=np.cumsum([0, *map(len, self._sets)], dtype=np.int32),
            set_codes=np.concatenate([np.zeros(0, np.int32), *self._sets]),
        )
