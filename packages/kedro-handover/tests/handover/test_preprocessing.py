"""What a Pipeline does before its model is handed over with it, value for value."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier

from kedro_handover.errors import HandOverError
from kedro_handover.handover.extract import describe
from kedro_handover.handover.handed import hand_over
from kedro_handover.handover.numpy_evaluator import prepare, read_inputs

NUMBERS = ["p", "q", "r", "s"]
TREE = DecisionTreeClassifier(max_depth=5, random_state=0)


@pytest.fixture
def rows(table):
    text = table.categories["k"].astype(object)
    return table.missing.assign(
        k=text.where(text.notna(), np.nan),
        m=table.categories["m"].astype(np.int64),
        wide=table.missing["p"].astype(np.float64) + 0.1,
        flag=table.plain["q"] > 0,
    )


def _xgboost():
    return pytest.importorskip("xgboost").XGBClassifier(n_estimators=5, max_depth=3, n_jobs=1)


def _lightgbm():
    return pytest.importorskip("lightgbm").LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1)


PIPELINES = {
    "imputer": (lambda: make_pipeline(SimpleImputer(strategy="median"), TREE), NUMBERS),
    "constant and indicator": (
        lambda: make_pipeline(SimpleImputer(strategy="constant", fill_value=-7.1, add_indicator=True), TREE),
        NUMBERS,
    ),
    "standard": (
        lambda: make_pipeline(SimpleImputer(), StandardScaler(), GradientBoostingClassifier(n_estimators=5)),
        NUMBERS,
    ),
    "wide standard": (lambda: make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()), ["wide", "m"]),
    "min max": (lambda: make_pipeline(MinMaxScaler(clip=True), HistGradientBoostingClassifier(max_iter=5)), NUMBERS),
    "robust": (lambda: make_pipeline(RobustScaler(), HistGradientBoostingClassifier(max_iter=5)), NUMBERS),
    "largest": (lambda: make_pipeline(MaxAbsScaler(), ExtraTreesClassifier(5, max_depth=4)), NUMBERS),
    "selected": (lambda: make_pipeline(SimpleImputer(), SelectKBest(k=2), TREE), NUMBERS),
    "infrequent levels": (
        lambda: make_pipeline(
            ColumnTransformer(
                [
                    ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
                    ("levels", OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=60), ["k", "m"]),
                ]
            ),
            GradientBoostingClassifier(n_estimators=5, random_state=0),
        ),
        None,
    ),
    "dropped level, imputed text": (
        lambda: make_pipeline(
            ColumnTransformer(
                [
                    (
                        "levels",
                        make_pipeline(
                            SimpleImputer(strategy="most_frequent"),
                            OneHotEncoder(drop="first", handle_unknown="ignore", sparse_output=False),
                        ),
                        ["k"],
                    ),
                    ("codes", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["m"]),
                ],
                remainder="passthrough",
                sparse_threshold=0,
            ),
            RandomForestClassifier(5, max_depth=5, random_state=0),
        ),
        None,
    ),
    "sparse into xgboost": (
        lambda: make_pipeline(
            ColumnTransformer(
                [("levels", OneHotEncoder(handle_unknown="ignore"), ["k", "m"]), ("numbers", "passthrough", ["q"])]
            ),
            _xgboost(),
        ),
        None,
    ),
    "frequent codes into lightgbm": (
        lambda: make_pipeline(
            ColumnTransformer(
                [
                    (
                        "codes",
                        OrdinalEncoder(
                            max_categories=4,
                            handle_unknown="use_encoded_value",
                            unknown_value=np.nan,
                            encoded_missing_value=-2,
                        ),
                        ["k", "m"],
                    ),
                    ("numbers", "passthrough", ["q", "p"]),
                ]
            ),
            _lightgbm(),
        ),
        None,
    ),
    "flags": (
        lambda: make_pipeline(
            ColumnTransformer([("codes", OrdinalEncoder(), ["flag"]), ("numbers", MaxAbsScaler(), ["q"])]), TREE
        ),
        None,
    ),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_is_proven_from_the_raw_columns(name, rows, table):
    make, columns = PIPELINES[name]
    used = rows if columns is None else rows[columns]
    handed = hand_over(make().fit(used, table.binary), prove_on=used)
    assert handed.promise.score == ("bounded" if name == "wide standard" else "exact")
    assert handed.promise.edge_rows > 0


@pytest.mark.parametrize("name", PIPELINES)
def test_every_prepared_value_is_the_pipelines_own(name, rows, table):
    make, columns = PIPELINES[name]
    used = rows if columns is None else rows[columns]
    model = make().fit(used, table.binary)
    expected = model[:-1].transform(used)
    expected = expected.toarray() if hasattr(expected, "toarray") else np.asarray(expected)
    if name == "sparse into xgboost":
        expected = np.where(expected == 0, np.nan, expected)  # XGBoost takes what is not stored as missing
    description = describe(model, used).whole.description
    features, refused = prepare(description, read_inputs(description, used))
    if description.family in {"DecisionTreeClassifier", "GradientBoostingClassifier", "XGBClassifier"} or (
        "Forest" in description.family or "Extra" in description.family
    ):
        expected = expected.astype(np.float32)
    assert not refused.any()
    assert np.array_equal(features, expected.astype(np.float64), equal_nan=True)


def test_an_unseen_level_gets_no_score_where_the_encoder_raises_an_error(rows, table):
    encode = ColumnTransformer([("levels", OneHotEncoder(sparse_output=False), ["k"])])
    handed = hand_over(make_pipeline(encode, TREE).fit(rows, table.binary), prove_on=rows)
    scored = handed.transform(rows.head(2).assign(k=["a", "unheard of"]))
    assert scored["probability"].notna().tolist() == [True, False]
    assert scored["prediction"].isna().tolist() == [False, True]


@pytest.mark.parametrize("make", [pd.DataFrame, pa.Table.from_pandas])
def test_text_where_the_model_reads_numbers_is_named_with_its_column(rows, table, make):
    handed = hand_over(make_pipeline(SimpleImputer(), TREE).fit(rows[NUMBERS], table.binary), prove_on=rows[NUMBERS])
    with pytest.raises(
        HandOverError, match=r"^The column 'q' is (object|string|str), and the model reads numbers: .*many"
    ):
        handed.transform(make(rows[NUMBERS].assign(q="many")))


def test_a_column_that_was_float32_is_not_cut_in_silence(rows, table):
    handed = hand_over(make_pipeline(StandardScaler(), TREE).fit(rows[NUMBERS], table.binary), prove_on=rows[NUMBERS])
    whole = rows[NUMBERS].astype(np.float64)
    assert handed.transform(whole)["probability"].equals(handed.transform(rows[NUMBERS])["probability"])
    with pytest.raises(HandOverError, match=r"'q' was float32 at the hand-over and holds .* which float32 would cut"):
        handed.transform(whole.assign(q=whole["q"] + 1e-9))


@pytest.mark.parametrize(
    ("step", "match"),
    [(PCA(2), "The step PCA of the Pipeline"), (FunctionTransformer(np.abs), "A FunctionTransformer runs absolute")],
)
def test_a_step_of_another_kind_is_refused(step, match, table):
    model = make_pipeline(step, TREE).fit(table.plain, table.binary)
    with pytest.raises(HandOverError, match=match):
        hand_over(model, prove_on=table.plain)


def test_arrow_backed_columns_are_read_as_others_are(rows, table):
    handed = hand_over(
        make_pipeline(
            ColumnTransformer([("k", OneHotEncoder(handle_unknown="ignore"), ["k"]), ("q", "passthrough", ["q"])]), TREE
        ).fit(rows, table.binary),
        prove_on=rows,
    )
    arrow = rows.convert_dtypes(dtype_backend="pyarrow")
    assert isinstance(arrow["k"].dtype, pd.ArrowDtype)
    assert handed.transform(arrow)["probability"].tolist() == handed.transform(rows)["probability"].tolist()


@pytest.mark.parametrize("selector", [SelectKBest(k=1), VarianceThreshold(), SelectFromModel(TREE), RFE(TREE)])
@pytest.mark.parametrize("model", [TREE, LogisticRegression(), HistGradientBoostingClassifier(max_iter=5)])
def test_a_selector_refuses_no_more_and_no_less_of_what_it_keeps_than_the_library(table, selector, model) -> None:
    rows = table.plain[["q", "r"]]
    fitted = make_pipeline(clone(selector), clone(model)).fit(rows, table.binary)
    handed = hand_over(fitted, prove_on=rows)
    kept = fitted[0].get_support(indices=True)[0]
    for value in (np.nan, np.inf, 3e38):
        odd = rows.head(1).astype(float)
        odd.iloc[0, kept] = value
        try:
            given = fitted.predict_proba(odd)[0, 1]
        except ValueError:
            given = np.nan
        assert handed.transform(odd)["probability"].tolist() == pytest.approx([given], nan_ok=True), value
