"""docs/viz_page.py: what is taken out of kedro-viz's page, and that a page which is another one is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import kedro_viz
import pytest

from conftest import PROJECT

SCRIPT = PROJECT / "docs" / "viz_page.py"
PAGE = Path(kedro_viz.__file__).parent / "html"


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A folder as `kedro viz build` leaves it, for a project beside it."""
    folder = tmp_path / "project" / "build"
    shutil.copytree(PAGE, folder)
    (folder / "api" / "nodes").mkdir(parents=True)
    project = folder.parent
    answer = {"filepath": f"file://{project}/data/a.csv", "code": f"{project}/src/a.py", "name": "a"}
    (folder / "api" / "nodes" / "1").write_text(json.dumps(answer))
    (folder / "api" / "main").write_text("{}")
    return folder


def make_page(build: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPT, build, build.parent]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_page_loads_nothing_from_elsewhere_and_tells_no_folder(build) -> None:
    done = make_page(build)
    assert done.returncode == 0, done.stderr
    graph = build / "graph"
    page = (graph / "index.html").read_text()
    assert "//fonts" not in page
    assert "showFeatureHints: false" in page
    assert "run make viz" in page
    assert (graph / "assets").is_dir()
    answer = json.loads((graph / "api/nodes/1").read_text())
    assert answer == {"filepath": "data/a.csv", "code": "src/a.py", "name": "a"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("</title>", "", "the end of the title should be there 1 times and is there 0 times"),
        ('rel="preconnect" href="https://fonts.gstatic.com"', "", "the links to a font"),
        ("</head>", '<script src="https://example.com/a.js"></script></head>', "loads https://example.com/a.js"),
    ],
)
def test_a_page_that_is_another_one_is_refused(build, old, new, message) -> None:
    index = build / "index.html"
    assert old in index.read_text()
    index.write_text(index.read_text().replace(old, new))
    done = make_page(build)
    assert done.returncode == 1
    assert message in done.stderr
    assert "docs/viz_page.py" in done.stderr
    assert not (build / "graph").exists()


def test_paths_in_another_form_and_a_missing_part_are_refused(build) -> None:
    (build / "api/nodes/1").write_text("{}")
    done = make_page(build)
    assert (done.returncode, "kedro-viz writes paths in another form now" in done.stderr) == (1, True)
    shutil.rmtree(build / "assets")
    done = make_page(build)
    assert (done.returncode, "kedro-viz has not written assets" in done.stderr) == (1, True)
