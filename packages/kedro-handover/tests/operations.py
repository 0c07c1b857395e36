"""Each operation that engine-neutral nodes may use, and the rows that it is tried on."""

from __future__ import annotations

import ast
import functools
import math
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import pyarrow as pa
from hypothesis import strategies as st

from kedro_handover import text
from kedro_handover.nodes import typing as typing_nodes
from kedro_handover.testing import Engine, to_pandas
from kedro_handover.text import WHITE_SPACE
from oddities import TEXTS, collect

if TYPE_CHECKING:
    from collections.abc import Callable

CASES = 500
LARGE = 2**40
DECIMALS = st.floats(-1e9, 1e9, width=32).map(float)
SCHEMA = {
    "row": pa.int64(),
    "text": pa.string(),
    "digits": pa.string(),
    "day": pa.string(),
    "whole": pa.int64(),
    "few": pa.int64(),
    "decimal": pa.float64(),
    "flag": pa.bool_(),
}
ROWS = st.tuples(
    TEXTS.filter(lambda text: "\0" not in (text or "")),  # the reader refuses a file that has one
    st.none() | st.integers(0, 10**15 - 1).map(str),
    st.none() | st.dates().map(str).filter(lambda day: "1900" < day < "2100"),
    st.none() | st.integers(-LARGE, LARGE),
    st.none() | st.integers(-2, 2),
    st.none() | DECIMALS,
    st.none() | st.booleans(),
)

