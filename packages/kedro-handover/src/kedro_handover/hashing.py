"""Hash ids by integer arithmetic: the same on every engine, in any order of rows, in every run.

A Lehmer generator (MINSTD, multiplier 48271) is seeded by the id. The first step alone would not do for everything:
files often number neighbours one after the other, and one multiplication leaves them neighbours. Each purpose takes a
step of its own as its salt, so that the split, the folds and the thinning are not tied to each other.
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import FrameT

from kedro_handover.frames import free_names

HASH_RANGE = 2**31 - 1
"""A hash is an integer from 0 to HASH_RANGE - 1."""

MULTIPLIER = 48271

PART = 46_337
"""A hash divided by it is a number of at most 16 bits."""

PLACES = 2**20
HASHES_OF_A_PLACE = 2**11
"""Rows are put in order by so many places; a place has a millionth of the rows, or one or two of a million."""

DIGITS = 15
"""Two numbers of so many decimal digits add up to less than 2**52."""


def add_hashes(frame: FrameT, identity: str, **steps: int) -> FrameT:
    """Add hashes of an id, each with a salt of its own.

    Args:
        frame: Has the id.
        identity: Its column. Integers of less than 2**52 either way, where each engine's division is still exact; or
            text, of which the digits count: the first 15 as a number, and the next 15 added to it. A number has the
            hash of its text, if that has no more than 15 digits.
        steps: For each column to add, its salt: how many steps of the generator to take; each purpose has its own.

    Returns:
        The frame with the columns: integers from 0 to `HASH_RANGE` - 1. Different numbers from 0 to
        `HASH_RANGE` - 1 never have the same hash.
    """
    types: dict[str, Any] = dict(frame.collect_schema().items())
    (seed,) = free_names(["seed"], [*types, *steps])
    # Each column is named before the next uses it: nested in one expression it would be worked out many times over.
    return (
        _add_seed(frame, identity, seed, is_text=types[identity] == nw.String)
        .with_columns((nw.col(seed) * pow(MULTIPLIER, step, HASH_RANGE)).alias(name) for name, step in steps.items())
        .with_columns(modulo(nw.col(name), HASH_RANGE).alias(name) for name in steps)
        .drop(seed)
    )


def add_place(frame: FrameT, identity: str, name: str, multiplier: int) -> FrameT:
    """Add the place of an id, by which rows are put in order: a hash in which no order of ids shows.

    A threshold on a hash of `add_hashes` would cut off what lies at equal distances, as multiplication keeps these.
    Here the square of a part of the hash is added to it.

    Args:
        frame: Has the id.
        identity: Its column, as `add_hashes` takes it.
        name: The column to add.
        multiplier: That of the square; each purpose has its own, below 2**20.

    Returns:
        The frame with the column: integers from 0 to `PLACES` - 1.
    """
    (part,) = free_names(["part"], [*frame.collect_schema().names(), name])
    return (
        add_hashes(frame, identity, **{name: 3})
        .with_columns((nw.col(name) // PART).alias(part))
        .with_columns((nw.col(name) + nw.col(part) * nw.col(part) * multiplier).alias(name))
        .with_columns((modulo(nw.col(name), HASH_RANGE) // HASHES_OF_A_PLACE).alias(name))
        .drop(part)
    )


def modulo(value: nw.Expr, divisor: int) -> nw.Expr:
    """Give the remainder, in arithmetic that PyArrow-backed pandas has too: it has no `%`."""
    return value - (value // divisor) * divisor


def _add_seed(frame: FrameT, identity: str, seed: str, *, is_text: bool) -> FrameT:
    if not is_text:
        return frame.with_columns(modulo(nw.col(identity), HASH_RANGE).alias(seed))
    digits = nw.col(identity).str.replace_all("[^0-9]+", "")
    first, next_ones = (
        nw.concat_str(nw.lit("0"), nw.col(seed).str.slice(start, DIGITS)).cast(nw.Int64) for start in (0, DIGITS)
    )
    return (
        frame.with_columns(digits.alias(seed))
        .with_columns((first + next_ones).alias(seed))
        .with_columns(modulo(nw.col(seed), HASH_RANGE).alias(seed))
    )
