"""The contract: every row is valid or rejected with its reasons, alike on every engine."""

from __future__ import annotations

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pytest

from conftest import CENSUS, COLUMNS, PROJECT, check, clean, judge, read_rows
from kedro_handover.contract import list_rules
from kedro_handover.errors import ContractError, DataError
from kedro_handover.nodes.split import count_rows
from kedro_handover.nodes.validation import select_rejected
from kedro_handover.testing import Engine
from kedro_handover.text_tables import TextTableDataset
from premises.census.city import degrees_from_utm
from premises.census.contract import (
    EAST,
    FEATURES,
    NORTH,
    PREMISES,
    SOUTH,
    WEST,
    FeaturesTable,
    PremisesTable,
    census_rules,
    city_box_mm,
    list_feature_rules,
)
from premises.census.schema import VINTAGES
from premises.pipeline_registry import register_pipelines
from premises.pipelines.data_engineering.ingest import count_statuses, read_census
from premises.pipelines.data_engineering.parameters import CensusParameters

REAL_ROWS = PROJECT.parent / "shared/data/bcn2016_rows_34cols.csv"

ACTIVE = {"N_PRINCIP": "Actiu"}
INACTIVE = {"N_PRINCIP": "Sense activitat"}
UNKNOWN = {"N_PRINCIP": "Sense informació"}
VINTAGE = VINTAGES[2016]
RULES = census_rules(VINTAGE)

VIOLATING: list[tuple[dict[str, str | None], str, str]] = [
    ({}, "", ""),
    ({"ID_BCN": None}, "id_is_readable", ""),
    ({"ID_BCN": "ID_BCN"}, "id_is_readable", ""),
    ({"ID_BCN": "12.0"}, "id_is_readable", ""),
    ({"ID_BCN": "0012"}, "id_is_readable", ""),
    ({"ID_BCN": "-12"}, "id_is_readable", ""),
    ({"ID_BCN": "1" * 16}, "id_is_readable", ""),
    ({"ID_BCN": " 9000 "}, "id_is_unique", ""),
    ({"ID_BCN": "9000"}, "id_is_unique", ""),
    ({"ID_BCN": "0"}, "", ""),
    ({"ID_BCN": "9" * 15}, "", ""),
    ({"N_PRINCIP": "actiu"}, "status_is_known", ""),
    ({"N_PRINCIP": None}, "status_is_known", ""),
    ({"N_PRINCIP": "Actiu "}, "", ""),
    ({"SN_CARRER": "2"}, "flags_are_yes_or_no", ""),
    ({"SN_EIX": None}, "flags_are_yes_or_no", ""),
    ({"SN_MERCAT": "Sí", "SN_GALERIA": ""}, "flags_are_yes_or_no", ""),
    ({"SN_EIX": "1"}, "", "axis_has_a_name"),
    ({"SN_EIX": "1", "N_EIX": "Eix Gòtic"}, "", ""),
    ({"N_EIX": "Eix Gòtic"}, "", "axis_has_a_name"),
    ({"Codi_Districte": "11"}, "district_is_known, barri_is_in_district, section_is_in_district", ""),
    ({"Codi_Districte": "?"}, "district_is_known", ""),
    ({"Codi_Districte": "2"}, "barri_is_in_district, section_is_in_district", ""),
    ({"Codi_Districte": "01", "Codi_Barri": "02"}, "", ""),
    ({"Codi_Barri": "74"}, "barri_is_known", ""),
    ({"Codi_Barri": "0"}, "barri_is_known", ""),
    ({"Codi_Barri": None}, "barri_is_known", ""),
    ({"Codi_Barri": "5"}, "barri_is_in_district", ""),
    ({"SEC_CENS": ""}, "section_is_readable", ""),
    ({"SEC_CENS": "1030", "Codi_Districte": None}, "district_is_known", ""),
    ({"SEC_CENS": "2030"}, "section_is_in_district", ""),
    ({"SEC_CENS": "1030.0"}, "", ""),
    ({"X_UTM_ETRS": "NaN"}, "place_is_readable", ""),
    ({"X_UTM_ETRS": "Infinity", "Y_UTM_ETRS": "-inf"}, "place_is_readable", ""),
    ({"Y_UTM_ETRS": "4580750,861"}, "place_is_readable", ""),
    ({"Y_UTM_ETRS": "4.580750861e6"}, "place_is_readable", ""),
    ({"Y_UTM_ETRS": None}, "place_is_readable", ""),
    ({"X_UTM_ETRS": "422497"}, "", ""),
    ({"X_UTM_ETRS": "422496.999"}, "place_is_in_city", ""),
    ({"X_UTM_ETRS": "435472.000"}, "", ""),
    ({"X_UTM_ETRS": "435472.001"}, "place_is_in_city", ""),
    ({"X_UTM_ETRS": "0", "Y_UTM_ETRS": "0"}, "place_is_in_city", ""),
    ({"Y_UTM_ETRS": "431675.395", "X_UTM_ETRS": "4580750.861"}, "place_is_in_city", ""),
    ({"ID_MERCAT": "X7"}, "", "market_id_is_readable"),
    ({"ID_MERCAT": " "}, "", ""),
    ({"LATITUD": "41,38"}, "", "degrees_are_in_city"),
    ({"LONGITUD": "NaN"}, "", "degrees_are_in_city"),
    ({"LATITUD": "999"}, "", "degrees_are_in_city"),
    ({"LATITUD": "2.182944", "LONGITUD": "41.375377"}, "", "degrees_are_in_city"),
    ({"ID_ACT": "4009"}, "", "activity_is_in_class_list"),
    ({"ID_ACT": None}, "", "activity_is_in_class_list"),
    ({"DATA": "0000-00-00"}, "", "date_is_readable"),
    ({"DATA": "07/06/2016"}, "", "date_is_readable"),
    ({"DATA": "20160607"}, "", ""),
    ({"DATA": "2016-06-07T00:00:00"}, "", ""),
    ({"DATA": "2015-12-31"}, "", "date_is_of_the_vintage"),
    ({"NUM_POLICI": "5 bis"}, "", "street_number_is_readable"),
    ({"NUM_POLICI": " "}, "", ""),
    ({"NUM_POLICI": None}, "", ""),
    ({"N_LOCAL": "=HYPERLINK(1)", "N_CARRER": "+cmd|' /C calc'!A0"}, "", ""),
    ({"N_LOCAL": 'un\nnom, amb "cometes"'}, "", ""),
    ({"N_LOCAL": "x" * 100_000}, "", ""),
    (
        {"N_PRINCIP": "?", "SN_EIX": "?", "X_UTM_ETRS": "?"},
        "status_is_known, flags_are_yes_or_no, place_is_readable",
        "",
    ),
]
"""What a row has otherwise, the rules that reject it, and those that warn."""


