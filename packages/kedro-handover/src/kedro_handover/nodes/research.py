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

from kedro_handover.contract import KEYS, check_no_violations, count_violations, list_prediction_rules
from kedro_handover.errors import ConfigurationError, HandOverError, ModelInputError
from kedro_handover.evaluation.importances import warn_of_carrier
from kedro_handover.evaluation.predictions import TEST, TRAIN
from kedro_handover.evaluation.prior import PUT_BACK, find_prior_odds, put_back
from kedro_handover.frames import collect_to_pandas, free_names, prediction_columns
from kedro_handover.handover.tree import LEARNED_MISSING, is_single_tree, to_narwhals
from kedro_handover.hashing import add_hashes
from kedro_handover.lazy_types import DataFrame
from kedro_handover.models.family import BALANCED, Family, find_family
from kedro_handover.nodes.research_parameters import SklearnResearchParameters
from kedro_handover.project import ProjectSpec
from kedro_handover.tasks import (
    LABEL_TYPES,
    SCORE_TITLES,
    SCORES,
    Task,
    find_task,
    list_scores,
    name_outcome,
    name_probability,
)

logger = logging.getLogger(__name__)

FEW_IN_SPLIT, FEW_IN_FOLD = 30, 10
"""With fewer rows of a class, a run says so."""

ROWS_PROVEN = 1_000
"""A model that scores on an engine is proven on so many rows first."""

NO_ARGUMENTS = {"family", "rank", *(f"{kind}_{score}" for kind in ("mean", "std") for score in SCORE_TITLES)}
"""What a record of the search has beside the arguments of the candidate."""


def collect_research_rows(
    model_input: IntoFrame, parameters: SklearnResearchParameters, project: ProjectSpec | None = None
) -> DataFrame:
    """Bring the rows to research from the engine to pandas.

    Args:
        model_input: `id`, `split`, `fold`, `label` and the features, on any engine.
        parameters: With `research_rows`, the rows with the smallest hash of their id are taken: a sample that is the
            same whichever engine holds the rows, and that never grows beyond that number.
        project: Its task, and the names of its classes, which the labels are held to where it is given.

    Returns:
        The same columns in NumPy's types, ordered by `id`.

    Raises:
        ModelInputError: If a value is missing, an id is repeated, or a class is not there in a split or fold.
        ConfigurationError: If the project's task is another.
    """
    frame = nw.from_native(model_input).lazy()
    columns = frame.collect_schema().names()
    if parameters.research_rows is not None:
        (name,) = free_names(["research_hash"], columns)
        frame = add_hashes(frame, "id", **{name: 4}).sort(name, "id").head(parameters.research_rows)
    # pandas drops the hash: Dask would leave out a column that is not asked for before it sorts by it.
    rows = collect_to_pandas(frame)[columns].sort_values("id", ignore_index=True)
    _check_missing(rows.columns[rows.isna().any()].tolist(), parameters)
    if rows["id"].duplicated().any():
        twice = rows.loc[rows["id"].duplicated(), "id"]
        msg = f"model_input: {len(twice):,} rows repeat an id, the first of them {twice.iloc[0]}."
        raise ModelInputError(msg)
    task = find_task(rows)
    if project is not None:
        project.check_task(task, rows["label"].nunique() if task == "multiclass" else None)
    check = {"binary": _check_two_classes, "multiclass": _check_classes, "regression": _check_numbers}[task]
    check(rows)
    return rows


def _check_missing(missing: list[str], parameters: SklearnResearchParameters) -> None:
    """Refuse missing values, but for those of features that every candidate takes, or imputes."""
    if not missing:
        return
    of_rows = [name for name in missing if name in KEYS]
    refusing = [
        name
        for name in parameters.candidates.grids
        if not (find_family(name).takes_missing or parameters.candidates.find_settings(name).prepare.impute)
    ]
    if of_rows or refusing:
        told = "" if of_rows else f" {', '.join(refusing)} can't do without; `prepare: {{ impute: median }}` fills in."
        msg = f"model_input: {', '.join(of_rows or missing)} must be known for every row, and is missing in some.{told}"
        raise ModelInputError(msg)


def _check_two_classes(rows: DataFrame) -> None:
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


