"""Production: a run on Spark gives the rows and the tree of research, and its release outlives a run that fails."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import subprocess
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kedro.config import OmegaConfigLoader
from kedro.io import DatasetError
from pyspark.sql import functions as F  # noqa: N812

from conftest import PROJECT, census_rows, kedro_here, open_session
from kedro_handover.datasets.release_dataset import ReleaseDataset
from kedro_handover.errors import DriftError, ParityError
from kedro_handover.models import digest_estimator
from kedro_handover.spark.h2o import PACKAGE, is_installed
from premises.census.schema import VINTAGES
from premises.settings import CONFIG_LOADER_ARGS
from storage import (
    INTERMEDIATE,
    LOOSE,
    SAME_FILES,
    SAME_TABLES,
    SMALL_CENSUS,
    TRAINED_AGAIN,
    digest,
    digest_model,
    read,
    read_json,
    read_model,
)
from toy_models import digest_again

pytestmark = pytest.mark.spark

ENVIRONMENTS = [path.name for path in (PROJECT / "conf").iterdir() if path.is_dir()]

JOBS, STAGES = 119, 126
"""Spark's jobs and stages in a plain run on the small census. They do not grow with the rows; a change that adds to
them takes another pass over the data, and has to be worth it."""

RELEASE_NODES = ["choose_model", "digest_model_input", "profile_features", "record_provenance"]
"""What is made of it is kept for no later run, so a release made again begins with them."""

EXPECTED_ROWS = 1e-6
"""Sums of doubles in another order differ by less."""


def types(table: pa.Table) -> dict[str, str]:
    """Name the types; whether Arrow counts a text's offsets in 32 or 64 bits is no difference."""
    return {field.name: str(field.type).removeprefix("large_") for field in table.schema}


def files(storage: Path) -> dict[str, int]:
    """Every file that a run has written, the raw census and the lock aside, with the time of its last change."""
    return {
        str(path.relative_to(storage)): path.stat().st_mtime_ns
        for path in storage.rglob("*")
        if path.is_file() and path.parent.name != "01_raw" and path.name != ".lock"
    }


def model_files(storage: Path) -> dict[str, int]:
    return {name: changed for name, changed in files(storage).items() if name.startswith("06_models/")}


def put_census(storage: Path, *rows: dict[str, str | None]) -> None:
    file = storage / "01_raw" / VINTAGES[2016].file
    file.parent.mkdir(parents=True)
    pd.DataFrame(census_rows(*rows)).to_csv(file, index=False)


def run(storage: Path, *pipelines: str, only: dict[str, Any] | None = None, **params: Any) -> None:
    """Run in this process, on the Spark of the tests."""
    with open_session(storage, env="prod", **params) as session:
        session.run(pipeline_names=list(pipelines) or None, **only or {})


class SmallRun(NamedTuple):
    storage: Path
    jobs: int
    stages: int


@pytest.fixture(scope="module")
def small(spark, tmp_path_factory) -> SmallRun:
    """A plain run on a small census, which releases the tree in MLlib's form; Spark's jobs and stages are counted."""
    storage = tmp_path_factory.mktemp("small")
    with open_session(storage, rows=SMALL_CENSUS) as session:
        session.run(pipeline_names=["synthetic_census"])
    store = spark.sparkContext._jsc.sc().statusStore()  # noqa: SLF001 - pyspark offers no other way
    before = store.jobsList(None).size()
    run(storage, spark_production={"sql_nodes": 1, "tolerances": dict.fromkeys(TRAINED_AGAIN, LOOSE)})
    jobs = store.jobsList(None)
    new = [jobs.apply(place) for place in range(jobs.size() - before)]  # the newest is the first
    return SmallRun(storage, len(new), sum(job.numCompletedStages() for job in new))


@pytest.fixture
def storage(small: SmallRun, tmp_path: Path) -> Path:
    """A copy of the storage of the small run, with its own models and its own release of them."""
    copy = tmp_path / "storage"
    shutil.copytree(small.storage, copy)
    release_again(copy, str(small.storage), str(copy))
    return copy


def release_again(storage: Path, written: str, changed: str) -> None:
    """Release the same with some text in it replaced."""
    release = ReleaseDataset(filepath=str(storage / "06_models/release.json"))
    release.save(json.loads(json.dumps(release.load()).replace(written, changed)))


