"""What the library itself says of rows: the measure of every hand-over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kedro_handover.handover.building import Columns
from kedro_handover.handover.description import Description, Floats, Label, Link
from kedro_handover.handover.numpy_evaluator import Scores, apply_link


@dataclass(frozen=True)
class Extracted:
    """A model described, and the library's own answers to hold the description to.

    Attributes:
        description: The model.
        answer: Gives the library's own scores of a table that the model takes.
        round_off: The rounding of one operation of the library, relative to its result, where it makes a sum in no
            fixed order; 0 where the order is fixed, so that the sum can be exact.
    """

    description: Description
    answer: Callable[[Any], Scores]
    round_off: float = 0.0
    columns: tuple[str, ...] = ()


def make_scores(score: Any, probability: Any, predicted: Any, classes: Sequence[Label]) -> Scores:
    """Put what a library gives into one shape.

    Args:
        score: Raw scores; one column for each output, or none where there is one output.
        probability: A column for each class, or None for a regression.
        predicted: What `predict` gives.
        classes: The labels; empty for a regression.

    Returns:
        The scores.
    """
    predicted = np.asarray(predicted)
    number = {label: i for i, label in enumerate(classes)}
    return Scores(
        score=np.asarray(score, np.float64).reshape(len(predicted), -1),
        probability=None if probability is None else np.asarray(probability, np.float64),
        label=np.array([number[label] for label in predicted.tolist()], np.int32) if classes else None,
        prediction=predicted if classes else predicted.astype(np.float64),
        refused=np.zeros(len(predicted), bool),
    )


def set_threshold(extracted: Extracted, threshold: float) -> Extracted:
    """Cut labels at another probability than the library does.

    Args:
        extracted: A model of two classes.
        threshold: A row is of the second class where its probability is above this.

    Returns:
        The model with labels cut there.
    """
    description = extracted.description
    if description.n_outputs == 1:
        changed = replace(description, cut=find_cut(description, lambda second: second[:, 0] > threshold))
    else:
        changed = replace(description, above=threshold)

    def answer(table: Any) -> Scores:
        scores = extracted.answer(table)
        label = (np.asarray(scores.probability)[:, 1] > threshold).astype(np.int32)
        return replace(scores, label=label, prediction=np.array(description.classes, object)[label])

    return Extracted(changed, answer, extracted.round_off, extracted.columns)


def find_cut(description: Description, is_second: Callable[[Floats], NDArray[np.bool_]]) -> float:
    """Find the smallest raw score that belongs to the second class, by bisection over all floats.

    Args:
        description: A model with one raw score.
        is_second: Tells from probabilities of the second class which rows are of it.

    Returns:
        The score; infinite where no probability is high enough.
    """
    single = description.sum_type == "float32"
    bits = 32 if single else 64

    def number(key: int) -> float:
        """Count floats from the smallest on, so that neighbours differ by 1."""
        raw = key if key >= 0 else -(2 ** (bits - 1)) - key - 1
        integer = np.array([raw], np.int32 if single else np.int64)
        return float(integer.view(np.float32 if single else np.float64)[0])

    largest = np.array([np.inf], np.float32 if single else np.float64).view(np.int32 if single else np.int64)[0]
    low, high = -int(largest) - 1, int(largest)
    while high - low > 1:
        middle = (low + high) // 2
        if is_second(apply_link(description, np.array([[number(middle)]])))[0]:
            high = middle
        else:
            low = middle
    return number(high)


def link_of(n_classes: int) -> Link:
    """Tell the link of a classifier by log-odds."""
    return "softmax" if n_classes > 2 else "sigmoid"  # noqa: PLR2004 - two classes have one score


def plain_labels(classes: Any) -> tuple[Label, ...]:
    """Give labels as Python's own types, which JSON has."""
    return tuple(np.asarray(classes).tolist())


Extractor = Callable[[Any, Columns, Any], Extracted]
"""Takes a fitted estimator, its features, and rows like those that it was fitted on."""
