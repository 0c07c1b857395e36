"""The figures agree with themselves, and with the published tables where those are at hand."""

import csv
import json
from pathlib import Path

import pytest

from premises.census.published import ESTIMATE_MARGIN, published_2016
from premises.census.schema import CREDIT

PUBLISHED_TABLES = Path(__file__).parents[2].parent / "shared" / "data"
needs_published_tables = pytest.mark.skipif(
    not PUBLISHED_TABLES.is_dir(), reason="the published tables are not beside the checkout (../shared/data)"
)


@pytest.fixture
def figures():
    return published_2016()


def read_table(name):
    with (PUBLISHED_TABLES / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_figures_are_read_once():
    assert published_2016() is published_2016()


def test_the_figures_carry_their_credit_and_what_was_changed(figures):
    assert figures.credit == CREDIT
    assert "Open Data BCN" in figures.origin
    assert "estimated" in figures.changes


def test_every_breakdown_adds_up_to_the_census(figures):
    assert figures.rows == 78_033
    assert sum(sum(sector.by_district) for sector in figures.sectors) == figures.rows
    assert sum(activity.premises for activity in figures.activities) == figures.rows
    assert sum(barri.premises for barri in figures.barris) == figures.rows
    assert figures.on_axis + figures.off_axis == figures.rows


def test_barris_add_up_to_their_district(figures):
    for index, district in enumerate(figures.districts):
        of_barris = sum(barri.premises for barri in figures.barris if barri.district_id == district.id)
        assert of_barris == sum(sector.by_district[index] for sector in figures.sectors), district.name


def test_activities_add_up_to_their_sector(figures):
    for sector in figures.sectors:
        of_activities = sum(
            activity.premises
            for activity in figures.activities
            if (activity.status_id, activity.sector_id) == (sector.status_id, sector.id)
        )
        assert of_activities == sum(sector.by_district), sector.name


def test_ids_run_without_a_gap(figures):
    assert [district.id for district in figures.districts] == list(range(1, 11))
    assert [barri.id for barri in figures.barris] == list(range(1, 74))


def test_venues_add_up_to_the_flags_and_leave_room_in_their_barri(figures):
    for kind, flag in {"market": "in_market", "gallery": "in_gallery", "mall": "in_mall"}.items():
        assert sum(venue.premises for venue in figures.venues if venue.kind == kind) == figures.flags[flag].premises
    for barri in figures.barris:
        assert sum(venue.premises for venue in figures.venues if venue.barri_id == barri.id) < barri.premises / 2


@needs_published_tables
def test_the_marginals_are_the_published_ones(figures):
    marginals = json.loads((PUBLISHED_TABLES / "bcn2016_marginals.json").read_text(encoding="utf-8"))
    assert figures.rows == marginals["rows"]
    assert figures.off_axis == marginals["nulls_as_pandas_reads_them"]["N_EIX"]
    assert figures.without_number == marginals["nulls_as_pandas_reads_them"]["NUM_POLICI"]
    assert figures.on_axis == marginals["SN_EIX_1"]
    assert figures.flags["in_gallery"].premises == marginals["SN_GALERIA_1"]
    assert figures.flags["in_market"].premises == marginals["SN_MERCAT_1"]
    assert figures.flags["in_mall"].premises == marginals["SN_CCOMERC_1"]
    assert figures.flags["off_street"].premises == marginals["SN_CARRER_0"]
    districts = {district.name: district.id - 1 for district in figures.districts}
    assert marginals["district_totals"] == {
        name: sum(sector.by_district[index] for sector in figures.sectors) for name, index in districts.items()
    }
    groups = dict.fromkeys(marginals["N_GRUPACT"], 0)
    for activity in figures.activities:
        groups[activity.group] += activity.premises
    assert groups == marginals["N_GRUPACT"]
    assert len({activity.name for activity in figures.activities}) == marginals["N_ACT_distinct"]


@needs_published_tables
def test_sectors_by_district_are_the_published_ones(figures):
    published = {
        (row["N_PRINCIP"], row["N_SECTOR"]): tuple(int(row[str(district)]) for district in range(1, 11))
        for row in read_table("bcn2016_sector_by_district.csv")
    }
    assert {(sector.status, sector.name): sector.by_district for sector in figures.sectors} == published


@needs_published_tables
def test_barris_are_the_published_ones(figures):
    for row, barri in zip(read_table("bcn2016_barri.csv"), figures.barris, strict=True):
        assert (barri.id, barri.name, barri.district_id) == (
            int(row["Codi_Barri"]),
            row["Nom_Barri"],
            int(row["Codi_Districte"]),
        )
        margin = ESTIMATE_MARGIN if barri.quality == "estimated" else 0
        assert abs(barri.premises - int(row["n_2016"])) <= margin
        assert barri.on_axis == (int(row["n_in_eix_2016"]) if row["n_in_eix_2016"] else None)
        assert (barri.premises_2019, barri.not_active_2019) == (int(row["n_2019"]), int(row["n_inactive_2019"]))


@needs_published_tables
def test_activities_are_the_published_ones(figures):
    for row, activity in zip(read_table("bcn2016_activity.csv"), figures.activities, strict=True):
        assert (str(activity.id), activity.name, activity.group) == (row["ID_ACT"], row["N_ACT"], row["N_GRUPACT"])
        margin = ESTIMATE_MARGIN if activity.quality == "estimated" else 0
        assert abs(activity.premises - int(row["n_2016"])) <= margin


@needs_published_tables
def test_sections_and_streets_lie_in_their_barri(figures):
    sections, streets = {}, {}
    for row in read_table("bcn_address_sections.csv"):
        sections.setdefault(int(row["BARRI"]), set()).add(int(row["SECC_CENS"]))
        streets.setdefault(int(row["BARRI"]), set()).add(row["NOM_CARRER"].strip())
    for barri in figures.barris:
        stated = {section for first, last in barri.sections for section in range(first, last + 1)}
        assert stated == sections[barri.id]
        assert set(barri.streets) <= streets[barri.id]
