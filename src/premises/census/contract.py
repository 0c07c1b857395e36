"""What the data have to be: the columns of a census, the rules of its rows, and the columns of every table after it.

A rule is an expression that says which rows break it. All of them are worked out on the engine, and the rows that break
one are kept with the names of all that they break.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import reduce
from operator import add, or_
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoFrame

from premises.census.published import published_2016
from premises.census.schema import ACTIVE, INACTIVE, VINTAGES, Vintage
from premises.census.text import trim_text
from premises.draws import modulo
from premises.errors import CensusError, ContractError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FIRST_ROWS = 1_000
"""They nearly always show both classes."""

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

SUMMARISED_BY = ("district_id", "district", "barri_id", "barri")
"""What scores are summed up by: features that are codes, and the columns of `premises` that name them."""

CODES_SUMMARISED_BY = tuple(name for name in SUMMARISED_BY if name in FEATURES)

TABLES: dict[str, dict[str, Any]] = {
    "premises": {
        "premises_id": nw.String,
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
    },
    "premises_features": {
        "premises_id": nw.String,
        "is_active": nw.Boolean,
        **dict.fromkeys(FEATURES, nw.Float32),
    },
    "model_input": {
        "premises_id": nw.String,
        "split": nw.String,
        "fold": nw.Int64,
        "is_active": nw.Boolean,
        **dict.fromkeys(FEATURES, nw.Float32),
    },
    "predictions": {
        "premises_id": nw.String,
        "split": nw.String,
        "is_active": nw.Boolean,
        "probability": nw.Float64,
        "prediction": nw.Boolean,
    },
}
"""The columns of each table, in their order, and their types."""


@dataclass(frozen=True)
class Rule:
    """What holds for each row.

    Attributes:
        name: Its name, as the rejected rows and the reports have it.
        says: The rule, for people.
        broken: True for the rows that break it.
        rejects: Whether such a row is rejected; it is kept, and counted, otherwise.
    """

    name: str
    says: str
    broken: nw.Expr
    rejects: bool = True


def _any(conditions: Iterable[nw.Expr]) -> nw.Expr:
    return reduce(or_, conditions)


def _outside(column: str, low: float, high: float) -> nw.Expr:
    """Find what is missing, or is not from `low` to `high`; a value that is no number is not either."""
    return ~((nw.col(column) >= low) & (nw.col(column) <= high)).fill_null(value=False)


_FEATURE_RULES = (
    Rule("flags_are_0_or_1", "flags are 0 or 1.", _any(_outside(flag, 0, 1) for flag in FLAGS)),
    Rule(
        "codes_are_known",
        "district_id is 1 to 10, and barri_id 1 to 73.",
        _outside("district_id", 1, DISTRICTS) | _outside("barri_id", 1, BARRIS),
    ),
    Rule("share_is_a_share", "axis_share_in_section is 0 to 1.", _outside("axis_share_in_section", 0, 1)),
    Rule(
        "metres_and_counts_are_known",
        "coordinates, distances and counts are known, and not negative.",
        _any(
            _outside(feature, 0, MOST)
            for feature in FEATURES
            if feature.startswith(("x_", "y_", "premises_", "metres_"))
        ),
    ),
)

TABLE_RULES: dict[str, tuple[Rule, ...]] = {
    "premises_features": _FEATURE_RULES,
    "model_input": (
        *_FEATURE_RULES,
        Rule("status_is_known", "is_active is known.", nw.col("is_active").is_null()),
        Rule(
            "fold_is_of_the_split",
            "fold is -1 in test, and 0 or more in train.",
            ~(
                ((nw.col("split") == "test") & (nw.col("fold") == -1))
                | ((nw.col("split") == "train") & (nw.col("fold") >= 0))
            ).fill_null(value=False),
        ),
    ),
    "predictions": (
        Rule("probability_is_one", "probability is 0 to 1.", _outside("probability", 0, 1)),
        Rule("prediction_is_made", "prediction is known.", nw.col("prediction").is_null()),
    ),
}
"""The rules of the tables that nodes make: a row that breaks one is a fault of a node or a file, and stops the run."""


def census_rules(vintage: Vintage) -> tuple[Rule, ...]:
    """State the rules of a census' rows.

    Args:
        vintage: Whose file it is.

    Returns:
        The rules. They are about the columns of `premises` as they are read, null where the text can't be, and beside
        them `unread` (the text of a row without the columns), `rows_of_id`, `barri_district_id` (the district of the
        barri), `section_number` (as the file counts), `street_number_text` and `market_id_text`.
    """
    west, east, south, north = city_box_mm()
    x, y, district = nw.col("x_mm"), nw.col("y_mm"), nw.col("district_id")
    flags = _any(nw.col(flag).is_null() for flag in FLAGS)
    is_a_year_off = ~nw.col("surveyed_on").is_null() & (nw.col("surveyed_on").dt.year() < vintage.year)
    in_file = vintage.read_from
    return (
        Rule("row_is_whole", "The row has as many fields as the header.", ~nw.col("unread").is_null()),
        Rule("id_is_readable", f"{in_file['premises_id']} is an id.", nw.col("premises_id").is_null()),
        Rule("id_is_unique", "No other row has the id.", nw.col("rows_of_id").fill_null(1) > 1),
        Rule("status_is_known", f"{in_file['status']} is a status.", nw.col("status").is_null()),
        Rule("flags_are_yes_or_no", f"{', '.join(in_file[flag] for flag in FLAGS)} say yes or no.", flags),
        Rule(
            "district_is_known",
            "The district is one of the ten.",
            _outside("district_id", 1, DISTRICTS),
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
            rejects=False,
        ),
        Rule(
            "market_id_is_readable",
            "The id of the market is a number or empty.",
            nw.col("market_id").is_null() & (nw.col("market_id_text") != "").fill_null(value=False),
            rejects=False,
        ),
        Rule(
            "degrees_are_in_city",
            f"Latitude and longitude are in the city: {SOUTH} to {NORTH} and {WEST} to {EAST} degrees.",
            _outside("latitude", SOUTH, NORTH) | _outside("longitude", WEST, EAST),
            rejects=False,
        ),
        Rule(
            "axis_has_a_name",
            f"{in_file['is_on_axis']} says yes where {in_file['commercial_axis']} is not empty, and nowhere else.",
            (nw.col("is_on_axis") == nw.col("commercial_axis").is_null()).fill_null(value=False),
            rejects=False,
        ),
        Rule(
            "date_is_readable",
            f"{in_file['surveyed_on']} is a day of the calendar.",
            nw.col("surveyed_on").is_null(),
            rejects=False,
        ),
        Rule(
            "date_is_of_the_vintage",
            f"{in_file['surveyed_on']} is not before {vintage.year}.",
            is_a_year_off,
            rejects=False,
        ),
        Rule(
            "street_number_is_readable",
            f"{in_file['street_number']} is a number or empty.",
            nw.col("street_number").is_null() & (nw.col("street_number_text") != "").fill_null(value=False),
            rejects=False,
        ),
    )


def flag_broken(rules: Iterable[Rule], *, rejects: bool) -> nw.Expr:
    """Flag the rules that a row breaks in one integer: texts of all rows would cost more than judging them.

    Args:
        rules: The rules; `broken` of each is a column by its name already.
        rejects: Whether the rules that reject are meant, or those that warn.

    Returns:
        The sum of 1 for the first of these rules, 2 for the second, 4 for the third, … where the row breaks it.
    """
    names = [rule.name for rule in rules if rule.rejects == rejects]
    flags: nw.Expr = reduce(add, (nw.col(name).cast(nw.Int64) * 2**place for place, name in enumerate(names)))
    return flags


def name_flagged(column: str, rules: Iterable[Rule], *, rejects: bool) -> nw.Expr:
    """Name the rules that are flagged.

    Args:
        column: What `flag_broken` gives.
        rules: The rules.
        rejects: Whether the rules that reject are meant, or those that warn.

    Returns:
        Their names in the rules' order, with a comma and a space between; empty where none is flagged.
    """
    names = [rule.name for rule in rules if rule.rejects == rejects]
    bits = [modulo(nw.col(column) // 2**place, 2) for place in range(len(names))]
    # Literal texts are of NumPy's types in pandas: a column of them without rows would be written without a type.
    named = [
        bit.cast(nw.String).str.replace_all("0", "", literal=True).str.replace_all("1", f"{name}, ", literal=True)
        for name, bit in zip(names, bits, strict=True)
    ]
    return nw.concat_str(named).str.strip_chars(", ")


def list_flagged(flags: int, rules: Iterable[Rule], *, rejects: bool) -> list[str]:
    """Give the names of the rules that one row's flags stand for; the arguments are those of `name_flagged`."""
    return [name for place, name in enumerate(r.name for r in rules if r.rejects == rejects) if flags >> place & 1]


