"""What is found out about a person's file, by kinds of trouble that files have."""

from __future__ import annotations

import csv
import gzip
import random
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kedro.io import DatasetError

from kedro_handover.nodes.split import split_and_balance
from kedro_handover.schema import Category, Column, Date, Number, Schema, Text
from kedro_handover.starter.errors import TableError
from kedro_handover.starter.label import find_classes
from kedro_handover.starter.table import SPLIT, Table, name_columns, read_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS = 400


def make_rows(rows: int = ROWS, **columns: Callable[[int], Any]) -> list[dict[str, Any]]:
    """Rows with an id, a number, a category and a label, and other columns by the number of the row."""
    draw = random.Random(5)
    return [
        {
            "id": f"r{number}",
            "size": f"{draw.gauss(50, 9):.2f}",
            "kind": draw.choice("abc"),
            "won": draw.choice(["yes", "no"]),
            **{name: make(number) for name, make in columns.items()},
        }
        for number in range(rows)
    ]


def write(path: Path, rows: list[dict[str, Any]], delimiter: str = ",", encoding: str = "utf-8") -> Path:
    with path.open("w", newline="", encoding=encoding) as stream:
        writer = csv.DictWriter(stream, rows[0], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def look(path: Path, rows: list[dict[str, Any]], identity: str = "id", label: str = "won", **wishes: str) -> Table:
    return read_table(write(path / "file.csv", rows), identity, label, **wishes)


def column(schema: Schema, in_file: str) -> Column:
    return next(one for one in schema.columns if one.in_file == in_file)


def kinds(schema: Schema) -> dict[str, str]:
    return {one.in_file: type(one).__name__ for one in schema.columns}


def told(table: Table) -> str:
    return "\n".join(table.notes)


PLAIN = {"size": "Number", "kind": "Category"}


# The id


def test_without_an_id_the_number_of_the_row_is_the_id_and_it_is_said(tmp_path: Path) -> None:
    table = look(tmp_path, make_rows(), identity="")
    assert table.schema.id is None
    assert "No column is named as ID: the number of the row is the id." in table.notes
    assert kinds(table.schema)["id"] == "Text"


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_a_first_column_without_a_name_is_an_index_and_can_be_the_id(tmp_path: Path, name: str) -> None:
    rows = [{name: number, **row} for number, row in enumerate(make_rows())]
    table = look(tmp_path, rows, identity="")
    assert [type(one) for one in table.schema.columns if "index" in getattr(one, "why", "")] == [Text]
    chosen = look(tmp_path, rows, identity="Unnamed: 0")
    assert chosen.schema.id is not None
    assert chosen.schema.id.in_file == (name or "column_1")
    if not name:
        assert "ID='Unnamed: 0' makes it the id." in told(table)


def test_a_column_that_counts_the_rows_is_no_feature(tmp_path: Path) -> None:
    rows = make_rows(rownames=lambda number: number + 1, position=lambda number: number, Ticket_No=lambda n: n * 7 + 3)
    schema = look(tmp_path, rows).schema
    assert {one.in_file for one in schema.columns if isinstance(one, Text)} == {"rownames", "position", "Ticket_No"}


def test_few_repeated_ids_are_said_and_many_refused(tmp_path: Path) -> None:
    rows = make_rows()
    rows[1]["id"] = rows[0]["id"]
    assert "2 rows have an id that another row has, and 0 have none: each run rejects them" in told(
        look(tmp_path, rows)
    )
    with pytest.raises(TableError, match=r"'kind' is no id: 400 rows have one that another row has.*SPLIT_BY"):
        look(tmp_path, rows, identity="kind")


def test_the_share_of_rejected_rows_is_as_large_as_a_small_file_needs(tmp_path: Path) -> None:
    rows = make_rows(150)
    assert look(tmp_path, rows).rejected_share == 0.01
    rows[1]["id"] = rows[0]["id"]
    assert look(tmp_path, rows).rejected_share == 0.02  # 2 of 150
    for place in range(4):
        rows[place]["id"] = "r0"
    with pytest.raises(TableError, match="4 rows have one that another row has"):
        look(tmp_path, rows)


def test_rows_of_a_group_stay_together_and_the_group_is_no_feature(tmp_path: Path) -> None:
    rows = make_rows(patient=lambda number: number // 4)
    table = look(tmp_path, rows, group="patient")
    assert table.schema.split_by == "patient"
    assert kinds(table.schema)["patient"] == "Text"
    without = look(tmp_path, rows)
    assert kinds(without.schema)["patient"] == "Text"
    assert "SPLIT_BY=patient" in told(without)
    with pytest.raises(TableError, match="too few, as the split is hashed from the digits of a group"):
        look(tmp_path, rows, group="kind")


# How files are written


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("name", ["file.csv", "FILE.CSV", "file.tsv", "file.txt"])
def test_the_separator_is_found_out(tmp_path: Path, delimiter: str, name: str) -> None:
    rows = [{"id": row["id"], "income, EUR": row["size"], **row} for row in make_rows()]
    table = read_table(write(tmp_path / name, rows, delimiter), "id", "won")
    assert table.dialect.load_args == {"separator": delimiter}
    assert kinds(table.schema) == {"income, EUR": "Number", **PLAIN}


def test_a_file_is_read_in_the_encoding_that_it_has(tmp_path: Path) -> None:
    rows = make_rows(país=lambda number: ["España", "Perú"][number % 2])
    latin = read_table(write(tmp_path / "latin.csv", rows, encoding="latin-1"), "id", "won")
    assert latin.dialect.load_args == {"encoding": "latin-1"}
    assert column(latin.schema, "país").levels == ("España", "Perú")  # type: ignore[attr-defined]
    euro = make_rows(price=lambda number: f"{number % 50} €")
    windows = read_table(write(tmp_path / "windows.csv", euro, encoding="cp1252"), "id", "won")
    assert windows.dialect.load_args == {"encoding": "cp1252"}
    assert column(windows.schema, "price").unit == "€"  # type: ignore[attr-defined]
    for encoding, load_args in (("utf-16", {}), ("utf-16-le", {"encoding": "utf-16-le"})):
        wide = read_table(write(tmp_path / "wide.csv", rows, encoding=encoding), "id", "won")
        assert wide.dialect.load_args == load_args
        assert column(wide.schema, "país").levels == ("España", "Perú")  # type: ignore[attr-defined]


def test_gzip_is_read_whatever_the_file_is_called(tmp_path: Path) -> None:
    content = write(tmp_path / "file.csv", make_rows()).read_bytes()
    for name in ("file.csv.gz", "other.csv"):
        (tmp_path / name).write_bytes(gzip.compress(content))
        table = read_table(tmp_path / name, "id", "won")
        assert table.dialect.is_compressed
        assert kinds(table.schema) == PLAIN


def test_a_line_that_tells_the_separator_and_title_lines_are_passed_over(tmp_path: Path) -> None:
    text = write(tmp_path / "file.csv", make_rows(), ";").read_text()
    (tmp_path / "excel.csv").write_text(f"sep=;\n{text}")
    assert read_table(tmp_path / "excel.csv", "id", "won").dialect.load_args == {"separator": ";", "skip_rows": 1}
    (tmp_path / "title.csv").write_text(f"Results of the year\n\n{text}")
    table = read_table(tmp_path / "title.csv", "id", "won")
    assert table.dialect.load_args == {"separator": ";", "skip_rows": 2}
    assert table.rows == ROWS


def test_a_file_without_a_header_has_numbered_columns(tmp_path: Path) -> None:
    lines = write(tmp_path / "file.csv", make_rows()).read_text().splitlines(keepends=True)
    (tmp_path / "bare.csv").write_text("".join(lines[1:]))
    table = read_table(tmp_path / "bare.csv", "column_1", "column_4")
    assert table.rows == ROWS
    assert kinds(table.schema) == {"column_2": "Number", "column_3": "Category"}
    assert "It has no header, so its columns are column_1 to column_4; the first row is r0," in told(table)
    with pytest.raises(TableError, match=r"has no column 'won', which LABEL names\. .*It has no header"):
        read_table(tmp_path / "bare.csv", "", "won")


def test_row_names_of_r_without_a_name_in_the_header_are_an_index(tmp_path: Path) -> None:
    lines = write(tmp_path / "file.csv", make_rows()).read_text().splitlines(keepends=True)
    lines[0] = lines[0].removeprefix("id,")
    (tmp_path / "r.csv").write_text("".join(lines))
    table = read_table(tmp_path / "r.csv", "", "won")
    assert table.rows == ROWS
    assert table.dialect.unnamed == ("column_1",)
    assert kinds(table.schema) == {"column_1": "Text", **PLAIN}


def test_spaces_around_names_do_not_matter(tmp_path: Path) -> None:
    rows = [{f" {name} ": value for name, value in row.items()} for row in make_rows()]
    table = look(tmp_path, rows, label=" won")
    assert table.dialect.load_args == {"strip_names": True}
    assert kinds(table.schema) == PLAIN


def test_a_last_column_without_a_name_or_a_cell_is_empty(tmp_path: Path) -> None:
    lines = write(tmp_path / "file.csv", make_rows()).read_text().splitlines()
    (tmp_path / "ends.csv").write_text("".join(f"{line},\n" for line in lines))
    table = read_table(tmp_path / "ends.csv", "id", "won")
    assert "No feature: 'column_5', as it has no name, and is empty." in table.notes


def test_texts_within_single_quotes_are_refused_with_the_reason(tmp_path: Path) -> None:
    lines = "".join(f"{row['id']},{row['size']},'{row['kind']}, dark',{row['won']}\n" for row in make_rows())
    (tmp_path / "file.csv").write_text(f"id,size,kind,won\n{lines}")
    with pytest.raises(TableError, match=r"has texts within single quotes\. Write them within double quotes"):
        read_table(tmp_path / "file.csv", "id", "won")


def test_columns_separated_by_spaces_are_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file.csv").write_text("".join(f"{n} {n * 2}  {n % 3} {'ab'[n % 2]}\n" for n in range(100)))
    with pytest.raises(TableError, match="has 4 columns that are separated by spaces"):
        read_table(tmp_path / "file.csv", "", "b")


def test_parquet_needs_no_finding_out(tmp_path: Path) -> None:
    rows = [{**row, "size": float(row["size"]), "won": row["won"] == "yes"} for row in make_rows()]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "file.PARQUET")
    table = read_table(tmp_path / "file.PARQUET", "id", "won")
    assert (table.classes.positive, kinds(table.schema)) == (("true",), PLAIN)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is an empty file"),
        ("Loan ID,Default\n", "names at most, and no rows"),
        ("Loan ID,Default\n" + "".join(f"{n},{'YN'[n % 2]}\n" for n in range(60)), "50 rows of each class at least"),
        ("Loan ID,Default\n" + "".join(f"{n},{'YN'[n % 2]}\n" for n in range(200)), "no column can be a feature"),
        ("Loan ID,Default\n" + "1,2,3\n" + "1,Y\n" * 9, "1 of 10 rows have another number of fields"),
        ("Loan ID,Default\n" + "".join(f"{'a' * n},Y\n{'b' * n},N\n" for n in range(1, 99)), "too few, as the split"),
    ],
)
def test_a_file_that_no_model_can_be_made_of_is_refused_with_the_reason(
    tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "loans.csv").write_text(content, encoding="utf-8")
    with pytest.raises((TableError, DatasetError), match=message):
        read_table(tmp_path / "loans.csv", "Loan ID", "Default")


