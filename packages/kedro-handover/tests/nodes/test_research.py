"""The same rows reach research from any engine, the best tree of the grid wins, and its predictions are its own."""

from itertools import product

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from joblib import parallel_config
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from kedro_handover.contract import KEYS
from kedro_handover.errors import ContractError, ModelInputError
from kedro_handover.evaluation.importances import warn_of_carrier
from kedro_handover.frames import PREDICTION_COLUMNS
from kedro_handover.hashing import HASH_RANGE, MULTIPLIER
from kedro_handover.models.family import find_family_of
from kedro_handover.nodes.production_parameters import Tolerance
from kedro_handover.nodes.research import (
    collect_research_rows,
    count_scores,
    predict,
    score_with_research,
    search_models,
)
from kedro_handover.nodes.research_parameters import SklearnResearchParameters
from kedro_handover.nodes.split import SplitParameters
from kedro_handover.testing import Engine
from toy import PROJECT
from trees import rows_on_boundaries

TOLERANCE = 1e-12
FEATURES = ["price", "visits", "is_open"]
SCHEMA = {
    "id": pa.int64(),
    "split": pa.string(),
    "fold": pa.int64(),
    "label": pa.bool_(),
    "price": pa.float32(),
    "visits": pa.float32(),
    "is_open": pa.float32(),
}
BLOCK = {
    "research_rows": None,
    "candidates": {
        "decision_tree": {"max_depth": [1, 3, 6], "min_samples_leaf": [1, 20], "criterion": ["gini", "entropy"]}
    },
    "threshold": 0.5,
    "seed": 7,
}


GRID = BLOCK["candidates"]["decision_tree"]
NEEDS_ALL = {"candidates": {"logistic_regression": {"C": [1.0]}}}
"""A family that can't do without a value; trees learn where rows without one go."""


def parameters(**changes) -> SklearnResearchParameters:
    return SklearnResearchParameters.model_validate(BLOCK | changes)


def with_grid(**changes) -> SklearnResearchParameters:
    return parameters(candidates={"decision_tree": GRID | changes})


def make_rows(count: int = 500) -> pd.DataFrame:
    """Rows as research has them: NumPy's types, in the order of the id."""
    random = np.random.default_rng(count)
    split = np.where(random.random(count) < 0.2, "test", "train")
    price, visits = random.uniform(0, 9000, count), random.integers(1, 90, count)
    return pd.DataFrame(
        {
            "id": np.arange(1, count + 1) * 3,
            "split": split,
            "fold": np.where(split == "test", -1, random.integers(0, 3, count)),
            "label": (visits > 50) ^ (price > 6000) ^ (random.random(count) < 0.3),
            "price": price.astype(np.float32),
            "visits": visits.astype(np.float32),
            "is_open": random.integers(0, 2, count).astype(np.float32),
        }
    )


ROWS = make_rows()
TRAIN = ROWS[ROWS["split"] == "train"]


def on_engine(engine: Engine, rows: pd.DataFrame, seed: int | None = 0) -> object:
    """The rows as an engine has them, shuffled."""
    shuffled = rows if seed is None else rows.sample(frac=1, random_state=seed)
    return engine.from_arrow(pa.Table.from_pandas(shuffled, schema=pa.schema(SCHEMA), preserve_index=False))


def refusal(frame: object, **changes) -> str:
    with pytest.raises(ModelInputError) as refused:
        collect_research_rows(frame, parameters(**changes))
    return str(refused.value)


def test_every_engine_gives_the_same_rows_in_the_order_of_their_ids(engine: Engine) -> None:
    pd.testing.assert_frame_equal(collect_research_rows(on_engine(engine, ROWS), parameters()), ROWS)


def test_a_slice_of_a_pandas_frame_is_counted_anew() -> None:
    rows = ROWS.convert_dtypes(dtype_backend="pyarrow").iloc[::-1].iloc[3:]
    found = collect_research_rows(rows, parameters())
    assert found["id"].tolist() == ROWS["id"].tolist()[:-3]
    assert found.index.tolist() == list(range(len(ROWS) - 3))


