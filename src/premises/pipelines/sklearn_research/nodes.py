"""The nodes of sklearn_research.

The first brings the rows from any engine to pandas; from there on it is pandas and scikit-learn as in any notebook.
"""

from __future__ import annotations

import logging
import warnings
from typing import Any

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoFrame, IntoFrameT

from premises.census.contract import CODES_SUMMARISED_BY, check_no_broken, count_broken
from premises.draws import add_draws
from premises.errors import ModelInputError
from premises.evaluation.predictions import KEYS, PREDICTION_COLUMNS, TEST, TRAIN
from premises.frames import collect_to_pandas
from premises.lazy_types import DataFrame, DecisionTreeClassifier

from .parameters import SklearnResearchParameters

logger = logging.getLogger(__name__)


def collect_research_rows(model_input: IntoFrame, parameters: SklearnResearchParameters) -> DataFrame:
    """Bring the rows to research from the engine to pandas.

    Args:
        model_input: `premises_id`, `split`, `fold`, `is_active` and the features, on any engine.
        parameters: With `research_rows`, those with the smallest draw from their id are taken: a sample that is the
            same whichever engine made the rows, and that never grows beyond that number.

    Returns:
        The same columns in NumPy's types, in the order of `premises_id`.

    Raises:
        ModelInputError: If a value is missing, an id comes twice, or a split has not both classes.
    """
    frame = nw.from_native(model_input).lazy()
    columns = frame.collect_schema().names()
    if parameters.research_rows is not None:
        drawn = add_draws(frame, "premises_id", research_draw=4)
        frame = drawn.sort("research_draw", "premises_id").head(parameters.research_rows)
    # The draw goes in pandas: Dask would leave out a column that is not asked for before it sorts by it.
    rows = collect_to_pandas(frame)[columns].sort_values("premises_id", ignore_index=True)
    if missing := rows.columns[rows.isna().any()].tolist():
        msg = f"model_input: {', '.join(missing)} must be known for every premises, and is missing in some."
        raise ModelInputError(msg)
    if rows["premises_id"].duplicated().any():
        twice = rows.loc[rows["premises_id"].duplicated(), "premises_id"]
        msg = f"model_input: {len(twice):,} rows repeat a premises_id, the first of them {twice.iloc[0]}."
        raise ModelInputError(msg)
    for split in (TRAIN, TEST):
        active = rows.loc[rows["split"] == split, "is_active"]
        if active.nunique() < 2:  # noqa: PLR2004 - two classes
            msg = (
                f"model_input: the {split} split has {len(active):,} premises, {active.sum():,} of them active. "
                "Both classes must be there: take more rows, or another data_engineering.test_share."
            )
            raise ModelInputError(msg)
    classes = rows[rows["split"] == TRAIN].groupby("fold")["is_active"].nunique()
    if (classes < 2).any():  # noqa: PLR2004 - two classes
        msg = (
            f"model_input: fold {classes.idxmin()} of the train split has one class only, and can't score a tree. "
            "Take more rows, or fewer data_engineering.folds."
        )
        raise ModelInputError(msg)
    return rows


def search_tree(
    research_rows: DataFrame, parameters: SklearnResearchParameters
) -> tuple[DecisionTreeClassifier, list[dict[str, Any]]]:
    """Search the grid for the tree with the best mean AUC over the folds, and fit it on the whole training split.

    Args:
        research_rows: `premises_id`, `split`, `fold`, `is_active` and the features (float32).
        parameters: `grid` and `seed`.

    Returns:
        The fitted tree, and a record for each candidate, the best first: its arguments, `mean_auc` and `std_auc` over
        the folds, and `rank`.
    """
    from joblib import parallel_config
    from rich.console import Console
    from sklearn.callback import ProgressBar
    from sklearn.model_selection import GridSearchCV, PredefinedSplit
    from sklearn.tree import DecisionTreeClassifier as Tree

    train = research_rows[research_rows["split"] == TRAIN]
    search = GridSearchCV(
        Tree(random_state=parameters.seed),
        parameters.grid.model_dump(),
        scoring="roc_auc",
        cv=PredefinedSplit(train["fold"]),
        error_score="raise",
    )
    if Console().is_terminal:
        search.set_callbacks(ProgressBar())
    candidates = len(parameters.grid.max_depth) * len(parameters.grid.min_samples_leaf) * len(parameters.grid.criterion)
    logger.info(
        "Searching %d candidates over %d folds, %s rows.", candidates, search.cv.get_n_splits(), f"{len(train):,}"
    )
    # Threads do: a tree's fit lets go of the interpreter's lock.
    with warnings.catch_warnings(), parallel_config("threading", n_jobs=-1):
        warnings.filterwarnings("ignore", "The estimator DecisionTreeClassifier does not support callbacks")
        search.fit(train.drop(columns=list(KEYS)), train["is_active"])
    logger.info("The best has a mean AUC of %.4f over the folds: %s.", search.best_score_, search.best_params_)
    if search.best_estimator_.get_n_leaves() == 1:
        logger.warning("The tree has one leaf: it gives every premises the same. Take more rows, or smaller leaves.")
    results = search.cv_results_
    records = [
        {**arguments, "mean_auc": float(mean), "std_auc": float(std), "rank": int(rank)}
        for arguments, mean, std, rank in zip(
            results["params"],
            results["mean_test_score"],
            results["std_test_score"],
            results["rank_test_score"],
            strict=True,
        )
    ]
    return search.best_estimator_, sorted(records, key=lambda record: record["rank"])


