"""Run a test on every engine: the pytest plug-in that the library, its projects and new projects share.

A project loads it by `addopts = ["-p", "kedro_handover.testing"]`. It gives the fixtures `engine` (the test is run once
for each engine of `--engines`) and `spark` (one session for all tests of the process), and marks what starts Spark, so
that `-m "not spark"` leaves it out.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import narwhals.stable.v2 as nw
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa
    from pyspark.sql import SparkSession

ENGINES = ("pandas", "polars", "duckdb", "dask", "spark")

JAVA_OPTIONS = (
    "-XX:-DontCompileHugeMethods "
    "-XX:Tier4InvocationThreshold=150000 -XX:Tier4MinInvocationThreshold=18000 "
    "-XX:Tier4CompileThreshold=450000 -XX:Tier4BackEdgeThreshold=1200000 "
    "--add-exports=java.base/sun.net.www.protocol.http=ALL-UNNAMED "
    "--add-exports=java.base/sun.net.www.protocol.https=ALL-UNNAMED"
)
"""Rules of a row, or a tree as SQL, are one large method; a small run ends before it is worth the second compiler; and
what Sparkling Water needs of Java 17."""

SPARK_SETTINGS = {
    "spark.app.name": "tests",
    "spark.master": "local[2]",
    "spark.driver.memory": "3g",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": False,
    "spark.ui.showConsoleProgress": False,
    "spark.log.level": "ERROR",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.pyspark.enabled": True,
    "spark.sql.shuffle.partitions": 2,
    # Thousands of small queries: what they are compiled to is run a few times, and no rows are there to collect. With
    # the first compiler alone Java would keep 48 MB of what it compiles, and throw away the rest.
    "spark.driver.extraJavaOptions": (
        f"{JAVA_OPTIONS} -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC"
    ),
    "spark.executor.extraJavaOptions": JAVA_OPTIONS,
    "spark.ext.h2o.log.level": "ERROR",
}
"""A small Spark on loopback; the fixture `spark_settings` can be overridden with others."""


@dataclass(frozen=True)
class Engine:
    """An engine that a test runs on: it turns Arrow tables into native frames, and these into rows.

    Attributes:
        name: One of `ENGINES`.
        from_arrow: Makes a native frame of an Arrow table.
    """

    name: str
    from_arrow: Callable[[pa.Table], Any]

    def frame(self, columns: dict[str, list[Any]], schema: dict[str, pa.DataType] | None = None) -> Any:
        """Make a native frame of columns; `schema` gives their types where Arrow can't tell them."""
        import pyarrow as pa

        return self.from_arrow(pa.table(columns, schema=pa.schema(schema) if schema else None))

    def rows(self, native: Any) -> list[dict[str, Any]]:
        """Collect a native frame: its rows in the order of their first column, null last."""
        rows = _collect(native).rows(named=True)
        return sorted(rows, key=lambda row: (next(iter(row.values())) is None, *row.values()))

    def stored(self, native: Any) -> Any:
        """Give what the next node is given: a table that has been written and loaded."""
        return self.from_arrow(_collect(native).to_native())

    def types(self, native: Any) -> dict[str, str]:
        """Name the types of a native frame's columns."""
        return {name: str(dtype) for name, dtype in nw.from_native(native).collect_schema().items()}


@dataclass(frozen=True)
class ProjectRun:
    """What a run of a project has left.

    Attributes:
        storage: Its storage.
    """

    storage: Path

    def json(self, path: str) -> Any:
        """Read a JSON file of the storage."""
        return json.loads((self.storage / path).read_text(encoding="utf-8"))

    def rows(self, path: str) -> list[dict[str, Any]]:
        """Read a table of the storage: its rows in the order of their ids."""
        from pyarrow import dataset

        return sorted(dataset.dataset(self.storage / path).to_table().to_pylist(), key=lambda row: str(row["id"]))


