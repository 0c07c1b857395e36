"""What a raw census has to be before anything is made from it."""

from __future__ import annotations

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoFrame

from premises.census.schema import ACTIVE, CENSUS_2016_COLUMNS, INACTIVE
from premises.census.text import trim_text
from premises.errors import CensusError

FIRST_ROWS = 1_000
"""They nearly always show both classes."""


def check_census(census: IntoFrame) -> None:
    """Check the columns of a census as it is loaded; the catalog names this function as the dataset's validator.

    Args:
        census: The raw census, all of its columns as text.

    Raises:
        CensusError: If columns are missing.
    """
    columns = nw.from_native(census).lazy().collect_schema().names()
    if missing := [column for column in CENSUS_2016_COLUMNS if column not in columns]:
        found = [column for column in columns if column not in CENSUS_2016_COLUMNS]
        msg = (
            f"{len(missing)} of {len(CENSUS_2016_COLUMNS)} columns are missing: {', '.join(missing)}. "
            f"Not known: {', '.join(found) or 'none'}. Use the file of 2016, as published."
        )
        raise CensusError(msg)


def check_rows(census: IntoFrame, *, to_train: bool) -> None:
    """Check that a census has rows, and that a model can learn from them if it is to.

    Args:
        census: The raw census, all of its columns as text.
        to_train: Whether a model is to be trained.

    Raises:
        CensusError: If there are no rows, or a model is to be trained and all premises of known status are of one
            class.
    """
    status = nw.from_native(census).lazy().select(status=trim_text("N_PRINCIP"))
    first = status.head(FIRST_ROWS).collect()["status"].to_list()  # no engine reads the whole census for them
    if not first:
        msg = "census: there are column names and no rows. Get the census again."
        raise CensusError(msg)
    if not to_train or {ACTIVE, INACTIVE} <= set(first):
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
