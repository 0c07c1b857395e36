"""On Spark a model is a function in Java: every family gives the library's own bits, and no Python runs there."""

from __future__ import annotations

import hashlib
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from kedro_handover.errors import HandOverError
from kedro_handover.handover import jar, proof, spark_function
from kedro_handover.handover.handed import hand_over
from kedro_handover.handover.numpy_evaluator import evaluate, read_inputs
from kedro_handover.handover.spark_function import make_column, score_on_spark
from kedro_handover.testing import to_spark

pytestmark = pytest.mark.spark


def score(description, rows, spark, folder):
    """Scores by the function, with the raw ones, in the order of the rows."""
    frame = to_spark(pa.Table.from_pandas(rows, preserve_index=False), spark, folder)
    found = frame.select("id", make_column(description, spark, with_score=True).alias("scored"))
    rows = found.orderBy("id").select("scored").collect()
    return [row["scored"] for row in rows]


def same(found, expected):
    return proof.same_bits(np.array(found, np.float64), np.asarray(expected, np.float64)).all()


def test_the_function_gives_the_bits_of_the_library(family, spark, tmp_path):
    assert_bits_of_the_library(family, spark, tmp_path)


@pytest.mark.parametrize("name", ["histogram_many", "xgboost_many", "xgboost_many_categories", "lightgbm_many"])
def test_many_small_trees_are_scored_by_masks_to_the_same_bits(name, fit_family, spark, tmp_path):
    family = fit_family(name)
    assert is_scored_by_masks(family.description, spark)
    assert_bits_of_the_library(family, spark, tmp_path)


def is_scored_by_masks(description, spark):
    """Whether the Java function has found that masks are quicker than a walk."""
    jvm, gateway = spark._jvm, spark.sparkContext._gateway  # noqa: SLF001 - the class itself is tested
    arguments = gateway.new_array(jvm.java.lang.Object, 1)
    arguments[0] = spark_function.write_for_java(description)
    way = next(m for m in spark_function._load_class(spark).getMethods() if m.getName() == "wayToTheLeaves")  # noqa: SLF001
    return way.invoke(None, arguments) == "Masks"


def assert_bits_of_the_library(family, spark, tmp_path):
    expected = evaluate(family.description, read_inputs(family.description, family.difficult))
    found = score(family.description, family.difficult, spark, tmp_path)
    assert [row is None for row in found] == expected.refused.tolist()
    taken = np.flatnonzero(~expected.refused)
    assert same([found[i]["score"] for i in taken], expected.score[taken])
    if family.description.task == "regression":
        assert same([found[i]["prediction"] for i in taken], expected.prediction[taken])
        return
    assert [found[i]["label"] for i in taken] == expected.label[taken].tolist()
    shares = expected.probability[taken]
    wanted = shares[:, 1] if family.description.task == "binary" else shares
    assert same([found[i]["probability"] for i in taken], wanted)


def test_a_session_is_given_a_model_once(fit_family, spark, monkeypatch):
    written = []
    write = spark_function.write_for_java
    monkeypatch.setattr(spark_function, "write_for_java", lambda given: written.append(given.digest) or write(given))
    family = fit_family("tree")
    for session in (spark.newSession(), spark.newSession()):
        for _ in range(2):
            make_column(family.description, session)
            make_column(family.description, session, with_score=True)
    assert written == [family.description.digest] * 4


def test_the_exp_of_the_function_is_that_of_the_c_library(spark):
    model = spark_function._load_class(spark)  # noqa: SLF001 - the class itself is tested
    jvm, gateway = spark._jvm, spark.sparkContext._gateway  # noqa: SLF001
    powers = proof.make_powers()
    written = gateway.new_array(jvm.java.lang.Object, 1)
    buffer = jvm.java.nio.ByteBuffer
    for name, kind, width, digest in (("exp", ">f8", 8, proof.EXP_DIGEST), ("expf", ">f4", 4, proof.EXPF_DIGEST)):
        method = next(m for m in model.getMethods() if m.getName() == name)
        wrapped = buffer.wrap(powers.astype(kind).tobytes())
        given = jvm.java.lang.reflect.Array.newInstance(method.getParameterTypes()[0].getComponentType(), len(powers))
        (wrapped.asDoubleBuffer() if width == 8 else wrapped.asFloatBuffer()).get(given)
        written[0] = given
        results = method.invoke(None, written)
        room = buffer.allocate(width * len(powers))
        (room.asDoubleBuffer() if width == 8 else room.asFloatBuffer()).put(results)
        found = np.frombuffer(room.array(), kind).astype(kind.replace(">", "<"))
        assert hashlib.sha256(found.tobytes()).hexdigest() == digest, name


def test_categories_that_are_numbers_already(codes, table, spark, tmp_path):
    xgboost, lightgbm = pytest.importorskip("xgboost"), pytest.importorskip("lightgbm")
    label = table.binary ^ np.isin(codes[:, 0], [1, 4, 7])
    odd = pd.DataFrame({"x0": [3.0, 11.0, np.nan, 3.7, 0.2, -0.5, -1.0, 70.0, 1e300, 5e-324], "x1": 0.0})
    for model in (
        xgboost.XGBClassifier(n_estimators=5, feature_types=["c", "q"], enable_categorical=True).fit(codes, label),
        lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, cat_smooth=1).fit(codes, label, categorical_feature=[0]),
        HistGradientBoostingClassifier(max_iter=5, categorical_features=[0]).fit(codes, label),
    ):
        handed = hand_over(model, prove_on=codes)
        found = score(handed.description, odd.assign(id=range(len(odd))), spark, tmp_path)
        assert same([row["probability"] for row in found], model.predict_proba(odd.to_numpy())[:, 1])


