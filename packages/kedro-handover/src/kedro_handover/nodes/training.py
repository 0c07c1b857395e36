"""Hand the research model over to Spark, and train its counterparts in MLlib and H2O."""

from __future__ import annotations

import logging
from dataclasses import asdict
from functools import reduce
from operator import or_
from typing import Any

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoFrame

from kedro_handover.contract import KEYS
from kedro_handover.errors import ConfigurationError, HandOverError
from kedro_handover.evaluation.predictions import TEST, TRAIN
from kedro_handover.frames import collect_to_pandas, prediction_columns
from kedro_handover.hashing import add_hashes
from kedro_handover.lazy_types import DataFrame, SparkDataFrame, VerifiedModel
from kedro_handover.models.family import (
    LABEL_COLUMN,
    Counterpart,
    Family,
    find_class_weights,
    find_family,
    find_family_of,
    impute_first,
)
from kedro_handover.nodes.production_parameters import SparkProductionParameters
from kedro_handover.nodes.research import collect_research_rows, score_features
from kedro_handover.nodes.research_parameters import SklearnResearchParameters
from kedro_handover.tasks import count_split, find_task, list_outcomes, list_scores

logger = logging.getLogger(__name__)

VERIFICATION_ROWS = 50

WEIGHT_COLUMN = "__class_weight__"
"""What a row weighs when a counterpart is trained, where the classes of the research model weighed differently."""


def choose_verification_rows(model_input: IntoFrame) -> DataFrame:
    """Choose the rows that a saved model has to predict alike whenever it is loaded.

    Args:
        model_input: `id`, `split`, `fold`, `label`, `group` if there is one, and the features.

    Returns:
        The features of the `VERIFICATION_ROWS` test rows with the smallest hash of their id.
    """
    frame = nw.from_native(model_input).lazy().filter(nw.col("split") == TEST)
    hashed = add_hashes(frame, "id", verification_hash=5)
    first = hashed.sort("verification_hash", "id").head(VERIFICATION_ROWS)  # different ids may have the same hash
    return collect_to_pandas(first.select(_list_features(hashed.collect_schema().names())))


def hand_over(
    research_model: Any,
    model_input: IntoFrame,
    verification_rows: DataFrame,
    research_parameters: SklearnResearchParameters,
) -> tuple[VerifiedModel, str, dict[str, Any]]:
    """Hand the research model over to Spark: the fitted model itself, not one trained again.

    Before anything is saved it is proven, bit for bit: on all rows of research, and on rows that are made to be
    difficult, on every threshold of the model and beside it.

    Args:
        research_model: The fitted model.
        model_input: `id`, `split`, `fold`, `label`, `group` if there is one, and the features.
        verification_rows: A few rows of features.
        research_parameters: `threshold`, and `research_rows`: how many rows research took at most.

    Returns:
        The model, verified against what its own library predicts for the rows: of a single decision tree for two
        classes as MLlib's tree, of any other as the description that a function in Java evaluates. The model as SQL.
        And what is promised: `model_family`, `promise` in words, `score` and `probability` ("exact" or the bound), and
        the `rows` that were tried.

    Raises:
        HandOverError: If the model can't be handed over, or one bit of a row differs.
    """
    from kedro_handover.datasets.verified_model_dataset import VerifiedModel as Verified
    from kedro_handover.handover.handed import HandedOver
    from kedro_handover.handover.handed import hand_over as prove_and_describe
    from kedro_handover.handover.sql import MAX_NODES
    from kedro_handover.handover.tree import is_single_tree, to_mllib, to_sql
    from kedro_handover.spark.session import get_spark

    features, task = list(verification_rows.columns), find_task(model_input)
    rows = collect_research_rows(model_input, research_parameters)[features]
    threshold = research_parameters.threshold if task == "binary" else None
    handed = prove_and_describe(research_model, prove_on=rows, threshold=threshold)
    if not isinstance(handed, HandedOver):
        msg = f"{type(research_model).__name__} has no description."
        raise HandOverError(msg)
    promise = {
        **asdict(handed.promise),
        "model_family": find_family_of(research_model),
        "promise": str(handed.promise),
        "digest": handed.description.digest,
    }
    logger.info("%s", promise["promise"])
    if task == "binary" and is_single_tree(research_model):
        model: Any = to_mllib(research_model, get_spark())
        sql = to_sql(research_model)
    elif handed.description.n_nodes <= MAX_NODES:
        model, sql = handed.description, handed.to_sql(dialect="spark")
    else:
        model, sql = handed.description, f"-- {handed.description.n_nodes:,} nodes are too many for SQL.\n"
    if handed.promise.probability == "exact":
        given = score_features(research_model, verification_rows, task)
        scores = {name: given[name] for name in list_scores(given)}
        return Verified(model, verification_rows.assign(**scores)), sql, promise
    return _verify(model, verification_rows), sql, promise


