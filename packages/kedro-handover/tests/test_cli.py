"""`kedro run` and `kedro handover`, as people type them in a project."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from kedro.framework.startup import bootstrap_project

from kedro_handover.cli import project_commands
from processes import fresh_environment
from toy_project import LOGGING_YML, ToyProject, make_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyProject:
    """A project with orders, in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", sys.path.copy())
    project = make_project(tmp_path)
    project.put_orders()
    return project


def run(project: ToyProject, *options: str) -> Result:
    """Type `kedro run` with options, in this process."""
    bootstrap_project(project.folder)
    return CliRunner().invoke(project_commands, ["run", *options])


def assert_has_run(done: Result) -> None:
    assert done.exit_code == 0, done.output


def refuse(project: ToyProject, *options: str) -> str:
    """Give the sentence that a command line is answered with."""
    done = run(project, *options)
    assert done.exit_code == 1, done.output
    assert isinstance(done.exception, SystemExit)  # anything else would be shown with its trace
    sentence = done.stderr.removeprefix("Error: ").removesuffix("\n")
    assert "\n" not in sentence
    return sentence


def test_kedro_takes_its_run_from_the_library(project: ToyProject) -> None:
    (project.folder / "data").rename(project.folder / "2026_11")
    done = subprocess.run(
        [sys.executable, "-m", "kedro", "run", "--params=storage=2026_11"],
        cwd=project.folder,
        env=fresh_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project.folder / "2026_11/08_reporting/shop_report.html").exists()


@pytest.mark.parametrize("storage", ["2026_11", "no", "null", "0x1F", "lot #2", "~here", "a: b"])
def test_a_storage_is_the_folder_that_was_named(project: ToyProject, storage: str) -> None:
    (project.folder / "data").rename(project.folder / storage)
    folders = {path for path in project.folder.iterdir() if path.is_dir()}
    assert_has_run(run(project, f"--params=storage={storage}"))
    assert (project.folder / storage / "08_reporting/shop_report.html").exists()
    assert {path for path in project.folder.iterdir() if path.is_dir()} <= folders | {project.folder / ".viz"}


def test_a_storage_at_home_is_there(project: ToyProject, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(project.folder))
    (project.folder / "data").rename(project.folder / "out")
    assert_has_run(run(project, "--params=storage=~/out"))
    assert (project.folder / "out/08_reporting/shop_report.html").exists()
    assert not (project.folder / "~").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--params=storage="], "--params: storage is empty. Give a folder or a URL."),
        (["--from-inputs=order"], "shop, report: there is no dataset 'order'. Did you mean 'orders'?"),
        (["--to-outputs=zzz"], "shop, report: there is no dataset 'zzz'. There are: orders, orders_file, params:shop,"),
        (["--nodes=read_order"], "shop, report: there is no node 'read_order'. Did you mean 'read_orders'?"),
        (["--namespaces=zzz"], "shop, report: there is no namespace 'zzz'. There is none."),
        (["--pipelines=shpo"], "There is no pipeline 'shpo'. Did you mean 'shop'?"),
        (["--runner=SparkRunner"], "There is no runner 'SparkRunner'. Did you mean 'ParallelRunner'?"),
        (["--runner=no.such.Runner"], "There is no runner 'no.such.Runner'."),
        (["--load-versions=orders:2026"], "--load-versions: orders has no versions."),
    ],
)
def test_a_name_that_is_not_there_is_one_sentence(project: ToyProject, options: list[str], sentence: str) -> None:
    assert refuse(project, *options).startswith(sentence)
    assert project.list_outputs() == []


@pytest.mark.parametrize("value", ["storage={", "storage=a/\udcc3\udcb1o"])  # the second: UTF-8 in a locale of ASCII
def test_parameters_that_cannot_be_read_are_a_wrong_value_of_the_option(project: ToyProject, value: str) -> None:
    done = run(project, f"--params={value}")
    assert done.exit_code == 2
    assert "Invalid value for '--params': " in done.stderr
    assert ("Set PYTHONUTF8=1." in done.stderr) == ("{" not in value)
    assert project.list_outputs() == []