# What columns are


@pytest.mark.parametrize(
    ("cells", "style", "low", "high"),
    [
        ([".5", "5.", "+1", "-2", "1e3"], {}, -2, 1000),
        (["1,234.50", "12.00", "7"], {"thousands": ","}, 7, 1234.5),
        (["$1,234", "$5", "-$3.50"], {"thousands": ",", "unit": "$"}, -3.5, 1234),
        (["12%", "7.5%", "0%"], {"unit": "%"}, 0, 12),
        (["1,5", "2,25", "3"], {"decimal": ","}, 1.5, 3),
        (["1.234,50", "12,00", "7,1"], {"decimal": ",", "thousands": "."}, 7.1, 1234.5),
        (["1 234", "12", "7"], {"thousands": " "}, 7, 1234),
        (["1'234.5", "12", "7"], {"thousands": "'"}, 7, 1234.5),
        (["12 €", "1,50 €", "7 €"], {"decimal": ",", "unit": "€"}, 1.5, 12),
        (["12\u00a0€", "1,50\u00a0€", "7\u00a0€"], {"decimal": ",", "unit": "\u00a0€"}, 1.5, 12),
        (["1\u202f234,5", "12", "7"], {"decimal": ",", "thousands": "\u202f"}, 7, 1234.5),
        (["1\u2019234.5", "12", "7"], {"thousands": "\u2019"}, 7, 1234.5),
        (["12 kg", "1.5 kg", "7 kg"], {"unit": "kg"}, 1.5, 12),
        (["5min", "90min", "300min"], {"unit": "min"}, 5, 300),
        (["USD 1,234.50", "USD 5", "USD 7"], {"thousands": ",", "unit": "USD"}, 5, 1234.5),
        (["1.5E+002", "2.5e-3", "7"], {}, 0.0025, 150),
    ],
)
def test_numbers_are_read_as_people_write_them(
    tmp_path: Path, cells: list[str], style: dict[str, str], low: float, high: float
) -> None:
    found = column(look(tmp_path, make_rows(amount=lambda number: cells[number % len(cells)])).schema, "amount")
    assert found == Number("amount", "amount", low=low, high=high, **style)  # type: ignore[arg-type]


