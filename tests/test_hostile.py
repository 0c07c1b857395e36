"""Hostile input, through whole runs on both engines: handled, or refused in a sentence with nothing written."""

from __future__ import annotations

import csv
import functools
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kedro.io import DatasetError

from conftest import PROJECT, fresh_environment, open_session
from kedro_handover.errors import DataError
from kedro_handover.hooks.storage_lock import LOCK_FILE
from kedro_handover.text_tables.dataset import TextTableDataset
from premises.census.schema import VINTAGES
from premises.census.synthetic import generate_census
from storage import digest, read, read_json

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.spark

ENVIRONMENTS = ("base", "prod")
FILE = VINTAGES[2016].file
TEN_GIB = 10 * 2**30
TO_PREMISES: dict[str, Any] = {"to_outputs": ["premises"]}
NAME_BYTES = 2**20


@functools.cache
def generated(year: int = 2016) -> pa.Table:
    """Some rows of a synthetic census; however few they are, the whole city is laid out for them."""
    return generate_census(200, seed=11, year=year).read_all()


def sample(rows: int = 40, year: int = 2016) -> list[list[str]]:
    """A census as rows of cells, the header first."""
    table = generated(year).slice(0, rows)
    return [table.column_names, *(["" if cell is None else cell for cell in row.values()] for row in table.to_pylist())]


def to_csv(rows: list[list[str]], delimiter: str = ",", end: str = "\n") -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator=end).writerows(rows)
    return buffer.getvalue().encode()


GOOD = sample()
LINES = to_csv(GOOD).splitlines(keepends=True)


def put(storage: Path, content: bytes | None = None, name: str = FILE) -> Path:
    file = storage / "01_raw" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    if content is not None:
        file.write_bytes(content)
    return file


def run(storage: Path, env: str, **params: Any) -> None:
    with open_session(storage, env=env, **params) as session:
        session.run(pipeline_names=["data_engineering"], **TO_PREMISES)


def outputs(storage: Path) -> list[str]:
    return sorted(
        str(path.relative_to(storage))
        for path in storage.rglob("*")
        if path.is_file() and path.parent.name != "01_raw" and path.name not in {LOCK_FILE, "rules.json"}
    )


def with_names(first: str, second: str) -> bytes:
    """A census without a quote but those in the names of rows 3 and 7, which stand here as they are written."""
    plain = [row for row in sample(200) if not set(',"') & set("".join(row))]
    place = plain[0].index("N_LOCAL")
    plain[2][place], plain[6][place] = "FIRST", "SECOND"
    return to_csv(plain).replace(b"FIRST", first.encode()).replace(b"SECOND", second.encode())


def be_sparse(file: Path) -> None:
    with file.open("wb") as stream:
        stream.write(LINES[0] + LINES[1])
        stream.truncate(TEN_GIB)