def _check_classes(rows: DataFrame) -> None:
    classes = range(int(rows["label"].max()) + 1)
    if odd := sorted(set(rows["label"]) - set(classes)):
        msg = f"model_input: {odd[0]} is no label of a class. They are 0, 1 and so on, in the order of words.classes."
        raise ModelInputError(msg)
    parts = {f"the {split} split": rows[rows["split"] == split] for split in (TRAIN, TEST)}
    parts |= {f"fold {fold} of the train split": one for fold, one in rows[rows["split"] == TRAIN].groupby("fold")}
    for part, of_part in parts.items():
        if missing := sorted(set(classes) - set(of_part["label"])):
            msg = (
                f"model_input: {part} has no row of class {', '.join(map(str, missing))}, and each of the "
                f"{len(classes)} must be there. Take more rows, lower split.folds, or put rare classes together."
            )
            raise ModelInputError(msg)


def _check_numbers(rows: DataFrame) -> None:
    for split in (TRAIN, TEST):
        if (there := len(rows[rows["split"] == split])) < 2:  # noqa: PLR2004 - one number has no variance
            msg = f"model_input: the {split} split has {there} rows. Take more rows, or change split.test_share."
            raise ModelInputError(msg)


def search_models(research_rows: DataFrame, parameters: SklearnResearchParameters) -> tuple[Any, list[dict[str, Any]]]:
    """Search the candidates for the best mean score over the folds, and fit the chosen one on the whole training split.

    The score is the AUC, of several classes the mean of each against all others; of a regression R².

    Args:
        research_rows: `id`, `split`, `fold`, `label` and the features (float32).
        parameters: `candidates`, `choose`, `class_weight` and `seed`.

    Returns:
        The fitted model, and a record for each candidate, the chosen one first and then the best: `family`, its
        arguments, `mean_auc` and `std_auc` (or `mean_r2` and `std_r2`) over the folds, and `rank`.
    """
    from scipy.stats import rankdata
    from sklearn.base import clone

    train = research_rows[research_rows["split"] == TRAIN]
    features = [name for name in train.columns if name not in KEYS]
    folds = train["fold"].nunique()
    warn_of_few(research_rows, parameters)
    task = find_task(train)
    score, _ = SCORES[task]
    if parameters.class_weight is not None and task == "regression":
        msg = "sklearn_research.class_weight: a number to predict has no classes to weigh. Make it null."
        raise ConfigurationError(msg)
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
    ranks = rankdata([-record[f"mean_{score}"] for _, record in tried], method="min")
    for (_, record), rank in zip(tried, ranks, strict=True):
        record["rank"] = int(rank)
    tried.sort(key=lambda candidate: candidate[1]["rank"])
    if parameters.choose == "one_standard_error":
        tried.insert(0, tried.pop(_find_simplest(tried, folds, score)))
    for _, record in tried:
        del record["order"]
    estimator, chosen = tried[0]
    logger.info(
        "Chosen, with a mean %s of %.4f over the folds: %s.",
        SCORE_TITLES[score],
        chosen[f"mean_{score}"],
        _describe(chosen),
    )
    weights = _weigh_rows(estimator, find_family(chosen["family"]), train["label"], parameters.class_weight)
    model = clone(estimator).fit(train[features], train["label"], **weights)
    if weights:
        setattr(model, BALANCED, True)
    if hasattr(model, "tree_") and train[features].isna().any(axis=None):
        setattr(model, LEARNED_MISSING, True)  # scikit-learn gives each node a direction, learned or not
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

    task = find_task(train)
    score, scoring = SCORES[task]
    family.place_grid(grid, task)
    settings = parameters.candidates.find_settings(family.name)
    single = family.make_estimator(task, parameters.seed, parameters.class_weight)
    if settings.prepare.encode and settings.monotone:
        msg = (
            f"sklearn_research.candidates.{family.name}: monotone and prepare.encode don't go together. Leave one out."
        )
        raise ConfigurationError(msg)
    estimator = settings.prepare.wrap(family.constrain(single, features, settings.monotone, task), features)
    places = family.place_grid(grid, task, estimator)
    search = GridSearchCV(
        estimator, places, scoring=scoring, cv=PredefinedSplit(train["fold"]), error_score="raise", refit=False
    )
    if Console().is_terminal:
        search.set_callbacks(ProgressBar())
    # Threads are enough: a fit releases the interpreter's lock.
    with warnings.catch_warnings(), parallel_config("threading", n_jobs=-1):
        warnings.filterwarnings("ignore", "The estimator .* does not support callbacks")
        search.fit(
            train[features], train["label"], **_weigh_rows(estimator, family, train["label"], parameters.class_weight)
        )
    results = search.cv_results_
    argument_at = {place: argument for argument, place in zip(grid, places, strict=True)}
    return [
        (
            clone(estimator).set_params(**placed),
            {
                "family": family.name,
                **({"prepare": prepared} if (prepared := str(settings.prepare)) else {}),
                **{argument_at[place]: value for place, value in placed.items()},
                f"mean_{score}": float(mean),
                f"std_{score}": float(std),
            },
        )
        for placed, mean, std in zip(
            results["params"], results["mean_test_score"], results["std_test_score"], strict=True
        )
    ]


