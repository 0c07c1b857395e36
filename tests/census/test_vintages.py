"""The files of later years become the same table as that of 2016."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from conftest import check, judge
from kedro_handover.nodes.split import SplitParameters, split_and_balance
from kedro_handover.testing import Engine
from premises.census.schema import VINTAGES
from premises.census.synthetic import generate_census
from premises.pipelines.data_engineering.parameters import CensusParameters

ROWS = 500
LATER = [year for year in VINTAGES if year != 2016]
OF_THE_FILE = {"row_number", "premises_id", "activity_id", "surveyed_on", "market_id", "mall_id"}
"""What the files have otherwise: kinds of id, class lists, days, and no ids of markets and malls in the later ones."""

TEST_SHARE = 0.2

IDS_2022 = {
    "1F2B4F24-489D-41E5-A183-BD00F21F8B32": "1f2b4f24-489d-41e5-a183-bd00f21f8b32",
    **dict.fromkeys(("1f2b4f24489d41e5a183bd00f21f8b33", "1f2b4f24-489d-41e5-a183-bd00f21f8b3g", "12", None)),
}
FLAGS_2019 = {"0": True, "1": False, "2": None, "Sí": None, None: None}
FLAGS_2022 = dict.fromkeys(("Sí", "Si", "SI", " sí "), True) | {
    "No": False,
    "NO": False,
    "S": None,
    "1": None,
    None: None,
}
SECTIONS = {"25": 1025, "25.0": 1025, "": None, "x": None}
SECTORS = {
    "Sense informació": None,
    "Sense informació - Havia tingut activitat (rètol)": None,
    "Locals buits en venda": False,
    "ús particular/veïnal": False,
}
CELLS = {
    2016: {},
    2019: {
        "SN_Mercat": list(FLAGS_2019),
        "Seccio_Censal": list(SECTIONS),
        "Codi_Districte": ["1"] * len(SECTIONS),
        "Nom_Sector_Activitat": list(SECTORS),
        "Nom_Principal_Activitat": ["Sense activitat Econòmica"] * len(SECTORS),
    },
    2022: {"ID_Global": list(IDS_2022), "SN_Mercat": list(FLAGS_2022)},
}
"""The first cells of some columns; below them each vintage has the same premises."""

CHANGED = 10
judged: dict[tuple[str, int], tuple[list[dict], dict[str, str]]] = {}


def parameters(year: int) -> CensusParameters:
    return CensusParameters(vintage=year, rejected_share=0)


def generated(year: int, **changes: list[str | None]) -> pa.Table:
    """A synthetic census as it is read from the file of a vintage; the first cells of some columns are changed."""
    table = generate_census(ROWS, seed=5, year=year).read_all().replace_schema_metadata(None)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    for name, cells in changes.items():
        columns[name][: len(cells)] = cells
    schema = pa.schema([("row_number", pa.int64()), ("malformed_line", pa.string()), *table.schema])
    return pa.table({"row_number": range(2, 2 + ROWS), "malformed_line": [None] * ROWS, **columns}, schema=schema)


def judge_once(engine: Engine, year: int) -> tuple[list[dict], dict[str, str]]:
    """The rows of a vintage and their types, once for each engine."""
    if (engine.name, year) not in judged:
        census = generated(year, **CELLS[year])
        types = engine.types(check(engine, census, parameters(year)))
        judged[engine.name, year] = judge(engine, census, parameters(year)), types
    return judged[engine.name, year]


def read(engine: Engine, year: int, column: str, texts: dict) -> list[object]:
    """What the first cells of a column are read as."""
    return [row[column] for row in judge_once(engine, year)[0][: len(texts)]]


@pytest.mark.parametrize("year", LATER)
def test_the_same_premises_come_out_of_each_form(engine: Engine, year: int) -> None:
    of_2016, of_later = (judge_once(engine, vintage)[0][CHANGED:] for vintage in (2016, year))
    assert len(of_later) == ROWS - CHANGED
    assert {row["violated"] + row["warned"] for row in of_later} <= {"", "date_is_readable"}
    for one, other in zip(of_2016, of_later, strict=True):
        assert {name: one[name] for name in one.keys() - OF_THE_FILE} == {
            name: other[name] for name in other.keys() - OF_THE_FILE
        }
    assert {row["surveyed_on"].year for row in of_later if row["surveyed_on"]} == {year}
    assert all(row["market_id"] is None and row["mall_id"] is None for row in of_later)


@pytest.mark.parametrize("year", LATER)
def test_every_vintage_has_the_same_columns_and_types(engine: Engine, year: int) -> None:
    assert judge_once(engine, year)[1] == judge_once(engine, 2016)[1]


def test_the_flags_of_2019_say_yes_by_0(engine: Engine) -> None:
    assert read(engine, 2019, "is_in_market", FLAGS_2019) == list(FLAGS_2019.values())


def test_the_flags_of_2022_say_yes_in_words(engine: Engine) -> None:
    assert read(engine, 2022, "is_in_market", FLAGS_2022) == list(FLAGS_2022.values())


def test_flags_the_other_way_round_are_noticed_by_the_name_of_the_axis(engine: Engine) -> None:
    table = generated(2019)
    flags = ["1" if flag == "0" else "0" for flag in table["SN_Eix"].to_pylist()]
    rows = judge(engine, generated(2019, SN_Eix=flags), parameters(2019))
    assert all("axis_has_a_name" in row["warned"] for row in rows)


def test_ids_of_2022_are_uuids_in_any_case(engine: Engine) -> None:
    assert read(engine, 2022, "premises_id", IDS_2022) == list(IDS_2022.values())


def test_a_section_of_later_files_is_counted_in_its_district(engine: Engine) -> None:
    assert read(engine, 2019, "census_section", SECTIONS) == list(SECTIONS.values())


def test_a_premises_that_nobody_could_look_into_is_of_unknown_status(engine: Engine) -> None:
    assert read(engine, 2019, "is_active", SECTORS) == list(SECTORS.values())


def test_ids_that_are_text_are_split_alike_on_every_engine(engine: Engine) -> None:
    ids = generate_census(5_000, seed=5, year=2022).read_all()["ID_Global"].to_pylist()
    digits = ["".join(filter(str.isdigit, identity)) for identity in ids]
    modulus = 2**31 - 1
    seeds = [(int(text[:15]) + int(text[15:30] or 0)) % modulus for text in digits]
    columns = {"id": ids, "label": [True, False] * 2_500, "x_metres": [1.5] * 5_000}
    types = {"id": pa.string(), "label": pa.bool_(), "x_metres": pa.float32()}
    stated = SplitParameters(test_share=TEST_SHARE, folds=5, majority_per_minority=1)
    rows = {row["id"]: row for row in engine.rows(split_and_balance(engine.frame(columns, types), stated))}
    expected = {
        identity: "test" if seed * 48271 % modulus % 100 < TEST_SHARE * 100 else "train"
        for identity, seed in zip(ids, seeds, strict=True)
    }
    assert {identity: row["split"] for identity, row in rows.items()} == {name: expected[name] for name in rows}
    share = np.mean([split == "test" for split in expected.values()])
    assert share == pytest.approx(TEST_SHARE, abs=0.02)
