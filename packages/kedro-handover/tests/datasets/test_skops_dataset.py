"""A model comes back as it was saved, and a file that is not the model that was saved is refused."""

import pickle
import re
import resource
import shutil
import signal
import subprocess
from hashlib import sha256
from importlib.resources import files
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
import skops.io
from kedro.io import DatasetError
from kedro.io.core import Version
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from kedro_handover.datasets.skops_dataset import SkopsDataset
from kedro_handover.models.family import find_family
from kedro_handover.models.preparation import Preparation

TRUSTED = ["sklearn.tree._tree.Tree"]
ROWS = pd.DataFrame(np.random.default_rng(0).random((300, 3)), columns=["width", "height", "price"])
LABEL = ROWS["width"] + ROWS["height"] * ROWS["price"] > 0.8


def fitted(**arguments):
    return DecisionTreeClassifier(**{"max_depth": 4, "random_state": 1} | arguments).fit(ROWS, LABEL)


def dataset(path, **arguments):
    return SkopsDataset(filepath=str(path), **{"trusted": TRUSTED} | arguments)


def assert_same_tree(one, other):
    assert one.get_params() == other.get_params()
    assert list(one.feature_names_in_) == list(other.feature_names_in_)
    np.testing.assert_array_equal(one.predict_proba(ROWS), other.predict_proba(ROWS))
    np.testing.assert_array_equal(one.tree_.threshold, other.tree_.threshold)


def test_a_tree_comes_back_as_it_was_saved(tmp_path):
    dataset(tmp_path / "models" / "tree.skops").save(fitted())
    assert_same_tree(dataset(tmp_path / "models" / "tree.skops").load(), fitted())


@pytest.mark.parametrize("name", ["decision_tree", "random_forest", "hist_gradient_boosting", "lightgbm", "xgboost"])
def test_the_catalog_of_a_new_project_trusts_what_its_candidates_hold(name, tmp_path):
    lines = (
        files("kedro_handover") / "starter/template/{{ cookiecutter.repo_name }}/conf/base/catalog.yml"
    ).read_text()
    trusted = [line.strip().removeprefix("- ") for line in lines.splitlines() if re.fullmatch(r"      - [\w.]+", line)]
    for task, label in (("binary", LABEL), ("regression", ROWS["price"])):
        for preparation in (Preparation(), Preparation(impute="median", scale="standard", encode=["width"])):
            family = find_family(name)
            model = preparation.wrap(family.make_estimator(task, 0, None), list(ROWS))
            last = "model__" if hasattr(model, "steps") else ""
            few = {f"{last}{argument}": 2 for argument in ("n_estimators", "max_iter", "max_depth")}
            model.set_params(**{key: value for key, value in few.items() if key in model.get_params()}).fit(ROWS, label)
            file = dataset(tmp_path / f"{task}-{preparation.impute}.skops", trusted=trusted)
            file.save(model)
            assert (file.load().predict(ROWS) == model.predict(ROWS)).all()


def test_skops_alone_loads_the_file(tmp_path):
    dataset(tmp_path / "tree.skops").save(fitted())
    assert_same_tree(skops.io.load(tmp_path / "tree.skops", trusted=TRUSTED), fitted())


def test_any_file_system_will_do(tmp_path):
    dataset("memory://models/tree.skops").save(fitted())
    dataset(tmp_path / "tree.skops").save(fitted())
    assert_same_tree(dataset("memory://models/tree.skops").load(), fitted())


def test_the_digest_beside_a_model_is_what_sha256sum_checks(tmp_path):
    dataset(tmp_path / "tree.skops").save(fitted())
    done = subprocess.run(["sha256sum", "--check", "tree.skops.sha256"], cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"tree.skops: OK\n")
    digest = sha256((tmp_path / "tree.skops").read_bytes()).hexdigest()
    assert (tmp_path / "tree.skops.sha256").read_text() == f"{digest}  tree.skops\n"


def test_a_file_that_was_changed_is_refused_before_anything_reads_it(tmp_path, monkeypatch):
    file = tmp_path / "tree.skops"
    dataset(file).save(fitted())
    digest = sha256(file.read_bytes()).hexdigest()
    file.write_bytes(file.read_bytes() + b"x")
    read = []
    monkeypatch.setattr("skops.io.loads", lambda *_, **__: read.append("loads"))
    monkeypatch.setattr("skops.io.get_untrusted_types", lambda *_, **__: read.append("types"))
    with pytest.raises(DatasetError, match="is not the model that was saved: its digest is another one"):
        dataset(file).load()
    # Whoever changes both is found out by the digest that the release has.
    (tmp_path / "tree.skops.sha256").write_text(f"{sha256(file.read_bytes()).hexdigest()}  tree.skops\n")
    with pytest.raises(DatasetError, match="its digest is another one"):
        SkopsDataset(filepath=str(file), trusted=TRUSTED, sha256=digest).load()
    (tmp_path / "tree.skops.sha256").unlink()
    with pytest.raises(DatasetError, match=r"has no digest beside it, tree\.skops\.sha256"):
        dataset(file).load()
    assert read == []


