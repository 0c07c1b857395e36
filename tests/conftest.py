"""What the tests share: the engines, and one whole run of the project on a sample census."""

from __future__ import annotations

import ipaddress
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyspark
import pytest
from kedro.framework.startup import bootstrap_project

from kedro_handover.contract import list_flagged
from kedro_handover.models.estimators import make_h2o_tree
from kedro_handover.nodes.validation import select_valid
from kedro_handover.session import HandoverSession
from kedro_handover.spark.h2o import train_in_h2o
from kedro_handover.testing import Engine
from premises.census.schema import VINTAGES
from premises.pipelines.data_engineering.ingest import (
    check_premises,
    find_repeated_ids,
    list_barris,
    list_census_rules,
)
from premises.pipelines.data_engineering.parameters import CensusParameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import SparkSession

PROJECT = Path(__file__).parents[1]
COLUMNS = VINTAGES[2016].columns
CENSUS = CensusParameters(vintage=2016, rejected_share=0.01)
SPARK_VARIABLES = ("SPARK_", "PYSPARK_", *(("JAVA_HOME",) if pyspark.__version__ < "4" else ()))
"""How the environment variables begin that decide which Java and Spark a process starts, where the Java of the wheel
will do: it does not for Spark 4."""

LISTENING = "0A"
"""The state of a listening socket in /proc/net/tcp."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--figures", help="folder for screenshots of the graph and the pages; thrown away if none is given"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A whole run in prod starts Spark too."""
    for item in items:
        if "prod_storage" in getattr(item, "fixturenames", ()):
            item.add_marker("spark")