def census(engine: Engine, *changes: dict[str, str | None]) -> object:
    return engine.from_arrow(read_rows(*changes))


def read_columns(*columns: str, year: int = 2016, rows: int = 1) -> pa.RecordBatchReader:
    names = ("row_number", "malformed_line", *columns)
    table = pa.table({name: pa.array([None] * rows, pa.string()) for name in names})
    taken, source = read_census(table.to_reader(), CensusParameters(vintage=year, rejected_share=0))
    assert source == {}  # a file has no versions
    return taken


def refused_columns(*columns: str, year: int = 2016) -> str:
    with pytest.raises(DataError) as refused:
        read_columns(*columns, year=year)
    return str(refused.value)


def test_each_rule_is_violated_by_the_rows_that_violate_it_and_no_others(engine: Engine) -> None:
    rows = judge(engine, read_rows(*(change for change, _, _ in VIOLATING), malformed=("1,2,3", "")))
    whole, malformed = rows[: len(VIOLATING)], rows[len(VIOLATING) :]
    assert [[row["violated"], row["warned"]] for row in whole] == [expected for _, *expected in VIOLATING]
    assert all(row["violated"].startswith("row_is_whole, id_is_readable, ") for row in malformed)


def test_every_rule_is_violated_in_these_tests() -> None:
    named = {name for _, rejects, warns in VIOLATING for name in f"{rejects}, {warns}".split(", ") if name}
    assert named | {"row_is_whole"} == {rule.name for rule in RULES}


def test_rows_in_are_rows_valid_and_rows_rejected_with_the_raw_row_and_its_reasons(engine: Engine) -> None:
    table = read_rows(*(change for change, _, _ in VIOLATING), malformed=("1,2,3",))
    checked = check(engine, table)
    rejected = engine.rows(select_rejected(engine.from_arrow(table), checked, list_rules(RULES)))
    valid = engine.rows(clean(engine, table))
    assert len(rejected) + len(valid) == len(table)
    by_row = {row["row_number"]: row for row in rejected}
    raw = {row["row_number"]: row for row in table.to_pylist()}
    assert {
        number: {"violated_rules": row["violated_rules"], **raw[number]} for number, row in by_row.items()
    } == by_row
    assert {row["premises_id"] for row in valid} == {raw[number]["ID_BCN"] for number in raw.keys() - by_row.keys()}
    assert by_row[max(raw)]["malformed_line"] == "1,2,3"


