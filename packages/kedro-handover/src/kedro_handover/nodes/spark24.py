"""Take a release to Spark 2.4, which has a Python and a Java of its own: a process apart, with its own `spark-submit`.

The models and all that the script on the other side has to know go into one folder, the bundle. What comes back are
predictions tables, which are held to those of production and to research as any others are.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from threading import Event, Timer
from typing import Any, ClassVar

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoFrame
from pydantic import PositiveInt

from kedro_handover.errors import ParityError, SparkError
from kedro_handover.lazy_types import DataFrame
from kedro_handover.nodes.production_parameters import SparkProductionParameters
from kedro_handover.parameters import Parameters

logger = logging.getLogger(__name__)

WAYS = ("sql", "mllib_tree", "mojo", "mllib", "h2o")
"""How the script predicts: three ways of scoring what production has, two models that are trained there."""

SAME_AS = {"sql": "handed_over", "mllib_tree": "handed_over", "mojo": "h2o"}
"""The model of production that a way of scoring has to agree with, bit for bit."""

SPARK_VERSION = "2.4.8"
NOT_IN_2_4 = ("leafCol", "minWeightFractionPerNode")
"""Parameters of MLlib's trees that 2.4 does not know; none of them matters to a tree that is trained."""

LINES_SHOWN = 5


class Spark24Parameters(Parameters):
    """How Spark 2.4 is started, in `conf/spark24/parameters_spark24.yml`.

    Attributes:
        home: The folder that `make spark24` has set up: the venv of Python 3.7, and the place of Java 8.
        script: The script that runs there.
        bundle: The folder that `make spark24-bundle` puts the models into, for a cluster of that age.
        settings: Spark's settings by name.
        seconds: How long it may take.
    """

    block: ClassVar[str | None] = "spark24"

    home: str
    script: str
    bundle: str
    settings: dict[str, str | int | bool]
    seconds: PositiveInt


def make_bundle(  # noqa: PLR0913, PLR0917 - all that the other side has to know
    folder: Path,
    release: dict[str, Any],
    research_search: list[dict[str, Any]],
    handed_over_location: str,
    h2o_location: str,
    handed_over_sql: str,
    parameters: SparkProductionParameters,
) -> None:
    """Put into one folder what Spark 2.4 needs to score and train as production does.

    Args:
        folder: Where to; what is there is replaced.
        release: The manifest.
        research_search: A record for each candidate of the research, the best first.
        handed_over_location: Where the model that was handed over is saved, as MLlib's tree.
        h2o_location: Where H2O's model is saved.
        handed_over_sql: The model that was handed over, as an SQL expression.
        parameters: `max_bins`, `seed` and `h2o`.
    """
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    tree, mojo = Path(handed_over_location), Path(h2o_location) / "model"
    shutil.copytree(tree / "model", folder / "mllib_tree", ignore=shutil.ignore_patterns("*.crc"))
    for metadata in (folder / "mllib_tree").rglob("metadata/part-00000"):
        metadata.write_text(_rewrite_metadata(metadata.read_text(encoding="utf-8")), encoding="utf-8")
    shutil.copyfile(mojo / "mojo.zip", folder / "mojo.zip")
    verification = json.loads((tree / "verification.json").read_text(encoding="utf-8"))["verification"]
    content = {
        "ways": WAYS,
        "features": [name for name in verification if name != "probability"],
        "threshold": release["model"]["threshold"],
        "sql": handed_over_sql,
        "mojo_settings": json.loads((mojo / "settings.json").read_text(encoding="utf-8")),
        "hyperparameters": research_search[0],
        "max_bins": parameters.max_bins,
        "seed": parameters.seed,
        "h2o": parameters.h2o.model_dump(),
        "release": {"sha256": release["model"]["sha256"], "released_at": release["released_at"]},
    }
    (folder / "bundle.json").write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")


def write_bundle(  # noqa: PLR0913, PLR0917 - as `make_bundle`
    release: dict[str, Any],
    research_search: list[dict[str, Any]],
    handed_over_location: str,
    h2o_location: str,
    handed_over_sql: str,
    parameters: SparkProductionParameters,
    spark24: Spark24Parameters,
) -> list[str]:
    """Write the bundle for a cluster with Spark 2.4, where the script is all else that is needed.

    Args:
        release: The manifest.
        research_search: A record for each candidate of the research, the best first.
        handed_over_location: Where the model that was handed over is saved.
        h2o_location: Where H2O's model is saved.
        handed_over_sql: The model that was handed over, as an SQL expression.
        parameters: `max_bins`, `seed` and `h2o`.
        spark24: `bundle` is the folder.

    Returns:
        The files of the bundle.
    """
    folder = Path(spark24.bundle)
    make_bundle(folder, release, research_search, handed_over_location, h2o_location, handed_over_sql, parameters)
    logger.info("%s has the release of %s.", spark24.bundle, release["released_at"])
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def predict_on_spark24(  # noqa: PLR0913, PLR0917 - the bundle's parts, and how Spark is started
    release: dict[str, Any],
    research_search: list[dict[str, Any]],
    handed_over_location: str,
    h2o_location: str,
    handed_over_sql: str,
    model_input_location: str,
    parameters: SparkProductionParameters,
    spark24: Spark24Parameters,
) -> tuple[DataFrame, ...]:
    """Score and train on Spark 2.4, in a process that ends with the run.

    Args:
        release: The manifest.
        research_search: A record for each candidate of the research, the best first.
        handed_over_location: Where the model that was handed over is saved.
        h2o_location: Where H2O's model is saved.
        handed_over_sql: The model that was handed over, as an SQL expression.
        model_input_location: Where the table is: `id`, `split`, `fold`, `label`, `group`, and the features.
        parameters: `max_bins`, `seed` and `h2o`.
        spark24: How Spark 2.4 is started.

    Returns:
        A predictions table for each of `WAYS`: `id`, `split`, `group`, `label`, `probability`, `prediction`.

    Raises:
        SparkError: If Spark 2.4 is not set up, or its process fails or takes too long.
    """
    import pandas as pd

    with tempfile.TemporaryDirectory(prefix="spark24-") as folder:
        bundle, output = Path(folder) / "bundle", Path(folder) / "output"
        make_bundle(bundle, release, research_search, handed_over_location, h2o_location, handed_over_sql, parameters)
        arguments = [f"--bundle={bundle}", f"--model-input={model_input_location}", f"--output={output}"]
        _submit(spark24, arguments, Path(folder))
        return tuple(pd.read_parquet(output / way, dtype_backend="pyarrow") for way in WAYS)


