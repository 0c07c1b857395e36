"""How the text of a census is read, whoever reads it."""

import narwhals.stable.v2 as nw


def clean_text(column: str) -> nw.Expr:
    """Trim a column of text.

    Args:
        column: Its name.

    Returns:
        The text without white space around it and with one space for each run of them; null where nothing is left.
    """
    text = nw.col(column).str.replace_all("  +", " ").str.strip_chars(" \t\r\n")
    return nw.when(text != "").then(text)
