"""A CSV that is written otherwise is read as its load_args say, and refused with the true reason."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from kedro.io import AbstractDataset, DatasetError

from kedro_handover.text_tables import TextTableDataset, csv_reader

if TYPE_CHECKING:
    from pathlib import Path

LINES = "id,name\n1,Café\n2\n3,Zoë\n"


def load(file: Path, content: bytes, **load_args: Any) -> list[dict[str, Any]]:
    file.write_bytes(content)
    return sorted(
        TextTableDataset(filepath=str(file), load_args=load_args).load().read_all().to_pylist(),
        key=lambda row: row["row_number"],
    )


def row(number: int, **cells: str) -> dict[str, Any]:
    return {"row_number": number, "malformed_line": None, **cells}


def malformed(number: int, text: str, *columns: str) -> dict[str, Any]:
    return {"row_number": number, "malformed_line": text, **dict.fromkeys(columns)}


ROWS = [row(2, id="1", name="Café"), malformed(3, "2", "id", "name"), row(4, id="3", name="Zoë")]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_columns_are_separated_as_stated_and_the_other_signs_are_text(tmp_path: Path, separator: str) -> None:
    others = ",;\t|".replace(separator, "")
    text = f'id{separator}name\n1{separator}{others}\n2{separator}"a{separator}b"\n'
    assert load(tmp_path / "orders.csv", text.encode(), separator=separator) == [
        row(2, id="1", name=others),
        row(3, id="2", name=f"a{separator}b"),
    ]


@pytest.mark.parametrize("name", ["orders.csv", "orders.CSV", "orders.txt", "orders", "orders.csv.gz", "orders.TXT.GZ"])
def test_a_text_file_is_read_whatever_its_name_ends_in(tmp_path: Path, name: str) -> None:
    content = LINES.encode()
    assert load(tmp_path / name, gzip.compress(content) if name.lower().endswith(".gz") else content) == ROWS


@pytest.mark.parametrize("name", ["orders.tsv", "orders.tsv.gz"])
def test_the_columns_of_a_tsv_are_separated_by_tabs(tmp_path: Path, name: str) -> None:
    content = LINES.replace(",", "\t").encode()
    assert load(tmp_path / name, gzip.compress(content) if name.endswith(".gz") else content) == ROWS


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16-le", "utf-8", "utf-8-sig", "shift_jisx0213"])
def test_an_encoding_that_is_stated_is_read(tmp_path: Path, encoding: str) -> None:
    assert load(tmp_path / "orders.csv", LINES.encode(encoding), encoding=encoding) == ROWS


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
@pytest.mark.parametrize("stated", [True, False])
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, encoding: str, *, stated: bool) -> None:
    options = {"encoding": encoding} if stated else {}
    assert load(tmp_path / "orders.csv", LINES.encode(encoding), **options) == ROWS


def test_a_utf_8_file_without_the_mark_may_be_said_to_have_it(tmp_path: Path) -> None:
    assert load(tmp_path / "orders.csv", LINES.encode(), encoding="utf-8-sig") == ROWS


def test_gzip_is_read_by_its_ending_or_when_it_is_stated(tmp_path: Path) -> None:
    assert load(tmp_path / "orders.csv.gz", gzip.compress(LINES.encode(), mtime=0)) == ROWS
    assert load(tmp_path / "orders.csv", gzip.compress(LINES.encode(), mtime=0), compression="gzip") == ROWS
    assert load(tmp_path / "orders.csv.gz", LINES.encode(), compression="none") == ROWS


def test_a_file_without_a_header_has_the_names_that_are_given_and_begins_with_row_1(tmp_path: Path) -> None:
    content = LINES.removeprefix("id,name\n").encode()
    assert load(tmp_path / "orders.csv", content, column_names=["id", "name"]) == [
        row(1, id="1", name="Café"),
        malformed(2, "2", "id", "name"),
        row(3, id="3", name="Zoë"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_before_the_header_are_skipped_and_rows_keep_their_numbers(
    tmp_path: Path, encoding: str, end: str
) -> None:
    text = ('Café "of\n\n' + LINES).replace("\n", end)
    assert load(tmp_path / "orders.csv", text.encode(encoding), skip_rows=2, encoding=encoding) == [
        {**found, "row_number": found["row_number"] + 2} for found in ROWS
    ]


@pytest.mark.parametrize("block", [6, 7, 20])
def test_what_is_skipped_may_be_longer_than_a_part(tmp_path: Path, monkeypatch, block: int) -> None:
    monkeypatch.setattr(csv_reader, "BLOCK_BYTES", block)
    text = "a title of this table\n\nid,é\n1,2\n3,4\n5,6\n"
    rows = load(tmp_path / "orders.csv", text.encode(), skip_rows=2)
    assert rows == [row(4, id="1", é="2"), row(5, id="3", é="4"), row(6, id="5", é="6")]


def test_the_line_of_a_fault_is_that_of_the_file(tmp_path: Path) -> None:
    for content, line in ((b'title\nid,name\n1,x\n2,"y\n', 4), (b"title\nid,name\n1,caf\xe9\n", 3)):
        with pytest.raises(DatasetError, match=f"near line {line}"):
            load(tmp_path / "orders.csv", content, skip_rows=1)


def test_spaces_around_names_are_taken_away_where_that_is_said(tmp_path: Path) -> None:
    content = b'id, name ," a b "\n1,x,y\n'
    assert load(tmp_path / "orders.csv", content) == [row(2, id="1", **{" name ": "x", " a b ": "y"})]
    assert load(tmp_path / "orders.csv", content, strip_names=True) == [row(2, id="1", name="x", **{"a b": "y"})]


def test_a_column_without_a_name_is_named_by_its_place(tmp_path: Path) -> None:
    assert load(tmp_path / "orders.csv", b",id,\n0,1,2\n") == [row(2, column_1="0", id="1", column_3="2")]


CUT_OFF = gzip.compress(LINES.encode() * 99, mtime=0)[:-30]


@pytest.mark.parametrize(
    ("content", "load_args", "reason"),
    [
        ("id;name\n1;x\n", {}, "has its columns separated by semicolons. Separate them by commas. Or give"),
        ("id;name\n1;x\n", {}, 'Or give its load_args `separator: ";"`.'),
        ("id\tname\n1\tx\n", {}, 'separated by tabs. Separate them by commas. Or give its load_args `separator: "\\t'),
        ("id;income, EUR;y\n1;0,5;no\n2;1,5;no\n", {}, "has its columns separated by semicolons"),
        ("id;income, EUR;y\n1;5;no\n2;1;no\n", {}, "has its columns separated by semicolons"),
        ("id,name\n1,x\n", {"separator": ";"}, "separated by commas, and its load_args say semicolons"),
        ("sep=;\nid;name\n1;x\n", {}, "says how its columns are separated: 'sep=;'. Give its load_args"),
        ('"sep=|"\r\nid|name\r\n1|x\r\n', {}, 'Give its load_args `separator: "|"` and `skip_rows: 1`'),
        (LINES.encode("latin-1"), {}, "is not UTF-8, near line 2: invalid continuation byte. Convert it to UTF-8"),
        (LINES.encode("latin-1"), {}, "Or give its load_args its encoding: `encoding: latin-1`"),
        (b"id,name\n1,\x81\n", {"encoding": "cp1252"}, "is not cp1252, as its load_args say, near line 1"),
        (LINES.encode("utf-16"), {"encoding": "cp1252"}, "in UTF-16, as its first bytes say, and its load_args say cp"),
        (LINES.encode("utf-8-sig"), {"encoding": "latin-1"}, "in UTF-8, as its first bytes say, and its load_args"),
        (gzip.compress(LINES.encode(), mtime=0), {}, "is compressed by gzip. Let its name end in .gz, or give"),
        (LINES, {"compression": "gzip"}, "can't be read: Not a gzipped file"),
        (CUT_OFF, {"compression": "gzip"}, "can't be read: Compressed file ended"),
        (b"PK\x03\x04 and so on", {}, "is a ZIP archive, as workbooks of Excel are too. Unpack it, or save it as CSV."),
        (b"PAR1 and so on", {}, "is Parquet. Let its name end in .parquet."),
        ("id,name\n", {"skip_rows": 2}, "has fewer lines than are to be skipped (`skip_rows: 2`)"),
        ("id,name\n1,x\n", {"skip_rows": 1}, "has column names at most, and no rows"),
        ("\n\n", {"column_names": ["id"]}, "has column names at most, and no rows"),
        ("<!DOCTYPE html>\n<title>404</title>", {}, "is a page or XML, such as a site sends instead of a file"),
        ('[{"id": 1, "name": "x"}]', {}, "is JSON. Write it as a CSV or Parquet file"),
        ('{"id": 1}\n{"id": 2}\n', {}, "is JSON."),
        ("% of 1988\n@RELATION iris\n@DATA\n1,x\n", {}, "is ARFF, the format of Weka. Save it as CSV."),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", {}, "is a pointer of Git LFS."),
        ("id, id\n1,x\n", {"strip_names": True}, "names a column twice: 'id'"),
        ("1,x\n", {"column_names": ["id", "row_number"]}, "has a column 'row_number', which is a name of our own"),
    ],
)  # fmt: skip
def test_a_file_is_refused_with_the_true_reason(
    tmp_path: Path, content: str | bytes, load_args: dict[str, Any], reason: str
) -> None:
    with pytest.raises(DatasetError) as refused:
        load(tmp_path / "orders.csv", content.encode() if isinstance(content, str) else content, **load_args)
    assert reason in str(refused.value)
    assert str(refused.value).startswith(str(tmp_path / "orders.csv"))


def test_a_column_that_is_named_like_one_of_those_that_are_added_is_named_otherwise(tmp_path: Path) -> None:
    (only,) = load(tmp_path / "orders.csv", b"row_number,malformed_line\n7,x\n")
    assert only == row(2, row_number_in_file="7", malformed_line_in_file="x")


def test_a_gzip_that_is_cut_short_after_many_rows_is_refused_where_it_ends(tmp_path: Path) -> None:
    rows = "".join(f"{number},{number * 48271 % 2147483647}\n" for number in range(200_000))
    content = gzip.compress(("id,name\n" + rows).encode())
    with pytest.raises(DatasetError, match="can't be read as CSV: Compressed file ended before"):
        load(tmp_path / "orders.csv.gz", content[: len(content) * 9 // 10])


def test_names_may_hold_other_signs_where_the_rows_are_separated_by_commas(tmp_path: Path) -> None:
    assert load(tmp_path / "orders.csv", b"id,a;b\n1,x\n2,y\n3,y;z\n")[0] == row(2, id="1", **{"a;b": "x"})
    lists = b"id,a;b;c\n1,x;y;z\n2,x;y;z\n"  # as many semicolons in each row, and more of them than commas
    assert load(tmp_path / "orders.csv", lists, separator=",")[0] == row(2, id="1", **{"a;b;c": "x;y;z"})


@pytest.mark.parametrize(
    ("load_args", "reason"),
    [
        ({"seperator": ";"}, "has load_args that are not known: seperator. Did you mean 'separator'?"),
        ({"separator": "*"}, "separator: Input should be ',', ';', '\\t' or '|'; it is '*'."),
        ({"encoding": "cp999"}, "unknown encoding: cp999; latin-1, cp1252 and utf-16 are some that there are"),
        ({"encoding": "hex"}, "is not a text encoding"),
        ({"skip_rows": -1}, "skip_rows: Input should be greater than or equal to 0; it is -1."),
        ({"column_names": []}, "column_names: "),
        ({"compression": "zip"}, "compression: Input should be 'gzip' or 'none'; it is 'zip'."),
    ],
)
def test_load_args_that_are_wrong_are_refused_when_the_catalog_is_made(load_args: dict[str, Any], reason: str) -> None:
    config = {"type": TextTableDataset, "filepath": "data/orders.csv", "load_args": load_args}
    with pytest.raises(DatasetError) as refused:
        AbstractDataset.from_config("orders_file", config)
    assert reason in str(refused.value)
    assert "data/orders.csv" in str(refused.value)


def test_parquet_has_no_load_args() -> None:
    with pytest.raises(DatasetError, match="is Parquet, which has no load_args"):
        TextTableDataset(filepath="orders.PARQUET", load_args={"separator": ";"})


def test_what_the_catalog_says_is_told() -> None:
    options = {"separator": ";"}
    told = TextTableDataset(filepath="orders.csv", load_args=options)._describe()  # noqa: SLF001 - Kedro's own way
    assert told == {"filepath": "orders.csv", "load_args": options}
    assert json.dumps(told)
