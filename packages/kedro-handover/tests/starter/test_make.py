"""New projects: what is written, and what is refused."""

from __future__ import annotations

import csv
import importlib.metadata
import json
import os
import random
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from kedro.io import DatasetError

import kedro_handover
from kedro_handover.new_project import commands
from kedro_handover.schema import Category, Label, Number, Schema, Text
from kedro_handover.starter import starters
from kedro_handover.starter.errors import StarterError
from kedro_handover.starter.make import TEMPLATE, make_project, write_settings
from kedro_handover.starter.source import write_schema
from kedro_handover.starter.wheel import copy_pins, pin_environment, pin_library, tell_missing_tools, write_wheel

MOST_LINES = 450
PACKAGE = Path(kedro_handover.__file__).parent


def write_loans(path: Path, rows: int = 600) -> Path:
    """Loans with what files of people have: blanks, marks for nothing, odd names of columns, texts with commas."""
    draw = random.Random(7)
    with path.open("w", newline="", encoding="latin-1") as stream:
        writer = csv.writer(stream, delimiter=";")
        names = (
            "Loan ID",
            "yearly income ($)",
            "purpose of loan",
            "late payments",
            "rate",
            "granted",
            "remark",
            "país",
        )
        writer.writerow((*names, "self", "class", "{{ x }} ${y}", "Default"))
        for number in range(rows):
            late, purpose = draw.randint(0, 6), draw.choice(["car", "house, large", 'stu"dy', ""])
            is_bad = draw.random() < 0.15 + 0.09 * late + 0.15 * (purpose == "car")
            writer.writerow(
                (
                    f"L-{number:05}",
                    f"${draw.lognormvariate(10, 0.5):,.2f}" if draw.random() > 0.05 else "N/A",
                    purpose,
                    late,
                    f"{draw.random():.3f}".replace(".", ","),
                    f"{draw.randint(1, 28)}.{draw.randint(1, 12)}.2023",
                    f'said "{draw.getrandbits(24)}"; and no more',
                    draw.choice(["España", "Perú"]),
                    draw.randint(0, 99),
                    draw.choice("abc"),
                    draw.randint(1, 9),
                    ("Y" if is_bad else "N") if number % 100 else "?",
                )
            )
    return path


def python_lines(project: Path) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in project.rglob("*.py"))


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, "KEDRO_DISABLE_TELEMETRY": "1", **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def loans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of a file with semicolons, Latin-1, decimal commas, dates and names that are no names of Python."""
    folder = tmp_path_factory.mktemp("new")
    data = write_loans(folder / "SOME loans.CSV")
    made, _ = make_project("credit_risk", str(data), "Loan ID", "Default", folder=str(folder / "credit"))
    return made


@pytest.fixture(scope="module")
def types_known(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """Where mypy keeps what it has found in the libraries, for each project the same; it begins with that of lint."""
    known = tmp_path_factory.mktemp("mypy")
    if (of_lint := pytestconfig.rootpath / ".mypy_cache").is_dir():
        shutil.copytree(of_lint, known, dirs_exist_ok=True)
    return known


def test_a_new_project_is_thin_and_passes_its_checks(loans: Path, types_known: Path) -> None:
    assert python_lines(loans) <= MOST_LINES
    run(sys.executable, "-m", "ruff", "check", "--no-cache", ".", cwd=loans)
    run(sys.executable, "-m", "mypy", "--cache-dir", types_known, cwd=loans)


def test_the_file_is_read_as_it_is_written(loans: Path) -> None:
    catalog = (loans / "conf/base/catalog.yml").read_text(encoding="utf-8")
    assert '_raw_file: { load_args: {"encoding": "latin-1", "separator": ";"} }' in catalog
    assert "raw_file: ${dataset:text_table,01_raw/credit_risk.csv,${_raw_file}}" in catalog


def test_the_words_of_reports_come_from_the_file(loans: Path) -> None:
    words = yaml.safe_load((loans / "conf/base/project.yml").read_text(encoding="utf-8"))["project"]["words"]
    assert words == {
        "row": "loan",
        "rows": "loans",
        "positive": "default",
        "negative": "no default",
        "question": "For which loans is default Y?",
        "group": "purpose of loan",
    }


ON_EACH_ENGINE = """
import sys
from pathlib import Path
from kedro.framework.startup import bootstrap_project
from kedro_handover.session import HandoverSession

