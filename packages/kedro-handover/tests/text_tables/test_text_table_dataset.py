"""What stands in a cell is what is loaded, rows are numbered, and none is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kedro.io import DatasetError

from csv_parts import FOLDER_ROWS, folder_of_csv
from kedro_handover.datasets.atomic import prefetch
from kedro_handover.text_tables import TextTableDataset, csv_reader, quotes

if TYPE_CHECKING:
    from pathlib import Path
    from typing import NoReturn


def load(folder: Path, content: bytes) -> list[dict[str, object]]:
    file = folder / "orders.csv"
    file.write_bytes(content)
    return TextTableDataset(filepath=str(file)).load().read_all().to_pylist()


def cells(folder: Path, content: bytes) -> list[dict[str, object]]:
    return [
        {name: row[name] for name in row if name not in ("row_number", "malformed_line")}
        for row in load(folder, content)
    ]


def test_what_stands_in_a_cell_is_what_is_loaded(tmp_path: Path) -> None:
    assert cells(tmp_path, b"a,b\n007,NA\n1.50,null\n-,nan\nTRUE, x \n") == [
        {"a": "007", "b": "NA"},
        {"a": "1.50", "b": "null"},
        {"a": "-", "b": "nan"},
        {"a": "TRUE", "b": " x "},
    ]


def test_only_an_empty_cell_is_missing(tmp_path: Path) -> None:
    assert cells(tmp_path, b'a,b\n,x\n , \n"",y\n') == [
        {"a": None, "b": "x"},
        {"a": " ", "b": " "},
        {"a": None, "b": "y"},
    ]


def test_a_file_that_has_malformed_rows_alone_gives_them_all(tmp_path: Path) -> None:
    assert load(tmp_path, b"a,b\n1\n2,3,4\n") == [
        {"row_number": 2, "malformed_line": "1", "a": None, "b": None},
        {"row_number": 3, "malformed_line": "2,3,4", "a": None, "b": None},
    ]


def test_quotes_commas_and_line_feeds_are_text_within_quotes(tmp_path: Path) -> None:
    assert cells(tmp_path, b'a,b\n"x, ""y""","l\'una\nl\'altra"\n') == [{"a": 'x, "y"', "b": "l'una\nl'altra"}]


def test_a_quoted_column_name_is_read_as_text_too(tmp_path: Path) -> None:
    assert cells(tmp_path, b'"a ""1""",b\n007,2\n') == [{'a "1"': "007", "b": "2"}]


def test_a_row_with_another_number_of_fields_comes_as_it_stands(tmp_path: Path) -> None:
    rows = load(tmp_path, b'a,b\n1,2\n3\n4,5,6\n\n"7\n7",8\n9')
    assert sorted((row["row_number"], row["malformed_line"], row["a"]) for row in rows) == [
        (2, None, "1"),
        (3, "3", None),
        (4, "4,5,6", None),
        (5, None, "7\n7"),
        (6, "9", None),
    ]


@pytest.mark.parametrize("block", [40, 64, 1_000])
def test_rows_are_numbered_alike_whatever_the_parts_that_are_read(tmp_path: Path, monkeypatch, block: int) -> None:
    monkeypatch.setattr(csv_reader, "BLOCK_BYTES", block)
    lines = [f"{row},x" if row % 3 else f"{row}" for row in range(2, 202)]
    rows = load(tmp_path, "\n".join(["a,b", *lines]).encode())
    assert sorted(row["row_number"] for row in rows) == list(range(2, 202))
    assert {row["row_number"]: row["a"] or row["malformed_line"] for row in rows} == {
        row: f"{row}" for row in range(2, 202)
    }