def test_all_rows_of_a_repeated_id_are_rejected(engine: Engine) -> None:
    rows = judge(engine, read_rows({}, {"ID_BCN": "1"}, {"ID_BCN": " 1"}, {}))
    assert [row["violated"] for row in rows] == ["id_is_unique"] * 3 + [""]


@pytest.mark.skipif(not REAL_ROWS.exists(), reason="the census' real rows are not beside this project")
def test_real_rows_of_the_census_violate_no_rule(engine: Engine) -> None:
    table = TextTableDataset(filepath=str(REAL_ROWS)).load().read_all()
    rows = judge(engine, table)
    assert [(row["violated"], row["warned"]) for row in rows] == [("", "")] * 5


def test_the_box_of_the_city_is_that_of_its_barris() -> None:
    assert city_box_mm() == (422_497_000, 435_472_000, 4_574_705_000, 4_591_066_000)


def test_the_box_in_degrees_is_the_same_box() -> None:
    west, east, south, north = (millimetres / 1000 for millimetres in city_box_mm())
    latitudes, longitudes = degrees_from_utm(np.array([west, west, east, east]), np.array([south, north, south, north]))
    assert pytest.approx((latitudes.min(), latitudes.max()), abs=0.01) == (SOUTH, NORTH)
    assert pytest.approx((longitudes.min(), longitudes.max()), abs=0.01) == (WEST, EAST)
    assert SOUTH <= latitudes.min() < latitudes.max() <= NORTH
    assert WEST <= longitudes.min() < longitudes.max() <= EAST


def test_rules_have_names_of_their_own_and_say_what_they_are() -> None:
    for vintage in VINTAGES.values():
        rules = census_rules(vintage)
        assert len({rule.name for rule in rules}) == len(rules)
        assert not {rule.name for rule in rules} & {*PREMISES, *vintage.columns}
        assert all(rule.description.endswith(".") for rule in rules)


def test_the_order_of_columns_and_more_of_them_are_no_fault() -> None:
    assert read_columns("more", *reversed(COLUMNS)).schema.names == ["row_number", "malformed_line", *COLUMNS]


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_named(column: str) -> None:
    assert refused_columns(*(name for name in COLUMNS if name != column)) == (
        f"census: 1 of 34 columns are missing: {column}. Not known: none. Use the file of 2016, as published."
    )


def test_missing_columns_are_named_in_their_order_with_what_is_there_instead() -> None:
    names = [{"ID_PRINCIP": "Principal", "SEC_CENS": "Seccio"}.get(name, name) for name in COLUMNS if name != "SN_EIX"]
    assert (
        "3 of 34 columns are missing: ID_PRINCIP, SN_EIX, SEC_CENS. Not known: Principal, Seccio."
        in refused_columns(*names)
    )


def test_a_column_in_another_case_is_missing() -> None:
    names = [name.lower() if name == "SN_EIX" else name for name in COLUMNS]
    assert "missing: SN_EIX. Not known: sn_eix." in refused_columns(*names)


def test_a_file_of_another_kind_misses_every_column() -> None:
    assert "34 of 34 columns are missing: ID_BCN, ID_PRINCIP, N_PRINCIP, " in refused_columns("a")


@pytest.mark.parametrize("stated", VINTAGES)
@pytest.mark.parametrize("found", VINTAGES)
def test_a_file_of_another_vintage_is_recognised(stated: int, found: int) -> None:
    columns = VINTAGES[found].columns
    if stated == found:
        assert read_columns(*columns, year=stated).schema.names[2:] == list(columns)
    else:
        advice = f"This is the file of {found}: set census.vintage to {found}, and name it {VINTAGES[found].file}."
        assert refused_columns(*columns, year=stated).endswith(advice)


def test_a_part_of_another_vintage_is_recognised_too() -> None:
    assert "This looks like the file of 2022, not whole" in refused_columns(*VINTAGES[2022].columns[:30])


OF_FEATURES = {"id": nw.String, "label": nw.Boolean, "group": nw.Int64, **dict.fromkeys(FEATURES, nw.Float32)}
TABLES = {
    "premises": (PremisesTable(), PREMISES, "premises_id"),
    "features": (FeaturesTable("features"), OF_FEATURES, "id"),
    "model_input": (FeaturesTable("model_input"), {**OF_FEATURES, "split": nw.String, "fold": nw.Int64}, "id"),
}


