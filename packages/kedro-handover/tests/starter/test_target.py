"""What a column asks a model for: found out where it is clear, and taken as asked for."""

from __future__ import annotations

import pyarrow as pa
import pytest

from kedro_handover.schema import ClassLabel, NumberLabel
from kedro_handover.starter.columns import Cells
from kedro_handover.starter.errors import TableError
from kedro_handover.starter.label import Classes
from kedro_handover.starter.target import describe_target, find_target, make_label


def find(texts: list[str], task: str = "", positive: str = "") -> Classes:
    return find_target(Cells.count(pa.chunked_array([texts])), "y", positive, task)


PRICES = [f"{number / 4:.2f}" for number in range(400)]
STARS = ["1", "2", "3", "10"] * 60


@pytest.mark.parametrize(
    ("texts", "task"),
    [
        (["yes", "no"] * 60, "binary"),
        (["0", "1"] * 60, "binary"),
        (["red", "green", "blue"] * 60, "multiclass"),
        (STARS, "multiclass"),
        (["1", "2", "3"] * 9, "regression"),  # too few of each to be classes
        ([str(number % 30) for number in range(3_000)], "regression"),
        (PRICES, "regression"),
        ([f"€{price.replace('.', ',')}" for price in PRICES], "regression"),
    ],
)
def test_the_task_is_found_out_where_it_is_clear(texts: list[str], task: str) -> None:
    if len(texts) == 27:
        with pytest.raises(TableError, match="has 27 numbers: a model needs 100 rows at least"):
            find(texts)
        return
    assert find(texts).task == task


def test_a_task_that_is_asked_for_is_taken() -> None:
    assert find(STARS, "regression").number is not None
    assert "TASK=regression predicts the number itself" in describe_target("y", find(STARS))
    with pytest.raises(TableError, match="'y' has 400 values; a model tells 3 to 20 classes apart"):
        find(PRICES, "multiclass")


def test_classes_are_in_the_order_of_numbers_or_of_the_alphabet_whatever_their_case() -> None:
    assert find(STARS).groups == (("1",), ("2",), ("3",), ("10",))
    found = find(["Red"] * 60 + ["red"] * 50 + ["blue"] * 70 + ["green"] * 80)
    assert (found.groups, found.rows) == ((("blue",), ("green",), ("Red", "red")), (70, 80, 110))
    assert make_label("Col", found, "col", {"col"}) == ClassLabel("col_2", "Col", found.groups)


def test_a_rare_class_is_named() -> None:
    with pytest.raises(TableError, match="'y' is 'c' in 3 rows: a model needs 50 rows of each class at least"):
        find(["a"] * 60 + ["b"] * 60 + ["c"] * 3)


def test_numbers_keep_how_they_are_written() -> None:
    found = find([f"€{price.replace('.', ',')}" for price in PRICES])
    label = make_label("Price", found, "price", set())
    assert isinstance(label, NumberLabel)
    assert (label.decimal, label.unit, label.low, label.high) == (",", "€", 0, 99.75)
    assert found.rows == (200, 200)
    assert found.spread == pytest.approx(28.87, abs=0.01)