def _weigh_rows(estimator: Any, family: Family, labels: Any, class_weight: str | None) -> dict[str, Any]:
    """Give `fit` of an estimator that has no `class_weight` itself the weight of each row."""
    from sklearn.utils.class_weight import compute_sample_weight
    from sklearn.utils.validation import has_fit_parameter

    if class_weight is None or "class_weight" in family.list_arguments(estimator):
        return {}
    name, last = estimator.steps[-1] if hasattr(estimator, "steps") else ("", estimator)
    if not has_fit_parameter(last, "sample_weight"):
        msg = f"sklearn_research.class_weight: {family.title} can't weigh rows. Make it null, or leave the family out."
        raise ConfigurationError(msg)
    return {f"{name}__sample_weight" if name else "sample_weight": compute_sample_weight(class_weight, labels)}


def _find_simplest(tried: list[tuple[Any, dict[str, Any]]], folds: int, score: str) -> int:
    """Find the simplest candidate within one standard error of the best, which is the first."""
    best = tried[0][1]
    least = best[f"mean_{score}"] - best[f"std_{score}"] / math.sqrt(folds)
    near = [place for place, (_, record) in enumerate(tried) if record[f"mean_{score}"] >= least]
    return min(near, key=lambda place: (find_family(tried[place][1]["family"]).simplicity, tried[place][1]["order"]))


def _describe(record: dict[str, Any]) -> str:
    arguments = {name: value for name, value in record.items() if name not in NO_ARGUMENTS}
    return f"{find_family(record['family']).title}, {arguments}"


def predict(research_model: Any, research_rows: DataFrame, parameters: SklearnResearchParameters) -> DataFrame:
    """Predict both splits with the research model.

    Args:
        research_model: The fitted model.
        research_rows: `id`, `split`, `fold`, `label` and the features.
        parameters: `threshold`.

    Returns:
        The predictions table: `id`, `split`, `group` if there is one, `label`, `probability` (of being positive; of
        several classes `probability_0` and so on; of a regression none), `prediction`.
    """
    given = score_features(research_model, research_rows, find_task(research_rows))
    if "probability" in given:
        given["prediction"] = given["probability"] > parameters.threshold
    predictions = research_rows.assign(**given)
    return predictions[prediction_columns(predictions.columns)]


def score_features(research_model: Any, rows: DataFrame, task: Task) -> dict[str, Any]:
    """Score rows by the research model's own library.

    Args:
        research_model: The fitted model.
        rows: Its features.
        task: What it predicts.

    Returns:
        `probability` of two classes; `probability_0` and so on, and `prediction`, of several; `prediction` of a
        regression.
    """
    features = rows[list(research_model.feature_names_in_)]
    if task == "regression":
        return {"prediction": research_model.predict(features).astype("float64")}
    probability = research_model.predict_proba(features).astype("float64")
    if task == "binary":
        return {"probability": probability[:, 1]}
    by_class = {name_probability(place): probability[:, place] for place in range(probability.shape[1])}
    return {**by_class, "prediction": research_model.predict(features).astype("int64")}