@pytest.mark.parametrize(("contract", "columns", "identity"), TABLES.values(), ids=TABLES)
def test_a_table_is_held_to_its_columns_and_types(engine: Engine, contract, columns, identity: str) -> None:
    arrow = {
        nw.String: pa.string(), nw.Boolean: pa.bool_(), nw.Int64: pa.int64(), nw.Float64: pa.float64(),
        nw.Float32: pa.float32(), nw.Date: pa.date32(),
    }  # fmt: skip
    types = {name: arrow[dtype] for name, dtype in columns.items()}
    good = engine.frame({name: [None] for name in types}, types)
    assert contract.validate(good) is good
    last = list(types)[-1]
    cases = [
        ({name: kind for name, kind in types.items() if name != last}, f"{last} is missing"),
        (types | {identity: pa.int64()}, f"{identity} is Int64, and has to be String"),
        (types | {"more": pa.string()}, "more is not known"),
    ]
    for changed, message in cases:
        with pytest.raises(ContractError, match=message):
            contract.validate(engine.frame({name: [None] for name in changed}, changed))


def test_features_that_violate_their_rules_end_the_run(engine: Engine) -> None:
    cases = [
        ({"is_on_axis": [0, 2, None]}, "2 rows violate that flags are 0 or 1."),
        ({"district_id": [0, 11, 10]}, "2 rows violate that district_id is 1 to 10, and barri_id 1 to 73."),
        ({"axis_share_in_section": [float("nan"), 1.1, -0.1]}, "3 rows violate that axis_share_in_section is 0 to 1."),
        ({"x_metres": [float("inf"), 1, None]}, "2 rows violate that coordinates, distances and counts are known"),
    ]
    known = {"split": ["train", "train", "test"], "fold": [0, 1, -1], "label": [True, False, True]}
    types = {"split": pa.string(), "fold": pa.int64(), "label": pa.bool_(), **dict.fromkeys(FEATURES, pa.float32())}
    good = {name: [1] * 3 for name in FEATURES}
    premises, features = engine.frame({"premises_id": ["1", "2", "3"]}), engine.frame({**known, **good}, types)
    rejections, statuses = {"rows_in": 3, "valid": 3, "rejected": 0}, {"Actiu": 3}
    count_rows(premises, features, features, rejections, statuses, list_feature_rules())
    for changes, message in cases:
        model_input = engine.frame({**known, **good, **changes}, types)
        with pytest.raises(ContractError) as refused:
            count_rows(premises, features, model_input, rejections, statuses, list_feature_rules())
        assert message in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "statuses"),
    [
        ((ACTIVE, INACTIVE), {"Actiu": 1, "Sense activitat": 1}),
        (
            (ACTIVE, INACTIVE, UNKNOWN, {"N_PRINCIP": None}),
            {"": 1, "Actiu": 1, "Sense activitat": 1, "Sense informació": 1},
        ),
        (({"N_PRINCIP": " Actiu "}, {"N_PRINCIP": "Sense activitat  "}), {"Actiu": 1, "Sense activitat": 1}),
    ],
)
def test_a_census_with_both_classes_is_good(engine: Engine, changes, statuses: dict[str, int]) -> None:
    assert count_statuses(census(engine, *changes), CENSUS) == statuses


def test_column_names_without_rows_are_refused() -> None:
    with pytest.raises(DataError) as refused:
        read_columns(*COLUMNS, rows=0)
    assert str(refused.value) == "census: there are column names and no rows. Download the file again."


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ((ACTIVE, ACTIVE, UNKNOWN), "of 3 rows 2 have N_PRINCIP 'Actiu' and 0 have N_PRINCIP 'Sense activitat'"),
        ((INACTIVE, UNKNOWN), "of 2 rows 0 have N_PRINCIP 'Actiu' and 1 have N_PRINCIP 'Sense activitat'"),
        (({"N_PRINCIP": None}, {"N_PRINCIP": "1"}), "of 2 rows 0 have N_PRINCIP 'Actiu' and 0 have"),
        ((ACTIVE, {"N_PRINCIP": "sense activitat"}), "of 2 rows 1 have N_PRINCIP 'Actiu' and 0 have"),
    ],
)
def test_one_class_only_is_refused_with_the_counts(
    engine: Engine, changes: tuple[dict[str, str | None], ...], counts: str
) -> None:
    with pytest.raises(DataError) as refused:
        count_statuses(census(engine, *changes), CENSUS)
    assert counts in str(refused.value)


@pytest.mark.parametrize("pipeline", ["scoring", "research_scoring"])
def test_premises_of_one_class_are_still_a_census_to_score(pipeline: str) -> None:
    names = {node.name.rpartition(".")[-1] for node in register_pipelines()[pipeline].nodes}
    assert "check_premises" in names
    assert not names & {"count_statuses", "count_rows"}  # which refuse them


def test_a_status_is_read_as_the_cleaning_reads_it(engine: Engine) -> None:
    rows = census(engine, {"N_PRINCIP": "\tActiu\r"}, {"N_PRINCIP": "Sense  activitat"})
    assert count_statuses(rows, CENSUS) == {"Actiu": 1, "Sense activitat": 1}