def hashed_first(ids: list[int], count: int) -> list[int]:
    return sorted(sorted(ids, key=lambda identity: identity * pow(MULTIPLIER, 4, HASH_RANGE) % HASH_RANGE)[:count])


@pytest.mark.parametrize("seed", [1, 2])
def test_exactly_as_many_rows_as_asked_for_are_taken_the_same_in_any_order(engine: Engine, seed: int) -> None:
    found = collect_research_rows(on_engine(engine, ROWS, seed), parameters(research_rows=123))
    taken = ROWS[ROWS["id"].isin(hashed_first(ROWS["id"].tolist(), 123))].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, taken)
    assert len(found) == 123


def test_all_rows_are_taken_where_there_are_no_more(engine: Engine) -> None:
    for count in (len(ROWS), len(ROWS) + 1):
        found = collect_research_rows(on_engine(engine, ROWS), parameters(research_rows=count))
        pd.testing.assert_frame_equal(found, ROWS)


def test_more_rows_keep_those_that_fewer_rows_had() -> None:
    rows = ROWS.convert_dtypes(dtype_backend="pyarrow")
    few, more = (set(collect_research_rows(rows, parameters(research_rows=count))["id"]) for count in (100, 200))
    assert few < more


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_of_ids_that_hash_the_same_the_smaller_is_taken_in_any_order(engine: Engine, seed: int) -> None:
    rows = pd.concat([ROWS, ROWS.assign(id=ROWS["id"] + HASH_RANGE)], ignore_index=True)
    hashed_last = hashed_first(ROWS["id"].tolist(), 62)
    (cut,) = set(hashed_last) - set(hashed_first(ROWS["id"].tolist(), 61))
    found = collect_research_rows(on_engine(engine, rows, seed), parameters(research_rows=123))
    assert cut in found["id"].tolist()
    assert cut + HASH_RANGE not in found["id"].tolist()


@pytest.mark.parametrize("column", [name for name in SCHEMA if name != "id"])
def test_a_missing_value_names_its_column(engine: Engine, column: str) -> None:
    columns = {name: ROWS[name].tolist() for name in SCHEMA}
    columns[column][7] = None
    message = refusal(engine.frame(columns, SCHEMA), **NEEDS_ALL)
    hint = (
        " logistic_regression can't do without; `prepare: { impute: median }` fills in." if column in FEATURES else ""
    )
    assert message == f"model_input: {column} must be known for every row, and is missing in some.{hint}"


def test_every_column_with_a_missing_value_is_named(engine: Engine) -> None:
    columns = {name: ROWS[name].tolist() for name in SCHEMA}
    columns["price"][7] = columns["is_open"][9] = None
    assert "model_input: price, is_open must be known" in refusal(engine.frame(columns, SCHEMA), **NEEDS_ALL)


def test_a_feature_that_is_not_a_number_is_missing(engine: Engine) -> None:
    rows = ROWS.assign(price=ROWS["price"].where(ROWS["id"] != 9, np.float32("nan")))
    assert "price must be known" in refusal(on_engine(engine, rows), **NEEDS_ALL)
    pd.testing.assert_frame_equal(collect_research_rows(on_engine(engine, rows), parameters()), rows)


def test_an_id_that_comes_twice_is_refused(engine: Engine) -> None:
    rows = pd.concat([ROWS, ROWS.iloc[[4, 9]]], ignore_index=True)
    assert refusal(on_engine(engine, rows)) == ("model_input: 2 rows repeat an id, the first of them 15.")


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("label", [True, False])
def test_one_class_only_in_a_split_is_refused(engine: Engine, split: str, label: bool) -> None:  # noqa: FBT001
    rows = ROWS[(ROWS["split"] != split) | (ROWS["label"] == label)]
    count = (rows["split"] == split).sum()
    message = refusal(on_engine(engine, rows))
    assert f"the {split} split has {count} rows, {count if label else 0} of them positive." in message
    assert "take more rows, or change split.test_share" in message


