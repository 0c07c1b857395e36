"""A new project as a whole on machines as people have them, and on storages that others have written to."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import dataset

from kedro_handover.starter.make import make_project
from processes import fresh_environment

pytestmark = [pytest.mark.slow, pytest.mark.spark]

ENGINES = ("base", "dask", "polars", "prod", "duckdb", "prod", "dask", "base")
"""Each writes where the one before it has written: one file where there was a folder, and the other way round."""

WIDTH = 1_000


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's project, in a folder with accents that is in no repository."""
    folder = tmp_path_factory.mktemp("Año café")
    return make_project("anywhere", folder=str(folder / "anywhere"))[0]


def run(project: Path, *options: str, before: tuple[str, ...] = (), **variables: str) -> None:
    done = subprocess.run(
        [*before, sys.executable, "-m", "kedro", "run", *options],
        cwd=project,
        env=fresh_environment() | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_any_engine_writes_where_another_engine_wrote(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project / "data/01_raw", tmp_path / "01_raw")
    found = []
    for env in ENGINES:
        run(project, f"--env={env}", "--pipelines=data_engineering", f"--params=storage={tmp_path}")
        table = dataset.dataset(tmp_path / "05_model_input/model_input.parquet").to_table()
        found.append(sorted(table.select(sorted(table.column_names)).to_pylist(), key=lambda row: row["id"]))
    assert all(rows == found[0] for rows in found)


def test_a_thousand_columns_run_in_base_and_give_the_same_rows_on_spark(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(1_000, WIDTH)).round(3)
    table = pd.DataFrame(values, columns=[f"measure_{place}" for place in range(WIDTH)])
    table.insert(0, "id", range(len(table)))
    table["won"] = np.where(values[:, 0] + random.normal(size=len(table)) > 0, "yes", "no")
    table.to_csv(tmp_path / "wide.csv", index=False)
    data = {"data": str(tmp_path / "wide.csv"), "identity": "id", "label": "won"}
    project = make_project("wide", folder=str(tmp_path / "wide"), **data)[0]
    run(project)
    for page in (project / "data/08_reporting").glob("*.html"):
        assert page.stat().st_size < 10 << 20
    run(project, "--env=prod", "--pipelines=data_engineering")
    rows = [
        dataset.dataset(project / f"data/{part}05_model_input/model_input.parquet").to_table().to_pandas()
        for part in ("", "prod/")
    ]
    base, prod = (frame[sorted(frame.columns)].sort_values("id", ignore_index=True) for frame in rows)
    assert len(base.columns) > WIDTH
    pd.testing.assert_frame_equal(base, prod, check_exact=True, check_dtype=False)


def test_without_git_in_a_checkout_that_is_closed_and_a_plain_locale_it_runs_to_its_release(
    project: Path, tmp_path: Path
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for folder in ("/bin", "/usr/bin"):
        for program in Path(folder).iterdir():
            if program.name != "git" and not (programs / program.name).exists():
                (programs / program.name).symlink_to(program)
    storage = tmp_path / "Größe"
    shutil.copytree(project / "data/01_raw", storage / "01_raw")
    before = _list_sizes(project)
    closed = _close(project)
    try:
        for env in ("base", "prod"):
            options = (f"--env={env}", f"--params=storage={storage}")
            run(project, *options, before=closed, PATH=str(programs), LC_ALL="C", LANG="C")
    finally:
        project.chmod(0o755)
    release = json.loads((storage / "06_models/release.json").read_text(encoding="utf-8"))
    assert (release["code"]["git_commit"], release["code"]["git_dirty"]) == (None, None)
    assert _list_sizes(project) == before


def _list_sizes(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def _close(folder: Path) -> tuple[str, ...]:
    """Have nothing written to a folder; root, for whom permissions do not hold, sees it mounted read-only."""
    if os.geteuid():
        folder.chmod(0o555)
        return ()
    mounted = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && cd "$0" && exec "$@"'
    return ("unshare", "--mount", "sh", "-c", mounted, str(folder))
