"""How counts and shares are written for people: in logs, in the terminal and in reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def describe_rows(rejections: Mapping[str, object]) -> str:
    """Account for the rows of a table in one sentence.

    Args:
        rejections: `rows_in`, `valid` and `rejected`, in rows.
    """
    return "{rows_in:,} rows in = {valid:,} valid + {rejected:,} rejected.".format_map(rejections)


def format_share(share: float) -> str:
    """Write a share in per cent, so that only the whole is 100 % and only nothing is 0 %.

    Args:
        share: From 0 to 1.

    Returns:
        Two decimals, cut off rather than rounded where rounding would reach an end.
    """
    hundredths = round(share * 10_000)
    if 0 < share < 1:
        hundredths = min(max(hundredths, 1), 9_999)
    return f"{hundredths / 100:.2f}%"