def test_versions_that_are_written_wrongly_are_a_wrong_value_of_the_option(project: ToyProject) -> None:
    done = run(project, "--load-versions=orders")
    assert done.exit_code == 2
    assert "Error: Invalid value for '--load-versions'" in done.stderr


def test_a_version_that_is_not_there_is_told_with_those_that_are(project: ToyProject) -> None:
    catalog = project.folder / "conf/base/catalog.yml"
    text = catalog.read_text(encoding="utf-8")
    text = text.replace("orders.parquet}", "orders.parquet,${_versioned}}")
    catalog.write_text(f"_versioned: {{ versioned: true }}\n{text}", encoding="utf-8")
    project.write("data/02_intermediate/orders.parquet/2026-11-01T10.00.00.000Z/orders.parquet", "")
    version = "--load-versions=orders:2026-11-02T10.00.00.000Z"
    assert refuse(project, "--pipelines=report", version) == (
        "--load-versions: orders has no version '2026-11-02T10.00.00.000Z'. Did you mean '2026-11-01T10.00.00.000Z'?"
    )


def test_configuration_that_is_not_utf_8_is_named(project: ToyProject) -> None:
    file = project.folder / "conf/base/parameters_shop.yml"
    file.write_bytes(file.read_bytes() + "# línea\n".encode("latin-1"))
    assert refuse(project) == "conf/base/parameters_shop.yml is not UTF-8, near line 2. Save it as UTF-8."


@pytest.mark.parametrize("file", ["parameters_shop", "catalog"])
def test_a_file_of_configuration_and_a_copy_beside_it_are_named(project: ToyProject, file: str) -> None:
    text = (project.folder / f"conf/base/{file}.yml").read_text(encoding="utf-8")
    project.write(f"conf/base/{file} copy.yml", text)
    sentence = refuse(project)
    assert f"conf/base/{file}.yml" in sentence
    assert f"conf/base/{file} copy.yml" in sentence
    assert " both set " in sentence
    assert sentence.endswith("Remove one of the files, or what it repeats.")


def test_what_the_configuration_refers_to_and_is_not_there_is_one_sentence(project: ToyProject) -> None:
    project.write("conf/base/parameters_shop.yml", 'shop: { factor: "${globals:factor}" }\n')
    assert "Globals key 'factor' not found" in refuse(project)


def test_an_environment_sets_one_value_of_a_block(project: ToyProject) -> None:
    project.write("conf/base/parameters_shop.yml", "shop: { factor: 2, limit: 9 }\n")
    project.write("conf/local/parameters.yml", "shop: { factor: 3 }\n")
    with project.open_session() as session:
        assert session.load_context().params["shop"] == {"factor": 3, "limit": 9}


def test_a_run_of_another_session_is_kedros_own(project: ToyProject) -> None:
    settings = project.folder / f"src/{project.package}/settings.py"
    settings.write_text("from kedro_handover.session import CONFIG_LOADER_ARGS\n", encoding="utf-8")
    (project.folder / "conf/base/project.yml").unlink()
    (project.folder / "data").rename(project.folder / "202611")
    assert_has_run(run(project, "--params=storage=2026_11"))
    assert (project.folder / "202611/08_reporting/shop_report.html").exists()


def run_without_log_file(project: ToyProject) -> subprocess.CompletedProcess[str]:
    """Run in a process of its own, whose log file can't be written to."""
    project.write("conf/logging.yml", LOGGING_YML.replace("toy.log", "no/toy.log"))
    return subprocess.run(
        [sys.executable, "-m", "kedro", "run"],
        cwd=project.folder,
        env=fresh_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_log_file_that_can_not_be_written_is_told_once(project: ToyProject) -> None:
    done = run_without_log_file(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "--- Logging error ---" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "there is no log file of this run" in line]
    file = project.folder / "no/toy.log"
    assert line == f"{file} can't be written to (No such file or directory): there is no log file of this run."


def test_without_a_log_file_a_failed_run_is_one_sentence_all_the_same(project: ToyProject) -> None:
    for file in project.folder.rglob("orders.csv"):
        file.unlink()
    done = run_without_log_file(project)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("Error: ")] == [done.stderr.splitlines()[-1]]
