"""As SQL every family gives its own labels, and its probabilities as near as an engine's `exp` lets them be."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import polars as pl
import pytest
import sqlglot

from kedro_handover.errors import HandOverError
from kedro_handover.handover import sql
from kedro_handover.handover.sql import write_sql


def run(dialect, query, rows):
    if dialect == "duckdb":
        with duckdb.connect() as connection:
            connection.register("features", rows)
            return connection.execute(query).df()
    frame = rows if isinstance(rows, pl.DataFrame) else pl.from_pandas(rows)
    return pl.SQLContext({"features": frame}).execute(query, eager=True).to_pandas()


@pytest.mark.parametrize("dialect", ["duckdb", "polars"])
def test_a_query_gives_what_the_library_gives(dialect, family, assert_same):
    query = write_sql(family.description, dialect=dialect, table="features", keep=["id"])
    assert_same(run(dialect, query, family.difficult), family.description, family.difficult)


@pytest.mark.parametrize("dialect", ["duckdb", "polars"])
def test_nan_is_a_missing_value_to_a_query(dialect, fit_family, assert_same):
    """pandas' NaN becomes NULL on its way to an engine; what an engine has computed itself does not."""
    fitted = fit_family("tree_missing")
    rows = pl.from_pandas(fitted.difficult, nan_to_null=False)
    assert any(rows.select(pl.selectors.float().is_nan().any()).row(0))
    query = write_sql(fitted.description, dialect=dialect, table="features", keep=["id"])
    assert_same(run(dialect, query, rows), fitted.description, fitted.difficult)


def test_a_query_keeps_the_columns_of_the_model_where_none_are_named(fit_family):
    fitted = fit_family("tree")
    query = write_sql(fitted.description, dialect="duckdb", table="features", keep=None)
    scored = run("duckdb", query, fitted.difficult)
    assert scored.columns.tolist() == [c.name for c in fitted.description.inputs] + ["probability", "prediction"]


def test_names_and_labels_are_quoted(fit_family, assert_same):
    fitted = fit_family("tree_missing")
    inputs = tuple(replace(column, name=f'{column.name} "of" it') for column in fitted.description.inputs)
    description = replace(fitted.description, inputs=inputs, classes=("it's", "not"))
    rows = fitted.difficult.rename(columns={c: f'{c} "of" it' for c in fitted.rows})
    query = write_sql(description, dialect="duckdb", table="features", keep=["id"])
    assert_same(run("duckdb", query, rows), description, rows)


def test_a_threshold_is_in_the_query(fit_family, assert_same):
    fitted = fit_family("forest")
    description = replace(fitted.description, above=0.3)
    query = write_sql(description, dialect="duckdb", table="features", keep=["id"])
    assert_same(run("duckdb", query, fitted.difficult), description, fitted.difficult)


def test_a_large_model_is_refused(fit_family, monkeypatch):
    monkeypatch.setattr(sql, "MAX_NODES", 10)
    with pytest.raises(HandOverError, match=r"nodes; SQL is written for up to 10, .* Use transform"):
        write_sql(fit_family("tree").description, dialect="duckdb", table="features", keep=None)


@pytest.mark.parametrize("dialect", ["postgres", "snowflake", "bigquery", "tsql", "redshift"])
def test_other_dialects_are_written_and_parsed(dialect, fit_family):
    query = write_sql(fit_family("histogram_categories").description, dialect=dialect, table="features", keep=["id"])
    assert sqlglot.parse_one(query, read=dialect).named_selects == ["id", "probability", "prediction"]


def test_an_unknown_dialect_is_refused(fit_family):
    with pytest.raises(HandOverError, match="sqlglot can't write 'klingon'"):
        write_sql(fit_family("tree").description, dialect="klingon", table="features", keep=None)