def test_whole_numbers_with_commas_are_thousands_unless_the_file_has_decimal_commas(tmp_path: Path) -> None:
    rows = make_rows(amount=lambda number: ["1,500", "2,250", "750"][number % 3])
    assert column(look(tmp_path, rows).schema, "amount").thousands == ","  # type: ignore[attr-defined]
    rows = [{**row, "rate": ["1,5", "0,25"][place % 2]} for place, row in enumerate(rows)]
    table = read_table(write(tmp_path / "european.csv", rows, ";"), "id", "won")
    assert column(table.schema, "amount").decimal == ","  # type: ignore[attr-defined]


def test_a_few_odd_cells_of_a_number_column_are_missing_values_and_said(tmp_path: Path) -> None:
    rows = make_rows(amount=lambda number: "3.0M" if number % 40 == 0 else number * 1.5)
    table = look(tmp_path, rows)
    assert kinds(table.schema)["amount"] == "Number"
    assert "'amount': 10 rows have something else in it ('3.0M' in 10): those are missing values." in table.notes
    many = make_rows(amount=lambda number: "3.0M" if number % 10 == 0 else number * 1.5)
    assert kinds(look(tmp_path, many).schema)["amount"] == "Text"


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (lambda number: f"({number}.5)", "If cells such as '(0.5)' are numbers, write them as 1234.5"),
        (lambda number: f"{number}.5-" if number % 3 else number, "If cells such as '1.5-' are numbers"),
        (lambda number: f"{number}k" if number % 2 else f"{number}M", "If cells such as '0M' are numbers"),
        (
            lambda number: f"2024-01-{number % 28 + 1:02}" if number % 2 else f"{number % 28 + 1}.2.2024",
            "several forms",
        ),
        (lambda number: f"number {number}", "it is text with 400 different values, of which few are frequent."),
    ],
)
def test_a_column_that_is_no_feature_is_told_with_what_would_make_it_one(
    tmp_path: Path, cells: Callable[[int], Any], reason: str
) -> None:
    table = look(tmp_path, make_rows(amount=cells))
    assert kinds(table.schema)["amount"] == "Text"
    (note,) = [note for note in table.notes if note.startswith("No feature: 'amount'")]
    assert reason in note


