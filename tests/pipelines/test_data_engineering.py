from __future__ import annotations

import datetime as dt
import random

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from premises.pipelines.data_engineering.nodes import (
    build_features,
    count_rows,
    split_and_balance,
)

from conftest import Engine, check, clean, judge, read_rows
from kedro_handover.errors import ContractError, DataError
from kedro_handover.evaluation.leaks import LEAK_AUC, single_column_aucs
from kedro_handover.text_tables.dataset import TextTableDataset
from premises.census.schema import SYNTHETIC_NAME_PREFIX
from premises.pipelines.data_engineering.parameters import DataEngineeringParameters

PARAMETERS = DataEngineeringParameters(grid_metres=100, test_share=0.2, folds=5, majority_per_minority=1)

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
        "broken_rules": "",
        "warnings": "",
        "premises_id": "1",
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
    assert types["is_active"] == types["is_on_axis"] == "Boolean"
    assert types["premises_id"] == types["street"] == "String"


def read_cells(engine: Engine, column: str, read: str, *texts: str | None) -> list[object]:
    """What each text in a column of the census is read as."""
    return [row[read] for row in typed(engine, *({column: text} for text in texts))]


def test_the_label_is_unknown_where_the_status_is(engine: Engine) -> None:
    texts = ("Actiu", "Sense activitat", "Sense informació", " Actiu ", "?", " ", None)
    assert read_cells(engine, "N_PRINCIP", "is_active", *texts) == [True, False, None, True, None, None, None]


def test_a_barri_gets_its_official_name_by_its_code_and_none_without_one(engine: Engine) -> None:
    names = [
        ("3", "La Barceloneta", "la Barceloneta"),
        ("19", "Les Corts", "les Corts"),
        ("17", "Sants  Badal", "Sants - Badal"),
        ("26", "Sant Gervasi  Galvany", "Sant Gervasi - Galvany"),
        ("99", "Un altre", None),  # it is rejected, and what is written stands in rejected_rows
    ]
    rows = typed(engine, *({"Codi_Barri": code, "Nom_Barri": written} for code, written, _ in names))
    assert [row["barri"] for row in rows] == [official for _, _, official in names]


def test_a_date_that_is_not_in_the_calendar_becomes_null(engine: Engine) -> None:
    dates = {
        "2016-05-17": dt.date(2016, 5, 17),
        "2016-02-29": dt.date(2016, 2, 29),
        "2000-02-29": dt.date(2000, 2, 29),
        "2016-05-17T00:00:00": dt.date(2016, 5, 17),
        "20160517": dt.date(2016, 5, 17),
        "20160517.0": dt.date(2016, 5, 17),
        **dict.fromkeys(("2015-02-29", "1900-02-29", "2016-04-31", "0000-00-00", "2016-13-01", "17/05/2016")),
        **dict.fromkeys(("2016-05-17x", "2016-05-17T10:00:00", "201605170", "20161301", "00000000", None)),
    }
    assert read_cells(engine, "DATA", "surveyed_on", *dates) == list(dates.values())


def test_a_street_number_that_is_no_number_becomes_null(engine: Engine) -> None:
    numbers = {"5": 5, "5.0": 5, " 12 ": 12, "5 bis": None, "": None, None: None, "9" * 30: None}
    assert read_cells(engine, "NUM_POLICI", "street_number", *numbers) == list(numbers.values())


def test_a_flag_is_true_false_or_unknown(engine: Engine) -> None:
    flags = {"1": True, "0": False, "2": None, " 1 ": True, "Sí": None, None: None}
    assert read_cells(engine, "SN_EIX", "is_on_axis", *flags) == list(flags.values())


def test_blank_text_becomes_null_and_runs_of_spaces_become_one(engine: Engine) -> None:
    row = typed(engine, {"N_MERCAT": "   ", "N_LOCAL": "  EL   BAR \t", "N_EIX": ""})[0]
    assert (row["market"], row["name"], row["commercial_axis"]) == (None, "EL BAR", None)


