"""Any other Python model is scored by its own library, after each process has shown that it is the same one."""

from __future__ import annotations

import importlib
import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from pyspark.errors import PythonException
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from kedro_handover.errors import HandOverError
from kedro_handover.handover.handed import hand_over
from kedro_handover.testing import to_spark


class Network:
    """What a network of Keras looks like from outside: `predict` gives probabilities."""

    def __init__(self, columns):
        self.columns = columns

    def predict(self, rows):
        share = 1 / (1 + np.exp(-np.asarray(rows)[:, 0].astype(np.float64)))
        return np.stack([share / 2, share / 2, 1 - share], axis=1) if self.columns == 3 else share[:, None]


@pytest.fixture
def neighbours(table):
    model = make_pipeline(StandardScaler(), KNeighborsClassifier()).fit(table.plain, table.texts)
    return hand_over(model, prove_on=table.plain, as_library=True)


def test_a_frame_of_pandas_is_scored_by_the_library(neighbours, table):
    scored = neighbours.transform(table.plain.assign(id=1))
    assert scored["probability"].tolist() == neighbours.model.predict_proba(table.plain)[:, 1].tolist()
    assert scored["prediction"].tolist() == neighbours.model.predict(table.plain).tolist()
    assert re.search(r"scored by the library itself \(python 3.*scikit-learn|sklearn", neighbours.promise)


OF_THEIR_OWN = {
    "a threshold": lambda: FixedThresholdClassifier(
        DecisionTreeClassifier(max_depth=4), threshold=0.2, pos_label="yes"
    ),
    "a rule": SVC,
    "a sign": RidgeClassifier,
}


@pytest.mark.parametrize("make", OF_THEIR_OWN.values(), ids=OF_THEIR_OWN)
def test_the_prediction_is_the_librarys_own(make, table):
    model = make().fit(table.plain, table.texts)
    scored = hand_over(model, prove_on=table.plain, as_library=True).transform(table.plain)
    assert scored["prediction"].tolist() == model.predict(table.plain).tolist()
    assert ("probability" in scored) == hasattr(model, "predict_proba")
    if "probability" in scored:
        assert (scored["prediction"] != np.where(scored["probability"] > 0.5, "yes", "no")).any()


def test_a_frame_without_rows_has_the_columns_of_any_other(neighbours, table):
    scored = neighbours.transform(table.plain)
    assert neighbours.transform(table.plain.head(0)).dtypes.to_dict() == scored.dtypes.to_dict()


def test_a_class_that_gives_probabilities_alone_will_do(table):
    network = Network(1)

    class Wrapped:
        classes_ = np.array(["no", "yes"])

        def predict_proba(self, rows):
            share = network.predict(rows)
            return np.concatenate([1 - share, share], axis=1)

    scored = hand_over(Wrapped(), prove_on=table.plain, as_library=True).transform(table.plain)
    assert scored["prediction"].tolist() == np.where(scored["probability"] > 0.5, "yes", "no").tolist()


def test_labels_may_be_named_otherwise_than_the_model_does(table):
    model = SVC().fit(table.plain, table.binary)
    scored = hand_over(model, prove_on=table.plain, as_library=True, classes=["no", "yes"]).transform(table.plain)
    assert scored["prediction"].tolist() == np.where(model.predict(table.plain), "yes", "no").tolist()


def test_probabilities_of_no_named_class_are_refused(table):
    class Wrapped:
        def predict_proba(self, rows):
            return np.full((len(rows), 2), 0.5)

    with pytest.raises(HandOverError, match=r"Wrapped has no classes_\. Name its labels: hand_over\("):
        hand_over(Wrapped(), prove_on=table.plain, as_library=True)


@pytest.mark.parametrize("make", [DecisionTreeRegressor, DecisionTreeClassifier])
def test_a_model_with_several_outputs_is_refused(make, table):
    model = make(max_depth=2).fit(table.plain, np.stack([table.three, table.three], axis=1))
    with pytest.raises(HandOverError, match=r"predicts 2 (outputs|labels)\. Hand over a model for each"):
        hand_over(model, prove_on=table.plain, as_library=True)


