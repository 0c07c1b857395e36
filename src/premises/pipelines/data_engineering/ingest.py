"""Read, type and judge the census: native frames in and out, written once for every engine.

What keeps the engines at one result: integers are aggregated, never floats; nothing depends on the order of rows; text
that may not parse is checked by a pattern and cast after; nothing is divided by a number, only by a column; each node
ends in a `select` that states columns and types. `tests/test_operations.py` has each operation that may be used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoFrame, IntoFrameT

from kedro_handover.contract import RuleRecord, flag_violations, list_rules
from kedro_handover.expressions import any_of
from kedro_handover.lazy_types import RecordBatchReader
from kedro_handover.nodes.validation import count_labels, count_repeated_ids, name_columns, take_columns
from kedro_handover.spark.row_local import row_local
from kedro_handover.text import WHITE_SPACE, trim_text
from kedro_handover.text_tables import Source, describe_source
from premises.census.contract import FLAGS, PREMISES, advise_on_columns, census_rules
from premises.census.published import published_2016
from premises.census.schema import ACTIVE, INACTIVE, SYNTHETIC_NAME_PREFIX, UNKNOWN, VINTAGES, Vintage

from .parameters import CensusParameters

# Groups are not captured: `(?:…)` is what all engines' regular expressions know.
INTEGER = r"^[0-9]{1,9}$"
WHOLE_DECIMAL = r"^[0-9]{1,9}(?:\.0*)?$"
DECIMAL = r"^-?[0-9]{1,12}(?:\.[0-9]{1,15})?$"
DATE = (
    r"^(?:(?:19|20)[0-9]{2}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    r"|(?:(?:19|20)(?:0[48]|[2468][048]|[13579][26])|2000)-02-29)$"
)
"""A day of the calendar, leap years included: engines differ in what they do with any other text."""

DIGITS_OF_DATE = r"^[0-9]{8}(?:\.0*)?$"
MIDNIGHT = r"[T ]00:00:00(?:\.0*)?Z?$"

TEXT = (
    "status", "sector", "activity_group", "activity", "name", "market", "gallery", "mall", "street", "commercial_axis",
)  # fmt: skip
IDENTIFIERS = ("mall_id", "cadastral_reference")
PATTERNS = {
    "activity_id": INTEGER,
    "market_id": INTEGER,
    "street_number": WHOLE_DECIMAL,
    "surveyed_on": DATE,
    "barri_id": INTEGER,
    "district_id": INTEGER,
    "census_section": WHOLE_DECIMAL,
    "x_mm": DECIMAL,
    "y_mm": DECIMAL,
    "latitude": DECIMAL,
    "longitude": DECIMAL,
}
"""How the text of the other columns of `premises` looks where it can be read."""


def read_census(
    census_file: RecordBatchReader | IntoFrameT, census: CensusParameters
) -> tuple[RecordBatchReader | IntoFrameT, Source]:
    """Take the columns of the vintage from a census' file, part by part, and say which table it is.

    Args:
        census_file: `row_number`, `malformed_line` and the columns of the file, as text: batches of Arrow's, or a frame
            of the engine that reads the file.
        census: `vintage`.

    Returns:
        The same without the columns that the vintage does not have; and what `describe_source` gives.

    Raises:
        DataError: If columns of the vintage are missing, or there are no rows.
    """
    vintage = VINTAGES[census.vintage]
    advice = advise_on_columns(name_columns(census_file), vintage)
    return take_columns(census_file, vintage.columns, "census", advice), describe_source(census_file)


def list_census_rules(census: CensusParameters) -> list[RuleRecord]:
    """List the rules that the rows of a census are held to.

    Args:
        census: `vintage`.

    Returns:
        `name`, `description` and `severity` of each, in the order of their flags.
    """
    return list_rules(census_rules(VINTAGES[census.vintage]))


def count_statuses(raw_rows: IntoFrame, census: CensusParameters) -> dict[str, int]:
    """Count the rows by the status that stands in the file, and refuse to learn from one class only.

    Args:
        raw_rows: The census, all of its columns as text.
        census: `vintage`.

    Returns:
        The rows of each status.

    Raises:
        DataError: If no premises is active, or none is without activity.
    """
    vintage = VINTAGES[census.vintage]
    classes = [
        next(text for text, of_2016 in vintage.statuses.items() if of_2016 == meant) for meant in (ACTIVE, INACTIVE)
    ]
    return count_labels(raw_rows, "census", vintage.read_from["status"], classes)


def find_repeated_ids(raw_rows: IntoFrameT, census: CensusParameters) -> IntoFrameT:
    """Find the ids that more than one row of the census has.

    Args:
        raw_rows: The census, all of its columns as text.
        census: `vintage`.

    Returns:
        `premises_id` and `rows_of_id`. An id that can't be read is not one.
    """
    ids = nw.from_native(raw_rows).select(premises_id=_read_id(VINTAGES[census.vintage]))
    return count_repeated_ids(ids.to_native())


def list_barris(
    repeated_ids: IntoFrame,  # noqa: ARG001 - a file that is not a census ends the run before this
) -> RecordBatchReader:
    """List the city's barris by their official names.

    Args:
        repeated_ids: What `find_repeated_ids` gives.

    Returns:
        `barri_id`, `official_barri`, `barri_district_id` and `official_district`.
    """
    import pyarrow as pa

    published = published_2016()
    districts = {district.id: district.name for district in published.districts}
    barris = pa.table(
        {
            "barri_id": [barri.id for barri in published.barris],
            "official_barri": [barri.name for barri in published.barris],
            "barri_district_id": [barri.district_id for barri in published.barris],
            "official_district": [districts[barri.district_id] for barri in published.barris],
        }
    )
    return barris.to_reader()


@row_local
def check_premises(
    raw_rows: IntoFrameT, repeated_ids: IntoFrameT, barris: IntoFrameT, census: CensusParameters
) -> IntoFrameT:
    """Type, trim and name the census, and flag the rules of the contract that each row violates.

    Blank cells become null, and so does what can't be read as the type of its column. Runs of spaces become one in all
    text but identifiers. The names of districts and barris are the official ones, by the barri's code: the census
    writes some with another case, or with two spaces where the official name has a dash.

    Args:
        raw_rows: The census: `row_number`, `malformed_line`, and the columns of the vintage as published, as text.
        repeated_ids: `premises_id` and `rows_of_id` of the ids that come more than once.
        barris: What `list_barris` gives.
        census: `vintage`.

    Returns:
        `row_number`, `violations` (the flags of the rules that the row violates), and the columns of `premises`.
        `x_mm`, `y_mm` are ETRS89 / UTM 31N in millimetres; `latitude`, `longitude` are degrees; `is_active` is null
        where the status is unknown. Status, sector, group, activity and name give the label away: they are for people,
        never features.
    """
    vintage = VINTAGES[census.vintage]
    typed = _type_census(nw.from_native(raw_rows), nw.from_native(barris), vintage)
    with_repeats = typed.join(nw.from_native(repeated_ids), on="premises_id", how="left")
    flagged = flag_violations(with_repeats, census_rules(vintage))
    return flagged.select("row_number", "violations", *PREMISES).to_native()


def _read_id(vintage: Vintage) -> nw.Expr:
    """Read the id of each row; null where it is not one."""
    text = nw.col(vintage.read_from["premises_id"]).str.strip_chars(WHITE_SPACE).str.to_lowercase()
    return nw.when(text.str.contains(vintage.id_pattern)).then(text)


def _type_census(census: nw.LazyFrame[Any], barris: nw.LazyFrame[Any], vintage: Vintage) -> nw.LazyFrame[Any]:
    """Add to the columns of a census those of `premises`, typed, and the texts of two that may be left empty."""
    # A literal null would be of NumPy's types in pandas.
    nothing = nw.when(nw.col("row_number") < 0).then(nw.col("malformed_line"))

    def read(name: str, *, trim: bool) -> nw.Expr:
        if name not in vintage.read_from:
            return nothing
        column = vintage.read_from[name]
        return trim_text(column) if trim else nw.col(column).str.strip_chars(WHITE_SPACE)

    # Each step names what the next one uses: pandas evaluates an expression again wherever it stands.
    trimmed = census.with_columns(
        premises_id=_read_id(vintage),
        **{name: read(name, trim=True) for name in TEXT},
        **{name: read(name, trim=False) for name in (*IDENTIFIERS, *PATTERNS, *FLAGS)},
    )
    day = nw.col("surveyed_on").str.replace_all(MIDNIGHT, "")
    of_digits = nw.concat_str(day.str.slice(0, 4), nw.lit("-"), day.str.slice(4, 2), nw.lit("-"), day.str.slice(6, 2))
    dated = trimmed.with_columns(
        street_number_text=nw.col("street_number"),
        market_id_text=nw.col("market_id"),
        surveyed_on=nw.when(day.str.contains(DIGITS_OF_DATE)).then(of_digits).otherwise(day),
    )
    readable = dated.with_columns(
        **{name: nw.when(nw.col(name) != "").then(nw.col(name)) for name in (*TEXT, *IDENTIFIERS)},
        **{name: nw.when(nw.col(name).str.contains(pattern)).then(nw.col(name)) for name, pattern in PATTERNS.items()},
    )
    typed = readable.with_columns(
        **{name: _either(name, true=vintage.yes, false=vintage.no) for name in FLAGS},
        **{name: nw.col(name).cast(nw.Int64) for name in _read_by(INTEGER)},
        **{name: nw.col(name).cast(nw.Float64) for name in _read_by(DECIMAL)},
        # A reader that took the column for numbers has written 5 as 5.0.
        **{name: nw.col(name).cast(nw.Float64).cast(nw.Int64) for name in _read_by(WHOLE_DECIMAL)},
        surveyed_on=nw.col("surveyed_on").str.to_datetime("%Y-%m-%d").cast(nw.Date),
        status=_read_status(vintage),
    )
    section = nw.col("census_section") + (nw.col("district_id") * 1000 if vintage.section_in_district else 0)
    named = typed.join(barris, on="barri_id", how="left")
    return named.with_columns(
        # Some sectors say more behind it. (A literal text would be of NumPy's types in pandas.)
        status=nw.when((nw.col("status") == INACTIVE) & (nw.col("sector").str.starts_with(UNKNOWN)))
        .then(nw.col("sector").str.slice(0, len(UNKNOWN)))
        .otherwise(nw.col("status")),
        barri=nw.col("official_barri"),
        district=nw.col("official_district"),
        section_number=nw.col("census_section"),
        census_section=section,
        x_mm=(nw.col("x_mm") * 1000 + 0.5).floor().cast(nw.Int64),
        y_mm=(nw.col("y_mm") * 1000 + 0.5).floor().cast(nw.Int64),
    ).with_columns(
        is_active=_either("status", true=[ACTIVE], false=[INACTIVE]),
        is_synthetic=nw.col("name").str.starts_with(SYNTHETIC_NAME_PREFIX).fill_null(value=False),
    )


def _read_by(pattern: str) -> list[str]:
    return [name for name, read_by in PATTERNS.items() if read_by == pattern]


def _either(column: str, *, true: Sequence[str], false: Sequence[str]) -> nw.Expr:
    """Give True for some texts, False for others, null for anything else."""
    # `is_in` would give a boolean of NumPy's in pandas, which knows no null.
    return nw.when(nw.col(column).is_in([*true, *false])).then(any_of(nw.col(column) == text for text in true))


def _read_status(vintage: Vintage) -> nw.Expr:
    """Give the words of 2016 for the status; null where it is not one."""
    status = nw.col("status")
    known = nw.when(status.is_in(list(vintage.statuses))).then(status)
    for text, of_2016 in vintage.statuses.items():
        if text != of_2016:
            known = known.str.replace_all(text, of_2016, literal=True)
    return known
