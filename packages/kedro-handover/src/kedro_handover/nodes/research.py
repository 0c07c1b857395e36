"""Research a model in pandas and scikit-learn, and score every row with it on any engine.

The first node brings the rows from any engine to pandas; from there on it is scikit-learn as in any notebook.
"""

from __future__ import annotations

import logging
import math
import warnings
from typing import Any

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoFrame, IntoFrameT

from kedro_handover.contract import KEYS, TABLE_RULES, check_no_violations, count_violations
from kedro_handover.errors import ModelInputError
from kedro_handover.evaluation.importances import warn_of_carrier
from kedro_handover.evaluation.predictions import TEST, TRAIN
from kedro_handover.frames import collect_to_pandas, free_names, prediction_columns
from kedro_handover.handover.tree import to_narwhals
from kedro_handover.hashing import add_hashes
from kedro_handover.lazy_types import DataFrame
from kedro_handover.models.family import Family, find_family, find_family_of
from kedro_handover.nodes.research_parameters import SklearnResearchParameters
from kedro_handover.project import ProjectSpec

logger = logging.getLogger(__name__)

FEW_IN_SPLIT, FEW_IN_FOLD = 30, 10
"""With fewer rows of a class, a run says so."""

ROWS_PROVEN = 1_000
"""A model that scores on an engine is proven on so many rows first."""

RECORDED = ("family", "mean_auc", "std_auc", "rank")
"""What a record of the search has beside the arguments of the candidate."""


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


def search_models(research_rows: DataFrame, parameters: SklearnResearchParameters) -> tuple[Any, list[dict[str, Any]]]:
    """Search the candidates for the best mean AUC over the folds, and fit the chosen one on the whole training split.

    Args:
        research_rows: `id`, `split`, `fold`, `label` and the features (float32).
        parameters: `candidates`, `choose`, `class_weight` and `seed`.

    Returns:
        The fitted model, and a record for each candidate, the chosen one first and then the best: `family`, its
        arguments, `mean_auc` and `std_auc` over the folds, and `rank`.
    """
    from scipy.stats import rankdata
    from sklearn.base import clone

    train = research_rows[research_rows["split"] == TRAIN]
    features = [name for name in train.columns if name not in KEYS]
    folds = train["fold"].nunique()
    warn_of_few(research_rows, parameters)
    tried = []
    for name, grid in parameters.candidates.grids.items():
        logger.info(
            "Searching %d candidates of %s over %d folds, %s rows.",
            math.prod(map(len, grid.values())),
            find_family(name).title,
            folds,
            f"{len(train):,}",
        )
        tried += _try_candidates(find_family(name), grid, train, features, parameters)
    for order, (_, record) in enumerate(tried):
        record["order"] = order
    ranks = rankdata([-record["mean_auc"] for _, record in tried], method="min")
    for (_, record), rank in zip(tried, ranks, strict=True):
        record["rank"] = int(rank)
    tried.sort(key=lambda candidate: candidate[1]["rank"])
    if parameters.choose == "one_standard_error":
        tried.insert(0, tried.pop(_find_simplest(tried, folds)))
    for _, record in tried:
        del record["order"]
    estimator, chosen = tried[0]
    logger.info("Chosen, with a mean AUC of %.4f over the folds: %s.", chosen["mean_auc"], _describe(chosen))
    model = clone(estimator).fit(train[features], train["label"])
    if getattr(model, "tree_", None) is not None and model.get_n_leaves() == 1:
        logger.warning(
            "The tree has one leaf: every row gets the same probability. Take more rows, or lower min_samples_leaf."
        )
    warn_of_carrier(model, research_rows)
    return model, [record for _, record in tried]


def warn_of_few(research_rows: DataFrame, parameters: SklearnResearchParameters) -> None:
    """Say that there are few rows of the rarest class, in a split or a fold, or fewer than a leaf has to have.

    Args:
        research_rows: `split`, `fold` and `label`.
        parameters: `candidates`, whose grids may have a `min_samples_leaf`.
    """
    if research_rows["label"].dtype.kind == "f":  # numbers have no classes
        return
    in_split = research_rows.groupby("split")["label"].value_counts().unstack(fill_value=0).min(axis="columns")
    is_train = research_rows["split"] == TRAIN
    in_fold = research_rows[is_train].groupby("fold")["label"].value_counts().unstack(fill_value=0)
    train, test, fold = int(in_split[TRAIN]), int(in_split.get(TEST, 0)), int(in_fold.to_numpy().min())
    leaves = {
        leaf
        for grid in parameters.candidates.grids.values()
        for leaf in grid.get("min_samples_leaf", ())
        if isinstance(leaf, int) and leaf > train
    }
    if min(train, test) >= FEW_IN_SPLIT and fold >= FEW_IN_FOLD and not leaves:
        return
    logger.warning(
        "Few rows: of its rarest class the train split has %s, the test split %s and the smallest fold %s, so what is "
        "measured is rough%s.",
        f"{train:,}",
        f"{test:,}",
        f"{fold:,}",
        f"; and a leaf of {min(leaves):,} (min_samples_leaf) is larger than the class" if leaves else "",
    )


