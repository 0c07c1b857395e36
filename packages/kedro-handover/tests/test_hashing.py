"""Hashes are the stated arithmetic on every engine, spread evenly, and those of one id do not know each other."""

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from kedro_handover.hashing import HASH_RANGE, MULTIPLIER, add_hashes, modulo
from kedro_handover.testing import Engine

BOUND = 2**52
"""Ids are less than it either way."""

STEPS = (0, 1, 2, 3, 4)
SEQUENTIAL = 100_000
CHANCE = 1e-6
"""Even hashes have a larger chi-square than the bound with this probability; those here are the same each time."""

on_each_engine = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def hashes_of(engine: Engine, ids: list[int], step: int) -> list[int]:
    frame = engine.frame({"row": range(len(ids)), "id": ids}, {"row": pa.int64(), "id": pa.int64()})
    rows = engine.rows(add_hashes(nw.from_native(frame), "id", hashed=step).to_native())
    return [row["hashed"] for row in rows]


def stated(identity: int, step: int) -> int:
    return identity * pow(MULTIPLIER, step, HASH_RANGE) % HASH_RANGE


@on_each_engine
@given(ids=st.lists(st.integers(1 - BOUND, BOUND - 1), min_size=1, max_size=20), step=st.sampled_from((0, 1, 2)))
def test_a_hash_is_the_stated_arithmetic_of_the_id(engine: Engine, ids: list[int], step: int) -> None:
    assert hashes_of(engine, ids, step) == [stated(identity, step) for identity in ids]


@pytest.mark.parametrize(
    ("step", "hashes"),
    [(1, [48_271, 96_542, 115_541_394]), (2, [182_605_794, 365_211_588, 283_598_515])],
    ids=["one step", "two steps"],
)
def test_the_hash_of_an_id_is_the_same_in_every_version(engine: Engine, step: int, hashes: list[int]) -> None:
    """Another hash would put the rows of every project into other splits."""
    assert hashes_of(engine, [1, 2, 123_456_789], step) == hashes


