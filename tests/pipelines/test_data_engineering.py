from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from conftest import check, clean, judge, read_rows
from kedro_handover.evaluation.leaks import LEAK_AUC, single_column_aucs
from kedro_handover.nodes.split import SplitParameters, split_and_balance
from kedro_handover.testing import Engine, to_pandas
from kedro_handover.text_tables import TextTableDataset
from premises.census.schema import SYNTHETIC_NAME_PREFIX
from premises.pipelines.data_engineering.features import build_features
from premises.pipelines.data_engineering.parameters import DataEngineeringParameters

PANDAS = Engine("pandas", to_pandas)
PARAMETERS = DataEngineeringParameters(grid_metres=100)
SPLIT = SplitParameters(test_share=0.2, folds=5, majority_per_minority=1)

FEATURES = [
    "is_on_street",
    "is_in_market",
    "is_in_gallery",
    "is_in_mall",
    "is_on_axis",
    "district_id",
    "barri_id",
    "x_metres",
    "y_metres",
    "premises_in_section",
    "premises_in_street",
    "premises_in_parcel",
    "premises_in_cell",
    "axis_share_in_section",
    "metres_to_district_centre",
]


def typed(engine: Engine, *changes: dict[str, str | None]) -> list[dict]:
    """What is read of each row, whether the contract rejects it or not."""
    return judge(engine, read_rows(*changes))


def test_a_premises_is_typed_and_named(engine: Engine) -> None:
    (row,) = typed(engine, {})
    assert row == {
        "row_number": 2,
        "violations": 0,
        "violated": "",
        "warned": "",
        "premises_id": "1",
        "is_synthetic": False,
        "is_active": True,
        "status": "Actiu",
        "sector": "Comerç al detall",
        "activity_group": "Equipament personal",
        "activity_id": 4003,
        "activity": "Vestir",
        "name": "INSIDE",
        "is_on_street": True,
        "is_in_market": False,
        "market_id": 0,
        "market": None,
        "is_in_gallery": False,
        "gallery": None,
        "is_in_mall": False,
        "mall_id": "0",
        "mall": None,
        "street": "MOLL ESPANYA",
        "street_number": 5,
        "cadastral_reference": "1813205DF3811D",
        "surveyed_on": dt.date(2016, 6, 7),
        "barri_id": 2,
        "barri": "el Barri Gòtic",
        "district_id": 1,
        "district": "Ciutat Vella",
        "commercial_axis": None,
        "is_on_axis": False,
        "census_section": 1030,
        "x_mm": 431675395,
        "y_mm": 4580750861,
        "latitude": 41.375377,
        "longitude": 2.182944,
    }


def test_types_are_the_same_on_every_engine(engine: Engine) -> None:
    types = engine.types(clean(engine, read_rows({})))
    assert {name for name, dtype in types.items() if dtype == "Int64"} == {
        "activity_id",
        "market_id",
        "street_number",
        "barri_id",
        "district_id",
        "census_section",
        "x_mm",
        "y_mm",
    }
    assert {name for name, dtype in types.items() if dtype == "Float64"} == {"latitude", "longitude"}
    assert types["surveyed_on"] == "Date"
    assert types["is_active"] == types["is_on_axis"] == types["is_synthetic"] == "Boolean"
    assert types["premises_id"] == types["street"] == "String"