def features(engine: Engine, *changes: dict[str, str | None]) -> list[dict]:
    premises = check(engine, read_rows(*changes))
    return engine.rows(build_features(premises, PARAMETERS))


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
    assert types == {"premises_id": "String", "is_active": "Boolean"} | dict.fromkeys(FEATURES, "Float32")


def many(engine: Engine, active: int, inactive: int, unknown: int = 0, step: int = 1) -> object:
    labels = [True] * active + [False] * inactive + [None] * unknown
    ids = list(range(1, len(labels) * step + 1, step))
    random.Random(0).shuffle(labels)
    columns = {"premises_id": ids, "is_active": labels, "x_metres": [1.5] * len(labels)}
    return engine.frame(columns, {"premises_id": pa.int64(), "is_active": pa.bool_(), "x_metres": pa.float32()})


def test_the_split_is_the_stated_arithmetic_of_the_id(engine: Engine) -> None:
    rows = engine.rows(
        split_and_balance(many(engine, 500, 500), PARAMETERS.model_copy(update={"majority_per_minority": 99}))
    )
    modulus = 2**31 - 1
    expected = ["test" if (row["premises_id"] * 48271 % modulus) % 100 < 20 else "train" for row in rows]
    assert [row["split"] for row in rows] == expected
    assert len(rows) == 1000


def test_the_test_share_is_kept_and_folds_are_even(engine: Engine) -> None:
    rows = engine.rows(split_and_balance(many(engine, 10_000, 10_000), PARAMETERS))
    in_test = [row for row in rows if row["split"] == "test"]
    assert len(in_test) / 20_000 == pytest.approx(0.2, abs=0.01)
    assert {row["fold"] for row in in_test} == {-1}
    folds = np.bincount([row["fold"] for row in rows if row["split"] == "train"])
    assert len(folds) == 5
    assert folds / folds.sum() == pytest.approx(np.full(5, 0.2), abs=0.01)


@pytest.mark.parametrize("ratio", [1, 2.5])
def test_the_larger_class_is_thinned_in_train_only(engine: Engine, ratio: float) -> None:
    rows = engine.rows(
        split_and_balance(many(engine, 20_000, 2_000), PARAMETERS.model_copy(update={"majority_per_minority": ratio}))
    )
    train = [row["is_active"] for row in rows if row["split"] == "train"]
    test = [row["is_active"] for row in rows if row["split"] == "test"]
    assert sum(train) / (len(train) - sum(train)) == pytest.approx(ratio, rel=0.06)
    assert sum(test) / (len(test) - sum(test)) == pytest.approx(10, rel=0.15)
    everyone = engine.rows(
        split_and_balance(many(engine, 20_000, 2_000), PARAMETERS.model_copy(update={"majority_per_minority": 99}))
    )
    assert len(test) == sum(row["split"] == "test" for row in everyone)
    assert len(train) - sum(train) == sum(row["split"] == "train" and not row["is_active"] for row in everyone)


def test_thinning_takes_premises_from_all_over_the_ids(engine: Engine) -> None:
    rows = engine.rows(split_and_balance(many(engine, 20_000, 2_000), PARAMETERS))
    kept = [row["premises_id"] for row in rows if row["split"] == "train" and row["is_active"]]
    tenths = np.histogram(kept, bins=10, range=(0, 22_000))[0]
    assert tenths.min() > 0.7 * tenths.mean()


def test_premises_of_unknown_status_are_left_out(engine: Engine) -> None:
    rows = engine.rows(split_and_balance(many(engine, 50, 50, unknown=100), PARAMETERS))
    assert {row["is_active"] for row in rows} == {True, False}


def three_tables(engine: Engine, **changes: list) -> tuple:
    """Premises, their features, and a model input that is changed."""
    names = [f"{SYNTHETIC_NAME_PREFIX}BAR", "BAR", None]
    premises = engine.frame(
        {"is_active": [True, False, None], "name": names}, {"is_active": pa.bool_(), "name": pa.string()}
    )
    features = {name: [1] * 3 for name in FEATURES}
    types = {"split": pa.string(), "fold": pa.int64(), "is_active": pa.bool_(), **dict.fromkeys(FEATURES, pa.float32())}
    known = {"split": ["train", "train", "test"], "fold": [0, 1, -1], "is_active": [True, False, True]}
    of_features = {name: types[name] for name in FEATURES}
    return premises, engine.frame(features, of_features), engine.frame(known | features | changes, types)


