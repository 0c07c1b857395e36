"""The research report gives the run's numbers in the project's words, says whose rows they are, and takes additions."""

from base64 import b64decode
from itertools import pairwise

import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner
from markupsafe import Markup

from kedro_handover.evaluation.intervals import share_interval
from kedro_handover.reporting.research_report import METRICS_SHOWN, name_metrics, render_research_report
from report_page import Page, assert_needs_no_other_file
from toy import PROJECT

COUNTS = {
    "rows_in": 12_400,
    "rejected": 55,
    "valid": 12_345,
    "synthetic": 0,
    "positive": 9_000,
    "negative": 3_000,
    "unknown": 345,
    "train_positive": 2_400,
    "train_negative": 2_401,
    "test_positive": 1_800,
    "test_negative": 599,
}
REJECTIONS = {
    "rows_in": 12_400,
    "valid": 12_345,
    "rejected": 55,
    "rules": [
        {"name": "id_is_unique", "description": "No other row has the id.", "severity": "error", "rows": 54},
        {"name": "price_is_in_range", "description": "It is 1 to 99.", "severity": "error", "rows": 2},
        {"name": "date_is_readable", "description": "It is a day.", "severity": "warn", "rows": 1_012},
        {"name": "shop_is_known", "description": "It is one of the 4.", "severity": "error", "rows": 0},
    ],
}
THINNED = 12_000 - 2_400 - 2_401 - 1_800 - 599
METRICS = {
    split: {
        "rows": rows,
        "positive": positive,
        "true_positive": positive - 7,
        "false_negative": 7,
        "false_positive": 9,
        "true_negative": rows - positive - 9,
    }
    | {name: start + place / 1000 for place, name in enumerate(METRICS_SHOWN)}
    for split, rows, positive, start in (("train", 4_801, 2_400, 0.8123), ("test", 2_399, 1_800, 0.7123))
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
NAMES = ("roc_curve", "precision_recall", "confusion_matrix", "calibration", "importances", "map", "tree_top")
FIGURES = {name: f"figure {name}".encode() for name in NAMES}
WITH_MAP = PROJECT.model_copy(update={"figures": {"map": "Map of the shops."}})
SYNTHETIC = COUNTS | {"synthetic": 12_345}
MIXED = COUNTS | {"synthetic": 1_111}


def page(counts=COUNTS, search=SEARCH, metrics=METRICS, figures=FIGURES, **more) -> Page:
    return Page(render_research_report(counts, REJECTIONS, search, metrics, WITH_MAP, **more, **figures))


def test_the_page_needs_no_other_file() -> None:
    html = render_research_report(COUNTS, REJECTIONS, SEARCH, METRICS, PROJECT, **FIGURES)
    assert_needs_no_other_file(html)
    assert len(Page(html).references) == 7


def test_the_title_is_the_question_of_the_project() -> None:
    html = render_research_report(COUNTS, REJECTIONS, SEARCH, METRICS, PROJECT, **FIGURES)
    assert "<title>Research report: Is an order returned?</title>" in html
    assert "<h1>Research report: Is an order returned?</h1>" in html


def test_every_figure_is_there_in_its_order_and_described() -> None:
    images = page().images
    assert [b64decode(image["src"].split(",")[1]) for image in images] == list(FIGURES.values())
    subjects = ["ROC", "Precision", "Confusion matrix", "probability", "Importance", "Map of the shops.", "tree"]
    assert all(subject in image["alt"] for subject, image in zip(subjects, images, strict=True))
    assert "AUC 0.812 in train, 0.712 in test" in images[0]["alt"]
    assert f"average precision {METRICS['test']['average_precision']:.3f} of returned orders" in images[1]["alt"]
    assert "1,793 of 1,800 returned orders" in images[2]["alt"]


def test_a_project_has_fewer_figures_or_more_of_its_own() -> None:
    fewer = page(figures={"roc_curve": b"one"})
    assert [image["alt"][:3] for image in fewer.images] == ["ROC"]
    more = page(figures=FIGURES | {"by_week_day": b"one more"})
    assert b64decode(more.images[-1]["src"].split(",")[1]) == b"one more"
    assert more.images[-1]["alt"] == "by week day"


def test_the_tree_alone_takes_the_whole_width_wherever_it_stands() -> None:
    figures = {"tree_top": b"tree", "by_week_day": b"one more"}
    html = render_research_report(COUNTS, REJECTIONS, SEARCH, METRICS, PROJECT, **figures)
    wide = html.split('<div class="wide whole">')
    assert len(wide) == 2
    assert 'alt="The first levels of the decision tree."' in wide[1].split("</div>")[0]


def test_rows_add_up() -> None:
    found = page()
    assert found.row("Valid") == ["9,000", "3,000", "345", "12,345"]
    assert found.row("Train split") == ["2,400", "2,401", "0", "4,801"]
    assert found.row("Test split") == ["1,800", "599", "0", "2,399"]
    for title in ("Valid", "Train split", "Test split"):
        *parts, whole = (int(cell.replace(",", "")) for cell in found.row(title))
        assert sum(parts) == whole
    assert "12,400 rows in = 12,345 valid + 55 rejected." in found.text
    assert found.row("id_is_unique") == ["No other row has the id.", "error", "54", "rejected"]
    assert found.row("date_is_readable") == ["It is a day.", "warn", "1,012", "kept"]
    assert "1 of the 4 rules of the contract hold for every row" in found.text
    assert "shop_is_known" not in found.text
    assert "345 orders on the way teach nothing and are left out." in found.text
    assert f"{THINNED:,} of the larger class are left out of the training split" in found.text
    assert COUNTS["valid"] == 345 + THINNED + 4_801 + 2_399


def test_every_metric_of_both_splits_is_shown() -> None:
    found = page()
    assert list(name_metrics(PROJECT)) == list(METRICS_SHOWN)
    for name, title in name_metrics(PROJECT).items():
        assert found.row(title)[:2] == [f"{METRICS['train'][name]:.4f}", f"{METRICS['test'][name]:.4f}"]
    assert "0.712 AUC, test" in found.text
    assert "0.812 AUC, train" in found.text
    assert "2,399 orders in the test split" in found.text
    lift = f"{METRICS['test']['lift_negative']:.1f}\N{MULTIPLICATION SIGN}"
    assert f"{lift} lift of kept in the lowest tenth" in found.text


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


def test_synthetic_rows_are_called_synthetic() -> None:
    text = page(SYNTHETIC).text
    assert "12,345 orders: synthetic, not real data." in text
    assert PROJECT.credit in text


def test_real_rows_are_not_called_synthetic() -> None:
    text = page(COUNTS).text
    assert f"12,345 orders. {PROJECT.credit}." in text
    assert "synthetic" not in text


def test_of_mixed_rows_it_is_said_how_many_are_synthetic() -> None:
    text = page(MIXED).text
    assert "12,345 orders, 1,111 of them synthetic." in text
    assert "not real data" not in text
    assert PROJECT.credit in text


@pytest.mark.parametrize(
    "counts", [COUNTS, SYNTHETIC, MIXED, SYNTHETIC | {"synthetic": 12_344}, SYNTHETIC | {"synthetic": 1}]
)
def test_the_publisher_is_credited_whatever_the_rows_are(counts) -> None:
    origin = PROJECT.describe_origin(counts)
    assert PROJECT.credit in origin
    assert ("not real data" in origin) is (counts["synthetic"] == counts["valid"])
    assert ("synthetic" in origin) is (counts["synthetic"] > 0)


def test_text_from_data_is_never_read_as_html() -> None:
    odd = "<script>alert('x')</script> & \"so on\""
    html = render_research_report(COUNTS, REJECTIONS, [SEARCH[0] | {"criterion": odd}], METRICS, PROJECT, **FIGURES)
    assert "<script" not in html
    assert "script" not in Page(html).tags
    assert odd in Page(html).text


def test_a_table_without_a_fault_is_said_to_have_none() -> None:
    rules = [rule | {"rows": 0} for rule in REJECTIONS["rules"]]
    faultless = REJECTIONS | {"valid": 12_400, "rejected": 0, "rules": rules}
    found = Page(render_research_report(COUNTS, faultless, SEARCH, METRICS, PROJECT, **FIGURES))
    assert "12,400 rows in = 12,400 valid + 0 rejected" in found.text
    assert "All 4 rules of the contract hold for every row." in found.text


def test_arguments_without_a_title_keep_their_names() -> None:
    candidate = {"learning_rate": 0.1, "max_depth": 3, "loss": "log_loss", "mean_auc": 0.7, "std_auc": 0.1, "rank": 1}
    found = page(search=[candidate])
    assert found.row("Depth at most") == ["learning_rate", "loss", "Mean AUC", "Standard deviation"]
    assert found.row("3") == ["0.1", "log_loss", "0.7000", "0.1000"]


def test_candidates_of_several_families_have_a_cell_for_each_argument() -> None:
    scores = {"mean_auc": 0.7, "std_auc": 0.1, "rank": 1}
    search = [{"family": "forest", "max_depth": 3} | scores, {"family": "linear", "C": 0.5} | scores]
    found = page(search=search)
    assert found.row("Family") == ["Depth at most", "C", "Mean AUC", "Standard deviation"]
    assert found.row("forest") == ["3", "", "0.7000", "0.1000"]
    assert found.row("linear") == ["", "0.5", "0.7000", "0.1000"]


def test_probabilities_of_other_shares_are_said_to_be_so_with_the_formula_that_puts_them_back() -> None:
    unthinned = COUNTS | {"train_positive": 7_200, "train_negative": 2_401}
    assert "So probabilities are those of the data." in page(unthinned).text
    weighted = page(unthinned, class_weight="balanced").text
    assert "Rows are weighted, so that the classes weigh alike." in weighted
    assert "a probability p is 3 p / (3 p + 1" in weighted


def test_a_small_test_split_has_intervals_by_a_stated_method() -> None:
    small = page()
    assert "Wilson's for shares of rows, and Hanley and McNeil's for the AUC" in small.text
    low, high = share_interval(1_793, 1_800)
    assert f"{low:.3f} to {high:.3f}" in small.text
    large = {**METRICS, "test": METRICS["test"] | {"rows": 6_000}}
    assert "at 95 %" not in page(metrics=large).text


def test_a_split_that_is_not_thinned_keeps_the_shares_of_the_classes() -> None:
    text = page(COUNTS | {"train_positive": 7_200}).text
    assert "Both splits keep the shares of the classes." in text
    assert "balanced" not in text


def test_a_section_of_the_project_is_a_text_a_table_or_html() -> None:
    table = pd.DataFrame(
        {"shop": ["north", "<b>"], "orders": [12_345, 2], "open": [True, False], "share": [0.123456, None]}
    )
    sections = {
        "Where <orders> are from": "From <b>two</b> shops.\n\nThat is all.",
        "By shop": table,
        "By day": [{"day": "Monday", "orders": 3}],
        "Our own": Markup("<em>Careful.</em>"),
    }
    html = render_research_report(COUNTS, REJECTIONS, SEARCH, METRICS, PROJECT, sections=sections, **FIGURES)
    assert "<h2>Where &lt;orders&gt; are from</h2>" in html
    assert "<p>From &lt;b&gt;two&lt;/b&gt; shops.</p>\n<p>That is all.</p>" in html
    assert "<em>Careful.</em>" in html
    found = Page(html)
    assert found.row("shop") == ["orders", "open", "share"]
    assert found.row("north") == ["12,345", "True", "0.1235"]
    assert found.row("<b>") == ["2", "False", ""]
    assert found.row("Monday") == ["3"]
    assert_needs_no_other_file(html)


def test_a_node_of_a_project_adds_a_section_and_a_figure_to_the_report() -> None:
    report = Pipeline(
        [
            Node(lambda counts: {"By hand": f"{counts['valid']} orders"}, "row_counts", "research_sections"),
            Node(lambda counts: str(counts["valid"]).encode(), "row_counts", "research_map"),
            Node(
                render_research_report,
                {
                    "row_counts": "row_counts",
                    "rejections": "rejections",
                    "search": "search",
                    "metrics": "metrics",
                    "project": "params:project",
                    "sections": "research_sections",
                    "map": "research_map",
                },
                "research_report",
            ),
        ]
    )
    given = {
        "row_counts": COUNTS,
        "rejections": REJECTIONS,
        "search": SEARCH,
        "metrics": METRICS,
        "params:project": WITH_MAP,
    }
    catalog = DataCatalog({name: MemoryDataset(value) for name, value in given.items()})
    found = Page(SequentialRunner().run(report, catalog)["research_report"].load())
    assert "By hand 12345 orders" in found.text
    assert [image["alt"] for image in found.images] == ["Map of the shops."]
