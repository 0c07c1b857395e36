"""The nodes of spark_production."""

from __future__ import annotations

import logging
import subprocess
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from typing import Any

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoFrame

from premises.census.contract import CODES_SUMMARISED_BY, SUMMARISED_BY
from premises.draws import add_draws
from premises.errors import DriftError, ParityError
from premises.evaluation.drift import measure_drift, profile_features
from premises.evaluation.parity import compare_predictions
from premises.evaluation.predictions import KEYS, TEST, TRAIN
from premises.frames import collect_to_pandas
from premises.lazy_types import DataFrame, DecisionTreeClassifier, SparkDataFrame, VerifiedModel

from .parameters import SparkProductionParameters, Tolerance

logger = logging.getLogger(__name__)

VERIFICATION_ROWS = 50
LIBRARIES = ("kedro", "narwhals", "scikit-learn", "skops")


def choose_verification_rows(model_input: IntoFrame) -> DataFrame:
    """Take the rows that a saved model is held to when it is loaded.

    Args:
        model_input: `premises_id`, `split`, `fold`, `is_active` and the features.

    Returns:
        The features of the `VERIFICATION_ROWS` test premises with the smallest draw from their id.
    """
    frame = nw.from_native(model_input).lazy().filter(nw.col("split") == TEST)
    drawn = add_draws(frame, "premises_id", verification_draw=5)
    first = drawn.sort("verification_draw", "premises_id")  # ids beyond the generator's range may draw alike
    return collect_to_pandas(first.head(VERIFICATION_ROWS).drop("verification_draw", *KEYS))


def hand_over(research_tree: DecisionTreeClassifier, verification_rows: DataFrame) -> tuple[VerifiedModel, str]:
    """Carry the research tree over to Spark as it is.

    Args:
        research_tree: The fitted tree.
        verification_rows: A few rows of features.

    Returns:
        The tree as an MLlib model, held to what scikit-learn predicts for the rows, and as an SQL expression.

    Raises:
        HandOverError: If the tree can't be carried over exactly.
    """
    from premises.datasets.verified_model_dataset import VerifiedModel as Verified
    from premises.spark.session import start_spark
    from premises.spark.tree import to_mllib, to_sql

    probability = research_tree.predict_proba(verification_rows[research_tree.feature_names_in_])[:, 1]
    model = to_mllib(research_tree, start_spark())
    return Verified(model, verification_rows.assign(probability=probability)), to_sql(research_tree)


def train_mllib(
    model_input: SparkDataFrame,
    research_search: list[dict[str, Any]],
    verification_rows: DataFrame,
    parameters: SparkProductionParameters,
) -> VerifiedModel:
    """Train MLlib's decision tree on the same rows, with the hyperparameters that research has found.

    Args:
        model_input: `premises_id`, `split`, `fold`, `is_active` and the features.
        research_search: A record for each candidate of the research, the best first.
        verification_rows: A few rows of features.
        parameters: `max_bins` and `seed`.

    Returns:
        The model, held to what it predicts for the rows now.
    """
    from premises.spark.estimators import make_mllib_tree

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
    """Train H2O's decision tree on the same rows, with the hyperparameters that research has found.

    Args:
        model_input: `premises_id`, `split`, `fold`, `is_active` and the features.
        research_search: A record for each candidate of the research, the best first.
        verification_rows: A few rows of features.
        parameters: `h2o` and `seed`.

    Returns:
        The model as a MOJO, held to what it predicts for the rows now.

    Raises:
        H2OError: If H2O does not start or does not train.
    """
    from premises.spark.estimators import make_h2o_tree
    from premises.spark.h2o import train_in_h2o

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


def predict_on_spark(
    model: VerifiedModel, model_input: SparkDataFrame, parameters: SparkProductionParameters
) -> SparkDataFrame:
    """Predict both splits with a model on Spark.

    Args:
        model: Takes the features, gives `probability`.
        model_input: `premises_id`, `split`, `fold`, `is_active` and the features.
        parameters: `threshold`.

    Returns:
        The predictions table: `premises_id`, `split`, `is_active`, `probability` (of being active), `prediction`.
    """
    from pyspark.sql import functions as F  # noqa: N812 - the name that Spark's own guides use

    from premises.spark.models import add_probability

    return add_probability(model.model, model_input).select(
        "premises_id",
        "split",
        "is_active",
        "probability",
        (F.col("probability") > parameters.threshold).alias("prediction"),
    )