def test_a_split_without_rows_is_refused(engine: Engine) -> None:
    assert "the test split has 0 rows, 0 of them positive" in refusal(on_engine(engine, TRAIN))


def candidates(grid: dict[str, list]) -> list[dict]:
    names = sorted(grid)
    return [dict(zip(names, values, strict=True)) for values in product(*(grid[name] for name in names))]


def loop_over_the_grid(rows: pd.DataFrame, grid: dict[str, list], seed: int) -> list[dict]:
    """Fit each candidate on all folds but one and score it on that one; the best mean first, then as in the grid."""
    train = rows[rows["split"] == "train"]
    records = []
    for arguments in candidates(grid):
        aucs = []
        for fold in sorted(train["fold"].unique()):
            seen, held_out = train[train["fold"] != fold], train[train["fold"] == fold]
            tree = DecisionTreeClassifier(random_state=seed, **arguments).fit(seen[FEATURES], seen["label"])
            aucs.append(roc_auc_score(held_out["label"], tree.predict_proba(held_out[FEATURES])[:, 1]))
        records.append(arguments | {"mean_auc": np.mean(aucs), "std_auc": np.std(aucs)})
    return sorted(records, key=lambda record: -round(record["mean_auc"], 12))


def assert_same_tree(one: DecisionTreeClassifier, other: DecisionTreeClassifier) -> None:
    assert one.get_params() == other.get_params()
    assert one.tree_.feature.tolist() == other.tree_.feature.tolist()
    assert one.tree_.threshold.tolist() == other.tree_.threshold.tolist()
    assert one.tree_.value.tolist() == other.tree_.value.tolist()


@pytest.mark.parametrize("count", [500, 300])
def test_the_winner_is_that_of_a_loop_over_the_grid(count: int) -> None:
    rows = make_rows(count)
    tree, search = search_models(rows, parameters())
    expected = loop_over_the_grid(rows, GRID, BLOCK["seed"])
    assert len(search) == len(expected) == 12
    for found, record in zip(search, expected, strict=True):
        assert {name: found[name] for name in GRID} == {name: record[name] for name in GRID}
        assert found["mean_auc"] == pytest.approx(record["mean_auc"], rel=TOLERANCE)
        assert found["std_auc"] == pytest.approx(record["std_auc"], rel=TOLERANCE)
    assert [record["rank"] for record in search] == sorted(record["rank"] for record in search)
    assert search[0]["rank"] == 1
    best = {name: expected[0][name] for name in GRID}
    train = rows[rows["split"] == "train"]
    assert_same_tree(tree, DecisionTreeClassifier(random_state=7, **best).fit(train[FEATURES], train["label"]))


def test_only_features_are_learnt_from() -> None:
    tree, _ = search_models(ROWS, parameters())
    assert list(tree.feature_names_in_) == FEATURES == [name for name in SCHEMA if name not in KEYS]


def test_the_test_split_teaches_nothing() -> None:
    in_test = ROWS["split"] == "test"
    changed = ROWS.assign(label=ROWS["label"] ^ in_test, price=ROWS["price"].where(~in_test, np.float32(0)))
    (tree, search), (other_tree, other_search) = (search_models(rows, parameters()) for rows in (ROWS, changed))
    assert search == other_search
    assert_same_tree(tree, other_tree)


def test_the_search_gives_the_same_whatever_the_number_of_threads(monkeypatch) -> None:
    results = [search_models(ROWS, parameters()) for _ in range(2)]
    with parallel_config("sequential"):
        results.append(search_models(ROWS, parameters()))
    for cores in ("1", "3"):
        monkeypatch.setenv("LOKY_MAX_CPU_COUNT", cores)
        results.append(search_models(ROWS, parameters()))
    (first_tree, first_search), *others = results
    for tree, search in others:
        assert search == first_search
        assert_same_tree(tree, first_tree)