@pytest.mark.parametrize("step", STEPS)
def test_every_step_hashes_as_stated(engine: Engine, step: int) -> None:
    multiples = [
        HASH_RANGE * times
        for times in (-(BOUND // HASH_RANGE), -1, 0, 1, 2, BOUND // HASH_RANGE - 1, BOUND // HASH_RANGE)
    ]
    ends = [1 - BOUND, BOUND - 1, *(multiple + near for multiple in multiples for near in (-1, 0, 1))]
    ids = ends + np.random.default_rng(step).integers(1 - BOUND, BOUND, 1000).tolist()
    assert hashes_of(engine, ids, step) == [stated(identity, step) for identity in ids]


@on_each_engine
@given(
    ids=st.lists(st.integers(0, HASH_RANGE - 1), min_size=2, max_size=50, unique=True),
    start=st.integers(0, HASH_RANGE - 50),
    step=st.sampled_from((0, 1, 2)),
)
def test_different_ids_never_have_the_same_hash(engine: Engine, ids: list[int], start: int, step: int) -> None:
    with_neighbours = sorted({*ids, *range(start, start + 50)})
    hashes = hashes_of(engine, with_neighbours, step)
    assert len(set(hashes)) == len(with_neighbours)
    assert min(hashes) >= 0
    assert max(hashes) < HASH_RANGE


def test_a_late_step_asks_an_engine_for_no_more_than_the_first() -> None:
    import duckdb

    ids = nw.from_native(duckdb.sql("select 1 as id"))
    first, late = (len(add_hashes(ids, "id", hashed=step).to_native().sql_query()) for step in (1, 4))
    assert late < 1.1 * first


def test_several_hashes_are_those_of_each_alone_and_leave_nothing_else(engine: Engine) -> None:
    frame = nw.from_native(engine.frame({"id": [5, 6], "name": ["a", "b"]}))
    rows = engine.rows(add_hashes(frame, "id", first=1, second=2).to_native())
    assert rows == [
        {"id": one, "name": name, "first": stated(one, 1), "second": stated(one, 2)}
        for one, name in ((5, "a"), (6, "b"))
    ]


TEXTS = {
    "7": 7,
    "0": 0,
    "": 0,
    "-": 0,
    "abc": 0,
    "A-7b8": 78,
    "999999999999999": 999_999_999_999_999,
    "9999999999999991": 999_999_999_999_999 + 1,
    "1f2b4f24-489d-41e5-a183-bd00f21f8b32": 124_244_894_151_830 + 21_832,
}
"""Texts and the numbers that they are read as."""


def test_a_text_is_read_as_the_number_of_its_digits(engine: Engine) -> None:
    texts = [*TEXTS, "1" * 45, None]
    numbers = [*TEXTS.values(), 2 * int("1" * 15), None]
    frame = engine.frame({"row": range(len(texts)), "id": texts}, {"row": pa.int64(), "id": pa.string()})
    rows = engine.rows(add_hashes(nw.from_native(frame), "id", hashed=3).to_native())
    assert [row["hashed"] for row in rows] == [None if number is None else stated(number, 3) for number in numbers]
    assert set(rows[0]) == {"row", "id", "hashed"}


@on_each_engine
@given(ids=st.lists(st.integers(0, 10**15 - 1), min_size=1, max_size=20))
def test_a_number_has_the_hash_of_its_text(engine: Engine, ids: list[int]) -> None:
    columns = {"row": range(len(ids)), "id": ids, "text": [str(identity) for identity in ids]}
    frame = engine.frame(columns, {"row": pa.int64(), "id": pa.int64(), "text": pa.string()})
    hashed_twice = add_hashes(add_hashes(nw.from_native(frame), "id", number=2), "text", text_hash=2)
    rows = engine.rows(hashed_twice.to_native())
    assert [row["number"] for row in rows] == [row["text_hash"] for row in rows]


def test_a_null_id_has_no_hash(engine: Engine) -> None:
    assert hashes_of(engine, [7, None], step=1) == [7 * MULTIPLIER, None]


@pytest.mark.parametrize("divisor", [1, 2, 5, 100, HASH_RANGE])
def test_the_remainder_is_that_of_a_floored_division(engine: Engine, divisor: int) -> None:
    values = [-101, -100, -1, 0, 1, 99, 100, 101, HASH_RANGE]
    frame = engine.frame({"row": list(range(len(values))), "value": values})
    rows = engine.rows(nw.from_native(frame).with_columns(rest=modulo(nw.col("value"), divisor)).to_native())
    assert [row["rest"] for row in rows] == [value % divisor for value in values]


@pytest.fixture(scope="module")
def hashes() -> dict[int, np.ndarray]:
    """Hashes of sequential ids, by the step."""
    frame = nw.from_native(pa.table({"id": np.arange(1, SEQUENTIAL + 1)}))
    return {step: add_hashes(frame, "id", hashed=step)["hashed"].to_numpy() for step in STEPS}


def assert_even(counts: np.ndarray) -> None:
    expected = counts.sum() / counts.size
    assert ((counts - expected) ** 2).sum() / expected < chi2.isf(CHANCE, counts.size - 1)


@pytest.mark.parametrize("step", STEPS[1:])
@pytest.mark.parametrize("divisor", [2, 5, 10, 100])
def test_the_low_digits_of_sequential_ids_are_even(hashes, step: int, divisor: int) -> None:
    assert_even(np.bincount(hashes[step] % divisor, minlength=divisor))


@pytest.mark.parametrize("step", [2, 3, 4])
@pytest.mark.parametrize("parts", [10, 100])
def test_the_shares_of_sequential_ids_are_even(hashes, step: int, parts: int) -> None:
    assert_even(np.bincount((hashes[step] / HASH_RANGE * parts).astype(int), minlength=parts))


def test_the_first_step_alone_leaves_neighbours_together(hashes) -> None:
    with pytest.raises(AssertionError):
        assert_even(np.bincount((hashes[1] / HASH_RANGE * 10).astype(int), minlength=10))


def test_split_fold_and_thinning_do_not_know_each_other(hashes) -> None:
    tenths = (hashes[3] / HASH_RANGE * 10).astype(int)
    assert_even(np.bincount(hashes[1] % 100 * 50 + hashes[2] % 5 * 10 + tenths, minlength=100 * 5 * 10))


def test_the_rows_to_research_are_taken_alike_from_each_split_fold_and_thinning(hashes) -> None:
    thinning, research = ((hashes[step] / HASH_RANGE * 10).astype(int) for step in (3, 4))
    for other, values in ((hashes[1] % 100, 100), (hashes[2] % 5, 5), (thinning, 10)):
        assert_even(np.bincount(other * 10 + research, minlength=values * 10))


def test_the_bound_tells_hashes_that_know_each_other(hashes) -> None:
    with pytest.raises(AssertionError):
        assert_even(np.bincount(hashes[1] % 100 * 5 + hashes[1] % 5, minlength=500))
