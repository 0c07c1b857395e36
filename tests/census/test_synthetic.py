"""A synthetic census has the published counts, and the form and the quirks of the published file."""

import csv
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.tree import DecisionTreeClassifier

from premises.census.city import apportion, degrees_from_utm
from premises.census.origin import SYNTHETIC_NOTICE
from premises.census.published import ESTIMATE_MARGIN, published_2016
from premises.census.schema import SYNTHETIC_NAME_PREFIX, VINTAGES
from premises.census.synthetic import BAD_DATE, generate_census
from premises.census.synthetic_census_dataset import SyntheticCensusDataset

FIGURES = published_2016()
PUBLISHED_TABLES = Path(__file__).parents[2].parent / "shared" / "data"
needs_published_tables = pytest.mark.skipif(
    not PUBLISHED_TABLES.is_dir(), reason="the published tables are not beside the checkout (../shared/data)"
)
DEGREES_TOLERANCE = 1e-6
RESTAURANTS = "14"
SHA256 = "3a34263d004e211ecf4e1cd4d36425d263098c5a1e98c7f0f525e5bd72c0c0be"
"""Of the CSV of 78,033 rows of the seed 2016."""


@pytest.fixture(scope="module")
def generated():
    return generate_census(FIGURES.rows, seed=2016).read_all()


@pytest.fixture(scope="module")
def census(generated):
    return generated.to_pandas()


@pytest.fixture(scope="module")
def three_parts():
    return generate_census(200_000, seed=2016).read_all()


def counts(column):
    return column.value_counts().to_dict()


def test_it_has_the_columns_of_the_file_as_text(generated):
    assert tuple(generated.schema.names) == VINTAGES[2016].columns
    assert set(generated.schema.types) == {pa.string()}


def test_it_says_that_it_is_synthetic(generated, census):
    assert generated.schema.metadata[b"notice"].decode() == SYNTHETIC_NOTICE
    assert census["N_LOCAL"].str.startswith(SYNTHETIC_NAME_PREFIX).all()


def test_status_and_sector_by_district_are_exact(census):
    assert len(census) == FIGURES.rows
    by_district = census.groupby(["ID_PRINCIP", "N_PRINCIP", "ID_SECTOR", "N_SECTOR", "Codi_Districte"]).size()
    assert by_district.to_dict() == {
        (str(sector.status_id), sector.status, str(sector.id), sector.name, str(district)): premises
        for sector in FIGURES.sectors
        for district, premises in enumerate(sector.by_district, start=1)
    }


