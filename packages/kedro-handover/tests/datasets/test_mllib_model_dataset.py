"""A model comes back from Spark as it was saved, or not at all: it is held to rows whose predictions are known."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from hashlib import sha256

import numpy as np
import pandas as pd
import pytest
from kedro.io.core import DatasetError, Version, VersionNotFoundError
from sklearn.tree import DecisionTreeClassifier

from kedro_handover.datasets.mllib_model_dataset import MLlibModelDataset
from kedro_handover.datasets.verified_model_dataset import VERIFICATION_FILE, VerifiedModel, predict_verification
from kedro_handover.handover.tree import to_mllib
from kedro_handover.models.estimators import make_mllib_tree
from processes import fresh_environment
from toy_models import digest_again, make_rows

pytestmark = pytest.mark.spark

PREVIEW = """
import subprocess, sys
from kedro_handover.datasets.mllib_model_dataset import MLlibModelDataset

dataset = MLlibModelDataset(filepath=sys.argv[1])
print(dataset.preview())
assert dataset.exists()
from pyspark import SparkContext
assert SparkContext._gateway is None
assert subprocess.run(["pgrep", "-P", str(__import__("os").getpid()), "java"]).returncode == 1
"""


def fitted(depth: int = 4) -> DecisionTreeClassifier:
    features = make_rows()
    label = features["width"] + features["height"] * features["weight"] > 0.1
    return DecisionTreeClassifier(max_depth=depth, random_state=1).fit(features, label)


def verified(spark, depth: int = 4) -> VerifiedModel:
    tree, held_to = fitted(depth), make_rows().head(20)
    return VerifiedModel(to_mllib(tree, spark), held_to.assign(probability=tree.predict_proba(held_to)[:, 1]))


@pytest.fixture(scope="module")
def saved(spark, tmp_path_factory):
    """A model that was saved once; tests that change its files work on a copy."""
    folder = tmp_path_factory.mktemp("models") / "model"
    MLlibModelDataset(filepath=str(folder)).save(verified(spark))
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "model")


def test_a_model_comes_back_as_it_was_saved(spark, saved) -> None:
    loaded = MLlibModelDataset(filepath=str(saved)).load()
    model, original = loaded.model.stages[-1], verified(spark).model.stages[-1]
    assert model.toDebugString.split("\n")[1:] == original.toDebugString.split("\n")[1:]
    assert (model.numNodes, model.depth) == (original.numNodes, original.depth)
    everything = make_rows()
    assert (
        predict_verification(loaded.model, everything)["probability"]
        == fitted().predict_proba(everything)[:, 1].tolist()
    )
    pd.testing.assert_frame_equal(
        loaded.verification.drop(columns="probability").astype("float32"), make_rows().head(20), check_exact=True
    )
    assert loaded.location is not None
    assert loaded.location.removeprefix("file://") == str(saved)


def test_where_it_was_loaded_from_is_where_it_can_be_loaded_again(saved) -> None:
    location = MLlibModelDataset(filepath=str(saved)).load().location
    assert MLlibModelDataset(filepath=location).load().location == location


def test_a_model_that_mllib_has_trained_comes_back_too(spark, tmp_path) -> None:
    features = make_rows()
    train = spark.createDataFrame(features.assign(label=(features["width"] > 0.1).astype(float)))
    found = {"max_depth": 3, "min_samples_leaf": 5, "criterion": "log_loss"}
    model = make_mllib_tree(list(features), found, max_bins=32, seed=1).fit(train)
    held_to = features.head(10).assign(probability=predict_verification(model, features.head(10))["probability"])
    MLlibModelDataset(filepath=str(tmp_path / "model")).save(VerifiedModel(model, held_to))
    loaded = MLlibModelDataset(filepath=str(tmp_path / "model")).load()
    assert (
        predict_verification(loaded.model, features)["probability"]
        == predict_verification(model, features)["probability"]
    )


def test_a_deep_model_comes_back(spark, tmp_path) -> None:
    rng = np.random.default_rng(0)
    features = pd.DataFrame(rng.normal(size=(3_000, 3)).astype(np.float32), columns=["a", "b", "c"])
    label = rng.random(3_000) < 0.5
    tree = DecisionTreeClassifier(max_depth=31, splitter="random", random_state=0).fit(features, label)
    assert tree.get_depth() == 31
    held_to = features.head(50).assign(probability=tree.predict_proba(features.head(50))[:, 1])
    MLlibModelDataset(filepath=str(tmp_path / "model")).save(VerifiedModel(to_mllib(tree, spark), held_to))
    loaded = MLlibModelDataset(filepath=str(tmp_path / "model")).load()
    assert predict_verification(loaded.model, features)["probability"] == tree.predict_proba(features)[:, 1].tolist()


def test_saving_again_replaces_the_model(spark, copy) -> None:
    dataset = MLlibModelDataset(filepath=str(copy))
    dataset.save(verified(spark, depth=1))
    assert dataset.load().model.stages[-1].depth == 1


def test_a_version_is_kept_beside_later_ones(spark, tmp_path) -> None:
    path = str(tmp_path / "model")
    for depth in (1, 2):
        version = Version(None, f"2026-01-0{depth}T00.00.00.000Z")
        MLlibModelDataset(filepath=path, version=version).save(verified(spark, depth))
    latest = MLlibModelDataset(filepath=path, version=Version(None, None)).load()
    first = MLlibModelDataset(filepath=path, version=Version("2026-01-01T00.00.00.000Z", None)).load()
    assert (latest.model.stages[-1].depth, first.model.stages[-1].depth) == (2, 1)
    assert MLlibModelDataset(filepath=first.location).load().model.stages[-1].depth == 1


def test_a_version_is_never_written_over(spark, tmp_path) -> None:
    version = Version(None, "2026-01-01T00.00.00.000Z")
    for depth in (1, 2):
        dataset = MLlibModelDataset(filepath=str(tmp_path / "model"), version=version)
        if depth == 1:
            dataset.save(verified(spark, depth))
            continue
        with pytest.raises(DatasetError, match=r"must not exist|already exists"):
            dataset.save(verified(spark, depth))
    assert (
        MLlibModelDataset(filepath=str(tmp_path / "model"), version=Version(None, None)).load().model.stages[-1].depth
        == 1
    )


def test_where_nothing_was_saved_nothing_is_there(spark, tmp_path) -> None:  # noqa: ARG001 - loading needs Spark
    dataset = MLlibModelDataset(filepath=str(tmp_path / "model"))
    assert not dataset.exists()
    with pytest.raises(DatasetError, match="holds no whole model"):
        dataset.load()
    versioned = MLlibModelDataset(filepath=str(tmp_path / "model"), version=Version(None, None))
    assert not versioned.exists()
    with pytest.raises((DatasetError, VersionNotFoundError), match="model"):
        versioned.load()


def test_a_model_that_was_half_saved_does_not_exist(copy) -> None:
    (copy / VERIFICATION_FILE).unlink()
    dataset = MLlibModelDataset(filepath=str(copy))
    assert not dataset.exists()
    with pytest.raises(DatasetError, match=f"{VERIFICATION_FILE}, which is written last, is missing. Train again"):
        dataset.load()


def test_a_save_that_fails_leaves_no_model_that_looks_whole(spark, copy) -> None:
    class Broken:
        def write(self):
            message = "the disk is full"
            raise OSError(message)

    dataset = MLlibModelDataset(filepath=str(copy))
    with pytest.raises(DatasetError, match="the disk is full"):
        dataset.save(VerifiedModel(Broken(), verified(spark).verification))
    assert not dataset.exists()


def test_a_half_saved_version_does_not_hide_the_whole_one_before(spark, tmp_path) -> None:
    path = tmp_path / "model"
    version = Version(None, "2026-01-01T00.00.00.000Z")
    MLlibModelDataset(filepath=str(path), version=version).save(verified(spark, 1))
    (path / "2026-01-02T00.00.00.000Z" / "model" / "model").mkdir(parents=True)
    dataset = MLlibModelDataset(filepath=str(path), version=Version(None, None))
    try:
        depth = dataset.load().model.stages[-1].depth
    except DatasetError as error:
        assert "holds no whole model" in str(error)  # noqa: PT017 - to be refused is one of the two good ends
    else:
        assert depth == 1


@pytest.mark.parametrize("column", ["probability", "width"])
def test_a_verification_row_that_is_not_reproduced_is_named(copy, column) -> None:
    file = copy / VERIFICATION_FILE
    content = json.loads(file.read_text())
    held_to = pd.DataFrame(content["verification"]).drop(columns="probability").astype("float32")
    elsewhere = fitted().predict_proba(held_to.assign(width=9))[:, 1]
    row = int(np.flatnonzero(elsewhere != content["verification"]["probability"])[0])
    content["verification"][column][row] += 2**-50 if column == "probability" else 9
    file.write_text(json.dumps(content))
    expected = content["verification"]["probability"][row]
    with pytest.raises(DatasetError, match=f"verification row {row},") as caught:
        MLlibModelDataset(filepath=str(copy)).load()
    assert f"has to give {expected!r}" in str(caught.value)
    assert "'width': " in str(caught.value)
    assert str(copy) in str(caught.value)


def test_the_data_of_another_model_is_refused_with_the_first_row_that_differs(spark, copy, tmp_path) -> None:
    other = tmp_path / "other"
    MLlibModelDataset(filepath=str(other)).save(verified(spark, depth=1))
    (ours,), (theirs,) = (list(folder.glob("model/stages/1_*/data")) for folder in (copy, other))
    shutil.rmtree(ours)
    shutil.copytree(theirs, ours)
    digest_again(copy)
    expected, given = (fitted(depth).predict_proba(make_rows().head(20))[:, 1] for depth in (4, 1))
    row = int(np.flatnonzero(expected != given)[0])
    with pytest.raises(DatasetError, match=f"verification row {row},"):
        MLlibModelDataset(filepath=str(copy)).load()


@pytest.mark.parametrize("change", ["changed", "added", "removed", "in memory of Hadoop"])
def test_a_model_with_another_file_is_refused_before_spark_reads_it(copy, monkeypatch, change) -> None:
    file = next(path for path in copy.glob("model/stages/1_*/data/*.parquet"))
    if change == "changed":
        file.write_bytes(file.read_bytes()[:-1] + b"x")
    elif change == "added":
        shutil.copy(file, file.with_name("part-00009-more.snappy.parquet"))
    elif change == "removed":
        file.unlink()
    else:
        file.with_name(f".{file.name}.crc").write_bytes(b"x")
    read: list[str] = []
    monkeypatch.setattr(MLlibModelDataset, "_read_model", lambda _, path: read.append(path))
    with pytest.raises(DatasetError, match=r"is not the model that was saved: .*stages/1_.* is another file"):
        MLlibModelDataset(filepath=str(copy)).load()
    assert read == []


@pytest.mark.usefixtures("spark")
def test_a_model_is_held_to_the_digest_that_is_asked_for(saved, copy) -> None:
    digest = sha256((saved / VERIFICATION_FILE).read_bytes()).hexdigest()
    loaded = MLlibModelDataset(filepath=str(saved), sha256=digest).load()
    assert loaded.sha256 == digest
    content = json.loads((copy / VERIFICATION_FILE).read_text())
    (copy / VERIFICATION_FILE).write_text(json.dumps(content))  # the same, written otherwise
    with pytest.raises(DatasetError, match=f"is not the model that was saved: {VERIFICATION_FILE} is another file"):
        MLlibModelDataset(filepath=str(copy), sha256=digest).load()


@pytest.mark.parametrize("content", ["", "{", "{}", "[]"], ids=["empty", "cut off", "no rows", "a list"])
def test_verification_rows_that_can_not_be_read_are_an_error_of_the_dataset(copy, content) -> None:
    (copy / VERIFICATION_FILE).write_text(content)
    with pytest.raises(DatasetError):
        MLlibModelDataset(filepath=str(copy)).load()


def test_the_preview_tells_of_the_model_and_starts_no_spark(saved) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PREVIEW, str(saved)],
        env=fresh_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    preview = json.loads(done.stdout.splitlines()[0])
    tree = fitted()
    assert preview == {
        "class": "DecisionTreeClassificationModel",
        "nodes": tree.tree_.node_count,
        "depth": tree.get_depth(),
        "features": list(make_rows()),
    }
