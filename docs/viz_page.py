"""Make a page of its own of what `kedro viz build` has written: one that asks the network for nothing.

As kedro-viz makes it, the page fetches a font, opens with what is new in kedro-viz, and tells where this folder lies.
Each change names what it expects to find, and ends with a message where kedro-viz has changed its page (seen in 12.5).

    python docs/viz_page.py BUILD PROJECT

moves the page from the folder BUILD to BUILD/graph, and takes the path of the folder PROJECT out of its data.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

NO_HINTS = "localStorage.KedroViz ??= JSON.stringify({showFeatureHints: false})"
"""What is new in kedro-viz covers a part of the graph until it is clicked away."""

NEEDS_SERVER = (
    'location.protocol == "file:" && addEventListener("load", () => document.body.textContent = '
    '"The graph can not be opened as a file: run make viz.")'
)

CHANGES = (
    ("the links to a font on the network", re.compile(r"\s*<link\b[^>]*fonts\.g[^>]*/>"), "", 3),
    ("the end of the title", re.compile(r"</title>"), f"</title><script>{NO_HINTS}; {NEEDS_SERVER}</script>", 1),
)
"""What is changed in index.html: in words, what is looked for, what stands there instead, and how often it is there."""

PARTS = ("api", "assets", "index.html", "favicon.ico")


def rewrite_page(html: str) -> str:
    """Take from a page what it fetches and what it opens with.

    Args:
        html: `index.html`, as kedro-viz writes it.

    Returns:
        The page that is served.

    Raises:
        ValueError: The page is not the one that this knows.
    """
    for what, pattern, replacement, expected in CHANGES:
        html, found = pattern.subn(lambda _, text=replacement: text, html)
        if found != expected:
            msg = (
                f"kedro-viz's index.html: {what} should be there {expected} times and is there {found} times. "
                "kedro-viz has changed its page: adapt CHANGES in docs/viz_page.py."
            )
            raise ValueError(msg)
    if loaded := re.findall(r"""(?:src|href)=["']([a-z]*:?//[^"']+)""", html):
        msg = (
            f"kedro-viz's index.html loads {', '.join(loaded)}, so the page would ask the network. "
            "Take it out by another line of CHANGES in docs/viz_page.py."
        )
        raise ValueError(msg)
    return html


def hide_folder(api: Path, project: Path) -> None:
    """Make the paths of data relative to the project.

    Args:
        api: The folder with the answers of kedro-viz's server.
        project: The folder whose path is taken out.

    Raises:
        ValueError: No answer names the folder, so paths have another form than this knows.
    """
    folder = f"{project.resolve()}/"
    named = [path for path in api.rglob("*") if path.is_file() and folder in path.read_text(encoding="utf-8")]
    if not named:
        msg = (
            f"kedro-viz's api: no file names {folder}. kedro-viz writes paths in another form now: "
            "adapt hide_folder in docs/viz_page.py."
        )
        raise ValueError(msg)
    for path in named:
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(f"file://{folder}", "").replace(folder, ""), encoding="utf-8")


def make_page(build: Path, project: Path) -> Path:
    """Move kedro-viz's page into a folder of its own, changed.

    Args:
        build: Where `kedro viz build` has written.
        project: The project that the graph is of.

    Returns:
        The folder with the page.

    Raises:
        ValueError: A part is missing, or is not the one that this knows.
    """
    if missing := [part for part in PARTS if not (build / part).exists()]:
        msg = f"{build}: kedro-viz has not written {', '.join(missing)}. Read what `kedro viz build` says."
        raise ValueError(msg)
    index = build / "index.html"
    index.write_text(rewrite_page(index.read_text(encoding="utf-8")), encoding="utf-8")
    hide_folder(build / "api", project)
    graph = build / "graph"
    shutil.rmtree(graph, ignore_errors=True)
    graph.mkdir()
    for part in PARTS:
        (build / part).rename(graph / part)
    return graph


if __name__ == "__main__":
    try:
        make_page(Path(sys.argv[1]), Path(sys.argv[2]))
    except ValueError as error:
        sys.exit(str(error))
