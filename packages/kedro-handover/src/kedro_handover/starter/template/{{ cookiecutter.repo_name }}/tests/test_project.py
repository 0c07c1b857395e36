"""The whole project: research and production on the same rows, and what has to hold of both."""

from pathlib import Path

import pytest
from kedro_handover.testing import Engine, ProjectRun, read_raw

from {{ cookiecutter.python_package }}.pipelines.data_engineering import nodes
from {{ cookiecutter.python_package }}.schema import SCHEMA

TABLES = ("04_feature/features", "05_model_input/model_input", "07_model_output/research_predictions")


def test_every_row_is_valid_or_rejected_by_a_rule(base_run: ProjectRun) -> None:
    counts = base_run.json("08_reporting/rejections.json")
    assert counts["rows_in"] == counts["valid"] + counts["rejected"]
    assert [rule["name"] for rule in counts["rules"]] == [rule["name"] for rule in nodes.list_row_rules()]


@pytest.mark.parametrize("table", TABLES)
def test_production_has_the_rows_of_research(base_run: ProjectRun, prod_run: ProjectRun, table: str) -> None:
    assert prod_run.rows(f"{table}.parquet") == base_run.rows(f"{table}.parquet")


def test_a_model_that_is_handed_over_exactly_differs_in_no_prediction(prod_run: ProjectRun) -> None:
    parity, promise = (prod_run.json(path) for path in ("08_reporting/parity.json", "06_models/promise.json"))
    assert parity["handed_over"]["n_diff"] == 0 or promise["probability"] != "exact"  # of a linear model it is a bound


def test_every_engine_makes_a_number_of_every_feature(engine: Engine) -> None:
    raw_rows = engine.from_arrow(nodes.read_file(read_raw(Path(__file__).parents[1]))[0].read_all())
    checked = engine.stored(nodes.check_rows(raw_rows, engine.stored(nodes.find_repeated(raw_rows))))
    rows = engine.rows(nodes.build_features(checked))
    assert all(isinstance(row[feature], float) for row in rows for feature in SCHEMA.features)
