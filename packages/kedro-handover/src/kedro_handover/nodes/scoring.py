"""Score every row with the released model, and measure how far the rows are from those of the release."""

from __future__ import annotations

import logging
from typing import Any

from narwhals.stable.v2.typing import IntoFrame

from kedro_handover.errors import DriftError
from kedro_handover.evaluation.drift import measure_drift
from kedro_handover.evaluation.prior import PUT_BACK, find_prior_odds, put_back
from kedro_handover.frames import prediction_columns
from kedro_handover.lazy_types import SparkDataFrame
from kedro_handover.models.registry import HANDED_OVER
from kedro_handover.nodes.production_parameters import SparkProductionParameters
from kedro_handover.project import ProjectSpec
from kedro_handover.tasks import Task, find_task, list_outcomes, list_scores

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
        `id`, the codes as integers, `label` (null where unknown), `probability` of the positive class (of several
        classes `probability_0` and so on; of a regression none), `prediction`. A row that lacks a feature that the
        model needs ends the job with an error.

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

    from kedro_handover.spark.models import add_scores

    scored = add_scores(released_model, features)
    if find_task(features) == "binary":
        scored = scored.withColumn("prediction", F.col("probability") > release["model"]["threshold"])
    *keys, prediction = [name for name in prediction_columns(scored.columns) if name not in {"split", "group"}]
    return scored.select(
        keys[0],
        *(F.col(code).cast("int").alias(code) for code in project.codes),
        *keys[1:],
        *_correct(release, find_task(features)),
        prediction,
    )


def _correct(release: dict[str, Any], task: Task) -> list[Any]:
    """Put the probability back to the shares of the data, where the released model has learned from others."""
    from pyspark.sql import functions as F  # noqa: N812

    is_asked_for = _research_parameters(release).get("prior_correction", False)
    odds = _find_odds(release) if task == "binary" and is_asked_for else 1.0
    return [] if odds == 1 else [put_back(F.col("probability"), odds).alias(PUT_BACK)]


def _find_odds(release: dict[str, Any]) -> float:
    is_research = release["model"].get("name") == HANDED_OVER
    weight = _research_parameters(release).get("class_weight") if is_research else None
    return find_prior_odds(release["data"]["row_counts"], weight)


def _research_parameters(release: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = release.get("parameters", {}).get("sklearn_research", {})
    return found


def summarise_scores(
    predictions: SparkDataFrame, valid_rows: SparkDataFrame, release: dict[str, Any], project: ProjectSpec
) -> SparkDataFrame:
    """Count the rows of each place or group by label, and how many of those without one may be positive.

    A model that learns from a balanced split has probabilities that are too low or too high for rows whose classes are
    not balanced. Before the chances are added up, they are put back to the shares of the data, by
    `kedro_handover.evaluation.prior`.

    Args:
        predictions: `id`, the codes that scores are summed up by, `label`, `probability`, or what stands for it.
        valid_rows: The project's id, and the other columns that scores are summed up by.
        release: The manifest; its `data` has the row counts of the training.
        project: `id`, `summarise_by` and `codes`.

    Returns:
        A row for each combination of `summarise_by`: these columns, `rows`, `positive`, `negative`, `unknown`, and
        `expected_positive`: the positive ones and the unknown ones by their chance, in rows. Of several classes there
        are `class_0` and `expected_class_0` and so on, as no class has been thinned; of a regression `known`,
        `unknown`, and the means `mean_label` and `mean_prediction`.
    """
    sums, arguments = _sum_up(predictions.columns, release, find_task(predictions))
    names = [name for name in project.summarise_by if name not in project.codes]
    columns = ", ".join(f"`{name}`" for name in project.summarise_by)
    by_columns = f"GROUP BY {columns} ORDER BY {columns}" if columns else ""  # else the summary is one row
    return predictions.sparkSession.sql(
        f"""
        SELECT
            {f"{columns}," if columns else ""}
            COUNT(*) AS rows,
            {sums}
        FROM {{predictions}} JOIN {{names}} USING (id)
        {by_columns}
        """,  # noqa: S608 - columns of the project
        args=arguments,
        predictions=predictions,
        names=valid_rows.withColumnRenamed(project.id, "id").select("id", *names),
    )


def _sum_up(columns: list[str], release: dict[str, Any], task: Task) -> tuple[str, dict[str, float]]:
    """Give the sums of a summary in SQL, and the numbers that they name; decimals, as a sum of doubles has an order."""
    counts = release["data"]["row_counts"]
    unknown = "COUNT_IF(label IS NULL) AS unknown"
    if task == "regression":
        means = (
            f"CAST(AVG(CAST({name} AS DECIMAL(30, 9))) AS DOUBLE) AS mean_{name}" for name in ("label", "prediction")
        )
        return ", ".join(("COUNT(label) AS known", unknown, *means)), {}
    if task == "multiclass":
        known = [f"COUNT_IF(label = {place}) AS {name}" for place, name in enumerate(list_outcomes(counts))]
        chances = zip(list_outcomes(counts), list_scores(columns), strict=True)
        expected = [
            _expect(f"CAST(label = {place} AS INT)", score, name) for place, (name, score) in enumerate(chances)
        ]
        return ", ".join((*known, unknown, *expected)), {}
    odds = _find_odds(release)
    chance = ":odds * probability / (:odds * probability + 1 - probability)"
    known = ["COUNT_IF(label) AS positive", "COUNT_IF(NOT label) AS negative"]
    return ", ".join((*known, unknown, _expect("label", chance, "positive"))), {"odds": odds}


def _expect(label: str, chance: str, name: str) -> str:
    share = f"COALESCE(CAST({label} AS DOUBLE), {chance})"
    return f"CAST(SUM(CAST({share} AS DECIMAL(20, 12))) AS DOUBLE) AS expected_{name}"
