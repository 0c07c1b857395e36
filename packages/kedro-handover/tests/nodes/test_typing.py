"""Rows are typed by a schema, and features made of them, alike on every engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pytest

from kedro_handover.contract import flag_violations, list_flagged, list_rules
from kedro_handover.errors import ConfigurationError, DataError
from kedro_handover.nodes.split import SplitParameters, split_and_balance
from kedro_handover.nodes.typing import (
    count_classes,
    feature_rules,
    find_repeated_ids,
    make_features,
    read_rows,
    schema_rules,
    select_features,
    type_rows,
)
from kedro_handover.schema import MISSING_MARKS, Category, Date, Label, Number, Schema, Text

if TYPE_CHECKING:
    from kedro_handover.testing import Engine

SCHEMA = Schema(
    id=Text("order_id", "Order"),
    label=Label("is_returned", "Returned", positive=("Yes", "yes"), negative=("No",)),
    columns=(
        Number("size", "Size", low=0, high=10),
        Number("price", "Price", low=-5, high=2000, decimal=",", thousands=".", unit="€", absent=-1),
        Category("shop", "Shop", levels=("north", "south")),
        Category("town", "Town", levels=("A", "B"), others=True),
        Date("sent", "Sent", form="D/M/Y", as_of="2024-03-01"),
        Date("paid", "Paid", form="YMD", as_of="2024-03-01"),
        Date("seen", "Seen", form="Y-M-D", as_of="2024-03-01"),
        Text("note", "Note"),
    ),
    group="shop",
    split_by="note",
)
ROW = {
    "order_id": "1",
    "is_returned": "Yes",
    "size": "2.5",
    "price": "1.234,50 €",
    "shop": "south",
    "town": "B",
    "sent": "29/02/2024",
    "paid": "20240301",
    "seen": "2024-02-28",
    "note": "h7",
}


def raw_rows(*changes: dict[str, str | None]) -> pa.Table:
    """Rows of text, one for each change to a row that is well, ids from 1."""
    rows = [
        {"row_number": place + 1, "malformed_line": None, **ROW, "order_id": str(place), **change}
        for place, change in enumerate(changes, start=1)
    ]
    types = {"row_number": pa.int64(), **dict.fromkeys(("malformed_line", *ROW), pa.string())}
    return pa.Table.from_pylist(rows, schema=pa.schema(types))


def type_on(engine: Engine, *changes: dict[str, str | None], schema: Schema = SCHEMA) -> Any:
    return engine.stored(type_rows(engine.from_arrow(raw_rows(*changes)), schema))


def features_on(engine: Engine, *changes: dict[str, str | None], schema: Schema = SCHEMA) -> list[dict[str, Any]]:
    return engine.rows(select_features(type_on(engine, *changes, schema=schema), schema, make_features(schema)))


def test_a_row_is_typed_and_has_its_features(engine: Engine) -> None:
    (typed,) = engine.rows(type_on(engine, {}))
    assert {name: typed[name] for name in SCHEMA.types} == {
        "order_id": "1",
        "is_returned": True,
        "size": 2.5,
        "price": 1234.5,
        "shop": "south",
        "town": "B",
        "sent": date(2024, 2, 29),
        "paid": date(2024, 3, 1),
        "seen": date(2024, 2, 28),
        "note": "h7",
    }
    (row,) = features_on(engine, {})
    assert row == {
        "id": "1",
        "label": True,
        "group": "south",
        "split_by": "h7",
        "size": 2.5,
        "price": 1234.5,
        "shop_code": 2,
        "town_code": 2,
        "sent_age_days": 1,
        "sent_month": 2,
        "sent_weekday": 4,
        "paid_age_days": 0,
        "paid_month": 3,
        "paid_weekday": 5,
        "seen_age_days": 2,
        "seen_month": 2,
        "seen_weekday": 3,
    }


def test_signs_of_any_script_stand_between_thousands_and_beside_numbers(engine: Engine) -> None:
    written = {"size": ("\u202f", ""), "price": ("\u2019", "\u00a0€")}
    numbers = {name: Number(name, name, 0, 1, ",", thousands, unit) for name, (thousands, unit) in written.items()}
    schema = replace(SCHEMA, columns=tuple(numbers.get(column.name, column) for column in SCHEMA.columns))
    (typed,) = engine.rows(type_on(engine, {"size": "1\u202f234,5", "price": "-1\u2019234\u00a0€"}, schema=schema))
    assert (typed["size"], typed["price"]) == (1234.5, -1234)


def test_a_minus_is_a_class_where_the_schema_says_so(engine: Engine) -> None:
    schema = replace(SCHEMA, label=Label("is_returned", "Returned", positive=("+",), negative=("-",)))
    rows = engine.rows(type_on(engine, *({"is_returned": cell} for cell in ("+", "-", "?")), schema=schema))
    rows.sort(key=lambda row: row["row_number"])
    assert [(row["is_returned"], row["is_returned_is_odd"]) for row in rows] == [
        (True, False),
        (False, False),
        (None, False),
    ]


def read_cells(engine: Engine, column: str, cells: list[str]) -> list[tuple[Any, bool]]:
    """Type some cells of a column: what they are read as, and whether they are odd."""
    rows = engine.rows(type_on(engine, *({column: cell} for cell in cells)))
    rows.sort(key=lambda row: row["row_number"])
    return [(row[column], row[f"{column}_is_odd"]) for row in rows]


def test_numbers_are_read_as_people_write_them(engine: Engine) -> None:
    cells = {
        ".5": 0.5,
        "5.": 5,
        "+1": 1,
        "-.5": -0.5,
        "1e3": 1000,
        "0007": 7,
        " 1.5 ": 1.5,
        "1E+002": 100,
        "1.5e-3": 0.0015,
    }
    assert read_cells(engine, "size", [*cells]) == [(value, False) for value in cells.values()]


def test_units_thousands_and_decimal_commas_are_read(engine: Engine) -> None:
    cells = {"1,5": 1.5, "€ 12": 12, "-€3,50": -3.5, "- 3": -3, "1.234.567": 1234567, "12,5€": 12.5, "-1": None}
    assert read_cells(engine, "price", [*cells]) == [(value, False) for value in cells.values()]


def test_what_is_no_number_is_a_missing_value_and_counted(engine: Engine) -> None:
    cells = ["3.0M", "1,5", "1e999", "1 2", "0x1F", "Infinity", "+", "1.2.3", "1_000", "\u0661"]
    assert read_cells(engine, "size", cells) == [(None, True)] * len(cells)
    assert {row["size"] for row in features_on(engine, *({"size": cell} for cell in cells))} == {-1}


def test_marks_for_nothing_are_missing_values_of_every_kind(engine: Engine) -> None:
    columns = ("is_returned", "size", "price", "shop", "town", "sent")
    changes = [dict.fromkeys(columns, mark) for mark in (*MISSING_MARKS, "", "  ", "NA", "NULL")]
    for typed in engine.rows(type_on(engine, *changes)):
        assert [typed[name] for name in columns] == [None] * len(columns)
        assert not any(value for name, value in typed.items() if name.endswith("_is_odd"))
    for row in features_on(engine, *changes):
        assert (row["label"], row["group"], row["shop_code"], row["town_code"]) == (None, "none given", 0, 0)
        assert (row["size"], row["price"], row["sent_age_days"], row["sent_month"]) == (-1, -8, -1_000_000, 0)


def test_days_are_read_in_their_form_and_only_if_they_are_days(engine: Engine) -> None:
    cells = {
        "1/2/2024": date(2024, 2, 1),
        "01/12/1999": date(1999, 12, 1),
        "1/02/2024 10:30": date(2024, 2, 1),
        **dict.fromkeys(("29/02/2023", "31/04/2024", "2024-01-01", "1/2/24", "13/13/2024")),
    }
    assert read_cells(engine, "sent", [*cells]) == [(day, day is None) for day in cells.values()]


def test_ages_months_and_weekdays_are_those_of_the_calendar(engine: Engine) -> None:
    days = [
        date(1900, 1, 1),
        date(1999, 12, 31),
        date(2000, 2, 29),
        date(2000, 3, 1),
        date(2024, 2, 29),
        date(2099, 12, 31),
    ]
    rows = features_on(engine, *({"sent": f"{day:%d/%m/%Y}"} for day in days))
    for day, row in zip(days, rows, strict=True):
        assert row["sent_age_days"] == (date(2024, 3, 1) - day).days
        assert (row["sent_month"], row["sent_weekday"]) == (day.month, day.isoweekday())


def test_levels_that_are_not_known_are_others_where_there_are_others(engine: Engine) -> None:
    row, other = features_on(engine, {"town": "C", "shop": "west"}, {"town": "A", "shop": "north"})
    assert (row["town_code"], row["shop_code"]) == (3, 0)
    assert (other["town_code"], other["shop_code"]) == (1, 1)


def test_rows_are_flagged_by_the_rules_that_follow_from_the_schema(engine: Engine) -> None:
    frame = engine.from_arrow(
        raw_rows(
            {},
            {"is_returned": "maybe"},
            {"order_id": " "},
            {"order_id": "9"},
            {"order_id": "9"},
            {"malformed_line": "1,2"},
            {"size": "many", "sent": "soon"},
            {"size": "11", "shop": "west", "town": "C"},
        )
    )
    rules = schema_rules(SCHEMA)
    repeated = nw.from_native(engine.stored(find_repeated_ids(frame, SCHEMA)))
    typed = nw.from_native(engine.stored(type_rows(frame, SCHEMA))).join(repeated, on="order_id", how="left")
    flagged = engine.rows(flag_violations(typed, rules).select("row_number", "violations").to_native())
    assert [list_flagged(row["violations"], list_rules(rules)) for row in flagged] == [
        [],
        ["label_is_readable"],
        ["id_is_readable"],
        ["id_is_unique"],
        ["id_is_unique"],
        ["row_is_whole"],
        ["size_is_readable", "sent_is_readable"],
        ["size_is_usual", "shop_is_known"],
    ]


def test_without_an_id_the_number_of_the_row_is_the_id(engine: Engine) -> None:
    schema = Schema(label=SCHEMA.label, columns=SCHEMA.columns[:1])
    rows = features_on(engine, {}, {}, schema=schema)
    assert [row["id"] for row in rows] == ["2", "3"]
    assert [set(row) for row in rows] == [{"id", "label", "size"}] * 2


def test_rows_of_a_group_stay_on_one_side_of_the_split_and_in_one_fold(engine: Engine) -> None:
    changes = [{"note": f"person {place // 5}", "is_returned": ["Yes", "No"][place % 2]} for place in range(1000)]
    features = engine.stored(select_features(type_on(engine, *changes), SCHEMA, make_features(SCHEMA)))
    model_input = engine.rows(
        split_and_balance(features, SplitParameters(test_share=0.2, folds=5, majority_per_minority=None))
    )
    assert len(model_input) == 1000
    assert "split_by" not in model_input[0]
    sides: dict[int, set[tuple[str, int]]] = {}
    for row in model_input:
        sides.setdefault((int(row["id"]) - 1) // 5, set()).add((row["split"], row["fold"]))
    assert all(len(of_person) == 1 for of_person in sides.values())
    test = sum(row["split"] == "test" for row in model_input)
    assert 120 < test < 280
    assert {row["fold"] for row in model_input} == {-1, *range(5)}


@pytest.mark.parametrize("width", [200, pytest.param(1000, marks=pytest.mark.slow)])
def test_many_columns_have_rules_and_features(engine: Engine, width: int) -> None:
    if engine.name not in {"pandas", "polars"}:
        # On Dask and Spark each column is many tasks; DuckDB takes gigabytes to plan 1,000 of them.
        width = min(width, 100)
    columns = tuple(Number(f"v{place}", f"V{place}", low=0, high=1) for place in range(width))
    schema = Schema(label=SCHEMA.label, columns=columns)
    table = pa.table(
        {
            "row_number": pa.array([2, 3]),
            "malformed_line": pa.array([None, None], pa.string()),
            "is_returned": ["Yes", "No"],
            **{column.name: ["0.5", "x"] for column in columns},
        }
    )
    typed = nw.from_native(engine.stored(type_rows(engine.from_arrow(table), schema)))
    rules = schema_rules(schema)
    rows = engine.rows(
        flag_violations(typed.with_columns(rows_of_id=nw.lit(1)), rules).select("row_id", "violations").to_native()
    )
    assert [list_flagged(row["violations"], list_rules(rules)) for row in rows] == [[], ["all_is_readable"]]
    features = engine.rows(select_features(typed.to_native(), schema, make_features(schema)))
    assert [row[f"v{width - 1}"] for row in features] == [np.float32(0.5), -1]


def test_feature_rules_find_what_is_no_number(engine: Engine) -> None:
    (rule,) = feature_rules(["a", "b"])
    frame = nw.from_native(engine.frame({"a": [1.0, None], "b": [2.0, 1.0]}))
    assert [row["violated"] for row in engine.rows(frame.select("b", violated=rule.violated).to_native())] == [
        True,
        False,
    ]


def test_columns_are_taken_by_their_names_in_the_file() -> None:
    schema = Schema(
        id=Text("order_id", "Order"), label=SCHEMA.label, columns=(Number("size", "Size ($)", low=0, high=1),)
    )
    names = ["row_number", "malformed_line", "Size ($)", "Order", "Returned", "more"]
    table = pa.table({name: pa.array([2]) if name == "row_number" else pa.array(["x"]) for name in names})
    taken = read_rows(table.to_reader(), schema, "orders").read_all()
    assert taken.column_names == ["row_number", "malformed_line", "order_id", "is_returned", "size"]
    with pytest.raises(DataError, match="orders: 1 of 3 columns are missing: Returned"):
        read_rows(table.drop_columns("Returned").to_reader(), schema, "orders")


def test_labels_are_counted_by_class_and_both_have_to_be_there(engine: Engine) -> None:
    rows = raw_rows({}, {"is_returned": "yes "}, {"is_returned": "No"}, {"is_returned": "?"}, {"is_returned": None})
    counted = count_classes(engine.from_arrow(rows), SCHEMA, "orders")
    assert counted == {"positive": 2, "negative": 1, "unknown": 2}
    with pytest.raises(DataError, match="orders: a model needs rows of both classes, and of 1 rows 1 have Returned"):
        count_classes(engine.from_arrow(raw_rows({})), SCHEMA, "orders")


def test_a_schema_has_no_name_twice_and_names_its_group() -> None:
    with pytest.raises(ConfigurationError, match="two columns are named 'a'"):
        Schema(label=SCHEMA.label, columns=(Text("a", "A"), Text("a", "B")))
    with pytest.raises(ConfigurationError, match="group is 'b', and no column has that name"):
        Schema(label=SCHEMA.label, columns=(Text("a", "A"),), group="b")
