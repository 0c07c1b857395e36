"""What the data have to be: the columns of a census, the rules of its rows, and of the features made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_
from textwrap import shorten
from typing import TYPE_CHECKING

import narwhals.stable.v2 as nw

from kedro_handover.contract import CanonicalTable, Rule, TableContract, outside
from kedro_handover.errors import DataError
from premises.census.published import published_2016
from premises.census.schema import VINTAGES, Vintage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from narwhals.stable.v2.dtypes import DType

COLUMNS_SHOWN, NAME_SHOWN = 8, 40
DISTRICTS, BARRIS = 10, 73
SOUTH, NORTH, WEST, EAST = 41.32, 41.47, 2.07, 2.23
"""The box of `city_box_mm` in degrees, rounded outwards."""

MOST = 1e9
"""More metres, or premises, than there are anywhere; not infinity."""

FLAGS = ("is_on_street", "is_in_market", "is_in_gallery", "is_in_mall", "is_on_axis")
"""The columns of `premises` that a census says yes or no to."""

FEATURES = (
    *FLAGS,
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
)

PREMISES: Mapping[str, type[DType]] = {
    "premises_id": nw.String,
    "is_synthetic": nw.Boolean,
    "is_active": nw.Boolean,
    "status": nw.String,
    "sector": nw.String,
    "activity_group": nw.String,
    "activity_id": nw.Int64,
    "activity": nw.String,
    "name": nw.String,
    "is_on_street": nw.Boolean,
    "is_in_market": nw.Boolean,
    "market_id": nw.Int64,
    "market": nw.String,
    "is_in_gallery": nw.Boolean,
    "gallery": nw.String,
    "is_in_mall": nw.Boolean,
    "mall_id": nw.String,
    "mall": nw.String,
    "street": nw.String,
    "street_number": nw.Int64,
    "cadastral_reference": nw.String,
    "surveyed_on": nw.Date,
    "barri_id": nw.Int64,
    "barri": nw.String,
    "district_id": nw.Int64,
    "district": nw.String,
    "commercial_axis": nw.String,
    "is_on_axis": nw.Boolean,
    "census_section": nw.Int64,
    "x_mm": nw.Int64,
    "y_mm": nw.Int64,
    "latitude": nw.Float64,
    "longitude": nw.Float64,
}
"""The columns of `premises`, in their order, and their types."""


class PremisesTable(TableContract):
    """Hold `premises` to its columns and types."""

    def __init__(self) -> None:
        super().__init__(PREMISES)


class FeaturesTable(CanonicalTable):
    """Hold a table with features to its columns and types."""

    def __init__(self, table: str) -> None:
        """Take a table.

        Args:
            table: `features` or `model_input`.
        """
        super().__init__(table, FEATURES)


def list_feature_rules() -> list[Rule]:
    """State what has to hold for the features of every premises.

    Returns:
        The rules; a row that violates one is a fault of a node or a file, and ends the run.
    """
    return [
        Rule("flags_are_0_or_1", "flags are 0 or 1.", _any(outside(flag, 0, 1) for flag in FLAGS)),
        Rule(
            "codes_are_known",
            "district_id is 1 to 10, and barri_id 1 to 73.",
            outside("district_id", 1, DISTRICTS) | outside("barri_id", 1, BARRIS),
        ),
        Rule("share_is_a_share", "axis_share_in_section is 0 to 1.", outside("axis_share_in_section", 0, 1)),
        Rule(
            "metres_and_counts_are_known",
            "coordinates, distances and counts are known, and not negative.",
            _any(
                outside(feature, 0, MOST)
                for feature in FEATURES
                if feature.startswith(("x_", "y_", "premises_", "metres_"))
            ),
        ),
    ]


def census_rules(vintage: Vintage) -> tuple[Rule, ...]:
    """State the rules of a census' rows.

    Args:
        vintage: Whose file it is.

    Returns:
        The rules. They are about the columns of `premises` as they are read, null where the text can't be, and beside
        them `malformed_line` (the text of a row without the columns), `rows_of_id`, `barri_district_id` (the district of the
        barri), `section_number` (as the file counts), `street_number_text` and `market_id_text`.
    """
    west, east, south, north = city_box_mm()
    x, y, district = nw.col("x_mm"), nw.col("y_mm"), nw.col("district_id")
    flags = _any(nw.col(flag).is_null() for flag in FLAGS)
    is_a_year_off = ~nw.col("surveyed_on").is_null() & (nw.col("surveyed_on").dt.year() < vintage.year)
    in_file = vintage.read_from
    return (
        Rule("row_is_whole", "The row has as many fields as the header.", ~nw.col("malformed_line").is_null()),
        Rule("id_is_readable", f"{in_file['premises_id']} is an id.", nw.col("premises_id").is_null()),
        Rule("id_is_unique", "No other row has the id.", nw.col("rows_of_id").fill_null(1) > 1),
        Rule("status_is_known", f"{in_file['status']} is a status.", nw.col("status").is_null()),
        Rule("flags_are_yes_or_no", f"{', '.join(in_file[flag] for flag in FLAGS)} say yes or no.", flags),
        Rule(
            "district_is_known",
            "The district is one of the ten.",
            outside("district_id", 1, DISTRICTS),
        ),
        Rule("barri_is_known", "The barri is one of the 73.", nw.col("barri_district_id").is_null()),
        Rule(
            "barri_is_in_district",
            "The barri is one of the district's.",
            (nw.col("barri_district_id") != district).fill_null(value=False),
        ),
        Rule("section_is_readable", "The census section is a number.", nw.col("section_number").is_null()),
        Rule(
            "section_is_in_district",
            "The census section is one of the district's.",
            (nw.col("census_section") // 1000 != district).fill_null(value=False),
        ),
        Rule("place_is_readable", "Both coordinates are numbers.", x.is_null() | y.is_null()),
        Rule(
            "place_is_in_city",
            "The coordinates, ETRS89 / UTM 31N, are in the city's box: "
            f"{west // 1000} to {east // 1000} m east, {south // 1000} to {north // 1000} m north.",
            ((x < west) | (x > east) | (y < south) | (y > north)).fill_null(value=False),
        ),
        Rule(
            "activity_is_in_class_list",
            f"{in_file['activity_id']} is in the class list.",
            nw.col("activity_id").is_null() | ~nw.col("activity_id").is_in(sorted(vintage.classes)),
            severity="warn",
        ),
        Rule(
            "market_id_is_readable",
            "The id of the market is a number or empty.",
            nw.col("market_id").is_null() & (nw.col("market_id_text") != "").fill_null(value=False),
            severity="warn",
        ),
        Rule(
            "degrees_are_in_city",
            f"Latitude and longitude are in the city: {SOUTH} to {NORTH} and {WEST} to {EAST} degrees.",
            outside("latitude", SOUTH, NORTH) | outside("longitude", WEST, EAST),
            severity="warn",
        ),
        Rule(
            "axis_has_a_name",
            f"{in_file['is_on_axis']} says yes where {in_file['commercial_axis']} is not empty, and nowhere else.",
            (nw.col("is_on_axis") == nw.col("commercial_axis").is_null()).fill_null(value=False),
            severity="warn",
        ),
        Rule(
            "date_is_readable",
            f"{in_file['surveyed_on']} is a day of the calendar.",
            nw.col("surveyed_on").is_null(),
            severity="warn",
        ),
        Rule(
            "date_is_of_the_vintage",
            f"{in_file['surveyed_on']} is not before {vintage.year}.",
            is_a_year_off,
            severity="warn",
        ),
        Rule(
            "street_number_is_readable",
            f"{in_file['street_number']} is a number or empty.",
            nw.col("street_number").is_null() & (nw.col("street_number_text") != "").fill_null(value=False),
            severity="warn",
        ),
    )


def city_box_mm() -> tuple[int, int, int, int]:
    """Give the box that the barris' outlines are in: west, east, south, north; ETRS89 / UTM 31N, millimetres."""
    corners = [corner for barri in published_2016().barris for corner in barri.outline]
    xs, ys = ([corner[axis] for corner in corners] for axis in (0, 1))
    return min(xs) * 1000, max(xs) * 1000, min(ys) * 1000, max(ys) * 1000