def measure_parity(
    research_predictions: IntoFrame,
    premises_features: IntoFrame,
    parameters: SparkProductionParameters,
    research_rows: int | None = None,
    **predictions: IntoFrame,
) -> dict[str, dict[str, Any]]:
    """Compare each model in production with research, and hold it to its tolerances.

    Args:
        research_predictions: The predictions table of research.
        premises_features: `premises_id` and `district_id`.
        parameters: `tolerances`.
        research_rows: How many rows research took at most; the models are compared on those. None: it took all.
        predictions: The predictions table of each model in production, by its name.

    Returns:
        For each model what `compare_predictions` gives, its tolerances, and `failures`: a sentence for each that is
        broken.
    """
    if research_rows is not None:
        taken = nw.from_native(research_predictions).lazy().select("premises_id")
        predictions = {
            name: nw.from_native(one).lazy().join(taken, on="premises_id", how="semi").to_native()
            for name, one in predictions.items()
        }
    parity = {}
    for name, compared in compare_predictions(research_predictions, predictions, premises_features).items():
        tolerance = parameters.tolerances[name]  # type: ignore[index]
        parity[name] = {
            **compared,
            "tolerances": tolerance.model_dump(),
            "failures": _list_failures(compared, tolerance),
        }
    return parity


def _list_failures(compared: dict[str, Any], tolerance: Tolerance) -> list[str]:
    allowed = {name: limit for name, limit in tolerance.model_dump().items() if limit is not None}
    failures = [
        f"{name} is {compared[name]:.12g}, allowed {'at least' if name == 'agreement' else 'at most'} {limit:.12g}"
        for name, limit in allowed.items()
        if (compared[name] < limit if name == "agreement" else abs(compared[name]) > limit)
    ]
    if compared["rows_missing"]:
        failures.append(f"{compared['rows_missing']:,} premises are predicted by one of the two models only")
    return failures