def test_numbers_some_of_which_have_a_unit_are_pointed_out_and_so_are_zeros_before_them(tmp_path: Path) -> None:
    rows = make_rows(
        share=lambda number: f"{number % 90 + 1}%" if number % 2 else f"{number / 1000:.3f}",
        zip=lambda number: f"{number * 7:05}",
    )
    table = look(tmp_path, rows)
    assert kinds(table.schema) == {**PLAIN, "share": "Number", "zip": "Number"}
    checks = "\n".join(note for note in table.notes if note.startswith("CHECK"))
    assert "'share': 200 of its numbers are without % ('0.000' in 1" in checks
    assert "'zip': 400 of its cells begin with a zero ('00000' in 1" in checks


def test_cells_that_are_infinite_are_missing_values(tmp_path: Path) -> None:
    table = look(tmp_path, make_rows(amount=lambda number: ["inf", "-Infinity"][number % 2] if number < 9 else number))
    assert kinds(table.schema)["amount"] == "Number"
    assert "'amount': 9 rows have something else in it ('inf' in 5, '-Infinity' in 4)" in told(table)


MARKS = ("?", "NA", "N/A", ".", "#N/A", "-", "null", "NaN", "<NA>", "")


def test_marks_for_nothing_are_missing_in_every_kind_of_column_and_in_the_label(tmp_path: Path) -> None:
    def marked(value: Any) -> Callable[[int], Any]:
        return lambda number: MARKS[number % 10] if number % 3 == 0 else value(number)

    rows = make_rows(
        amount=marked(lambda number: number * 1.5),
        shade=marked(lambda number: "xy"[number % 2]),
        day=marked(lambda number: f"2024-01-{number % 28 + 1:02}"),
        won=marked(lambda number: "YN"[number % 2]),
    )
    table = look(tmp_path, rows)
    assert kinds(table.schema) == {**PLAIN, "amount": "Number", "shade": "Category", "day": "Date"}
    assert column(table.schema, "shade").levels == ("x", "y")  # type: ignore[attr-defined]
    assert (table.classes.positive, table.classes.negative) == (("Y",), ("N",))


