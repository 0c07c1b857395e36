"""kedro-viz, seen in a browser: the graph as a newcomer opens it, with no JVM, and the page that is made of it.

`python -m pytest tests/test_viz.py --figures=docs` renews the figure of the graph in docs/.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest

from browser import start_chromium
from conftest import PROJECT, fresh_environment, listening_addresses, programs_under
from premises.pipeline_registry import register_pipelines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.spark

START_SECONDS = 120
STILL_MILLISECONDS = 300
PIPELINES = ["data_engineering", "sklearn_research", "spark_production"]
LAYERS = ["raw", "intermediate", "feature", "model_input", "models", "model_output", "reporting", "release"]
NO_HINTS = "localStorage.KedroViz ??= JSON.stringify({showFeatureHints: false})"
"""kedro-viz' news cover a part of the graph until they are clicked away."""


class Viz:
    """A running kedro-viz."""

    def __init__(self, pid: int, url: str) -> None:
        self.pid, self.url = pid, url

    def ask(self, path: str) -> Any:
        with urlopen(f"{self.url}api/{path}") as answer:  # noqa: S310 - on this machine
            return json.load(answer)


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return listener.getsockname()[1]


def answers(port: int) -> bool:
    with closing(socket.socket()) as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def serving(command: list[str], cwd: Path, port: int) -> Iterator[Viz]:
    """Run a command that serves the graph, until the test is over."""
    with TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=fresh_environment(HTTPS_PROXY="http://127.0.0.1:9", BROWSER="true"),  # nothing is let out, or opened
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            until = time.monotonic() + START_SECONDS
            while not answers(port):
                assert process.poll() is None, os.pread(log.fileno(), 100_000, 0).decode()
                assert time.monotonic() < until, os.pread(log.fileno(), 100_000, 0).decode()
                time.sleep(0.2)
            yield Viz(process.pid, f"http://127.0.0.1:{port}/")
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


@contextmanager
def kedro_viz(env: str, storage: Path) -> Iterator[Viz]:
    port = free_port()
    options = [f"--env={env}", "--host=127.0.0.1", f"--port={port}", "--no-browser", f"--params=storage={storage}"]
    with serving([sys.executable, "-m", "kedro", "viz", "run", *options], PROJECT, port) as running:
        yield running


@pytest.fixture(scope="module")
def viz(run_storage: Path) -> Iterator[Viz]:
    with kedro_viz("base", run_storage) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with start_chromium() as browser:
        yield browser


def open_graph(chromium: Browser, url: str) -> Page:
    page = chromium.new_page(viewport={"width": 1400, "height": 800})
    page.add_init_script(NO_HINTS)
    page.goto(url)
    node(page, "census_file").wait_for()
    return page


def node(page: Page, name: str) -> Locator:
    """What the graph shows under a name."""
    return page.locator("g.pipeline-node", has=page.get_by_text(name, exact=True))


def boxes(page: Page) -> list[str]:
    """The pipelines that are closed."""
    return sorted(page.locator("g.pipeline-node--modularPipeline").all_text_contents())


def click(page: Page, name: str) -> None:
    """Click on what the graph shows under a name, once it moves no more."""
    node(page, name).wait_for()
    before, box = None, node(page, name).bounding_box()
    while box != before:
        page.wait_for_timeout(STILL_MILLISECONDS)
        before, box = box, node(page, name).bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def close(page: Page) -> None:
    """Close the pane: the whole graph is in view again."""
    page.get_by_role("button", name="Close Metadata Panel").click()


def show(page: Page, name: str) -> Locator:
    """The same, and give the pane that opens."""
    click(page, name)
    pane = page.locator(".pipeline-metadata", has=page.get_by_role("heading", name=name))
    pane.wait_for()
    return pane


def assert_closed(viz: Viz) -> None:
    programs = programs_under(viz.pid)
    assert programs
    assert "java" not in programs.values()
    assert {address for pid in (viz.pid, *programs) for address in listening_addresses(pid)} == {
        ip_address("127.0.0.1")
    }


