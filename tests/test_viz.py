"""kedro-viz, seen in a browser: the graph as a newcomer opens it, with no JVM, and the page that is made of it.

`python -m pytest tests/test_viz.py --pictures=docs` renews the picture of the graph in docs/.
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
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest

from browser import serve, start_chromium
from conftest import PROJECT, fresh_environment, listening_addresses, programs_under
from premises.pipeline_registry import register_pipelines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Locator, Page

START_SECONDS = 120
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


@pytest.fixture(scope="module")
def viz(run_storage: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viz]:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    command = ["viz", "run", "--env=base", "--host=127.0.0.1", f"--port={port}", "--no-browser"]
    log = tmp_path_factory.mktemp("viz") / "log.txt"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "kedro", *command, f"--params=storage={run_storage}"],
            cwd=PROJECT,
            env=fresh_environment(HTTPS_PROXY="http://127.0.0.1:9"),  # as `make viz` has it
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + START_SECONDS
        while "started successfully" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.2)
        yield Viz(process.pid, f"http://127.0.0.1:{port}/")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with start_chromium() as browser:
        yield browser


@pytest.fixture
def pictures(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(request.config.getoption("pictures") or tmp_path)


def open_graph(chromium: Browser, url: str) -> Page:
    page = chromium.new_page(viewport={"width": 1600, "height": 900})
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


def show(page: Page, name: str) -> Locator:
    """Click on what the graph shows under a name, and give the pane that opens."""
    node(page, name).click()
    pane = page.locator(".pipeline-metadata", has=page.get_by_role("heading", name=name))
    pane.wait_for()
    return pane


def test_the_graph_opens_closed_and_its_pipelines_and_previews_open_on_a_click(viz, chromium, pictures) -> None:
    page = open_graph(chromium, viz.url)
    assert boxes(page) == PIPELINES
    table = show(page, "model_input").get_by_role("table")
    assert table.locator("th").all_text_contents()[1:4] == ["premises_id", "split", "fold"]
    assert len(table.locator("tr").all()) == 1 + 5
    node(page, "sklearn_research").click()
    picture = show(page, "research_map").locator("img")
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 500
    page.screenshot(path=pictures / "graph.png")
    node(page, "spark_production").click()
    node(page, "publish_release").wait_for()
    assert boxes(page) == [
        "data_engineering",
        *(f"spark_production.{model}" for model in ("h2o", "handed_over", "mllib")),
    ]
    assert '"class":"DecisionTreeClassifier"' in show(page, "research_tree").inner_text()
    page.screenshot(path=pictures / "graph_of_production.png")
    page.close()


def test_nothing_of_java_runs_and_strangers_are_not_listened_to(viz) -> None:
    """After the previews were opened."""
    programs = programs_under(viz.pid)
    assert programs
    assert "java" not in programs.values()
    assert {address for pid in (viz.pid, *programs) for address in listening_addresses(pid)} == {
        ip_address("127.0.0.1")
    }


def test_layers_go_from_raw_to_release(viz) -> None:
    assert viz.ask("main")["layers"] == LAYERS


@pytest.mark.parametrize("pipeline", register_pipelines())
def test_nothing_stands_unconnected_in_the_graph(viz, pipeline) -> None:
    graph = viz.ask(f"pipelines/{pipeline}")
    connected = {end for edge in graph["edges"] for end in (edge["source"], edge["target"])}
    assert connected
    assert not [node["name"] for node in graph["nodes"] if node["id"] not in connected]


def test_everything_that_a_run_has_written_can_be_previewed_but_its_page(viz, run_storage) -> None:
    found = [viz.ask(f"nodes/{node['id']}") for node in viz.ask("main")["nodes"] if node["type"] == "data"]
    written = {one["filepath"]: one for one in found if "filepath" in one and Path(one["filepath"]).exists()}
    assert len(written) > 20
    assert [path for path, one in written.items() if "preview" not in one] == [
        str(run_storage / "08_reporting/research_report.html")
    ]


def test_the_page_that_is_made_of_the_graph_loads_nothing_from_elsewhere(run_storage, chromium, tmp_path) -> None:
    project = tmp_path / "project"
    left_out = shutil.ignore_patterns(".git", ".venv*", ".uv", "data", "build", "*_cache", "__pycache__")
    shutil.copytree(PROJECT, project, ignore=left_out)
    for name, target in ((".venv", PROJECT / ".venv"), ("data", run_storage)):
        (project / name).symlink_to(target)
    make = ["make", "--assume-old=.venv/installed", "viz-build"]
    done = subprocess.run(make, cwd=project, env=fresh_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    built = project / "build/graph"
    assert not [path for path in built.rglob("*") if path.is_file() and str(project).encode() in path.read_bytes()]
    with serve(built) as url:
        page = chromium.new_page()
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url)
        node(page, "census_file").wait_for()
        assert boxes(page) == PIPELINES
        assert "premises_id" in show(page, "model_input").get_by_role("table").inner_text()
        page.close()
    assert asked
    assert not [address for address in asked if not address.startswith(url)]
