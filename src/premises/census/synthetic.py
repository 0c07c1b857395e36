"""A synthetic census of 2016, generated from the published counts: in the exact form of a file, of any size.

Every 78,033 rows are one census with the published counts. Where a premises stands is chosen first, then whether it is
active, which depends on where it stands, then its sector, and then its activity; each choice takes exactly as many
premises as the figures say. The rows are not those of the census: nobody's premises is in them. They can be written in
the form of the later files too: the same premises, with their columns, codes and kinds of id.

Source of the data: Barcelona City Council (Open Data BCN, CC BY 4.0).
"""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from premises.census.city import Setting, degrees_from_utm, extent, lay_out
from premises.census.origin import SYNTHETIC_NOTICE
from premises.census.published import published_2016
from premises.census.schema import ACTIVE, INACTIVE, SYNTHETIC_NAME_PREFIX, UNKNOWN, VINTAGES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from premises.census.city import City, Floats, Integers
    from premises.census.published import PublishedCensus, Sector
    from premises.census.schema import Vintage

BAD_DATE = "0000-00-00"
"""Our guess at the dates that the file has wrong: it is known which rows have one, but not how it reads."""

RETAIL, SERVICES, OTHER = 1, 2, 3

# Our assumptions on what is where, as log-odds by setting (street, axis, market, gallery, mall) for the sectors, and by
# group or activity (ids below and above 1000) within a sector. The published counts hold whatever these are.
SECTOR_IN = {
    RETAIL: np.array([0.0, 0.5, 3.6, 1.6, 1.3]),
    SERVICES: np.zeros(len(Setting)),
    OTHER: np.array([0.0, -0.4, -2.5, -0.5, -3.0]),
}
ACTIVITY_IN = {
    Setting.MARKET: {1: 4.5, 1003: 0.7, 1007: 1.2, 14: 0.5},
    Setting.GALLERY: {7002: 3.5, 4: 1.0, 5: 0.5, 16006: 0.7, 14: -0.3},
    Setting.MALL: {4: 2.3, 2001: 1.2, 3: 0.5, 5: 0.8, 1: -0.8, 14: 1.3},
    Setting.AXIS: {4: 0.6, 11: 0.5, 2002: 0.3, 16001: -0.8, 17006: -0.6, 17007: -0.4},
}

FIRST_WORDS = ("CAN", "CASA", "LA BOTIGA DE", "EL RACÓ D'EN", "L'ESPAI", "NOU", "BCN", "EL PETIT", "1900", "TALLER")
SECOND_WORDS = (
    "ÀNGEL", "BERTA", "CARME & FILLS", "DÍDAC", "EULÀLIA", "FONT, S.L.", "GÜELL", "HERMÍNIA", "IRIS", "JOAN", "LLUÇÀ",
    "MUÑOZ", "NÚRIA", "OLIVÉ", '"PEP"', "QUIM", "ROSER", "SOLÉ, GERMANS", "TECLA", "UBACH", "VIÑAS", "XÈNIA", "Z&Z",
)  # fmt: skip


CLASSES_OF_LATER = {10000: 1111111, 111: 10, 222: 20, 333: 30, 444: 41, 555: 50}
"""Where the class list of 2019 has another code than that of 2016 with zeros behind, up to seven digits."""

FIRST_ID_2019 = 1_000_000


def generate_census(rows: int, seed: int, year: int = 2016) -> pa.RecordBatchReader:
    """Generate a synthetic census, part by part: nothing is generated before the first part is read.

    Args:
        rows: Premises to generate. Each whole 78,033 of them are one census with the published counts; the rest are a
            simple random subset of one more.
        seed: The same seed and number of rows give the same bytes.
        year: The vintage in whose form they are written: the same premises in each.

    Returns:
        The columns of the vintage's file, each cell the text that goes in it, null where it is empty; `ID_BCN` runs
        from 1. The schema's metadata says that it is synthetic, and `rows`.
    """
    vintage = VINTAGES[year]
    schema = pa.schema(
        [(name, pa.string()) for name in vintage.columns], metadata={"notice": SYNTHETIC_NOTICE, "rows": str(rows)}
    )
    return pa.RecordBatchReader.from_batches(schema, _generate_parts(rows, seed, vintage, schema))