@pytest.mark.spark
def test_on_spark_a_model_without_probabilities_gives_predictions_alone(table, spark, tmp_path):
    model = SVC().fit(table.plain, table.texts)
    rows = table.plain.assign(id=np.arange(len(table.plain)))
    frame = to_spark(pa.Table.from_pandas(rows, preserve_index=False), spark, tmp_path)
    scored = hand_over(model, prove_on=table.plain, as_library=True).transform(frame)
    assert scored.columns == [*frame.columns, "prediction"]
    assert scored.orderBy("id").toPandas()["prediction"].tolist() == model.predict(table.plain).tolist()


@pytest.mark.spark
def test_spark_scores_with_the_library_on_its_executors(neighbours, table, spark, tmp_path):
    rows = table.plain.assign(id=np.arange(len(table.plain)))
    frame = to_spark(pa.Table.from_pandas(rows, preserve_index=False), spark, tmp_path)
    scored = neighbours.transform(frame)
    assert scored.columns == [*frame.columns, "probability", "prediction"]
    found = scored.orderBy("id").toPandas()
    assert found["probability"].tolist() == neighbours.model.predict_proba(table.plain)[:, 1].tolist()
    assert found["prediction"].tolist() == neighbours.model.predict(table.plain).tolist()


@pytest.mark.spark
def test_an_executor_with_another_version_scores_no_row(neighbours, table, spark, tmp_path):
    frame = to_spark(pa.Table.from_pandas(table.plain, preserve_index=False), spark, tmp_path)
    other = replace(neighbours, versions={**neighbours.versions, "numpy": "1.0"})
    with pytest.raises(PythonException, match=r"would be scored by numpy .* handed over with numpy 1.0. Ship the env"):
        other.transform(frame).collect()


@pytest.mark.spark
def test_an_executor_without_the_library_says_which_is_missing(table, spark, tmp_path, monkeypatch):
    (tmp_path / "elsewhere.py").write_text(
        "__version__ = '1.5'\nclass Model:\n    def predict(self, rows):\n        return [row[0] for row in rows]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)  # of this process alone
    handed = hand_over(importlib.import_module("elsewhere").Model(), prove_on=table.plain, as_library=True)
    frame = to_spark(pa.Table.from_pandas(table.plain, preserve_index=False), spark, tmp_path)
    told = r"would be scored by elsewhere none, and it was handed over with elsewhere 1.5. Ship the environment"
    with pytest.raises(PythonException, match=told):
        handed.transform(frame).collect()


def test_a_process_that_gives_other_results_scores_no_row(neighbours):
    other = replace(neighbours, expected=neighbours.expected + 0.25)
    with pytest.raises(HandOverError, match=r"results up to 0.25 apart from those at the hand-over, and 0 is allowed"):
        other.verify()
    replace(other, tolerance=0.3).verify()


def test_predict_may_give_probabilities(table):
    for columns, classes in ((1, [False, True]), (3, ["a", "b", "c"])):
        model = Network(columns)
        handed = hand_over(model, prove_on=table.plain, as_library=True, classes=classes)
        scored = handed.transform(table.plain)
        shares = model.predict(table.plain)
        if columns == 1:
            assert scored["probability"].tolist() == shares[:, 0].tolist()
            assert scored["prediction"].tolist() == (shares[:, 0] > 0.5).tolist()
        else:
            assert np.array_equal(np.stack(scored["probability"]), shares)
            assert set(scored["prediction"]) <= set(classes)


def test_a_model_may_predict_a_number(table):
    model = KNeighborsRegressor().fit(table.plain, table.number)
    handed = hand_over(model, prove_on=table.plain, as_library=True)
    assert handed.transform(table.plain)["prediction"].tolist() == model.predict(table.plain).tolist()


def test_what_the_library_alone_can_do_is_refused(neighbours, table, tmp_path):
    with pytest.raises(HandOverError, match="there is no SQL for it"):
        neighbours.to_sql()
    with pytest.raises(HandOverError, match="without pickle"):
        neighbours.save(tmp_path)
    with pytest.raises(HandOverError, match="The table lacks 'p'"):
        neighbours.transform(table.plain.drop(columns="p"))
    with pytest.raises(HandOverError, match="has neither predict_proba nor predict"):
        hand_over(StandardScaler().fit(table.plain), prove_on=table.plain, as_library=True)
    with pytest.raises(HandOverError, match="threshold is for a model that is described"):
        hand_over(neighbours.model, prove_on=table.plain, as_library=True, threshold=0.5)
