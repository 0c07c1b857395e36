"""Scoring on Spark, whatever kind of model it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kedro_handover.errors import H2OError
from kedro_handover.tasks import name_probability

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import Column, DataFrame

    from kedro_handover.handover.description import Description

TWO = 2


@dataclass(frozen=True)
class SqlModel:
    """A model that is one SQL expression.

    Attributes:
        sql: Gives the probability of the positive class from the feature columns; null where one of them is missing.
    """

    sql: str


def add_scores(model: Any, rows: DataFrame) -> DataFrame:
    """Score rows.

    Args:
        model: A pipeline of MLlib, the description of a model, an H2O MOJO whose classes are texts, or an SQL
            expression.
        rows: Have the feature columns.

    Returns:
        The rows, and among the columns that are added: of two classes `probability` of being positive, a double; of
        several `probability_0` and so on, and `prediction`, a long; of a regression `prediction`, a double.

    Raises:
        H2OError: If the rows lack a feature column of a MOJO, which would score it as missing in every row.
    """
    from pyspark.ml import PipelineModel
    from pyspark.sql import functions as F  # noqa: N812 - the name that Spark's own guides use

    from kedro_handover.handover.description import Description

    if isinstance(model, SqlModel):
        return rows.withColumn("probability", F.coalesce(F.expr(model.sql), _refuse()))
    if isinstance(model, Description):
        return _score_described(model, rows)
    if isinstance(model, PipelineModel):
        return _score_with_mllib(model, rows)
    return _score_with_mojo(model, rows)


def _refuse() -> Column:
    from pyspark.sql import functions as F  # noqa: N812

    return F.raise_error(F.lit("A row misses a feature that the released model needs; nothing is scored."))


def _score_described(model: Description, rows: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F  # noqa: N812

    from kedro_handover.handover.spark_function import score_on_spark

    described = score_on_spark(model, rows, a_column_each=True)
    given = "probability" if model.task == "binary" else "prediction"
    checked = F.coalesce(F.col(given), _refuse())
    return described.withColumn(given, checked.cast("long") if model.task == "multiclass" else checked)


def _score_with_mllib(model: PipelineModel, rows: DataFrame) -> DataFrame:
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as F  # noqa: N812

    scored = model.transform(rows)
    if "probability" not in scored.columns:
        return scored
    shares = vector_to_array(F.col("probability"))
    classes: int = model.stages[-1].numClasses  # type: ignore[attr-defined]  # of each classifier of MLlib
    if classes == TWO:
        return scored.withColumn("probability", shares[1])
    return _add_classes(scored.drop("prediction"), [shares[place] for place in range(classes)]).drop("probability")


def _score_with_mojo(model: Any, rows: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F  # noqa: N812

    if missing := [name for name in model.getFeaturesCols() if name not in rows.columns]:
        msg = f"H2O's model needs {', '.join(missing)}, and the rows have no such column."
        raise H2OError(msg)
    scored: DataFrame = model.transform(rows)
    detailed: Any = scored.schema["detailed_prediction"].dataType
    if "probabilities" not in detailed.fieldNames():
        return scored
    names = detailed["probabilities"].dataType.fieldNames()
    shares = {name: F.col(f"detailed_prediction.probabilities.`{name}`") for name in names}
    if "true" in shares:
        return scored.withColumn("probability", shares["true"])
    return _add_classes(scored.drop("prediction"), [shares[str(place)] for place in range(len(shares))])


def _add_classes(scored: DataFrame, shares: list[Column]) -> DataFrame:
    """Add the probability of each class, and the class with the largest one, the first of several."""
    from pyspark.sql import functions as F  # noqa: N812

    largest = F.greatest(*shares)
    first = F.coalesce(*(F.when(share == largest, F.lit(place)) for place, share in enumerate(shares)))
    by_class = {name_probability(place): share for place, share in enumerate(shares)}
    return scored.withColumns({**by_class, "prediction": first.cast("long")})