CELLS: list[tuple[str, str, dict[str | None, object]]] = [
    (
        "N_PRINCIP",
        "is_active",
        {
            "Actiu": True,
            "Sense activitat": False,
            "Sense informació": None,
            " Actiu ": True,
            "?": None,
            " ": None,
            None: None,
        },
    ),
    (
        "DATA",
        "surveyed_on",
        {
            "2016-05-17": dt.date(2016, 5, 17),
            "2016-02-29": dt.date(2016, 2, 29),
            "2000-02-29": dt.date(2000, 2, 29),
            "2016-05-17T00:00:00": dt.date(2016, 5, 17),
            "20160517": dt.date(2016, 5, 17),
            "20160517.0": dt.date(2016, 5, 17),
            **dict.fromkeys(("2015-02-29", "1900-02-29", "2016-04-31", "0000-00-00", "2016-13-01", "17/05/2016")),
            **dict.fromkeys(("2016-05-17x", "2016-05-17T10:00:00", "201605170", "20161301", "00000000", None)),
        },
    ),
    (
        "NUM_POLICI",
        "street_number",
        {"5": 5, "5.0": 5, " 12 ": 12, "5 bis": None, "": None, None: None, "9" * 30: None},
    ),
    ("SN_EIX", "is_on_axis", {"1": True, "0": False, "2": None, " 1 ": True, "Sí": None, None: None}),
    ("N_MERCAT", "market", {"   ": None}),
    ("N_EIX", "commercial_axis", {"": None}),
    ("N_LOCAL", "name", {"  EL   BAR \t": "EL BAR"}),
    (
        "N_LOCAL",
        "is_synthetic",
        {f"{SYNTHETIC_NAME_PREFIX}BAR": True, "BAR": False, "MOSTRARI": False, None: False},
    ),
]
"""A column of the census, what it is read into, and what each text is read as."""

BARRIS = [
    ("3", "La Barceloneta", "la Barceloneta"),
    ("19", "Les Corts", "les Corts"),
    ("17", "Sants  Badal", "Sants - Badal"),
    ("26", "Sant Gervasi  Galvany", "Sant Gervasi - Galvany"),
    ("99", "Un altre", None),  # it is rejected, and what is written stands in rejected_rows
]
"""A code, the name beside it, and the official name of that code."""


def test_each_text_is_read_as_what_it_says_and_else_as_null(engine: Engine) -> None:
    texts = [(column, read, text, value) for column, read, meant in CELLS for text, value in meant.items()]
    barris = [{"Codi_Barri": code, "Nom_Barri": written} for code, written, _ in BARRIS]
    rows = typed(engine, *({column: text} for column, _, text, _ in texts), *barris)
    found = [(column, read, text, rows[place][read]) for place, (column, read, text, _) in enumerate(texts)]
    assert found == texts
    assert [row["barri"] for row in rows[len(texts) :]] == [official for _, _, official in BARRIS]


def features(engine: Engine, *changes: dict[str, str | None]) -> list[dict]:
    """Features of premises, which pandas has typed as every engine does."""
    premises = pa.Table.from_pandas(check(PANDAS, read_rows(*changes)), preserve_index=False)
    return engine.rows(build_features(engine.from_arrow(premises), PARAMETERS))


def test_neighbours_are_counted_at_each_kind_of_place(engine: Engine) -> None:
    rows = features(
        engine,
        {"SN_EIX": "1"},
        {"N_CARRER": "RAMBLA"},
        {"SEC_CENS": "1031", "X_UTM_ETRS": "431775.395"},
        {"REF_CAD": "0000000DF3811D", "Y_UTM_ETRS": "4580850.861"},
    )
    assert [row["premises_in_section"] for row in rows] == [3, 3, 1, 3]
    assert [row["premises_in_street"] for row in rows] == [3, 1, 3, 3]
    assert [row["premises_in_parcel"] for row in rows] == [3, 3, 3, 1]
    assert [row["premises_in_cell"] for row in rows] == [2, 2, 1, 1]
    assert [row["axis_share_in_section"] for row in rows] == [
        np.float32(1 / 3),
        np.float32(1 / 3),
        0,
        np.float32(1 / 3),
    ]


def test_a_place_that_is_not_known_has_no_neighbours(engine: Engine) -> None:
    rows = features(engine, {"N_CARRER": " "}, {"N_CARRER": " "}, {})
    assert [row["premises_in_street"] for row in rows] == [0, 0, 1]


