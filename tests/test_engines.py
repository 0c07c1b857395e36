"""The environments of the engines on one machine: the rows of base, by one word more."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from conftest import CENSUS, clean, kedro, read_rows
from kedro_handover.nodes.split import SplitParameters, split_and_balance
from kedro_handover.testing import Engine
from premises.pipelines.data_engineering.features import build_features
from premises.pipelines.data_engineering.ingest import find_repeated_ids
from premises.pipelines.data_engineering.parameters import DataEngineeringParameters
from storage import SAME_FILES, SAME_TABLES, digest, digest_model, read, read_json

ENVIRONMENTS = ("polars", "duckdb", "dask")
PARAMETERS = DataEngineeringParameters(grid_metres=100)
SPLIT = SplitParameters(test_share=0.2, folds=5, majority_per_minority=1)


@pytest.fixture(
    scope="module",
    params=[pytest.param("polars", marks=pytest.mark.slow), "duckdb", pytest.param("dask", marks=pytest.mark.slow)],
    ids=ENVIRONMENTS,
)
def engine_storage(request: pytest.FixtureRequest, run_storage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage root after a plain run, and scoring, of an environment on the census of `run_storage`."""
    storage = tmp_path_factory.mktemp(request.param)
    shutil.copytree(run_storage / "01_raw", storage / "01_raw", copy_function=os.link)
    scoring = "--nodes=score_with_research,count_scores"
    for options in ((), ("--pipelines=research_scoring", scoring)):
        done = kedro("run", f"--env={request.param}", *options, f"--params=storage={storage}")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "leaked" not in done.stdout + done.stderr
    return storage


def test_its_tables_and_files_are_those_of_base(engine_storage: Path, run_storage: Path) -> None:
    assert {table: digest(read(engine_storage, table)) for table in SAME_TABLES} == {
        table: digest(read(run_storage, table)) for table in SAME_TABLES
    }
    assert digest_model(engine_storage) == digest_model(run_storage)
    for file in SAME_FILES:
        assert (engine_storage / file).read_bytes() == (run_storage / file).read_bytes(), file


def test_a_table_without_rows_has_its_types(engine_storage: Path, run_storage: Path) -> None:
    for storage in (engine_storage, run_storage):
        rejected = read(storage, "02_intermediate/rejected_rows.parquet")
        assert rejected.num_rows == 0
        assert {str(type_).removeprefix("large_") for type_ in rejected.schema.types} == {"string", "int64"}


def test_every_premises_is_scored_as_research_scored_it(engine_storage: Path) -> None:
    scores = read(engine_storage, "07_model_output/research_scores.parquet").to_pandas().set_index("id")
    researched = read(engine_storage, "07_model_output/research_predictions.parquet").to_pandas()
    found = scores.loc[researched["id"]]
    assert found["probability"].tolist() == researched["probability"].tolist()
    assert found["prediction"].tolist() == researched["prediction"].tolist()
    counts = read_json(engine_storage, "08_reporting/score_counts.json")
    rows = read_json(engine_storage, "08_reporting/row_counts.json")
    assert (counts["rows"], counts["unknown"]) == (len(scores), rows["unknown"])
    assert counts["predicted_positive"] == scores["prediction"].sum()


def test_no_node_computes_what_is_not_asked_for_yet(engine: Engine) -> None:
    census = engine.from_arrow(read_rows({}, {"N_PRINCIP": "Sense activitat"}))
    premises = clean(engine, read_rows({}, {"N_PRINCIP": "Sense activitat"}))
    features = build_features(premises, PARAMETERS)
    made = [
        find_repeated_ids(census, CENSUS),
        premises,
        features,
        split_and_balance(features, SPLIT),
    ]
    assert {type(frame) for frame in made} == {type(census)}  # a lazy frame stays one