@pytest.mark.parametrize("path", SAME_TABLES)
def test_spark_gives_the_rows_of_research_one_for_one(run_storage, prod_storage, path) -> None:
    base, prod = read(run_storage, path), read(prod_storage, path)
    assert types(prod) == types(base)
    assert prod.num_rows == base.num_rows > 20_000
    assert digest(prod) == digest(base)


def test_the_digest_sees_every_cell_and_no_order() -> None:
    table = pa.table({"id": [1, 2, 3], "x": pa.array([0.1, None, 3], pa.float32())})
    other = pa.table({"id": [1, 2, 3], "x": pa.array([np.nextafter(np.float32(0.1), np.float32(1)), None, 3])})
    assert digest(table.take([2, 0, 1])) == digest(table)
    assert digest(pa.concat_tables([table.slice(1), table.slice(0, 1)])) == digest(table)
    assert digest(other) != digest(table)
    assert digest(table.slice(1)) != digest(table)
    assert digest(table.rename_columns(["id", "y"])) != digest(table)


@pytest.mark.parametrize("path", SAME_FILES)
def test_both_environments_write_the_very_same_files(run_storage, prod_storage, path) -> None:
    assert (prod_storage / path).read_bytes() == (run_storage / path).read_bytes()


def test_both_environments_train_the_very_same_tree(run_storage, prod_storage) -> None:
    assert digest_model(prod_storage) == digest_model(run_storage)


def catalog_of(env: str) -> dict[str, dict[str, Any]]:
    return OmegaConfigLoader(str(PROJECT / "conf"), env=env, **CONFIG_LOADER_ARGS)["catalog"]


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_every_environment_has_the_same_datasets_in_the_same_layers(env: str) -> None:
    layers, base = ({name: one.get("metadata") for name, one in catalog_of(key).items()} for key in (env, "base"))
    assert layers == base
    assert len(layers) > 30


@pytest.mark.parametrize("env", sorted({*ENVIRONMENTS} - {"base", "local"}))
def test_no_environment_declares_a_dataset_again(env: str) -> None:
    folder = PROJECT / "conf" / env
    files_ = {path.name for path in folder.rglob("*") if path.is_file()}
    assert files_ <= {"globals.yml", "run.yml", "spark.yml", f"parameters_{env}.yml"}


def test_of_prod_only_the_engine_and_the_storage_are_different() -> None:
    prod, base = catalog_of("prod"), catalog_of("base")
    different = {name for name in base if prod[name]["type"] != base[name]["type"]}
    table = "kedro_handover.datasets.spark_table_dataset.SparkTableDataset"
    reader = "kedro_handover.text_tables.spark_dataset.SparkTextTableDataset"
    assert {prod[name]["type"] for name in different} == {table, reader}
    assert [name for name in different if prod[name]["type"] == reader] == ["census_file"]
    assert prod["raw_rows"]["table"]["type"] == table
    assert prod["census_file"]["filepath"] == base["census_file"]["filepath"]
    assert all(
        one["filepath"].startswith("data/prod/")
        for one in prod.values()
        if one["type"] != "MemoryDataset" and "/01_raw/" not in one["filepath"]
    )


def test_not_one_prediction_of_the_tree_that_is_handed_over_differs(run_storage, prod_storage) -> None:
    parity = read_json(prod_storage, "08_reporting/parity.json")
    assert set(parity) == {"handed_over", *TRAINED_AGAIN}
    model_input = read(run_storage, "05_model_input/model_input.parquet").to_pandas()
    handed_over = parity["handed_over"]
    assert handed_over["n_rows"] == (model_input["split"] == "test").sum()
    zero = ("n_diff", "n_label_diff", "n_missing", "max_abs_diff", "mean_abs_diff", "auc_diff", "psi")
    assert {name: handed_over[name] for name in zero} == dict.fromkeys(zero, 0)
    assert handed_over["agreement"] == 1
    assert parity["mllib"]["n_diff"] > 0
    assert not any(one["failures"] for one in parity.values())
    research, ours = (
        read(prod_storage, f"07_model_output/{name}_predictions.parquet") for name in ("research", "handed_over")
    )
    assert types(research) == types(ours)
    assert digest(research) == digest(ours)