def _generate_parts(rows: int, seed: int, vintage: Vintage, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    figures = published_2016()
    # A spawn key sets the city's seed apart from every part's.
    city = lay_out(figures, np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,))))
    for part, done in enumerate(range(0, rows, figures.rows)):
        rng = np.random.default_rng(np.random.SeedSequence([seed, part]))
        columns = _generate_part(figures, city, rng)
        size = min(rows - done, figures.rows)
        if size < figures.rows:
            kept = pa.array(np.sort(rng.choice(figures.rows, size, replace=False)))
            columns = {name: column.take(kept) for name, column in columns.items()}
        columns["ID_BCN"] = pa.array(np.arange(done + 1, done + size + 1)).cast(pa.string())
        if vintage.year != figures.first_day.year:
            columns = _rewrite(columns, vintage, rng)
        yield pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def _rewrite(columns: dict[str, pa.Array], vintage: Vintage, rng: np.random.Generator) -> dict[str, pa.Array]:
    """Write the columns of 2016 in the form of a later file, whose empty cells are empty."""
    rows = len(columns["ID_BCN"])

    def recode(column: str, codes: dict[str, str]) -> pa.Array:
        distinct = pc.dictionary_encode(columns[column])
        words = [codes.get(word, word) for word in distinct.dictionary.to_pylist()]
        return pa.array(words, pa.string()).take(distinct.indices)

    flags = {"1": vintage.yes[0], "0": vintage.no[0]}
    statuses = {of_2016: status for status, of_2016 in vintage.statuses.items()}
    statuses[UNKNOWN] = statuses[INACTIVE]  # the sector tells which
    classes = {
        str(activity.id): str(CLASSES_OF_LATER.get(activity.id, f"{activity.id:0<7}"))
        for activity in published_2016().activities
    }
    day = pc.binary_join_element_wise(str(vintage.year), pc.utf8_slice_codeunits(columns["DATA"], 4), "")
    ids = pa.array(FIRST_ID_2019 + columns["ID_BCN"].cast(pa.int64()).to_numpy()).cast(pa.string())
    section = pa.array(columns["SEC_CENS"].cast(pa.int64()).to_numpy() % 1000).cast(pa.string())
    later_ids = pa.array([str(UUID(bytes=rng.bytes(16), version=4)) for _ in range(rows)])
    in_file = VINTAGES[2016].read_from
    read = {name: columns[in_file[name]] for name in vintage.read_from}
    read |= {name: recode(in_file[name], flags) for name in read if name.startswith("is_")}
    read |= {
        "premises_id": ids if vintage.year == 2019 else later_ids,  # noqa: PLR2004 - a year
        "status": recode("N_PRINCIP", statuses),
        "activity_id": recode("ID_ACT", classes),
        "surveyed_on": pc.replace_substring(day, "-", "") if vintage.year == 2019 else day,  # noqa: PLR2004
        "census_section": section,
    }
    no = pa.array([vintage.no[0]] * rows)
    written = {
        "ID_Bcn_2016": columns["ID_BCN"],
        "Codi_Principal_Activitat": recode("ID_PRINCIP", {"2": "0"}),
        "Codi_Sector_Activitat": columns["ID_SECTOR"],
        "Codi_Grup_Activitat": columns["ID_GRUPACT"],
        "Codi_Activitat_2016": columns["ID_ACT"],
        "Planta": pa.array(["LOC"] * rows),
        "Num_Policia_Final": columns["NUM_POLICI"],
        **{name: no for name in vintage.columns if name.startswith("SN_")},
        **{vintage.read_from[name]: column for name, column in read.items()},
    }
    nothing = pa.nulls(rows, pa.string())
    blank = {name: pc.equal(pc.utf8_trim_whitespace(column), "") for name, column in written.items()}
    return {
        name: pc.if_else(blank[name], nothing, written[name]) if name in written else nothing
        for name in vintage.columns
    }


