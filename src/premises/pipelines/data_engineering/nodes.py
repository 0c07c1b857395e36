"""The nodes of data_engineering: native frames in and out, written once for every engine.

What keeps the engines at one result: integers are aggregated, never floats; nothing depends on the order of rows; text
that may not parse is checked by a pattern and cast after; each node ends in a `select` that states columns and types.
"""

from __future__ import annotations

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoFrame, IntoFrameT

from premises.census.published import published_2016
from premises.census.schema import ACTIVE, INACTIVE, SAMPLE_NAME_PREFIX
from premises.census.text import WHITE_SPACE, trim_text
from premises.draws import DRAWS, add_draws, modulo
from premises.evaluation.predictions import TEST, TRAIN

from .parameters import DataEngineeringParameters

# Groups are not captured: `(?:…)` is what all engines' regular expressions know.
INTEGER = r"^-?[0-9]{1,18}$"
WHOLE_DECIMAL = r"^-?[0-9]{1,18}(?:\.0*)?$"
DECIMAL = r"^-?[0-9]{1,12}(?:\.[0-9]{1,15})?$"
DATE = (
    r"^(?:(?:19|20)[0-9]{2}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    r"|(?:(?:19|20)(?:0[48]|[2468][048]|[13579][26])|2000)-02-29)$"
)
"""A day of the calendar, leap years included: engines differ in what they do with any other text."""


# The columns of `premises` and those of the census that they are read from.
TEXT = {
    "status": "N_PRINCIP",
    "sector": "N_SECTOR",
    "activity_group": "N_GRUPACT",
    "activity": "N_ACT",
    "name": "N_LOCAL",
    "market": "N_MERCAT",
    "gallery": "N_GALERIA",
    "mall_id": "ID_CCOMERC",
    "mall": "N_CCOMERC",
    "street": "N_CARRER",
    "cadastral_reference": "REF_CAD",
    "barri": "Nom_Barri",
    "district": "N_DISTRI",
    "commercial_axis": "N_EIX",
}
FLAGS = {  # 1 is yes and 0 is no in 2016
    "is_on_street": "SN_CARRER",
    "is_in_market": "SN_MERCAT",
    "is_in_gallery": "SN_GALERIA",
    "is_in_mall": "SN_CCOMERC",
    "is_on_axis": "SN_EIX",
}
READ_BY_PATTERN = {
    "premises_id": ("ID_BCN", INTEGER),
    "activity_id": ("ID_ACT", INTEGER),
    "market_id": ("ID_MERCAT", INTEGER),
    "street_number": ("NUM_POLICI", WHOLE_DECIMAL),
    "surveyed_on": ("DATA", DATE),
    "barri_id": ("Codi_Barri", INTEGER),
    "district_id": ("Codi_Districte", INTEGER),
    "census_section": ("SEC_CENS", INTEGER),
    "x_mm": ("X_UTM_ETRS", DECIMAL),
    "y_mm": ("Y_UTM_ETRS", DECIMAL),
    "latitude": ("LATITUD", DECIMAL),
    "longitude": ("LONGITUD", DECIMAL),
}


def clean_premises(census: IntoFrameT) -> IntoFrameT:
    """Type, trim and name the census.

    Blank cells become null, and so does what can't be read as the type of its column. Runs of spaces become one. The
    names of districts and barris are the official ones, by their codes: the census writes some with another case, or
    with two spaces where the official name has a dash.

    Args:
        census: The census of 2016 as published: 34 columns of text.

    Returns:
        One row per premises: `premises_id`, `is_active` (null where the status is unknown), then the columns of the
        census in its order. `x_mm`, `y_mm` are ETRS89 / UTM 31N in millimetres; `latitude`, `longitude` are degrees.
        The status, sector, group, activity and name give the label away: they are for people, never features.
    """
    published = published_2016()
    barris = {barri.id: barri.name for barri in published.barris}
    districts = {district.id: district.name for district in published.districts}
    # Each step names what the next one uses: pandas works out an expression anew wherever it stands.
    trimmed = nw.from_native(census).select(
        **{name: trim_text(column) for name, column in TEXT.items()},
        **{name: nw.col(column).str.strip_chars(WHITE_SPACE) for name, (column, _) in READ_BY_PATTERN.items()},
        **{name: nw.col(column).str.strip_chars(WHITE_SPACE) for name, column in FLAGS.items()},
    )
    readable = trimmed.with_columns(
        **{name: nw.when(nw.col(name) != "").then(nw.col(name)) for name in TEXT},
        **{
            name: nw.when(nw.col(name).str.contains(pattern)).then(nw.col(name))
            for name, (_, pattern) in READ_BY_PATTERN.items()
        },
    )
    typed = readable.with_columns(
        **{name: _either(name, true="1", false="0") for name in FLAGS},
        **{name: nw.col(name).cast(nw.Int64) for name in _read_by(INTEGER)},
        **{name: nw.col(name).cast(nw.Float64) for name in _read_by(DECIMAL)},
        # A reader that took the column for numbers has written 5 as 5.0.
        street_number=nw.col("street_number").str.replace_all(r"\.0*$", "").cast(nw.Int64),
        surveyed_on=nw.col("surveyed_on").str.to_date("%Y-%m-%d"),
        is_active=_either("status", true=ACTIVE, false=INACTIVE),
    )
    return (
        typed.with_columns(
            barri=_official("barri_id", barris, otherwise="barri"),
            district=_official("district_id", districts, otherwise="district"),
            x_mm=(nw.col("x_mm") * 1000 + 0.5).floor().cast(nw.Int64),
            y_mm=(nw.col("y_mm") * 1000 + 0.5).floor().cast(nw.Int64),
        )
        .select(
            "premises_id",
            "is_active",
            "status",
            "sector",
            "activity_group",
            "activity_id",
            "activity",
            "name",
            "is_on_street",
            "is_in_market",
            "market_id",
            "market",
            "is_in_gallery",
            "gallery",
            "is_in_mall",
            "mall_id",
            "mall",
            "street",
            "street_number",
            "cadastral_reference",
            "surveyed_on",
            "barri_id",
            "barri",
            "district_id",
            "district",
            "commercial_axis",
            "is_on_axis",
            "census_section",
            "x_mm",
            "y_mm",
            "latitude",
            "longitude",
        )
        .to_native()
    )