def test_a_progress_bar_in_a_terminal_changes_nothing(monkeypatch, capsys, recwarn) -> None:
    expected_tree, expected = search_models(ROWS, parameters())
    assert "GridSearchCV" not in capsys.readouterr().out
    monkeypatch.setenv("FORCE_COLOR", "1")
    tree, search = search_models(ROWS, parameters())
    assert "GridSearchCV" in capsys.readouterr().out
    assert [str(warning.message) for warning in recwarn] == []
    assert search == expected
    assert_same_tree(tree, expected_tree)


def test_in_a_tie_the_first_of_the_grid_wins() -> None:
    # The two criteria are one and the same; a leaf of one row or of two is no difference at depth 1.
    tied = {"max_depth": [1], "min_samples_leaf": [2, 1], "criterion": ["log_loss", "entropy"]}
    tree, search = search_models(ROWS, parameters(candidates={"decision_tree": tied}))
    assert {record["rank"] for record in search} == {1}
    assert [(record["criterion"], record["min_samples_leaf"]) for record in search] == [
        ("log_loss", 2),
        ("log_loss", 1),
        ("entropy", 2),
        ("entropy", 1),
    ]
    assert (tree.criterion, tree.min_samples_leaf) == ("log_loss", 2)


def test_a_grid_of_one_candidate_is_fitted() -> None:
    only = {"max_depth": [2], "min_samples_leaf": [9], "criterion": ["gini"]}
    tree, (record,) = search_models(ROWS, parameters(candidates={"decision_tree": only}))
    assert record["rank"] == 1
    assert record["mean_auc"] == pytest.approx(loop_over_the_grid(ROWS, only, 7)[0]["mean_auc"], rel=TOLERANCE)
    assert (tree.max_depth, tree.min_samples_leaf, tree.criterion, tree.random_state) == (2, 9, "gini", 7)


@pytest.mark.filterwarnings("ignore")  # scikit-learn warns, and goes on without a score
def test_a_fold_of_one_class_is_refused_and_no_tree_wins_by_accident(engine: Engine) -> None:
    rows = ROWS[(ROWS["fold"] != 1) | ROWS["label"]]
    with pytest.raises(ModelInputError, match="fold"):
        search_models(collect_research_rows(on_engine(engine, rows), parameters()), parameters())


def test_predictions_are_the_tree_s_own_for_both_splits() -> None:
    tree, _ = search_models(ROWS, parameters())
    before = ROWS.copy()
    found = predict(tree, ROWS, parameters())
    assert list(found.columns) == [name for name in PREDICTION_COLUMNS if name != "group"]
    assert found.dtypes.astype(str).tolist() == ["int64", "object", "bool", "float64", "bool"]
    pd.testing.assert_frame_equal(found[["id", "split", "label"]], ROWS[["id", "split", "label"]])
    np.testing.assert_array_equal(found["probability"], tree.predict_proba(ROWS[FEATURES])[:, 1])
    in_leaf = ROWS.assign(leaf=tree.apply(ROWS[FEATURES])).loc[TRAIN.index].groupby("leaf")["label"].mean()
    assert sorted(set(found["probability"])) == pytest.approx(sorted(set(in_leaf)), rel=TOLERANCE)
    pd.testing.assert_frame_equal(ROWS, before)


def test_predictions_carry_the_group_where_rows_have_one() -> None:
    tree, _ = search_models(ROWS, with_grid(max_depth=[2]))
    found = predict(tree, ROWS.assign(group="north"), parameters())
    assert tuple(found.columns) == PREDICTION_COLUMNS
    assert set(found["group"]) == {"north"}


def test_a_feature_may_be_called_like_the_hash(engine: Engine) -> None:
    rows = ROWS.rename(columns={"price": "research_hash"})
    table = pa.Table.from_pandas(rows, preserve_index=False)
    found = collect_research_rows(engine.from_arrow(table), parameters(research_rows=123))
    assert found["id"].tolist() == hashed_first(ROWS["id"].tolist(), 123)
    assert list(found.columns) == list(rows.columns)