def test_the_graph_opens_closed_and_its_pipelines_and_previews_open_on_a_click(viz, chromium, tmp_path) -> None:
    page = open_graph(chromium, viz.url)
    assert boxes(page) == PIPELINES
    table = show(page, "model_input").get_by_role("table")
    table.wait_for()
    assert table.locator("th").all_text_contents()[:3] == ["id", "split", "fold"]
    assert len(table.locator("tr").all()) == 1 + 5
    close(page)
    click(page, "sklearn_research")
    figure = show(page, "research_map").locator("img")
    assert figure.evaluate("image => image.decode().then(() => image.naturalWidth)") > 500
    close(page)
    click(page, "spark_production")
    node(page, "spark_production").wait_for(state="detached")  # it fades
    node(page, "publish_release").wait_for()
    assert boxes(page) == [
        "data_engineering",
        *(f"spark_production.{model}" for model in ("h2o", "handed_over", "mllib")),
    ]
    show(page, "research_model").get_by_text("DecisionTreeClassifier").wait_for()
    page.screenshot(path=tmp_path / "graph.png")
    page.close()


def test_nothing_of_java_runs_and_every_port_is_bound_to_loopback(viz) -> None:
    """After the previews were opened."""
    assert_closed(viz)


def test_layers_go_from_raw_to_release(viz) -> None:
    assert viz.ask("main")["layers"] == LAYERS


@pytest.mark.parametrize("pipeline", register_pipelines())
def test_nothing_stands_unconnected_in_the_graph(viz, pipeline) -> None:
    graph = viz.ask(f"pipelines/{pipeline}")
    connected = {end for edge in graph["edges"] for end in (edge["source"], edge["target"])}
    assert connected
    assert not [node["name"] for node in graph["nodes"] if node["id"] not in connected]


def without_preview(viz: Viz) -> set[str]:
    """The files that a run has written and that kedro-viz does not show."""
    found = [viz.ask(f"nodes/{node['id']}") for node in viz.ask("main")["nodes"] if node["type"] == "data"]
    written = {Path(one["filepath"].removeprefix("file://")): one for one in found if "filepath" in one}
    shown = {path: "preview" in one for path, one in written.items() if path.exists()}
    assert sum(shown.values()) > 20
    return {path.name for path in shown if not shown[path]}


def test_everything_that_research_has_written_can_be_previewed_but_its_page(viz) -> None:
    assert without_preview(viz) == {"research_report.html"}


def test_everything_that_production_has_written_can_be_previewed_but_text_and_no_java_runs(prod_storage) -> None:
    with kedro_viz("prod", prod_storage) as running:
        pages = {f"{name}_report.html" for name in ("research", "parity", "drift")}
        # Two datasets read the manifest (`release@manifest`, `release@model`), and kedro-viz previews no such pair.
        assert without_preview(running) == {*pages, "parity.md", "handed_over.sql", "release.json"}
        assert_closed(running)


def test_the_page_that_is_made_of_the_graph_loads_nothing_from_elsewhere(
    run_storage, chromium, request, tmp_path
) -> None:
    project = tmp_path / "project"
    left_out = shutil.ignore_patterns(".git", ".venv*", ".uv", "data", "build", "*_cache", "__pycache__")
    shutil.copytree(PROJECT, project, ignore=left_out)
    for name, target in ((".venv", PROJECT / ".venv"), ("data", run_storage)):
        (project / name).symlink_to(target)
    port = free_port()
    make = ["make", "--assume-old=.venv/installed-for-tests", "viz", f"PORT={port}"]
    with serving(make, project, port) as running:
        page, asked = chromium.new_page(viewport={"width": 1400, "height": 1000}), []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(running.url)
        node(page, "census_file").wait_for()
        assert boxes(page) == PIPELINES
        page.get_by_role("button", name="Hide menu").click()
        page.get_by_role("button", name="Turn minimap off").click()
        show(page, "model_input").get_by_role("table").get_by_text("fold", exact=True).wait_for()
        page.mouse.move(0, 0)
        page.screenshot(path=Path(request.config.getoption("figures") or tmp_path) / "graph.png", animations="disabled")
        page.close()
        assert_closed(running)
    assert not [
        path for path in (project / "build").rglob("*") if path.is_file() and str(project).encode() in path.read_bytes()
    ]
    assert asked
    assert not [address for address in asked if not address.removeprefix("blob:").startswith(running.url)]
