"""Sentences that more than one report says."""

from premises.census.schema import CREDIT


def describe_origin(row_counts: dict[str, int]) -> str:
    """Say whose rows these are: every report must, and a sample must never pass for the census.

    Args:
        row_counts: `premises` is the number of rows, `drawn` that of rows that are marked as drawn.

    Returns:
        One or two sentences, with the credit to the publisher.
    """
    rows, drawn = row_counts["premises"], row_counts["drawn"]
    if drawn == rows:
        return f"{rows:,} premises: a sample drawn from published counts, not the census itself. {CREDIT}, changed."
    if drawn:
        return f"{rows:,} premises, {drawn:,} of them drawn from published counts, not taken from a census. {CREDIT}."
    return f"{rows:,} premises. {CREDIT}."


def describe_rows(row_counts: dict[str, int]) -> str:
    """Account for the rows of the census.

    Args:
        row_counts: `rows_in`, `premises` (the valid ones) and `rejected`.

    Returns:
        The sum, in words.
    """
    return "{rows_in:,} rows in = {premises:,} valid + {rejected:,} rejected.".format_map(row_counts)


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
