"""Every raw row is valid, or rejected with its reasons and as it stands in the file, alike on every engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import pyarrow as pa
import pytest

from kedro_handover.contract import Rule, flag_violations, list_flagged, list_rules
from kedro_handover.errors import DataError
from kedro_handover.nodes.validation import (
    count_labels,
    count_rejected,
    count_repeated_ids,
    describe_rows,
    select_rejected,
    select_valid,
    take_columns,
)
from kedro_handover.text import trim_text

if TYPE_CHECKING:
    from kedro_handover.testing import Engine

COLUMNS = ("order_id", "shop", "price")
RULES = (
    Rule("row_is_whole", "The row has as many fields as the header.", ~nw.col("malformed_line").is_null()),
    Rule("shop_is_open", "The shop is 1 or 2.", ~nw.col("shop_text").is_in(["1", "2"]), severity="warn"),
    Rule("id_is_readable", "order_id is not empty.", nw.col("id").is_null()),
    Rule("id_is_unique", "No other row has the id.", nw.col("rows_of_id").fill_null(1) > 1),
    Rule("price_is_readable", "price is a number.", nw.col("amount").is_null()),
)
RECORDS = list_rules(RULES)


def raw(*rows: tuple[str | None, str, str], malformed: tuple[str, ...] = ()) -> pa.Table:
    """Rows as they are read, the whole ones first."""
    numbers = range(2, 2 + len(rows) + len(malformed))
    cells = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
    nothing = [None] * len(malformed)
    return pa.table(
        {
            "row_number": numbers,
            "malformed_line": [*[None] * len(rows), *malformed],
            **{name: [*column, *nothing] for name, column in cells.items()},
        },
        schema=pa.schema([("row_number", pa.int64()), *((name, pa.string()) for name in ("malformed_line", *COLUMNS))]),
    )


def find_repeated(engine: Engine, table: pa.Table) -> Any:
    return count_repeated_ids(nw.from_native(engine.from_arrow(table)).select(id=trim_text("order_id")).to_native())


def check(engine: Engine, table: pa.Table) -> Any:
    """The typed rows with their flags, as a project's node makes them."""
    number = nw.col("price").str.contains("^[0-9]+$")
    typed = nw.from_native(engine.from_arrow(table)).with_columns(
        id=trim_text("order_id"),
        shop_text=trim_text("shop").fill_null(""),
        amount=nw.when(number).then(nw.col("price")),
    )
    typed = typed.with_columns(
        id=nw.when(nw.col("id") != "").then(nw.col("id")), amount=nw.col("amount").cast(nw.Int64)
    )
    repeated = nw.from_native(engine.stored(find_repeated(engine, table)))
    flagged = flag_violations(typed.join(repeated, on="id", how="left"), RULES)
    return engine.stored(flagged.select("row_number", "violations", "id", "amount").to_native())


TABLE = raw(
    ("1", "1", "5"), ("2", "9", "7"), (" 3", "1", "?"), ("3 ", "2", "8"), (None, "9", ""), malformed=("6,1", "")
)
VIOLATED = {
    2: [],
    3: ["shop_is_open"],
    4: ["id_is_unique", "price_is_readable"],
    5: ["id_is_unique"],
    6: ["id_is_readable", "price_is_readable", "shop_is_open"],
    7: ["row_is_whole", "id_is_readable", "price_is_readable", "shop_is_open"],
    8: ["row_is_whole", "id_is_readable", "price_is_readable", "shop_is_open"],
}
"""The rules that each row violates, by its number: those that reject first."""


def test_each_rule_is_violated_by_the_rows_that_violate_it_and_no_others(engine: Engine) -> None:
    rows = engine.rows(check(engine, TABLE))
    assert {row["row_number"]: list_flagged(row["violations"], RECORDS) for row in rows} == VIOLATED
    assert {rule["name"] for rule in RECORDS} == {name for names in VIOLATED.values() for name in names}