bootstrap_project(Path.cwd())
for env in sys.argv[2:]:
    with HandoverSession.create(Path.cwd(), env=env, runtime_params={"storage": f"{sys.argv[1]}/{env}"}) as session:
        session.run(pipeline_names=["data_engineering"])
"""


def test_data_engineering_runs_on_every_engine_alike(loans: Path, tmp_path: Path) -> None:
    from pyarrow import parquet

    tables, environments = {}, ("base", "polars", "duckdb", "dask")
    for env in environments:
        shutil.copytree(loans / "data/01_raw", tmp_path / env / "01_raw")
    run(sys.executable, "-c", ON_EACH_ENGINE, tmp_path, *environments, cwd=loans)
    for env in environments:
        storage = tmp_path / env
        folder = storage / "05_model_input/model_input.parquet"
        tables[env] = sorted(parquet.read_table(folder).to_pylist(), key=lambda row: row["id"])
        counts = json.loads((storage / "08_reporting/row_counts.json").read_text())
        assert (counts["rows_in"], counts["rejected"], counts["unknown"]) == (600, 0, 6)
    assert tables["polars"] == tables["duckdb"] == tables["dask"] == tables["base"]
    assert len(tables["base"]) == 594  # nothing is thinned


def write_parcels(path: Path, rows: int = 900) -> Path:
    """Parcels with a tariff of three classes, and what they cost."""
    draw = random.Random(3)
    lines = ["parcel,size,colour,tariff,cost"]
    for number in range(rows):
        size, colour = draw.gauss(50, 15), draw.choice(["red", "green", "blue"])
        cost = 2 * size + 10 * (colour == "red") + draw.gauss(0, 10)
        tariff = ("small", "medium", "large")[(cost > 90) + (cost > 115)]
        lines.append(f"P{number:04},{size:.1f},{colour},{'' if number % 50 == 0 else tariff},{cost:.2f}")
    path.write_text("\n".join(lines) + "\n")
    return path


def make_parcels(folder: Path, label: str) -> Path:
    data = write_parcels(folder / "parcels.csv")
    made, notes = make_project(f"parcels_{label}", str(data), "parcel", label, folder=str(folder / label))
    wanted = {"tariff": "'tariff' is to be predicted, one of 3 classes", "cost": "'cost' is to be predicted, a number"}
    assert any(note.startswith(wanted[label]) for note in notes)
    return made


@pytest.mark.parametrize(
    ("label", "task"), [("tariff", "multiclass"), pytest.param("cost", "regression", marks=pytest.mark.slow)]
)
def test_a_project_of_another_task_passes_its_checks_and_researches(tmp_path: Path, label: str, task: str) -> None:
    made = make_parcels(tmp_path, label)
    assert yaml.safe_load((made / "conf/base/project.yml").read_text())["project"]["task"] == task
    run(sys.executable, "-m", "ruff", "check", "--no-cache", ".", cwd=made)
    run(sys.executable, "-m", "kedro", "run", cwd=made)
    run(sys.executable, "-m", "kedro", "run", "--pipelines=research_scoring", cwd=made)
    scored = json.loads((made / "data/08_reporting/score_counts.json").read_text())
    assert (scored["rows"], scored["unknown"]) == (900, 18 if task == "multiclass" else 0)
    metrics = json.loads((made / "data/08_reporting/research_metrics.json").read_text())["test"]
    assert metrics["auc" if task == "multiclass" else "r2"] > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("label", ["tariff", "cost"])
def test_a_project_of_another_task_passes_its_own_tests_in_base_and_prod(tmp_path: Path, label: str) -> None:
    made = make_parcels(tmp_path, label)
    run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=made)


@pytest.mark.parametrize("kind", ["numbers", "categories"])
def test_a_file_with_one_kind_of_columns_passes_the_checks_too(tmp_path: Path, types_known: Path, kind: str) -> None:
    draw = random.Random(1)
    rows = [
        f"{number},{draw.random() if kind == 'numbers' else draw.choice('xyz')},{'YN'[draw.randint(0, 1)]}"
        for number in range(300)
    ]
    (tmp_path / "d.csv").write_text("\n".join(["id,x,y", *rows]) + "\n")
    made, _ = make_project("demo_kind", str(tmp_path / "d.csv"), "id", "y", folder=str(tmp_path / "demo"))
    run(sys.executable, "-m", "ruff", "check", "--no-cache", ".", cwd=made)
    run(sys.executable, "-m", "mypy", "--cache-dir", types_known, cwd=made)


def test_without_a_file_a_small_one_is_written(tmp_path: Path) -> None:
    made, notes = make_project("tried", folder=str(tmp_path / "tried"))
    assert "3,000 rows" in notes[0]
    assert len((made / "data/01_raw/subscriptions.csv").read_text().splitlines()) == 3_001
    assert "synthetic" in (made / "conf/base/project.yml").read_text()


def test_the_templates_settings_are_those_of_the_example() -> None:
    written = (TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8")
    assert written == write_settings(), "Run `python -m kedro_handover.starter.make`."


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"name": "Loans"}, "is no name of a package"),
        ({"name": "my-loans"}, "is no name of a package"),
        ({"name": "../loans"}, "is no name of a package"),
        ({"name": ""}, "is no name of a package"),
        ({"name": "class"}, "is a word of Python"),
        ({"name": "json"}, "is a word of Python"),
        ({"name": "pandas"}, "is the name of an installed package"),
        ({"name": "kedro_handover"}, "is the name of an installed package"),
        ({"data": "nowhere.csv"}, "nowhere.csv is not there. Give a file with columns"),
        ({"data": "."}, "is a folder. Give a file with columns"),
        ({"folder": "."}, "is there already, and nothing is overwritten"),
        ({"folder": "nowhere/loans"}, "is no folder that can be written to"),
        ({"label": ""}, "say which column is to be predicted, by LABEL=…. There are: Loan ID"),
        ({"label": "Churn"}, "has no column 'Churn', which LABEL names. There are: Loan ID"),
        ({"identity": "loan id"}, "has no column 'loan id', which ID names"),
        ({"label": "remark"}, "'remark' is no label: it has 600 values, not two, nor up to 20 that are classes"),
        ({"task": "classes"}, "TASK='classes' is no task. There are: binary, multiclass, regression"),
        ({"task": "binary", "label": "late payments"}, "'late payments' is no label: it has 7 values, not two"),
        ({"task": "regression", "label": "purpose of loan"}, "'purpose of loan' is no label"),
        ({"positive": "3", "label": "late payments"}, "POSITIVE names one of two classes, and 'late payments' has 7"),
        ({"identity": "class"}, "'class' is no id: 600 rows have one that another row has"),
        ({"label": "Loan ID"}, "ID and LABEL both name 'Loan ID'"),
        ({"group": "Default"}, "SPLIT_BY and LABEL both name 'Default'"),
        ({"positive": "yes"}, "'Default' is never 'yes', which POSITIVE names"),
    ],
)
def test_a_wrong_wish_is_answered_in_a_sentence_and_leaves_nothing(
    tmp_path: Path, wishes: dict[str, str], message: str
) -> None:
    data = write_loans(tmp_path / "loans.csv")
    right = {
        "name": "loans",
        "data": str(data),
        "identity": "Loan ID",
        "label": "Default",
        "folder": str(tmp_path / "x"),
    }
    with pytest.raises((StarterError, DatasetError), match=re.escape(message)):
        make_project(**(right | wishes))
    assert [path.name for path in tmp_path.iterdir()] == ["loans.csv"]


def test_what_fails_on_the_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kedro_handover.starter.make.TEMPLATE", tmp_path / "gone")
    with pytest.raises(FileNotFoundError):
        make_project("loans", folder=str(tmp_path / "made"))
    assert list(tmp_path.iterdir()) == []


def test_on_the_command_line_an_error_is_one_sentence(tmp_path: Path) -> None:
    options = ["handover", "new", "--name=loans", f"--data={tmp_path}/a b.csv", "--id=", "--label=x"]
    result = CliRunner().invoke(commands, options)
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {tmp_path}/a b.csv is not there.")


def test_wishes_may_stand_in_a_file(tmp_path: Path) -> None:
    data = write_loans(tmp_path / "loans.csv")
    config = tmp_path / "wishes.yml"
    wishes = {"name": "wished", "data": str(data), "label": "Default", "dir": str(tmp_path / "made"), "positive": "N"}
    config.write_text(yaml.safe_dump(wishes))
    result = CliRunner().invoke(commands, ["handover", "new", f"--config={config}"])
    assert result.exit_code == 0, result.output
    assert "'N' is positive" in result.output
    assert "the number of the row is the id" in result.output
    assert (tmp_path / "made/src/wished/schema.py").is_file()
    config.write_text("name: a\nlable: b\n")
    result = CliRunner().invoke(commands, ["handover", "new", f"--config={config}"])
    assert "has an option 'lable'. Did you mean 'label'?" in result.output


@pytest.mark.parametrize("option", ["split-by", "group"])
def test_what_rows_are_split_by_has_two_names(tmp_path: Path, option: str) -> None:
    given = ["handover", "new", "--name=a_b", "--data=x.csv", "--label=Default", f"--{option}=Default"]
    (tmp_path / "wishes.yml").write_text(
        f"{option.replace('-', '_')}: Default\nname: a_b\ndata: x.csv\nlabel: Default\n"
    )
    for options in (given, ["handover", "new", f"--config={tmp_path / 'wishes.yml'}"]):
        with CliRunner().isolated_filesystem(tmp_path):
            write_loans(Path("x.csv"))
            result = CliRunner().invoke(commands, options)
        assert "SPLIT_BY and LABEL both name 'Default'" in result.output


def test_outside_of_a_project_nothing_is_sent(tmp_path: Path) -> None:
    code = "import os, sys; sys.argv = ['kedro', *sys.argv[1:]]; import kedro_handover.new_project; print(os.environ)"
    for arguments, is_silent in ((["handover", "new"], True), (["info"], False)):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=True,
        )
        assert ("KEDRO_DISABLE_TELEMETRY" in done.stdout) is is_silent


def test_what_is_not_given_is_asked_for(tmp_path: Path) -> None:
    data = write_loans(tmp_path / "loans.csv")
    answers = f"asked\n{data}\nLoan ID\nDefault\n"
    result = CliRunner().invoke(commands, ["handover", "new", f"--dir={tmp_path / 'made'}"], input=answers)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "made/src/asked/schema.py").is_file()


def test_a_schema_is_written_as_the_python_that_makes_it() -> None:
    levels = tuple(f'level "{number}" of {{x}}' for number in range(30))
    schema = Schema(
        id=Text("row", "Row\\n"),
        label=Label("is_won", "Won?", positive=("ja",), negative=("nein", "no")),
        columns=(
            Number("a", 'A "quoted"', low=-1.5, high=2e20, decimal=",", thousands=".", unit="€", absent=-1.0),
            Category("b", "it's", levels=levels, others=True),
            Text("c", "Ω", why="it is empty"),
        ),
        group="b",
        split_by="c",
    )
    written = write_schema(schema)
    assert max(map(len, written["body"].splitlines())) <= 120
    names: dict[str, Any] = {}
    exec(f"{written['imports']}\nSCHEMA = Schema(\n{written['body']}\n)", names)  # noqa: S102 - what was just written
    assert names["SCHEMA"] == schema


# The library in the project


def test_the_library_is_pinned_by_its_version_and_hash(loans: Path) -> None:
    version = importlib.metadata.version("kedro-handover")
    (wheel,) = (loans / "wheels").glob("*.whl")
    assert wheel.name == f"kedro_handover-{version}-py3-none-any.whl"
    assert f'"kedro-handover>={version}"' in (loans / "pyproject.toml").read_text()
    assert (loans / "wheels/requirements.txt").read_text().startswith(f"./wheels/{wheel.name} --hash=sha256:")
    names = zipfile.ZipFile(wheel).namelist()
    template = [name for name in names if "/starter/template/" in name]
    assert {path.relative_to(PACKAGE).as_posix() for path in TEMPLATE.rglob("*") if path.is_file()} == {
        name.removeprefix("kedro_handover/") for name in template
    }


def test_what_is_no_wheel_of_the_library_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('dependencies = ["kedro-handover>=0.1.0"]\n')
    other = tmp_path / "other-1.0-py3-none-any.whl"
    other.write_bytes(b"")
    for wheel in (other, tmp_path / "kedro_handover-0.2.0-py3-none-any.whl", tmp_path / "notes.txt"):
        with pytest.raises(StarterError, match="is no wheel of kedro-handover"):
            pin_library(tmp_path, wheel)


def test_pins_are_those_of_a_lock_or_of_this_environment(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "-e ./packages/kedro-handover\n    # via x\n./wheels/x.whl\nkedro==1.7.0 \\\n    --hash=sha256:aa\n"
        "kedro-handover==0.1.0\nnarwhals==2.20.0 ; python_version > '3' \\\n    --hash=sha256:bb\n"
    )
    assert copy_pins(lock) == [
        *("kedro==1.7.0 \\", "    --hash=sha256:aa"),
        *("narwhals==2.20.0 ; python_version > '3' \\", "    --hash=sha256:bb"),
    ]
    pins = dict(pin.split("==") for pin in pin_environment())
    assert {"kedro", "narwhals", "pyspark", "scikit-learn", "pytest"} < set(pins)
    assert "kedro-handover" not in pins
    assert pins["narwhals"] == importlib.metadata.version("narwhals")


def test_a_lock_without_the_tools_of_tests_says_so() -> None:
    assert tell_missing_tools(["kedro-viz==12", "mypy==2", "pytest==9", "ruff==1 ; x", "setuptools==80", "uv==1"]) == []
    (told,) = tell_missing_tools(["kedro-viz==12 \\", "    --hash=sha256:aa", "setuptools==80", "uv==1"])
    assert told.startswith("CHECK requirements.lock pins what is installed here, and not pytest, ruff, mypy, which")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the library's wheel; all else is this environment's."""
    folder = tmp_path_factory.mktemp("fresh")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    here = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "zz_libraries.pth").write_text(f"{here}\n")  # its own .pth files, of editable packages, are not read
    install(folder / "venv/bin/python", write_wheel(folder))
    return folder / "venv/bin/python"


