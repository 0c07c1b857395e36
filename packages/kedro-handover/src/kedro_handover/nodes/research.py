"""Research a model in pandas and scikit-learn, and score every row with it on any engine.

The first node brings the rows from any engine to pandas; from there on it is scikit-learn as in any notebook.
"""

from __future__ import annotations

import logging
import warnings
from typing import Any

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoFrame, IntoFrameT

from kedro_handover.contract import KEYS, TABLE_RULES, check_no_violations, count_violations
from kedro_handover.errors import ModelInputError
from kedro_handover.evaluation.predictions import TEST, TRAIN
from kedro_handover.frames import collect_to_pandas, free_names, prediction_columns
from kedro_handover.handover.tree import to_narwhals
from kedro_handover.hashing import add_hashes
from kedro_handover.lazy_types import DataFrame, DecisionTreeClassifier
from kedro_handover.nodes.research_parameters import SklearnResearchParameters
from kedro_handover.project import ProjectSpec

logger = logging.getLogger(__name__)


def collect_research_rows(model_input: IntoFrame, parameters: SklearnResearchParameters) -> DataFrame:
    """Bring the rows to research from the engine to pandas.

    Args:
        model_input: `id`, `split`, `fold`, `label` and the features, on any engine.
        parameters: With `research_rows`, the rows with the smallest hash of their id are taken: a sample that is the
            same whichever engine holds the rows, and that never grows beyond that number.

    Returns:
        The same columns in NumPy's types, ordered by `id`.

    Raises:
        ModelInputError: If a value is missing, an id is repeated, or a split or fold has one class only.
    """
    frame = nw.from_native(model_input).lazy()
    columns = frame.collect_schema().names()
    if parameters.research_rows is not None:
        (name,) = free_names(["research_hash"], columns)
        frame = add_hashes(frame, "id", **{name: 4}).sort(name, "id").head(parameters.research_rows)
    # pandas drops the hash: Dask would leave out a column that is not asked for before it sorts by it.
    rows = collect_to_pandas(frame)[columns].sort_values("id", ignore_index=True)
    if missing := rows.columns[rows.isna().any()].tolist():
        msg = f"model_input: {', '.join(missing)} must be known for every row, and is missing in some."
        raise ModelInputError(msg)
    if rows["id"].duplicated().any():
        twice = rows.loc[rows["id"].duplicated(), "id"]
        msg = f"model_input: {len(twice):,} rows repeat an id, the first of them {twice.iloc[0]}."
        raise ModelInputError(msg)
    for split in (TRAIN, TEST):
        positive = rows.loc[rows["split"] == split, "label"]
        if positive.nunique() < 2:  # noqa: PLR2004 - two classes
            msg = (
                f"model_input: the {split} split has {len(positive):,} rows, {positive.sum():,} of them positive. "
                "Both classes must be there: take more rows, or change split.test_share."
            )
            raise ModelInputError(msg)
    classes = rows[rows["split"] == TRAIN].groupby("fold")["label"].nunique()
    if (classes < 2).any():  # noqa: PLR2004 - two classes
        msg = (
            f"model_input: fold {classes.idxmin()} of the train split has one class only, and can't score a model. "
            "Take more rows, or lower split.folds."
        )
        raise ModelInputError(msg)
    return rows


def search_tree(
    research_rows: DataFrame, parameters: SklearnResearchParameters
) -> tuple[DecisionTreeClassifier, list[dict[str, Any]]]:
    """Search the grid for the tree with the best mean AUC over the folds, and fit it on the whole training split.

    Args:
        research_rows: `id`, `split`, `fold`, `label` and the features (float32).
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
    # Threads are enough: a tree's fit releases the interpreter's lock.
    with warnings.catch_warnings(), parallel_config("threading", n_jobs=-1):
        warnings.filterwarnings("ignore", "The estimator DecisionTreeClassifier does not support callbacks")
        search.fit(train[[name for name in train.columns if name not in KEYS]], train["label"])
    logger.info("The best has a mean AUC of %.4f over the folds: %s.", search.best_score_, search.best_params_)
    if search.best_estimator_.get_n_leaves() == 1:
        logger.warning(
            "The tree has one leaf: every row gets the same probability. Take more rows, or lower min_samples_leaf."
        )
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
    research_model: DecisionTreeClassifier, research_rows: DataFrame, parameters: SklearnResearchParameters
) -> DataFrame:
    """Predict both splits with the research tree.

    Args:
        research_model: The fitted tree.
        research_rows: `id`, `split`, `fold`, `label` and the features.
        parameters: `threshold`.

    Returns:
        The predictions table: `id`, `split`, `group` if there is one, `label`, `probability` (of being positive),
        `prediction`.
    """
    probability = research_model.predict_proba(research_rows[research_model.feature_names_in_])[:, 1]
    predictions = research_rows.assign(probability=probability, prediction=probability > parameters.threshold)
    return predictions[prediction_columns(predictions.columns)]


def score_with_research(
    research_model: DecisionTreeClassifier,
    features: IntoFrameT,
    parameters: SklearnResearchParameters,
    project: ProjectSpec,
) -> IntoFrameT:
    """Score every row with the research tree, on the engine that holds them.

    Args:
        research_model: The fitted tree.
        features: `id`, `label` and the features (float32).
        parameters: `threshold`.
        project: `codes` are features that scores are summed up by.

    Returns:
        `id`, the codes as integers, `label` (null where unknown), `probability` of being positive, bit for bit what
        scikit-learn gives, and `prediction`. Both are null where a feature that the tree uses is missing.
    """
    return (
        nw.from_native(features)
        .with_columns(probability=to_narwhals(research_model))
        .select(
            "id",
            *(nw.col(code).cast(nw.Int64) for code in project.codes),
            "label",
            "probability",
            prediction=nw.col("probability") > parameters.threshold,
        )
        .to_native()
    )


def count_scores(research_scores: IntoFrame) -> dict[str, int]:
    """Count the scored rows, and refuse scores that are not valid.

    Args:
        research_scores: What `score_with_research` gives.

    Returns:
        `rows`, and of them `unknown` (without a label), `predicted_positive`, and `unknown_predicted_positive`.

    Raises:
        ContractError: If a row misses a feature that the tree uses, so that it has no probability.
    """
    is_unknown, prediction = nw.col("label").is_null(), nw.col("prediction")
    counted = nw.from_native(research_scores).select(
        rows=nw.len(),
        unknown=is_unknown.cast(nw.Int64).sum(),
        predicted_positive=prediction.cast(nw.Int64).sum(),
        unknown_predicted_positive=(is_unknown & prediction).cast(nw.Int64).sum(),
        **count_violations("predictions", TABLE_RULES["predictions"]),
    )
    (row,) = counted.lazy().collect().rows(named=True)
    counts = {name: int(count or 0) for name, count in row.items()}
    check_no_violations(counts, "predictions", TABLE_RULES["predictions"])
    return counts
