"""`make new`: a project from this template with the census taken out, as a person with a file of their own makes it."""

from __future__ import annotations

import csv
import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kedro.io import DatasetError

from conftest import PROJECT, fresh_environment
from kedro_handover.spark.h2o import is_installed
from new.project import LEFT_OUT, ProjectError, _describe, _write_project, make_project
from new.table import TableError, name_columns, read_table
from new.words import CENSUS_WORDS
from storage import digest, read, read_json

pytestmark = pytest.mark.spark

ROWS = 2_400
SAME_TABLES = (
    "02_intermediate/rows.parquet",
    "04_feature/row_features.parquet",
    "05_model_input/model_input.parquet",
    "07_model_output/research_predictions.parquet",
)
MODELS = ("handed_over", "mllib", *(("h2o",) if is_installed() else ()))
TEXTS = {".py", ".yml", ".md", ".html", ".toml", ".sh", ".json", ""}


def draw_loans(rows: int = ROWS) -> list[dict[str, Any]]:
    """Loans with what files of people have: blanks, words for nothing, odd names of columns, text with commas."""
    draw = random.Random(7)
    loans = []
    for number in range(rows):
        income, purpose, late = draw.lognormvariate(10, 0.5), draw.choice(["car", "house", "study"]), draw.randint(0, 6)
        is_bad = draw.random() < 0.15 + 0.09 * late + 0.15 * (purpose == "study") - 0.1 * (income > 25_000)
        loans.append(
            {
                "Loan ID": f"L-{number:05}",
                "yearlyIncome": f"{income:.2f}" if draw.random() > 0.05 else "N/A",
                "purpose of loan": purpose if draw.random() > 0.02 else "",
                "late payments": late,
                "rate": repr(draw.random()),
                "remark": f'said "{draw.getrandbits(24)}", and no more',
                "Default": ("Y" if is_bad else "N") if number % 100 else "",
            }
        )
    return loans