def test_values_that_may_stand_for_nothing_are_pointed_out(tmp_path: Path) -> None:
    rows = make_rows(
        glucose=lambda number: 0 if number % 50 == 0 else 60 + number % 90,
        income=lambda number: -999 if number % 50 == 0 else number,
        visits=lambda number: number % 30,
    )
    checks = [note for note in look(tmp_path, rows).notes if note.startswith("CHECK")]
    assert [note for note in checks if "'glucose' is 0 in 8 rows, and the next value is 60" in note]
    assert [note for note in checks if "'income' is -999 in 8 rows" in note and "absent=-999" in note]
    assert not [note for note in checks if "visits" in note]


def test_constant_and_empty_columns_are_left_out_with_the_reason(tmp_path: Path) -> None:
    rows = make_rows(EmployeeCount=lambda _: 1, Over18=lambda _: "Y", nothing=lambda _: "NA")
    table = look(tmp_path, rows)
    assert kinds(table.schema) == {**PLAIN, "EmployeeCount": "Text", "Over18": "Text", "nothing": "Text"}
    assert "No feature: 'EmployeeCount', as it is always '1'." in table.notes
    assert "No feature: 'nothing', as it is empty." in table.notes


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("Y-M-D", "2024-{m:02}-{d:02}"),
        ("Y-M-D", "2024-{m:02}-{d:02}T10:30:00Z"),
        ("Y/M/D", "2024/{m}/{d}"),
        ("D.M.Y", "{d:02}.{m:02}.2024"),
        ("M/D/Y", "{m}/{d}/2024 3:05 PM"),
        ("D/M/Y", "{d:02}/{m:02}/2024"),
        ("YMD", "2024{m:02}{d:02}"),
    ],
)
def test_dates_become_features(tmp_path: Path, form: str, written: str) -> None:
    rows = make_rows(seen=lambda number: written.format(m=number % 12 + 1, d=number % 28 + 1))
    table = look(tmp_path, rows)
    assert column(table.schema, "seen") == Date("seen", "seen", form=form, as_of="2024-12-28")
    assert {"seen_age_days", "seen_month", "seen_weekday"} < set(table.schema.features)


def test_dates_in_another_form_are_left_out_with_the_reason(tmp_path: Path) -> None:
    table = look(tmp_path, make_rows(seen=lambda number: f"{number % 28 + 1}-Jan-20{number % 20 + 10}"))
    assert "dates are not read in the form of" in column(table.schema, "seen").why  # type: ignore[attr-defined]