def count_outcomes(outcomes: Iterable[dict[str, Any]], rules: Sequence[Rule]) -> dict[str, Any]:
    """Count rows by the rules that they break.

    Args:
        outcomes: `broken_rules`, `warnings`, and the `rows` that have just these flags.
        rules: The rules.

    Returns:
        `valid`, `rejected`, and `rules`: of each its `name`, what it `says`, whether it `rejects`, and the `rows` that
        break it.
    """
    rows, broken = Counter[bool](), Counter[str]()
    for outcome in outcomes:
        rows[outcome["broken_rules"] > 0] += outcome["rows"]
        for rejects in (True, False):
            for name in list_flagged(outcome["broken_rules" if rejects else "warnings"], rules, rejects=rejects):
                broken[name] += outcome["rows"]
    return {
        "valid": rows[False],
        "rejected": rows[True],
        "rules": [
            {"name": rule.name, "says": rule.says, "rejects": rule.rejects, "rows": broken[rule.name]} for rule in rules
        ],
    }


def count_broken(table: str) -> dict[str, nw.Expr]:
    """Give an expression for each rule of a table, which counts the rows that break it.

    Args:
        table: A key of `TABLE_RULES`.

    Returns:
        The expressions by `<table>__<rule>`, for `check_no_broken`.
    """
    return {f"{table}__{rule.name}": rule.broken.cast(nw.Int64).sum() for rule in TABLE_RULES[table]}