def _generate_part(figures: PublishedCensus, city: City, rng: np.random.Generator) -> dict[str, pa.Array]:
    """Generate one census: all the columns but the id."""
    parcel = city.choose_parcels(rng)
    activity = _choose_activities(figures, city, parcel, rng)
    columns = {
        **{name: column.take(pa.array(parcel)) for name, column in city.places.items()},
        **{name: column.take(pa.array(activity)) for name, column in _class_list(figures).items()},
        "N_LOCAL": _invent_names(figures, activity, rng),
        "DATA": _date_visits(figures, rng),
        "Nom_Barri": _name_barris(figures, city.barri[parcel], rng),
        **_place_premises(figures, city, parcel, rng),
    }
    numbered = np.ones(parcel.size, dtype=bool)
    numbered[rng.choice(parcel.size, figures.without_number, replace=False)] = False
    columns["NUM_POLICI"] = pc.if_else(pa.array(numbered), columns["NUM_POLICI"], pa.scalar(None, pa.string()))
    return columns


def _choose_exactly(log_odds: Floats, count: int, rng: np.random.Generator) -> Integers:
    """Choose exactly so many of the candidates, without replacement, by weight (the Gumbel trick); in order."""
    keys = log_odds + rng.gumbel(size=log_odds.size)
    # Sorted: which ones are the largest is the same on every processor, their order in a partition is not.
    return np.sort(np.argpartition(-keys, min(count, keys.size - 1))[:count])


def _choose_activities(figures: PublishedCensus, city: City, parcel: Integers, rng: np.random.Generator) -> Integers:
    """Choose what each premises does, as an index in the class list: the sector by district, then the activity."""
    setting = city.setting[parcel]
    sector_of = np.empty(parcel.size, dtype=np.int64)
    for district in range(len(figures.districts)):
        left = np.flatnonzero(city.district[parcel] == district)
        for index, sector in _in_order_of_choice(figures.sectors):
            likely = _sector_log_odds(sector, city, parcel[left])
            chosen = _choose_exactly(likely, sector.by_district[district], rng)
            sector_of[left[chosen]] = index
            left = np.delete(left, chosen)

    activity_of = np.empty(parcel.size, dtype=np.int64)
    for index, sector in enumerate(figures.sectors):
        pool = np.concatenate(
            [
                np.full(activity.premises, i)
                for i, activity in enumerate(figures.activities)
                if (activity.status_id, activity.sector_id) == (sector.status_id, sector.id)
            ]
        )
        # The settings that are choosy take their pick first; what is left goes to the streets.
        for choosy, liking in ACTIVITY_IN.items():
            here = np.flatnonzero((sector_of == index) & (setting == choosy))
            likely = np.array([liking.get(a.id, liking.get(a.group_id, 0.0)) for a in figures.activities])
            chosen = _choose_exactly(likely[pool], here.size, rng)
            activity_of[here] = rng.permutation(pool[chosen])
            pool = np.delete(pool, chosen)
        activity_of[(sector_of == index) & (setting == Setting.STREET)] = rng.permutation(pool)
    return activity_of


def _in_order_of_choice(sectors: Sequence[Sector]) -> list[tuple[int, Sector]]:
    """Put the premises that are not active first and services last: they are whatever is left, and the most."""
    return sorted(
        enumerate(sectors),
        key=lambda item: (item[1].status == ACTIVE, (item[1].status, item[1].id) == (ACTIVE, SERVICES)),
    )


def _sector_log_odds(sector: Sector, city: City, parcel: Integers) -> Floats:
    """Say how likely premises on these parcels are to be of a sector."""
    if sector.status == UNKNOWN:
        return city.unknown[parcel]
    if sector.status == INACTIVE:
        return city.not_active[parcel]
    return SECTOR_IN[sector.id][city.setting[parcel]]


