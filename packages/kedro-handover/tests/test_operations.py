"""Each operation of the engine-neutral nodes gives on every engine what it gives on pandas, whatever it is given."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import narwhals.stable.v2 as nw
import pytest

from kedro_handover import contract, expressions, hashing, text
from kedro_handover.nodes import split, typing, validation
from kedro_handover.nodes.research import count_scores, score_with_research
from operations import (
    EXPRESSIONS,
    FRAMES,
    TRIED,
    called,
    compute,
    find_fault,
    frames,
    functions_of,
    in_order,
    on_pandas,
    row_by_row,
)

if TYPE_CHECKING:
    from kedro_handover.testing import Engine

NEUTRAL = (contract, expressions, hashing, split, text, typing, validation)
"""Where each call of Narwhals has to be one that is tried here; of other modules, the functions named below."""

OTHERS = (score_with_research, count_scores)


@pytest.mark.parametrize("kind", ["many", "none", "one", "one class"])
def test_expressions_are_those_of_pandas(engine: Engine, kind: str) -> None:
    expected = on_pandas(kind, None)
    try:
        found = compute(engine, kind, row_by_row)
    except Exception:  # noqa: BLE001 - as above
        pytest.fail(find_fault(engine, kind))
    columns = [zip(*sorted(tuple(row.values()) for row in rows), strict=True) for rows in (found, expected)]
    assert [len(rows) for rows in (found, expected)] == [len(frames()[kind])] * 2
    told = {}
    for name, here, there in zip(("row", *EXPRESSIONS), *columns, strict=True) if found else ():
        differ = [(one, other) for one, other in zip(here, there, strict=True) if one != other]
        if differ:
            told[f"{name}, {len(differ)} rows"] = differ[0]
    assert told == {}, f"here, and on pandas: {told}"


@pytest.mark.parametrize("kind", ["many", "none", "one", "one class"])
def test_operations_on_frames_are_those_of_pandas(engine: Engine, kind: str) -> None:
    for operation, make in FRAMES.items():
        assert in_order(compute(engine, kind, make)) == in_order(on_pandas(kind, operation)), operation


def test_every_operation_of_the_engine_neutral_nodes_is_tried_here() -> None:
    functions = {f"{module.__name__}.{name}": node for module in NEUTRAL for name, node in functions_of(module).items()}
    for one in OTHERS:
        module = __import__(one.__module__, fromlist=["_"])
        functions[f"{one.__module__}.{one.__name__}"] = functions_of(module)[one.__name__]
    untried = {name: sorted(called(node) - TRIED) for name, node in functions.items()}
    assert {name: operations for name, operations in untried.items() if operations} == {}


def test_an_operation_that_is_not_tried_is_found_by_its_name() -> None:
    code = (
        'frame.with_columns(x=nw.col("a").rank(), y=nw.col("b").str.to_titlecase()).sample(3); ", ".join(names); x / 7'
    )
    assert called(ast.parse(code)) - TRIED == {"rank", "str.to_titlecase", "/ 7"} | ({"sample"} & {*dir(nw.LazyFrame)})