def _try_candidates(
    family: Family,
    grid: dict[str, list[Any]],
    train: DataFrame,
    features: list[str],
    parameters: SklearnResearchParameters,
) -> list[tuple[Any, dict[str, Any]]]:
    """Score each combination of a family's grid on the folds; give its estimator, not fitted yet, and its record."""
    from joblib import parallel_config
    from rich.console import Console
    from sklearn.base import clone
    from sklearn.callback import ProgressBar
    from sklearn.model_selection import GridSearchCV, PredefinedSplit

    estimator = family.make_estimator(parameters.seed, parameters.class_weight)
    places = family.place_grid(grid)
    search = GridSearchCV(
        estimator, places, scoring="roc_auc", cv=PredefinedSplit(train["fold"]), error_score="raise", refit=False
    )
    if Console().is_terminal:
        search.set_callbacks(ProgressBar())
    # Threads are enough: a fit releases the interpreter's lock.
    with warnings.catch_warnings(), parallel_config("threading", n_jobs=-1):
        warnings.filterwarnings("ignore", "The estimator .* does not support callbacks")
        search.fit(train[features], train["label"])
    results = search.cv_results_
    argument_at = {place: argument for argument, place in zip(grid, places, strict=True)}
    return [
        (
            clone(estimator).set_params(**placed),
            {
                "family": family.name,
                **{argument_at[place]: value for place, value in placed.items()},
                "mean_auc": float(mean),
                "std_auc": float(std),
            },
        )
        for placed, mean, std in zip(
            results["params"], results["mean_test_score"], results["std_test_score"], strict=True
        )
    ]


def _find_simplest(tried: list[tuple[Any, dict[str, Any]]], folds: int) -> int:
    """Find the simplest candidate within one standard error of the best, which is the first."""
    best = tried[0][1]
    least = best["mean_auc"] - best["std_auc"] / math.sqrt(folds)
    near = [place for place, (_, record) in enumerate(tried) if record["mean_auc"] >= least]
    return min(near, key=lambda place: (find_family(tried[place][1]["family"]).simplicity, tried[place][1]["order"]))


def _describe(record: dict[str, Any]) -> str:
    arguments = {name: value for name, value in record.items() if name not in RECORDED}
    return f"{find_family(record['family']).title}, {arguments}"


def predict(research_model: Any, research_rows: DataFrame, parameters: SklearnResearchParameters) -> DataFrame:
    """Predict both splits with the research model.

    Args:
        research_model: The fitted model.
        research_rows: `id`, `split`, `fold`, `label` and the features.
        parameters: `threshold`.

    Returns:
        The predictions table: `id`, `split`, `group` if there is one, `label`, `probability` (of being positive),
        `prediction`.
    """
    probability = research_model.predict_proba(research_rows[list(research_model.feature_names_in_)])[:, 1]
    predictions = research_rows.assign(probability=probability, prediction=probability > parameters.threshold)
    return predictions[prediction_columns(predictions.columns)]


def score_with_research(
    research_model: Any,
    features: IntoFrameT,
    parameters: SklearnResearchParameters,
    project: ProjectSpec,
) -> IntoFrameT:
    """Score every row with the research model, on the engine that holds them.

    Args:
        research_model: The fitted model.
        features: `id`, `label` and the features (float32).
        parameters: `threshold`.
        project: `codes` are features that scores are summed up by.

    Returns:
        `id`, the codes as integers, `label` (null where unknown), `probability` of being positive, bit for bit what
        the model's own library gives, and `prediction`. Both are null where a feature that the model needs is missing.

    Raises:
        HandOverError: If the model can't be carried over exactly.
    """
    frame = nw.from_native(features)
    if find_family_of(research_model) == "decision_tree":
        scored = frame.with_columns(probability=to_narwhals(research_model))
    else:
        scored = nw.from_native(_transform(research_model, features))
    return scored.select(
        "id",
        *(nw.col(code).cast(nw.Int64) for code in project.codes),
        "label",
        "probability",
        prediction=nw.col("probability") > parameters.threshold,
    ).to_native()


def _transform(model: Any, features: Any) -> Any:
    """Score a native frame with the description of a model, which is proven on its first rows."""
    from kedro_handover.handover.handed import hand_over

    frame, names = nw.from_native(features).lazy(), [str(name) for name in model.feature_names_in_]
    handed = hand_over(model, prove_on=collect_to_pandas(frame.select(names).head(ROWS_PROVEN)))
    if type(features).__module__.startswith("dask"):
        return features.map_partitions(handed.transform)
    return handed.transform(features)


def count_scores(research_scores: IntoFrame) -> dict[str, int]:
    """Count the scored rows, and refuse scores that are not valid.

    Args:
        research_scores: What `score_with_research` gives.

    Returns:
        `rows`, and of them `unknown` (without a label), `predicted_positive`, and `unknown_predicted_positive`.

    Raises:
        ContractError: If a row misses a feature that the model needs, so that it has no probability.
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