def _class_list(figures: PublishedCensus) -> dict[str, pa.Array]:
    """Write the columns of the file that follow from the activity alone, one row for each."""
    names = {(sector.status_id, sector.id): (sector.status, sector.name) for sector in figures.sectors}
    rows = [
        (str(a.status_id), status, str(a.sector_id), sector, str(a.group_id), a.group, str(a.id), a.name)
        for a in figures.activities
        for status, sector in [names[a.status_id, a.sector_id]]
    ]
    columns = zip(*rows, strict=True)
    headers = ("ID_PRINCIP", "N_PRINCIP", "ID_SECTOR", "N_SECTOR", "ID_GRUPACT", "N_GRUPACT", "ID_ACT", "N_ACT")
    return {header: pa.array(column, pa.string()) for header, column in zip(headers, columns, strict=True)}


def _invent_names(figures: PublishedCensus, activity: Integers, rng: np.random.Generator) -> pa.Array:
    """Invent names; like the file, those of premises that are not active say so."""
    labels = [sector.name.upper() for sector in figures.sectors]
    trade = [f"{first} {second}" for first, second in product(FIRST_WORDS, SECOND_WORDS)]
    pool = pa.array([f"{SYNTHETIC_NAME_PREFIX}{name}" for name in [*labels, *trade]])
    sectors = [(sector.status_id, sector.id) for sector in figures.sectors]
    label = np.array([sectors.index((a.status_id, a.sector_id)) for a in figures.activities])[activity]
    is_active = np.array([a.group_id > 0 for a in figures.activities])[activity]
    invented = rng.integers(len(labels), len(pool), activity.size)
    return pool.take(pa.array(np.where(is_active, invented, label)))


def _date_visits(figures: PublishedCensus, rng: np.random.Generator) -> pa.Array:
    """Date the visits, which go through the city in the file's order, give or take a few days."""
    days = (figures.last_day - figures.first_day).days
    pool = [*((figures.first_day + timedelta(day)).isoformat() for day in range(days + 1)), BAD_DATE]
    due = np.linspace(0, days, figures.rows) + rng.normal(0, 3, figures.rows)
    day = np.clip(due, 0, days).astype(np.int64)
    day[np.array(figures.bad_date_ids) - 1] = pool.index(BAD_DATE)
    return pa.array(pool).take(pa.array(day))


def _name_barris(figures: PublishedCensus, barri: Integers, rng: np.random.Generator) -> pa.Array:
    """Name the barris as the file does: some of them are misspelt on all of their rows, some on a few."""
    names = [*(barri.name for barri in figures.barris), *(wrong.written for wrong in figures.misspellings)]
    spelt = barri.copy()
    for index, misspelling in enumerate(figures.misspellings, start=len(figures.barris)):
        rows = np.flatnonzero(barri == misspelling.barri_id - 1)
        spelt[rng.choice(rows, misspelling.premises, replace=False)] = index
    return pa.array(names).take(pa.array(spelt))


def _place_premises(
    figures: PublishedCensus, city: City, parcel: Integers, rng: np.random.Generator
) -> dict[str, pa.Array]:
    """Choose where on its parcel a premises stands, in millimetres and in millionths of a degree."""
    corners = np.array([extent(figures, barri) for barri in figures.barris])[city.barri[parcel]]
    centre = np.stack([city.x[parcel], city.y[parcel]], axis=1)
    place = centre + city.spread[parcel, None] * rng.normal(size=centre.shape)
    x, y = np.round(np.clip(place, corners[:, 0], corners[:, 1]), 3).T
    latitude, longitude = degrees_from_utm(x, y)
    return {
        "X_UTM_ETRS": _write_decimals(x, 3),
        "Y_UTM_ETRS": _write_decimals(y, 3),
        "LATITUD": _write_decimals(latitude, 6),
        "LONGITUD": _write_decimals(longitude, 6),
    }


def _write_decimals(numbers: Floats, places: int) -> pa.Array:
    """Write positive numbers with a fixed number of decimals, by way of Arrow's 128-bit decimals (two 64-bit words)."""
    words = np.zeros((numbers.size, 2), dtype="<i8")
    words[:, 0] = np.rint(numbers * 10**places)
    decimals = pa.Array.from_buffers(pa.decimal128(18, places), numbers.size, [None, pa.py_buffer(words)])
    return decimals.cast(pa.string())
