"""Describe the place of each premises: the features, written once for every engine."""

from __future__ import annotations

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoFrameT

from premises.census.contract import FEATURES, FLAGS

from .parameters import DataEngineeringParameters

METRES_PER_MM = 0.001
"""Polars divides by a number by multiplying with its reciprocal, others do not: multiplied, it is the same on all."""


def build_features(premises: IntoFrameT, parameters: DataEngineeringParameters) -> IntoFrameT:
    """Describe the place of each premises; nothing here looks at what a premises does.

    Args:
        premises: One row per premises, as `premises.census.contract.PREMISES` has its columns.
        parameters: `grid_metres` is the side of a cell.

    Returns:
        `id`, `label` (whether it is active), `group` (its district's code), and the features as float32: flags are 0
        or 1, `x_metres` and `y_metres` are ETRS89 / UTM 31N, `premises_in_…` count the premises at the same place, this
        one included (0 where the place is not known), `axis_share_in_section` is the share of them on a commercial
        axis, and `metres_to_district_centre` is the distance to the mean position of the district's premises.
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
        **{name: nw.col(name).fill_null(0) for name in FEATURES if name.startswith("premises_in_")},
        "axis_share_in_section": nw.col("on_axis_in_section") / nw.col("premises_in_section"),
        "metres_to_district_centre": squared_mm.cast(nw.Float64).sqrt() * METRES_PER_MM,
    }
    return (
        frame.join(in_section, on="census_section", how="left")
        .join(in_street, on="street", how="left")
        .join(in_parcel, on="cadastral_reference", how="left")
        .join(in_cell, on=["cell_x", "cell_y"], how="left")
        .join(centres, on="district_id", how="left")
        .select(
            id=nw.col("premises_id"),
            label=nw.col("is_active"),
            group=nw.col("district_id"),
            **{name: value.cast(nw.Float32) for name, value in features.items()},
        )
        .to_native()
    )
