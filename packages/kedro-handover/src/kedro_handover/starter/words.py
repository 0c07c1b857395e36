"""Words for a new project's reports, from the names in its file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kedro_handover.starter.label import says_yes

if TYPE_CHECKING:
    from kedro_handover.starter.table import Table

NO_PLURALS = re.compile(r"(?:ss|us|is|news|data|series|betes)$")
LEAST_LETTERS = 4

NAMES_OF_NOTHING = frozenset(
    (
        "y",
        "class",
        "label",
        "target",
        "outcome",
        "result",
        "response",
        "status",
        "type",
        "category",
        "kind",
        "flag",
        "output",
    )
)
"""What labels are often called, and what says nothing about the rows."""

ADJECTIVES = re.compile(r"^(?:is|are|was|were) |(?:ed|able|ible|ous|ful|less)$")
VERBS = frozenset(
    """
    attended bought churned clicked converted defaulted died failed left moved passed purchased quit recovered responded
    subscribed survived voted won
    """.split()  # noqa: SIM905 - one word after the other reads better
)
"""What rows have done: they have churned, and they are approved."""

LEAST_LETTERS_OF_A_CLASS = 3


def choose_words(table: Table, file: str) -> dict[str, str | list[str]]:
    """Choose how reports call the rows of a table and its classes.

    Args:
        table: What the project is made for.
        file: The name of its file, which may say what rows are.

    Returns:
        `row`, `rows`, `group`, `question`, and `positive` and `negative`, or `classes`, or `value`, as
        `kedro_handover.project.Words` has them.
    """
    row, rows = _name_rows(file)
    label, classes = _in_words(table.schema.label.in_file), table.classes
    words = {"row": row, "rows": rows, "group": _in_words(table.schema.group or "group")}
    if classes.task == "regression":
        return {**words, "value": label, "question": f"What is the {label} of each {row}?"}
    if classes.task == "multiclass":
        what = f"Of which class is each {row}?" if label in NAMES_OF_NOTHING else f"What is the {label} of each {row}?"
        named = [f"{label} {texts[0]}" if classes.are_numbers else texts[0] for texts in classes.groups]
        return {**words, "classes": named, "question": what}
    positive, negative, asked = _name_classes(label, classes.positive[0], classes.negative[0])
    return {**words, "positive": positive, "negative": negative, "question": f"{asked.replace('{}', rows, 1)}?"}


def _name_rows(file: str) -> tuple[str, str]:
    """Take the last word of the file's name, if it is a plural."""
    word = re.sub(r"[^A-Za-z]+", " ", file.split(".", maxsplit=1)[0]).strip().lower().rpartition(" ")[2]
    if len(word) < LEAST_LETTERS or not word.endswith("s") or NO_PLURALS.search(word):
        return "row", "rows"
    return (f"{word[:-3]}y" if word.endswith("ies") else word[:-1]), word


def _name_classes(label: str, one: str, other: str) -> tuple[str, str, str]:
    """Name the classes as they stand before rows, and say what is asked of these; they are to be put for `{}`."""
    if not says_yes(one, other):
        is_word = len(one) >= LEAST_LETTERS_OF_A_CLASS and one.replace(" ", "").isalpha()
        if label in NAMES_OF_NOTHING and is_word:
            return one, other, f"Which {{}} are {one}"
        return f"{label} {one}", f"{label} {other}", f"For which {{}} is {label} {one}"
    if label in NAMES_OF_NOTHING:
        return "positive", "negative", "Which {} are positive"
    bare = re.sub("^(?:is|are|was|were|has|have|had) ", "", label)
    if bare in VERBS or re.match("(?:has|have|had) ", label):
        return bare, f"{'not' if bare in VERBS else 'no'} {bare}", f"Which {{}} have {bare}"
    if ADJECTIVES.search(label):
        return bare, f"not {bare}", f"Which {{}} are {bare}"
    return bare, f"no {bare}", f"For which {{}} is {bare} {one}"


def _in_words(name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_\s]+", " ", name).strip(" ?!.:")
    return words if words.isupper() else words.lower()