def install(python: Path, wheel: Path) -> None:
    """Install a wheel as pip would, without asking an index."""
    (site,) = python.parents[1].glob("lib/python*/site-packages")
    for old in site.glob("kedro_handover*"):
        shutil.rmtree(old)
    zipfile.ZipFile(wheel).extractall(site)


def test_kedro_new_makes_a_project_from_an_installed_wheel_that_runs_at_once(fresh: Path, tmp_path: Path) -> None:
    assert [spec.alias for spec in starters] == ["handover"]
    run(fresh, "-m", "kedro", "new", "--starter=handover", "--name=My Shop", cwd=tmp_path)
    project = tmp_path / "my-shop"
    assert python_lines(project) <= MOST_LINES
    assert (project / ".telemetry").read_text() == "consent: false\n"
    out = run(fresh, "-m", "kedro", "run", cwd=project)
    assert "Which subscriptions are cancelled? The test split" in " ".join(out.split())


def test_a_wheel_that_is_repacked_from_an_installation_is_the_same_library(fresh: Path, tmp_path: Path) -> None:
    code = "from pathlib import Path; from kedro_handover.starter.wheel import write_wheel; write_wheel(Path())"
    run(fresh, "-c", code, cwd=tmp_path)
    (repacked,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(repacked).namelist())
    (tmp_path / "built").mkdir()
    built = {name for name in zipfile.ZipFile(write_wheel(tmp_path / "built")).namelist() if "/licenses/" not in name}
    assert names == built


def test_a_project_runs_with_the_next_version_after_one_command(fresh: Path, tmp_path: Path) -> None:
    run(fresh, "-m", "kedro", "new", "--starter=handover", "--name=Kept", cwd=tmp_path)
    project = tmp_path / "kept"
    source = tmp_path / "library"
    shutil.copytree(PACKAGE.parents[1], source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    version = source / "src/kedro_handover/__init__.py"
    text = version.read_text()
    version.write_text(re.sub('__version__ = ".*"', '__version__ = "0.99.0"', text))
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(tmp_path)!r})"
    run(sys.executable, "-c", build, cwd=source)
    wheel = tmp_path / "kedro_handover-0.99.0-py3-none-any.whl"
    assert "depends on kedro-handover 0.99.0" in run(
        fresh, "-m", "kedro", "handover", "upgrade", f"--wheel={wheel}", cwd=project
    )
    assert [path.name for path in (project / "wheels").glob("*.whl")] == [wheel.name]
    assert '"kedro-handover>=0.99.0"' in (project / "pyproject.toml").read_text()
    install(fresh, project / "wheels" / wheel.name)
    run(fresh, "-m", "kedro", "run", cwd=project)
