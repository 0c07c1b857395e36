"""The files of later years become the same table as that of 2016."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from conftest import Engine, check, clean
from premises.census.sample import draw_census
from premises.census.schema import VINTAGES
from premises.pipelines.data_engineering.nodes import split_and_balance
from premises.pipelines.data_engineering.parameters import CensusParameters, DataEngineeringParameters

ROWS = 500
LATER = [year for year in VINTAGES if year != 2016]
OF_THE_FILE = {"file_row", "premises_id", "activity_id", "surveyed_on", "market_id", "mall_id"}
"""What the files have otherwise: kinds of id, class lists, days, and no ids of markets and malls in the later ones."""

TEST_SHARE = 0.2


def parameters(year: int) -> CensusParameters:
    return CensusParameters(vintage=year, rejected_share=0)


def drawn(year: int, rows: int = ROWS, **changes: list[str | None]) -> pa.Table:
    """A sample in the form of a vintage, as it is read from its file; the first cells of some columns are changed."""
    table = draw_census(rows, seed=5, year=year).read_all().replace_schema_metadata(None)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    for name, cells in changes.items():
        columns[name][: len(cells)] = cells
    schema = pa.schema([("file_row", pa.int64()), ("unread", pa.string()), *table.schema])
    return pa.table({"file_row": range(2, 2 + rows), "unread": [None] * rows, **columns}, schema=schema)


@pytest.mark.parametrize("year", LATER)
def test_the_same_premises_come_out_of_each_form(engine: Engine, year: int) -> None:
    of_2016, of_later = (
        sorted(engine.rows(check(engine, drawn(vintage), parameters(vintage))), key=lambda row: row["file_row"])
        for vintage in (2016, year)
    )
    assert len(of_later) == ROWS
    assert {row["broken_rules"] + row["warnings"] for row in of_later} <= {"", "date_is_readable"}
    for one, other in zip(of_2016, of_later, strict=True):
        assert {name: one[name] for name in one.keys() - OF_THE_FILE} == {
            name: other[name] for name in other.keys() - OF_THE_FILE
        }
    assert {row["surveyed_on"].year for row in of_later if row["surveyed_on"]} == {year}
    assert all(row["market_id"] is None and row["mall_id"] is None for row in of_later)


@pytest.mark.parametrize("year", VINTAGES)
def test_every_vintage_has_the_same_columns_and_types(engine: Engine, year: int) -> None:
    types = engine.types(clean(engine, drawn(year, rows=1), parameters(year)))
    assert types == engine.types(clean(engine, drawn(2016, rows=1), parameters(2016)))


def test_the_flags_of_2019_say_yes_by_0(engine: Engine) -> None:
    flags = {"0": True, "1": False, "2": None, "Sí": None, None: None}
    rows = engine.rows(check(engine, drawn(2019, rows=5, SN_Mercat=list(flags)), parameters(2019)))
    assert [row["is_in_market"] for row in rows] == list(flags.values())


def test_the_flags_of_2022_say_yes_in_words(engine: Engine) -> None:
    flags = {
        "Sí": True,
        "Si": True,
        "SI": True,
        " sí ": True,
        "No": False,
        "NO": False,
        "S": None,
        "1": None,
        None: None,
    }
    rows = engine.rows(check(engine, drawn(2022, rows=9, SN_Mercat=list(flags)), parameters(2022)))
    assert [row["is_in_market"] for row in sorted(rows, key=lambda row: row["file_row"])] == list(flags.values())


def test_flags_the_other_way_round_are_noticed_by_the_name_of_the_axis(engine: Engine) -> None:
    table = drawn(2019)
    flags = pa.array(["1" if flag == "0" else "0" for flag in table["SN_Eix"].to_pylist()])
    turned = table.set_column(table.schema.get_field_index("SN_Eix"), "SN_Eix", flags)
    rows = engine.rows(check(engine, turned, parameters(2019)))
    assert all("axis_has_a_name" in row["warnings"] for row in rows)


def test_ids_of_2022_are_uuids_in_any_case(engine: Engine) -> None:
    ids = {
        "1F2B4F24-489D-41E5-A183-BD00F21F8B32": "1f2b4f24-489d-41e5-a183-bd00f21f8b32",
        "1f2b4f24489d41e5a183bd00f21f8b33": None,
        "1f2b4f24-489d-41e5-a183-bd00f21f8b3g": None,
        "12": None,
        None: None,
    }
    rows = engine.rows(check(engine, drawn(2022, rows=5, ID_Global=list(ids)), parameters(2022)))
    assert [row["premises_id"] for row in sorted(rows, key=lambda row: row["file_row"])] == list(ids.values())


def test_a_section_of_later_files_is_counted_in_its_district(engine: Engine) -> None:
    sections = {"25": 1025, "25.0": 1025, "": None, "x": None}
    table = drawn(2019, rows=4, Seccio_Censal=list(sections), Codi_Districte=["1"] * 4)
    rows = engine.rows(check(engine, table, parameters(2019)))
    assert [row["census_section"] for row in rows] == list(sections.values())


def test_a_premises_that_nobody_could_look_into_is_of_unknown_status(engine: Engine) -> None:
    sectors = {
        "Sense informació": None,
        "Sense informació - Havia tingut activitat (rètol)": None,
        "Locals buits en venda": False,
        "ús particular/veïnal": False,
    }
    status = ["Sense activitat Econòmica"] * 4
    table = drawn(2019, rows=4, Nom_Sector_Activitat=list(sectors), Nom_Principal_Activitat=status)
    assert [row["is_active"] for row in engine.rows(check(engine, table, parameters(2019)))] == list(sectors.values())


def test_ids_that_are_text_are_split_alike_on_every_engine(engine: Engine) -> None:
    ids = drawn(2022, rows=5_000)["ID_Global"].to_pylist()
    digits = ["".join(filter(str.isdigit, identity)) for identity in ids]
    modulus = 2**31 - 1
    seeds = [(int(text[:15]) + int(text[15:30] or 0)) % modulus for text in digits]
    columns = {"premises_id": ids, "is_active": [True, False] * 2_500, "x_metres": [1.5] * 5_000}
    types = {"premises_id": pa.string(), "is_active": pa.bool_(), "x_metres": pa.float32()}
    stated = DataEngineeringParameters(grid_metres=100, test_share=TEST_SHARE, folds=5, majority_per_minority=1)
    rows = {row["premises_id"]: row for row in engine.rows(split_and_balance(engine.frame(columns, types), stated))}
    expected = {
        identity: "test" if seed * 48271 % modulus % 100 < TEST_SHARE * 100 else "train"
        for identity, seed in zip(ids, seeds, strict=True)
    }
    assert {identity: row["split"] for identity, row in rows.items()} == {name: expected[name] for name in rows}
    share = np.mean([split == "test" for split in expected.values()])
    assert share == pytest.approx(TEST_SHARE, abs=0.02)