def run_project(project: Path, env: str, storage: Path) -> ProjectRun:
    """Run a project as `kedro run --env=…` does, with its own files as they are and another storage.

    Args:
        project: The folder of the project.
        env: The environment.
        storage: A folder that is empty, which takes all that the run writes.

    Returns:
        What the run has left.

    Raises:
        AssertionError: If the run fails; the message is what it has printed.
    """
    shutil.copytree(project / "data/01_raw", storage / "01_raw", dirs_exist_ok=True)
    done = subprocess.run(  # noqa: S603 - the project's own command
        [sys.executable, "-m", "kedro", "run", f"--env={env}", f"--params=storage={storage}"],
        cwd=project,
        env={**os.environ, "KEDRO_DISABLE_TELEMETRY": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AssertionError(done.stdout + done.stderr)
    return ProjectRun(storage)


def read_raw(project: Path, dataset: str = "raw_file", rows: int = 200) -> pa.RecordBatchReader:
    """Read the first rows of a project's raw table, as its catalog says.

    Args:
        project: The folder of the project.
        dataset: The name of the table in the catalog.
        rows: How many.

    Returns:
        What the first node of the project is given.
    """
    import pyarrow as pa
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(project)
    session: Any = KedroSession.create(project_path=project, env="base")  # Kedro's hints have no load_context
    with session:
        reader = session.load_context().catalog.load(dataset)
    first = pa.Table.from_batches([reader.read_next_batch()])
    return first.slice(0, rows).to_reader()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--engines`."""
    parser.addoption("--engines", default=",".join(ENGINES), help="engines that nodes are tested on, with commas")


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark."""
    config.addinivalue_line("markers", "spark: starts Spark; what takes the fixture `spark` has it by itself")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `engine` once for each engine."""
    if "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", metafunc.config.getoption("engines").split(","), indirect=True)


@pytest.hookimpl(tryfirst=True)  # `-m` looks at the marks next
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all that starts Spark."""
    for item in items:
        engine = item.callspec.params.get("engine") if hasattr(item, "callspec") else None
        if engine == "spark" or "spark" in getattr(item, "fixturenames", ()):
            item.add_marker("spark")


@pytest.fixture(scope="session")
def base_run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ProjectRun:
    """A run of the project that is tested, in base."""
    return run_project(request.config.rootpath, "base", tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def prod_run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ProjectRun:
    """A run of the project that is tested, in prod."""
    return run_project(request.config.rootpath, "prod", tmp_path_factory.mktemp("prod"))


@pytest.fixture
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """An engine, by the name that the test is parametrised with."""
    if request.param == "spark":
        session = request.getfixturevalue("spark")
        return Engine("spark", lambda table: to_spark(table, session, tmp_path))
    return Engine(request.param, ON_ONE_MACHINE[request.param])


@pytest.fixture(scope="session")
def spark_settings() -> dict[str, Any]:
    """Settings of the session, by Spark's names."""
    return SPARK_SETTINGS


@pytest.fixture(scope="session")
def spark(spark_settings: dict[str, Any]) -> Iterator[SparkSession]:
    """One Spark session in this process, with Java from the wheel, for all tests."""
    import pyspark

    from kedro_handover.spark.session import configure_spark, get_spark

    # Spark 4 wants modules of Java that the wheel's has not: there it is JAVA_HOME's.
    of_spark = ("SPARK_", "PYSPARK_", *(("JAVA_HOME",) if pyspark.__version__ < "4" else ()))
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(of_spark)]:
            patch.delenv(name)
        configure_spark(spark_settings)
        session = get_spark()
        yield session
        session.stop()


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """Make a frame of pandas with Arrow's types, as the catalog loads one."""
    import pandas as pd

    frame: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def to_spark(table: pa.Table, session: SparkSession, folder: Path) -> Any:
    """Hand a table to Spark by a Parquet file: nothing on the way guesses a type."""
    from pyarrow import parquet

    file = folder / f"{uuid4().hex}.parquet"
    parquet.write_table(table, file)
    return session.read.parquet(str(file))


def _to_polars(table: pa.Table) -> Any:
    import polars as pl

    return pl.from_arrow(table).lazy()  # type: ignore[union-attr]  # of a table it is a frame


def _to_duckdb(table: pa.Table) -> Any:
    import duckdb

    return duckdb.from_arrow(table)


def _to_dask(table: pa.Table) -> Any:
    import dask.dataframe as dd

    from kedro_handover._compat import keep_arrow_types_on_dask

    keep_arrow_types_on_dask()
    return dd.from_pandas(to_pandas(table), npartitions=2, sort=False)  # type: ignore[no-untyped-call]


ON_ONE_MACHINE: dict[str, Callable[[pa.Table], Any]] = {
    "pandas": to_pandas,
    "polars": _to_polars,
    "duckdb": _to_duckdb,
    "dask": _to_dask,
}
"""Makes a native frame of an Arrow table, for each engine that needs no session."""


def _collect(native: Any) -> Any:
    names = nw.from_native(native).collect_schema().names()  # Arrow would take pandas' index along
    return nw.from_native(native).lazy().collect("pyarrow").select(names)