@pytest.mark.parametrize("threshold", [0.25, 0.5, 0.75])
def test_a_row_is_positive_above_the_threshold_and_not_at_it(threshold: float) -> None:
    rows = pd.DataFrame(
        {
            "id": range(1, 13),
            "split": "train",
            "fold": 0,
            "label": [True, False, False, False, True, True, False, False, True, True, True, False],
            "price": np.repeat([1, 2, 3], 4).astype(np.float32),
        }
    )
    tree = DecisionTreeClassifier().fit(rows[["price"]], rows["label"])
    found = predict(tree, rows, parameters(threshold=threshold))
    assert found["probability"].tolist() == [0.25] * 4 + [0.5] * 4 + [0.75] * 4
    assert found["prediction"].tolist() == [probability > threshold for probability in found["probability"]]


def test_the_order_of_the_columns_changes_no_prediction() -> None:
    tree, _ = search_models(ROWS, parameters())
    pd.testing.assert_frame_equal(
        predict(tree, ROWS[ROWS.columns[::-1]], parameters()), predict(tree, ROWS, parameters())
    )


def to_score(engine: Engine, features: pd.DataFrame) -> object:
    """Rows of features as an engine has them; the shop and the label are nobody's."""
    rows = features.assign(id=[f"{number:06}" for number in range(len(features))], label=None)
    table = pa.Table.from_pandas(rows.assign(shop=np.float32(2)), preserve_index=False)
    names = ["id", "label", "shop", *features]
    types = [pa.string(), pa.bool_(), *[pa.float32()] * (len(names) - 2)]
    return engine.from_arrow(table.select(names).cast(pa.schema(zip(names, types, strict=True))))


def test_scores_on_every_engine_are_those_of_scikit_learn_on_every_boundary_too(engine: Engine) -> None:
    tree, _ = search_models(ROWS, with_grid(max_depth=[6], min_samples_leaf=[1], criterion=["gini"]))
    on_boundaries = rows_on_boundaries(tree)
    assert len(on_boundaries) > 60
    features = pd.concat([on_boundaries, ROWS[FEATURES]], ignore_index=True)
    scores = engine.rows(score_with_research(tree, to_score(engine, features), parameters(threshold=0.4), PROJECT))
    probability = [row["probability"] for row in scores]
    assert probability == tree.predict_proba(features)[:, 1].tolist()
    assert [row["prediction"] for row in scores] == [share > 0.4 for share in probability]
    assert {(row["shop"], row["label"]) for row in scores} == {(2, None)}


def test_scores_have_the_probability_that_is_put_back_where_that_is_asked_for(engine: Engine) -> None:
    tree = DecisionTreeClassifier(max_depth=3).fit(TRAIN[FEATURES], TRAIN["label"])
    counts = {"positive": 100, "negative": 900, "test_positive": 20, "test_negative": 180}
    thinned = {**counts, "train_positive": 80, "train_negative": 80}
    asked = parameters(prior_correction=True)
    features = to_score(engine, ROWS[FEATURES])
    scores = engine.rows(score_with_research(tree, features, asked, PROJECT, thinned))
    for row in scores:
        weighed = row["probability"] * (100 / 900 * 80 / 80)
        assert row["probability_in_data"] == weighed / (weighed + 1 - row["probability"])
    whole = {**counts, "train_positive": 80, "train_negative": 720}
    for asked_for, learned_from in ((asked, whole), (parameters(), thinned)):
        without = score_with_research(tree, features, asked_for, PROJECT, learned_from)
        assert "probability_in_data" not in engine.types(without)


def test_a_row_that_misses_what_the_tree_looks_at_is_refused_and_one_that_misses_other_things_is_not(
    engine: Engine,
) -> None:
    tree = DecisionTreeClassifier(max_depth=1).fit(TRAIN[FEATURES], TRAIN["visits"] > 50)
    missing = pd.DataFrame({"price": [None, 1.0], "visits": [1.0, None], "is_open": [0.0, None]})
    with_x, without = (
        score_with_research(tree, to_score(engine, missing.iloc[rows]), parameters(), PROJECT) for rows in ([0], [1])
    )
    assert count_scores(engine.stored(with_x)) == {
        "rows": 1,
        "unknown": 1,
        "predicted_positive": 0,
        "unknown_predicted_positive": 0,
    }
    with pytest.raises(ContractError, match="predictions: 1 rows violate that probability is 0 to 1"):
        count_scores(engine.stored(without))