def write_csv(file: Path, rows: list[dict[str, Any]]) -> Path:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return file


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run_in(project: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=project,
        env=fresh_environment(KEDRO_DISABLE_TELEMETRY="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def loans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project for a small file of loans, after a plain run of base and of prod."""
    folder = tmp_path_factory.mktemp("new")
    file = write_csv(folder / "some loans.csv", draw_loans())
    options = ("--name=credit_risk", f"--data={file}", "--id=Loan ID", "--label=Default", f"--dir={folder / 'credit'}")
    said = run_in(PROJECT, "new", *options)
    assert "'Y' is positive, 'N' negative" in said
    assert "numbers: yearlyIncome, late payments, rate; for categories: purpose of loan; for no features: " in said
    with ThreadPoolExecutor() as pool:  # they share nothing but the file
        runs = [pool.submit(run_in, folder / "credit", "kedro", "run", f"--env={env}") for env in ("base", "prod")]
    for run in runs:
        run.result()
    return folder / "credit"


def test_research_and_production_have_the_same_rows(loans: Path) -> None:
    for table in SAME_TABLES:
        assert digest(read(loans / "data", table)) == digest(read(loans / "data/prod", table)), table


def test_every_row_is_accounted_for(loans: Path) -> None:
    counts = read_json(loans / "data", "08_reporting/row_counts.json")
    assert (counts["rows_in"], counts["rows"], counts["rejected"], counts["unknown"]) == (ROWS, ROWS, 0, ROWS // 100)


def test_the_tree_has_learnt_something_and_is_handed_over_without_a_difference(loans: Path) -> None:
    metrics = read_json(loans / "data", "08_reporting/research_metrics.json")
    assert 0.6 < metrics["test"]["auc"] < 0.9
    parity = read_json(loans / "data/prod", "08_reporting/parity.json")
    assert set(parity) == set(MODELS)
    handed_over = parity["handed_over"]
    assert (handed_over["n_diff"], handed_over["max_abs_diff"], handed_over["n_missing"]) == (0, 0, 0)
    assert handed_over["rows"] > 300


def test_a_release_is_published_and_every_row_is_scored(loans: Path) -> None:
    release = read_json(loans / "data/prod", "06_models/release.json")
    assert release["model"]["name"] == "handed_over"
    predictions = read(loans / "data/prod", "07_model_output/predictions.parquet").to_pandas()
    assert len(predictions) == ROWS
    assert set(predictions["loan_id"]) == {f"L-{number:05}" for number in range(ROWS)}
    summary = read(loans / "data/prod", "08_reporting/predictions_summary.parquet").to_pandas()
    assert summary["rows"].sum() == ROWS
    assert set(summary["purpose_of_loan"].dropna()) == {"car", "house", "study"}


def test_the_features_are_what_stands_in_the_file(loans: Path) -> None:
    found = read(loans / "data", "04_feature/row_features.parquet").to_pandas().set_index("loan_id")
    for loan in draw_loans(50):
        row = found.loc[loan["Loan ID"]]
        income = -1 if loan["yearlyIncome"] == "N/A" else float(loan["yearlyIncome"])
        assert row["yearly_income"] == pd.Series([income], dtype="float32")[0]
        assert row["purpose_of_loan_code"] == ["", "car", "house", "study"].index(loan["purpose of loan"])
        assert row["late_payments"] == loan["late payments"]


def test_the_reports_speak_of_the_persons_own_columns(loans: Path) -> None:
    research = (loans / "data/08_reporting/research_report.html").read_text()
    parity = (loans / "data/prod/08_reporting/parity_report.html").read_text()
    drift = (loans / "data/prod/08_reporting/drift_report.html").read_text()
    assert "<h1>Default: yes or no?</h1>" in research
    for page in (research, parity):
        assert "Positive is Default &#39;Y&#39;, negative &#39;N&#39;." in page
    assert "<td>yearly income</td>" in drift
    for page in (research, parity, drift):
        assert not CENSUS_WORDS.findall(re.sub('base64,[^"]*', "", page))


def test_no_word_of_the_census_is_left(loans: Path) -> None:
    texts = [
        path
        for path in loans.rglob("*")
        if path.is_file() and path.suffix in TEXTS and "data" not in path.relative_to(loans).parts[:1]
    ]
    assert len(texts) > 80
    left = [
        f"{path.relative_to(loans)}: {line.strip()}"
        for path in texts
        for line in path.read_text(encoding="utf-8").splitlines()
        if CENSUS_WORDS.search(line) or "⟨" in line
    ]
    assert left == []
    assert not [path for path in loans.rglob("*") if CENSUS_WORDS.search(path.name)]


def test_the_new_projects_own_checks_and_tests_pass(loans: Path) -> None:
    run_in(loans, "ruff", "check", "--no-cache")
    run_in(loans, "ruff", "format", "--check", "--no-cache")
    assert " passed" in run_in(loans, "pytest", "-q", "-p", "no:cacheprovider")


def test_no_rule_of_words_is_out_of_date(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "loans.csv", draw_loans(500))
    words, values = _describe("loans", read_table(file, "Loan ID", "Default", ""), file, drawn=False)
    _write_project(tmp_path / "loans", words, values, file)
    assert words.unused == []


@pytest.mark.parametrize(
    "path", ["conf/local/globals.yml", "conf/prod/credentials.yml", "deploy/databricks/.databricks/bundle/prod/x.json"]
)
def test_what_is_personal_stays_in_the_template(path: str) -> None:
    assert LEFT_OUT.search(path)


def test_columns_may_have_the_templates_own_names_and_may_all_be_numbers(tmp_path: Path) -> None:
    draw = random.Random(3)
    rows = [
        {
            "premises_id": number,
            "district": draw.gauss(0, 2),
            "active": f"{draw.random():.3e}",
            "model": number % 7,
            "class": draw.randint(-9, 9),
            **{f"n{place}": place * number for place in range(30)},  # more columns than have rules of their own
            "is_active": int(draw.random() < 0.3),
        }
        for number in range(1_000)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "odd.parquet")
    made, _ = make_project(
        "odd_names", str(tmp_path / "odd.parquet"), "premises_id", "is_active", dir=str(tmp_path / "odd")
    )
    run_in(made, "kedro", "run", "--pipelines=data_engineering")
    features = read(made / "data", "04_feature/row_features.parquet")
    assert features.column_names == [
        *("premises_id", "is_active", "district", "active", "model_value", "class_value"),
        *(f"n{place}" for place in range(30)),
        "district_band",
    ]
    assert features["active"].to_pylist() == pd.Series([float(row["active"]) for row in rows], dtype="float32").tolist()
    assert len(set(features["district_band"].to_pylist())) in {5, 6, 7}


def test_a_column_that_knows_the_label_is_told(tmp_path: Path) -> None:
    rows = [loan | {"collected on": loan["Default"].replace("N", "")} for loan in draw_loans(1_000)]
    table = read_table(write_csv(tmp_path / "loans.csv", rows), "Loan ID", "Default", "")
    assert list(table.leaks) == ["collected on"]
    assert table.leaks["collected on"] > 0.99


def test_without_a_file_a_small_one_is_drawn(tmp_path: Path) -> None:
    made, notes = make_project("tried", dir=str(tmp_path / "tried"))
    assert "3,000 rows" in notes[0]
    assert len(pd.read_csv(made / "data/01_raw/tried.csv")) == 3_000
    assert "drawn at random" in (made / "README.md").read_text()


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
        ({"name": "premises"}, "is the name of an installed package"),
        ({"data": "nowhere.csv"}, "nowhere.csv is not there. Give a CSV or Parquet file"),
        ({"data": "."}, "is a folder. Give a CSV or Parquet file"),
        ({"dir": "."}, "is there already, and nothing is overwritten"),
        ({"dir": "nowhere/loans"}, "is no folder that can be written to"),
        ({"identity": ""}, "say which column tells rows apart, by ID=…. There are: Loan ID, yearlyIncome,"),
        ({"label": ""}, "say which column is to be predicted, which has two values, by LABEL=…. There are: Loan ID"),
        ({"label": "Churn"}, "has no column 'Churn', which LABEL names. There are: Loan ID"),
        ({"identity": "loan id"}, "has no column 'loan id', which ID names"),
        ({"label": "purpose of loan"}, "'purpose of loan' is no label: it has 3 values, not two"),
        ({"identity": "late payments"}, "'late payments' is no id: 493 rows repeat one"),
        ({"label": "Loan ID"}, "ID and LABEL both name 'Loan ID'"),
        ({"positive": "yes"}, "'Default' is never 'yes', which POSITIVE names"),
    ],
)
def test_a_wrong_wish_is_answered_in_a_sentence_and_leaves_nothing(
    tmp_path: Path, wishes: dict[str, str], message: str
) -> None:
    file = write_csv(tmp_path / "loans.csv", draw_loans(500))
    right = {
        "name": "loans",
        "data": str(file),
        "identity": "Loan ID",
        "label": "Default",
        "dir": str(tmp_path / "made"),
    }
    with pytest.raises((ProjectError, TableError)) as caught:
        make_project(**(right | wishes))
    assert message in str(caught.value)
    assert names_in(tmp_path) == ["loans.csv"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is an empty file"),
        ("Loan ID,Default\n", "names at most, and no rows"),
        ("Loan ID;Default\n1;Y\n", "separated by semicolons"),
        ("Loan ID,Default\n" + "".join(f"{n},{'YN'[n % 2]}\n" for n in range(60)), "50 rows of each class at least"),
        ("Loan ID,Default\n" + "".join(f"{n},{'YN'[n % 2]}\n" for n in range(200)), "no column can be a feature"),
        ("Loan ID,Default\n" + "1,2,3\n" * 9 + "1,Y\n", "9 of 10 rows have another number of fields"),
        (
            "Loan ID,Default\n" + "".join(f"{'ab'[n % 2] * n},Y\n" for n in range(1, 99)),
            "too few, as the split is drawn",
        ),
    ],
)
def test_a_file_that_no_model_can_be_made_of_is_refused_with_the_reason(
    tmp_path: Path, content: str, message: str
) -> None:
    file = tmp_path / "loans.csv"
    file.write_text(content, encoding="utf-8")
    with pytest.raises((TableError, DatasetError)) as caught:
        make_project("loans", str(file), "Loan ID", "Default", dir=str(tmp_path / "made"))
    assert message in str(caught.value)
    assert names_in(tmp_path) == ["loans.csv"]


