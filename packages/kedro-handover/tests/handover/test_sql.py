"""As SQL every family gives its own labels, and its probabilities as near as an engine's `exp` lets them be."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sqlglot

from kedro_handover.errors import HandOverError
from kedro_handover.handover import sql
from kedro_handover.handover.numpy_evaluator import evaluate, read_inputs
from kedro_handover.handover.proof import ulps_apart
from kedro_handover.handover.sql import write_sql

ULPS = 4


def run(dialect, query, rows):
    if dialect == "duckdb":
        with duckdb.connect() as connection:
            connection.register("features", rows)
            return connection.execute(query).df()
    return pl.SQLContext({"features": pl.from_pandas(rows)}).execute(query, eager=True).to_pandas()


def assert_same(scored, description, rows):
    """Hold what an engine gives to the NumPy evaluator, which the proof holds to the library."""
    scored = scored.sort_values("id", ignore_index=True)
    expected = evaluate(description, read_inputs(description, rows))
    if description.task == "regression":
        found, wanted = scored[["prediction"]], expected.prediction[:, None].astype(np.float64)
    else:
        names = ["probability"] if description.task == "binary" else [c for c in scored if c.startswith("probability_")]
        found = scored[names]
        wanted = expected.probability[:, 1:] if description.task == "binary" else expected.probability
        labels = [None if pd.isna(label) else label for label in scored["prediction"].astype(object)]
        assert labels == expected.prediction.tolist()
    found = found.to_numpy(np.float64, na_value=np.nan)
    assert np.array_equal(np.isnan(found[:, 0]), expected.refused)
    taken = ~expected.refused
    apart = ulps_apart(np.abs(found[taken]), np.abs(wanted[taken]), description.link_type)
    assert apart.max(initial=0) <= (0 if description.link == "none" else ULPS)


@pytest.mark.parametrize("dialect", ["duckdb", "polars"])
def test_a_query_gives_what_the_library_gives(dialect, family):
    query = write_sql(family.description, dialect=dialect, table="features", keep=["id"])
    assert_same(run(dialect, query, family.difficult), family.description, family.difficult)


def test_a_query_keeps_the_columns_of_the_model_where_none_are_named(fit_family):
    fitted = fit_family("tree")
    query = write_sql(fitted.description, dialect="duckdb", table="features", keep=None)
    scored = run("duckdb", query, fitted.difficult)
    assert scored.columns.tolist() == [c.name for c in fitted.description.inputs] + ["probability", "prediction"]


def test_names_and_labels_are_quoted(fit_family):
    fitted = fit_family("tree_missing")
    inputs = tuple(replace(column, name=f'{column.name} "of" it') for column in fitted.description.inputs)
    description = replace(fitted.description, inputs=inputs, classes=("it's", "not"))
    rows = fitted.difficult.rename(columns={c: f'{c} "of" it' for c in fitted.rows})
    query = write_sql(description, dialect="duckdb", table="features", keep=["id"])
    assert_same(run("duckdb", query, rows), description, rows)


def test_a_threshold_is_in_the_query(fit_family):
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
