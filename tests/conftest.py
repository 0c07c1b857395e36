"""What the tests share: the engines, and one whole run of the project on a sample census."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import pandas as pd
import pyarrow as pa
import pytest
from kedro.framework.startup import bootstrap_project

from premises.census.schema import CENSUS_2016_COLUMNS, CENSUS_2016_FILE
from premises.session import PremisesSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROJECT = Path(__file__).parents[1]
ENGINES = ("pandas", "polars", "duckdb")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engines", default=",".join(ENGINES), help="engines that the nodes are tested on, with commas")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", metafunc.config.getoption("engines").split(","), indirect=True)


@dataclass(frozen=True)
class Engine:
    """Turns Arrow tables into an engine's native frames and back; the way back sorts by the first column."""

    name: str
    from_arrow: Callable[[pa.Table], Any]

    def frame(self, columns: dict[str, list[Any]], schema: dict[str, pa.DataType] | None = None) -> Any:
        return self.from_arrow(pa.table(columns, schema=pa.schema(schema) if schema else None))

    def rows(self, native: Any) -> list[dict[str, Any]]:
        names = nw.from_native(native).collect_schema().names()  # Arrow would take pandas' index along
        frame = nw.from_native(native).lazy().collect("pyarrow").select(names)
        return sorted(frame.rows(named=True), key=lambda row: (next(iter(row.values())) is None, *row.values()))

    def types(self, native: Any) -> dict[str, str]:
        return {name: str(dtype) for name, dtype in nw.from_native(native).collect_schema().items()}


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    return table.to_pandas(types_mapper=pd.ArrowDtype)


def _to_polars(table: pa.Table) -> Any:
    import polars as pl

    return pl.from_arrow(table).lazy()


def _to_duckdb(table: pa.Table) -> Any:
    import duckdb

    return duckdb.from_arrow(table)


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Engine:
    makers = {"pandas": _to_pandas, "polars": _to_polars, "duckdb": _to_duckdb}
    return Engine(request.param, makers[request.param])


def census_rows(*changes: dict[str, str | None]) -> dict[str, list[str | None]]:
    """Columns of a raw census with a row for each change to a premises of Barcelona's 2016 census, ids from 1."""
    row: dict[str, str | None] = dict.fromkeys(CENSUS_2016_COLUMNS, " ") | {
        "ID_PRINCIP": "1",
        "N_PRINCIP": "Actiu",
        "ID_SECTOR": "1",
        "N_SECTOR": "Comerç al detall",
        "ID_GRUPACT": "4",
        "N_GRUPACT": "Equipament personal",
        "ID_ACT": "4003",
        "N_ACT": "Vestir",
        "N_LOCAL": "INSIDE",
        "SN_CARRER": "1",
        "SN_MERCAT": "0",
        "ID_MERCAT": "0",
        "SN_GALERIA": "0",
        "SN_CCOMERC": "0",
        "ID_CCOMERC": "0",
        "N_CARRER": "MOLL ESPANYA",
        "NUM_POLICI": "5",
        "REF_CAD": "1813205DF3811D",
        "DATA": "2016-06-07",
        "Codi_Barri": "2",
        "Nom_Barri": "el Barri Gòtic",
        "Codi_Districte": "1",
        "N_DISTRI": "Ciutat Vella",
        "N_EIX": None,
        "SN_EIX": "0",
        "SEC_CENS": "1030",
        "Y_UTM_ETRS": "4580750.861",
        "X_UTM_ETRS": "431675.395",
        "LATITUD": "41.375377",
        "LONGITUD": "2.182944",
    }
    rows = [row | {"ID_BCN": str(number)} | change for number, change in enumerate(changes, start=1)]
    return {column: [row[column] for row in rows] for column in CENSUS_2016_COLUMNS}


CENSUS_SCHEMA = dict.fromkeys(CENSUS_2016_COLUMNS, pa.string())


def open_session(storage: Path, conf_source: str | None = None, **params: Any) -> PremisesSession:
    bootstrap_project(PROJECT)
    return PremisesSession.create(PROJECT, runtime_params={"storage": str(storage), **params}, conf_source=conf_source)


def kedro(*arguments: str, cwd: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    """Run Kedro's command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "kedro", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="session")
def run_storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A storage root after `sample_census` and a plain run, each as a user starts them."""
    storage = tmp_path_factory.mktemp("storage")
    for options in (("--pipelines=sample_census",), ()):
        done = kedro("run", *options, f"--params=storage={storage}")
        assert done.returncode == 0, done.stdout + done.stderr
    yield storage
    for path in (storage / "01_raw").iterdir():
        path.unlink()  # 20 MB that no one looks at when the tests are over


@pytest.fixture(scope="session")
def sample_file(run_storage: Path) -> Path:
    return run_storage / "01_raw" / CENSUS_2016_FILE
