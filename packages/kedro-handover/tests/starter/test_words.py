"""Headings of a new project's reports are sentences about its rows, whatever its label is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from kedro_handover.starter.table import read_table
from kedro_handover.starter.words import choose_words

ROWS = 120


def words(folder: Path, file: str, label: str, *cells: str, task: str = "") -> dict[str, str | list[str]]:
    rows = "".join(f"{number},{number * 37 % 101},{cells[number % len(cells)]}\n" for number in range(ROWS * 2))
    (folder / file).write_text(f"id,size,{label}\n{rows}", encoding="utf-8")
    return choose_words(read_table(folder / file, "id", label, task=task), file)


@pytest.mark.parametrize(
    ("file", "label", "cells", "question", "positive", "negative"),
    [
        ("customers.csv", "Churned?", ("yes", "no"), "Which customers have churned?", "churned", "not churned"),
        ("applications.csv", "approved", ("1", "0"), "Which applications are approved?", "approved", "not approved"),
        ("shops.csv", "is_active", ("Y", "N"), "Which shops are active?", "active", "not active"),
        ("people.csv", "Survived", ("1", "0"), "Which rows have survived?", "survived", "not survived"),
        ("patients.csv", "diabetes", ("pos", "neg"), "For which patients is diabetes pos?", "diabetes", "no diabetes"),
        ("patients.csv", "has_heart_disease", ("1", "0"), "Which patients have heart disease?", "heart disease", None),
        ("rows.csv", "class", ("yes", "no"), "Which rows are positive?", "positive", "negative"),
        ("mushrooms.csv", "class", ("e", "p", "p"), "For which mushrooms is class e?", "class e", "class p"),
        ("mushrooms.csv", "class", ("edible", "poison", "poison"), "Which mushrooms are edible?", "edible", "poison"),
        ("adult.csv", "income", ("<=50K", "<=50K", ">50K"), "For which rows is income >50K?", "income >50K", None),
        ("wines.csv", "quality", ("good", "bad", "bad"), "For which wines is quality good?", "quality good", None),
        ("rows.csv", "y", ("1", "2", "2"), "For which rows is y 1?", "y 1", "y 2"),
    ],
)  # fmt: skip
def test_two_classes(  # noqa: PLR0913, PLR0917 - a table's row
    tmp_path: Path, file: str, label: str, cells: tuple[str, ...], question: str, positive: str, negative: str | None
) -> None:
    found = words(tmp_path, file, label, *cells)
    assert (found["question"], found["positive"]) == (question, positive)
    assert negative is None or found["negative"] == negative


def test_several_classes_and_numbers(tmp_path: Path) -> None:
    irises = words(tmp_path, "flowers.csv", "species", "setosa", "versicolor", "virginica")
    assert irises["question"] == "What is the species of each flower?"
    assert irises["classes"] == ["setosa", "versicolor", "virginica"]
    assert words(tmp_path, "wines.csv", "class", "1", "2", "3")["question"] == "Of which class is each wine?"
    prices = words(tmp_path, "houses.csv", "price", *(str(number * 7 % 97) for number in range(97)))
    assert (prices["question"], prices["value"]) == ("What is the price of each house?", "price")