def test_a_function_that_would_run_is_refused_by_its_name(tmp_path):
    model = make_pipeline(FunctionTransformer(shutil.rmtree), fitted())
    dataset(tmp_path / "tree.skops").save(model)
    with pytest.raises(DatasetError, match=r"tree\.skops holds types that are not trusted: shutil\.rmtree\. "):
        dataset(tmp_path / "tree.skops").load()


def test_every_type_that_is_not_listed_is_named(tmp_path):
    dataset(tmp_path / "tree.skops").save(make_pipeline(FunctionTransformer(shutil.rmtree), fitted()))
    with pytest.raises(DatasetError, match=r"not trusted: shutil\.rmtree, sklearn\.tree\._tree\.Tree\."):
        dataset(tmp_path / "tree.skops", trusted=[]).load()


def test_a_pickle_is_not_opened(tmp_path):
    (tmp_path / "tree.skops").write_bytes(pickle.dumps(fitted()))
    with pytest.raises(DatasetError, match=r"tree\.skops"):
        dataset(tmp_path / "tree.skops").load()


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_truncated_file_is_an_error(tmp_path, share):
    path = tmp_path / "tree.skops"
    dataset(path).save(fitted())
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DatasetError, match=r"tree\.skops"):
        dataset(path).load()


def test_a_file_with_a_flipped_bit_is_an_error(tmp_path):
    path = tmp_path / "tree.skops"
    dataset(path).save(fitted())
    content = bytearray(path.read_bytes())
    with ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda member: member.file_size)
    content[largest.header_offset + 200] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"tree\.skops"):
        dataset(path).load()


def test_a_save_that_fails_leaves_the_earlier_model(tmp_path):
    dataset(tmp_path / "tree.skops").save(fitted())
    with pytest.raises(DatasetError):
        dataset(tmp_path / "tree.skops").save(FunctionTransformer(kw_args={"rows": (row for row in ())}))
    assert_same_tree(dataset(tmp_path / "tree.skops").load(), fitted())


def test_a_full_disk_leaves_the_earlier_model(tmp_path):
    rows = np.random.default_rng(0).normal(size=(2_000, 3))
    large = DecisionTreeClassifier().fit(rows, rows.sum(axis=1) > rows[:, 0] ** 2)
    dataset(tmp_path / "tree.skops").save(fitted())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(skops.io.dumps(large)) // 2, limits[1]))
        with pytest.raises(DatasetError, match="File too large"):
            dataset(tmp_path / "tree.skops").save(large)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert_same_tree(dataset(tmp_path / "tree.skops").load(), fitted())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tree.skops", "tree.skops.sha256"]


def test_it_exists_once_it_is_saved(tmp_path):
    saved = dataset(tmp_path / "tree.skops")
    assert not saved.exists()
    with pytest.raises(DatasetError, match=r"tree\.skops"):
        saved.load()
    saved.save(fitted())
    assert saved.exists()
    assert "tree.skops" in str(saved)


def test_each_version_is_loaded_as_it_was_saved(tmp_path):
    path = tmp_path / "tree.skops"
    assert not dataset(path, version=Version(None, None)).exists()
    for depth in (2, 3):
        dataset(path, version=Version(None, f"2016-01-0{depth}T00.00.00.000Z")).save(fitted(max_depth=depth))
    first = dataset(path, version=Version("2016-01-02T00.00.00.000Z", None))
    newest = dataset(path, version=Version(None, None))
    assert_same_tree(first.load(), fitted(max_depth=2))
    assert_same_tree(newest.load(), fitted(max_depth=3))
    assert newest.exists()
    assert not dataset(path, version=Version("2015-01-01T00.00.00.000Z", None)).exists()


def test_a_version_is_never_written_over(tmp_path):
    version = Version(None, "2016-01-01T00.00.00.000Z")
    dataset(tmp_path / "tree.skops", version=version).save(fitted())
    with pytest.raises(DatasetError, match="must not exist"):
        dataset(tmp_path / "tree.skops", version=version).save(fitted(max_depth=2))


def test_a_release_lets_a_newer_version_be_seen(tmp_path):
    path = tmp_path / "tree.skops"
    dataset(path, version=Version(None, "2016-01-01T00.00.00.000Z")).save(fitted(max_depth=2))
    newest = dataset(path, version=Version(None, None))
    assert_same_tree(newest.load(), fitted(max_depth=2))
    dataset(path, version=Version(None, "2016-01-02T00.00.00.000Z")).save(fitted(max_depth=3))
    newest.release()
    assert_same_tree(newest.load(), fitted(max_depth=3))
