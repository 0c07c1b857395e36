"""Measure how far the features of a table are from those that a model was released on, on any engine."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoFrame

from kedro_handover.contract import KEYS
from kedro_handover.errors import DriftError
from kedro_handover.formatting import format_share

BINS = 10
CELLS = 1_000
"""The range of a feature is cut into so many cells to find its deciles, whatever the number of rows."""

MISSING = "missing"
NONE = -(2**52)
"""Stands for a missing value while values are counted: DuckDB leaves nulls out when columns become rows."""


def list_features(features: IntoFrame) -> list[str]:
    """List the columns of a features table that are features.

    Args:
        features: `id`, `label`, `group` if there is one, and the features.

    Returns:
        Their names, in the order of the table.
    """
    return [name for name in nw.from_native(features).collect_schema().names() if name not in KEYS]


def profile_features(rows: IntoFrame, features: Sequence[str], categories: Sequence[str]) -> dict[str, Any]:
    """Count the rows by the deciles of each feature, or by its values where it is a category.

    Args:
        rows: The features of all rows.
        features: The columns to profile.
        categories: Those of them whose values are codes.

    Returns:
        `rows`, and for each of `features` its `ends` (the lowest value, the upper ends of the bins, the highest; null
        for a category) and its `counts` by bin or value; `missing` counts the nulls. JSON can hold it.

    Raises:
        DriftError: If a category is not a feature.
    """
    if unknown := sorted(set(categories) - set(features)):
        msg = f"spark_production.drift.categories: there is no feature {', '.join(unknown)}. There are: {features}."
        raise DriftError(msg)
    frame = nw.from_native(rows).lazy()
    ends: dict[str, list[float] | None] = dict.fromkeys(features)
    ends |= _find_ends(frame, [feature for feature in features if feature not in categories])
    counts = _count(frame, ends)
    return {
        "rows": sum(counts[features[0]].values()),
        "features": {feature: {"ends": ends[feature], "counts": counts[feature]} for feature in features},
    }


def measure_drift(
    rows: IntoFrame, profile: Mapping[str, Any], *, largest_psi: float, unseen_share: float, action: str
) -> dict[str, Any]:
    """Compare the features of a table with a profile.

    Args:
        rows: The features of all rows.
        profile: What `profile_features` gave.
        largest_psi: The highest population stability index that a feature may have.
        unseen_share: The highest share of rows that may have a category which the profile has not, or a measure
            beyond its range.
        action: What is done where a feature is over a limit: "warn" or "stop".

    Returns:
        `rows`, `reference_rows`, `action`; `features`, the one that has drifted most first: `feature`, `psi`,
        `unseen_share`, `missing_share`, and `bins`: for each its name and the share of rows in it in the profile
        (`reference`), now (`now`), and the difference (`moved`); and `failures`, a sentence for each limit that is
        exceeded.
    """
    frame = nw.from_native(rows).lazy()
    counts = _count(frame, {feature: one["ends"] for feature, one in profile["features"].items()})
    compared = [_compare(feature, one, counts[feature]) for feature, one in profile["features"].items()]
    failures = []
    for one in compared:
        if one["psi"] > largest_psi:
            failures.append(f"{one['feature']}: PSI is {one['psi']:.3f}, allowed at most {largest_psi:g}")
        if one["unseen_share"] > unseen_share:
            shares = f"{format_share(one['unseen_share'])} of rows, allowed at most {format_share(unseen_share)}"
            failures.append(f"{one['feature']}: values that the model has not seen in {shares}")
    return {
        "rows": sum(next(iter(counts.values())).values()),
        "reference_rows": profile["rows"],
        "largest_psi": largest_psi,
        "unseen_share": unseen_share,
        "action": action,
        "features": sorted(compared, key=lambda one: (-one["psi"], one["feature"])),
        "failures": failures,
    }


def _find_ends(frame: nw.LazyFrame[Any], features: Sequence[str]) -> dict[str, list[float] | None]:
    """Give the lowest value of each feature, the ends of cells that are nearest to its deciles, and the highest."""
    if not features:
        return {}
    ranges = {name: (low or 0.0, high or 0.0) for name, (low, high) in _find_ranges(frame, features).items()}
    steps = {name: (high - low) / CELLS for name, (low, high) in ranges.items()}
    starts = {name: (ranges[name][0], steps[name] or 1.0) for name in features}
    ends: dict[str, list[float] | None] = {}
    for name, by_cell in _count_steps(frame, starts).items():
        known = sorted((int(cell), rows) for cell, rows in by_cell.items() if cell != MISSING)
        low, high = ranges[name]
        total, passed, deciles = sum(rows for _, rows in known), 0, []
        for cell, rows in known:
            # Where a decile falls into a cell its end is one; where values are few, each is a bin.
            is_decile = passed * BINS // total < (passed + rows) * BINS // total or len(known) <= BINS
            if is_decile and passed + rows < total:  # the last cell ends nothing
                deciles.append(low + (cell + 1) * steps[name])
            passed += rows
        ends[name] = [low, *deciles, high]
    return ends


def _find_ranges(frame: nw.LazyFrame[Any], features: Sequence[str]) -> dict[str, tuple[float | None, float | None]]:
    """Find the lowest and the highest value of each feature."""
    if frame.implementation.is_pyspark():
        from kedro_handover.spark.distribution import find_ranges

        return find_ranges(frame.to_native(), features)
    doubles = frame.select(**{feature: nw.col(feature).cast(nw.Float64) for feature in features})
    lows = [nw.col(name).min() for name in features]
    highs = [nw.col(name).max().name.suffix("_high") for name in features]
    (found,) = doubles.select(*lows, *highs).collect().rows(named=True)
    return {name: (found[name], found[f"{name}_high"]) for name in features}


def _count_steps(frame: nw.LazyFrame[Any], starts: Mapping[str, tuple[float, float]]) -> dict[str, dict[str, int]]:
    """Count the rows of each feature by how many steps they are above a start."""
    if frame.implementation.is_pyspark():
        from kedro_handover.spark.distribution import count_steps

        return _gather(count_steps(frame.to_native(), starts))
    cells = {
        name: ((nw.col(name).cast(nw.Float64) - start) / step).floor().cast(nw.Int64)
        for name, (start, step) in starts.items()
    }
    return _count_values(frame.select(**cells))


def _count(frame: nw.LazyFrame[Any], ends: Mapping[str, Sequence[float] | None]) -> dict[str, dict[str, int]]:
    """Count the rows in each bin of each feature, in one query.

    A measure's bins are numbered from 1; what is below the lowest value is in 0, and what is above the highest in the
    one after the last.
    """
    if frame.implementation.is_pyspark():
        from kedro_handover.spark.distribution import count_bins

        return _gather(count_bins(frame.to_native(), ends))
    bins = {}
    for feature, of_feature in ends.items():
        value = nw.col(feature).cast(nw.Float64)
        if of_feature is None:
            bins[feature] = value.cast(nw.Int64)
        else:  # from nothing, so that a missing value is in no bin
            low, *uppers = of_feature
            above = [(value >= low).cast(nw.Int64), *((value > upper).cast(nw.Int64) for upper in uppers)]
            bins[feature] = sum(above, (value - value).cast(nw.Int64))
    return _count_values(frame.select(**bins))


def _count_values(integers: nw.LazyFrame[Any]) -> dict[str, dict[str, int]]:
    counted = (
        integers.with_columns(nw.all().fill_null(NONE))
        .unpivot(variable_name="feature", value_name="value")
        .group_by("feature", "value")
        .agg(rows=nw.len())
    )
    rows = counted.collect().rows()
    return _gather((feature, None if value == NONE else int(value), int(of_value)) for feature, value, of_value in rows)


def _gather(counted: Iterable[tuple[str, int | None, int]]) -> dict[str, dict[str, int]]:
    """Put counts by feature, each in the order of its values, what is missing last."""
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for feature, value, rows in sorted(counted, key=lambda row: (row[1] is None, row[1] or 0)):
        counts[feature][MISSING if value is None else str(value)] = rows
    return counts


def _compare(feature: str, profile: Mapping[str, Any], now: Mapping[str, int]) -> dict[str, Any]:
    reference, ends = profile["counts"], profile["ends"]
    before, total = sum(reference.values()), sum(now.values())
    names = sorted({*reference, *now} - {MISSING}, key=int) + [MISSING] * (MISSING in reference or MISSING in now)
    psi, unseen, bins = 0.0, 0, []
    for name in names:
        there, here = reference.get(name, 0), now.get(name, 0)
        expected, actual = max(there, 0.5) / before, max(here, 0.5) / total  # an empty share counts as half a row
        psi += (actual - expected) * math.log(actual / expected)
        if name != MISSING and (name not in reference if ends is None else name in {"0", str(len(ends))}):
            unseen += here
        then_now = {"reference": there / before, "now": here / total, "moved": abs(here / total - there / before)}
        bins.append({"name": _name(name, ends), **then_now})
    missing = now.get(MISSING, 0) / total
    return {"feature": feature, "psi": psi, "unseen_share": unseen / total, "missing_share": missing, "bins": bins}


def _name(name: str, ends: Sequence[float] | None) -> str:
    if ends is None or name == MISSING:
        return name
    place = int(name)
    if place == 0:
        return f"below {_write(ends[0])}"
    if place == len(ends):
        return f"above {_write(ends[-1])}"
    return f"{_write(ends[place - 1])} to {_write(ends[place])}"


def _write(number: float) -> str:
    return f"{number:,.3f}".rstrip("0").rstrip(".")
