"""A census that no model can be made from is refused as it is loaded, with what is wrong and what to do."""

from collections.abc import Callable
from functools import partial

import pyarrow as pa
import pytest

from conftest import CENSUS_SCHEMA, Engine, census_rows
from premises.census.contract import FIRST_ROWS, check_census, check_rows
from premises.census.schema import CENSUS_2016_COLUMNS
from premises.errors import CensusError

ACTIVE = {"N_PRINCIP": "Actiu"}
INACTIVE = {"N_PRINCIP": "Sense activitat"}
UNKNOWN = {"N_PRINCIP": "Sense informació"}


def census(engine: Engine, *changes: dict[str, str | None]) -> object:
    return engine.frame(census_rows(*changes), CENSUS_SCHEMA)


def renamed(engine: Engine, names: dict[str, str]) -> object:
    """A good census but for the names of some columns; a column without a new name is left out."""
    rows = census_rows(ACTIVE, INACTIVE)
    return engine.frame({names.get(column, column): rows[column] for column in rows if names.get(column, column)})


def refusal(check: Callable[[object], None], frame: object) -> str:
    with pytest.raises(CensusError) as refused:
        check(frame)
    return str(refused.value)


@pytest.mark.parametrize(
    "changes",
    [
        (ACTIVE, INACTIVE),
        (ACTIVE, INACTIVE, UNKNOWN, {"N_PRINCIP": None}),
        ({"N_PRINCIP": " Actiu "}, {"N_PRINCIP": "Sense activitat  "}),
    ],
)
def test_a_census_with_both_classes_is_good(engine: Engine, changes: tuple[dict[str, str | None], ...]) -> None:
    check_census(census(engine, *changes))
    check_rows(census(engine, *changes), to_train=True)


def test_the_order_of_columns_and_more_of_them_are_no_fault(engine: Engine) -> None:
    rows = census_rows(ACTIVE, INACTIVE)
    check_census(engine.frame({"more": ["a", "b"], **dict(reversed(rows.items()))}))


@pytest.mark.parametrize("column", CENSUS_2016_COLUMNS)
def test_a_missing_column_is_named(engine: Engine, column: str) -> None:
    assert refusal(check_census, renamed(engine, {column: ""})) == (
        f"1 of 34 columns are missing: {column}. Not known: none. Use the file of 2016, as published."
    )


def test_many_missing_columns_are_named_in_their_order_with_what_is_there_instead(engine: Engine) -> None:
    names = {"ID_PRINCIP": "Codi_Principal_Activitat", "SEC_CENS": "", "N_PRINCIP": "Nom_Principal_Activitat"}
    message = refusal(check_census, renamed(engine, names))
    assert "3 of 34 columns are missing: ID_PRINCIP, N_PRINCIP, SEC_CENS." in message
    assert "Not known: Codi_Principal_Activitat, Nom_Principal_Activitat." in message


def test_a_column_in_another_case_is_missing(engine: Engine) -> None:
    assert "missing: SN_EIX. Not known: sn_eix." in refusal(check_census, renamed(engine, {"SN_EIX": "sn_eix"}))


def test_a_file_of_another_kind_misses_every_column(engine: Engine) -> None:
    assert f"34 of 34 columns are missing: {', '.join(CENSUS_2016_COLUMNS)}." in refusal(
        check_census, engine.frame({"a": ["1"]}, {"a": pa.string()})
    )


def test_column_names_without_rows_are_refused(engine: Engine) -> None:
    check_census(census(engine))
    for to_train in (True, False):
        message = refusal(partial(check_rows, to_train=to_train), census(engine))
        assert message == "census: there are column names and no rows. Get the census again."


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ((ACTIVE, ACTIVE, UNKNOWN), "of 3 rows 2 have N_PRINCIP 'Actiu' and 0 have 'Sense activitat'"),
        ((INACTIVE, UNKNOWN), "of 2 rows 0 have N_PRINCIP 'Actiu' and 1 have 'Sense activitat'"),
        (({"N_PRINCIP": None}, {"N_PRINCIP": "1"}), "of 2 rows 0 have N_PRINCIP 'Actiu' and 0 have"),
        ((ACTIVE, {"N_PRINCIP": "sense activitat"}), "of 2 rows 1 have N_PRINCIP 'Actiu' and 0 have"),
    ],
)
def test_one_class_only_is_refused_with_the_counts(
    engine: Engine, changes: tuple[dict[str, str | None], ...], counts: str
) -> None:
    assert counts in refusal(partial(check_rows, to_train=True), census(engine, *changes))


@pytest.mark.parametrize("changes", [(ACTIVE,), (INACTIVE, UNKNOWN), (UNKNOWN,)])
def test_premises_of_one_class_are_still_a_census(engine: Engine, changes: tuple[dict[str, str | None], ...]) -> None:
    check_census(census(engine, *changes))
    check_rows(census(engine, *changes), to_train=False)


def test_a_class_that_comes_late_is_found(engine: Engine) -> None:
    check_rows(census(engine, *[ACTIVE] * (FIRST_ROWS + 1), INACTIVE), to_train=True)


def test_a_status_is_read_as_the_cleaning_reads_it(engine: Engine) -> None:
    rows = census(engine, {"N_PRINCIP": "\tActiu\r"}, {"N_PRINCIP": "Sense  activitat"})
    check_rows(rows, to_train=True)