def check_columns(found: Sequence[str], vintage: Vintage) -> list[str]:
    """Check the columns of a census.

    Args:
        found: The names in its file; their order does not matter.
        vintage: Whose file it should be.

    Returns:
        The columns that nobody knows; they are left out.

    Raises:
        DataError: If columns are missing; the message says which vintage the file is of, if it is of another one.
    """
    unknown = [column for column in found if column not in vintage.columns]
    missing = [column for column in vintage.columns if column not in found]
    if not missing:
        return unknown
    other = next((one.year for one in VINTAGES.values() if set(one.columns) <= set(found)), None)
    known_elsewhere = {one.year: len(set(one.columns) & set(unknown)) for one in VINTAGES.values()}
    likely = max(known_elsewhere, key=lambda year: known_elsewhere[year])
    if other is not None:
        advice = f"This is the file of {other}: set census.vintage to {other}, and name it {VINTAGES[other].file}."
    elif known_elsewhere[likely] > len(vintage.columns) - len(missing):
        advice = (
            f"This looks like the file of {likely}, not whole: with census.vintage {likely} it is said what misses."
        )
    else:
        advice = f"Use the file of {vintage.year}, as published."
    msg = (
        f"census: {len(missing)} of {len(vintage.columns)} columns are missing: {_list(missing)}. "
        f"Not known: {_list(unknown) or 'none'}. {advice}"
    )
    raise DataError(msg)


def _any(conditions: Iterable[nw.Expr]) -> nw.Expr:
    return reduce(or_, conditions)


def _list(columns: Sequence[str]) -> str:
    shown = ", ".join(shorten(column, NAME_SHOWN, placeholder=" …") for column in columns[:COLUMNS_SHOWN])
    return f"{shown} and {len(columns) - COLUMNS_SHOWN} more" if len(columns) > COLUMNS_SHOWN else shown
