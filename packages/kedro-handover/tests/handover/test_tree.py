"""As an MLlib model, as SQL and on every engine, a tree gives the probabilities of scikit-learn, bit for bit."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from py4j.protocol import Py4JJavaError
from pyarrow import parquet
from sklearn.tree import DecisionTreeClassifier

from kedro_handover.datasets.mllib_model_dataset import MLlibModelDataset
from kedro_handover.datasets.skops_dataset import SkopsDataset
from kedro_handover.datasets.verified_model_dataset import VerifiedModel
from kedro_handover.errors import HandOverError
from kedro_handover.handover.tree import to_mllib, to_narwhals, to_sql
from kedro_handover.nodes.scoring import score_rows
from kedro_handover.spark.models import SqlModel
from kedro_handover.testing import Engine, to_spark
from processes import fresh_environment
from toy import PROJECT
from trees import assert_exact, rows_on_boundaries, score, table

FLOAT32 = np.finfo(np.float32)
EXTREMES = (FLOAT32.max, FLOAT32.min, FLOAT32.tiny, FLOAT32.smallest_subnormal, -0.0, 0.0, 1e-7, 16_777_217.0)
TREES_PER_JOB = 6
"""A Spark job costs the same for one tree and for six."""

MISSING = pytest.mark.parametrize("missing", [None, float("nan")], ids=["null", "nan"])


def fitted(rows: pd.DataFrame, label: object, weights: object = None, **arguments) -> DecisionTreeClassifier:
    tree = DecisionTreeClassifier(**{"random_state": 0} | arguments)
    return tree.fit(rows, np.asarray(label, dtype=bool), sample_weight=weights)


def noise(
    rows: int = 400, columns: tuple[str, ...] = ("a", "b", "c"), seed: int = 0
) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = pd.DataFrame(rng.normal(size=(rows, len(columns))).astype(np.float32), columns=list(columns))
    return features, rng.random(rows) < 0.5


def test_the_hand_over_notices_a_threshold_one_step_off(spark, tmp_path) -> None:
    """The rows on the boundaries are worth what they find: one threshold, moved by one float32."""
    rows, label = noise()
    tree, moved = fitted(rows, label, max_depth=4), fitted(rows, label, max_depth=4)
    boundaries = rows_on_boundaries(tree)
    node = int(np.flatnonzero(tree.tree_.feature >= 0)[-1])
    moved.tree_.threshold[node] = np.nextafter(np.float32(tree.tree_.threshold[node]), np.float32(np.inf))
    assert np.any(score(spark, tmp_path, boundaries, moved)["mllib"][:, 0] != tree.predict_proba(boundaries)[:, 1])


@st.composite
def any_trees(draw) -> tuple[DecisionTreeClassifier, pd.DataFrame]:
    count, width = draw(st.integers(2, 60)), 4
    number = st.floats(width=32, allow_nan=False, allow_infinity=False)
    few = st.sampled_from([-1.5, 0.0, 0.1, 2.0, 1e-7, 1.0000001])
    values = draw(arrays(np.float32, (count, width), elements=st.sampled_from(EXTREMES) | few | number))
    values[:, 2] = values[:, draw(st.sampled_from([0, 2]))]  # the same column twice, or not
    if draw(st.booleans()):
        values[:, 3] = values[0, 3]  # a constant
    label = draw(arrays(bool, count))
    label[:2] = [False, True]  # a tree of one class is not handed over
    rows = pd.DataFrame(values, columns=["a", "b", "c", "d"])
    weights = draw(st.none() | arrays(np.float64, count, elements=st.floats(1e-3, 1e3)))
    tree = fitted(
        rows,
        label,
        weights,
        criterion=draw(st.sampled_from(["gini", "entropy", "log_loss"])),
        max_depth=draw(st.integers(1, 12)),
        min_samples_leaf=draw(st.integers(1, 5)),
        splitter=draw(st.sampled_from(["best", "random"])),
        class_weight=draw(st.sampled_from([None, "balanced", {False: 0.3, True: 7.1}])),
    )
    return tree, pd.concat([rows, rows_on_boundaries(tree)], ignore_index=True)


@pytest.mark.parametrize("jobs", [3, pytest.param(12, marks=pytest.mark.slow)])
def test_any_tree_is_handed_over_exactly(spark, tmp_path, jobs) -> None:
    @settings(max_examples=jobs, deadline=None, suppress_health_check=list(HealthCheck))
    @given(trees_and_rows=st.lists(any_trees(), min_size=TREES_PER_JOB, max_size=TREES_PER_JOB))
    def assert_all_exact(trees_and_rows) -> None:
        trees, rows = zip(*trees_and_rows, strict=True)
        assert_exact(spark, tmp_path, pd.concat(rows, ignore_index=True), *trees)

    assert_all_exact()


def test_a_tree_of_one_leaf_is_handed_over(spark, tmp_path) -> None:
    rows = pd.DataFrame({"a": np.zeros(7, dtype=np.float32)})
    tree = fitted(rows, [True, False, False, True, False, False, False])
    assert tree.tree_.node_count == 1
    assert_exact(spark, tmp_path, rows, tree)
    assert score(spark, tmp_path, rows, tree)["mllib"][0, 0] == 2 / 7


def test_a_tie_is_one_half_and_is_negative_as_in_scikit_learn(spark, tmp_path) -> None:
    rows = pd.DataFrame({"a": np.array([0, 0, 1, 1], dtype=np.float32)})
    tree = fitted(rows, [True, False, True, True])
    assert tree.predict(rows).tolist() == [False, False, True, True]
    assert_exact(spark, tmp_path, rows, tree)
    scored = to_mllib(tree, spark).transform(to_spark(table(rows), spark, tmp_path))
    found = sorted((row["row_number"], row["prediction"], row["probability"][1]) for row in scored.collect())
    assert found == [(0, 0, 0.5), (1, 0, 0.5), (2, 1, 1), (3, 1, 1)]


@pytest.mark.parametrize("nodes", [1_000, pytest.param(5_000, marks=pytest.mark.slow)])
def test_a_deep_tree_of_thousands_of_nodes_is_exact(spark, tmp_path, nodes) -> None:
    rows, label = noise(8 * nodes // 5, ("a", "b", "c", "d"))
    tree = fitted(rows, label, max_depth=31, splitter="random")
    assert tree.get_depth() == 31
    assert tree.tree_.node_count > nodes
    everything = pd.concat([rows, rows_on_boundaries(tree)], ignore_index=True)
    assert_exact(spark, tmp_path, everything, tree, sql=False)


@MISSING
def test_mllib_refuses_a_missing_value(spark, tmp_path, missing) -> None:
    rows, label = noise()
    tree = fitted(rows, label, max_depth=3)
    one = pa.table({name: pa.array([missing if name == "b" else 0.5], pa.float32()) for name in rows})
    scored = to_mllib(tree, spark).transform(to_spark(one, spark, tmp_path))
    with pytest.raises(Py4JJavaError, match=f"(?s)Encountered {'null' if missing is None else 'NaN'}"):
        scored.select("probability").collect()


@MISSING
def test_sql_gives_null_for_a_missing_value_that_the_tree_looks_at(spark, tmp_path, missing) -> None:
    rows, label = noise()
    label = rows["b"] > 0.1  # the tree looks at nothing else
    tree = fitted(rows, label)
    assert set(tree.tree_.feature) == {1, -2}
    column = pa.array([missing, 0.5], pa.float32())
    known = pa.array([0.5, 0.5], pa.float32())
    for name, expected in (("b", [None, 1.0]), ("a", [1.0, 1.0])):
        both = pa.table({"row_number": [0, 1]} | dict.fromkeys(rows, known) | {name: column})
        in_spark = to_spark(both, spark, tmp_path).orderBy("row_number").selectExpr(f"{to_sql(tree)} AS p").collect()
        in_duckdb = duckdb.from_arrow(both).project(f"row_number, {to_sql(tree)}").order("row_number").fetchall()
        assert [row["p"] for row in in_spark] == expected
        assert [row[1] for row in in_duckdb] == expected


@MISSING
@pytest.mark.parametrize("released", ["sql", "mllib"])
def test_scoring_a_row_with_a_missing_feature_ends_with_an_error(
    spark, tmp_path, missing, released, handed_over
) -> None:
    tree, mllib = handed_over
    model = {"sql": SqlModel(to_sql(tree)), "mllib": mllib}[released]
    features = pa.table(
        {
            "id": ["1", "2"],
            "label": pa.array([True, None], pa.bool_()),
            "shop": pa.array([3, 3], pa.float32()),
            "price": pa.array([0.5, missing], pa.float32()),
        }
    )
    rows, release = to_spark(features, spark, tmp_path), {"model": {"threshold": 0.5}}
    scores = score_rows(model, release, rows, {"failures": []}, "", PROJECT)
    with pytest.raises(Exception, match=r"(?s)misses a feature|null|NaN"):
        scores.collect()


@pytest.mark.parametrize("asked", [True, False])
def test_scores_have_the_probability_that_is_put_back_to_the_shares_of_the_data(
    spark, tmp_path, handed_over, asked
) -> None:
    counts = {"positive": 20, "negative": 80, "train_positive": 15, "train_negative": 15}
    release = {
        "model": {"threshold": 0.5, "name": "handed_over"},
        "data": {"row_counts": {**counts, "test_positive": 5, "test_negative": 20}},
        "parameters": {"sklearn_research": {"prior_correction": asked}},
    }
    rows, _ = noise(30, ("shop", "price"))
    features = {name: pa.array(rows[name], pa.float32()) for name in rows}
    table = pa.table({"id": [*map(str, range(30))], "label": pa.nulls(30, pa.bool_()), **features})
    model, native = SqlModel(to_sql(handed_over[0])), to_spark(table, spark, tmp_path)
    scored = score_rows(model, release, native, {"failures": []}, "", PROJECT)
    more = ["probability_in_data"] if asked else []
    assert scored.columns == ["id", "shop", "label", "probability", *more, "prediction"]
    odds = 0.25  # 20 of 100 in the data, half of what was learned from
    for row in scored.collect() if asked else ():
        weighed = row["probability"] * odds
        assert row["probability_in_data"] == weighed / (weighed + 1 - row["probability"])
        assert row["prediction"] == (row["probability"] > 0.5)  # the threshold cuts what was learned


@pytest.fixture(scope="module")
def handed_over(spark, tmp_path_factory) -> tuple[DecisionTreeClassifier, Any]:
    """A tree on two features, and its MLlib form as it is loaded: held to a few rows."""
    rows, _ = noise(200, ("shop", "price"))
    tree = fitted(rows, rows["price"] > 0.1, max_depth=3)
    dataset = MLlibModelDataset(filepath=str(tmp_path_factory.mktemp("models") / "handed_over"))
    held_to = rows.head(5).assign(probability=tree.predict_proba(rows.head(5))[:, 1])
    dataset.save(VerifiedModel(to_mllib(tree, spark), held_to))
    return tree, dataset.load().model


@pytest.mark.parametrize(
    "label",
    [
        np.tile(["no", "yes"], 50),
        np.tile([1, 2], 50),
        np.tile([False, True, 2], 34)[:100],
        np.zeros(100, dtype=bool),
        np.ones(100, dtype=bool),
        np.tile([[False, True], [True, False]], (50, 1)),
    ],
    ids=["text", "one and two", "three classes", "never positive", "always positive", "two outputs"],
)
def test_a_tree_with_another_label_is_refused(spark, label) -> None:
    rows, _ = noise(100)
    tree = DecisionTreeClassifier(max_depth=2, random_state=0).fit(rows, label)
    for hand_over in (to_sql, to_narwhals, lambda one: to_mllib(one, spark)):
        with pytest.raises(HandOverError, match="Only a label that is False or True"):
            hand_over(tree)


def test_a_tree_that_knows_no_column_names_is_refused(spark) -> None:
    rows, label = noise(100)
    tree = DecisionTreeClassifier(max_depth=2, random_state=0).fit(rows.to_numpy(), label)
    for hand_over in (to_sql, to_narwhals, lambda one: to_mllib(one, spark)):
        with pytest.raises(HandOverError, match="names"):
            hand_over(tree)


@pytest.mark.parametrize(
    "names",
    [
        ("x metres", "b"),
        ("x.metres", "b"),
        ('x"metres', "b"),
        ("x'metres", "b"),
        ("x`metres", "b"),
        ("select", "b"),
        ("order", "b"),
        ("end", "b"),
        ("null", "b"),
        ("true", "b"),
        ("current_date", "b"),
        ("1", "b"),
        ("1e3", "b"),
        ("-- x", "b"),
        ("àrea", "b"),
        ("X", "x"),
        ("", "b"),
    ],
    ids=repr,
)
def test_a_name_that_sql_reads_otherwise_is_exact_or_refused(spark, tmp_path, names) -> None:
    rows, label = noise(100, names)
    tree = fitted(rows, label, max_depth=3)
    try:
        to_sql(tree)
        to_mllib(tree, spark)
    except HandOverError as error:
        assert repr(names[0]) in str(error)  # noqa: PT017 - to be refused is one of the two good ends
    else:
        assert_exact(spark, tmp_path, rows, tree)


@pytest.mark.parametrize("names", [("width", "Y2"), ("_a", "is_in_mall"), ("level", "name"), ("date", "row")])
def test_a_plain_name_is_not_refused(spark, tmp_path, names) -> None:
    rows, label = noise(100, names)
    assert_exact(spark, tmp_path, rows, fitted(rows, label, max_depth=3))


WITHOUT_PYTHON = """
import importlib.util, sys
from pyspark.ml.functions import vector_to_array
from kedro_handover.datasets.skops_dataset import SkopsDataset
from kedro_handover.handover.tree import to_mllib, to_sql
from kedro_handover.spark.session import configure_spark, get_spark
from kedro_handover.testing import SPARK_SETTINGS