def build_premises_features(premises: IntoFrameT, parameters: DataEngineeringParameters) -> IntoFrameT:
    """Describe the place of each premises; nothing here looks at what a premises does.

    Args:
        premises: One row per premises, as `clean_premises` gives them.
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
        **{
            flag: nw.col(flag) for flag in ("is_on_street", "is_in_market", "is_in_gallery", "is_in_mall", "is_on_axis")
        },
        "district_id": nw.col("district_id"),
        "barri_id": nw.col("barri_id"),
        "x_metres": nw.col("x_mm") / 1000,
        "y_metres": nw.col("y_mm") / 1000,
        "premises_in_section": nw.col("premises_in_section").fill_null(0),
        "premises_in_street": nw.col("premises_in_street").fill_null(0),
        "premises_in_parcel": nw.col("premises_in_parcel").fill_null(0),
        "premises_in_cell": nw.col("premises_in_cell").fill_null(0),
        "axis_share_in_section": nw.col("on_axis_in_section") / nw.col("premises_in_section"),
        "metres_to_district_centre": squared_mm.cast(nw.Float64).sqrt() / 1000,
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
        thinning=nw.col("thinning_draw").cast(nw.Float64) / DRAWS,
    )
    in_train = known.filter(nw.col("split") == TRAIN).select(
        active=_count(nw.col("is_active")), inactive=_count(~nw.col("is_active"))
    )
    active_share = parameters.majority_per_minority * nw.col("inactive") / nw.col("active")
    inactive_share = parameters.majority_per_minority * nw.col("active") / nw.col("inactive")
    is_kept = (
        (nw.col("split") == TEST)
        | (nw.col("is_active") & (nw.col("thinning") < active_share))
        | (~nw.col("is_active") & (nw.col("thinning") < inactive_share))
    )
    return (
        known.join(in_train, how="cross")
        .filter(is_kept)
        .select("premises_id", "split", nw.col("fold").cast(nw.Int64), "is_active", *features)
        .to_native()
    )


def count_rows(premises: IntoFrame, model_input: IntoFrame) -> dict[str, int]:
    """Count the rows on their way, for the reports.

    Args:
        premises: One row per row of the census.
        model_input: The rows that models are trained and tested on.

    Returns:
        Rows of `premises` (`premises`), those of them drawn as a sample (`drawn`), by status (`active`, `inactive`,
        `unknown`), and of `model_input` by split and label (`train_active`, …, `test_inactive`).
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
    of_model_input = nw.from_native(model_input).select(
        train_active=_count(~in_test & is_active),
        train_inactive=_count(~in_test & ~is_active),
        test_active=_count(in_test & is_active),
        test_inactive=_count(in_test & ~is_active),
    )
    (counts,) = of_premises.lazy().join(of_model_input.lazy(), how="cross").collect().rows(named=True)
    return {name: int(count) for name, count in counts.items()}


def _read_by(pattern: str) -> list[str]:
    return [name for name, (_, read_by) in READ_BY_PATTERN.items() if read_by == pattern]


def _either(column: str, *, true: str, false: str) -> nw.Expr:
    """Give True for one text, False for the other, null for anything else."""
    return nw.when(nw.col(column).is_in([true, false])).then(nw.col(column) == true)


def _official(code: str, names: dict[int, str], *, otherwise: str) -> nw.Expr:
    """Give the official name of a code, or what another column says where the code has none."""
    official = nw.col(code).replace_strict(names, default=None, return_dtype=nw.String)
    return nw.coalesce(official, nw.col(otherwise))


def _count(condition: nw.Expr) -> nw.Expr:
    return condition.cast(nw.Int64).sum()
