"""The report and the terminal give the run's numbers, say whose rows they are, and need nothing from elsewhere."""

import json
import re
from base64 import b64decode
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from kedro_handover.reporting.words import describe_origin, format_share

from kedro_handover.reporting.console import print_results
from kedro_handover.reporting.pages import METRICS_SHOWN, render_research_report
from premises.census.schema import CREDIT

COUNTS = {
    "rows_in": 12_400,
    "rejected": 55,
    "premises": 12_345,
    "drawn": 0,
    "active": 9_000,
    "inactive": 3_000,
    "unknown": 345,
    "train_active": 2_400,
    "train_inactive": 2_401,
    "test_active": 1_800,
    "test_inactive": 599,
}
REJECTIONS = {
    "vintage": 2016,
    "rows_in": 12_400,
    "valid": 12_345,
    "rejected": 55,
    "rules": [
        {"name": "id_is_unique", "says": "No other row has the id.", "rejects": True, "rows": 54},
        {"name": "place_is_in_city", "says": "It is in the city.", "rejects": True, "rows": 2},
        {"name": "date_is_readable", "says": "It is a day.", "rejects": False, "rows": 1_012},
        {"name": "barri_is_known", "says": "It is one of the 73.", "rejects": True, "rows": 0},
    ],
}
THINNED = 12_000 - 2_400 - 2_401 - 1_800 - 599
METRICS = {
    split: {"rows": rows, "active": active, "true_active": active - 7}
    | {name: start + place / 1000 for place, name in enumerate(METRICS_SHOWN)}
    for split, rows, active, start in (("train", 4_801, 2_400, 0.8123), ("test", 2_399, 1_800, 0.7123))
}
SEARCH = [
    {
        "criterion": "gini" if place % 2 else "entropy",
        "max_depth": 4 + place,
        "min_samples_leaf": 100 - place,
        "mean_auc": 0.7654 - place / 1000,
        "std_auc": 0.0123 + place / 1000,
        "rank": place + 1,
    }
    for place in range(7)
]
PICTURES = tuple(f"picture {number}".encode() for number in range(7))
DRAWN = COUNTS | {"drawn": 12_345}
MIXED = COUNTS | {"drawn": 1_111}


