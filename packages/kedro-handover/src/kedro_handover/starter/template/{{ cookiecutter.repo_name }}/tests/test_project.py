"""The whole project: research and production on the same rows, and what has to hold of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kedro_handover.testing import Engine, ProjectRun, read_lines, run_project

from {{ cookiecutter.python_package }}.contract import rules
from {{ cookiecutter.python_package }}.pipelines.data_engineering import nodes
from {{ cookiecutter.python_package }}.schema import SCHEMA

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> ProjectRun:
    return run_project(PROJECT, "base", tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def prod(tmp_path_factory: pytest.TempPathFactory) -> ProjectRun:
    return run_project(PROJECT, "prod", tmp_path_factory.mktemp("prod"))


def test_every_row_is_valid_or_rejected_with_its_reasons(base: ProjectRun) -> None:
    counts = base.json("08_reporting/rejections.json")
    assert counts["rows_in"] == counts["valid"] + counts["rejected"]
    assert [rule["name"] for rule in counts["rules"]] == [record["name"] for record in nodes.list_row_rules()]


@pytest.mark.parametrize("table", ["04_feature/features", "05_model_input/model_input", "07_model_output/research_predictions"])
def test_production_has_the_rows_of_research(base: ProjectRun, prod: ProjectRun, table: str) -> None:
    assert prod.rows(f"{table}.parquet") == base.rows(f"{table}.parquet")


def test_the_handed_over_model_differs_in_no_prediction(prod: ProjectRun) -> None:
    handed_over = prod.json("08_reporting/parity.json")["handed_over"]
    assert (handed_over["n_diff"], handed_over["n_missing"], handed_over["max_abs_diff"]) == (0, 0, 0)
    assert prod.json("06_models/release.json")["model"]["name"] == "handed_over"


def test_the_model_has_learnt_something(base: ProjectRun) -> None:
    assert base.json("08_reporting/research_metrics.json")["test"]["auc"] > 0.5  # noqa: PLR2004 - by chance


def test_every_engine_makes_the_same_features(engine: Engine) -> None:
    lines = read_lines(PROJECT, rows=200)
    raw_rows = engine.from_arrow(nodes.read_file(lines.to_reader()).read_all())
    checked = engine.stored(nodes.check_rows(raw_rows, engine.stored(nodes.find_repeated(raw_rows))))
    assert {rule.name for rule in rules()}
    found: list[dict[str, Any]] = engine.rows(nodes.build_features(checked))
    assert len(found) == len(lines)
    assert set(SCHEMA.features) < set(found[0])
    assert all(row[feature] is not None for row in found for feature in SCHEMA.features)