def test_a_tree_of_one_leaf_scores_every_row_alike(engine: Engine) -> None:
    tree = DecisionTreeClassifier(min_samples_leaf=len(TRAIN)).fit(TRAIN[FEATURES], TRAIN["label"])
    scores = engine.rows(score_with_research(tree, to_score(engine, TRAIN[FEATURES].head(3)), parameters(), PROJECT))
    assert [row["probability"] for row in scores] == [TRAIN["label"].mean()] * 3


@pytest.mark.parametrize(
    ("changes", "key", "value"),
    [
        ({"candidates": {"decision_tree": GRID | {"max_depth": [4, 0]}}}, "candidates.decision_tree.max_depth.1", "0"),
        ({"candidates": {"decision_tree": GRID | {"max_depth": []}}}, "candidates.decision_tree.max_depth", "[]"),
        ({"candidates": {"decision_tree": GRID | {"max_depth": 4}}}, "candidates.decision_tree.max_depth", "4"),
        (
            {"candidates": {"decision_tree": GRID | {"min_samples_leaf": ["many"]}}},
            "candidates.decision_tree.min_samples_leaf.0",
            "'many'",
        ),
        (
            {"candidates": {"decision_tree": GRID | {"min_samples_leaf": [2.5]}}},
            "candidates.decision_tree.min_samples_leaf.0",
            "2.5",
        ),
        (
            {"candidates": {"decision_tree": GRID | {"criterion": ["gini", "auc"]}}},
            "candidates.decision_tree.criterion.1",
            "'auc'",
        ),
        ({"research_rows": 0}, "research_rows", "0"),
        ({"threshold": 0}, "threshold", "0"),
        ({"threshold": 1}, "threshold", "1"),
        ({"threshold": "half"}, "threshold", "'half'"),
        ({"seed": -1}, "seed", "-1"),
        ({"seed": 2**32}, "seed", "4294967296"),
    ],
)
def test_a_wrong_value_is_refused_with_its_file_its_key_and_itself(changes: dict, key: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"^in parameters_sklearn_research\.yml or --params, ") as refused:
        parameters(**changes)
    assert f" sklearn_research.{key}: " in str(refused.value)
    assert value in str(refused.value).split("; it is ")[1]


@pytest.mark.parametrize(
    ("changes", "key", "meant"),
    [
        ({"candidates": {"decision_tree": GRID | {"max_dept": [4]}}}, "candidates.decision_tree.max_dept", "max_depth"),
        ({"sead": 1}, "sead", "seed"),
    ],
)
def test_a_wrong_key_is_refused_with_the_one_that_is_meant(changes: dict, key: str, meant: str) -> None:
    with pytest.raises(ValueError, match=r"^in parameters_sklearn_research\.yml or --params, ") as refused:
        parameters(**changes)
    assert f" sklearn_research.{key}: " in str(refused.value)
    assert str(refused.value).endswith(f"Did you mean '{meant}'?")


def test_a_value_that_is_missing_is_named_by_its_key_alone() -> None:
    with pytest.raises(ValueError, match=r"sklearn_research\.candidates: Field required\.$"):
        SklearnResearchParameters.model_validate({"research_rows": None, "seed": 0})


def test_any_argument_of_a_tree_may_be_searched_and_the_others_are_the_estimators() -> None:
    grid = {"ccp_alpha": [0.0, 0.001], "max_leaf_nodes": [8], "min_samples_leaf": [20]}
    model, search = search_models(ROWS, parameters(candidates={"decision_tree": grid}))
    assert model.get_n_leaves() <= 8
    assert (model.max_depth, model.criterion) == (None, "gini")
    assert {key for record in search for key in record} == {"family", *grid, "mean_auc", "std_auc", "rank"}


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_what_json_can_not_write_is_no_value_of_any_pipeline(number: float) -> None:
    tolerance = {"agreement": 1, "max_abs_diff": 0, "mean_abs_diff": 0, "auc_diff": 0, "n_diff": 0}
    for make in (
        lambda: parameters(threshold=number),
        lambda: Tolerance(psi=number, **tolerance),
        lambda: SplitParameters(test_share=0.2, folds=5, majority_per_minority=number),
    ):
        with pytest.raises(ValueError, match="finite number"):
            make()


