"""Whatever stands in a census, the contract says the same of it on every engine, and the reader fails in words only."""

from __future__ import annotations

import csv
import functools
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import strategies as st
from kedro.io import DatasetError

from conftest import check
from kedro_handover.errors import DataError
from kedro_handover.nodes.validation import select_rejected
from kedro_handover.testing import Engine, to_pandas
from kedro_handover.text_tables import TextTableDataset
from oddities import HOSTILE, TEXTS, collect
from premises.census.schema import VINTAGES
from premises.census.synthetic import generate_census
from premises.pipelines.data_engineering.ingest import list_census_rules, read_census
from premises.pipelines.data_engineering.parameters import CensusParameters

CASES = 2_000
"""So many at least for each engine beside pandas: rows of the contract, and files of the reader."""

ROWS_OF_A_FILE = 3


@functools.cache
def odd_census(year: int) -> pa.Table:
    """A row of a good census for each case, of which some cells are replaced."""
    columns = VINTAGES[year].columns
    changes = collect(CASES, st.dictionaries(st.sampled_from(columns), TEXTS, min_size=1, max_size=6))
    rows = generate_census(len(changes), seed=3, year=year).read_all().to_pylist()
    changed = [row | change for row, change in zip(rows, changes, strict=True)]
    schema = pa.schema([("row_number", pa.int64()), *((name, pa.string()) for name in ("malformed_line", *columns))])
    cells = {name: [row[name] for row in changed] for name in columns}
    return pa.table(
        {"row_number": range(2, 2 + len(rows)), "malformed_line": [None] * len(rows), **cells}, schema=schema
    )


@pytest.mark.parametrize(
    "year", [pytest.param(year, marks=[] if year == min(VINTAGES) else pytest.mark.slow) for year in VINTAGES]
)
def test_odd_rows_are_judged_and_read_as_on_pandas(engine: Engine, year: int) -> None:
    census, parameters = odd_census(year), CensusParameters(vintage=year, rejected_share=1)
    assert len(census) >= CASES
    pandas = Engine("pandas", to_pandas)
    here, there = check(engine, census, parameters), check(pandas, census, parameters)
    rows, expected = engine.rows(here), pandas.rows(there)
    assert [(one, other) for one, other in zip(rows, expected, strict=True) if one != other][:2] == []
    rules = list_census_rules(parameters)
    rejected = engine.rows(select_rejected(engine.from_arrow(census), here, rules))
    assert rejected == pandas.rows(select_rejected(pandas.from_arrow(census), there, rules))
    assert 0.3 * CASES < len(rejected) < CASES
    errors = 2 ** sum(rule["severity"] == "error" for rule in rules)
    assert len(rejected) == sum(row["violations"] % errors > 0 for row in rows)


@functools.cache
def good_file() -> bytes:
    """A census as a CSV file."""
    buffer = io.StringIO()
    table = generate_census(ROWS_OF_A_FILE, seed=3).read_all()
    csv.writer(buffer, lineterminator="\n").writerows(
        [table.column_names, *(row.values() for row in table.to_pylist())]
    )
    return buffer.getvalue().encode()


BREAKS = ('"', '""', ",", ",,", ";", "\t", "\n", "\r\n", "\r", "\0", "\xff", "\xe9", "\xef\xbb\xbf", "\xff\xfe", "\x1a")
PIECES = st.sampled_from([text.encode("latin-1") for text in BREAKS] + [text.encode() for text in HOSTILE[:40]])


def edited(edits: list[tuple[int, int, bytes]]) -> bytes:
    """Apply edits to the file: where, how many bytes are taken out there, and what is put in."""
    content = good_file()
    for place, gone, put in edits:
        content = content[:place] + put + content[place + gone :]
    return content


def count_rows(content: bytes) -> int:
    """Count the rows of a file by Python's reader, which refuses what is not CSV."""
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    return sum(row != [] for row in csv.reader(io.StringIO(content.decode(encoding), newline=""), strict=True)) - 1


@functools.cache
def odd_files() -> tuple[list[str], list[pa.Table]]:
    """What files that were damaged at random are refused with, and what is read of the others."""
    refusals, tables = [], []
    parameters = CensusParameters(vintage=2016, rejected_share=1)
    good = good_file()
    cut_off = st.sampled_from(range(len(good))).map(lambda end: good[:end])
    edit = st.tuples(st.integers(0, len(good)), st.integers(0, 60), PIECES | st.binary(max_size=8))
    contents = collect(CASES, st.lists(edit, min_size=1, max_size=4).map(edited) | cut_off)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "census.csv"
        for content in contents:
            file.write_bytes(content)
            try:
                table = read_census(TextTableDataset(filepath=str(file)).load(), parameters)[0].read_all()
                assert len(table) == count_rows(content), content
                tables.append(table)
            except (DatasetError, DataError) as error:
                refusals.append(str(error))
    return refusals, tables


def test_a_damaged_file_is_read_or_refused_in_a_sentence() -> None:
    refusals, tables = odd_files()
    assert len(refusals) + len(tables) >= CASES
    assert min(len(refusals), len(tables)) > CASES / 20
    assert [text for text in refusals if not text.rstrip("`.").strip() or "Traceback" in text or "\n" in text] == []
    for table in tables:
        numbers = table["row_number"].to_pylist()
        assert sorted(numbers) == list(range(2, 2 + len(numbers)))


def test_what_is_read_of_damaged_files_is_judged_as_on_pandas(engine: Engine) -> None:
    _, tables = odd_files()
    together = pa.concat_tables(tables)
    numbered = together.set_column(0, "row_number", pa.array(range(2, 2 + len(together))))
    pandas = Engine("pandas", to_pandas)
    parameters = CensusParameters(vintage=2016, rejected_share=1)
    rows, expected = engine.rows(check(engine, numbered, parameters)), pandas.rows(check(pandas, numbered, parameters))
    assert [(one, other) for one, other in zip(rows, expected, strict=True) if one != other][:2] == []
