"""Spark distributes, Polars computes: nodes that look at one row at a time run on Polars in the executors' Python.

Text is what costs most in a contract: trimming, patterns, casts. Polars does it for less than Spark's expressions, and
the node is the same function. Executors need Python with Polars for it, so the environment says whether they have it,
in one setting of `spark.yml`.
"""

from __future__ import annotations

import logging
from functools import partial, wraps
from importlib import util
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from kedro_handover.errors import SparkError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

SETTING = "spark.handover.polars"
"""`local`: where all of Spark is this process; `true`: on a cluster too; `false`, or nothing: nowhere."""

DECISION = "spark.handover.polars.used"
"""What has been made of the setting, in the session that it holds for."""

ROWS = 100_000
"""So many rows are worked out at once: the plan is made anew for each part, and all cells of a part are in memory."""

MOST_ROWS_BESIDE = 2_000_000
"""A table beside the rows goes to each executor as a whole; a larger one is left to Spark's joins."""


def row_local(node: Callable[P, R]) -> Callable[P, R]:
    """Mark a node that looks at one row of its first table at a time, and at small tables beside it.

    Args:
        node: Takes native frames, the rows first, and gives one; other arguments have to be picklable.

    Returns:
        The same node. On a Spark whose executors have Polars (`spark.handover.polars`) it is run by them; on all other
        engines, and on all other Sparks, as it is.
    """

    @wraps(node)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        rows: Any = args[0] if args else None
        if _is_of_spark(rows) and is_on_polars(rows.sparkSession):
            beside = _collect_beside(args[1:])
            if beside is not None:
                given: Any = _run_on_polars(run, rows, beside, kwargs)
                return given  # type: ignore[no-any-return]
        return node(*args, **kwargs)

    return run


def is_on_polars(spark: SparkSession) -> bool:
    """Say whether row-local nodes run on Polars; it is looked at once, and said in the log.

    Args:
        spark: The session.

    Raises:
        SparkError: If the setting is none of the three, or asks for what the executors do not have.
    """
    decided = spark.conf.get(DECISION, "")
    if not decided:
        decided = str(_decide(spark)).lower()
        spark.conf.set(DECISION, decided)
    return decided == "true"


def _decide(spark: SparkSession) -> bool:
    setting = (spark.conf.get(SETTING, "") or "false").lower()
    is_local = str(spark.sparkContext.master).startswith("local")
    if setting not in {"local", "true", "false"}:
        msg = f"{SETTING} is {setting!r} in spark.yml. Set it to local, true or false."
        raise SparkError(msg)
    if setting == "false" or (setting == "local" and not is_local):
        logger.info("Rows are checked by Spark's own expressions: %s is %s.", SETTING, setting)
        return False
    if util.find_spec("polars") is None:
        if setting == "true":
            msg = f"{SETTING} is true in spark.yml, and Polars is not installed here. Install it, or set it to false."
            raise SparkError(msg)
        logger.info("Rows are checked by Spark's own expressions: Polars, which takes less time, is not installed.")
        return False
    if not is_local:
        _check_executors(spark)
    logger.info("Rows are checked by Polars in the Python of the executors: %s is %s.", SETTING, setting)
    return True


def _check_executors(spark: SparkSession) -> None:
    """Refuse executors that have no Polars, or other versions than this machine."""
    packages = ("polars", "pyarrow", "narwhals", "kedro-handover")

    def list_versions(_: int) -> dict[str, str]:  # by value: executors may have none of the packages
        found = {}
        for package in packages:
            try:
                found[package] = version(package)
            except PackageNotFoundError:
                found[package] = "none"
        return found

    here = list_versions(0)
    tasks = max(2, spark.sparkContext.defaultParallelism)
    for there in spark.sparkContext.parallelize(range(tasks), tasks).map(list_versions).collect():
        if other := [f"{name} {there[name]}, and {here[name]} here" for name in packages if there[name] != here[name]]:
            msg = (
                f"{SETTING} is true in spark.yml, and executors have {'; '.join(other)}. Give them the environment of "
                "this machine, or set it to false."
            )
            raise SparkError(msg)


def _is_of_spark(frame: Any) -> bool:
    return type(frame).__module__.startswith("pyspark.sql.")


def _collect_beside(tables: tuple[Any, ...]) -> list[Any] | None:
    """Collect the tables beside the rows; None if one of them is too large for it."""
    import polars as pl

    beside = []
    for table in tables:
        if not _is_of_spark(table):
            beside.append(table)
            continue
        found = _to_arrow(table.limit(MOST_ROWS_BESIDE + 1))
        if found.num_rows > MOST_ROWS_BESIDE:
            logger.warning(
                "A table beside the rows has more than %s rows, so that Spark's own expressions check them.",
                f"{MOST_ROWS_BESIDE:,}",
            )
            return None
        beside.append(pl.from_arrow(found).lazy())  # type: ignore[union-attr]  # a table is a frame
    return beside


def _to_arrow(frame: DataFrame) -> pa.Table:
    import narwhals.stable.v2 as nw

    names = frame.columns
    return nw.from_native(frame).collect("pyarrow").select(*names).to_native()


def _run_on_polars(node: Callable[..., Any], rows: DataFrame, beside: list[Any], options: dict[str, Any]) -> DataFrame:
    import polars as pl
    from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

    nothing = pl.from_arrow(to_arrow_schema(rows.schema).empty_table())
    schema = _with_short_texts(node(nothing.lazy(), *beside, **options).collect().to_arrow().schema)  # type: ignore[union-attr]
    work = partial(_work, node=node, beside=beside, options=options, schema=schema)
    return rows.mapInArrow(work, from_arrow_schema(schema))


def _work(
    batches: Iterator[pa.RecordBatch], node: Callable[..., Any], beside: list[Any], options: dict[str, Any], schema: Any
) -> Iterator[pa.RecordBatch]:
    """Run a node part by part; on an executor."""
    import polars as pl

    for part in _gather(batches):
        found = node(pl.from_arrow(part).lazy(), *beside, **options).collect()  # type: ignore[union-attr]
        yield from found.to_arrow().cast(schema).to_batches()


def _gather(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Make parts of the small batches that Spark gives."""
    import pyarrow as pa

    gathered: list[pa.RecordBatch] = []
    for batch in batches:
        gathered.append(batch)
        if sum(one.num_rows for one in gathered) >= ROWS:
            yield pa.Table.from_batches(gathered)
            gathered = []
    if gathered:
        yield pa.Table.from_batches(gathered)


def _with_short_texts(schema: pa.Schema) -> pa.Schema:
    """Give Arrow's types as Spark has them: Polars' texts have long offsets."""
    import pyarrow as pa

    return pa.schema(
        [field.with_type(pa.string()) if pa.types.is_large_string(field.type) else field for field in schema]
    )