whole, decimal, flag, words = nw.col("whole"), nw.col("decimal"), nw.col("flag"), nw.col("text")
few, trimmed = nw.col("few"), nw.col("text").str.strip_chars(WHITE_SPACE)
EXPRESSIONS: dict[str, nw.Expr] = {
    "+": whole + few,
    "-": whole - few,
    "*": whole * 48271 + few * few,
    "/": whole / nw.when(few > 0).then(few),
    "* 0.001": whole.cast(nw.Float64) * 0.001,
    "//": whole // 1000,
    "// of a negative": -7 - (whole // 3) * 3 + whole,
    "~": ~flag,
    "&": flag & (whole > 0),
    "|": flag | (whole > 0),
    "<, <=, >, >=": (whole < few) | (whole <= 5) | (decimal > 0.5) | (decimal >= whole),
    "==, !=": (few == 1) | (words != ""),
    "cast to Int64": flag.cast(nw.Int64),
    "cast of text to Int64": nw.col("digits").cast(nw.Int64),
    "cast to String": whole.cast(nw.String),
    "cast to Float32": decimal.cast(nw.Float32),
    "cast to Float64": whole.cast(nw.Float64),
    "fill_null": few.fill_null(7),
    "fill_null of a condition": (whole > 0).fill_null(value=False),
    "floor": decimal.floor().cast(nw.Int64),
    "is_in": nw.when(few.is_in([1, 2])).then(few),
    "is_in of text": nw.when(words.is_in(["Actiu", "Sí", ""])).then(words),
    "is_null": few.is_null(),
    "sqrt": (few * few).cast(nw.Float64).sqrt(),
    "any_horizontal": nw.any_horizontal(flag.is_null(), whole.is_null(), ignore_nulls=False),
    "coalesce": nw.coalesce("few", "whole"),
    "concat_str": nw.concat_str(words, nw.lit("-"), nw.col("digits")),
    "when, then": nw.when(whole > 0).then(few),
    "when, then, otherwise": nw.when(flag).then(nw.lit(0.25)).otherwise(nw.when(few > 0).then(0.5).otherwise(1.0)),
    "dt.month": nw.col("day").str.to_datetime("%Y-%m-%d").cast(nw.Date).dt.month().cast(nw.Int64),
    "dt.day": nw.col("day").str.to_datetime("%Y-%m-%d").cast(nw.Date).dt.day().cast(nw.Int64),
    "dt.year": nw.col("day").str.to_datetime("%Y-%m-%d").cast(nw.Date).dt.year().cast(nw.Int64),
    "str.contains": trimmed.str.contains(r"^-?[0-9]{1,12}(?:\.[0-9]{1,15})?$"),
    "str.contains a day": trimmed.str.contains(typing_nodes.DAY),
    "str.replace_all": words.str.replace_all("[^0-9]+", ""),
    "str.replace_all of a literal": words.str.replace_all("Sense  informació", "?", literal=True),
    "str.slice": words.str.slice(1, 3),
    "str.starts_with": words.str.starts_with("Actiu"),
    "str.strip_chars": words.str.strip_chars(WHITE_SPACE),
    "str.to_datetime": nw.col("day").str.to_datetime("%Y-%m-%d").cast(nw.Date),
    "str.to_lowercase": nw.when(trimmed.str.contains("^[ -~]*$")).then(trimmed.str.to_lowercase()),
    "two steps: trim, then replace": text.trim_text("text"),
}
"""Row by row, and as the nodes do it: a pattern looks at trimmed text alone, and small letters are made of ASCII."""

FRAMES: dict[str, Callable[[nw.LazyFrame[Any]], nw.LazyFrame[Any]]] = {
    "drop": lambda frame: frame.drop("flag"),
    "filter": lambda frame: frame.filter(flag | (few > 0)),
    "group_by, len, sum, count": lambda frame: frame.group_by("few", drop_null_keys=True).agg(
        rows=nw.len(), whole=whole.sum(), known=whole.count()
    ),
    "group_by, max, min": lambda frame: frame.group_by("few", drop_null_keys=True).agg(
        most=whole.max(), least=whole.min()
    ),
    "group_by two columns": lambda frame: frame.group_by("few", "flag").agg(rows=nw.len()),
    "select of a sum": lambda frame: frame.select(rows=nw.len(), true=flag.cast(nw.Int64).sum().fill_null(0)),
    "join, left": lambda frame: frame.join(
        frame.group_by("few", drop_null_keys=True).agg(rows=nw.len()), on="few", how="left"
    ),
    "join, inner": lambda frame: frame.join(frame.filter(whole > 0).select("row", w="whole"), on="row", how="inner"),
    "join, cross": lambda frame: frame.join(frame.select(rows=nw.len()), how="cross"),
    "with_columns": lambda frame: frame.with_columns(few=few + 1, more=whole),
    "alias": lambda frame: frame.with_columns([(few + 1).alias("few"), whole.alias("self_")]).select(few.alias("f")),
    "head": lambda frame: frame.select("row").head(10**6),
}

TRIED = {
    *("nw.col", "nw.from_native", "nw.lit", "nw.len", "nw.when", "nw.coalesce", "nw.concat_str", "nw.any_horizontal"),
    *("then", "otherwise", "select", "to_native", "lazy", "collect", "collect_schema", "with_columns", "agg", "schema"),
    *(name.strip(", ") for many in (*EXPRESSIONS, *FRAMES) for name in many.replace(",", " ").split()),
}
"""Each operation by its name, as it stands in the code."""


@functools.cache
def frames() -> dict[str, pa.Table]:
    """Rows of Hypothesis; none of them; one; those of one class."""
    cases = collect(CASES, ROWS)
    numbered = [dict(zip(SCHEMA, (row, *cells), strict=True)) for row, cells in enumerate(cases)]
    many = pa.Table.from_pylist(numbered, schema=pa.schema(SCHEMA))
    one_class = many.set_column(many.column_names.index("flag"), "flag", pa.array([True] * len(many)))
    return {"many": many, "none": many.slice(0, 0), "one": many.slice(7, 1), "one class": one_class}


def compute(engine: Engine, kind: str, make: Callable[[nw.LazyFrame[Any]], nw.LazyFrame[Any]]) -> list[dict[str, Any]]:
    made = make(nw.from_native(engine.from_arrow(frames()[kind])).lazy())
    names = made.collect_schema().names()
    return made.collect("pyarrow").select(names).rows(named=True)


@functools.cache
def on_pandas(kind: str, operation: str | None) -> list[dict[str, Any]]:
    pandas = Engine("pandas", to_pandas)
    return compute(pandas, kind, row_by_row if operation is None else FRAMES[operation])


def row_by_row(frame: nw.LazyFrame[Any], only: str | None = None) -> nw.LazyFrame[Any]:
    """Work out the expressions, in columns that are numbered: not every engine takes any sign in a name."""
    chosen = {f"of_{place}": one for place, (name, one) in enumerate(EXPRESSIONS.items()) if only in {None, name}}
    return frame.with_columns(**chosen).select("row", *chosen)


def find_fault(engine: Engine, kind: str) -> str:
    """Name the first operation that fails by itself, and how."""
    for name in EXPRESSIONS:
        try:
            compute(engine, kind, functools.partial(row_by_row, only=name))
        except Exception as error:  # noqa: BLE001 - whatever an engine raises, the operation is to be named
            return f"{name} fails on {engine.name}: {str(error).splitlines()[0]}"
    return f"each operation does by itself on {engine.name}, and all together do not"


def in_order(rows: list[dict[str, Any]]) -> list[str]:
    """Rows in an order of their own; whole numbers are of types that differ until a `select` casts them."""
    return sorted(str({name: plain(value) for name, value in sorted(row.items())}) for row in rows)


def plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    return None if math.isnan(value) else float(value)


def called(tree: ast.AST) -> set[str]:
    """The operations of Narwhals that code calls, by their names."""
    names = functools.reduce(or_, ({*dir(kind)} for kind in (nw.Expr, nw.LazyFrame)))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and not isinstance(node.right, ast.Call):
            found.add(f"/ {ast.unparse(node.right)}")
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        of, name = node.func.value, node.func.attr
        if isinstance(of, ast.Name) and of.id == "nw":
            if not name[0].isupper():  # a type is none
                found.add(f"nw.{name}")
        elif isinstance(of, ast.Attribute) and of.attr in {"str", "dt"}:
            found.add(f"{of.attr}.{name}")
        elif name in names - {"__init__"} and not isinstance(of, ast.Constant | ast.JoinedStr):
            found.add(name)
    return found


def functions_of(module: Any) -> dict[str, ast.AST]:
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