class Page(HTMLParser):
    """What a reader of the page gets: rows of the tables, text, pictures, and what it refers to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.rows, self.pictures, self.references, self.words = [], [], [], [], []
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        self.references += [value for name, value in attributes.items() if name in ("src", "href", "srcset", "action")]
        if tag == "img":
            self.pictures.append(attributes)
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        inside = next((tag for tag in reversed(self.tags) if tag in ("style", "td", "th", "p", "h1", "h2", "div")), "")
        if inside in ("td", "th") and data.strip():
            self.rows[-1][-1] += data
        if inside != "style":
            self.words.append(data)


def page(counts=COUNTS, search=SEARCH, metrics=METRICS, pictures=PICTURES) -> Page:
    return Page(render_research_report(counts, REJECTIONS, search, metrics, *pictures))


def row(found: Page, title: str) -> list[str]:
    (cells,) = [cells for cells in found.rows if cells[0] == title]
    return cells[1:]


def test_the_page_needs_no_other_file() -> None:
    html = render_research_report(COUNTS, REJECTIONS, SEARCH, METRICS, *PICTURES)
    found = Page(html)
    assert all(reference.startswith("data:image/png;base64,") for reference in found.references)
    assert len(found.references) == 7
    assert not {"link", "script", "iframe", "object", "base"} & set(found.tags)
    assert not re.search(r"https?:|//[a-z]|url\(|@import", re.sub(r'src="data:[^"]*"', "", html))


def test_every_picture_is_there_in_its_order_and_described() -> None:
    pictures = page().pictures
    assert [b64decode(picture["src"].split(",")[1]) for picture in pictures] == list(PICTURES)
    subjects = ["ROC", "Precision", "Confusion matrix", "probability", "Importance", "Map", "tree"]
    assert all(subject in picture["alt"] for subject, picture in zip(subjects, pictures, strict=True))
    assert "AUC 0.812 in train, 0.712 in test" in pictures[0]["alt"]
    assert f"average precision {METRICS['test']['average_precision']:.3f}" in pictures[1]["alt"]
    assert "1,793 of 1,800 active premises" in pictures[2]["alt"]


@pytest.mark.parametrize("pictures", [PICTURES[:6], (*PICTURES, b"one more")])
def test_a_picture_too_few_or_too_many_is_an_error(pictures) -> None:
    with pytest.raises(ValueError, match="zip"):
        page(pictures=pictures)


def test_rows_add_up() -> None:
    found = page()
    assert row(found, "Valid") == ["9,000", "3,000", "345", "12,345"]
    assert row(found, "Train split") == ["2,400", "2,401", "0", "4,801"]
    assert row(found, "Test split") == ["1,800", "599", "0", "2,399"]
    for title in ("Valid", "Train split", "Test split"):
        *parts, whole = (int(cell.replace(",", "")) for cell in row(found, title))
        assert sum(parts) == whole
    assert "12,400 rows in = 12,345 valid + 55 rejected. They are of the census of 2016." in found.text
    assert row(found, "id_is_unique") == ["No other row has the id.", "54", "rejected"]
    assert row(found, "date_is_readable") == ["It is a day.", "1,012", "kept"]
    assert "1 of the 4 rules of the contract hold for every row" in found.text
    assert "barri_is_known" not in found.text
    assert "345 premises of unknown status teach nothing and are left out." in found.text
    assert f"{THINNED:,} of the larger class are left out of the training split" in found.text
    assert COUNTS["premises"] == 345 + THINNED + 4_801 + 2_399


def test_every_metric_of_both_splits_is_shown() -> None:
    found = page()
    for name, title in METRICS_SHOWN.items():
        assert row(found, title) == [f"{METRICS['train'][name]:.4f}", f"{METRICS['test'][name]:.4f}"]
    assert "0.712 AUC, test" in found.text
    assert "0.812 AUC, train" in found.text
    assert "2,399 premises in the test split" in found.text
    lift = f"{METRICS['test']['lift_inactive']:.1f}\N{MULTIPLICATION SIGN}"
    assert f"{lift} lift of not active in the lowest tenth" in found.text


def candidates(found: Page) -> list[list[str]]:
    return [cells for cells in found.rows if len(cells) == 5 and cells[2] in ("gini", "entropy")]


def test_the_best_five_candidates_are_shown_of_more() -> None:
    found = page()
    assert "7 candidates, by their mean AUC over the folds of the training split. The best 5:" in found.text
    assert len(candidates(found)) == 5
    assert candidates(found)[0] == ["4", "100", "entropy", "0.7654", "0.0123"]
    aucs = [float(cells[3]) for cells in candidates(found)]
    assert all(better > worse for better, worse in pairwise(aucs))


def test_all_candidates_are_shown_where_they_are_few() -> None:
    found = page(search=SEARCH[:3])
    assert len(candidates(found)) == 3
    assert "3 candidates" in found.text
    assert "The best" not in found.text


def test_a_sample_is_called_a_sample() -> None:
    text = page(DRAWN).text
    assert "12,345 premises: a sample drawn from published counts, not the census itself." in text
    assert CREDIT in text


def test_a_census_is_not_called_a_sample() -> None:
    text = page(COUNTS).text
    assert f"12,345 premises. {CREDIT}." in text
    assert "sample" not in text
    assert "drawn" not in text


def test_a_census_with_drawn_rows_says_how_many() -> None:
    text = page(MIXED).text
    assert "12,345 premises, 1,111 of them drawn from published counts, not taken from a census." in text
    assert "a sample" not in text
    assert CREDIT in text


@pytest.mark.parametrize("counts", [COUNTS, DRAWN, MIXED, DRAWN | {"drawn": 12_344}, DRAWN | {"drawn": 1}])
def test_the_publisher_is_credited_whatever_the_rows_are(counts) -> None:
    assert CREDIT in describe_origin(counts)
    assert ("sample" in describe_origin(counts)) is (counts["drawn"] == counts["premises"])
    assert ("drawn" in describe_origin(counts)) is (counts["drawn"] > 0)


def test_text_from_data_is_never_read_as_html() -> None:
    odd = "<script>alert('x')</script> & \"so on\""
    html = render_research_report(COUNTS, REJECTIONS, [SEARCH[0] | {"criterion": odd}], METRICS, *PICTURES)
    assert "<script" not in html
    assert "script" not in Page(html).tags
    assert odd in Page(html).text


def test_a_census_without_a_fault_is_said_to_have_none() -> None:
    rules = [rule | {"rows": 0} for rule in REJECTIONS["rules"]]
    faultless = REJECTIONS | {"valid": 12_400, "rejected": 0, "rules": rules}
    found = Page(render_research_report(COUNTS, faultless, SEARCH, METRICS, *PICTURES))
    assert "12,400 rows in = 12,400 valid + 0 rejected" in found.text
    assert "All 4 rules of the contract hold for every row." in found.text


def test_the_report_of_a_run_is_that_of_its_outputs(run_storage) -> None:
    reports = run_storage / "08_reporting"
    found = Page((reports / "research_report.html").read_text(encoding="utf-8"))
    names = ("roc_curve", "precision_recall", "confusion_matrix", "calibration", "importances", "map", "tree_top")
    assert [b64decode(picture["src"].split(",")[1]) for picture in found.pictures] == [
        (reports / f"research_{name}.png").read_bytes() for name in names
    ]
    metrics = json.loads((reports / "research_metrics.json").read_text())
    assert row(found, "AUC") == [f"{metrics[split]['auc']:.4f}" for split in ("train", "test")]
    counts = json.loads((reports / "row_counts.json").read_text())
    assert row(found, "Valid")[-1] == f"{counts['premises']:,}" == "78,033"
    assert metrics["test"]["rows"] == counts["test_active"] + counts["test_inactive"]
    assert describe_origin(counts) in found.text
    assert "a sample drawn from published counts" in found.text


def printed(capsys, metrics, counts=COUNTS, reports=()) -> str:
    print_results(metrics, counts, list(reports))
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
    print_results(metrics, COUNTS, [], {"handed_over": 1.0}, {"research": 5.81, "handed_over": 1.94})
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
@pytest.mark.parametrize("counts", [COUNTS, DRAWN, MIXED])
def test_the_terminal_says_whose_rows_these_are(capsys, counts) -> None:
    assert describe_origin(counts) in printed(capsys, {}, counts)


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


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0.00%"), (1, "100.00%"), (0.5, "50.00%"), (1e-9, "0.01%"), (1 - 1e-9, "99.99%"), (0.123456, "12.35%")],
)
def test_only_the_whole_is_a_hundred_per_cent(share: float, text: str) -> None:
    assert format_share(share) == text
