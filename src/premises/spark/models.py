"""Scoring with a model on Spark, whatever made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from premises.errors import H2OError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def add_probability(model: Any, rows: DataFrame) -> DataFrame:
    """Score rows.

    Args:
        model: A pipeline of MLlib that gives `probability` as a vector, or an H2O MOJO whose label is the text "false"
            or "true".
        rows: Have the feature columns.

    Returns:
        The rows with `probability` of being active, a double, among the columns that are added.

    Raises:
        H2OError: If a MOJO misses a feature column; it would take it for missing in every row.
    """
    from pyspark.ml import PipelineModel
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as F  # noqa: N812 - the name that Spark's own guides use

    if isinstance(model, PipelineModel):
        return model.transform(rows).withColumn("probability", vector_to_array(F.col("probability"))[1])
    if missing := [name for name in model.getFeaturesCols() if name not in rows.columns]:
        msg = f"H2O's model needs {', '.join(missing)}, and the rows have no such column."
        raise H2OError(msg)
    scored: DataFrame = model.transform(rows)
    return scored.withColumn("probability", F.col("detailed_prediction.probabilities.true"))
