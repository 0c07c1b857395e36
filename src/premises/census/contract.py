"""What a raw census has to be before anything is made from it."""

from __future__ import annotations

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoFrame

from premises.census.schema import ACTIVE, CENSUS_2016_COLUMNS, INACTIVE
from premises.census.text import trim_text
from premises.errors import CensusError

FIRST_ROWS = 1_000


def check_census(census: IntoFrame) -> None:
    """Check a census as it is loaded; the catalog names this function as the dataset's validator.

    Args:
        census: The raw census, all of its columns as text.

    Raises:
        CensusError: If columns are missing or there are no rows.
    """
    frame = nw.from_native(census).lazy()
    columns = frame.collect_schema().names()
    if missing := [column for column in CENSUS_2016_COLUMNS if column not in columns]:
        found = [column for column in columns if column not in CENSUS_2016_COLUMNS]
        msg = (
            f"{len(missing)} of {len(CENSUS_2016_COLUMNS)} columns are missing: {', '.join(missing)}. "
            f"Not known: {', '.join(found) or 'none'}. Use the file of 2016, as published."
        )
        raise CensusError(msg)
    if frame.select("ID_BCN").head(1).collect().is_empty():
        msg = "There are column names and no rows. Get the census again."
        raise CensusError(msg)


def check_classes(census: IntoFrame) -> None:
    """Check that a model can learn from a census.

    Args:
        census: The raw census, all of its columns as text.

    Raises:
        CensusError: If all premises of known status are of one class.
    """
    status = nw.from_native(census).lazy().select(status=trim_text("N_PRINCIP"))
    # The first rows nearly always show both, and no engine reads the whole census for them.
    if {ACTIVE, INACTIVE} <= set(status.head(FIRST_ROWS).collect()["status"].to_list()):
        return
    counted = status.group_by("status").agg(rows=nw.len()).collect()
    rows = dict(zip(counted["status"].to_list(), counted["rows"].to_list(), strict=True))
    if rows.get(ACTIVE) and rows.get(INACTIVE):
        return
    msg = (
        f"census: a model needs premises of both classes, and of {sum(rows.values()):,} rows "
        f"{rows.get(ACTIVE, 0):,} have N_PRINCIP '{ACTIVE}' and {rows.get(INACTIVE, 0):,} have '{INACTIVE}'. "
        "Use a census that has both."
    )
    raise CensusError(msg)