REFUSED: dict[str, tuple[bytes | Callable[[Path], object], str]] = {
    "an empty file": (b"", "is an empty file"),
    "blank lines": (b"\n\r\n\n", "has column names at most, and no rows"),
    "column names": (LINES[0], "has column names at most, and no rows"),
    "semicolons": (to_csv(GOOD, ";"), "has its columns separated by semicolons. Separate them by commas."),
    "tabs": (to_csv(GOOD, "\t"), "has its columns separated by tabs"),
    "Latin-1": (to_csv(GOOD).decode().encode("latin-1"), "is not UTF-8, near line 2: "),
    "Latin-1 in the last line": (b"".join(LINES) + b"caf\xe9", "is not UTF-8, near line 42: unexpected end of data"),
    "UTF-16 without its mark": (to_csv(GOOD).decode().encode("utf-16-le"), "begins with null bytes"),
    "UTF-16 cut off": (to_csv(GOOD).decode().encode("utf-16")[:-1], "is not UTF-16, as its first bytes say"),
    "a null byte": (b"".join([*LINES[:9], LINES[9].replace(b",", b",\0", 1), *LINES[10:]]), "null byte"),
    "a column twice": (to_csv([[*row, row[0]] for row in GOOD]), "names a column twice: 'ID_BCN'"),
    "a missing column": (to_csv([row[:-1] for row in GOOD]), "1 of 34 columns are missing: LONGITUD"),
    "the file of 2019": (
        lambda file: file.write_bytes(to_csv(sample(year=2019))),
        "This is the file of 2019: set census.vintage to 2019, and name it 2019_",
    ),
    "the file of 2022": (
        lambda file: file.write_bytes(to_csv(sample(year=2022))),
        "This is the file of 2022: set census.vintage to 2022, and name it 2022_",
    ),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(100), "begins with null bytes"),
    "a page": (b"<!doctype html>\n<html><body>403</body></html>\n", "is a page or XML, such as a site sends"),
    "a quote without its end": (with_names('"BAR', "SOL"), "has a quote without its end, near line 3"),
    "a quote without its end in the header": (b'"' + to_csv(GOOD), "names a column twice: "),
    "a quote that another closes": (
        with_names('"BAR', '"EL ""SOL"""'),
        "goes on behind its closing quote, near line 7",
    ),
    "a quote that ends another": (with_names('"BAR', 'SOL"'), "a quote near line 3 takes 4 more lines into one text"),
    "the same with CR alone": (
        with_names('"BAR', 'SOL"').replace(b"\n", b"\r"),
        "a quote near line 3 takes 4 more lines into one text",
    ),
    "a row beyond all measure": (LINES[0] + b"x" * 50 * 2**20, "a row is longer than 16,777,216 bytes"),
    "one line": (b"x" * 2**18 + b"\nabc\n", "has no header that can be read: field larger than field limit"),
    "a folder": (Path.mkdir, "is a folder"),
    "a loop of links": (lambda file: file.symlink_to(file.name), "is a link that leads nowhere, or in a circle"),
    "10 GiB of nothing": (be_sparse, "begins with null bytes"),
}


IN_PROD_TOO = ("Latin-1 in the last line", "a missing column", "a quote that ends another", "a folder")
"""Refused at the end, in the header, in the middle, before it is opened; the reader being one, the rest is slow."""


@pytest.mark.parametrize(
    ("kind", "env"),
    [
        pytest.param(kind, env, marks=[pytest.mark.slow] if env == "prod" and kind not in IN_PROD_TOO else [])
        for kind in REFUSED
        for env in ENVIRONMENTS
    ],
)
def test_what_is_no_census_is_refused_in_a_sentence_and_nothing_is_written(spark, tmp_path, kind, env) -> None:  # noqa: ARG001
    make, message = REFUSED[kind]
    file = put(tmp_path, make if isinstance(make, bytes) else None)
    if not isinstance(make, bytes):
        make(file)
    with pytest.raises((DatasetError, DataError)) as refused:
        run(tmp_path, env)
    assert message in str(refused.value)
    assert outputs(tmp_path) == []
    if file.is_file():
        file.unlink()


def damage_a_page(file: Path) -> None:
    pq.write_table(generated().slice(0, 40), file, compression="none")
    content = file.read_bytes()
    file.write_bytes(content[:4] + b"\xff" * 400 + content[404:])


def cut_text(file: Path) -> None:
    cells = pa.array([b"\xff\xfe"] * 40, pa.binary()).view(pa.string())
    pq.write_table(generated().slice(0, 40).set_column(9, "N_LOCAL", cells), file)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (damage_a_page, "can't be read as Parquet: "),
        (cut_text, "(?i)utf-?8"),
        (lambda file: pq.write_table(pa.table({"ID_BCN": ["a\0b"]}), file), "null byte"),
        (lambda file: pq.write_table(pa.table({"malformed_line": ["a"]}), file), "has a column 'malformed_line'"),
    ],
)
def test_parquet_that_is_damaged_is_refused_by_its_name(tmp_path, make, message) -> None:
    file = tmp_path / "census.parquet"
    make(file)
    with pytest.raises(DatasetError, match=message) as refused:
        TextTableDataset(filepath=str(file)).load().read_all()
    assert str(file) in str(refused.value)


