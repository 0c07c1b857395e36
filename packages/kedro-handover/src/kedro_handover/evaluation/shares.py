"""How shares are written."""


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
