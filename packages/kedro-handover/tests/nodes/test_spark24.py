"""Spark 2.4 as a process apart: what goes there, and what comes back. The slow tier runs the whole."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from kedro_handover.errors import ParityError, SparkError
from kedro_handover.nodes.production_parameters import H2OParameters, SparkProductionParameters
from kedro_handover.nodes.spark24 import (
    WAYS,
    Spark24Parameters,
    check_parity,
    hold_to_production,
    make_bundle,
    predict_on_spark24,
    write_bundle,
)

if TYPE_CHECKING:
    from pathlib import Path

    from kedro_handover.testing import Engine

TREE = {
    "class": "org.apache.spark.ml.classification.DecisionTreeClassificationModel",
    "sparkVersion": "3.5.9",
    "uid": "research_model",
    "paramMap": {"featuresCol": "features", "leafCol": ""},
    "defaultParamMap": {"leafCol": "", "minWeightFractionPerNode": 0.0, "maxDepth": 5},
    "numFeatures": 2,
    "numClasses": 2,
}
PARAMETERS = SparkProductionParameters.model_construct(
    max_bins=32,
    seed=7,
    h2o=H2OParameters(bins=64, histogram="UniformAdaptive", unknown_as_missing=True, attempts=1),
)
RELEASE = {"model": {"threshold": 0.5, "sha256": "12"}, "released_at": "2026-11-27T12:00:00+00:00"}
SEARCH = [{"max_depth": 3, "min_samples_leaf": 5, "criterion": "gini"}]


@pytest.fixture
def saved(tmp_path: Path) -> tuple[str, str]:
    """The files of a tree of MLlib and of a MOJO, as their datasets leave them."""
    tree, h2o = tmp_path / "handed_over", tmp_path / "h2o"
    metadata = tree / "model" / "stages" / "1_research_model" / "metadata"
    metadata.mkdir(parents=True)
    (metadata / "part-00000").write_text(json.dumps(TREE))
    (metadata / ".part-00000.crc").write_bytes(b"crc")
    content = {"verification": {"shop": [1.0], "price": [2.0], "probability": [0.5]}}
    (tree / "verification.json").write_text(json.dumps(content))
    (h2o / "model").mkdir(parents=True)
    (h2o / "model" / "mojo.zip").write_bytes(b"as H2O wrote it")
    (h2o / "model" / "settings.json").write_text('{"convertUnknownCategoricalLevelsToNa": true}')
    return str(tree), str(h2o)


def setup_of(home: Path, script: str) -> None:
    """A folder as `make spark24` leaves it, with another program in the place of spark-submit."""
    submit = home / "venv" / "bin" / "spark-submit"
    submit.parent.mkdir(parents=True)
    submit.write_text(f"#!/bin/sh\n{script}\n")
    submit.chmod(0o755)
    (home / "java").write_text("/nowhere\n")


def submit(home: Path, saved: tuple[str, str], seconds: int = 60) -> Any:
    spark24 = Spark24Parameters(
        home=str(home), script="production.py", bundle="bundle", settings={"spark.ui.enabled": False}, seconds=seconds
    )
    return predict_on_spark24(RELEASE, SEARCH, *saved, "0.5", "model_input.parquet", PARAMETERS, spark24)


def predictions(engine: Engine, probability: list[float], ids: str = "abc") -> Any:
    return engine.frame({"id": list(ids), "probability": pa.array(probability, pa.float64())})


def test_the_bundle_has_all_that_the_other_side_has_to_know(saved: tuple[str, str], tmp_path: Path) -> None:
    make_bundle(tmp_path / "bundle", RELEASE, SEARCH, *saved, "CASE WHEN 1 THEN 0 END", PARAMETERS)
    bundle = json.loads((tmp_path / "bundle" / "bundle.json").read_text())
    assert bundle["ways"] == list(WAYS)
    assert bundle["features"] == ["shop", "price"]
    assert bundle["hyperparameters"] == SEARCH[0]
    assert bundle["h2o"]["bins"] == 64
    assert (bundle["threshold"], bundle["max_bins"], bundle["seed"]) == (0.5, 32, 7)
    assert (tmp_path / "bundle" / "mojo.zip").read_bytes() == b"as H2O wrote it"


def test_a_bundle_is_replaced_as_a_whole(
    saved: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "of_another_release").write_text("")
    spark24 = Spark24Parameters(home="home", script="production.py", bundle="bundle", settings={}, seconds=60)
    files = write_bundle(RELEASE, SEARCH, *saved, "0.5", PARAMETERS, spark24)
    assert files == [
        "bundle.json",
        "mllib_tree/stages/1_research_model/metadata/part-00000",
        "mojo.zip",
    ]
    assert sorted(str(path.relative_to(tmp_path / "bundle")) for path in (tmp_path / "bundle").rglob("*.*")) == [
        "bundle.json",
        "mojo.zip",
    ]


def test_what_mllib_2_4_does_not_know_is_taken_out_of_its_files(saved: tuple[str, str], tmp_path: Path) -> None:
    make_bundle(tmp_path / "bundle", RELEASE, SEARCH, *saved, "0.5", PARAMETERS)
    metadata = tmp_path / "bundle" / "mllib_tree" / "stages" / "1_research_model" / "metadata"
    assert json.loads((metadata / "part-00000").read_text()) == TREE | {
        "sparkVersion": "2.4.8",
        "paramMap": {"featuresCol": "features"},
        "defaultParamMap": {"maxDepth": 5},
    }
    assert [file.name for file in metadata.iterdir()] == ["part-00000"]  # a checksum would be that of another file


def test_without_its_set_up_a_sentence_says_what_to_run(saved: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(SparkError, match=r"Spark 2.4 is not set up in .*nothing_here. Run `make spark24`."):
        submit(tmp_path / "nothing_here", saved)


def test_what_the_script_refuses_is_told(saved: tuple[str, str], tmp_path: Path) -> None:
    setup_of(tmp_path / "home", 'echo "Spark 2.4 needs Java 8; JAVA_HOME has Java 17." >&2; exit 1')
    with pytest.raises(SparkError, match=r"has failed: Spark 2.4 needs Java 8; JAVA_HOME has Java 17."):
        submit(tmp_path / "home", saved)


def test_a_script_that_takes_too_long_is_ended_with_all_that_it_started(saved: tuple[str, str], tmp_path: Path) -> None:
    setup_of(tmp_path / "home", f"sleep 300 & echo $! > {tmp_path}/child; wait")
    with pytest.raises(SparkError, match=r"longer than the 1 s that spark24.seconds allows, and was ended"):
        submit(tmp_path / "home", saved, seconds=1)
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if not _is_running(child):
            return
        time.sleep(0.1)
    pytest.fail(f"process {child} is still there")


def test_settings_and_arguments_reach_spark_submit_and_nothing_of_the_other_spark(
    saved: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_HOME", "/of/another/spark")
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--master yarn")
    setup_of(tmp_path / "home", f'echo "$@" > {tmp_path}/arguments; env > {tmp_path}/environment; exit 3')
    with pytest.raises(SparkError, match=r"has failed"):
        submit(tmp_path / "home", saved)
    arguments = (tmp_path / "arguments").read_text()
    assert arguments.startswith("--conf=spark.ui.enabled=false production.py --bundle=")
    assert "--model-input=model_input.parquet" in arguments
    environment = dict(
        line.split("=", 1) for line in (tmp_path / "environment").read_text().splitlines() if "=" in line
    )
    assert environment["JAVA_HOME"] == "/nowhere"
    assert environment["SPARK_LOCAL_IP"] == "127.0.0.1"
    assert not {"SPARK_HOME", "PYSPARK_SUBMIT_ARGS"} & set(environment)


def test_equal_scores_are_counted_on_every_engine(engine: Engine) -> None:
    same = [0.1, 0.25, 1 / 3]
    tables = {name: predictions(engine, same) for name in ("handed_over", "h2o", *(f"spark24_{w}" for w in WAYS[:3]))}
    assert hold_to_production(**tables) == {way: {"rows": 3, "n_diff": 0} for way in WAYS[:3]}


def test_one_bit_or_one_row_that_differs_ends_the_run(engine: Engine) -> None:
    same = [0.1, 0.25, 1 / 3]
    tables = {name: predictions(engine, same) for name in ("handed_over", "h2o", *(f"spark24_{w}" for w in WAYS[:3]))}
    tables["spark24_sql"] = predictions(engine, [0.1, 0.25, 0.33333333333333337])
    tables["spark24_mojo"] = predictions(engine, [0.1, 0.25, 1 / 3], ids="abd")
    with pytest.raises(ParityError, match=r"sql: 1 rows; mojo: 2 rows differ"):
        hold_to_production(**tables)


def test_a_model_that_is_out_of_tolerance_fails() -> None:
    parity = {
        "spark24_mllib": {"failures": []},
        "spark24_h2o": {"failures": ["agreement is 0.9, allowed at least 0.97"]},
    }
    with pytest.raises(
        ParityError, match=r"spark24_h2o: agreement is 0.9, allowed at least 0.97. See its parity report"
    ):
        check_parity(parity, "the page")
    assert check_parity({"spark24_mllib": {"failures": []}}, "the page") == {"spark24_mllib": True}


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123 - a process' own file
        return stat.read().split()[2] != "Z"
