"""The parity report and its summary give the verdict, every failure and the figures that were measured."""

from __future__ import annotations

import re

import pandas as pd

from kedro_handover.evaluation.parity import compare_predictions
from kedro_handover.reporting.parity_report import render_parity_markdown, render_parity_report
from report_page import Page, assert_needs_no_other_file
from toy import PROJECT
from two_models import two_models

EXACT = {"n_diff": 0, "agreement": 1, "max_abs_diff": 0, "mean_abs_diff": 0, "auc_diff": 0, "psi": 0}
REJECTIONS = {"rows_in": 12_400, "valid": 12_345, "rejected": 55, "rules": []}
PROMISE = {
    "model_family": "decision_tree",
    "score": "exact",
    "probability": "exact",
    "promise": "Bit for bit.",
    "rows": 1_234,
    "edge_rows": 34,
    "refused": 5,
    "n_probability_diff": 0,
    "n_label_uncertain": 2,
}
COUNTS = {"valid": 1_000, "synthetic": 0}


def measure(candidate: pd.DataFrame) -> dict:
    """Parity of research with itself, and with a candidate that is held to no difference at all."""
    research, _ = two_models()
    compared = compare_predictions(research, {"handed_over": research, "mllib": candidate})
    failures = [f"{name} is {compared['mllib'][name]}, allowed {limit}" for name, limit in EXACT.items()]
    differs = compared["mllib"]["n_diff"] > 0
    return {
        name: one | {"tolerances": EXACT, "failures": failures if differs and name == "mllib" else []}
        for name, one in compared.items()
    }


def failing() -> dict:
    return measure(two_models()[1])


def render(parity: dict, promise: dict | None = None, **more) -> str:
    return render_parity_report(parity, COUNTS, REJECTIONS, promise or PROMISE, PROJECT, **more)


def test_the_page_needs_no_other_file_and_describes_its_figures() -> None:
    html = render(failing())
    images = Page(html).images
    assert len(images) == 1
    assert all(image["alt"].strip() for image in images)
    assert "between MLlib and research by shop: " in images[0]["alt"]
    assert_needs_no_other_file(html)


def test_both_pages_name_every_failure() -> None:
    parity = failing()
    html, markdown = render(parity), render_parity_markdown(parity)
    assert len(parity["mllib"]["failures"]) == 6
    for failure in parity["mllib"]["failures"]:
        assert f"MLlib: {failure}" in html
        assert f"- mllib: {failure}" in markdown
    assert "handed over: " not in html.split("<h2>")[0].split("nothing is released")[1]
    assert "nothing is released" in html
    assert "nothing is released" in markdown
    assert "nan" not in markdown.lower()


def test_both_pages_say_that_all_is_well() -> None:
    parity = measure(two_models()[0])
    html, markdown = render(parity), render_parity_markdown(parity)
    assert "Every model is within its tolerances." in html
    assert "All within tolerance." in markdown
    assert "nothing is released" not in html + markdown
    assert Page(html).images == []


def test_the_markdown_table_has_a_cell_for_every_column() -> None:
    lines = [line for line in render_parity_markdown(failing()).splitlines() if line.startswith("|")]
    cells = {len(re.split(r"(?<!\\)\|", line)) for line in lines}
    assert len(lines) == 4
    assert len(cells) == 1


def test_figures_are_those_that_were_measured() -> None:
    parity = failing()
    one = parity["mllib"]
    html, markdown = render(parity), render_parity_markdown(parity)
    for figure in (f"{one['n_rows']:,}", f"{one['n_diff']:,}", f"{one['auc']:.4f}", f"{one['research_auc']:.4f}"):
        assert figure in html
        assert figure in markdown
    assert f"{one['agreement']:.2%}" in html


def test_what_is_not_ours_is_escaped_on_the_page() -> None:
    parity = failing()
    parity["mllib"]["failures"] = ["<script>alert(1)</script> & more"]
    html = render(parity)
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in html


def test_the_report_is_named_says_whose_rows_these_are_and_puts_the_verdict_first() -> None:
    html = render(failing())
    assert "<title>Parity report: production against research</title>" in html
    text = Page(html).text
    assert PROJECT.describe_origin(COUNTS) in text
    assert text.index("Out of tolerance") < text.index("Every row accounted for") < text.index("Research against")
    assert "the probability of being returned" in text
    assert "orders of the test split compared" in text
    assert render_parity_markdown(failing()).startswith("# Parity report: production against research\n")


def test_where_rows_have_no_group_the_page_has_no_figure() -> None:
    parity = failing()
    parity["mllib"]["by_group"] = []
    html = render(parity)
    assert Page(html).images == []
    assert "Where MLlib disagrees" in html


def test_the_page_says_what_the_hand_over_promises_and_what_it_was_proven_on() -> None:
    page = Page(render(failing()))
    assert "the research model itself: nothing may differ." in page.text
    assert PROMISE["promise"] in page.text
    assert page.row("All of them") == ["1,234"]
    assert "So near the threshold that their label could differ" not in page.text


def test_a_model_that_is_handed_over_within_a_bound_is_not_said_to_be_the_same() -> None:
    bounded = PROMISE | {"model_family": "linear", "score": "bounded", "probability": "bounded"}
    page = Page(render(failing(), promise=bounded))
    assert "nothing may differ" not in page.text
    assert page.row("So near the threshold that their label could differ") == ["2"]
    assert "Leaf of the research tree, by its probability" not in [cells[0] for cells in page.rows]
    assert "219 of 2,111 orders have another label." in page.text


def test_models_that_differ_in_probabilities_alone_are_said_to() -> None:
    parity = failing()
    parity["mllib"]["n_label_diff"] = 0
    assert "In probabilities alone: not one order has another label." in Page(render(parity)).text


def test_a_project_adds_a_section() -> None:
    page = Page(render(failing(), sections={"Sign-off": [{"reviewer": "A. N. Other", "open questions": 2}]}))
    assert page.row("A. N. Other") == ["2"]
