"""Three lines hand a model over: every kind of frame is scored alike, and files bring the model back."""

from __future__ import annotations

import json

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from kedro_handover.errors import HandOverError
from kedro_handover.handover.handed import DESCRIPTION_FILE, PROMISE_FILE, hand_over, load


@pytest.fixture
def handed(fit_family):
    fitted = fit_family("tree_missing")
    return hand_over(fitted.model, prove_on=fitted.rows)


def test_every_kind_of_frame_is_scored_alike(handed, fit_family):
    fitted = fit_family("tree_missing")
    rows = fitted.rows
    expected = fitted.model.predict_proba(rows)[:, 1].tolist()
    labels = fitted.model.predict(rows).tolist()
    arrow = pa.Table.from_pandas(rows, preserve_index=False)
    frames = {
        "pandas": handed.transform(rows),
        "arrow": handed.transform(arrow).to_pandas(),
        "polars": handed.transform(pl.from_arrow(arrow)).to_pandas(),
        "lazy": handed.transform(pl.from_arrow(arrow).lazy()).collect().to_pandas(),
        "duckdb": handed.transform(duckdb.from_arrow(arrow)).df(),
    }
    for name, frame in frames.items():
        assert frame.columns.tolist() == [*rows.columns, "probability", "prediction"], name
        assert frame["probability"].tolist() == expected, name
        assert frame["prediction"].tolist() == labels, name


def test_the_index_of_pandas_and_other_columns_stay(handed, fit_family):
    rows = fit_family("tree_missing").rows.head(5).assign(id=list("vwxyz")).iloc[::-1]
    scored = handed.transform(rows)
    assert scored.index.tolist() == [4, 3, 2, 1, 0]
    assert scored["id"].tolist() == list("zyxwv")


def test_more_than_two_classes_get_an_array(fit_family):
    fitted = fit_family("forest_three")
    handed = hand_over(fitted.model, prove_on=fitted.rows)
    expected = fitted.model.predict_proba(fitted.rows)
    scored = handed.transform(fitted.rows)
    assert np.array_equal(np.stack(scored["probability"]), expected)
    assert scored["prediction"].tolist() == fitted.model.predict(fitted.rows).tolist()
    arrow = handed.transform(pa.Table.from_pandas(fitted.rows))
    assert arrow["probability"].to_pylist() == expected.tolist()


def test_a_regression_gets_a_prediction_alone(fit_family):
    fitted = fit_family("gradient_regression")
    scored = hand_over(fitted.model, prove_on=fitted.rows).transform(fitted.rows)
    assert scored.columns.tolist() == [*fitted.rows.columns, "prediction"]
    assert scored["prediction"].tolist() == fitted.model.predict(fitted.rows).tolist()


def test_a_row_that_the_library_refuses_gets_nothing(fit_family):
    fitted = fit_family("gradient")
    handed = hand_over(fitted.model, prove_on=fitted.rows)
    rows = fitted.rows.head(3).copy()
    rows.loc[1, "p"] = np.inf
    rows.loc[2, handed.description.inputs[0].name] = np.nan
    scored = handed.transform(rows)
    assert scored["probability"].isna().tolist() == [False, True, True]
    assert scored["prediction"].isna().tolist() == [False, True, True]
    arrow = handed.transform(pa.Table.from_pandas(rows))
    assert arrow["prediction"].null_count == 2


def test_a_missing_column_is_named(handed, fit_family):
    with pytest.raises(HandOverError, match=r"The table lacks 'p'"):
        handed.transform(fit_family("tree_missing").rows.drop(columns="p"))


def test_another_kind_of_frame_is_refused(handed):
    with pytest.raises(HandOverError, match=r"list can't be scored. Give a frame of Spark, pandas"):
        handed.transform([1])


def test_a_saved_model_comes_back_with_its_promise(handed, fit_family, tmp_path):
    handed.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert loaded.promise == handed.promise
    assert "exact, bit for bit" in str(loaded.promise)
    rows = fit_family("tree_missing").rows
    assert loaded.transform(rows).equals(handed.transform(rows))
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [DESCRIPTION_FILE, PROMISE_FILE]


def test_a_description_that_was_not_proven_is_not_loaded(handed, fit_family, tmp_path):
    handed.save(tmp_path)
    fit_family("tree").description.save(tmp_path / DESCRIPTION_FILE)
    with pytest.raises(HandOverError, match="is not what was proven: its digest differs"):
        load(tmp_path)


def test_a_damaged_promise_is_not_loaded(handed, tmp_path):
    handed.save(tmp_path)
    kept = json.loads((tmp_path / PROMISE_FILE).read_text())
    del kept["promise"]["score"]
    (tmp_path / PROMISE_FILE).write_text(json.dumps(kept))
    with pytest.raises(HandOverError, match="can't be read"):
        load(tmp_path)
    with pytest.raises(HandOverError, match="can't be read"):
        load(tmp_path / "nowhere")


def test_a_threshold_is_for_two_classes(fit_family):
    fitted = fit_family("forest_three")
    with pytest.raises(HandOverError, match="the model's task is multiclass"):
        hand_over(fitted.model, prove_on=fitted.rows, threshold=0.5)
