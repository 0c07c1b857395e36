"""What the data have to be: the columns of a census, the rules of its rows, and of the features made of them."""

from __future__ import annotations

from collections.abc import Sequence

import narwhals.stable.v2 as nw

from kedro_handover.contract import CanonicalTable, Rule, TableContract, outside
from kedro_handover.expressions import any_of
from premises.census.published import published_2016
from premises.census.schema import SCHEMA, VINTAGES, Vintage

DISTRICTS, BARRIS = 10, 73
SOUTH, NORTH, WEST, EAST = 41.32, 41.47, 2.07, 2.23
"""The box of `city_box_mm` in degrees, rounded outwards."""

MOST = 1e9
"""More metres, or premises, than there are anywhere; not infinity."""

FLAGS = ("is_on_street", "is_in_market", "is_in_gallery", "is_in_mall", "is_on_axis")
"""The columns of `premises` that a census says yes or no to."""

FEATURES = (
    *FLAGS, "district_id", "barri_id", "x_metres", "y_metres", "premises_in_section", "premises_in_street",
    "premises_in_parcel", "premises_in_cell", "axis_share_in_section", "metres_to_district_centre",
)  # fmt: skip

PREMISES = {name: column.type for name, column in SCHEMA.items()}
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
        Rule("flags_are_0_or_1", "flags are 0 or 1.", any_of(outside(flag, 0, 1) for flag in FLAGS)),
        Rule(
            "codes_are_known",
            "district_id is 1 to 10, and barri_id 1 to 73.",
            outside("district_id", 1, DISTRICTS) | outside("barri_id", 1, BARRIS),
        ),
        Rule("share_is_a_share", "axis_share_in_section is 0 to 1.", outside("axis_share_in_section", 0, 1)),
        Rule(
            "metres_and_counts_are_known",
            "coordinates, distances and counts are known, and not negative.",
            any_of(
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
        them `malformed_line` (the text of a row without the columns), `rows_of_id`, `barri_district_id` (the district
        of the barri), `section_number` (as the file counts), `street_number_text` and `market_id_text`.
    """
    west, east, south, north = city_box_mm()
    x, y, district = nw.col("x_mm"), nw.col("y_mm"), nw.col("district_id")
    flags = any_of(nw.col(flag).is_null() for flag in FLAGS)
    barri_elsewhere = (nw.col("barri_district_id") != district).fill_null(value=False)
    section_elsewhere = (nw.col("census_section") // 1000 != district).fill_null(value=False)
    off_list = nw.col("activity_id").is_null() | ~nw.col("activity_id").is_in(sorted(vintage.classes))
    odd_market, odd_number = (
        nw.col(name).is_null() & (nw.col(f"{name}_text") != "").fill_null(value=False)
        for name in ("market_id", "street_number")
    )
    is_a_year_off = ~nw.col("surveyed_on").is_null() & (nw.col("surveyed_on").dt.year() < vintage.year)
    in_file = vintage.read_from
    surveyed_on = in_file["surveyed_on"]
    return (
        Rule("row_is_whole", "The row has as many fields as the header.", ~nw.col("malformed_line").is_null()),
        Rule("id_is_readable", f"{in_file['premises_id']} is an id.", nw.col("premises_id").is_null()),
        Rule("id_is_unique", "No other row has the id.", nw.col("rows_of_id").fill_null(1) > 1),
        Rule("status_is_known", f"{in_file['status']} is a status.", nw.col("status").is_null()),
        Rule("flags_are_yes_or_no", f"{', '.join(in_file[flag] for flag in FLAGS)} say yes or no.", flags),
        Rule("district_is_known", "The district is one of the ten.", outside("district_id", 1, DISTRICTS)),
        Rule("barri_is_known", "The barri is one of the 73.", nw.col("barri_district_id").is_null()),
        Rule("barri_is_in_district", "The barri is one of the district's.", barri_elsewhere),
        Rule("section_is_readable", "The census section is a number.", nw.col("section_number").is_null()),
        Rule("section_is_in_district", "The census section is one of the district's.", section_elsewhere),
        Rule("place_is_readable", "Both coordinates are numbers.", x.is_null() | y.is_null()),
        Rule(
            "place_is_in_city",
            "The coordinates, ETRS89 / UTM 31N, are in the city's box: "
            f"{west // 1000} to {east // 1000} m east, {south // 1000} to {north // 1000} m north.",
            ((x < west) | (x > east) | (y < south) | (y > north)).fill_null(value=False),
        ),
        Rule("activity_is_in_class_list", f"{in_file['activity_id']} is in the class list.", off_list, "warn"),
        Rule("market_id_is_readable", "The id of the market is a number or empty.", odd_market, "warn"),
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
        Rule("date_is_readable", f"{surveyed_on} is a day of the calendar.", nw.col("surveyed_on").is_null(), "warn"),
        Rule("date_is_of_the_vintage", f"{surveyed_on} is not before {vintage.year}.", is_a_year_off, "warn"),
        Rule("street_number_is_readable", f"{in_file['street_number']} is a number or empty.", odd_number, "warn"),
    )


def city_box_mm() -> tuple[int, int, int, int]:
    """Give the box that the barris' outlines are in: west, east, south, north; ETRS89 / UTM 31N, millimetres."""
    corners = [corner for barri in published_2016().barris for corner in barri.outline]
    xs, ys = ([corner[axis] for corner in corners] for axis in (0, 1))
    return min(xs) * 1000, max(xs) * 1000, min(ys) * 1000, max(ys) * 1000


def advise_on_columns(found: Sequence[str], vintage: Vintage) -> str:
    """Say what to do with a file that lacks columns: which vintage it is of, if it is of another one.

    Args:
        found: The names in the file.
        vintage: Whose file it should be.
    """
    for other in VINTAGES.values():
        if set(other.columns) <= set(found):
            return f"This is the file of {other.year}: set census.vintage to {other.year}, and name it {other.file}."
    unknown = set(found) - set(vintage.columns)
    known_elsewhere = {other.year: len(unknown & set(other.columns)) for other in VINTAGES.values()}
    likely = max(known_elsewhere, key=lambda year: known_elsewhere[year])
    if known_elsewhere[likely] > len(set(found) & set(vintage.columns)):
        return f"This looks like the file of {likely}, not whole: with census.vintage {likely} it is said what misses."
    return f"Use the file of {vintage.year}, as published."
