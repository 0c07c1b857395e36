"""The terminal shows a row for each model, says whose rows they are, and gives the paths of the reports."""

import pytest

from kedro_handover.reporting.console import print_results
from toy import PROJECT

COUNTS = {"rows_in": 12_400, "rejected": 55, "valid": 12_345, "synthetic": 0}
SYNTHETIC = COUNTS | {"synthetic": 12_345}
MIXED = COUNTS | {"synthetic": 1_111}


def printed(capsys, metrics, counts=COUNTS, reports=()) -> str:
    print_results(metrics, counts, list(reports), PROJECT)
    return capsys.readouterr().out


@pytest.fixture
def wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


SCORES = {"auc": 0.81234, "ks": 0.33336}


@pytest.mark.usefixtures("wide_terminal")
def test_the_terminal_shows_a_row_for_each_model(capsys) -> None:
    metrics = {
        "research": {"train": SCORES | {"auc": 0.91}, "test": SCORES | {"rows": 13_037}},
        "handed_over": {"train": SCORES | {"auc": 0.9}, "test": SCORES | {"rows": 12, "auc": 0.5}},
    }
    print_results(metrics, COUNTS, [], PROJECT, {"handed_over": 1.0}, {"research": 5.81, "handed_over": 1.94})
    lines = capsys.readouterr().out.splitlines()
    cells = {
        line.split("│")[1].strip(): [cell.strip() for cell in line.split("│")[2:-1]] for line in lines if "│" in line
    }
    assert cells == {
        "research": ["13,037", "0.9100", "0.8123", "0.3334", "", "5.8"],
        "handed_over": ["12", "0.9000", "0.5000", "0.3334", "100.00%", "1.9"],
    }
    (heads,) = [line for line in lines if "train AUC" in line]
    assert [head.strip() for head in heads.split("┃")[1:-1]] == [
        "model",
        "rows",
        "train AUC",
        "AUC",
        "KS",
        "agreement",
        "seconds",
    ]


@pytest.mark.usefixtures("wide_terminal")
@pytest.mark.parametrize("counts", [COUNTS, SYNTHETIC, MIXED])
def test_the_terminal_says_whose_rows_these_are(capsys, counts) -> None:
    assert PROJECT.describe_origin(counts) in printed(capsys, {}, counts)


@pytest.mark.parametrize(
    "path",
    [
        "data/08_reporting/research_report.html",
        f"/{'a-long-folder/' * 30}research_report.html",
        "/data/[prod]/research_report.html",
        "/data/[/prod]/research_report.html",
    ],
)
def test_the_terminal_gives_the_path_of_each_report_as_it_is(capsys, path) -> None:
    lines = printed(capsys, {}, reports=[path, "other.html"]).splitlines()
    assert lines[-2:] == [f"Report: {path}", "Report: other.html"]


@pytest.mark.usefixtures("wide_terminal")
def test_the_terminal_asks_the_question_of_the_project_and_accounts_for_every_row(capsys) -> None:
    text = printed(capsys, {})
    assert "Is an order returned? The test split" in text
    assert "12,400 rows in = 12,345 valid + 55 rejected." in text