def test_rows_in_are_rows_valid_and_rows_rejected_with_the_raw_row_and_its_reasons(engine: Engine) -> None:
    checked = check(engine, TABLE)
    rejected = engine.rows(select_rejected(engine.from_arrow(TABLE), checked, RECORDS))
    valid = engine.rows(select_valid(checked, RECORDS, {}))
    assert valid == [{"id": "1", "amount": 5}, {"id": "2", "amount": 7}]
    assert len(rejected) + len(valid) == len(TABLE)
    by_row = {row["row_number"]: row for row in rejected}
    stands_in_file = {row["row_number"]: row for row in TABLE.to_pylist()}
    errors = {number: [name for name in VIOLATED[number] if name != "shop_is_open"] for number in by_row}
    assert by_row == {
        number: {"violated_rules": ", ".join(errors[number]), **stands_in_file[number]} for number in by_row
    }
    assert by_row[7]["malformed_line"] == "6,1"
    assert list(rejected[0]) == ["violated_rules", "row_number", "malformed_line", *COLUMNS]


def test_no_row_is_rejected_where_no_rule_rejects(engine: Engine) -> None:
    warns = [rule for rule in RECORDS if rule["severity"] == "warn"]
    checked = engine.frame({"row_number": [2, 3], "violations": [0, 1], "id": ["1", "2"]})
    assert engine.rows(select_rejected(engine.from_arrow(TABLE), checked, warns)) == []
    assert len(engine.rows(select_valid(checked, warns, {}))) == 2


def outcomes(engine: Engine, table: pa.Table, *, share: float) -> dict[str, Any]:
    frame, checked = engine.from_arrow(table), check(engine, table)
    return count_rejected(frame, checked, select_rejected(frame, checked, RECORDS), RECORDS, share)


def test_the_rows_are_counted_by_rule(engine: Engine, caplog) -> None:
    with caplog.at_level("INFO"):
        counted = outcomes(engine, TABLE, share=0.8)
    assert {name: counted[name] for name in ("rows_in", "valid", "rejected")} == {
        "rows_in": 7,
        "valid": 2,
        "rejected": 5,
    }
    assert {rule["name"]: (rule["severity"], rule["rows"]) for rule in counted["rules"]} == {
        "row_is_whole": ("error", 2),
        "id_is_readable": ("error", 3),
        "id_is_unique": ("error", 2),
        "price_is_readable": ("error", 4),
        "shop_is_open": ("warn", 4),
    }
    assert describe_rows(counted) == "7 rows in = 2 valid + 5 rejected."
    assert "7 rows in = 2 valid + 5 rejected." in caplog.text
    assert "shop_is_open: violated by 4 rows, kept. The shop is 1 or 2." in caplog.text
    assert "id_is_unique: violated by 2 rows, rejected. No other row has the id." in caplog.text


def test_too_many_rejected_rows_end_the_run_with_their_reasons(engine: Engine) -> None:
    table = raw(("1", "1", "5"), ("2", "1", "7"), (None, "1", "?"), ("4", "1", "?"))
    with pytest.raises(DataError) as refused:
        outcomes(engine, table, share=0.49)
    assert str(refused.value).startswith(
        "2 of 4 rows are rejected, and rejected_share allows 49.00%: price_is_readable 2, id_is_readable 1. "
        "See rejected_rows"
    )
    assert outcomes(engine, table, share=0.5)["rejected"] == 2


def test_a_table_of_rejected_rows_alone_is_none_whatever_the_limit(engine: Engine) -> None:
    with pytest.raises(DataError, match="1 of 1 rows are rejected, and none is left: price_is_readable 1"):
        outcomes(engine, raw(("1", "1", "?")), share=1)


def test_rows_that_are_unaccounted_for_end_the_run(engine: Engine) -> None:
    good, bad, more = ("1", "1", "5"), ("2", "1", "?"), ("3", "1", "5")
    checked = check(engine, raw(good, bad))
    three = engine.from_arrow(raw(good, bad, more))
    with pytest.raises(DataError, match="1 of 3 rows are unaccounted for"):
        count_rejected(three, checked, select_rejected(three, checked, RECORDS), RECORDS, 0.5)
    one = engine.from_arrow(raw(good))
    with pytest.raises(DataError, match="-1 of 1 rows are unaccounted for"):
        count_rejected(one, checked, select_rejected(one, checked, RECORDS), RECORDS, 0.5)
    two = engine.from_arrow(raw(good, bad))
    with pytest.raises(DataError, match="1 rows are rejected, and 0 kept"):
        count_rejected(two, checked, select_rejected(one, checked, RECORDS), RECORDS, 0.5)