def train_mllib(
    model_input: SparkDataFrame,
    research_model: Any,
    verification_rows: DataFrame,
    row_counts: dict[str, int],
    parameters: SparkProductionParameters,
) -> VerifiedModel:
    """Train MLlib's counterpart of the research model on the same rows, with its hyperparameters.

    Args:
        model_input: `id`, `split`, `fold`, `label`, `group` if there is one, and the features.
        research_model: The fitted model.
        verification_rows: A few rows of features.
        row_counts: The rows of the training split, by label.
        parameters: `max_bins` and `seed`.

    Returns:
        The model, verified against what it predicts for the rows now.

    Raises:
        ConfigurationError: If the model is of no family that has a counterpart.
    """
    family, of = _find_counterpart(model_input, research_model, verification_rows, row_counts, parameters)
    weights = _find_weights(research_model, of, row_counts)
    rows = _label_training_rows(model_input, "double", weights)
    pipeline = family.make_mllib(of)
    if weights:
        _weigh(pipeline.getStages()[-1], family, "MLlib")
    if _has_missing(rows, of.features):
        pipeline = impute_first(pipeline, of.features)
    return _verify(pipeline.fit(rows), verification_rows)


def train_h2o(
    model_input: SparkDataFrame,
    research_model: Any,
    verification_rows: DataFrame,
    row_counts: dict[str, int],
    parameters: SparkProductionParameters,
) -> VerifiedModel:
    """Train H2O's counterpart of the research model on the same rows, with its hyperparameters.

    Args:
        model_input: `id`, `split`, `fold`, `label`, `group` if there is one, and the features.
        research_model: The fitted model.
        verification_rows: A few rows of features.
        row_counts: The rows of the training split, by label.
        parameters: `h2o` and `seed`.

    Returns:
        The model as a MOJO, verified against what it predicts for the rows now.

    Raises:
        ConfigurationError: If the model is of no family that has a counterpart.
        H2OError: If H2O does not start or does not train.
    """
    from kedro_handover.spark.h2o import train_in_h2o

    family, of = _find_counterpart(model_input, research_model, verification_rows, row_counts, parameters)
    weights = _find_weights(research_model, of, row_counts)
    rows = _label_training_rows(model_input, "double" if of.task == "regression" else "string", weights)

    def make_estimator() -> Any:
        estimator = family.make_h2o(of)
        return _weigh(estimator, family, "H2O") if weights else estimator

    return _verify(train_in_h2o(make_estimator, rows, parameters.h2o.attempts), verification_rows)


TRAINERS = {"mllib": train_mllib, "h2o": train_h2o}
"""Which node trains a model that production trains itself, by the model's name."""


