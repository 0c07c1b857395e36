"""Write a schema as the Python of a new project."""

from __future__ import annotations

import json
from dataclasses import fields
from textwrap import fill
from typing import Any

from kedro_handover.schema import Column, Schema

WIDTH = 116
EXACT = 2**53
"""Whole numbers below it are the same as floats."""

NAMED_BY_PLACE = ("name", "in_file")


def write_schema(schema: Schema) -> dict[str, str]:
    """Write the imports of a `schema.py`, and the arguments of its `Schema`.

    Args:
        schema: The columns.

    Returns:
        `imports` and `body`.
    """
    used = sorted({"Schema", *(type(column).__name__ for column in schema.in_file)})
    lines = [
        *([f"    id={_write(schema.id)},"] if schema.id else []),
        f"    label={_write(schema.label)},",
        "    columns=(",
        *(_indent(_write(column)) for column in schema.columns),
        "    ),",
        *(f"    {role}={_literal(value)}," for role in ("group", "split_by") if (value := getattr(schema, role))),
    ]
    return {"imports": f"from kedro_handover.schema import {', '.join(used)}", "body": "\n".join(lines)}


def _write(column: Column) -> str:
    """Write a column with what is not by default."""
    given = [_literal(getattr(column, name)) for name in NAMED_BY_PLACE]
    for one in fields(column):
        value = getattr(column, one.name)
        if one.name not in NAMED_BY_PLACE and value != one.default:
            given.append(f"{one.name}={_literal(value)}")
    return f"{type(column).__name__}({', '.join(given)})"


def _literal(value: Any) -> str:
    """Write a value in Python, with the quotes of the formatter."""
    if isinstance(value, str):
        has_double_only = '"' in value and "'" not in value
        return repr(value) if has_double_only else json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple):
        return f"({', '.join(map(_literal, value))}{',' * (len(value) == 1)})"
    if isinstance(value, float) and abs(value) < EXACT and value == int(value):
        return repr(int(value))
    return repr(value)


def _indent(text: str) -> str:
    """Write a column on one line, or fill as many as its levels need."""
    line = f"        {text},"
    if len(line) <= WIDTH or " " not in text:
        return line
    return _fill_outside_texts(text)


def _fill_outside_texts(text: str) -> str:
    """Break lines between arguments and levels; a space within a text is none to break at."""
    kept = _hide_spaces(text)
    filled = fill(
        kept, WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 12, break_long_words=False, break_on_hyphens=False
    )
    return filled.replace(HIDDEN, " ") + ","


HIDDEN = "\ue000"
"""Stands for a space within a text, where lines are not broken."""


def _hide_spaces(text: str) -> str:
    hidden: list[str] = []
    quote, is_escaped = "", False
    for sign in text:
        hidden.append(HIDDEN if quote and sign == " " else sign)
        if is_escaped:
            is_escaped = False
        elif quote and sign == "\\":
            is_escaped = True
        elif quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
    return "".join(hidden)


def write_value(value: Any) -> str:
    """Write a value as YAML that fits on a line, and in which OmegaConf sees no interpolation."""
    return json.dumps(_escape(value), ensure_ascii=False)


def _escape(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("${", r"\${")
    if isinstance(value, dict):
        return {key: _escape(one) for key, one in value.items()}
    return [_escape(one) for one in value] if isinstance(value, list | tuple) else value
