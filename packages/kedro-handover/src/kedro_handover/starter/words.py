"""Words for a new project's reports, from the names in its file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kedro_handover.starter.label import says_yes

if TYPE_CHECKING:
    from kedro_handover.starter.table import Table

NO_PLURALS = re.compile(r"(?:ss|us|is|news|data|series)$")
LEAST_LETTERS = 4


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
        named = [f"{label} {texts[0]}" if classes.are_numbers else texts[0] for texts in classes.groups]
        return {**words, "classes": named, "question": f"What is the {label} of each {row}?"}
    positive, negative = _name_classes(table)
    return {**words, "positive": positive, "negative": negative, "question": f"Which {rows} are {positive}?"}


def _name_rows(file: str) -> tuple[str, str]:
    """Take the last word of the file's name, if it is a plural."""
    word = re.sub(r"[^A-Za-z]+", " ", file.split(".", maxsplit=1)[0]).strip().lower().rpartition(" ")[2]
    if len(word) < LEAST_LETTERS or not word.endswith("s") or NO_PLURALS.search(word):
        return "row", "rows"
    return (f"{word[:-3]}y" if word.endswith("ies") else word[:-1]), word


def _name_classes(table: Table) -> tuple[str, str]:
    label = _in_words(table.schema.label.in_file).removeprefix("is ").removeprefix("has ")
    one, other = table.classes.positive[0], table.classes.negative[0]
    if says_yes(one, other):
        return label, f"not {label}" if label.endswith("ed") else f"no {label}"
    return f"{label} {one}", f"{label} {other}"


def _in_words(name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_\s]+", " ", name).strip()
    return words if words.isupper() else words.lower()
