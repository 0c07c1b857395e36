"""The synthetic_census pipeline checks its parameters and writes a census that says what it is."""

import logging
import os
import subprocess
import sys

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from kedro.validation.type_extractor import TypeExtractor
from pydantic import ValidationError

from premises.census.origin import SYNTHETIC_NOTICE, is_synthetic_file
from premises.census.schema import VINTAGES
from premises.census.synthetic_census_dataset import SyntheticCensusDataset
from premises.pipelines.synthetic_census import create_pipeline
from premises.pipelines.synthetic_census.nodes import generate_census
from premises.pipelines.synthetic_census.parameters import SyntheticCensusParameters


def test_it_writes_a_synthetic_census_and_says_so_in_the_log(tmp_path, caplog):
    catalog = DataCatalog(
        {
            "params:synthetic_census": MemoryDataset(SyntheticCensusParameters(rows=50, seed=1)),
            "params:census.vintage": MemoryDataset(2016),
            "synthetic_census": SyntheticCensusDataset(filepath=str(tmp_path / "census.csv")),
        }
    )
    with caplog.at_level(logging.INFO):
        SequentialRunner().run(create_pipeline(), catalog)
    assert len((tmp_path / "census.csv").read_text(encoding="utf-8").splitlines()) == 51
    assert is_synthetic_file(tmp_path / "census.csv")
    assert f"Generating 50 synthetic premises. {SYNTHETIC_NOTICE}" in caplog.text


def test_it_writes_the_form_of_another_vintage():
    done = generate_census(SyntheticCensusParameters(rows=5, seed=1), 2022)
    assert tuple(done.schema.names) == VINTAGES[2022].columns
    assert done.read_all().num_rows == 5


def test_kedro_checks_the_parameters_by_their_hints():
    requirements = TypeExtractor({"synthetic_census": create_pipeline()}).extract_types_from_pipelines()
    assert requirements == {"synthetic_census": SyntheticCensusParameters}


@pytest.mark.parametrize(
    "parameters", [{"rows": 0, "seed": 1}, {"rows": 1, "seed": -1}, {"rows": 1, "seed": 1, "rowz": 2}, {"rows": 1}]
)
def test_a_wrong_parameter_is_refused(parameters):
    with pytest.raises(ValidationError):
        SyntheticCensusParameters(**parameters)


def test_the_pipeline_is_imported_without_the_libraries_that_generate():
    code = (
        "import sys, premises.pipelines.synthetic_census\n"
        "print(*sorted({'numpy', 'pandas', 'pyarrow'} & sys.modules.keys()))"
    )
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == ""