def test_rows_are_numbered_alike_however_far_the_reader_is_ahead(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(csv_reader, "BLOCK_BYTES", 2_000)
    numbers = range(2, 20_002)
    lines = [f'"{row}","x"' if row % 3 else f'"{row}","x","y"' for row in numbers]
    file = tmp_path / "orders.csv"
    file.write_text("\n".join(["a,b", *lines]))
    for _ in range(5):
        rows = []
        for batch in prefetch(TextTableDataset(filepath=str(file)).load()):
            rows += batch.to_pylist()
        read = {row["row_number"]: row["a"] or row["malformed_line"] for row in rows}
        assert len(rows) == len(numbers)
        assert read == {row: f"{row}" if row % 3 else f'"{row}","x","y"' for row in numbers}


@pytest.mark.parametrize("block", range(40, 60))
def test_a_line_end_of_two_signs_stays_whole_where_a_part_ends_in_it(tmp_path: Path, monkeypatch, block: int) -> None:
    monkeypatch.setattr(csv_reader, "BLOCK_BYTES", block)
    text = "a,b\r\n" + "0,zero\r\n" * 4 + '1,"one\r\ntwo\r\nthree"\r\n2,"four\r\nfive"\r\n3,six\r\n'
    read = [row["b"] for row in load(tmp_path, text.encode())]
    assert read == [*["zero"] * 4, "one\r\ntwo\r\nthree", "four\r\nfive", "six"]


def test_prose_of_several_lines_is_read_where_there_are_few_columns_and_told_of(tmp_path: Path, caplog) -> None:
    review = "Hello,\nit was nice, really, thanks"
    text = f'id,age,review,label\n1,30,"{review}",yes\n2,40,bad,no\n'
    assert [row["review"] for row in load(tmp_path, text.encode())] == [review, "bad"]
    assert "1 quoted texts have line breaks and as many commas as whole rows, the first near line 2" in caplog.text


def test_the_file_is_read_part_by_part_and_closed_however_it_ends(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(csv_reader, "BLOCK_BYTES", 100)
    file = tmp_path / "orders.csv"
    file.write_bytes(b"a,b\n" + b"1,2\n" * 1_000 + b"\xff,3\n")
    reader = TextTableDataset(filepath=str(file)).load()
    assert reader.read_next_batch().num_rows < 100
    with pytest.raises(DatasetError, match="is not UTF-8, near line 1,002: invalid start byte"):
        reader.read_all()


def test_any_file_system_will_do() -> None:
    import fsspec

    with fsspec.open("memory://orders.csv", "wb") as file:
        file.write(b"a,b\n1,2\n")
    assert TextTableDataset(filepath="memory://orders.csv").load().read_all().num_rows == 1


def test_a_folder_of_parquet_is_read_as_text(tmp_path: Path) -> None:
    folder = tmp_path / "orders.parquet"
    folder.mkdir()
    for part in (0, 1):
        pa.parquet.write_table(pa.table({"a": [part, 7], "b": ["x", None]}), folder / f"part-{part}.parquet")
    assert TextTableDataset(filepath=str(folder)).load().read_all().to_pylist() == [
        {"row_number": 1, "malformed_line": None, "a": "0", "b": "x"},
        {"row_number": 2, "malformed_line": None, "a": "7", "b": None},
        {"row_number": 3, "malformed_line": None, "a": "1", "b": "x"},
        {"row_number": 4, "malformed_line": None, "a": "7", "b": None},
    ]


@pytest.mark.parametrize(
    "written", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())], ids=str
)
def test_a_text_of_parquet_comes_as_a_dictionary_however_it_was_written(tmp_path: Path, written: pa.DataType) -> None:
    file = tmp_path / "orders.parquet"
    pa.parquet.write_table(pa.table({"a": pa.array(["x", None, "", "x"], written), "b": [1, 2, 3, 4]}), file)
    table = TextTableDataset(filepath=str(file)).load().read_all()
    assert table.schema.field("a").type == pa.dictionary(pa.int32(), pa.string())
    assert table.schema.field("b").type == pa.string()
    assert table["a"].to_pylist() == ["x", None, "", "x"]


def test_parts_of_other_types_are_refused_for_their_values_would_change(tmp_path: Path) -> None:
    folder = tmp_path / "orders.parquet"
    folder.mkdir()
    types = {"text": pa.string(), "integer": pa.int32(), "float": pa.float64()}
    for first, second, same in (
        ("integer", pa.string(), False),
        ("float", pa.float32(), False),
        ("integer", pa.float64(), False),
        ("integer", pa.int64(), True),
        ("text", pa.dictionary(pa.int32(), pa.large_string()), True),
        ("text", pa.null(), True),
    ):
        for part, type_ in enumerate((types[first], second)):
            column = pa.array([None], type_)
            pa.parquet.write_table(pa.table({"a": column}), folder / f"part-{part}.parquet")
        if same:
            assert TextTableDataset(filepath=str(folder)).load().read_all().num_rows == 2
        else:
            with pytest.raises(DatasetError, match=r"has parts with other types: a is one in .*part-1"):
                TextTableDataset(filepath=str(folder)).load()


