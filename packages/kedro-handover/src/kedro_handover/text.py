"""How the text of a table is read, whoever reads it."""

import narwhals.stable.v2 as nw

WHITE_SPACE = " \t\r\n\u0085\u2028\u2029"
"""Stated, because engines differ in what they trim by default. All ends of lines are in it: before the last of them the
end of a pattern (`$`) matches in Java, and in no other engine."""


def trim_text(column: str) -> nw.Expr:
    """Trim a column of text, and make one space of each run of them.

    Args:
        column: Its name.

    Returns:
        The text; empty where there was white space only.
    """
    # In this order: DuckDB trims each distinct cell once, and then has less to replace.
    return nw.col(column).str.strip_chars(WHITE_SPACE).str.replace_all("  +", " ")