def test_every_wrong_value_is_named_at_once() -> None:
    with pytest.raises(ValueError, match="threshold") as refused:
        parameters(threshold=2, seed=-1)
    assert "sklearn_research.seed" in str(refused.value)


def test_parameters_do_not_change_once_they_are_checked() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parameters().seed = 8


FAMILIES = {
    "random_forest": {"n_estimators": [5], "min_samples_leaf": [5]},
    "extra_trees": {"n_estimators": [5], "min_samples_leaf": [5]},
    "gradient_boosting": {"n_estimators": [5], "max_depth": [2]},
    "hist_gradient_boosting": {"max_iter": [5], "min_samples_leaf": [5]},
    "xgboost": {"n_estimators": [5], "max_depth": [2]},
    "lightgbm": {"n_estimators": [5], "min_child_samples": [5]},
    "logistic_regression": {"C": [0.1, 1.0]},
}


def with_families(*names: str, **changes) -> SklearnResearchParameters:
    return parameters(candidates={name: FAMILIES.get(name) or GRID for name in names}, **changes)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_searched_and_scores_on_every_engine_as_its_own_library(family: str, engine: Engine) -> None:
    model, search = search_models(ROWS, with_families(family))
    assert {record["family"] for record in search} == {family}
    scores = engine.rows(score_with_research(model, to_score(engine, ROWS[FEATURES]), parameters(), PROJECT))
    expected = model.predict_proba(ROWS[FEATURES])[:, 1]
    found = pd.Series({int(row["id"]): row["probability"] for row in scores}).sort_index()
    allowed = 1e-6 if family == "logistic_regression" else 0  # scikit-learn adds up in float32, in no fixed order
    assert np.abs(found.to_numpy() - expected).max() <= allowed


def test_families_are_compared_on_the_same_folds_and_the_best_of_all_is_fitted() -> None:
    model, search = search_models(ROWS, with_families("decision_tree", "random_forest", "logistic_regression"))
    alone = [
        record
        for family in ("decision_tree", "random_forest", "logistic_regression")
        for record in search_models(ROWS, with_families(family))[1]
    ]
    aucs = {str({**record, "rank": 0}): record["mean_auc"] for record in search}
    assert aucs == {str({**record, "rank": 0}): record["mean_auc"] for record in alone}
    assert search[0]["mean_auc"] == max(record["mean_auc"] for record in search)
    assert find_family_of(model) == search[0]["family"]


def test_the_simplest_within_one_standard_error_is_taken_where_it_is_asked_for() -> None:
    names = ("decision_tree", "logistic_regression", "random_forest", "gradient_boosting")
    best = search_models(ROWS, with_families(*names))[1]
    model, search = search_models(ROWS, with_families(*names, choose="one_standard_error"))
    least = best[0]["mean_auc"] - best[0]["std_auc"] / np.sqrt(ROWS.loc[ROWS["fold"] >= 0, "fold"].nunique())
    near = [record["family"] for record in best if record["mean_auc"] >= least]
    assert search[0]["family"] == min(near, key=names.index)
    assert find_family_of(model) == search[0]["family"]


def test_within_a_family_the_simplest_is_the_first_of_its_grid_that_is_near_enough() -> None:
    grid = {"max_depth": [1, 2, 3, 4, 5, 6], "criterion": ["gini"], "min_samples_leaf": [5]}
    few = ROWS.head(300)
    best = search_models(few, with_grid(**grid))[1]
    least = best[0]["mean_auc"] - best[0]["std_auc"] / np.sqrt(few.loc[few["fold"] >= 0, "fold"].nunique())
    near = [record["max_depth"] for record in best if record["mean_auc"] >= least]
    assert min(near) < best[0]["max_depth"] == near[0]  # else there would be nothing to choose
    chosen = search_models(few, parameters(candidates={"decision_tree": grid}, choose="one_standard_error"))[1]
    assert chosen[0]["max_depth"] == min(near)