def test_parts_with_other_columns_are_refused(tmp_path) -> None:
    folder = tmp_path / "census.parquet"
    folder.mkdir()
    for part, names in enumerate((["a"], ["a", "b"])):
        pq.write_table(pa.table({name: ["x"] for name in names}), folder / f"part-{part}.parquet")
    with pytest.raises(DatasetError, match=r"has parts with other columns: .*part-1\.parquet is one"):
        TextTableDataset(filepath=str(folder)).load()


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_what_is_called_parquet_and_is_not_is_refused(spark, tmp_path, env) -> None:  # noqa: ARG001
    put(tmp_path, to_csv(GOOD), FILE.replace(".csv", ".parquet"))
    with pytest.raises(DatasetError, match="is not Parquet: "):
        run(tmp_path, env, format="parquet")
    assert outputs(tmp_path) == []


def cells(content: bytes, folder: Path) -> list[dict[str, str | None]]:
    columns = list(VINTAGES[2016].columns)
    (folder / "census.csv").write_bytes(content)
    table = TextTableDataset(filepath=str(folder / "census.csv")).load().read_all()
    assert table["malformed_line"].null_count == len(table)
    return table.select(["row_number", *columns]).to_pylist()


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + to_csv(GOOD),
        to_csv(GOOD).decode().encode("utf-16"),
        b"\xfe\xff" + to_csv(GOOD).decode().encode("utf-16-be"),
        to_csv(GOOD, end="\r\n"),
        to_csv(GOOD, end="\r"),
        to_csv(GOOD).rstrip(b"\n"),
        to_csv([row[::-1] for row in GOOD]),
        to_csv([["=more", *row, f"{place}"] for place, row in enumerate(GOOD)]),
        b"".join(LINES[:5]) + b"\n\n" + b"".join(LINES[5:]),
    ],
    ids=[
        *("mark", "UTF-16", "UTF-16, big end first", "CRLF", "CR", "no end"),
        *("other order", "more columns", "blank lines"),
    ],
)
def test_another_way_to_write_the_same_census_is_read_as_the_same(tmp_path, content) -> None:
    assert cells(content, tmp_path) == cells(to_csv(GOOD), tmp_path)


def test_a_census_in_parquet_is_read_as_its_text(tmp_path) -> None:
    parquet = tmp_path / "census.parquet"
    pq.write_table(generated().slice(0, 40), parquet)
    columns = list(VINTAGES[2016].columns)
    table = TextTableDataset(filepath=str(parquet)).load().read_all().select(["row_number", *columns])
    expected = cells(to_csv(GOOD), tmp_path)
    assert table.to_pylist() == [row | {"row_number": row["row_number"] - 1} for row in expected]  # there is no header


def messy() -> tuple[bytes, dict[int, str]]:
    """A census whose rows are of every hostile kind, and the rules that each row of the file breaks."""
    rows = [list(row) for row in GOOD]
    at = {name: place for place, name in enumerate(rows[0])}
    changes: dict[int, tuple[dict[str, str], str]] = {
        3: ({"N_LOCAL": 'EL "BAR"\nDE LA PLAÇA,\r\n"BIS"'}, ""),
        4: ({"N_LOCAL": '=HYPERLINK("http://example.org")', "N_CARRER": "@SUM(A1)"}, ""),
        5: ({"N_LOCAL": "x" * NAME_BYTES}, ""),
        6: ({"ID_BCN": rows[7][0]}, "id_is_unique"),
        8: ({"X_UTM_ETRS": "431675,395"}, "place_is_readable"),
        9: ({"X_UTM_ETRS": "NaN", "Y_UTM_ETRS": "Infinity"}, "place_is_readable"),
        10: ({"DATA": "07/06/2016", "NUM_POLICI": "12 bis"}, ""),
        11: ({"SEC_CENS": "nan"}, "section_is_readable"),
        12: ({"N_PRINCIP": "=1+1"}, "status_is_known"),
        13: ({"X_UTM_ETRS": "0", "Y_UTM_ETRS": "0"}, "place_is_in_city"),
        14: ({"ID_BCN": "", "SN_EIX": "\u200b1"}, "id_is_readable, flags_are_yes_or_no"),
        15: ({"Codi_Barri": "73"}, "barri_is_in_district"),
    }
    broken: dict[int, str] = {}
    for row, (change, rules) in changes.items():
        for name, text in change.items():
            rows[row - 1][at[name]] = text
        if rules:
            broken[row] = rules
    broken[8] = f"id_is_unique, {broken[8]}"  # row 6 has its id
    text = to_csv(rows)
    again = len(rows) + 1
    missing = (
        "row_is_whole, id_is_readable, status_is_known, flags_are_yes_or_no, district_is_known, barri_is_known, "
        "section_is_readable, place_is_readable"
    )
    header_again = missing.removeprefix("row_is_whole, ")
    whole = to_csv([GOOD[0]]) + to_csv([[*GOOD[1], "one more"]]) + LINES[2][:60]
    return text + whole, broken | {again: header_again, again + 1: missing, again + 2: missing}