def score_with_research(
    research_model: Any,
    features: IntoFrameT,
    parameters: SklearnResearchParameters,
    project: ProjectSpec,
    row_counts: dict[str, int] | None = None,
) -> IntoFrameT:
    """Score every row with the research model, on the engine that holds them.

    Args:
        research_model: The fitted model.
        features: `id`, `label` and the features (float32).
        parameters: `threshold`, `class_weight` and `prior_correction`.
        project: `codes` are features that scores are summed up by.
        row_counts: The rows that the model has learned from, for the prior correction.

    Returns:
        `id`, the codes as integers, `label` (null where unknown), `probability` of being positive, bit for bit what
        the model's own library gives, and `prediction`. Both are null where a feature that the model needs is missing.
        Of several classes and of numbers they are as in the predictions table. With the prior correction, there is
        `probability_in_data` too, where it is another.

    Raises:
        HandOverError: If the model can't be carried over exactly.
    """
    frame, task = nw.from_native(features), find_task(features)
    if task == "binary" and is_single_tree(research_model):
        scored = frame.with_columns(probability=to_narwhals(research_model))
    else:
        scored = nw.from_native(_transform(research_model, features))
    prediction = nw.col("prediction").cast(LABEL_TYPES[task])
    if task == "binary":
        prediction = nw.col("probability") > parameters.threshold
    probabilities = [name for name in list_scores(scored.collect_schema().names()) if name != "prediction"]
    odds = 1.0
    if task == "binary" and parameters.prior_correction and row_counts is not None:
        odds = find_prior_odds(row_counts, parameters.class_weight)
    corrected = {} if odds == 1 else {PUT_BACK: put_back(nw.col("probability"), odds)}
    return scored.select(
        "id",
        *(nw.col(code).cast(nw.Int64) for code in project.codes),
        "label",
        *probabilities,
        **corrected,
        prediction=prediction,
    ).to_native()


def _transform(model: Any, features: Any) -> Any:
    """Score a native frame with the description of a model, which is proven on its first rows."""
    from kedro_handover.handover.handed import hand_over
    from kedro_handover.handover.library_model import LibraryModel

    frame, names = nw.from_native(features).lazy(), [str(name) for name in model.feature_names_in_]
    handed = hand_over(model, prove_on=collect_to_pandas(frame.select(names).head(ROWS_PROVEN)))
    if isinstance(handed, LibraryModel):
        msg = f"{type(model).__name__} has no description, so no engine can score with it."
        raise HandOverError(msg)
    if type(features).__module__.startswith("dask"):
        return features.map_partitions(handed.transform, a_column_each=True)
    return handed.transform(features, a_column_each=True)


def count_scores(research_scores: IntoFrame) -> dict[str, int]:
    """Count the scored rows, and refuse scores that are not valid.

    Args:
        research_scores: What `score_with_research` gives.

    Returns:
        `rows`, and of them `unknown` (without a label), `predicted_positive`, and `unknown_predicted_positive`; of
        several classes `predicted_class_0` and so on; of a regression the first two alone.

    Raises:
        ContractError: If a row misses a feature that the model needs, so that it has no probability.
    """
    is_unknown, prediction = nw.col("label").is_null(), nw.col("prediction")
    names = nw.from_native(research_scores).collect_schema().names()
    rules, task, scores = list_prediction_rules(names), find_task(research_scores), list_scores(names)
    outcomes: dict[str, nw.Expr] = {"positive": prediction} if task == "binary" else {}
    if task == "multiclass":
        outcomes = {name_outcome(place): prediction == place for place in range(len(scores))}
    counted = nw.from_native(research_scores).select(
        rows=nw.len(),
        unknown=is_unknown.cast(nw.Int64).sum(),
        **{f"predicted_{name}": is_one.cast(nw.Int64).sum() for name, is_one in outcomes.items()},
        **{
            f"unknown_predicted_{name}": (is_unknown & is_one).cast(nw.Int64).sum() for name, is_one in outcomes.items()
        },
        **count_violations("predictions", rules),
    )
    (row,) = counted.lazy().collect().rows(named=True)
    counts = {name: int(count or 0) for name, count in row.items()}
    check_no_violations(counts, "predictions", rules)
    return counts