def predict(
    research_tree: DecisionTreeClassifier, research_rows: DataFrame, parameters: SklearnResearchParameters
) -> DataFrame:
    """Predict both splits with the research tree.

    Args:
        research_tree: The fitted tree.
        research_rows: `premises_id`, `split`, `fold`, `is_active` and the features.
        parameters: `threshold`.

    Returns:
        The predictions table: `premises_id`, `split`, `is_active`, `probability` (of being active), `prediction`.
    """
    probability = research_tree.predict_proba(research_rows[research_tree.feature_names_in_])[:, 1]
    predictions = research_rows.assign(probability=probability, prediction=probability > parameters.threshold)
    return predictions[list(PREDICTION_COLUMNS)]


def score_premises(
    research_tree: DecisionTreeClassifier, premises_features: IntoFrameT, parameters: SklearnResearchParameters
) -> IntoFrameT:
    """Score every premises with the research tree, on the engine that holds them.

    Args:
        research_tree: The fitted tree.
        premises_features: `premises_id`, `is_active` and the features (float32).
        parameters: `threshold`.

    Returns:
        `premises_id`, the codes that scores are summed up by, `is_active` (null where unknown), `probability` of being
        active, bit for bit what scikit-learn gives, and `prediction`. Both are null where a feature that the tree uses
        is missing.
    """
    tree = research_tree.tree_
    names = [str(name) for name in research_tree.feature_names_in_]
    used = {names[feature] for feature in tree.feature if feature >= 0}
    probability = _follow_tree(tree, names)
    if used:
        probability = nw.when(~nw.any_horizontal(*(nw.col(name).is_null() for name in used), ignore_nulls=False)).then(
            probability
        )
    return (
        nw.from_native(premises_features)
        .with_columns(probability=probability.cast(nw.Float64))
        .select(
            "premises_id",
            *(nw.col(code).cast(nw.Int64) for code in CODES_SUMMARISED_BY),
            "is_active",
            "probability",
            prediction=nw.col("probability") > parameters.threshold,
        )
        .to_native()
    )


def count_scores(premises_scores: IntoFrame) -> dict[str, int]:
    """Count the scored premises, and refuse scores that are none.

    Args:
        premises_scores: What `score_premises` gives.

    Returns:
        `premises`, and of them `unknown` (of unknown status), `predicted_active`, and `unknown_predicted_active`.

    Raises:
        ContractError: If a premises misses a feature that the tree uses, so that it has no probability.
    """
    is_unknown, prediction = nw.col("is_active").is_null(), nw.col("prediction")
    counted = nw.from_native(premises_scores).select(
        premises=nw.len(),
        unknown=is_unknown.cast(nw.Int64).sum(),
        predicted_active=prediction.cast(nw.Int64).sum(),
        unknown_predicted_active=(is_unknown & prediction).cast(nw.Int64).sum(),
        **count_broken("predictions"),
    )
    (row,) = counted.lazy().collect().rows(named=True)
    counts = {name: int(count or 0) for name, count in row.items()}
    check_no_broken(counts)
    return counts


def _follow_tree(tree: Any, names: list[str], node: int = 0) -> nw.Expr:
    """Give what a node of scikit-learn's `tree_` says: a probability, or the choice between its children.

    scikit-learn compares a float32 with a float64. The largest float32 that is not above the threshold decides alike,
    in whichever of the two types an engine compares.
    """
    import numpy as np

    left, right = int(tree.children_left[node]), int(tree.children_right[node])
    if left < 0:
        return nw.lit(float(tree.value[node, 0, 1]))
    threshold = np.float32(tree.threshold[node])
    if threshold > tree.threshold[node]:
        threshold = np.nextafter(threshold, np.float32(-np.inf))
    below, above = (_follow_tree(tree, names, child) for child in (left, right))
    return nw.when(nw.col(names[tree.feature[node]]) <= float(threshold)).then(below).otherwise(above)