def test_the_distance_to_the_district_centre_is_in_metres(engine: Engine) -> None:
    at = {"X_UTM_ETRS": "430000", "Y_UTM_ETRS": "4580000"}
    rows = features(engine, at, at | {"X_UTM_ETRS": "430600", "Y_UTM_ETRS": "4580800"})
    assert [row["metres_to_district_centre"] for row in rows] == [500, 500]
    assert [(row["x_metres"], row["y_metres"]) for row in rows] == [(430000, 4580000), (430600, 4580800)]


def test_a_premises_with_half_a_place_does_not_move_the_centre(engine: Engine) -> None:
    at = {"X_UTM_ETRS": "430000", "Y_UTM_ETRS": "4580000"}
    half = {"X_UTM_ETRS": "", "Y_UTM_ETRS": "4580400"}
    rows = features(engine, at, at | {"X_UTM_ETRS": "430600", "Y_UTM_ETRS": "4580800"}, half)
    assert [row["metres_to_district_centre"] for row in rows] == [500, 500, None]


def test_features_are_float32_and_about_the_place_only(engine: Engine) -> None:
    premises = clean(engine, read_rows({}))
    types = engine.types(build_features(premises, PARAMETERS))
    assert types == {"id": "String", "label": "Boolean", "group": "Int64"} | dict.fromkeys(FEATURES, "Float32")


def test_premises_are_grouped_by_their_district(engine: Engine) -> None:
    other = {"Codi_Districte": "2", "Codi_Barri": "5", "SEC_CENS": "2030"}
    assert [(row["id"], row["group"]) for row in features(engine, {}, other)] == [("1", 1), ("2", 2)]


def test_a_shuffled_census_gives_the_same_model_input(engine: Engine, census_file) -> None:
    census = TextTableDataset(filepath=str(census_file)).load().read_all().take(list(range(0, 78_033, 13)))
    tables = [census, census.take(np.random.default_rng(1).permutation(len(census)))]
    first, second = (
        engine.rows(split_and_balance(build_features(clean(engine, table), PARAMETERS), SPLIT)) for table in tables
    )
    assert len(first) > 500
    assert first == second


@pytest.mark.slow  # as whole runs in test_engines.py, test_production.py and, without Polars, on a cluster
def test_every_engine_gives_the_rows_that_the_run_wrote(engine: Engine, census_file, run_storage) -> None:
    premises = clean(engine, TextTableDataset(filepath=str(census_file)).load().read_all())
    features = build_features(premises, PARAMETERS)
    model_input = split_and_balance(features, SPLIT)
    for path, native in (
        ("02_intermediate/premises", premises),
        ("04_feature/features", features),
        ("05_model_input/model_input", model_input),
    ):
        written = engine.from_arrow(
            pa.Table.from_pandas(pd.read_parquet(run_storage / f"{path}.parquet", dtype_backend="pyarrow"))
        )
        assert engine.rows(native) == engine.rows(written), path


def test_no_single_feature_knows_the_label(run_storage) -> None:
    rows = pd.read_parquet(run_storage / "04_feature/features.parquet").dropna(subset="label")
    label = rows["label"].astype(bool).reset_index(drop=True)
    aucs = single_column_aucs(rows[FEATURES], label)
    assert {name: auc for name, auc in aucs.items() if auc > LEAK_AUC} == {}


def test_the_search_for_leaks_finds_the_columns_that_do_leak(run_storage) -> None:
    rows = pd.read_parquet(run_storage / "02_intermediate/premises.parquet").dropna(subset="is_active")
    label = rows["is_active"].astype(bool).reset_index(drop=True)
    leaking = ["status", "sector", "activity_group", "activity_id", "activity"]
    assert all(auc > LEAK_AUC for auc in single_column_aucs(rows[leaking], label).values())


def test_what_gives_the_label_away_never_reaches_the_model(run_storage) -> None:
    columns = pd.read_parquet(run_storage / "05_model_input/model_input.parquet").columns
    assert list(columns) == ["id", "split", "fold", "label", "group", *FEATURES]