def test_classes_weigh_the_same_where_it_is_asked_for() -> None:
    model, _ = search_models(ROWS, with_families("random_forest", class_weight="balanced"))
    assert model.class_weight == "balanced"


@pytest.mark.parametrize(
    ("candidates", "said"),
    [
        ({"random_forrest": {"n_estimators": [5]}}, "Did you mean 'random_forest'?"),
        ({"random_forest": {"n_estimator": [5]}}, "has no argument 'n_estimator'. Did you mean 'n_estimators'?"),
        ({"random_forest": {"n_estimators": 5}}, "random_forest: give each argument a list of values to try"),
        ({"random_forest": {"n_estimators": []}}, "random_forest: give each argument a list of values to try"),
        ({}, "no model family is named"),
    ],
)
def test_what_is_no_candidate_is_refused_with_what_is_meant(candidates: dict, said: str) -> None:
    with pytest.raises(ValueError, match=r"sklearn_research\.candidates") as refused:
        parameters(candidates=candidates)
    assert said in str(refused.value)


def test_too_few_rows_of_a_class_are_told_before_the_search_in_one_sentence(caplog: pytest.LogCaptureFixture) -> None:
    rows = make_rows(2_000)
    rare = rows.assign(label=rows.index % 100 == 3)
    search_models(rare, with_grid(max_depth=[1], criterion=["gini"], min_samples_leaf=[1, 25]))
    (told,) = [record.getMessage() for record in caplog.records if "Few rows" in record.getMessage()]
    train, test = (int(rare.loc[rare["split"] == split, "label"].sum()) for split in ("train", "test"))
    fold = int(rare[rare["label"] & (rare["split"] == "train")].groupby("fold").size().min())
    assert told == (
        f"Few rows: of its rarest class the train split has {train}, the test split {test} and the smallest fold "
        f"{fold}, so what is measured is rough; and a leaf of 25 (min_samples_leaf) is larger than the class."
    )
    caplog.clear()
    search_models(rows, with_grid(max_depth=[1], criterion=["gini"], min_samples_leaf=[1]))
    assert "Few rows" not in caplog.text


def test_a_feature_that_carries_a_model_with_a_column_for_each_level_is_named(caplog: pytest.LogCaptureFixture) -> None:
    rows = make_rows(1_000).assign(price=np.float32(1), visits=lambda rows: rows["label"].astype(np.float32) + 3)
    codes = ColumnTransformer([("codes", OneHotEncoder(), ["visits"])], remainder="passthrough")
    model = make_pipeline(codes, LogisticRegression()).fit(rows[FEATURES], rows["label"])
    warn_of_carrier(model, rows)
    assert "visits carries 100 % of the model: share of the fall in AUC" in caplog.text


@pytest.mark.parametrize("family", ["decision_tree", "hist_gradient_boosting"])
def test_a_feature_that_carries_the_model_is_named_after_the_search(
    caplog: pytest.LogCaptureFixture, family: str
) -> None:
    rows = make_rows(1_000)
    grid = {"decision_tree": {"max_depth": [3], "min_samples_leaf": [5], "criterion": ["gini"]}}
    candidates = grid if family == "decision_tree" else {family: {"max_iter": [10]}}
    search_models(rows, parameters(candidates=candidates))
    assert "carries" not in caplog.text
    search_models(rows.assign(is_open=rows["label"].astype(np.float32)), parameters(candidates=candidates))
    (told,) = [record.getMessage() for record in caplog.records if "carries" in record.getMessage()]
    assert told.startswith("is_open carries 100 % of the model: share of the fall in ")
    assert told.endswith("If not, it leaks the label: leave it out of the features, as a Text in the schema.")
