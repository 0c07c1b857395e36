"""The notebooks: run by `make notebooks` on the real kernel, Spark and H2O; and the files that are committed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kedro.io import DatasetError

from conftest import PROJECT, open_session
from premises.census.schema import CREDIT
from processes import short_lived_environment

pytestmark = pytest.mark.spark

NOTEBOOKS = (
    "1_census",
    "2_scikit_learn",
    "3_spark_mllib",
    "4_h2o_sparkling_water",
    "5_from_research_to_production",
)
LARGEST_BYTES = 350_000
"""Of a committed notebook; the figures are most of it."""

PATH_OF_A_MACHINE = re.compile(r"(?<![\w.~-])/(?:home|root|tmp|usr|var|Users|opt|work)/|[A-Z]:\\")


def read_notebook(name: str, folder: Path = PROJECT / "notebooks") -> Any:
    import nbformat  # slow to import, as jupytext is

    return nbformat.read(folder / f"{name}.ipynb", as_version=4)


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def shape(notebook: Any) -> list[list[list[str]]]:
    """What each cell gives: the kinds of content of each of its outputs."""
    return [
        [sorted(output.get("data", [output.output_type])) for output in cell.get("outputs", [])]
        for cell in notebook.cells
    ]


def said(notebook: Any) -> str:
    """All outputs as text, tables row by row, in single spaces."""
    kinds = ("text/markdown", "text/html", "text/plain")
    texts = [next(output.data[kind] for kind in kinds if kind in output.data) for output in outputs(notebook)]
    return " ".join(re.sub("<[^>]+>", " ", " ".join(texts)).split())


def files(folder: Path) -> dict[Path, int]:
    """All files in a folder, with the time of their last change."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def clone_project(place: Path) -> Path:
    """The project in another place, without data, and set up: make finds nothing to install."""
    for name in ("conf", "notebooks", "packages", "src"):
        skipped = shutil.ignore_patterns("__pycache__", "*.egg-info", ".ipynb_checkpoints")
        shutil.copytree(PROJECT / name, place / name, ignore=skipped)
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy2(PROJECT / name, place)
    for name in (".uv/bin/uv", ".venv/installed", ".venv/installed-for-tests"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).touch()
    return place


def make(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make there, with the Python that runs the tests."""
    command = ["make", f"BIN={Path(sys.executable).parent}", *arguments]
    return subprocess.run(
        command, cwd=place, env=short_lived_environment(), capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def project(run_storage: Path, prod_storage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the project after `make run`."""
    place = clone_project(tmp_path_factory.mktemp("clone") / "project")
    (place / "data").mkdir()
    for layer in run_storage.iterdir():
        (place / "data" / layer.name).symlink_to(layer)
    (place / "data/prod").symlink_to(prod_storage)
    return place


@pytest.fixture(scope="module")
def refreshed(project: Path, run_storage: Path, prod_storage: Path) -> Path:
    """The folder of the notebooks after `make notebooks`, which has changed nothing else."""
    folder = project / "notebooks"
    before = [files(storage) for storage in (run_storage, prod_storage)]
    known = {path.name for path in folder.iterdir()}
    for name in NOTEBOOKS:
        (folder / f"{name}.ipynb").unlink()  # all that is there afterwards has been made anew
    done = make(project, "notebooks")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [files(storage) for storage in (run_storage, prod_storage)] == before
    assert {path.name for path in folder.iterdir()} == known
    return folder


def test_the_five_notebooks_are_there_each_with_its_text() -> None:
    found = sorted(path.name for path in (PROJECT / "notebooks").glob("*.*") if path.suffix in {".ipynb", ".py"})
    assert found == sorted(f"{name}{suffix}" for name in NOTEBOOKS for suffix in (".ipynb", ".py"))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_has_the_cells_of_its_text(name: str) -> None:
    import jupytext

    text = jupytext.read(PROJECT / f"notebooks/{name}.py")
    cells = [[(cell.cell_type, cell.source) for cell in one.cells] for one in (text, read_notebook(name))]
    assert cells[0] == cells[1], "Run `make notebooks`."


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_committed_notebook_was_run_top_to_bottom_and_ends_in_results_alone(name: str) -> None:
    notebook = read_notebook(name)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert {output.output_type for output in outputs(notebook)} == {"execute_result"}  # no log, no warning, no error
    assert CREDIT in said(notebook)
    assert CREDIT in notebook.cells[-1].source


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_committed_notebook_is_small_and_knows_no_machine_and_no_time(name: str) -> None:
    file = PROJECT / f"notebooks/{name}.ipynb"
    notebook = read_notebook(name)
    assert file.stat().st_size < LARGEST_BYTES
    assert set(notebook.metadata) <= {"jupytext", "kernelspec", "language_info"}  # no state of widgets
    assert all(not cell.metadata for cell in notebook.cells)  # no times of execution
    for output in outputs(notebook):
        output.data.pop("image/png", None)  # its letters are drawn by lot
    import nbformat

    text = nbformat.writes(notebook)
    assert not PATH_OF_A_MACHINE.search(text)
    assert str(PROJECT) not in text
    assert str(Path.home()) not in text


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_figure_has_words_and_every_table_is_html(name: str) -> None:
    figures = [output.metadata["image/png"] for output in outputs(read_notebook(name)) if "image/png" in output.data]
    assert figures
    assert all(len(figure["alt"].split()) > 5 for figure in figures)
    tables = [output for output in outputs(read_notebook(name)) if "<table" in output.data.get("text/html", "")]
    assert tables


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_on_the_outputs_of_a_run_and_gives_what_is_committed(refreshed: Path, name: str) -> None:
    committed, anew = read_notebook(name), read_notebook(name, refreshed)
    assert shape(anew) == shape(committed)
    assert all(not cell.metadata for cell in anew.cells)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("1_census", "78,033 rows in = 78,033 valid + 0 rejected. 78,033 premises: synthetic, not real data."),
        ("1_census", "12.7 premises are active for each one that is not."),
        ("2_scikit_learn", "thresholds that differ 0"),
        ("2_scikit_learn", "probabilities that differ 0"),
        ("3_spark_mllib", "premises differing 0 78033 0"),
        ("3_spark_mllib", "rows differing largest_difference 0 20570 0 0.0"),
        ("4_h2o_sparkling_water", "H2O against research rows 13,037"),
        ("5_from_research_to_production", "handed over 20570 71 0"),
    ],
)
def test_a_notebook_finds_what_the_run_has_found(refreshed: Path, name: str, sentence: str) -> None:
    assert sentence in said(read_notebook(name, refreshed))


def test_make_runs_first_what_the_notebooks_look_at_if_it_is_not_there(project: Path, tmp_path: Path) -> None:
    told = [make(place, "--dry-run", "notebooks").stdout for place in (project, clone_project(tmp_path / "empty"))]
    assert ["kedro run --env=prod" in one for one in told] == [False, True]
    assert all("nbconvert" in one for one in told)


def test_without_a_run_the_first_table_that_is_loaded_is_named(tmp_path: Path) -> None:
    with open_session(tmp_path) as session, pytest.raises(DatasetError, match=r"row_counts\.json"):
        session.load_context().catalog.load("row_counts")