@needs_published_tables
def test_status_and_sector_by_district_are_those_of_the_published_table(census):
    by_district = census.groupby(["N_PRINCIP", "N_SECTOR", "Codi_Districte"]).size()
    with (PUBLISHED_TABLES / "bcn2016_sector_by_district.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            for district in map(str, range(1, 11)):
                assert by_district[row["N_PRINCIP"], row["N_SECTOR"], district] == int(row[district])


def test_barris_are_exact(census):
    assert counts(census["Codi_Barri"]) == {str(barri.id): barri.premises for barri in FIGURES.barris}
    districts = census.groupby("Codi_Barri")[["Codi_Districte", "N_DISTRI"]].agg(["nunique", "first"])
    assert (districts.xs("nunique", axis=1, level=1) == 1).all(axis=None)
    names = {district.id: district.name for district in FIGURES.districts}
    for barri in FIGURES.barris:
        row = districts.loc[str(barri.id)].xs("first", level=1)
        assert tuple(row) == (str(barri.district_id), names[barri.district_id])


@needs_published_tables
def test_barris_and_activities_are_those_of_the_published_tables(census):
    for name, key, column in (
        ("bcn2016_barri.csv", "Codi_Barri", "Codi_Barri"),
        ("bcn2016_activity.csv", "ID_ACT", "ID_ACT"),
    ):
        of_synthetic = counts(census[column])
        with (PUBLISHED_TABLES / name).open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                margin = ESTIMATE_MARGIN if row["n_2016_quality"] == "estimated" else 0
                assert abs(of_synthetic[row[key]] - int(row["n_2016"])) <= margin, row


def test_activities_agree_with_the_class_list_and_are_exact(census):
    classes = ["ID_PRINCIP", "ID_SECTOR", "ID_GRUPACT", "N_GRUPACT", "ID_ACT", "N_ACT"]
    assert census.groupby(classes).size().to_dict() == {
        (str(a.status_id), str(a.sector_id), str(a.group_id), a.group, str(a.id), a.name): a.premises
        for a in FIGURES.activities
    }


def test_a_premises_that_is_not_active_has_no_activity_and_says_so_in_its_name(census):
    not_active = census[census["ID_PRINCIP"] != "1"]
    assert set(not_active["N_ACT"]) == {"-"}
    assert (not_active["N_LOCAL"] == SYNTHETIC_NAME_PREFIX + not_active["N_SECTOR"].str.upper()).all()


def test_flags_are_exact_or_within_their_margin(census):
    restaurants = census[census["ID_GRUPACT"] == RESTAURANTS]
    found = {
        "in_market": (census["SN_MERCAT"] == "1").sum(),
        "in_gallery": (census["SN_GALERIA"] == "1").sum(),
        "in_mall": (census["SN_CCOMERC"] == "1").sum(),
        "off_street": (census["SN_CARRER"] == "0").sum(),
        "restaurants_off_street": (restaurants["SN_CARRER"] == "0").sum(),
        "restaurants_in_mall": (restaurants["SN_CCOMERC"] == "1").sum(),
        "restaurants_in_market": (restaurants["SN_MERCAT"] == "1").sum(),
        "restaurants_in_gallery": (restaurants["SN_GALERIA"] == "1").sum(),
    }
    assert found.keys() == FIGURES.flags.keys()
    for flag, figure in FIGURES.flags.items():
        assert abs(found[flag] - figure.premises) <= figure.margin, flag


def test_a_venue_has_its_name_and_id_and_the_rest_is_blank(census):
    for flag, id_column, name_column in (
        ("SN_MERCAT", "ID_MERCAT", "N_MERCAT"),
        ("SN_CCOMERC", "ID_CCOMERC", "N_CCOMERC"),
        ("SN_GALERIA", None, "N_GALERIA"),
    ):
        within = census[flag] == "1"
        assert (census.loc[~within, name_column].str.strip() == "").all()
        assert (census.loc[~within, name_column] != "").all()
        assert (census.loc[within, name_column].str.strip() != "").all()
        if id_column:
            assert (census.loc[~within, id_column] == "0").all()
            assert (census.loc[within, id_column] != "0").all()
    assert set(census.loc[census["N_CCOMERC"] == "Maremàgnum", "ID_CCOMERC"]) == {"CC003"}


def test_the_axis_is_empty_off_axis_and_exact_in_the_barris_where_it_is_published(census):
    assert census["N_EIX"].isna().sum() == FIGURES.off_axis == 51_815
    assert (census["SN_EIX"] == np.where(census["N_EIX"].isna(), "0", "1")).all()
    on_axis = counts(census.loc[census["SN_EIX"] == "1", "Codi_Barri"])
    for barri in FIGURES.barris:
        if barri.on_axis is not None:
            assert on_axis.get(str(barri.id), 0) == barri.on_axis, barri.name


def test_only_the_axis_and_16_numbers_are_empty(census):
    empty = census.isna().sum()
    assert empty[empty > 0].to_dict() == {"N_EIX": 51_815, "NUM_POLICI": 16}


def test_barris_are_misspelt_as_in_the_file(census):
    names = counts(census["Nom_Barri"])
    assert (names["La Barceloneta"], names["la Barceloneta"]) == (16, 652)
    assert (names["Les Corts"], names["les Corts"]) == (1, 2486)
    assert not {"Sant Gervasi - Galvany", "Sant Gervasi - la Bonanova", "Sants - Badal"} & names.keys()
    assert (names["Sant Gervasi  Galvany"], names["Sants  Badal"]) == (3092, 1010)
    assert names["Sant Gervasi  la Bonanova"] == 1142


def test_dates_lie_in_the_fieldwork_but_for_those_known_to_be_bad(census):
    bad = census["DATA"] == BAD_DATE
    assert census.loc[bad, "ID_BCN"].tolist() == ["3608", *map(str, range(4215, 4221)), *map(str, range(4223, 4228))]
    assert census.loc[~bad, "DATA"].between("2016-05-17", "2016-09-30").all()
    assert census.loc[~bad, "DATA"].str.fullmatch(r"\d{4}-\d{2}-\d{2}").all()


def test_every_premises_is_in_a_section_and_near_the_outline_of_its_barri(census):
    place = (
        census[["Codi_Barri", "SEC_CENS"]]
        .astype(int)
        .assign(x=census["X_UTM_ETRS"].astype(float), y=census["Y_UTM_ETRS"].astype(float))
    )
    for barri in FIGURES.barris:
        rows = place[place["Codi_Barri"] == barri.id]
        x, y = zip(*barri.outline, strict=True)
        assert rows["x"].between(min(x), max(x)).all()
        assert rows["y"].between(min(y), max(y)).all()
        sections = {
            barri.district_id * 1000 + section for first, last in barri.sections for section in range(first, last + 1)
        }
        assert set(rows["SEC_CENS"]) <= sections


def test_degrees_agree_with_the_coordinates(census):
    latitude, longitude = degrees_from_utm(
        census["X_UTM_ETRS"].to_numpy(dtype=float), census["Y_UTM_ETRS"].to_numpy(dtype=float)
    )
    assert np.abs(latitude - census["LATITUD"].astype(float)).max() < DEGREES_TOLERANCE
    assert np.abs(longitude - census["LONGITUD"].astype(float)).max() < DEGREES_TOLERANCE
    assert census["X_UTM_ETRS"].str.fullmatch(r"\d{6}\.\d{3}").all()
    assert census["LATITUD"].str.fullmatch(r"41\.\d{6}").all()


@needs_published_tables
def test_degrees_are_those_of_the_real_rows():
    with (PUBLISHED_TABLES / "bcn2016_rows_20cols.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    x, y, latitude, longitude = (
        np.array([float(row[column]) for row in rows]) for column in ("X_UTM_ETRS", "Y_UTM_ETRS", "LATITUD", "LONGITUD")
    )
    found = degrees_from_utm(x, y)
    assert np.abs(found[0] - latitude).max() < DEGREES_TOLERANCE
    assert np.abs(found[1] - longitude).max() < DEGREES_TOLERANCE


def test_premises_of_one_parcel_share_their_reference_and_street(census):
    assert census["REF_CAD"].str.fullmatch(r"\d{7}DF\d{4}[A-Z]").all()
    parcels = census.groupby("REF_CAD")[["N_CARRER", "SEC_CENS", "Codi_Barri"]].nunique()
    assert (parcels == 1).all(axis=None)
    assert len(parcels) < len(census) / 2


def test_rows_are_ordered_by_place_and_not_by_status(census):
    place = list(zip(census["Codi_Districte"].astype(int), census["SEC_CENS"].astype(int), strict=True))
    assert place == sorted(place)
    is_active = census["ID_PRINCIP"].to_numpy() == "1"
    assert is_active[:39_000].mean() == pytest.approx(is_active.mean(), abs=0.05)


def test_barris_differ_within_their_district_as_they_did_in_2019(census):
    barris = pd.DataFrame(
        [(b.id, b.district_id, b.premises, b.not_active_2019 / b.premises_2019) for b in FIGURES.barris]
    )
    barris.columns = ["id", "district", "premises", "published"]
    not_active = (census["ID_PRINCIP"] != "1").groupby(census["Codi_Barri"].astype(int)).mean()
    barris["generated"] = barris["id"].map(not_active)
    large = barris[barris["premises"] > 400]
    within = large[["published", "generated"]] - large.groupby("district")[["published", "generated"]].transform("mean")
    assert within.corr().loc["published", "generated"] > 0.5


def test_a_tree_learns_from_the_place_who_is_active_but_no_column_tells_it_alone(census):
    number = np.arange(len(census))
    columns = ["SN_CARRER", "SN_MERCAT", "SN_GALERIA", "SN_CCOMERC", "SN_EIX", "Codi_Barri", "X_UTM_ETRS", "Y_UTM_ETRS"]
    place = census[columns].astype(float)
    for name, key in {"street": ["Codi_Barri", "N_CARRER"], "section": ["SEC_CENS"], "parcel": ["REF_CAD"]}.items():
        place[name] = census.groupby(key)["ID_BCN"].transform("size")
    cell = place[["X_UTM_ETRS", "Y_UTM_ETRS"]] // 100
    place["cell"] = census.groupby([cell["X_UTM_ETRS"], cell["Y_UTM_ETRS"]])["ID_BCN"].transform("size")
    is_active, known = census["ID_PRINCIP"] == "1", census["ID_PRINCIP"] != "2"
    train, test = known & (number % 4 > 0), known & (number % 4 == 0)

    def auc(names):
        tree = DecisionTreeClassifier(max_depth=6, min_samples_leaf=100, random_state=0)
        tree.fit(place.loc[train, names], is_active[train])
        return roc_auc_score(is_active[test], tree.predict_proba(place.loc[test, names])[:, 1])

    assert 0.68 < auc(list(place)) < 0.78
    assert max(auc([name]) for name in place) < 0.75


def test_the_same_seed_gives_the_same_rows_and_another_one_does_not(generated):
    assert generate_census(FIGURES.rows, seed=2016).read_all().equals(generated)
    assert not generate_census(FIGURES.rows, seed=2017).read_all().equals(generated)


@pytest.mark.parametrize("rows", [1, 100, 78_034])
def test_any_number_of_rows_can_be_generated(rows):
    ids = generate_census(rows, seed=1).read_all()["ID_BCN"].to_pylist()
    assert ids == [str(number) for number in range(1, rows + 1)]


def test_every_whole_part_is_a_census_of_its_own(three_parts, generated):
    assert three_parts.num_rows == 200_000
    assert three_parts["ID_BCN"].to_pylist() == [str(number) for number in range(1, 200_001)]
    first, second = three_parts.slice(0, FIGURES.rows), three_parts.slice(FIGURES.rows, FIGURES.rows)
    assert first.equals(generated)
    assert not second.drop_columns("ID_BCN").equals(generated.drop_columns("ID_BCN"))
    for columns in (["N_SECTOR", "Codi_Districte"], ["ID_ACT"], ["Nom_Barri"], ["Codi_Barri", "SN_EIX"]):
        of_each = [part.group_by(columns).aggregate([([], "count_all")]).to_pylist() for part in (first, second)]
        assert sorted(of_each[0], key=str) == sorted(of_each[1], key=str)


def test_the_file_has_the_bytes_that_it_had_in_every_version(tmp_path):
    place = tmp_path / VINTAGES[2016].file
    SyntheticCensusDataset(filepath=str(place)).save(generate_census(FIGURES.rows, seed=2016))
    assert sha256(place.read_bytes()).hexdigest() == SHA256


def test_what_is_left_over_is_a_subset_with_the_same_shares(three_parts):
    rest = three_parts.slice(2 * FIGURES.rows).to_pandas()
    assert (rest["ID_PRINCIP"] == "1").mean() == pytest.approx(60_265 / 78_033, abs=0.01)


def test_shares_add_up_to_what_is_shared_out():
    assert apportion(10, [1, 1, 1]).tolist() == [4, 3, 3]
    assert apportion(7, [0, 5, 2]).tolist() == [0, 5, 2]