def predict_on_spark(
    model: VerifiedModel, model_input: SparkDataFrame, parameters: SparkProductionParameters
) -> SparkDataFrame:
    """Predict both splits with a model on Spark.

    Args:
        model: Takes the features, gives what `kedro_handover.spark.models.add_scores` says.
        model_input: `id`, `split`, `fold`, `label`, `group` if there is one, and the features.
        parameters: `threshold`.

    Returns:
        The predictions table: `id`, `split`, `group`, `label`, `probability` (of the positive class; of several classes
        `probability_0` and so on; of a regression none), `prediction`.
    """
    from pyspark.sql import functions as F  # noqa: N812 - the name that Spark's own guides use

    from kedro_handover.spark.models import add_scores

    predicted = add_scores(model.model, model_input)
    if find_task(model_input) == "binary":
        predicted = predicted.withColumn("prediction", F.col("probability") > parameters.threshold)
    return predicted.select(*prediction_columns(predicted.columns))


def _find_counterpart(
    model_input: SparkDataFrame,
    model: Any,
    verification_rows: DataFrame,
    row_counts: dict[str, int],
    parameters: SparkProductionParameters,
) -> tuple[Family, Counterpart]:
    """Find the family of a fitted model, and what its counterpart is made from."""
    name = find_family_of(model)
    if name is None:
        msg = f"{type(model).__name__} is of no model family, so nothing in production can be trained like it."
        raise ConfigurationError(msg)
    family = find_family(name)
    return family, Counterpart(
        task=find_task(model_input),
        features=list(verification_rows.columns),
        arguments=family.list_arguments(model),
        rows=count_split(row_counts, TRAIN),
        parameters=parameters,
    )


def _has_missing(rows: SparkDataFrame, features: list[str]) -> bool:
    from pyspark.sql import functions as F  # noqa: N812

    is_missing = (F.col(name).isNull() | F.isnan(name) for name in features)
    return bool(rows.where(reduce(or_, is_missing)).head(1))


def _find_weights(model: Any, of: Counterpart, row_counts: dict[str, int]) -> dict[Any, float]:
    """Find what a row of each label weighs in training; nothing where all weigh the same."""
    if of.task == "regression":
        return {}
    rows_of: dict[Any, int] = {}
    for outcome in list_outcomes(row_counts):
        label = outcome == "positive" if of.task == "binary" else int(outcome.removeprefix("class_"))
        rows_of[label] = row_counts[f"{TRAIN}_{outcome}"]
    return find_class_weights(model, of.arguments, rows_of)


def _weigh(trainer: Any, family: Family, library: str) -> Any:
    """Have a trainer of MLlib or H2O weigh rows."""
    if not hasattr(trainer, "setWeightCol"):
        msg = (
            f"{library}'s counterpart of {family.title} can't weigh rows, and the classes of the research model weigh "
            "differently. Set sklearn_research.class_weight to null, or search among other families."
        )
        raise ConfigurationError(msg)
    return trainer.setWeightCol(WEIGHT_COLUMN)


def _label_training_rows(model_input: SparkDataFrame, kind: str, weights: dict[Any, float]) -> SparkDataFrame:
    """Select the training split, with the label in the type that a trainer expects, and what each row weighs."""
    from pyspark.sql import functions as F  # noqa: N812

    rows, label = model_input.where(F.col("split") == TRAIN), F.col("label")
    if weights:
        weight = reduce(lambda rest, of: F.when(label == of[0], of[1]).otherwise(rest), weights.items(), F.lit(1.0))
        rows = rows.withColumn(WEIGHT_COLUMN, weight)
    return rows.withColumn(LABEL_COLUMN, label.cast(kind))


def _verify(model: Any, verification_rows: DataFrame) -> VerifiedModel:
    """Keep what a model predicts for the rows now, for each later load to reproduce."""
    from kedro_handover.datasets.verified_model_dataset import VerifiedModel as Verified
    from kedro_handover.datasets.verified_model_dataset import predict_verification

    return Verified(model, verification_rows.assign(**predict_verification(model, verification_rows)))


def _list_features(columns: list[str]) -> list[str]:
    return [name for name in columns if name not in {*KEYS, "verification_hash"}]
