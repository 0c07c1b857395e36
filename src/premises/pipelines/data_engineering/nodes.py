"""The nodes of data_engineering: native frames in and out, written once for every engine.

What keeps the engines at one result: integers are aggregated, never floats; nothing depends on the order of rows; text
that may not parse is checked by a pattern and cast after; nothing is divided by a number, only by a column; each node
ends in a `select` that states columns and types. `tests/test_operations.py` has each operation that may be used.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoFrame, IntoFrameT

from premises.census.contract import (
    FLAGS,
    TABLES,
    census_rules,
    check_columns,
    check_no_broken,
    count_broken,
    count_outcomes,
    flag_broken,
    name_flagged,
)
from premises.census.published import published_2016
from premises.census.schema import ACTIVE, INACTIVE, SAMPLE_NAME_PREFIX, UNKNOWN, VINTAGES, Vintage
from premises.census.text import WHITE_SPACE, trim_text
from premises.draws import DRAWS, add_draws, modulo
from premises.errors import CensusError
from premises.evaluation.predictions import TEST, TRAIN
from premises.evaluation.words import describe_rows
from premises.lazy_types import RecordBatchReader

from .parameters import CensusParameters, DataEngineeringParameters

logger = logging.getLogger(__name__)

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

METRES_PER_MM = 0.001
"""Polars divides by a number by multiplying with its reciprocal, others do not: multiplied, it is the same on all."""

DIGITS_OF_DATE = r"^[0-9]{8}(?:\.0*)?$"
MIDNIGHT = r"[T ]00:00:00(?:\.0*)?Z?$"

TEXT = (
    "status",
    "sector",
    "activity_group",
    "activity",
    "name",
    "market",
    "gallery",
    "mall",
    "street",
    "commercial_axis",
)
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


def read_census(census_file: RecordBatchReader, census: CensusParameters) -> RecordBatchReader:
    """Take the columns of the vintage from a census' file, part by part.

    Args:
        census_file: `file_row`, `unread` and the columns of the file, as text.
        census: `vintage`.

    Returns:
        The same without the columns that the vintage has not.

    Raises:
        CensusError: If columns of the vintage are missing.
    """
    import pyarrow as pa

    vintage = VINTAGES[census.vintage]
    file_row, unread, *found = census_file.schema.names
    if unknown := check_columns(found, vintage):
        logger.info("Left out, as the census of %d has no such columns: %s.", vintage.year, ", ".join(unknown))
    columns = [file_row, unread, *vintage.columns]
    schema = pa.schema([census_file.schema.field(name) for name in columns])
    return pa.RecordBatchReader.from_batches(schema, (batch.select(columns) for batch in census_file))


def find_repeated_ids(census: IntoFrameT, parameters: CensusParameters) -> IntoFrameT:
    """Find the ids that more than one row of the census has.

    Args:
        census: The census, all of its columns as text.
        parameters: `vintage`.

    Returns:
        `premises_id` and `rows_of_id`. An id that can't be read is none.
    """
    ids = nw.from_native(census).select(premises_id=_read_id(VINTAGES[parameters.vintage]))
    return (
        ids.filter(~nw.col("premises_id").is_null())
        .group_by("premises_id")
        .agg(rows_of_id=nw.len())
        .filter(nw.col("rows_of_id") > 1)
        .select("premises_id", nw.col("rows_of_id").cast(nw.Int64))
        .to_native()
    )


def list_barris(
    repeated_ids: IntoFrame,  # noqa: ARG001 - a file that is no census ends the run before this
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


def check_premises(
    census: IntoFrameT, repeated_ids: IntoFrameT, barris: IntoFrameT, parameters: CensusParameters
) -> IntoFrameT:
    """Type, trim and name the census, and say which rules of the contract each row breaks.

    Blank cells become null, and so does what can't be read as the type of its column. Runs of spaces become one in all
    text but identifiers. The names of districts and barris are the official ones, by the barri's code: the census
    writes some with another case, or with two spaces where the official name has a dash.

    Args:
        census: The census: `file_row`, `unread`, and the columns of the vintage as published, as text.
        repeated_ids: `premises_id` and `rows_of_id` of the ids that come more than once.
        barris: What `list_barris` gives.
        parameters: `vintage`.

    Returns:
        `file_row`, `broken_rules` and `warnings` (flags, as `flag_broken` gives them: 0 where a row breaks none), and
        the columns of `premises`. `x_mm`, `y_mm` are ETRS89 / UTM 31N in millimetres; `latitude`, `longitude` are
        degrees; `is_active` is null where the status is unknown.
    """
    vintage = VINTAGES[parameters.vintage]
    rules = census_rules(vintage)
    return (
        _type_census(nw.from_native(census), nw.from_native(barris), vintage)
        .join(nw.from_native(repeated_ids), on="premises_id", how="left")
        .with_columns(**{rule.name: rule.broken for rule in rules})
        .with_columns(broken_rules=flag_broken(rules, rejects=True), warnings=flag_broken(rules, rejects=False))
        .select("file_row", "broken_rules", "warnings", *TABLES["premises"])
        .to_native()
    )


def select_rejected(census: IntoFrameT, checked_premises: IntoFrameT, parameters: CensusParameters) -> IntoFrameT:
    """Take the rows that break a rule which rejects, as they stand in the file.

    Args:
        census: The census.
        checked_premises: What `check_premises` gives.
        parameters: `vintage`.

    Returns:
        `broken_rules` (their names, with a comma and a space between), `file_row` (the row of the file; its header is
        1), `unread` (the text of a row with another number of fields than the header) and the columns of the vintage.
    """
    raw = nw.from_native(census)
    rules = census_rules(VINTAGES[parameters.vintage])
    broken = (
        nw.from_native(checked_premises)
        .filter(nw.col("broken_rules") > 0)
        .select("file_row", broken_rules=name_flagged("broken_rules", rules, rejects=True))
    )
    columns = raw.collect_schema().names()
    return raw.join(broken, on="file_row", how="inner").select("broken_rules", *columns).to_native()


def count_rejected(
    census: IntoFrame, checked_premises: IntoFrame, rejected_premises: IntoFrame, parameters: CensusParameters
) -> dict[str, Any]:
    """Account for every row of the census, and refuse to go on if too many of them are rejected.

    Args:
        census: The census.
        checked_premises: What `check_premises` gives.
        rejected_premises: The rows that are rejected.
        parameters: `vintage` and `rejected_share`.

    Returns:
        `vintage`, `rows_in`, `valid`, `rejected`, and `rules`: of each its name, what it says, whether it rejects, and
        the `rows` that break it.

    Raises:
        CensusError: If rows are unaccounted for, or the share of rejected rows is over the limit.
    """
    outcomes = nw.from_native(checked_premises).lazy().group_by("broken_rules", "warnings").agg(rows=nw.len())
    rules = census_rules(VINTAGES[parameters.vintage])
    counted = {
        "vintage": parameters.vintage,
        "rows_in": _count_rows(census),
        **count_outcomes(outcomes.collect().rows(named=True), rules),
    }
    unaccounted = counted["rows_in"] - counted["valid"] - counted["rejected"]
    if unaccounted:
        msg = f"census: {unaccounted:,} of {counted['rows_in']:,} rows are unaccounted for: run data_engineering anew."
        raise CensusError(msg)
    if (kept := _count_rows(rejected_premises)) != counted["rejected"]:
        msg = f"census: {counted['rejected']:,} rows are rejected, and {kept:,} kept: run data_engineering anew."
        raise CensusError(msg)
    rows_in, rejected = counted["rows_in"], counted["rejected"]
    logger.info(describe_rows({"rows_in": rows_in, "premises": counted["valid"], "rejected": rejected}))
    for rule in counted["rules"]:
        if rule["rows"]:
            kind = "rejected" if rule["rejects"] else "kept"
            logger.warning("%s: broken by %s rows, %s. %s", rule["name"], f"{rule['rows']:,}", kind, rule["says"])
    if rejected > parameters.rejected_share * rows_in or not counted["valid"]:
        broken = sorted((-rule["rows"], rule["name"]) for rule in counted["rules"] if rule["rejects"] and rule["rows"])
        reasons = ", ".join(f"{name} {-rows:,}" for rows, name in broken)
        allowed = (
            f"census.rejected_share allows {parameters.rejected_share:.2%}" if counted["valid"] else "none is left"
        )
        msg = (
            f"census: {rejected:,} of {rows_in:,} rows are rejected, and {allowed}: {reasons}. "
            "See rejected_premises, which has each of them with its reasons; nothing after it was written."
        )
        raise CensusError(msg)
    return counted


def select_premises(
    checked_premises: IntoFrameT,
    rejections: dict[str, Any],  # noqa: ARG001 - a run with too many of them ends before this
) -> IntoFrameT:
    """Take the rows that keep all rules which reject.

    Args:
        checked_premises: What `check_premises` gives.
        rejections: What `count_rejected` gives.

    Returns:
        `premises`: one row per premises, as `premises.census.contract.TABLES` has its columns. The status, sector,
        group, activity and name give the label away: they are for people, never features.
    """
    frame = nw.from_native(checked_premises)
    return frame.filter(nw.col("broken_rules") == 0).select(*TABLES["premises"]).to_native()


def build_premises_features(premises: IntoFrameT, parameters: DataEngineeringParameters) -> IntoFrameT:
    """Describe the place of each premises; nothing here looks at what a premises does.

    Args:
        premises: One row per premises, as `select_premises` gives them.
        parameters: `grid_metres` is the side of a cell.

    Returns:
        `premises_id`, `is_active`, and the features as float32: flags are 0 or 1, `x_metres` and `y_metres` are
        ETRS89 / UTM 31N, `premises_in_…` count the premises at the same place, this one included (0 where the place
        is not known), `axis_share_in_section` is the share of them on a commercial axis, and
        `metres_to_district_centre` is the distance to the mean position of the district's premises.
    """
    cell_mm = parameters.grid_metres * 1000
    frame = nw.from_native(premises).with_columns(
        cell_x=nw.col("x_mm") // cell_mm, cell_y=nw.col("y_mm") // cell_mm, on_axis=nw.col("is_on_axis").cast(nw.Int64)
    )
    in_section = frame.group_by("census_section", drop_null_keys=True).agg(
        premises_in_section=nw.len(), on_axis_in_section=nw.col("on_axis").sum()
    )
    in_street = frame.group_by("street", drop_null_keys=True).agg(premises_in_street=nw.len())
    in_parcel = frame.group_by("cadastral_reference", drop_null_keys=True).agg(premises_in_parcel=nw.len())
    in_cell = frame.group_by("cell_x", "cell_y", drop_null_keys=True).agg(premises_in_cell=nw.len())
    centres = frame.group_by("district_id", drop_null_keys=True).agg(
        located_x=nw.col("x_mm").count(),
        located_y=nw.col("y_mm").count(),
        x_mm_in_district=nw.col("x_mm").sum(),
        y_mm_in_district=nw.col("y_mm").sum(),
    )
    from_centre_x = nw.col("x_mm") - nw.col("x_mm_in_district") // nw.col("located_x")
    from_centre_y = nw.col("y_mm") - nw.col("y_mm_in_district") // nw.col("located_y")
    squared_mm = from_centre_x * from_centre_x + from_centre_y * from_centre_y
    features = {
        **{flag: nw.col(flag) for flag in FLAGS},
        "district_id": nw.col("district_id"),
        "barri_id": nw.col("barri_id"),
        "x_metres": nw.col("x_mm").cast(nw.Float64) * METRES_PER_MM,
        "y_metres": nw.col("y_mm").cast(nw.Float64) * METRES_PER_MM,
        "premises_in_section": nw.col("premises_in_section").fill_null(0),
        "premises_in_street": nw.col("premises_in_street").fill_null(0),
        "premises_in_parcel": nw.col("premises_in_parcel").fill_null(0),
        "premises_in_cell": nw.col("premises_in_cell").fill_null(0),
        "axis_share_in_section": nw.col("on_axis_in_section") / nw.col("premises_in_section"),
        "metres_to_district_centre": squared_mm.cast(nw.Float64).sqrt() * METRES_PER_MM,
    }
    return (
        frame.join(in_section, on="census_section", how="left")
        .join(in_street, on="street", how="left")
        .join(in_parcel, on="cadastral_reference", how="left")
        .join(in_cell, on=["cell_x", "cell_y"], how="left")
        .join(centres, on="district_id", how="left")
        .select("premises_id", "is_active", **{name: value.cast(nw.Float32) for name, value in features.items()})
        .to_native()
    )


def split_and_balance(premises_features: IntoFrameT, parameters: DataEngineeringParameters) -> IntoFrameT:
    """Split the premises of known status into train and test, give folds, and thin the larger class in train.

    Each of the three takes its own draw from the premises' id (see `premises.draws`), so the outcome is the same on
    every engine and in any order of rows.

    Args:
        premises_features: `premises_id`, `is_active` and the features.
        parameters: `test_share`, `folds` and `majority_per_minority`.

    Returns:
        `premises_id`, `split` ("train" or "test"), `fold` (from 0 in train, -1 in test), `is_active`, the features.
    """
    frame = nw.from_native(premises_features)
    features = [name for name in frame.collect_schema().names() if name not in ("premises_id", "is_active")]
    drawn = add_draws(
        frame.filter(~nw.col("is_active").is_null()), "premises_id", split_draw=1, fold_draw=2, thinning_draw=3
    )
    in_test = modulo(nw.col("split_draw"), 100) < round(parameters.test_share * 100)
    known = drawn.with_columns(
        split=nw.when(in_test).then(nw.lit(TEST)).otherwise(nw.lit(TRAIN)),
        fold=nw.when(in_test).then(nw.lit(-1)).otherwise(modulo(nw.col("fold_draw"), parameters.folds)),
    )
    in_train = known.filter(nw.col("split") == TRAIN).select(
        active=_count(nw.col("is_active")), inactive=_count(~nw.col("is_active"))
    )
    active_share = parameters.majority_per_minority * nw.col("inactive") / nw.col("active")
    inactive_share = parameters.majority_per_minority * nw.col("active") / nw.col("inactive")
    is_kept = (
        (nw.col("split") == TEST)
        | (nw.col("is_active") & (nw.col("thinning_draw") < active_share * DRAWS))
        | (~nw.col("is_active") & (nw.col("thinning_draw") < inactive_share * DRAWS))
    )
    return (
        known.join(in_train, how="cross")
        .filter(is_kept)
        .select("premises_id", "split", nw.col("fold").cast(nw.Int64), "is_active", *features)
        .to_native()
    )


def count_rows(
    premises: IntoFrame, premises_features: IntoFrame, model_input: IntoFrame, rejections: dict[str, Any]
) -> dict[str, int]:
    """Count the rows on their way, for the reports, and hold every table to its rules.

    Args:
        premises: One row per valid row of the census.
        premises_features: The same premises with their features.
        model_input: The rows that models are trained and tested on.
        rejections: What `count_rejected` gives.

    Returns:
        Rows of the census (`rows_in`), those rejected (`rejected`), rows of `premises` (`premises`), those of them
        drawn as a sample (`drawn`), by status (`active`, `inactive`, `unknown`), and of `model_input` by split and
        label (`train_active`, …, `test_inactive`).

    Raises:
        CensusError: If `premises` or its features are not as many as the valid rows.
        ContractError: If a table has rows that break its rules.
    """
    is_active, name = nw.col("is_active"), nw.col("name")
    in_test = nw.col("split") == TEST
    of_premises = nw.from_native(premises).select(
        premises=nw.len(),
        drawn=_count(name.str.starts_with(SAMPLE_NAME_PREFIX)),
        active=_count(is_active),
        inactive=_count(~is_active),
        unknown=_count(is_active.is_null()),
    )
    of_features = nw.from_native(premises_features).select(features=nw.len(), **count_broken("premises_features"))
    of_model_input = nw.from_native(model_input).select(
        train_active=_count(~in_test & is_active),
        train_inactive=_count(~in_test & ~is_active),
        test_active=_count(in_test & is_active),
        test_inactive=_count(in_test & ~is_active),
        **count_broken("model_input"),
    )
    joined = of_premises.lazy().join(of_features.lazy(), how="cross").join(of_model_input.lazy(), how="cross")
    (counted,) = joined.collect().rows(named=True)
    counts = {name: int(count or 0) for name, count in counted.items()}
    check_no_broken(counts)
    valid = rejections["valid"]
    if not counts["premises"] == counts.pop("features") == valid:
        msg = (
            f"census: {valid:,} rows are valid, and premises has {counts['premises']:,}. They are not of one run: "
            "run data_engineering anew."
        )
        raise CensusError(msg)
    return {"rows_in": rejections["rows_in"], "rejected": rejections["rejected"], **counts}


def _count_rows(frame: IntoFrame) -> int:
    return int(nw.from_native(frame).lazy().select(rows=nw.len()).collect()["rows"][0])


def _read_id(vintage: Vintage) -> nw.Expr:
    """Read the id of each row; null where it is none."""
    text = nw.col(vintage.read_from["premises_id"]).str.strip_chars(WHITE_SPACE).str.to_lowercase()
    return nw.when(text.str.contains(vintage.id_pattern)).then(text)


def _type_census(census: nw.LazyFrame[Any], barris: nw.LazyFrame[Any], vintage: Vintage) -> nw.LazyFrame[Any]:
    """Add to the columns of a census those of `premises`, typed, and the texts of two that may be left empty."""
    # A literal null would be of NumPy's types in pandas.
    nothing = nw.when(nw.col("file_row") < 0).then(nw.col("unread"))

    def read(name: str, *, trim: bool) -> nw.Expr:
        if name not in vintage.read_from:
            return nothing
        column = vintage.read_from[name]
        return trim_text(column) if trim else nw.col(column).str.strip_chars(WHITE_SPACE)

    # Each step names what the next one uses: pandas works out an expression anew wherever it stands.
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
    ).with_columns(is_active=_either("status", true=[ACTIVE], false=[INACTIVE]))


def _read_by(pattern: str) -> list[str]:
    return [name for name, read_by in PATTERNS.items() if read_by == pattern]


def _either(column: str, *, true: Sequence[str], false: Sequence[str]) -> nw.Expr:
    """Give True for some texts, False for others, null for anything else."""
    # `is_in` would give a boolean of NumPy's in pandas, which knows no null.
    return nw.when(nw.col(column).is_in([*true, *false])).then(reduce(or_, (nw.col(column) == text for text in true)))


def _read_status(vintage: Vintage) -> nw.Expr:
    """Give the words of 2016 for the status; null where it is none."""
    status = nw.col("status")
    known = nw.when(status.is_in(list(vintage.statuses))).then(status)
    for text, of_2016 in vintage.statuses.items():
        if text != of_2016:
            known = known.str.replace_all(text, of_2016, literal=True)
    return known


def _count(condition: nw.Expr) -> nw.Expr:
    return condition.cast(nw.Int64).sum()