def publish_release(  # noqa: PLR0913, PLR0917 - a release names all that it rests on
    parity: dict[str, dict[str, Any]],
    parity_report: str,  # noqa: ARG001 - the report is there before a run fails for what it says
    research_tree_sql: str,
    research_tree: DecisionTreeClassifier,
    model_input: SparkDataFrame,
    premises_features: IntoFrame,
    row_counts: dict[str, int],
    all_parameters: dict[str, Any],
    parameters: SparkProductionParameters,
    **models_and_metrics: Any,
) -> dict[str, Any]:
    """Make the manifest of a release, if every model is within its tolerances.

    Args:
        parity: What `measure_parity` gives.
        parity_report: The page that shows it.
        research_tree_sql: The tree that was handed over, as an SQL expression.
        research_tree: The tree itself.
        model_input: What the models were trained on.
        premises_features: The features of all premises of that census.
        row_counts: The rows on their way there.
        all_parameters: The parameters of all pipelines.
        parameters: `released_model`, `sql_nodes`, `threshold` and `drift`.
        models_and_metrics: `<name>_model` and `<name>_metrics` of each model in production.

    Returns:
        The manifest: `model` (name, form, location or SQL, digest), `research_tree` (digest of its file), `data` (rows
        and digest of `model_input`, row counts, `profile` of the features), `parameters`, `code` (git commit, versions
        of libraries), `metrics`, `parity` and `released_at` (UTC).

    Raises:
        ParityError: If a model is out of tolerance, or the tables are not of one run; nothing is released then.
    """
    if failures := [f"{name}: {failure}" for name, one in parity.items() for failure in one["failures"]]:
        msg = f"Nothing is released: {'; '.join(failures)}. See the parity report, or spark_production.tolerances."
        raise ParityError(msg)
    from premises.datasets.skops_dataset import serialise

    features = [name for name in model_input.columns if name not in KEYS]
    digest = _digest(model_input)
    profile = profile_features(premises_features, features, parameters.drift.categories)
    learned = sum(row_counts[f"{split}_{label}"] for split in (TRAIN, TEST) for label in ("active", "inactive"))
    if (profile["rows"], digest["rows"]) != (row_counts["premises"], learned):
        msg = (
            f"Nothing is released: row_counts has {row_counts['premises']:,} premises and {learned:,} to learn from; "
            f"premises_features has {profile['rows']:,}, model_input {digest['rows']:,}. They are not of one run: run "
            "data_engineering anew."
        )
        raise ParityError(msg)
    name = parameters.released_model
    model = models_and_metrics[f"{name}_model"]
    form = {"handed_over": "mllib", "mllib": "mllib", "h2o": "mojo"}[name]
    if name == "handed_over" and model.model.stages[-1].numNodes <= parameters.sql_nodes:
        form = "sql"
    return {
        "model": {
            "name": name,
            "form": form,
            "location": model.location,
            "sha256": model.sha256,
            "sql": research_tree_sql if form == "sql" else None,
            "threshold": parameters.threshold,
        },
        "research_tree": {"sha256": sha256(serialise(research_tree)).hexdigest()},
        "data": {
            **digest,
            "row_counts": row_counts,
            "profile": profile,
        },
        "parameters": {key: _plain(value) for key, value in sorted(all_parameters.items())},
        "code": {"git_commit": _git_commit(), "versions": _list_versions()},
        "metrics": models_and_metrics[f"{name}_metrics"],
        "parity": {
            key: value for key, value in parity[name].items() if key not in ("by_district", "by_leaf", "failures")
        },
        "released_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def compare_with_release(
    release: dict[str, Any], premises_features: IntoFrame, parameters: SparkProductionParameters
) -> dict[str, Any]:
    """Measure how far the features of a census are from those of the census that was released on.

    Args:
        release: The manifest; its `data` has the `profile`.
        premises_features: `premises_id`, `is_active` and the features.
        parameters: `drift`.

    Returns:
        What `premises.evaluation.drift.measure_drift` gives.
    """
    drift = parameters.drift
    return measure_drift(
        premises_features,
        release["data"]["profile"],
        largest_psi=drift.largest_psi,
        unseen_share=drift.unseen_share,
        action=drift.action,
    )


def score_premises(
    release: dict[str, Any],
    premises_features: SparkDataFrame,
    drift: dict[str, Any],
    drift_report: str,  # noqa: ARG001 - the report is there before a run stops for what it says
) -> SparkDataFrame:
    """Score every premises, those of unknown status included, with the released model.

    Args:
        release: The manifest.
        premises_features: `premises_id`, `is_active` and the features.
        drift: What `compare_with_release` gives.
        drift_report: The page that shows it.

    Returns:
        `premises_id`, the codes that scores are summed up by, `is_active` (null where unknown), `probability` of being
        active, `prediction`. A premises that misses a feature that the model needs ends the job with an error that says
        so.

    Raises:
        DriftError: If the census has drifted, and is not to be scored then.
    """
    if drift["failures"]:
        msg = f"The census is not like the one of the release: {'; '.join(drift['failures'])}. See the drift report."
        if drift["action"] == "stop":
            msg = f"{msg} Nothing is scored; spark_production.drift says what is allowed."
            raise DriftError(msg)
        logger.warning(msg)
    from pyspark.sql import functions as F  # noqa: N812

    model = release["model"]
    score = _score_with_sql if model["form"] == "sql" else _score_with_model
    return score(model, premises_features).select(
        "premises_id",
        *(F.col(code).cast("int").alias(code) for code in CODES_SUMMARISED_BY),
        "is_active",
        "probability",
        (F.col("probability") > model["threshold"]).alias("prediction"),
    )