def hold_to_production(**predictions: IntoFrame) -> dict[str, dict[str, int]]:
    """Compare what Spark 2.4 scores with what production has scored, bit for bit.

    Args:
        predictions: The predictions table of each of `SAME_AS`, as `spark24_<way>`, and of the models in production.

    Returns:
        For each way of scoring: `rows`, and `n_diff`, those that have another probability or are in one table only.

    Raises:
        ParityError: If one differs.
    """
    compared = {}
    for way, model in SAME_AS.items():
        ours, theirs = (
            nw.from_native(predictions[name]).lazy().select("id", **{column: nw.col("probability")})
            for name, column in ((f"spark24_{way}", "there"), (model, "here"))
        )
        pairs = ours.join(theirs, on="id", how="full", suffix="_here").with_columns(
            differs=(nw.col("there") != nw.col("here")).fill_null(value=True)
        )
        (row,) = pairs.select(rows=nw.len(), n_diff=nw.col("differs").cast(nw.Int64).sum()).collect().rows(named=True)
        compared[way] = {name: int(count) for name, count in row.items()}
    if failures := [f"{way}: {one['n_diff']:,} rows" for way, one in compared.items() if one["n_diff"]]:
        msg = f"Spark 2.4 does not score as production does: {'; '.join(failures)} differ. Nothing of it is to be used."
        raise ParityError(msg)
    return compared


def check_parity(parity: dict[str, dict[str, Any]], parity_report: str) -> dict[str, bool]:  # noqa: ARG001 - it is there first
    """Fail if a model is out of tolerance.

    Args:
        parity: What `measure_parity` gives.
        parity_report: The page that shows it.

    Returns:
        For each model that it is within its tolerances.

    Raises:
        ParityError: If one is not.
    """
    if failures := [f"{name}: {failure}" for name, one in parity.items() for failure in one["failures"]]:
        msg = f"Spark 2.4 is out of tolerance: {'; '.join(failures)}. See its parity report."
        raise ParityError(msg)
    return dict.fromkeys(parity, True)


def _rewrite_metadata(text: str) -> str:
    """Write the metadata of a stage of MLlib as Spark 2.4 reads it."""
    stage = json.loads(text)
    stage["sparkVersion"] = SPARK_VERSION
    for parameters in (stage["paramMap"], stage["defaultParamMap"]):
        for name in NOT_IN_2_4:
            parameters.pop(name, None)
    return json.dumps(stage) + "\n"


def _submit(spark24: Spark24Parameters, arguments: list[str], folder: Path) -> None:
    """Run the script by the `spark-submit` of Spark 2.4, and pass its lines on."""
    home = Path(spark24.home).resolve()
    submit, java = home / "venv" / "bin" / "spark-submit", home / "java"
    if not submit.exists() or not java.exists():
        msg = f"Spark 2.4 is not set up in {spark24.home}. Run `make spark24`."
        raise SparkError(msg)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
    environment |= {
        "JAVA_HOME": java.read_text(encoding="utf-8").strip(),
        "PYSPARK_PYTHON": str(home / "venv" / "bin" / "python"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(folder / "local"),
    }
    settings = [
        f"--conf={name}={str(value).lower() if isinstance(value, bool) else value}"
        for name, value in spark24.settings.items()
    ]
    log = folder / "log.txt"
    with log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603 - the project's own script
            [str(submit), *settings, spark24.script, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            text=True,
        )
        is_over = Event()

        def give_up() -> None:
            is_over.set()
            _end(process)

        timer = Timer(spark24.seconds, give_up)
        timer.start()
        try:
            for line in process.stdout or ():
                logger.info("Spark 2.4: %s", line.rstrip())
            code = process.wait()
        finally:
            timer.cancel()
            _end(process)
    if is_over.is_set():
        msg = f"Spark 2.4 took longer than the {spark24.seconds} s that spark24.seconds allows, and was ended."
        raise SparkError(msg)
    if code:
        lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        logger.debug("%s", "\n".join(lines))
        said = [line for line in lines if "Error" in line or "Exception" in line or "needs" in line][-LINES_SHOWN:]
        msg = f"The script on Spark 2.4 has failed: {' '.join(said or lines[-1:])}"
        raise SparkError(msg)


def _end(process: subprocess.Popen[str]) -> None:
    """End a process with all that it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