def test_the_run_shows_every_model_and_the_parity_report(prod_storage) -> None:
    shown = " ".join((prod_storage / "stdout.txt").read_text().split())
    for model in ("research", "handed_over", *TRAINED_AGAIN):
        assert model in shown
    assert "08_reporting/parity_report.html" in shown
    assert "All within tolerance" in (prod_storage / "08_reporting/parity.md").read_text()
    assert "Every model is within its tolerances" in (prod_storage / "08_reporting/parity_report.html").read_text()


def test_the_release_names_all_that_it_rests_on(run_storage, prod_storage, spark) -> None:
    release = read_json(prod_storage, "06_models/release.json")
    assert release["raw_source"] == {}  # a file, which has no versions
    parts = {"model", "promise", "raw_source", "research_model", "data", "parameters", "code", "metrics", "parity"}
    assert set(release) == parts | {"released_at", "sha256"}
    assert release["promise"] == read_json(prod_storage, "06_models/promise.json")
    sql = (prod_storage / "06_models/handed_over.sql").read_text()
    location = Path(release["model"].pop("location").removeprefix("file://"))
    verification = (location / "verification.json").read_bytes()
    assert release["model"] == {
        "name": "handed_over",
        "form": "sql",
        "sha256": sha256(verification).hexdigest(),
        "sql": sql,
        "threshold": 0.5,
    }
    assert release["research_model"] == {"digest": digest_estimator(read_model(run_storage))}
    assert location.is_relative_to(prod_storage / "06_models/handed_over_model")
    model_input = spark.read.parquet(str(run_storage / "05_model_input/model_input.parquet"))
    hashes = model_input.select(F.xxhash64(*model_input.columns).alias("hash")).toPandas()["hash"]
    profile = release["data"].pop("profile")
    assert profile["rows"] == read_json(run_storage, "08_reporting/row_counts.json")["valid"]
    assert list(profile["features"]) == model_input.columns[5:]
    assert release["data"] == {
        "rows": len(hashes),
        "digest": str(sum(map(int, hashes))),
        "row_counts": read_json(run_storage, "08_reporting/row_counts.json"),
    }
    assert release["parameters"]["data_engineering"]["grid_metres"] == 100
    assert set(release["parameters"]) >= {"data_engineering", "sklearn_research", "spark_production"}
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert release["code"]["git_commit"] == (commit.stdout.strip() or None)
    assert release["code"]["versions"]["pyspark"] == version("pyspark")
    libraries = {
        "kedro",
        "kedro-handover",
        "narwhals",
        "pyspark",
        "scikit-learn",
        "skops",
        *([PACKAGE] if is_installed() else []),
    }
    assert set(release["code"]["versions"]) == libraries
    assert release["metrics"] == read_json(prod_storage, "08_reporting/handed_over_metrics.json")
    assert release["metrics"] == read_json(run_storage, "08_reporting/research_metrics.json")
    assert release["parity"]["n_diff"] == 0
    age = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(release["released_at"])
    assert dt.timedelta(0) <= age < dt.timedelta(hours=1)


def test_every_row_is_scored_those_without_a_label_too(run_storage, prod_storage) -> None:
    folder = prod_storage / "07_model_output/predictions.parquet"
    assert sorted(path.name for path in folder.glob("district_id=*")) == sorted(
        f"district_id={number}" for number in range(1, 11)
    )
    features = pq.read_table(run_storage / "04_feature/features.parquet").to_pandas(ignore_metadata=True)
    features = features.set_index("id").sort_index()
    predictions = pd.read_parquet(folder).set_index("id").sort_index()
    assert predictions.index.is_unique
    assert predictions.index.tolist() == features.index.tolist()
    assert predictions["label"].isna().sum() == features["label"].isna().sum() > 1_000
    assert predictions["district_id"].astype(int).eq(features["district_id"]).all()
    assert predictions["barri_id"].eq(features["barri_id"]).all()
    tree = read_model(run_storage)
    probability = tree.predict_proba(features[tree.feature_names_in_])[:, 1]
    assert np.count_nonzero(predictions["probability"].to_numpy() != probability) == 0
    assert predictions["prediction"].eq(probability > 0.5).all()


