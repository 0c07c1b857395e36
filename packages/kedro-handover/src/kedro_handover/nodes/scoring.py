"""Score every row with the released model, and measure how far the rows are from those of the release."""

from __future__ import annotations

import logging
from typing import Any

from narwhals.stable.v2.typing import IntoFrame

from kedro_handover.errors import DriftError
from kedro_handover.evaluation.drift import measure_drift
from kedro_handover.lazy_types import SparkDataFrame
from kedro_handover.nodes.production_parameters import SparkProductionParameters
from kedro_handover.project import ProjectSpec

logger = logging.getLogger(__name__)


def compare_with_release(
    release: dict[str, Any], features: IntoFrame, parameters: SparkProductionParameters
) -> dict[str, Any]:
    """Measure how far the features of a table are from those of the table that was released on.

    Args:
        release: The manifest; its `data` has the `profile`.
        features: `id`, `label` and the features.
        parameters: `drift`.

    Returns:
        What `kedro_handover.evaluation.drift.measure_drift` gives.
    """
    drift = parameters.drift
    return measure_drift(
        features,
        release["data"]["profile"],
        largest_psi=drift.largest_psi,
        unseen_share=drift.unseen_share,
        action=drift.action,
    )


def score_rows(  # noqa: PLR0913, PLR0917 - what is scored, by what, and whether it may be
    released_model: Any,
    release: dict[str, Any],
    features: SparkDataFrame,
    drift: dict[str, Any],
    drift_report: str,  # noqa: ARG001 - so the report is written before a run stops
    project: ProjectSpec,
) -> SparkDataFrame:
    """Score every row, those without a label included, with the released model.

    Args:
        released_model: The model, as the catalog loads it.
        release: The manifest; `model` has the `threshold`.
        features: `id`, `label` and the features.
        drift: What `compare_with_release` gives.
        drift_report: The report on it.
        project: `codes` are features that scores are summed up by.

    Returns:
        `id`, the codes as integers, `label` (null where unknown), `probability` of the positive class, `prediction`. A
        row that lacks a feature that the model needs ends the job with an error.

    Raises:
        DriftError: If the table has drifted, and is not to be scored then.
    """
    if drift["failures"]:
        msg = f"The rows are not like those of the release: {'; '.join(drift['failures'])}. See the drift report."
        if drift["action"] == "stop":
            msg = f"{msg} Nothing is scored; spark_production.drift says what is allowed."
            raise DriftError(msg)
        logger.warning(msg)
    from pyspark.sql import functions as F  # noqa: N812 - the name that Spark's own guides use

    from kedro_handover.spark.models import add_probability

    return add_probability(released_model, features).select(
        "id",
        *(F.col(code).cast("int").alias(code) for code in project.codes),
        "label",
        "probability",
        (F.col("probability") > release["model"]["threshold"]).alias("prediction"),
    )


def summarise_scores(
    predictions: SparkDataFrame, valid_rows: SparkDataFrame, release: dict[str, Any], project: ProjectSpec
) -> SparkDataFrame:
    """Count the rows of each place or group by label, and how many of those without one may be positive.

    A model that learns from a balanced split has probabilities that are too low or too high for rows whose classes are
    not balanced. Before the chances are added up, the odds of each are multiplied by the ratio of the odds in all rows
    to those in the training split.

    Args:
        predictions: `id`, the codes that scores are summed up by, `label`, `probability`.
        valid_rows: The project's id, and the other columns that scores are summed up by.
        release: The manifest; its `data` has the row counts of the training.
        project: `id`, `summarise_by` and `codes`.

    Returns:
        A row for each combination of `summarise_by`: these columns, `rows`, `positive`, `negative`, `unknown`, and
        `expected_positive`: the positive ones and the unknown ones by their chance, in rows.
    """
    counts = release["data"]["row_counts"]
    odds = counts["positive"] / counts["negative"] * counts["train_negative"] / counts["train_positive"]
    names = [name for name in project.summarise_by if name not in project.codes]
    columns = ", ".join(f"`{name}`" for name in project.summarise_by)
    by_columns = f"GROUP BY {columns} ORDER BY {columns}" if columns else ""  # else the summary is one row
    return predictions.sparkSession.sql(
        f"""
        SELECT
            {f"{columns}," if columns else ""}
            COUNT(*) AS rows,
            COUNT_IF(label) AS positive,
            COUNT_IF(NOT label) AS negative,
            COUNT_IF(label IS NULL) AS unknown,
            -- decimals: the sum of doubles would depend on the order of rows
            CAST(SUM(CAST(COALESCE(
                CAST(label AS DOUBLE), :odds * probability / (:odds * probability + 1 - probability)
            ) AS DECIMAL(20, 12))) AS DOUBLE) AS expected_positive
        FROM {{predictions}} JOIN {{names}} USING (id)
        {by_columns}
        """,  # noqa: S608 - columns of the project
        args={"odds": odds},
        predictions=predictions,
        names=valid_rows.withColumnRenamed(project.id, "id").select("id", *names),
    )
