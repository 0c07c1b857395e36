"""The reports of a run are those of its outputs, and read well in a browser: on a phone and wide, by day and by night.

`python -m pytest tests/test_reports.py --figures=docs` renews the picture of the parity report in docs/.
"""

from __future__ import annotations

import json
from base64 import b64decode
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from browser import start_chromium
from conftest import PROJECT
from kedro_handover.project import ProjectSpec
from kedro_handover.reporting.drift_report import render_drift_report
from kedro_handover.reporting.parity_report import render_parity_report
from premises.pipelines.sklearn_research.pipeline import FIGURES
from report_page import Page as ReadPage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

CONTRAST = 4.5
"""Of text to its ground, that WCAG asks for."""

SPEC = ProjectSpec.model_validate(
    yaml.safe_load((PROJECT / "conf" / "base" / "project.yml").read_text(encoding="utf-8"))["project"]
)
NAMES = ("research_report", "parity_report", "drift_report", "parity_out_of_tolerance", "drifted")
PHONE, WIDE = 390, 1100
SCHEMES = ("light", "dark")

LEAST_CONTRAST = """() => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const luminance = colour => {
    const [r, g, b] = channels(colour).map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = element => {
    const colour = getComputedStyle(element).backgroundColor;
    return channels(colour)[3] === 0 ? ground(element.parentElement) : colour;
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim()) continue;
    const [dark, light] = [getComputedStyle(element).color, ground(element)].map(luminance).sort((a, b) => a - b);
    found.push((light + 0.05) / (dark + 0.05));
  }
  return Math.min(...found);
}"""
"""Of all text of a page to the colour behind it."""

STICKING_OUT = """() => [...document.querySelectorAll("main *")]
  .filter(element => !element.closest(".wide") && getComputedStyle(element).display !== "inline")
  .filter(element => element.scrollWidth > element.clientWidth + 1)  // a part of a pixel is rounded
  .map(element => element.outerHTML.slice(0, 80))"""
"""What is wider than the screen or than its box, but for what scrolls in a box of its own."""


@pytest.fixture(scope="module")
def pages(prod_storage: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The addresses of the pages of a run, and of two that tell of failures."""
    reporting = prod_storage / "08_reporting"
    row_counts, rejections, parity, drift = (
        json.loads((reporting / f"{name}.json").read_text()) for name in ("row_counts", "rejections", "parity", "drift")
    )
    promise = json.loads((prod_storage / "06_models" / "promise.json").read_text())
    parity["mllib"]["failures"] = ["agreement is 0.8, allowed at least 0.9"]
    drift["failures"] = ["x_metres: PSI is 0.300, allowed at most 0.25"]
    drift["features"][0]["psi"] = 0.3
    folder = tmp_path_factory.mktemp("pages")
    (folder / "parity_out_of_tolerance.html").write_text(
        render_parity_report(parity, row_counts, rejections, promise, SPEC)
    )
    (folder / "drifted.html").write_text(render_drift_report(drift, rejections, SPEC))
    places = ((folder if (folder / f"{name}.html").exists() else reporting) / f"{name}.html" for name in NAMES)
    return {place.stem: place.as_uri() for place in places}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with start_chromium() as browser:
        yield browser


@contextmanager
def opened(chromium: Browser, address: str, width: int, scheme: str = "light") -> Iterator[Page]:
    page = chromium.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.goto(address)
    yield page
    page.close()


@pytest.mark.parametrize("width", [PHONE, WIDE])
@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_no_wider_than_its_screen_and_nothing_sticks_out(pages, chromium, name, width) -> None:
    with opened(chromium, pages[name], width) as page:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate(STICKING_OUT) == []


def test_on_a_phone_a_wide_table_scrolls_in_its_own_box_and_keeps_its_first_column(pages, chromium) -> None:
    with opened(chromium, pages["parity_report"], PHONE) as page:
        box = page.locator(".wide", has_text="AUC of research")
        assert box.evaluate("box => box.scrollWidth > box.clientWidth")
        box.evaluate("box => box.scrollTo(10_000, 0)")
        assert box.locator("td").first.bounding_box()["x"] == box.bounding_box()["x"]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", NAMES)
def test_text_stands_out_from_its_ground_by_day_and_by_night(pages, chromium, name, scheme) -> None:
    with opened(chromium, pages[name], WIDE, scheme) as page:
        assert page.evaluate(LEAST_CONTRAST) >= CONTRAST


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_says_what_it_shows_and_stays_on_white_by_night(pages, chromium, name) -> None:
    with opened(chromium, pages[name], WIDE, "dark") as page:
        ground = "getComputedStyle(image).backgroundColor"
        found = page.locator("img").evaluate_all(
            f"images => images.map(image => [image.alt, image.naturalWidth, {ground}])"
        )
        assert found
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(24, 24, 24)"
        for says, width, behind in found:
            assert len(says) > 20
            assert width > 500
            assert behind == "rgb(255, 255, 255)"


def test_the_verdict_is_on_the_first_screen_of_a_phone(pages, chromium, request, tmp_path) -> None:
    for name, verdict in (
        ("parity_report", "✓ Every model is within its tolerances."),
        ("parity_out_of_tolerance", "✗ Out of tolerance: nothing is released."),
        ("drift_report", "✓ Every feature is within its limits."),
        ("drifted", "✗ Scored, with a warning: the table has drifted."),
    ):
        with opened(chromium, pages[name], PHONE) as page:
            box = page.get_by_text(verdict, exact=True).bounding_box()
            assert box["y"] + box["height"] < 800
    folder = Path(request.config.getoption("figures") or tmp_path)
    with opened(chromium, pages["parity_report"], WIDE) as page:
        page.screenshot(path=folder / "parity.png")


def test_the_research_report_of_a_run_is_that_of_its_outputs(run_storage: Path) -> None:
    reports = run_storage / "08_reporting"
    found = ReadPage((reports / "research_report.html").read_text(encoding="utf-8"))
    assert [b64decode(image["src"].split(",")[1]) for image in found.images] == [
        (reports / f"research_{name}.png").read_bytes() for name in FIGURES
    ]
    assert found.images[FIGURES.index("map")]["alt"] == SPEC.figures["map"]
    metrics = json.loads((reports / "research_metrics.json").read_text())
    assert found.row("AUC") == [f"{metrics[split]['auc']:.4f}" for split in ("train", "test")]
    counts = json.loads((reports / "row_counts.json").read_text())
    assert found.row("Valid")[-1] == f"{counts['valid']:,}" == "78,033"
    assert metrics["test"]["rows"] == counts["test_positive"] + counts["test_negative"]
    assert SPEC.describe_origin(counts) in found.text
    assert "synthetic, not real data" in found.text
    assert "Research report: Is a premises active?" in found.text
    assert "13,023 premises of unknown status teach nothing" in found.text


@pytest.mark.parametrize("name", NAMES[:3])
def test_a_report_of_a_run_speaks_of_premises_and_credits_the_publisher(pages, name) -> None:
    text = ReadPage(Path(pages[name].removeprefix("file://")).read_text(encoding="utf-8")).text
    assert SPEC.credit in text
    assert "premises" in text
    assert not {"positive", "negative"} & set(text.split())