def test_a_frame_keeps_its_columns_and_gets_two(fit_family, spark, tmp_path):
    fitted = fit_family("forest_three")
    handed = hand_over(fitted.model, prove_on=fitted.rows)
    frame = to_spark(pa.Table.from_pandas(fitted.difficult, preserve_index=False), spark, tmp_path)
    scored = handed.transform(frame)
    assert scored.columns == [*frame.columns, "probability", "prediction"]
    first = scored.orderBy("id").first()
    assert first["probability"] == fitted.model.predict_proba(fitted.rows.head(1))[0].tolist()
    assert first["prediction"] == fitted.model.predict(fitted.rows.head(1))[0]


def test_texts_and_booleans_are_labels_on_spark_too(fit_family, spark, tmp_path):
    for name, type_ in (("lightgbm", "string"), ("xgboost", "boolean")):
        fitted = fit_family(name)
        frame = to_spark(pa.Table.from_pandas(fitted.difficult, preserve_index=False), spark, tmp_path)
        scored = score_on_spark(fitted.description, frame)
        assert dict(scored.dtypes)["prediction"] == type_
        expected = fitted.model.predict(fitted.rows.head(20)).tolist()
        assert [row.prediction for row in scored.orderBy("id").limit(20).collect()] == expected


def test_each_row_is_scored_once(fit_family, spark, tmp_path):
    fitted = fit_family("tree")
    frame = to_spark(pa.Table.from_pandas(fitted.difficult, preserve_index=False), spark, tmp_path)
    scored = score_on_spark(fitted.description, frame).select("id", "probability", "prediction")
    plan = scored._jdf.queryExecution().executedPlan().toString()  # noqa: SLF001 - pyspark shows no plan as text
    assert plan.count("handed_over_") == 1


def test_a_forest_too_large_for_a_short_step_is_walked_alike(spark, tmp_path):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(4000, 3)).astype(np.float32), columns=["p", "q", "r"])
    model = RandomForestClassifier(19, random_state=0).fit(rows, rng.random(4000) > 0.5)
    handed = hand_over(model, prove_on=rows.head(500))
    found = score(handed.description, rows.assign(id=range(4000)), spark, tmp_path)
    assert same([row["probability"] for row in found], model.predict_proba(rows)[:, 1])


def test_columns_that_are_missing_or_would_be_cut_are_refused(fit_family, table, spark):
    handed = hand_over(fit_family("tree").model, prove_on=table.plain)
    used = [column.name for column in handed.description.inputs]
    frame = spark.createDataFrame([(1.0, 2.0, 3.0, 4.0)], "p double, q double, r double, s double")
    assert handed.transform(frame).count() == 1
    with pytest.raises(HandOverError, match=f"The table lacks '{used[0]}'"):
        handed.transform(frame.drop(used[0]))
    with pytest.raises(HandOverError, match=f"'{used[0]}' is string, and the model was handed over with double"):
        handed.transform(frame.withColumn(used[0], F.lit("1")))
    scaled = make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=2)).fit(table.plain, table.binary)
    with pytest.raises(HandOverError, match="is double, and the model was handed over with float"):
        hand_over(scaled, prove_on=table.plain).transform(frame)


def test_a_jar_of_other_sources_is_refused(monkeypatch, tmp_path):
    shutil.copytree(jar.SOURCES, tmp_path / "java")
    monkeypatch.setattr(jar, "SOURCES", tmp_path / "java")
    monkeypatch.setattr(jar, "JAR", tmp_path / "java" / jar.JAR.name)
    assert jar.find_jar().exists()
    with (tmp_path / "java" / "kedro" / "handover" / "Model.java").open("a") as source:
        source.write("// changed\n")
    with pytest.raises(HandOverError, match=r"was not built from the sources beside it. Build it with"):
        jar.find_jar()
    jar.JAR.unlink()
    with pytest.raises(HandOverError, match="The jar of the Java function is missing"):
        jar.find_jar()


@pytest.mark.skipif(shutil.which("javac") is None, reason="no JDK here: the jar in the package is what is tested")
def test_the_same_sources_give_the_same_jar(monkeypatch, tmp_path):
    expected = jar.find_jar().read_bytes()
    shutil.copytree(jar.SOURCES, tmp_path / "java")
    monkeypatch.setattr(jar, "SOURCES", tmp_path / "java")
    monkeypatch.setattr(jar, "JAR", tmp_path / "java" / jar.JAR.name)
    assert jar.build_jar().read_bytes() == expected
    assert jar.find_jar().exists()


def test_errors_of_javac_are_shown(monkeypatch, tmp_path):
    shutil.copytree(jar.SOURCES, tmp_path / "java")
    (tmp_path / "java" / "kedro" / "handover" / "Steps.java").write_text("class Steps { int }")
    monkeypatch.setattr(jar, "SOURCES", tmp_path / "java")
    monkeypatch.setattr(jar, "JAR", tmp_path / "java" / jar.JAR.name)
    match = "javac found errors" if shutil.which("javac") else "There is no javac"
    with pytest.raises(HandOverError, match=match):
        jar.build_jar()
