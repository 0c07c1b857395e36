"""The project as a user starts it: commands, runs, and what wrong inputs are answered with."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from filelock import FileLock
from kedro.config import OmegaConfigLoader
from kedro.io import DatasetError
from kedro.validation import DataValidationError, ParameterValidationError

from conftest import PROJECT, census_rows, kedro, kedro_here, open_session
from kedro_handover.errors import ConfigurationError, DataError
from kedro_handover.hooks.storage_lock import LOCK_FILE
from premises.census.schema import CREDIT, VINTAGES
from premises.settings import CONFIG_LOADER_ARGS
from storage import INTERMEDIATE, digest, digest_model, read

REPEATABLE = (
    "05_model_input/model_input.parquet",
    "06_models/research_search.json",
    "07_model_output/research_predictions.parquet",
    "08_reporting/research_metrics.json",
    "08_reporting/rejections.json",
    "08_reporting/row_counts.json",
    "08_reporting/research_report.html",
)
MODEL = ("06_models/research_model.skops", "06_models/research_model.skops.sha256")
RULES = "02_intermediate/rules.json"
"""They do not depend on the file."""

FIGURES = (
    "research_calibration",
    "research_confusion_matrix",
    "research_importances",
    "research_map",
    "research_precision_recall",
    "research_roc_curve",
    "research_tree_top",
)


def outputs(storage: Path) -> list[str]:
    """Files that a run has written, the raw census aside."""
    return sorted(
        str(path.relative_to(storage))
        for path in storage.rglob("*")
        if path.is_file() and path.parent.name != "01_raw" and path.name != LOCK_FILE
    )


def put_census(storage: Path, *rows: dict[str, str | None]) -> Path:
    file = storage / "01_raw" / VINTAGES[2016].file
    file.parent.mkdir(parents=True)
    pd.DataFrame(census_rows(*rows)).to_csv(file, index=False)
    return file


def test_a_plain_run_goes_from_the_census_to_a_tree_its_figures_and_its_report(run_storage: Path) -> None:
    assert outputs(run_storage) == sorted(
        [
            *(f"02_intermediate/{table}.parquet" for table in INTERMEDIATE),
            "04_feature/features.parquet",
            *REPEATABLE,
            *MODEL,
            "02_intermediate/label_counts.json",
            "02_intermediate/raw_source.json",
            RULES,
            *(f"08_reporting/{figure}.png" for figure in FIGURES),
        ]
    )


def test_the_tree_has_learnt_something_true(run_storage: Path) -> None:
    metrics = json.loads((run_storage / "08_reporting/research_metrics.json").read_text())
    assert 0.68 < metrics["test"]["auc"] < 0.80
    assert metrics["train"]["auc"] - metrics["test"]["auc"] < 0.1


def test_the_same_run_twice_gives_the_same_bytes(run_storage: Path, tmp_path: Path) -> None:
    shutil.copytree(run_storage / "01_raw", tmp_path / "01_raw")
    done = kedro("run", f"--params=storage={tmp_path}")
    assert done.returncode == 0, done.stderr
    digests = [
        {
            name: hashlib.sha256((storage / name).read_bytes()).hexdigest()
            for name in outputs(storage)
            if name not in MODEL
        }
        for storage in (run_storage, tmp_path)
    ]
    assert digests[0] == digests[1]
    assert digest_model(run_storage) == digest_model(tmp_path)  # the file has the time of day in it
    assert "research" in done.stdout
    assert "premises: synthetic, not real data." in " ".join(done.stdout.split())
    assert CREDIT in " ".join(done.stdout.split())
    assert "08_reporting/research_report.html" in done.stdout


def test_every_environment_names_what_a_plain_run_runs() -> None:
    environments = [path.name for path in (PROJECT / "conf").iterdir() if path.is_dir() and path.name != "local"]
    assert environments
    for env in environments:
        loader = OmegaConfigLoader(str(PROJECT / "conf"), env=env, **CONFIG_LOADER_ARGS)
        assert loader["run"]["pipelines"]


def test_every_dataset_has_the_layer_of_its_folder() -> None:
    loader = OmegaConfigLoader(str(PROJECT / "conf"), env="local", **CONFIG_LOADER_ARGS)
    catalog = loader["catalog"]  # each look reads the files anew
    layers = {name: entry["metadata"]["kedro-viz"]["layer"] for name, entry in catalog.items()}
    assert layers["census_file"] == "raw"
    assert layers["raw_rows"] == "intermediate"
    assert layers["model_input"] == "model_input"
    assert layers["research_predictions"] == "model_output"
    assert {name for name, layer in layers.items() if f"_{layer}/" not in catalog[name]["filepath"]} == {
        *("rejections", "row_counts"),  # later nodes take them
        *(
            "release@manifest",
            "release@model",
            "drift",
            "drift_report",
            "predictions",
            "predictions_summary",
        ),  # after all that a release rests on
    }


@pytest.mark.parametrize(
    "named",
    [
        {"node_names": ["split_and_balance"]},
        {"node_names": ["data_engineering.split_and_balance"]},
        {"from_nodes": ["split_and_balance"], "to_nodes": ["split_and_balance"]},
    ],
)
def test_a_node_is_named_with_or_without_its_pipeline(run_storage: Path, tmp_path: Path, named) -> None:
    shutil.copytree(run_storage / "04_feature", tmp_path / "04_feature")
    with open_session(tmp_path) as session:
        session.run(**named)
    made = "05_model_input/model_input.parquet"
    assert digest(read(tmp_path, made)) == digest(read(run_storage, made))


def test_what_is_kept_in_memory_alone_is_named_with_the_node_that_makes_it(run_storage: Path) -> None:
    with open_session(run_storage) as session, pytest.raises(ConfigurationError) as refused:
        session.run(node_names=["count_rows"])
    assert str(refused.value) == (
        "feature_rules is not in the catalog, so it is not kept between runs. "
        "Run data_engineering.list_feature_rules as well."
    )


def test_all_that_is_kept_in_memory_alone_is_named_at_once(run_storage: Path) -> None:
    with open_session(run_storage, env="prod") as session, pytest.raises(ConfigurationError) as refused:
        session.run(node_names=["publish_release"])
    names = ["choose_model", "digest_model_input", "profile_features", "record_provenance"]
    assert str(refused.value) == (
        "chosen_model, features_profile, model_input_digest, provenance are not in the catalog, so they are not kept "
        f"between runs. Run {', '.join(f'spark_production.{name}' for name in names)} as well."
    )


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"split": {"test_share": 0}}, "split.test_share"),
        ({"split": {"test_share": 0.005}}, "split.test_share"),
        ({"split": {"majority_per_minority": 0}}, "split.majority_per_minority"),
        ({"data_engineering": {"grid_meters": 100}}, "data_engineering.grid_meters: Extra inputs are not permitted"),
        ({"split": {"folds": "five"}}, "in parameters_data_engineering.yml or --params"),
        (
            {"sklearn_research": {"candidates": {"decision_tree": {"max_depth": [0]}}}},
            "sklearn_research.candidates.decision_tree.max_depth.0",
        ),
        ({"sklearn_research": {"threshold": 1}}, "in parameters_sklearn_research.yml or --params"),
        ({"data_enginering": {"grid_metres": 3}}, "no pipeline has a parameter 'data_enginering'. Did you mean"),
        ({"colour": "blue"}, "no pipeline has a parameter 'colour'"),
    ],
)
def test_a_wrong_parameter_is_refused_before_anything_runs(tmp_path: Path, params: dict, message: str) -> None:
    put_census(tmp_path, {}, {"N_PRINCIP": "Sense activitat"})
    with open_session(tmp_path, **params) as session, pytest.raises(ParameterValidationError) as caught:
        session.run()
    assert message in str(caught.value)
    assert outputs(tmp_path) == []


def test_a_misspelt_block_is_refused_with_the_file_it_stands_in(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "conf", tmp_path / "conf")
    (tmp_path / "conf/local").mkdir(exist_ok=True)
    file = tmp_path / "conf/local/parameters_mine.yml"
    file.write_text("sklearn_reserch: { seed: 1 }")
    put_census(tmp_path / "data", {}, {"N_PRINCIP": "Sense activitat"})
    with (
        open_session(tmp_path / "data", conf_source=str(tmp_path / "conf")) as session,
        pytest.raises(ParameterValidationError) as caught,
    ):
        session.run()
    expected = f"{file}: no pipeline has a parameter 'sklearn_reserch'. Did you mean 'sklearn_research'?"
    assert expected in str(caught.value)


def test_without_a_census_the_run_says_what_to_do(tmp_path: Path) -> None:
    with (
        open_session(tmp_path) as session,
        pytest.raises(DatasetError, match="kedro run --pipelines=synthetic_census") as caught,
    ):
        session.run()
    assert f"census_file: there is no {tmp_path}" in str(caught.value)
    assert outputs(tmp_path) == []


def test_an_empty_file_is_no_census(tmp_path: Path) -> None:
    put_census(tmp_path).write_bytes(b"")
    with open_session(tmp_path) as session, pytest.raises(DatasetError, match="is an empty file"):
        session.run()
    assert outputs(tmp_path) == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "column names at most, and no rows"),
        ([{}, {}], "2 have N_PRINCIP 'Actiu' and 0 have N_PRINCIP 'Sense activitat'"),
        ([{"N_PRINCIP": "Sense activitat"}], "0 have N_PRINCIP 'Actiu' and 1 have"),
    ],
)
def test_a_census_that_teaches_nothing_is_refused_before_any_output(
    tmp_path: Path, rows: list[dict[str, str | None]], message: str
) -> None:
    put_census(tmp_path, *rows)
    refused = (DatasetError, DataValidationError, DataError)
    with open_session(tmp_path) as session, pytest.raises(refused, match="cens") as caught:
        session.run()
    assert message in str(caught.value)
    assert set(outputs(tmp_path)) <= {
        "02_intermediate/raw_rows.parquet",  # what was read; nothing was made of it
        "02_intermediate/raw_source.json",
        RULES,
    }


def test_a_missing_column_is_named_on_the_command_line_in_one_sentence(tmp_path: Path) -> None:
    file = put_census(tmp_path, {}, {"N_PRINCIP": "Sense activitat"})
    pd.read_csv(file, dtype=str).drop(columns=["SEC_CENS"]).to_csv(file, index=False)
    done = kedro("run", f"--params=storage={tmp_path}")
    assert done.returncode == 1
    assert "census: 1 of 34 columns are missing: SEC_CENS." in " ".join((done.stdout + done.stderr).split())
    assert "Traceback" not in done.stdout + done.stderr
    assert set(outputs(tmp_path)) <= {RULES}


def test_on_the_command_line_a_wrong_parameter_is_one_sentence_too(tmp_path: Path) -> None:
    done = kedro_here("run", f"--params=storage={tmp_path},split.test_share=2")
    assert done.returncode == 1
    assert "split.test_share: Input should be less than or equal to 0.99" in " ".join(
        (done.stdout + done.stderr).split()
    )
    assert "Traceback" not in done.stdout + done.stderr


def test_a_census_too_small_to_split_is_refused_by_the_research(tmp_path: Path) -> None:
    put_census(tmp_path, {}, {"N_PRINCIP": "Sense activitat"})
    with open_session(tmp_path) as session, pytest.raises(Exception, match="Both classes must be there"):
        session.run()


def test_an_input_that_a_pipeline_makes_is_named_with_that_pipeline(tmp_path: Path) -> None:
    with open_session(tmp_path) as session, pytest.raises(DatasetError, match="kedro run --pipelines=data_engineering"):
        session.run(pipeline_names=["sklearn_research"])


def test_two_runs_do_not_write_to_one_storage_at_once(tmp_path: Path) -> None:
    put_census(tmp_path, {}, {"N_PRINCIP": "Sense activitat"})
    with (
        open_session(tmp_path) as session,
        FileLock(tmp_path / LOCK_FILE),
        pytest.raises(ConfigurationError, match="another run writes there"),
    ):
        session.run()
    assert outputs(tmp_path) == []
    with open_session(tmp_path) as session:  # nothing is left of the lock
        session.run(pipeline_names=["data_engineering"], to_nodes=["data_engineering.count_rejected"])


def test_a_storage_that_engines_would_take_for_several_is_refused(tmp_path: Path) -> None:
    with open_session(tmp_path / "run[1]") as session, pytest.raises(ConfigurationError, match=r"run\[1\] has a \["):
        session.run()


def test_duckdb_is_not_run_on_threads(tmp_path: Path) -> None:
    for options in (["--async"], ["--runner=ThreadRunner"]):
        done = kedro_here("run", "--env=duckdb", *options, f"--params=storage={tmp_path}")
        assert "Error: On DuckDB nodes run one after the other" in done.stderr
        assert done.returncode == 1


def test_what_has_not_run_again_takes_no_time(run_storage: Path) -> None:
    done = kedro_here("run", "--only-missing-outputs", f"--params=storage={run_storage}")
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_makes_an_input_is_named_with_the_environment(tmp_path: Path) -> None:
    hint = "kedro run --env=polars --pipelines=data_engineering` to make it"
    with open_session(tmp_path, env="polars") as session, pytest.raises(DatasetError, match=hint):
        session.run(pipeline_names=["sklearn_research"])


@pytest.mark.parametrize(
    ("census", "hint"),
    [({}, "Run `python -m premises.census.download`"), ({"vintage": 2019}, "Put it there, or run `kedro run")],
)
def test_only_the_census_of_2016_is_said_to_be_downloaded(tmp_path: Path, census: dict[str, int], hint: str) -> None:
    with open_session(tmp_path, census=census) as session, pytest.raises(DatasetError) as caught:
        session.run()
    assert hint in str(caught.value)
    assert "--pipelines=synthetic_census` with the same --params" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--pipelines=data_enginering"], "There is no pipeline 'data_enginering'. Did you mean 'data_engineering'?"),
        (["--pipelines=zzz"], "There is no pipeline 'zzz'. There are: __default__, data_engineering, research_scoring"),
        (["--nodes=check_premisses"], "there is no node 'check_premisses'. Did you mean 'data_engineering.check_prem"),
        (["--nodes=train_mllib"], "It is one of --pipelines=spark_production."),
        (["--tags=zzz"], "Nothing is to run: no node has all that the options of the run ask for."),
        (["--pipelines=spark_production"], "is Spark's, and this environment has no spark.yml. Try --env=prod."),
        (["--env=zzz"], "conf/zzz"),
    ],
)
def test_a_name_that_is_not_there_is_answered_in_one_sentence(
    tmp_path: Path, options: list[str], sentence: str
) -> None:
    done = kedro_here("run", *options, f"--params=storage={tmp_path}")
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode
    assert sentence in said
    assert "Traceback" not in said
    assert outputs(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "no file sets them. Put them into a file of conf/base, such as parameters_data_engineering.yml."),
        ("data_engineering: [", "Invalid YAML or JSON file"),
    ],
)
def test_a_file_of_parameters_that_is_gone_or_broken_is_named(tmp_path: Path, text: str | None, sentence: str) -> None:
    put_census(tmp_path, {})
    conf = tmp_path / "conf"
    shutil.copytree(PROJECT / "conf", conf)
    file = conf / "base/parameters_data_engineering.yml"
    file.unlink()
    if text:
        file.write_text(text)
    done = kedro_here("run", f"--conf-source={conf}", f"--params=storage={tmp_path}")
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1
    assert sentence in said
    assert "Traceback" not in said


def test_the_command_line_loads_no_heavy_library_to_list_pipelines() -> None:
    code = (
        "import sys; from pathlib import Path; from kedro.framework.startup import bootstrap_project;"
        "bootstrap_project(Path.cwd()); from kedro.framework.project import pipelines; list(pipelines);"
        "print(sorted({'numpy', 'pandas', 'pyarrow', 'sklearn', 'matplotlib', 'pyspark', 'polars'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("registry", "list"), "sklearn_research"),
        (("catalog", "describe-datasets"), "research_model"),
        (("registry", "describe", "data_engineering"), "check_premises"),
    ],
)
def test_kedros_commands_work_from_a_clone(arguments: tuple[str, ...], expected: str) -> None:
    done = kedro(*arguments)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout


def test_the_wheel_holds_the_published_figures(tmp_path: Path) -> None:
    source = tmp_path / "project"
    shutil.copytree(PROJECT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(PROJECT / name, source)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    listing = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", str(wheel)], check=True, capture_output=True, text=True
    ).stdout
    assert "premises/census/published_2016.json" in listing