def test_the_summary_adds_up_to_the_census(run_storage, prod_storage) -> None:
    premises = read(run_storage, "02_intermediate/premises.parquet").to_pandas()
    predictions = pd.read_parquet(prod_storage / "07_model_output/predictions.parquet")
    summary = read(prod_storage, "08_reporting/predictions_summary.parquet").to_pandas()
    counts = read_json(run_storage, "08_reporting/row_counts.json")
    assert summary["rows"].sum() == counts["valid"]
    assert {name: summary[name].sum() for name in ("positive", "negative", "unknown")} == {
        name: counts[name] for name in ("positive", "negative", "unknown")
    }
    keys = ["district_id", "barri_id"]
    assert summary[keys].equals(summary[keys].sort_values(keys, ignore_index=True))
    assert set(map(tuple, summary[[*keys, "district", "barri"]].to_numpy())) == set(
        map(tuple, premises[[*keys, "district", "barri"]].to_numpy())
    )
    odds = counts["positive"] / counts["negative"] * counts["train_negative"] / counts["train_positive"]
    weighted = odds * predictions["probability"]
    chance = weighted / (weighted + 1 - predictions["probability"])
    chance = chance.where(predictions["label"].isna(), predictions["label"] == True)  # noqa: E712 - null is neither
    expected = chance.astype(float).groupby(predictions["barri_id"]).sum()
    found = summary.set_index("barri_id")["expected_positive"]
    assert (found - expected).abs().max() < EXPECTED_ROWS
    assert (found.to_numpy() >= summary["positive"]).all()
    assert (found.to_numpy() <= summary["positive"] + summary["unknown"]).all()


def test_a_run_takes_no_more_jobs_and_stages_than_stated(small) -> None:
    assert small.jobs <= JOBS
    assert small.stages <= STAGES


@pytest.mark.parametrize(
    "status",
    [
        pytest.param(["Sense informació"], marks=pytest.mark.slow),
        pytest.param(["Sense activitat"], marks=pytest.mark.slow),
        ["Actiu", "Sense activitat", "Sense informació"],
    ],
    ids=["of no label", "of one class", "of each"],
)
def test_a_new_census_is_scored_with_the_last_release_and_nothing_is_trained(small, tmp_path, status) -> None:
    put_census(tmp_path, *({"N_PRINCIP": one} for one in status * 3))
    shutil.copytree(small.storage / "06_models", tmp_path / "06_models")
    models, originals = model_files(tmp_path), model_files(small.storage)
    assert read_json(tmp_path, "06_models/release.json")["model"]["form"] == "mllib"
    run(tmp_path, "scoring")
    assert model_files(tmp_path) == models
    assert model_files(small.storage) == originals
    written = {"/".join(Path(name).parts[:2]) for name in files(tmp_path).keys() - models.keys()}
    assert written == {
        *(f"02_intermediate/{table}.parquet" for table in INTERMEDIATE),
        "02_intermediate/raw_source.json",
        "02_intermediate/rules.json",
        "08_reporting/rejections.json",
        "08_reporting/drift.json",
        "08_reporting/drift_report.html",
        "04_feature/features.parquet",
        "07_model_output/predictions.parquet",
        "08_reporting/predictions_summary.parquet",
    }
    predictions = pd.read_parquet(tmp_path / "07_model_output/predictions.parquet")
    assert len(predictions) == 3 * len(status)
    assert predictions["probability"].between(0, 1).all()
    (summary,) = read(tmp_path, "08_reporting/predictions_summary.parquet").to_pylist()
    assert [summary[name] for name in ("rows", "positive", "negative", "unknown")] == [
        3 * len(status),
        *(3 * status.count(name) for name in ("Actiu", "Sense activitat", "Sense informació")),
    ]


@pytest.mark.usefixtures("spark")
def test_scoring_with_nothing_released_says_what_to_run(tmp_path) -> None:
    put_census(tmp_path, {})
    with pytest.raises(DatasetError, match=r"release@\w+: there is no .*06_models/release\.json\. Run `kedro run"):
        run(tmp_path, "scoring")
    assert files(tmp_path) == {}