def test_a_comma_that_may_be_of_thousands_is_told_where_other_columns_have_decimal_commas(tmp_path: Path) -> None:
    rows = make_rows(
        share=lambda number: f"{number % 9},{number % 10}5", paid=lambda number: f"{1 + number % 9},{100 + number}"
    )
    notes = look(tmp_path, rows).notes
    assert "CHECK 'paid': each comma in it has three digits behind it, and may stand between thousands." in notes
    assert not any(note.startswith("CHECK 'share'") for note in notes)


def test_commas_are_of_thousands_where_numbers_without_one_are_larger_than_what_is_before_them(tmp_path: Path) -> None:
    rows = make_rows(
        share=lambda number: f"{number % 9},{number % 10}5",
        paid=lambda number: str(950 - number % 50) if number % 2 else f"{1 + number % 90},234",
    )
    schema = look(tmp_path, rows).schema
    assert column(schema, "share").decimal == ","  # type: ignore[attr-defined]
    paid: Any = column(schema, "paid")
    assert (paid.decimal, paid.thousands, paid.low) == (".", ",", 901)
    assert 80_000 < paid.high < 91_000


def test_categories_keep_their_frequent_levels_and_group_the_rest(tmp_path: Path) -> None:
    rows = make_rows(
        1_000,
        drug=lambda number: f"D{number % 25:02}",
        town=lambda number: f"T{number % 30}" if number % 4 else f"village {number}",
        name=lambda number: f"somebody {number % 390}",
    )
    table = look(tmp_path, rows)
    drug, town = column(table.schema, "drug"), column(table.schema, "town")
    assert isinstance(drug, Category)
    assert isinstance(town, Category)
    assert (len(drug.levels), drug.others) == (25, False)
    assert town.others
    assert all(level.startswith("T") for level in town.levels)
    assert kinds(table.schema)["name"] == "Text"
    assert "No feature: 'name', as it is text with 390 different values, of which few are frequent." in table.notes


def test_the_levels_that_are_kept_are_those_of_the_training_split(tmp_path: Path) -> None:
    rows = make_rows(1_000, town=lambda number: f"T{number % 25}")
    frame = pd.DataFrame({"id": [row["id"] for row in rows], "label": [row["won"] == "yes" for row in rows]})
    split = split_and_balance(frame, SPLIT).set_index("id")["split"]
    for row in rows:
        row["town"] = "only in test" if split[row["id"]] == "test" else row["town"]
    town = column(look(tmp_path, rows).schema, "town")
    assert isinstance(town, Category)
    assert (sorted(town.levels), town.others) == (sorted(f"T{number}" for number in range(25)), True)


def test_a_column_that_knows_the_label_is_told(tmp_path: Path) -> None:
    rows = [{**row, "collected on": row["won"].replace("no", "")} for row in make_rows()]
    checks = [note for note in look(tmp_path, rows).notes if "collected on" in note and note.startswith("CHECK")]
    assert "it alone tells the classes apart with an AUC of 1.00" in checks[0]


@pytest.mark.parametrize("width", [260, pytest.param(1000, marks=pytest.mark.slow)])
def test_wide_files_are_looked_through(tmp_path: Path, width: int) -> None:
    draw = random.Random(2)
    rows = [{**row, **{f"v{place}": f"{draw.random():.2f}" for place in range(width)}} for row in make_rows(200)]
    assert len(look(tmp_path, rows).schema.numbers) == width + 1


# The label


