"""The drift report gives the verdict, what is over its limit, and what is done about it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from kedro_handover.evaluation.drift import measure_drift, profile_features
from kedro_handover.reporting.drift_report import render_drift_report
from kedro_handover.testing import to_pandas
from report_page import Page, assert_needs_no_other_file
from toy import FEATURES, PROJECT, make_features

ROWS = 5_000
REJECTIONS = {"rows_in": ROWS + 1, "valid": ROWS, "rejected": 1, "rules": []}
BEFORE = make_features(ROWS)
PROFILE = profile_features(to_pandas(BEFORE), FEATURES, ["shop"])


def drift_of(table: pa.Table, action: str = "warn") -> dict:
    return measure_drift(to_pandas(table), PROFILE, largest_psi=0.25, unseen_share=0.01, action=action)


def moved() -> pa.Table:
    place = BEFORE.column_names.index("shop")
    return BEFORE.set_column(place, "shop", pa.array(np.ones(ROWS), pa.float32()))


def test_the_page_names_what_is_over_and_what_is_done() -> None:
    drift = drift_of(moved())
    warned = render_drift_report(drift, REJECTIONS, PROJECT)
    assert "Scored, with a warning: the table has drifted" in warned
    assert drift["failures"][0].startswith("shop: PSI is ")
    assert drift["failures"][0] in warned
    assert "data:image/png;base64," in warned
    stopped = render_drift_report(drift | {"action": "stop"}, REJECTIONS, PROJECT)
    assert "Nothing is scored: the table has drifted" in stopped
    assert "Every feature is within its limits" in render_drift_report(drift_of(BEFORE), REJECTIONS, PROJECT)


def test_the_page_is_named_credits_the_publisher_and_needs_no_other_file() -> None:
    html = render_drift_report(drift_of(moved()), REJECTIONS, PROJECT, sections={"Why": "A new shop."})
    assert "<title>Drift report: the rows to score against those of the release</title>" in html
    page = Page(html)
    assert f"5,000 orders to score, against 5,000 of the release, feature by feature. {PROJECT.credit}." in page.text
    assert "5,001 rows in = 5,000 valid + 1 rejected." in page.text
    assert "Why A new shop." in page.text
    assert_needs_no_other_file(html)


def test_every_feature_has_a_row_the_one_that_has_drifted_most_first() -> None:
    page = Page(render_drift_report(drift_of(moved()), REJECTIONS, PROJECT))
    features = [cells[0] for cells in page.rows if cells[0] in FEATURES]
    assert features == ["shop", "price"]
    assert page.row("shop")[3:4] == ["1"]
    assert page.row("price")[:4] == ["0.0000", "0.00%", "0.00%", "nowhere"]
    assert "of shop; the limit is 0.25." in page.images[0]["alt"]
