"""Publish what production serves: a manifest of the model and of all that it rests on."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from narwhals.stable.v2.typing import IntoFrame

from kedro_handover.errors import ParityError
from kedro_handover.evaluation import drift
from kedro_handover.evaluation.predictions import TEST, TRAIN
from kedro_handover.lazy_types import SparkDataFrame
from kedro_handover.models.digest import digest_estimator
from kedro_handover.models.registry import HANDED_OVER, PRODUCTION_MODELS
from kedro_handover.nodes.production_parameters import SparkProductionParameters
from kedro_handover.provenance import describe_commit
from kedro_handover.tasks import count_split

LIBRARIES = ("kedro", "kedro-handover", "narwhals", "scikit-learn", "skops")


def digest_table(table: SparkDataFrame) -> dict[str, Any]:
    """Count and digest the rows of a table, in whatever order they are.

    Args:
        table: Any table on Spark.

    Returns:
        `rows`, and `digest`: the sum of the rows' 64-bit xxHash, in decimal digits.
    """
    from pyspark.sql import functions as F  # noqa: N812

    hashes = F.xxhash64(*table.columns).cast("decimal(38,0)")
    (row,) = table.select(F.count("*").alias("rows"), F.sum(hashes).alias("digest")).collect()
    return {"rows": row["rows"], "digest": str(row["digest"])}


def profile_features(features: IntoFrame, parameters: SparkProductionParameters) -> dict[str, Any]:
    """Count the rows by the deciles of each feature, for later tables to be compared with.

    Args:
        features: `id`, `label`, `group` if there is one, and the features.
        parameters: `drift.categories` are the features that are codes.

    Returns:
        What `kedro_handover.evaluation.drift.profile_features` gives.
    """
    return drift.profile_features(features, drift.list_features(features), parameters.drift.categories)


def record_provenance(
    all_parameters: dict[str, Any], research_model: Any, raw_source: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Record what a release is made of: parameters, code, libraries, the raw table, the research model and the time.

    Args:
        all_parameters: The parameters of all pipelines.
        research_model: The fitted model.
        raw_source: What `describe_source` gives of the raw table.

    Returns:
        `raw_source` (table, format and version; empty of a file), `research_model` (its digest), `parameters`, `code`
        (git commit, whether the checkout has changes, versions of libraries), `released_at` (UTC).
    """
    return {
        "raw_source": raw_source or {},
        "research_model": {"digest": digest_estimator(research_model)},
        "parameters": {key: _plain(value) for key, value in sorted(all_parameters.items())},
        "code": {**describe_commit(Path.cwd()), "versions": _list_versions()},
        "released_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def choose_model(handed_over_sql: str, parameters: SparkProductionParameters, **models: Any) -> dict[str, Any]:
    """Choose the model that is released, and the form in which it scores.

    Args:
        handed_over_sql: The research model as an SQL expression.
        parameters: `released_model`, `sql_nodes`, `threshold`.
        models: `<name>_model` of each model in production.

    Returns:
        `name`, `form` ("sql", "java", "mllib" or "mojo"), `location` and `sha256` of the saved model, `sql` where that
        is the form, and `threshold`.
    """
    from kedro_handover.handover.description import Description

    name = parameters.released_model
    model = models[f"{name}_model"]
    form = PRODUCTION_MODELS[name].form
    if name == HANDED_OVER and isinstance(model.model, Description):
        form = "java"
    elif name == HANDED_OVER and model.model.stages[-1].numNodes <= parameters.sql_nodes:
        form = "sql"
    return {
        "name": name,
        "form": form,
        "location": model.location,
        "sha256": model.sha256,
        "sql": handed_over_sql if form == "sql" else None,
        "threshold": parameters.threshold,
    }


def publish_release(  # noqa: PLR0913, PLR0917 - a release names all that it rests on
    parity: dict[str, dict[str, Any]],
    parity_report: str,  # noqa: ARG001 - so the report is written before a run fails
    chosen_model: dict[str, Any],
    model_input_digest: dict[str, Any],
    features_profile: dict[str, Any],
    row_counts: dict[str, int],
    provenance: dict[str, Any],
    promise: dict[str, Any],
    **metrics: Any,
) -> dict[str, Any]:
    """Make the manifest of a release, if every model is within its tolerances.

    Args:
        parity: What `measure_parity` gives.
        parity_report: The report on it.
        chosen_model: What `choose_model` gives.
        model_input_digest: `rows` and `digest` of what the models were trained on.
        features_profile: The profile of all rows' features.
        row_counts: How many rows were read, rejected, valid, and in each split.
        provenance: What `record_provenance` gives.
        promise: What `hand_over` promises.
        metrics: `<name>_metrics` of each model in production.

    Returns:
        The manifest: `model`, `promise`, `raw_source`, `research_model` (its digest), `data` (rows and digest of
        `model_input`, `row_counts`, `profile` of the features), `parameters`, `code`, `metrics`, `parity` and
        `released_at` (UTC).

    Raises:
        ParityError: If a model is out of tolerance, or the tables are not of one run; nothing is released then.
    """
    if failures := [f"{name}: {failure}" for name, one in parity.items() for failure in one["failures"]]:
        msg = f"Nothing is released: {'; '.join(failures)}. See the parity report, or spark_production.tolerances."
        raise ParityError(msg)
    learned = sum(count_split(row_counts, split) for split in (TRAIN, TEST))
    if (features_profile["rows"], model_input_digest["rows"]) != (row_counts["valid"], learned):
        msg = (
            f"Nothing is released: row_counts has {row_counts['valid']:,} rows and {learned:,} to learn from; features "
            f"has {features_profile['rows']:,}, model_input {model_input_digest['rows']:,}. They are not of one run: "
            "run data_engineering again."
        )
        raise ParityError(msg)
    name = chosen_model["name"]
    return {
        "model": chosen_model,
        "promise": promise,
        "data": {**model_input_digest, "row_counts": row_counts, "profile": features_profile},
        "metrics": metrics[f"{name}_metrics"],
        "parity": {key: value for key, value in parity[name].items() if key not in ("by_group", "by_leaf", "failures")},
        **provenance,
    }


def _plain(value: Any) -> Any:
    return value.model_dump() if hasattr(value, "model_dump") else value


def _list_versions() -> dict[str, str]:
    """List the versions of the libraries that made the models; H2O's where it is installed."""
    import pyspark

    from kedro_handover.spark.h2o import PACKAGE, is_installed, name_package

    found = {library: version(library) for library in LIBRARIES} | {"pyspark": pyspark.__version__}
    return found | ({PACKAGE: version(name_package())} if is_installed() else {})
