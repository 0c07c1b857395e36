"""The published figures of the 2016 census: its counts, codes and names, and the outlines that they belong to.

The figures stand in `published_2016.json`, with their origin and how sure each of them is.
Source of the data: Barcelona City Council (Open Data BCN, CC BY 4.0); changed, as the file says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import TypeAdapter

Quality = Literal["exact", "derived", "estimated"]
"""Published as it stands, what the exact counts leave over, or read off a chart to within `ESTIMATE_MARGIN`."""

ESTIMATE_MARGIN = 40
"""How far an estimated count of a barri or an activity may be from the census, in premises."""


@dataclass(frozen=True, slots=True)
class District:
    """One of the city's ten districts."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Sector:
    """A sector of activity, and how many premises of it each district has.

    A premises that is not active has for its sector the reason why (to let, for sale, being refurbished).
    """

    status_id: int
    status: str
    id: int
    name: str
    by_district: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Activity:
    """An activity of the class list, and how many premises of the city carry it on."""

    status_id: int
    sector_id: int
    group_id: int
    group: str
    id: int
    name: str
    premises: int
    quality: Quality


@dataclass(frozen=True, slots=True)
class Barri:
    """One of the city's 73 barris.

    Attributes:
        id: Its official number.
        name: Its official name.
        district_id: The district that it is part of.
        premises: Premises in 2016.
        quality: How sure `premises` is.
        on_axis: How many of them are on a commercial axis; None where that is not published.
        premises_2019: Premises in the census of 2019.
        not_active_2019: How many of those were not active, or of unknown activity.
        sections: The first and last number of each run of census sections in it.
        streets: Some of its streets, the longest ones first.
        outline: Its simplified boundary: (x, y) in metres, ETRS89 / UTM 31N.
    """

    id: int
    name: str
    district_id: int
    premises: int
    quality: Quality
    on_axis: int | None
    premises_2019: int
    not_active_2019: int
    sections: tuple[tuple[int, int], ...]
    streets: tuple[str, ...]
    outline: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Venue:
    """A municipal market, a shopping gallery or a mall; `x` and `y` are metres, ETRS89 / UTM 31N."""

    kind: Literal["market", "gallery", "mall"]
    id: int
    name: str
    premises: int
    barri_id: int
    street: str
    number: int
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Misspelling:
    """A barri's name as some of the file's rows have it, and how many rows do."""

    barri_id: int
    written: str
    premises: int


@dataclass(frozen=True, slots=True)
class Figure:
    """A count of premises, and how far it may be from the census."""

    premises: int
    margin: int


@dataclass(frozen=True, slots=True)
class PublishedCensus:
    """What is published of a census: all that a synthetic census is generated from.

    Attributes:
        credit: Whom to credit, and how.
        origin: Where the figures are from.
        changes: What was changed, estimated or added.
        rows: Premises in the census.
        first_day: When the fieldwork began.
        last_day: When it ended.
        bad_date_ids: Premises whose date is not one.
        without_number: Premises without a street number.
        off_axis: Premises that are not on a commercial axis.
        on_axis: Premises that are.
        bounds: The south-west and the north-east corner of all premises, metres, ETRS89 / UTM 31N.
        flags: Premises in a kind of venue; the restaurants' group among them.
        districts: In the order of their ids.
        sectors: All sectors of all statuses.
        activities: The class list.
        misspellings: Names of barris that some rows have otherwise.
        venues: Markets, galleries and malls.
        barris: In the order of their ids.
    """

    credit: str
    origin: str
    changes: str
    rows: int
    first_day: date
    last_day: date
    bad_date_ids: tuple[int, ...]
    without_number: int
    off_axis: int
    on_axis: int
    bounds: tuple[tuple[int, int], tuple[int, int]]
    flags: dict[str, Figure]
    districts: tuple[District, ...]
    sectors: tuple[Sector, ...]
    activities: tuple[Activity, ...]
    misspellings: tuple[Misspelling, ...]
    venues: tuple[Venue, ...]
    barris: tuple[Barri, ...]


@cache
def published_2016() -> PublishedCensus:
    """Read the published figures of the 2016 census, once.

    Returns:
        The figures; districts and barris are in the order of their ids.
    """
    text = files("premises.census").joinpath("published_2016.json").read_bytes()
    return TypeAdapter(PublishedCensus).validate_json(text)
