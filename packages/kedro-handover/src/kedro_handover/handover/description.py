"""The description of a fitted model: everything that decides its predictions, as arrays that any engine can evaluate.

A description has three parts. *Steps* prepare each feature from the columns of a table (impute, scale, encode). The
*body* is an ensemble of trees or a linear model over the features. The *link* turns raw scores into probabilities.
Evaluators for NumPy, SQL and Java read the same description, so that they can be compared bit for bit.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, field, fields
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kedro_handover.errors import HandOverError
from kedro_handover.tasks import Task

FORMAT_VERSION: Final = 1
"""The version of the description; a scorer refuses a newer one, whose meaning it can't know."""

LEAF: Final = -1
NO_SET: Final = -1
ALL_OUTPUTS: Final = -1

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int32]
Label: TypeAlias = bool | int | float | str
InputType: TypeAlias = Literal["float32", "float64", "text"]
Link: TypeAlias = Literal["none", "sigmoid", "softmax", "exp"]
Width: TypeAlias = Literal["float32", "float64"]


class Step(IntEnum):
    """One elementary step of preparing a feature; `source` is an input column or an earlier step."""

    NUMBER = 0
    """The number in the input column `source`."""
    TEXT_LOOKUP = 1
    """The value that table `argument` has for the text in the input column `source`."""
    NUMBER_LOOKUP = 2
    """The value that table `argument` has for the number."""
    IMPUTE = 3
    """`argument` where the number is missing."""
    ADD = 4
    SUBTRACT = 5
    MULTIPLY = 6
    DIVIDE = 7
    AT_LEAST = 8
    """The larger of the number and `argument`; missing stays missing."""
    AT_MOST = 9
    EQUALS = 10
    """1 where the number is `argument`, else 0."""
    MISSING_VALUE = 11
    """Missing where the number is `argument`."""
    TRUNCATE = 12
    """The number without its fraction."""
    IS_MISSING = 13
    """1 where the number is missing, else 0."""
    SMALL_AS_ZERO = 14
    """0 where the number is at most `argument` away from it."""
    FLOOR = 15
    """The largest whole number that is not above the number."""


class Then(IntFlag):
    """What happens to a step's result."""

    NOTHING = 0
    ROUND = 1
    """Round to float32, as the library does."""
    REFUSE_MISSING = 2
    """The library takes no missing value here: the row gets no score."""
    REFUSE_INFINITE = 4


class Refuses(IntFlag):
    """What a lookup table has no value for: a row with it gets no score, as the library raises an error."""

    NOTHING = 0
    MISSING = 1
    UNKNOWN = 2


@dataclass(frozen=True)
class Input:
    """A column that the model reads.

    Attributes:
        name: The column's name.
        type: `float64` for any number; `float32` where the library computes in float32 because the column is one;
            `text`.
    """

    name: str
    type: InputType = "float64"


def _no_integers() -> Integers:
    return np.zeros(0, np.int32)


def _no_floats() -> Floats:
    return np.zeros(0, np.float64)