def test_an_id_comes_once_or_is_repeated_and_none_is_no_id(engine: Engine) -> None:
    frame = engine.frame({"id": ["a", "b", "a", None, None, "a", "b", "c"]})
    repeated = count_repeated_ids(frame)
    assert engine.rows(repeated) == [{"id": "a", "rows_of_id": 3}, {"id": "b", "rows_of_id": 2}]
    assert engine.types(repeated) == {"id": "String", "rows_of_id": "Int64"}


def labelled(engine: Engine, *labels: str | None) -> Any:
    return engine.frame(
        {"row_number": range(2, 2 + len(labels)), "y": labels}, {"row_number": pa.int64(), "y": pa.string()}
    )


def test_rows_are_counted_by_their_label_as_it_is_trimmed(engine: Engine) -> None:
    rows = labelled(engine, "yes", "\tyes\r", "not  yet", "not yet", None, " ", "?")
    assert count_labels(rows, "orders", "y", ["yes", "not yet"]) == {"": 2, "?": 1, "not yet": 2, "yes": 2}


def test_a_class_that_comes_late_is_found(engine: Engine) -> None:
    assert count_labels(labelled(engine, *["yes"] * 20_000, "no"), "orders", "y", ["yes", "no"])["no"] == 1


@pytest.mark.parametrize(
    ("labels", "counts"),
    [
        (("yes", "yes", "?"), "of 3 rows 2 have y 'yes' and 0 have y 'no'"),
        (("no", "?"), "of 2 rows 0 have y 'yes' and 1 have y 'no'"),
        ((None, "1"), "of 2 rows 0 have y 'yes' and 0 have"),
        (("yes", "No"), "of 2 rows 1 have y 'yes' and 0 have"),
    ],
)
def test_one_class_only_is_refused_with_the_counts(engine: Engine, labels: tuple[str | None, ...], counts: str) -> None:
    with pytest.raises(DataError) as refused:
        count_labels(labelled(engine, *labels), "orders", "y", ["yes", "no"])
    assert str(refused.value).startswith(f"orders: a model needs rows of both classes, and {counts}")


def reader(columns: tuple[str, ...], rows: int = 1) -> pa.RecordBatchReader:
    names = ("row_number", "malformed_line", *columns)
    return pa.table({name: [str(name)] * rows for name in names}).to_reader()


def test_columns_are_taken_by_their_names_whatever_their_order(caplog) -> None:
    with caplog.at_level("INFO"):
        taken = take_columns(reader(("more", "price", "order_id", "shop")), COLUMNS, "orders")
    assert taken.schema.names == ["row_number", "malformed_line", *COLUMNS]
    assert taken.read_all().to_pylist() == [{name: name for name in ("row_number", "malformed_line", *COLUMNS)}]
    assert "orders: left out, as nobody knows such columns: more." in caplog.text


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_named_with_what_to_do(column: str) -> None:
    with pytest.raises(DataError) as refused:
        take_columns(reader(tuple(name for name in COLUMNS if name != column)), COLUMNS, "orders", "Use the first.")
    assert str(refused.value) == f"orders: 1 of 3 columns are missing: {column}. Not known: none. Use the first."


def test_of_many_missing_columns_the_first_are_named() -> None:
    names = tuple(f"column_{place:02d}" for place in range(12))
    with pytest.raises(DataError) as refused:
        take_columns(reader(("x" * 50, "Price")), names, "orders")
    assert "12 of 12 columns are missing: column_00, column_01," in str(refused.value)
    assert "column_07 and 4 more. Not known: …, Price. Use a file that has them." in str(refused.value)


def test_column_names_without_rows_are_refused() -> None:
    with pytest.raises(DataError, match=r"orders: there are column names and no rows\. Download the file again"):
        take_columns(reader(COLUMNS, rows=0), COLUMNS, "orders")
