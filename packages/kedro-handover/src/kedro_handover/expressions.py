"""Put many expressions together, without a chain as long as they are many: engines follow a chain by recursion."""

from __future__ import annotations

from operator import or_
from typing import TYPE_CHECKING

import narwhals.stable.v2 as nw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["any_of", "combine"]


def combine(expressions: Sequence[nw.Expr], operator: Callable[[nw.Expr, nw.Expr], nw.Expr]) -> nw.Expr:
    """Combine expressions in pairs, and pairs in pairs: of 1,000 of them none is deeper than ten.

    Args:
        expressions: One at least.
        operator: Takes two, in whichever order they are put together.

    Returns:
        One expression.
    """
    if len(expressions) == 1:
        return expressions[0]
    half = len(expressions) // 2
    return operator(combine(expressions[:half], operator), combine(expressions[half:], operator))


def any_of(conditions: Iterable[nw.Expr]) -> nw.Expr:
    """Tell the rows for which one condition holds; one condition at least is needed."""
    return combine(list(conditions), or_)
