"""The census' nodes use the operations that the library tries on every engine; their patterns match alike on each."""

from __future__ import annotations

import functools
from typing import Any

import narwhals.stable.v2 as nw
import pytest

from kedro_handover.testing import Engine, to_pandas
from kedro_handover.text import WHITE_SPACE
from operations import TRIED, called, compute, functions_of
from premises.census import contract
from premises.pipelines.data_engineering import features, ingest

PATTERNS = {
    **{name: getattr(ingest, name) for name in ("INTEGER", "WHOLE_DECIMAL", "DECIMAL", "DATE", "DIGITS_OF_DATE")},
    **{f"id_of_{year}": vintage.id_pattern for year, vintage in ingest.VINTAGES.items()},
}


def match(frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    trimmed = nw.col("text").str.strip_chars(WHITE_SPACE)
    return frame.select(
        "row",
        **{name: trimmed.str.contains(pattern) for name, pattern in PATTERNS.items()},
        midnight=trimmed.str.replace_all(ingest.MIDNIGHT, ""),
    )


@functools.cache
def on_pandas() -> list[dict[str, Any]]:
    return compute(Engine("pandas", to_pandas), "many", match)


def test_patterns_match_as_on_pandas(engine: Engine) -> None:
    found, expected = (
        sorted(rows, key=lambda row: row["row"]) for rows in (compute(engine, "many", match), on_pandas())
    )
    assert [(one, other) for one, other in zip(found, expected, strict=True) if one != other][:2] == []
    assert len(found) > 100


@pytest.mark.parametrize("module", [contract, features, ingest], ids=lambda module: module.__name__)
def test_every_operation_of_the_nodes_is_tried_by_the_library(module: Any) -> None:
    untried = {name: sorted(called(node) - TRIED) for name, node in functions_of(module).items()}
    assert {name: operations for name, operations in untried.items() if operations} == {}
