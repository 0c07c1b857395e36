"""A real PostgreSQL gives the labels of each family, and its probabilities as near as its `exp` lets them be."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pandas as pd
import pytest

from kedro_handover.handover.sql import write_sql

NAMES = (
    "tree_missing",
    "forest_three",
    "gradient",
    "gradient_regression",
    "histogram_categories",
    "xgboost",
    "xgboost_categories",
    "xgboost_three",
    "lightgbm_categories",
    "logistic_three",
)

# Debian keeps the programs of each version in a folder of their own, off the path.
PATH = os.pathsep.join([os.environ["PATH"], *map(str, Path("/usr/lib/postgresql").glob("*/bin"))])


class Postgres:
    """A server in a folder of its own, that listens on a Unix socket there and on no network."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # PostgreSQL refuses to run as root.
        self.user = {"user": "postgres"} if os.geteuid() == 0 else {}
        self.environment = {"PATH": PATH, "LC_ALL": "C", "PGHOST": str(folder), "PGUSER": "test"}

    def start(self) -> None:
        data = str(self.folder / "data")
        self.run("initdb", "--auth=trust", "--username=test", "--encoding=UTF8", "--no-sync", "-D", data)
        options = (
            f"-c listen_addresses='' -c unix_socket_directories='{self.folder}' -c fsync=off -c max_stack_depth=2MB"
        )
        self.run("pg_ctl", "-D", data, "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop")

    def run(self, *command: str, text: str = "") -> str:
        found = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env=self.environment,
            cwd=self.folder,
            **self.user,
        )
        assert found.returncode == 0, found.stderr[-2000:]
        return found.stdout

    def query(self, rows: pd.DataFrame, query: str) -> pd.DataFrame:
        types = {name: "text" if column.dtype == object else "double precision" for name, column in rows.items()}
        columns = ", ".join(f'"{name}" {type_}' for name, type_ in types.items())
        table = f"CREATE TEMP TABLE features ({columns}); COPY features FROM STDIN WITH (FORMAT csv);\n"
        content = rows.astype({n: float for n, t in types.items() if t != "text"}).to_csv(index=False, header=False)
        # What has no value is NULL: the columns have no empty text.
        script = f"{table}{content}\\.\nCOPY ({query}) TO STDOUT WITH (FORMAT csv, HEADER);\n"
        found = self.run("psql", "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-d", "postgres", text=script)
        scored = pd.read_csv(io.StringIO(found), float_precision="round_trip")
        if set(scored["prediction"].dropna().unique()) <= {"t", "f"}:
            scored["prediction"] = scored["prediction"].map({"t": True, "f": False}).astype(object)
        return scored


@pytest.fixture(scope="session")
def postgres():
    if shutil.which("initdb", path=PATH) is None:
        pytest.skip("PostgreSQL is not installed: on Debian, `apt install postgresql`")
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    server = Postgres(folder)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", NAMES)
def test_postgres_gives_what_the_library_gives(name, fit_family, postgres, assert_same):
    fitted = fit_family(name)
    query = write_sql(fitted.description, dialect="postgres", table="features", keep=["id"])
    assert_same(postgres.query(fitted.difficult, query), fitted.description, fitted.difficult)