@pytest.mark.parametrize(
    ("counts", "positive", "why"),
    [
        ({"Yes": 90, "No": 60}, ("Yes",), "it says yes"),
        ({"TRUE": 90, "FALSE": 60}, ("TRUE",), "it says yes"),
        ({"1": 90, "0": 60}, ("1",), "it says yes"),
        ({"ja": 90, "nein": 60}, ("ja",), "it says yes"),
        ({"sí": 90, "no": 60}, ("sí",), "it says yes"),
        ({"oui": 90, "non": 60}, ("oui",), "it says yes"),
        ({"Y": 90, "N": 60}, ("Y",), "it says yes"),
        ({"1": 70, "2": 60}, ("2",), "it is the rarer"),
        ({"churned": 90, "no": 60}, ("churned",), "'no' says no"),
        ({"ckd": 90, "notckd": 60}, ("ckd",), "'notckd' says no"),
        ({"active": 90, "inactive": 60}, ("active",), "'inactive' says no"),
        ({"good": 90, "bad": 60}, ("bad",), "it is the rarer"),
        ({"e": 90, "p": 60}, ("p",), "it is the rarer"),
        ({"1": 90, "-1": 60}, ("1",), "it says yes"),
        ({"+": 90, "-": 60}, ("+",), "it says yes"),
        ({"是": 90, "否": 60}, ("是",), "it says yes"),
        ({"pos": 90, "neg": 60}, ("pos",), "it says yes"),
        ({"M": 90, "F": 60}, ("F",), "it is the rarer"),
        ({"<=50K": 60, "<=50K.": 30, ">50K": 40, ">50K.": 20}, (">50K", ">50K."), "it is the rarer"),
        ({"Yes": 50, "yes": 40, "No": 30, "no": 30}, ("Yes", "yes"), "it says yes"),
        ({"yes": 50, "TRUE": 40, "1": 10, "no": 30, "0": 30}, ("yes", "TRUE", "1"), "it says yes"),
    ],
)
def test_the_positive_class_is_the_one_that_says_yes_else_not_the_one_that_says_no_else_the_rarer(
    counts: dict[str, int], positive: tuple[str, ...], why: str
) -> None:
    found = find_classes(counts, "label", "")
    assert (found.positive, found.why) == (positive, why)


def test_a_person_may_name_the_positive_class() -> None:
    assert find_classes({"yes": 60, "no": 70}, "label", "no").positive == ("no",)
    with pytest.raises(TableError, match="'label' is never 'maybe', which POSITIVE names"):
        find_classes({"yes": 60, "no": 70}, "label", "maybe")


@pytest.mark.parametrize("counts", [{"4": 60, "5": 70, "6": 80}, {"a": 900}, {}, {str(n): 3 for n in range(99)}])
def test_a_label_that_has_not_two_classes_is_refused(counts: dict[str, int]) -> None:
    with pytest.raises(TableError, match=f"'label' is no label: it has {len(counts)} values, not two"):
        find_classes(counts, "label", "")


def test_a_minus_beside_a_plus_is_a_class_and_no_mark_for_nothing(tmp_path: Path) -> None:
    table = look(tmp_path, make_rows(won=lambda number: "+-?"[number % 3]))
    assert (table.classes.positive, table.classes.negative) == (("+",), ("-",))
    assert table.classes.task == "binary"


def test_few_rows_of_a_class_are_said(tmp_path: Path) -> None:
    rows = make_rows(won=lambda number: "yes" if number % 8 == 0 else "no")
    assert "CHECK The smaller class has 50 rows, about 10 of them in the test split" in told(look(tmp_path, rows))


# Names


def test_names_of_columns_become_names_of_python_unlike_each_other() -> None:
    names = name_columns(
        ["customerID", "Churn", "is_churn", "model", "id", "class", "2nd", "zip", "zip_code", "A", "a", ""]
    )
    assert list(names.values()) == [
        *("customer_id", "churn", "is_churn_of_row", "model_of_row", "id_of_row", "class_of_row"),
        *("column_2nd", "zip", "zip_code_of_row", "a", "a_11", "column_12"),
    ]


@pytest.mark.parametrize(
    "name", ["Income ($)", 'a "quoted" name', "it's", "${x}", "{{ x }}", "%s", "日 本", "self", "split"]
)
def test_any_name_of_a_column_can_be_asked_for(tmp_path: Path, name: str) -> None:
    rows = [{("won" if key == "x" else key): value for key, value in row.items()} for row in make_rows()]
    rows = [{**{key: value for key, value in row.items() if key != "won"}, name: row["won"]} for row in rows]
    assert look(tmp_path, rows, label=name).schema.label.in_file == name