configure_spark(SPARK_SETTINGS)
spark, folder = get_spark(), sys.argv[1]
found = spark.sparkContext.parallelize([0], 1).map(
    lambda _: [name for name in ("numpy", "pandas") if importlib.util.find_spec(name)]
).collect()
assert found == [[]], found
tree = SkopsDataset(filepath=f"{folder}/tree.skops", trusted=["sklearn.tree._tree.Tree"]).load()
rows = spark.read.parquet(f"{folder}/rows.parquet")
scored = to_mllib(tree, spark).transform(rows)
scored.select("row_number", vector_to_array("probability")[1].alias("p")).write.parquet(f"{folder}/mllib")
rows.selectExpr("row_number", f"{to_sql(tree)} AS p").write.parquet(f"{folder}/sql")
"""


@pytest.mark.slow  # as a whole run in tests/deploy/test_cluster.py
def test_executors_need_no_python_packages(tmp_path) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    python = tmp_path / "bare/bin/python"
    for package in ("numpy", "pandas", "pyspark"):
        assert subprocess.run([python, "-c", f"import {package}"], capture_output=True, check=False).returncode == 1
    rows, label = noise(2_000)
    tree = fitted(rows, label, max_depth=8)
    parquet.write_table(table(rows), tmp_path / "rows.parquet")
    SkopsDataset(filepath=str(tmp_path / "tree.skops"), trusted=[]).save(tree)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PYTHON, str(tmp_path)],
        env=fresh_environment(PYSPARK_PYTHON=os.fspath(python)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for form in ("mllib", "sql"):
        found = pd.read_parquet(tmp_path / form).set_index("row_number")["p"]
        assert len(found) == len(rows)
        assert (found.sort_index() == tree.predict_proba(rows)[:, 1]).all()


@pytest.mark.parametrize("depth", [1, 8])
def test_on_every_engine_a_tree_is_exact_on_every_boundary_too(engine: Engine, depth) -> None:
    features, label = noise(2_000)
    tree = fitted(features, label, max_depth=depth)
    rows = pd.concat([features, rows_on_boundaries(tree)], ignore_index=True)
    scored = nw.from_native(engine.from_arrow(table(rows))).select("row_number", probability=to_narwhals(tree))
    given_ = engine.rows(scored.to_native())
    assert [row["probability"] for row in given_] == tree.predict_proba(rows)[:, 1].tolist()
    assert engine.types(scored.to_native())["probability"] == "Float64"


def test_on_every_engine_a_missing_value_that_the_tree_looks_at_gives_null(engine: Engine) -> None:
    rows, _ = noise()
    tree = fitted(rows, rows["b"] > 0.1)
    columns = {"row_number": [0, 1], **{name: [0.5, 0.5] for name in rows}}
    schema = {"row_number": pa.int64(), **{name: pa.float32() for name in rows}}
    for name, expected in (("b", [1.0, None]), ("a", [1.0, 1.0])):
        frame = nw.from_native(engine.frame(columns | {name: [0.5, None]}, schema))
        scored = engine.rows(frame.select("row_number", probability=to_narwhals(tree)).to_native())
        assert [row["probability"] for row in scored] == expected


def test_on_every_engine_a_tree_of_one_leaf_gives_every_row_the_same(engine: Engine) -> None:
    rows = pd.DataFrame({"a": np.zeros(7, dtype=np.float32)})
    tree = fitted(rows, [True, False, False, True, False, False, False])
    frame = nw.from_native(engine.from_arrow(table(rows)))
    scored = engine.rows(frame.select("row_number", probability=to_narwhals(tree)).to_native())
    assert [row["probability"] for row in scored] == [2 / 7] * 7