def test_what_fails_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "ruff.py").write_text("raise SystemExit('The formatter is out of order.')")  # the last step needs it
    done = subprocess.run(
        [sys.executable, "-m", "new", "--name=loans", f"--dir={tmp_path / 'made'}"],
        cwd=PROJECT,
        env=fresh_environment(PYTHONPATH=str(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert (
        "Error: ruff, which orders imports and fills lines, has failed: The formatter is out of order." in done.stderr
    )
    assert names_in(tmp_path) == ["ruff.py"]


def test_on_the_command_line_an_error_is_one_sentence(tmp_path: Path) -> None:
    binaries = f"BIN={Path(sys.executable).parent}"
    done = subprocess.run(
        ["make", "--assume-old=.venv/installed", binaries, "new", "NAME=loans", f"DATA={tmp_path}/a b.csv"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert f"Error: {tmp_path}/a b.csv is not there." in done.stderr
    assert "Traceback" not in done.stderr


def test_numbers_beyond_those_of_integers_stay_floats(tmp_path: Path) -> None:
    rows = [{"id": str(row), "size": "1e20" if row % 2 else "7", "label": "yn"[row % 3 == 0]} for row in range(600)]
    made, _ = make_project(
        "large", str(write_csv(tmp_path / "large.csv", rows)), "id", "label", dir=str(tmp_path / "x")
    )
    assert "low=7, high=1e20" in (made / "src/large/data/schema.py").read_text()


def test_names_of_columns_become_names_of_python_unlike_each_other() -> None:
    names = name_columns(
        ["customerID", "Churn", "is_churn", "model", "id", "class", "2nd", "zip", "zip_code", "A", "a", ""]
    )
    assert list(names.values()) == [
        *("customer_id", "churn", "is_churn_value", "model_value", "row_id", "class_value"),
        *("column_2nd", "zip", "zip_code_value", "a", "a_11", "column_12"),
    ]
    assert list(name_columns(["id", "size_4", "size", "size%"]).values()) == ["row_id", "size_4", "size", "size_5"]
