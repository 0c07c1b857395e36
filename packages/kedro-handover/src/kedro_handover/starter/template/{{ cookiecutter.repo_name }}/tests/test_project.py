"""The whole project: research and production on the same rows, and what has to hold of both."""

from __future__ import annotations

from pathlib import Path

import pytest
from kedro_handover.testing import Engine, ProjectRun, read_raw, run_project

from {{ cookiecutter.python_package }}.pipelines.data_engineering import nodes
from {{ cookiecutter.python_package }}.schema import SCHEMA

PROJECT = Path(__file__).parents[1]
TABLES = ("04_feature/features", "05_model_input/model_input", "07_model_output/research_predictions")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ProjectRun:
    return run_project(PROJECT, "base", tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> ProjectRun:
    return run_project(PROJECT, "prod", tmp_path_factory.mktemp("prod"))


def test_every_row_is_valid_or_rejected_by_a_rule(base: ProjectRun) -> None:
    counts = base.json("08_reporting/rejections.json")
    assert counts["rows_in"] == counts["valid"] + counts["rejected"]
    assert [rule["name"] for rule in counts["rules"]] == [rule["name"] for rule in nodes.list_row_rules()]


@pytest.mark.parametrize("table", TABLES)
def test_production_has_the_rows_of_research(base: ProjectRun, prod: ProjectRun, table: str) -> None:
    assert prod.rows(f"{table}.parquet") == base.rows(f"{table}.parquet")


def test_the_handed_over_model_differs_in_no_prediction(prod: ProjectRun) -> None:
    parity = prod.json("08_reporting/parity.json")["handed_over"]
    assert (parity["n_diff"], parity["n_missing"], parity["max_abs_diff"]) == (0, 0, 0)


def test_every_engine_makes_a_number_of_every_feature(engine: Engine) -> None:
    raw_rows = engine.from_arrow(nodes.read_file(read_raw(PROJECT)).read_all())
    checked = engine.stored(nodes.check_rows(raw_rows, engine.stored(nodes.find_repeated(raw_rows))))
    rows = engine.rows(nodes.build_features(checked))
    assert all(isinstance(row[feature], float) for row in rows for feature in SCHEMA.features)