@dataclass(frozen=True, eq=False, kw_only=True)
class Description:
    """A fitted model as arrays.

    Every split reads "left if `x <= threshold`": a library that splits by `x < t` is described by the float before `t`.

    Attributes:
        family: What the model is, in the words of its library.
        task: `binary`, `multiclass` or `regression`.
        classes: The labels, in the library's order; empty for a regression.
        inputs: The columns that the model reads.
        step_kind: A `Step` for each step.
        step_source: The input or the earlier step that a step reads.
        step_argument: The step's number, or its table.
        step_then: `Then` flags for each step.
        features: The step that gives each feature of the body.
        table_offsets: Where each lookup table begins among the entries; the last is the number of entries.
        table_numbers: Keys of tables that look numbers up; 0 elsewhere.
        table_texts: Keys of tables that look text up; "" elsewhere.
        table_values: The value of each entry.
        table_missing: What each table gives where the key is missing.
        table_unknown: What each table gives for another key.
        table_refuses: `Refuses` flags for each table.
        feature: Of each node: the feature that it splits by; -1 for a leaf.
        threshold: Of each node: the largest number that goes left.
        left: The child on the left; of a leaf: the row of `values`.
        right: The child on the right.
        missing_left: Of each node: whether a missing value goes left.
        category_set: Of each node: the set of codes that go left, -1 for a split by threshold.
        set_offsets: Where each set begins in `set_codes`; the last is their number.
        set_codes: The codes of all sets, whole numbers from 0; a number between two is in none.
        roots: The first node of each tree.
        tree_output: The output that each tree adds to; -1 where leaves hold one value for each output.
        values: One row for each leaf: one value, or one for each output.
        start: Where the sum of each output begins.
        coefficients: Of a linear model: one row for each output, one column for each feature; empty for trees.
        sum_type: The type that the sum is made in.
        divisor: What the sum is divided by, in the same type.
        link: How a raw score becomes a probability, or a prediction of a regression.
        link_type: The type that the link is computed in.
        link_scale: What the raw score is multiplied by first.
        exp: Whose `exp` the library uses: the C library's, or NumPy's own.
        cut: Where one raw score decides between two classes: the smallest that is of the second.
        above: Where the label of a model with a probability for each class is cut at another probability than a half:
            a probability above it is of the second class.
    """

    family: str
    task: Task
    classes: tuple[Label, ...] = ()
    inputs: tuple[Input, ...] = ()
    step_kind: Integers = field(default_factory=_no_integers)
    step_source: Integers = field(default_factory=_no_integers)
    step_argument: Floats = field(default_factory=_no_floats)
    step_then: Integers = field(default_factory=_no_integers)
    features: Integers = field(default_factory=_no_integers)
    table_offsets: Integers = field(default_factory=lambda: np.zeros(1, np.int32))
    table_numbers: Floats = field(default_factory=_no_floats)
    table_texts: tuple[str, ...] = ()
    table_values: Floats = field(default_factory=_no_floats)
    table_missing: Floats = field(default_factory=_no_floats)
    table_unknown: Floats = field(default_factory=_no_floats)
    table_refuses: Integers = field(default_factory=_no_integers)
    feature: Integers = field(default_factory=_no_integers)
    threshold: Floats = field(default_factory=_no_floats)
    left: Integers = field(default_factory=_no_integers)
    right: Integers = field(default_factory=_no_integers)
    missing_left: Integers = field(default_factory=_no_integers)
    category_set: Integers = field(default_factory=_no_integers)
    set_offsets: Integers = field(default_factory=lambda: np.zeros(1, np.int32))
    set_codes: Integers = field(default_factory=_no_integers)
    roots: Integers = field(default_factory=_no_integers)
    tree_output: Integers = field(default_factory=_no_integers)
    values: Floats = field(default_factory=lambda: np.zeros((0, 1)))
    start: Floats = field(default_factory=lambda: np.zeros(1))
    coefficients: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    sum_type: Width = "float64"
    divisor: float = 1.0
    link: Link = "none"
    link_type: Width = "float64"
    link_scale: float = 1.0
    exp: Literal["libm", "numpy"] = "libm"
    cut: float | None = None
    above: float | None = None

    @property
    def is_linear(self) -> bool:
        """Whether the body is a linear model, whose sums no library makes in a fixed order."""
        return self.coefficients.size > 0

    @property
    def n_outputs(self) -> int:
        """How many raw scores a row gets."""
        return len(self.start)

    @property
    def n_nodes(self) -> int:
        """How many nodes all trees have."""
        return len(self.feature)

    @property
    def digest(self) -> str:
        """SHA-256 of all that the description says, whatever file it is in."""
        hashed = hashlib.sha256()
        for name, array in sorted(self._to_arrays().items()):
            hashed.update(f"{name} {array.dtype.str} {array.shape} ".encode())
            hashed.update(array.tobytes())
        return hashed.hexdigest()

    def get_set(self, number: int) -> Integers:
        """Give the codes of one set of categories."""
        return self.set_codes[self.set_offsets[number] : self.set_offsets[number + 1]]

    def to_bytes(self) -> bytes:
        """Write the description as one NPZ file without pickle: arrays, and a header in JSON."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **self._to_arrays())
        return buffer.getvalue()

    def save(self, path: Path) -> None:
        """Write the description to a file.

        Args:
            path: The file, conventionally `*.npz`.
        """
        path.write_bytes(self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> Description:
        """Read a description from a file.

        Args:
            path: What `save` wrote.

        Returns:
            The description.

        Raises:
            HandOverError: If the file is not one, or is of a newer version of the format.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays = dict(stored)
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            msg = f"{path} can't be read as the description of a model: {error}. Hand the model over again."
            raise HandOverError(msg) from error
        header = json.loads(arrays.pop("header").tobytes())
        if (version := header.pop("format_version")) > FORMAT_VERSION:
            msg = (
                f"{path} is a description of version {version}; this kedro-handover reads versions up to "
                f"{FORMAT_VERSION}. Upgrade kedro-handover where the model is scored."
            )
            raise HandOverError(msg)
        header["classes"] = tuple(header["classes"])
        header["table_texts"] = tuple(header["table_texts"])
        header["inputs"] = tuple(Input(**column) for column in header["inputs"])
        return cls(**header, **arrays)

    def _to_arrays(self) -> dict[str, NDArray[Any]]:
        """Give every field that is an array, and the others as one of bytes."""
        arrays: dict[str, NDArray[Any]] = {}
        header: dict[str, Any] = {"format_version": FORMAT_VERSION}
        for member in fields(self):
            value = getattr(self, member.name)
            if isinstance(value, np.ndarray):
                arrays[member.name] = np.ascontiguousarray(value)
            else:
                header[member.name] = [vars(column) for column in value] if member.name == "inputs" else value
        arrays["header"] = np.frombuffer(json.dumps(header, sort_keys=True).encode(), np.uint8)
        return arrays