def test_rows_are_counted_by_status_split_and_origin(engine: Engine) -> None:
    assert count_rows(*three_tables(engine), {"rows_in": 5, "valid": 3, "rejected": 2}) == {
        "rows_in": 5,
        "rejected": 2,
        "premises": 3,
        "drawn": 1,
        "active": 1,
        "inactive": 1,
        "unknown": 1,
        "train_active": 1,
        "train_inactive": 1,
        "test_active": 1,
        "test_inactive": 0,
    }


def test_premises_that_are_not_the_valid_rows_end_the_run(engine: Engine) -> None:
    with pytest.raises(DataError, match=r"4 rows are valid, and premises has 3\. They are not of one run"):
        count_rows(*three_tables(engine), {"rows_in": 5, "valid": 4, "rejected": 1})


def test_a_table_that_breaks_its_rules_ends_the_run(engine: Engine) -> None:
    cases = [
        (
            {"split": ["train", "train", "?"]},
            "model_input: 1 rows break that fold is -1 in test, and 0 or more in train.",
        ),
        ({"fold": [-1, None, -1]}, "2 rows break that fold is"),
        ({"is_active": [True, False, None]}, "1 rows break that is_active is known."),
        ({"is_on_axis": [0, 2, None]}, "2 rows break that flags are 0 or 1."),
        ({"district_id": [0, 11, 10]}, "2 rows break that district_id is 1 to 10, and barri_id 1 to 73."),
        ({"axis_share_in_section": [float("nan"), 1.1, -0.1]}, "3 rows break that axis_share_in_section is 0 to 1."),
        ({"x_metres": [float("inf"), 1, None]}, "2 rows break that coordinates, distances and counts are known"),
    ]
    for changes, message in cases:
        with pytest.raises(ContractError) as refused:
            count_rows(*three_tables(engine, **changes), {"rows_in": 3, "valid": 3, "rejected": 0})
        assert message in str(refused.value)


def test_a_shuffled_census_gives_the_same_model_input(engine: Engine, sample_file) -> None:
    census = TextTableDataset(filepath=str(sample_file)).load().read_all().take(list(range(0, 78_033, 13)))
    tables = [census, census.take(np.random.default_rng(1).permutation(len(census)))]
    first, second = (
        engine.rows(split_and_balance(build_features(clean(engine, table), PARAMETERS), PARAMETERS)) for table in tables
    )
    assert len(first) > 500
    assert first == second


def test_every_engine_gives_the_rows_that_the_run_wrote(engine: Engine, sample_file, run_storage) -> None:
    premises = clean(engine, TextTableDataset(filepath=str(sample_file)).load().read_all())
    features = build_features(premises, PARAMETERS)
    model_input = split_and_balance(features, PARAMETERS)
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
    rows = pd.read_parquet(run_storage / "04_feature/features.parquet").dropna(subset="is_active")
    label = rows["is_active"].astype(bool).reset_index(drop=True)
    aucs = single_column_aucs(rows[FEATURES], label)
    assert {name: auc for name, auc in aucs.items() if auc > LEAK_AUC} == {}


def test_the_search_for_leaks_finds_the_columns_that_do_leak(run_storage) -> None:
    rows = pd.read_parquet(run_storage / "02_intermediate/premises.parquet").dropna(subset="is_active")
    label = rows["is_active"].astype(bool).reset_index(drop=True)
    leaking = ["status", "sector", "activity_group", "activity_id", "activity"]
    assert all(auc > LEAK_AUC for auc in single_column_aucs(rows[leaking], label).values())


def test_what_gives_the_label_away_never_reaches_the_model(run_storage) -> None:
    columns = pd.read_parquet(run_storage / "05_model_input/model_input.parquet").columns
    assert list(columns) == ["premises_id", "split", "fold", "is_active", *FEATURES]
