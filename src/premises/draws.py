"""Draws from an id by integer arithmetic: the same on every engine, in any order of rows, in every run.

A Lehmer generator (MINSTD, multiplier 48271) is seeded by the id. The first step alone would not do for everything:
the census numbers neighbouring premises one after the other, and one multiplication leaves them neighbours. Each
purpose takes a step of its own, so that the split, the folds and the thinning are not tied to each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

DRAWS = 2**31 - 1
"""A draw is an integer from 0 to DRAWS - 1."""

MULTIPLIER = 48271


def draw(identity: nw.Expr, step: int) -> nw.Expr:
    """Draw an integer from an id.

    Args:
        identity: The id, an integer of 64 bits; not within `DRAWS` of the least of them.
        step: How many steps of the generator to take; each purpose has its own.

    Returns:
        An integer from 0 to `DRAWS` - 1; different ids below `DRAWS` never draw the same.
    """
    # Steps in one: an expression that is nested step by step grows eight-fold with each, and SQL engines feel it.
    return modulo(modulo(identity, DRAWS) * pow(MULTIPLIER, step, DRAWS), DRAWS)


def modulo(value: nw.Expr, divisor: int) -> nw.Expr:
    """Give the remainder, in arithmetic that PyArrow-backed pandas has too: it has no `%`."""
    return value - (value // divisor) * divisor