def test_a_row_that_can_not_be_scored_ends_the_run_with_one_sentence(storage) -> None:
    path = storage / "04_feature/features.parquet"
    features = pq.read_table(path)
    shutil.rmtree(path)
    unknown = pa.array([None, *features["x_metres"].to_pylist()[1:]], pa.float32())
    changed = features.set_column(features.schema.get_field_index("x_metres"), "x_metres", unknown)
    path.mkdir()
    pq.write_table(changed, path / "part-0.parquet")
    release = ReleaseDataset(filepath=str(storage / "06_models/release.json"))
    sql = (storage / "06_models/handed_over.sql").read_text()
    content = release.load()
    release.save(content | {"model": content["model"] | {"form": "sql", "sql": sql}})
    with click.Context(click.Command("run")), pytest.raises(click.ClickException) as caught:
        run(storage, "scoring", only={"from_nodes": ["compare_with_release"]})
    assert caught.value.message.endswith("A row misses a feature that the released model needs; nothing is scored.")
    assert "\tat " not in caught.value.message
    assert caught.value.message.count("\n") == 0


def test_a_model_that_was_changed_since_it_was_released_scores_nothing(storage) -> None:
    location = Path(read_json(storage, "06_models/release.json")["model"]["location"].removeprefix("file://"))
    before = files(storage)
    digest_again(location)  # the same files, and the list of them written again
    with pytest.raises(DatasetError, match=r"is not the model that was saved: verification\.json is another file"):
        run(storage, "scoring", only={"from_nodes": ["compare_with_release"]})
    changed = {name for name, time_ in files(storage).items() if before.get(name) != time_}
    assert not any(name.startswith("07_model_output") for name in changed)


def test_a_census_that_has_drifted_is_scored_with_a_warning_or_not_at_all(storage, caplog) -> None:
    """Every premises is moved to the end of the city."""
    path = storage / "02_intermediate/premises.parquet"
    premises = pq.read_table(path)
    shutil.rmtree(path)
    path.mkdir()
    moved = premises.set_column(
        premises.schema.get_field_index("x_mm"), "x_mm", pa.array([435_000_000] * len(premises))
    )
    pq.write_table(moved, path / "part-0.parquet")
    from_features: dict[str, Any] = {"from_nodes": ["build_features"]}
    with caplog.at_level("WARNING"):
        run(storage, "scoring", only=from_features)
    assert "The rows are not like those of the release: " in caplog.text
    assert "x_metres: PSI is " in caplog.text
    before = files(storage)
    with pytest.raises(DriftError, match=r"x_metres: PSI is .*, allowed at most 0\.25.*Nothing is scored"):
        run(storage, "scoring", only=from_features, spark_production={"drift": {"action": "stop"}})
    changed = {name for name, time_ in files(storage).items() if before.get(name) != time_}
    assert {"08_reporting/drift.json", "08_reporting/drift_report.html"} <= changed
    assert not any(name.startswith("07_model_output") for name in changed)
    drift = read_json(storage, "08_reporting/drift.json")
    assert drift["features"][0]["feature"] == "x_metres"
    assert drift["rows"] == drift["reference_rows"] == SMALL_CENSUS
    assert "Nothing is scored: the table has drifted" in (storage / "08_reporting/drift_report.html").read_text()


def test_the_census_of_the_release_has_not_drifted(prod_storage) -> None:
    drift = read_json(prod_storage, "08_reporting/drift.json")
    assert drift["failures"] == []
    assert {one["psi"] for one in drift["features"]} == {one["unseen_share"] for one in drift["features"]} == {0}


def assert_one_sentence(done: subprocess.CompletedProcess[str], message: str) -> None:
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "Traceback" not in said
    sentence = said[said.index("\nError: ") :]  # Spark's own log stands before it
    assert message in " ".join(sentence.split())
    assert "\tat " not in sentence