def summarise_scores(predictions: SparkDataFrame, premises: SparkDataFrame, release: dict[str, Any]) -> SparkDataFrame:
    """Count the premises of each place by status, and how many of the unknown ones may be active.

    The models learn from a balanced split, so their probabilities are too low for a city where most premises are
    active. The odds are put right by the ratio of the odds in the city to those in the training split before they are
    added up.

    Args:
        predictions: `premises_id`, the codes that scores are summed up by, `is_active`, `probability`.
        premises: `premises_id`, and the names of the codes.
        release: The manifest; its `data` has the row counts of the training.

    Returns:
        A row for each place: the columns of `premises.census.contract.SUMMARISED_BY`, `premises`, `active`, `inactive`,
        `unknown`, and `expected_active`: the active ones and the unknown ones by their chance, in premises.
    """
    counts = release["data"]["row_counts"]
    odds = counts["active"] / counts["inactive"] * counts["train_inactive"] / counts["train_active"]
    return predictions.sparkSession.sql(
        f"""
        SELECT
            {", ".join(SUMMARISED_BY)},
            COUNT(*) AS premises,
            COUNT_IF(is_active) AS active,
            COUNT_IF(NOT is_active) AS inactive,
            COUNT_IF(is_active IS NULL) AS unknown,
            -- decimals: the sum of doubles would depend on the order of rows
            CAST(SUM(CAST(COALESCE(
                CAST(is_active AS DOUBLE), :odds * probability / (:odds * probability + 1 - probability)
            ) AS DECIMAL(20, 12))) AS DOUBLE) AS expected_active
        FROM {{predictions}} JOIN {{names}} USING (premises_id)
        GROUP BY {", ".join(SUMMARISED_BY)}
        ORDER BY {", ".join(SUMMARISED_BY)}
        """,  # noqa: S608 - columns of the contract
        args={"odds": odds},
        predictions=predictions,
        names=premises.select("premises_id", *(name for name in SUMMARISED_BY if name not in CODES_SUMMARISED_BY)),
    )


def _score_with_sql(model: dict[str, Any], premises_features: SparkDataFrame) -> SparkDataFrame:
    from pyspark.sql import functions as F  # noqa: N812

    missing = F.raise_error(F.lit("A premises misses a feature that the released model needs; nothing is scored."))
    return premises_features.withColumn("probability", F.coalesce(F.expr(model["sql"]), missing))


def _score_with_model(model: dict[str, Any], premises_features: SparkDataFrame) -> SparkDataFrame:
    from premises.datasets.mllib_model_dataset import MLlibModelDataset
    from premises.datasets.mojo_model_dataset import MojoModelDataset
    from premises.spark.models import add_probability

    dataset = {"mllib": MLlibModelDataset, "mojo": MojoModelDataset}[model["form"]]
    loaded = dataset(filepath=model["location"], sha256=model["sha256"]).load()
    return add_probability(loaded.model, premises_features)


def _label_training_rows(model_input: SparkDataFrame, kind: str) -> SparkDataFrame:
    """Take the training split, with the label in the type that a trainer wants."""
    from pyspark.sql import functions as F  # noqa: N812

    from premises.spark.estimators import LABEL_COLUMN

    return model_input.where(F.col("split") == TRAIN).withColumn(LABEL_COLUMN, F.col("is_active").cast(kind))


def _verify(model: Any, verification_rows: DataFrame) -> VerifiedModel:
    """Hold a model to what it predicts for the rows now."""
    from premises.datasets.verified_model_dataset import VerifiedModel as Verified
    from premises.datasets.verified_model_dataset import predict_verification

    return Verified(model, verification_rows.assign(probability=predict_verification(model, verification_rows)))


def _digest(frame: SparkDataFrame) -> dict[str, Any]:
    """Count and digest a table, whatever the order of its rows: the sum of 64-bit hashes of them."""
    from pyspark.sql import functions as F  # noqa: N812

    hashes = F.xxhash64(*frame.columns).cast("decimal(38,0)")
    (row,) = frame.select(F.count("*").alias("rows"), F.sum(hashes).alias("digest")).collect()
    return {"rows": row["rows"], "digest": str(row["digest"])}


def _plain(value: Any) -> Any:
    return value.model_dump() if hasattr(value, "model_dump") else value


def _list_versions() -> dict[str, str]:
    """Name the versions of the libraries that made the models; H2O's where it is installed."""
    import pyspark

    from premises.spark.h2o import PACKAGE, is_installed, name_package

    found = {library: version(library) for library in LIBRARIES} | {"pyspark": pyspark.__version__}
    return found | ({PACKAGE: version(name_package())} if is_installed() else {})


def _git_commit() -> str | None:
    """Name the commit that runs; a packaged project has none."""
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)  # noqa: S607
    return done.stdout.strip() or None