def census_rows(*changes: dict[str, str | None]) -> dict[str, list[str | None]]:
    """Columns of a raw census with a row for each change to a premises of Barcelona's 2016 census, ids from 1."""
    row: dict[str, str | None] = dict.fromkeys(COLUMNS, " ") | {
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
    return {column: [row[column] for row in rows] for column in COLUMNS}


CENSUS_SCHEMA = {"row_number": pa.int64(), **dict.fromkeys(("malformed_line", *COLUMNS), pa.string())}


def read_rows(*changes: dict[str, str | None], malformed: tuple[str, ...] = ()) -> pa.Table:
    """The same as it is read from a file, and below it the texts of rows with another number of fields."""
    rows = census_rows(*changes)
    nothing: list[str | None] = [None] * len(malformed)
    whole = {
        "malformed_line": [*[None] * len(changes), *malformed_line],
        **{name: [*cells, *nothing] for name, cells in rows.items()},
    }
    numbers = range(2, 2 + len(changes) + len(malformed))
    return pa.table({"row_number": numbers, **whole}, schema=pa.schema(CENSUS_SCHEMA))


def check(engine: Engine, census: pa.Table, parameters: CensusParameters = CENSUS) -> Any:
    """A census that the contract has been applied to."""
    frame = engine.from_arrow(census)
    repeated = engine.stored(find_repeated_ids(frame, parameters))
    barris = engine.from_arrow(list_barris(repeated).read_all())
    return engine.stored(check_premises(frame, repeated, barris, parameters))


def judge(engine: Engine, census: pa.Table, parameters: CensusParameters = CENSUS) -> list[dict[str, Any]]:
    """The rows of a census that the contract has been applied to: `violated` and `warned` name the rules of each."""
    rules = list_census_rules(parameters)
    severity = {rule["name"]: rule["severity"] for rule in rules}
    judged = []
    for row in engine.rows(check(engine, census, parameters)):
        names = list_flagged(row["violations"], rules)
        violated, warned = (", ".join(name for name in names if severity[name] == kind) for kind in ("error", "warn"))
        judged.append(row | {"violated": violated, "warned": warned})
    return judged


def clean(engine: Engine, census: pa.Table, parameters: CensusParameters = CENSUS) -> Any:
    """The valid premises of a census."""
    return select_valid(check(engine, census, parameters), list_census_rules(parameters), {})


def open_session(
    storage: Path, conf_source: str | None = None, env: str | None = None, **params: Any
) -> HandoverSession:
    bootstrap_project(PROJECT)
    return HandoverSession.create(
        PROJECT, env=env, runtime_params={"storage": str(storage), **params}, conf_source=conf_source
    )


def fresh_environment(**changes: str) -> dict[str, str]:
    """The environment variables of a machine where nobody has set up Java or Spark."""
    return {name: value for name, value in os.environ.items() if not name.startswith(SPARK_VARIABLES)} | changes


def kedro(*arguments: str, cwd: Path = PROJECT, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Kedro's command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=cwd,
        env=fresh_environment(**variables),
        capture_output=True,
        text=True,
        check=False,
    )


def listening_addresses(pid: int) -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Addresses that a process listens on."""
    return {address for address, _ in listening_sockets(pid)}


def listening_sockets(pid: int) -> set[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]]:
    """Addresses and ports that a process listens on, from Linux' own tables; none where it has ended."""
    if not Path(f"/proc/{pid}/net/tcp").exists():
        return set()
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    sockets = {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:[")}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == LISTENING and rest[5] in sockets:
                words, port = map(bytes.fromhex, local.split(":"))  # the words of 4 bytes, the last byte first
                address = ipaddress.ip_address(b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4)))
                found.add((getattr(address, "ipv4_mapped", None) or address, int.from_bytes(port)))
    return found


def programs_under(pid: int) -> dict[int, str]:
    """The processes that a process and its descendants have started and that still run, with their programs' names."""
    found = {}
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in map(int, children.read_text().split()):
                found |= {child: Path(f"/proc/{child}/comm").read_text().strip()} | programs_under(child)
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            continue
    return found


def draw_features(rows: int = 300) -> pd.DataFrame:
    """Three features as the models take them, the same at each call."""
    drawn = np.random.default_rng(0).normal(size=(rows, 3)).astype(np.float32)
    return pd.DataFrame(drawn, columns=["x_metres", "y_metres", "in_cell"])


def train_h2o_tree(  # noqa: PLR0913 - every setting of a tree
    spark: SparkSession,
    features: pd.DataFrame,
    label: pd.Series,
    *,
    depth: int = 4,
    min_rows: int = 5,
    bins: int = 256,
    unknown_as_missing: bool = True,
) -> Any:
    """Train H2O's tree in this process; a MOJO."""
    rows = spark.createDataFrame(features.assign(label=np.where(label, "true", "false")))
    found = {"max_depth": depth, "min_samples_leaf": min_rows}

    def make() -> Any:
        names = list(features)
        return make_h2o_tree(names, found, bins, "UniformAdaptive", 7, unknown_as_missing=unknown_as_missing)

    return train_in_h2o(make, rows, attempts=1)


@pytest.fixture(scope="session")
def run_storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A storage root after `synthetic_census` and a plain run, each as a user starts them."""
    storage = tmp_path_factory.mktemp("storage")
    for options in (("--pipelines=synthetic_census",), ()):
        done = kedro("run", *options, f"--params=storage={storage}")
        assert done.returncode == 0, done.stdout + done.stderr
    yield storage
    for path in (storage / "01_raw").iterdir():
        path.unlink()  # 20 MB that no one looks at when the tests are over


@pytest.fixture(scope="session")
def prod_storage(run_storage: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A storage root after a plain run of the environment prod on the census of `run_storage`."""
    storage = tmp_path_factory.mktemp("prod_storage")
    shutil.copytree(run_storage / "01_raw", storage / "01_raw", copy_function=os.link)
    done = kedro("run", "--env=prod", f"--params=storage={storage}")
    assert done.returncode == 0, done.stdout + done.stderr
    (storage / "stdout.txt").write_text(done.stdout)
    yield storage
    shutil.rmtree(storage)


@pytest.fixture(scope="session")
def sample_file(run_storage: Path) -> Path:
    return run_storage / "01_raw" / VINTAGES[2016].file
