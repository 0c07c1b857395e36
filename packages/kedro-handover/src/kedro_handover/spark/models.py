"""Scoring on Spark, whatever kind of model it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kedro_handover.errors import H2OError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class SqlModel:
    """A model that is one SQL expression.

    Attributes:
        sql: Gives the probability of the positive class from the feature columns; null where one of them is missing.
    """

    sql: str


def add_probability(model: Any, rows: DataFrame) -> DataFrame:
    """Score rows.

    Args:
        model: A pipeline of MLlib that gives `probability` as a vector, the description of a model, an H2O MOJO whose
            label is the text "false" or "true", or an SQL expression.
        rows: Have the feature columns.

    Returns:
        The rows with `probability` of being positive, a double, among the columns that are added.

    Raises:
        H2OError: If the rows lack a feature column of a MOJO, which would score it as missing in every row.
    """
    from pyspark.ml import PipelineModel
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as F  # noqa: N812 - the name that Spark's own guides use

    from kedro_handover.handover.description import Description
    from kedro_handover.handover.spark_function import score_on_spark

    refusal = F.raise_error(F.lit("A row misses a feature that the released model needs; nothing is scored."))
    if isinstance(model, SqlModel):
        return rows.withColumn("probability", F.coalesce(F.expr(model.sql), refusal))
    if isinstance(model, Description):
        described = score_on_spark(model, rows)
        return described.withColumn("probability", F.coalesce(F.col("probability"), refusal))
    if isinstance(model, PipelineModel):
        return model.transform(rows).withColumn("probability", vector_to_array(F.col("probability"))[1])
    if missing := [name for name in model.getFeaturesCols() if name not in rows.columns]:
        msg = f"H2O's model needs {', '.join(missing)}, and the rows have no such column."
        raise H2OError(msg)
    scored: DataFrame = model.transform(rows)
    return scored.withColumn("probability", F.col("detailed_prediction.probabilities.true"))