def test_rows_of_every_hostile_kind_are_rejected_or_kept_alike_on_both_engines(spark, tmp_path) -> None:  # noqa: ARG001
    content, broken = messy()
    storages = {env: tmp_path / env for env in ENVIRONMENTS}
    for env, storage in storages.items():
        put(storage, content)
        run(storage, env, census={"rejected_share": 0.9})
    for table in ("raw_rows", "repeated_ids", "checked_rows", "rejected_rows", "premises"):
        base, prod = (read(storage, f"02_intermediate/{table}.parquet") for storage in storages.values())
        assert digest(base) == digest(prod), table
    rejected = read(storages["base"], "02_intermediate/rejected_rows.parquet").to_pylist()
    assert {row["row_number"]: row["violated_rules"] for row in rejected} == broken
    counted = read_json(storages["base"], "08_reporting/rejections.json")
    assert counted == read_json(storages["prod"], "08_reporting/rejections.json")
    assert counted["rows_in"] == len(GOOD) - 1 + 3 == counted["valid"] + counted["rejected"]
    assert counted["rejected"] == len(broken)
    warned = {rule["name"]: rule["rows"] for rule in counted["rules"] if rule["rows"] and rule["severity"] == "warn"}
    assert {"date_is_readable", "street_number_is_readable"} <= warned.keys()
    names = read(storages["base"], "02_intermediate/premises.parquet")["name"].to_pylist()
    assert 'EL "BAR"\nDE LA PLAÇA,\r\n"BIS"' in names
    assert max(map(len, filter(None, names))) == NAME_BYTES


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_too_many_rejected_rows_stop_the_run_before_anything_is_made_of_them(spark, tmp_path, env) -> None:  # noqa: ARG001
    put(tmp_path, to_csv(GOOD))
    run(tmp_path, env)
    before = digest(read(tmp_path, "02_intermediate/premises.parquet"))
    put(tmp_path, messy()[0])
    with pytest.raises(DataError, match=r"11 of 43 rows are rejected, and rejected_share allows 1\.00%"):
        run(tmp_path, env)
    assert digest(read(tmp_path, "02_intermediate/premises.parquet")) == before
    assert read(tmp_path, "02_intermediate/rejected_rows.parquet").num_rows == 11
    assert read_json(tmp_path, "08_reporting/rejections.json")["rejected"] == 0  # of the run before


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
@pytest.mark.parametrize("path", ["conf/base/../../../climbed.yml", "/climbed.yml", "conf\\..\\..\\climbed.yml"])
def test_an_archive_of_the_configuration_that_leads_out_of_itself_is_refused(tmp_path, kind, path) -> None:
    archive = tmp_path / f"conf.{kind}"
    files = [file for file in (PROJECT / "conf").rglob("*.yml") if file.parent.name in {"base", "prod"}]
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as packed:
            for file in files:
                packed.write(file, file.relative_to(PROJECT))
            packed.writestr(path, "catalog: {}")
    else:
        with tarfile.open(archive, "w:gz") as packed:
            for file in files:
                packed.add(file, file.relative_to(PROJECT))
            packed.addfile(tarfile.TarInfo(path))
    storage, empty = tmp_path / "storage", tmp_path / "empty"
    empty.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "premises", f"--conf-source={archive}", f"--params=storage={storage}"],
        cwd=empty,
        env=fresh_environment(PYTHONPATH=os.pathsep.join(sys.path)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"Error: {archive} has a path that leads out of it, ")
    assert last.endswith("nothing of it is used. Pack it again.")
    assert not storage.exists()
    assert list(empty.iterdir()) == []
    assert not list(tmp_path.rglob("climbed.yml"))