def test_parquet_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is not there"):
        TextTableDataset(filepath=str(tmp_path / "orders.parquet")).load()


QUOTES = {
    b'"",""\n': None,
    b'"a""b",c\n': None,
    b'"""a""","b"\r\n': None,
    b'a"b,c""d\n': None,
    b'"a,\n,b",c\n': "takes 1 more lines into one text",
    b'"a,\r,b",c\r': "takes 1 more lines into one text",
    b'"a\nb",c\n': None,
    b'"a"b,c\n': "goes on behind its closing quote, near line 2",
    b'"a""b,c\n': "has a quote without its end, near line 2",
    b'a,"\n': "has a quote without its end, near line 2",
    b'1,2\n\na,"b\n"x,c\n': "goes on behind its closing quote, near line 5",
}
"""Rows with quotes, and what is wrong with them."""


def refuse(reason: str) -> NoReturn:
    raise DatasetError(reason)


@pytest.mark.parametrize("size", [1, 2, 3, 1_000])
def test_a_quote_that_takes_in_what_is_not_its_own_is_found_whatever_the_parts(size: int, monkeypatch) -> None:
    monkeypatch.setattr(quotes, "FEW_COLUMNS", 1)
    for row, message in QUOTES.items():
        text = b"a,b\n" + row
        found = quotes.QuoteCheck(2, ",", 1, refuse)
        parts = [text[start : start + size] for start in range(0, len(text), size)]
        said = None
        try:
            for part in parts:
                found.check(part, end=False)
            found.check(b"", end=True)
        except DatasetError as error:
            said = str(error)
        assert (said is None) == (message is None), (row, said)
        assert message is None or message in str(said)


@given(
    cells=st.lists(st.sampled_from([b'"', b'""', b",", b"\n", b"\r\n", b"a", b'"a"', b'"a""b"', b'"a,b"', b'"a\nb"']))
)
def test_what_is_passed_at_a_look_is_passed_from_quote_to_quote_too(cells: list[bytes]) -> None:
    lines = b"".join([*cells, b"\n"])
    found = quotes.QuoteCheck(2, ",", 1, refuse)
    if quotes.are_cells_quoted_whole(lines, b",\r\n"):
        found._follow(lines)  # noqa: SLF001 - both ways can't be had otherwise
        assert (found._opened, found.line) == (0, 1 + lines.count(b"\n"))  # noqa: SLF001


def test_cells_that_are_quoted_whole_are_passed_at_a_look() -> None:
    passed = [b"a,b\n", b'"a","b"\n', b'"a, ""b""",""\r\n"",c\n', b'"a"', b""]
    others = [b'"a\n"\n', b'a"\n', b'"a"b\n', b'"a\n', b'a"b","c\n']
    looked_at = [quotes.are_cells_quoted_whole(lines, b",\r\n") for lines in (*passed, *others)]
    assert looked_at == [True] * len(passed) + [False] * len(others)


def test_a_text_table_is_only_read(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is only read"):
        TextTableDataset(filepath=str(tmp_path / "orders.csv")).save("a table")


def test_a_folder_of_csv_is_one_table_numbered_through_its_parts(tmp_path: Path) -> None:
    rows = TextTableDataset(filepath=str(folder_of_csv(tmp_path))).load().read_all().to_pylist()
    assert sorted(tuple(row.values()) for row in rows) == FOLDER_ROWS


def test_a_part_with_other_columns_or_other_bytes_is_named(tmp_path: Path) -> None:
    parts = folder_of_csv(tmp_path)
    (parts / "c.csv").write_bytes(b"id,town\n1,x\n")
    with pytest.raises(DatasetError, match=r"has parts with other columns: .*c\.csv is one"):
        TextTableDataset(filepath=str(parts)).load().read_all()
    (parts / "c.csv").write_bytes(b"id,city\n1,\xff\n")
    with pytest.raises(DatasetError, match=r"orders\.csv has a part c\.csv, which is not UTF-8, near line 2"):
        TextTableDataset(filepath=str(parts)).load().read_all()


def test_a_folder_without_a_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is a folder without a CSV that has rows"):
        TextTableDataset(filepath=str(tmp_path)).load()