def test_parity_out_of_tolerance_fails_the_run_and_releases_nothing(storage) -> None:
    before = (storage / "06_models/release.json").read_bytes()
    written = files(storage)
    tolerances = "spark_production.tolerances.mllib.agreement=1,spark_production.tolerances.mllib.max_abs_diff=0"
    done = kedro_here(
        "run",
        "--env=prod",
        "--pipelines=spark_production",
        f"--from-nodes={','.join(['measure_parity', *RELEASE_NODES])}",
        f"--params=storage={storage},{tolerances}",
    )
    mllib = read_json(storage, "08_reporting/parity.json")["mllib"]
    assert_one_sentence(done, f"Nothing is released: {'; '.join(f'mllib: {one}' for one in mllib['failures'])}.")
    assert mllib["failures"][0].startswith(f"agreement is {mllib['agreement']:.6f}"[:-1])
    assert mllib["failures"][0].endswith(", allowed at least 1")
    assert mllib["failures"][1].startswith("max_abs_diff is 0.")
    assert mllib["failures"][1].endswith(", allowed at most 0")
    assert "handed_over:" not in done.stdout + done.stderr
    assert (storage / "06_models/release.json").read_bytes() == before
    changed = {name for name, time_ in files(storage).items() if written.get(name) != time_}
    assert changed == {f"08_reporting/{name}" for name in ("parity.json", "parity.md", "parity_report.html")}
    for report in ("parity.md", "parity_report.html"):
        assert "nothing is released" in (storage / "08_reporting" / report).read_text()
        assert mllib["failures"][0] in (storage / "08_reporting" / report).read_text()


def test_a_hand_over_that_changes_one_prediction_is_not_released(storage) -> None:
    """One leaf of the tree on Spark gives another probability: the tolerance of the tree that is handed over is 0."""
    before = (storage / "06_models/release.json").read_bytes()
    path = storage / "07_model_output/handed_over_predictions.parquet"
    predictions = read(storage, "07_model_output/handed_over_predictions.parquet").to_pandas()
    row = predictions.index[predictions["split"] == "test"][0]
    predictions.loc[row, "probability"] = np.nextafter(predictions.loc[row, "probability"], 1)
    shutil.rmtree(path)
    predictions.to_parquet(path, index=False)
    loose = {"tolerances": dict.fromkeys(TRAINED_AGAIN, LOOSE)}
    from_parity: dict[str, Any] = {"from_nodes": ["measure_parity", *RELEASE_NODES]}
    with pytest.raises(ParityError, match="handed_over: n_diff is 1, allowed at most 0") as caught:
        run(storage, "spark_production", only=from_parity, spark_production=loose)
    assert "mllib:" not in str(caught.value)
    assert (storage / "06_models/release.json").read_bytes() == before


def test_tables_of_two_runs_are_not_released_together(storage) -> None:
    file = storage / "08_reporting/row_counts.json"
    counts = file.read_text()
    before = (storage / "06_models/release.json").read_bytes()
    file.write_text(json.dumps(json.loads(counts) | {"valid": 1}))
    try:
        with pytest.raises(ParityError, match="They are not of one run: run data_engineering again"):
            run(storage, "spark_production", only={"from_nodes": RELEASE_NODES})
    finally:
        file.write_text(counts)
    assert (storage / "06_models/release.json").read_bytes() == before


def test_a_tree_of_as_many_nodes_as_sql_may_have_is_released_as_sql_and_a_larger_one_is_not(storage) -> None:
    location = Path(read_json(storage, "06_models/release.json")["model"]["location"].removeprefix("file://"))
    nodes = json.loads((location / "verification.json").read_text())["model"]["nodes"]
    only: dict[str, Any] = {"from_nodes": RELEASE_NODES, "to_nodes": ["publish_release"]}
    for most, form in ((nodes, "sql"), (nodes - 1, "mllib")):
        loose = {"sql_nodes": most, "tolerances": dict.fromkeys(TRAINED_AGAIN, LOOSE)}
        run(storage, "spark_production", only=only, spark_production=loose)
        assert read_json(storage, "06_models/release.json")["model"]["form"] == form


def test_research_takes_no_more_rows_than_it_may_and_the_rest_is_still_compared(storage) -> None:
    run(
        storage,
        "sklearn_research",
        "spark_production",
        only={"to_nodes": ["publish_release"]},
        sklearn_research={"research_rows": 2_000},
        spark_production={"tolerances": dict.fromkeys(TRAINED_AGAIN, LOOSE)},
    )
    assert read(storage, "07_model_output/research_predictions.parquet").num_rows == 2_000
    handed_over = read_json(storage, "08_reporting/parity.json")["handed_over"]
    assert handed_over["n_diff"] == 0
    assert handed_over["failures"] == []