def check_no_broken(counts: dict[str, int]) -> None:
    """Refuse tables that have rows which break their rules, and take the counts of the rules away.

    Args:
        counts: What the expressions of `count_broken` have counted, among other counts.

    Raises:
        ContractError: If one is not 0.
    """
    rules = {f"{table}__{rule.name}": (table, rule) for table, of_table in TABLE_RULES.items() for rule in of_table}
    broken = []
    for name in [name for name in counts if name in rules]:
        table, rule = rules[name]
        if rows := counts.pop(name):
            broken.append(f"{table}: {rows:,} rows break that {rule.says}")
    if broken:
        msg = f"{' '.join(broken)} Run the pipeline that makes the table anew, or mend the node that does."
        raise ContractError(msg)


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
        CensusError: If columns are missing; the message says which vintage the file is of, if it is of another one.
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
    raise CensusError(msg)


def check_rows(census: IntoFrame, vintage: Vintage, *, to_train: bool) -> None:
    """Check that a census has rows, and that a model can learn from them if it is to.

    Args:
        census: The raw census, all of its columns as text.
        vintage: Whose file it is.
        to_train: Whether a model is to be trained.

    Raises:
        CensusError: If there are no rows, or a model is to be trained and all premises of known status are of one
            class.
    """
    column = vintage.read_from["status"]
    status = nw.from_native(census).lazy().select(status=trim_text(column))
    first = status.head(FIRST_ROWS).collect()["status"].to_list()  # no engine reads the whole census for them
    if not first:
        msg = "census: there are column names and no rows. Get the census again."
        raise CensusError(msg)
    active, inactive = (
        next(text for text, of_2016 in vintage.statuses.items() if of_2016 == meant) for meant in (ACTIVE, INACTIVE)
    )
    if not to_train or {active, inactive} <= set(first):
        return
    counted = status.group_by("status").agg(rows=nw.len()).collect()
    rows = dict(zip(counted["status"].to_list(), counted["rows"].to_list(), strict=True))
    if rows.get(active) and rows.get(inactive):
        return
    msg = (
        f"census: a model needs premises of both classes, and of {sum(rows.values()):,} rows "
        f"{rows.get(active, 0):,} have {column} '{active}' and {rows.get(inactive, 0):,} have '{inactive}'. "
        "Use a census that has both."
    )
    raise CensusError(msg)


class TableContract:
    """Holds a table to its columns and types; the catalog names it as the validator of the tables in `TABLES`."""

    def __init__(self, table: str) -> None:
        """Take a table.

        Args:
            table: A key of `TABLES`.
        """
        self._table = table

    def validate(self, data: IntoFrame) -> IntoFrame:
        """Check a table as it is loaded or saved; no engine reads a row for it.

        Args:
            data: The table, on any engine.

        Returns:
            The same.

        Raises:
            ContractError: If a column is missing, is of another type, or is not known.
        """
        expected = {name: dtype() for name, dtype in TABLES[self._table].items()}
        found = dict(nw.from_native(data).collect_schema())
        problems = [
            f"{name} is {'missing' if name not in found else f'{found[name]}, and has to be {dtype}'}"
            for name, dtype in expected.items()
            if found.get(name) != dtype
        ]
        problems += [f"{name} is not known" for name in found if name not in expected]
        if problems:
            shown = "; ".join(problems[:COLUMNS_SHOWN])
            more = f"; and {len(problems) - COLUMNS_SHOWN} more" if len(problems) > COLUMNS_SHOWN else ""
            msg = f"{shown}{more}. Make the table again, or put what it should be into premises.census.contract."
            raise ContractError(msg)
        return data


def _list(columns: Sequence[str]) -> str:
    shown = ", ".join(shorten(column, NAME_SHOWN, placeholder=" …") for column in columns[:COLUMNS_SHOWN])
    return f"{shown} and {len(columns) - COLUMNS_SHOWN} more" if len(columns) > COLUMNS_SHOWN else shown
