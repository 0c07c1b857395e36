"""Find the two classes of a label in the texts that a column has."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

from kedro_handover.schema import Number
from kedro_handover.starter.errors import TableError
from kedro_handover.tasks import Task

YES = frozenset(  # in the languages of the most files
    """
    yes y true t 1 1.0 + positive pos ja j sí si s sim oui o tak hai да 是 はい 예 verdadero verdadeiro vrai wahr
    """.split()  # noqa: SIM905 - one word after the other reads better
)
NO = frozenset(
    """
    no n false f 0 0.0 -1 - negative neg none nein non não nao nej nee nie net нет 否 いいえ 아니오 falso faux falsch
    """.split()  # noqa: SIM905
)
NOT_SOMETHING = re.compile(r"^(?:not|no|non|un|in)[ _-]*(.+)$")

LEAST_OF_A_CLASS = 50
CLASSES_SHOWN = 5
CLASSES = 2


@dataclass(frozen=True)
class Classes:
    """The classes of a label.

    Attributes:
        positive: The texts of the class to be found, the most frequent first; of several classes, those of the first;
            of numbers, those above the middle.
        negative: All others.
        rows: How many rows are positive, and how many negative; of several classes, how many are of each.
        why: Why the positive one is it, or why the task is it.
        task: What is to be predicted.
        groups: The texts of each of several classes.
        are_numbers: Whether these are numbers.
        number: How numbers to predict are written.
        spread: The standard deviation of numbers to predict.
    """

    positive: tuple[str, ...]
    negative: tuple[str, ...]
    rows: tuple[int, ...]
    why: str
    task: Task = "binary"
    groups: tuple[tuple[str, ...], ...] = ()
    are_numbers: bool = False
    number: Number | None = None
    spread: float = 0.0


def find_classes(counts: dict[str, int], column: str, positive: str) -> Classes:
    """Tell the classes of a label, and which of them is positive.

    It is the one that is asked for; else the one that says yes; else the other than the one that says no; else the
    rarer.

    Args:
        counts: The rows of each text.
        column: The column's name, for messages.
        positive: A text of the class that is asked for; empty, if none is.

    Returns:
        The classes.

    Raises:
        TableError: If there are not two, or one has too few rows.
    """
    ranked = sorted(counts, key=lambda text: (-counts[text], text))
    shown = ", ".join(f"{text!r} in {counts[text]:,} rows" for text in ranked[:CLASSES_SHOWN])
    groups = group_texts(ranked)
    if len(groups) != CLASSES:
        more = f" and {len(counts) - CLASSES_SHOWN:,} more" if len(counts) > CLASSES_SHOWN else ""
        msg = f"{column!r} is no label: it has {len(counts):,} values, not two: {shown or 'none'}{more}."
        raise TableError(msg)
    if positive and positive not in counts:
        msg = f"{column!r} is never {positive!r}, which POSITIVE names. It is {shown}."
        raise TableError(msg)
    rows = {name: sum(counts[text] for text in texts) for name, texts in groups.items()}
    if min(rows.values()) < LEAST_OF_A_CLASS:
        msg = f"{column!r} is {shown}: a model needs {LEAST_OF_A_CLASS} rows of each class at least."
        raise TableError(msg)
    true, why = _choose(groups, rows, positive)
    (false,) = groups.keys() - {true}
    return Classes(tuple(groups[true]), tuple(groups[false]), (rows[true], rows[false]), why)


def group_texts(ranked: list[str]) -> dict[str, list[str]]:
    """Put texts of one meaning together.

    First those that are alike but for capitals and a dot behind them, then all that say yes, or no.

    Args:
        ranked: Distinct texts, the most frequent first.

    Returns:
        The texts of each meaning, by a name for it.
    """
    by_case: dict[str, list[str]] = defaultdict(list)
    for text in ranked:
        by_case[text.casefold().rstrip(".") or text].append(text)
    if len(by_case) <= CLASSES or not set(by_case) <= YES | NO:
        return dict(by_case)
    groups: dict[str, list[str]] = defaultdict(list)
    for key, texts in by_case.items():
        groups["yes" if key in YES else "no"] += texts
    return dict(groups)


def says_yes(text: str, other: str) -> bool:
    """Say whether a text says yes.

    A 1 says yes beside a 0, and a y beside an n; beside a 2 or a z they are no words.

    Args:
        text: The text of a class.
        other: That of the other class.
    """
    name, rest = text.casefold(), other.casefold()
    return name in YES and (rest in NO or (len(name) > 1 and not name[0].isdigit()))


def _choose(groups: dict[str, list[str]], rows: dict[str, int], positive: str) -> tuple[str, str]:
    if positive:
        return next(name for name, texts in groups.items() if positive in texts), "as POSITIVE says"
    one, other = groups
    for name, rest in ((one, other), (other, one)):
        if says_yes(name, rest):
            return name, "it says yes"
    for name, rest in ((one, other), (other, one)):
        negated = NOT_SOMETHING.match(name)
        is_letter = len(name) == 1 and name.isalpha()  # an f beside an m says nothing
        if (name in NO and not is_letter) or (negated and negated[1] == rest):
            return rest, f"{groups[name][0]!r} says no"
    return min(groups, key=lambda name: (rows[name], name)), "it is the rarer"
