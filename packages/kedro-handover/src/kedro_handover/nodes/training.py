"""Hand the research model over to Spark, and train its counterparts in MLlib and H2O."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoFrame

from kedro_handover.contract import KEYS
from kedro_handover.evaluation.predictions import TEST, TRAIN
from kedro_handover.frames import collect_to_pandas, prediction_columns
from kedro_handover.hashing import add_hashes
from kedro_handover.lazy_types import DataFrame, DecisionTreeClassifier, SparkDataFrame, VerifiedModel
from kedro_handover.nodes.production_parameters import SparkProductionParameters

VERIFICATION_ROWS = 50


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


def hand_over(research_model: DecisionTreeClassifier, verification_rows: DataFrame) -> tuple[VerifiedModel, str]:
    """Hand the research model over to Spark: the fitted model itself, not one trained again.

    Args:
        research_model: The fitted tree.
        verification_rows: A few rows of features.

    Returns:
        The tree as an MLlib model, verified against what scikit-learn predicts for the rows, and as an SQL expression.

    Raises:
        HandOverError: If the tree can't be handed over exactly.
    """
    from kedro_handover.datasets.verified_model_dataset import VerifiedModel as Verified
    from kedro_handover.handover.tree import to_mllib, to_sql
    from kedro_handover.spark.session import get_spark

    probability = research_model.predict_proba(verification_rows[research_model.feature_names_in_])[:, 1]
    model = to_mllib(research_model, get_spark())
    return Verified(model, verification_rows.assign(probability=probability)), to_sql(research_model)


def train_mllib(
    model_input: SparkDataFrame,
    research_search: list[dict[str, Any]],
    verification_rows: DataFrame,
    parameters: SparkProductionParameters,
) -> VerifiedModel:
    """Train MLlib's decision tree on the same rows, with the hyperparameters that research found.

    Args:
        model_input: `id`, `split`, `fold`, `label`, `group` if there is one, and the features.
        research_search: A record for each candidate of the research, the best first.
        verification_rows: A few rows of features.
        parameters: `max_bins` and `seed`.

    Returns:
        The model, with what it predicts for the verification rows.
    """
    from kedro_handover.models.estimators import make_mllib_tree

    rows = _label_training_rows(model_input, "double")
    features = list(verification_rows.columns)
    return _verify(
        make_mllib_tree(features, research_search[0], parameters.max_bins, parameters.seed).fit(rows), verification_rows
    )


def train_h2o(
    model_input: SparkDataFrame,
    research_search: list[dict[str, Any]],
    verification_rows: DataFrame,
    parameters: SparkProductionParameters,
) -> VerifiedModel:
    """Train H2O's decision tree on the same rows, with the hyperparameters that research found.

    Args:
        model_input: `id`, `split`, `fold`, `label`, `group` if there is one, and the features.
        research_search: A record for each candidate of the research, the best first.
        verification_rows: A few rows of features.
        parameters: `h2o` and `seed`.

    Returns:
        The model as a MOJO, with what it predicts for the verification rows.

    Raises:
        H2OError: If H2O does not start or does not train.
    """
    from kedro_handover.models.estimators import make_h2o_tree
    from kedro_handover.spark.h2o import train_in_h2o

    def make_estimator() -> Any:
        return make_h2o_tree(
            list(verification_rows.columns),
            research_search[0],
            parameters.h2o.bins,
            parameters.h2o.histogram,
            parameters.seed,
            unknown_as_missing=parameters.h2o.unknown_as_missing,
        )

    rows = _label_training_rows(model_input, "string")
    return _verify(train_in_h2o(make_estimator, rows, parameters.h2o.attempts), verification_rows)


TRAINERS = {"mllib": train_mllib, "h2o": train_h2o}
"""Which node trains a model that production trains itself, by the model's name."""


def predict_on_spark(
    model: VerifiedModel, model_input: SparkDataFrame, parameters: SparkProductionParameters
) -> SparkDataFrame:
    """Predict both splits with a model on Spark.

    Args:
        model: Takes the features, gives `probability`.
        model_input: `id`, `split`, `fold`, `label`, `group` if there is one, and the features.
        parameters: `threshold`.

    Returns:
        The predictions table: `id`, `split`, `group`, `label`, `probability` (of the positive class), `prediction`.
    """
    from pyspark.sql import functions as F  # noqa: N812 - the name that Spark's own guides use

    from kedro_handover.spark.models import add_probability

    scored = add_probability(model.model, model_input)
    predicted = scored.withColumn("prediction", F.col("probability") > parameters.threshold)
    return predicted.select(*prediction_columns(predicted.columns))


def _label_training_rows(model_input: SparkDataFrame, kind: str) -> SparkDataFrame:
    """Select the training split, with the label in the type that a trainer expects."""
    from pyspark.sql import functions as F  # noqa: N812

    from kedro_handover.models.estimators import LABEL_COLUMN

    return model_input.where(F.col("split") == TRAIN).withColumn(LABEL_COLUMN, F.col("label").cast(kind))


def _verify(model: Any, verification_rows: DataFrame) -> VerifiedModel:
    """Keep what a model predicts for the rows now, for each later load to reproduce."""
    from kedro_handover.datasets.verified_model_dataset import VerifiedModel as Verified
    from kedro_handover.datasets.verified_model_dataset import predict_verification

    return Verified(model, verification_rows.assign(probability=predict_verification(model, verification_rows)))


def _list_features(columns: list[str]) -> list[str]:
    return [name for name in columns if name not in {*KEYS, "verification_hash"}]
