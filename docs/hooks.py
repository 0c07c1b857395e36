"""What MkDocs calls as it builds the site: it adds the pages that nobody writes by hand, and what a run has left.

Figures in the text are filled in by mkdocs-macros, a standard plug-in; `figures.py` and `reference.py` beside this file
are the macros. MkDocs itself adds generated pages since 1.6, so no plug-in is needed for them: mkdocs-gen-files,
mkdocs-literate-nav and mkdocs-section-index have moved to a fork of MkDocs, and pull it in. Notebooks become Markdown
by nbconvert, which keeps the site's look and its check of links; mkdocs-jupyter brings JupyterLab's look, and takes
notebooks from below `docs` alone. Nothing here starts Spark.
"""

from __future__ import annotations

import logging
import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import figures
import reference
from figures import PROJECT
from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

MIRRORED = ("deploy/README.md",)
"""Pages of the repository that are pages of the site, too."""

NOT_RENDERED = "---\nrender_macros: false\n---\n\n"
"""What keeps mkdocs-macros from a page: notebooks and shell commands have braces of their own."""


def on_config(config: MkDocsConfig) -> None:
    """Register the macros, and put the pages that are found, not listed in mkdocs.yml, into the navigation."""
    logging.getLogger("mkdocs.plugins.mkdocs_macros").setLevel(logging.WARNING)  # why a build ends, with --quiet too
    figures.load_conf.cache_clear()  # `mkdocs serve` builds again when conf has changed
    macros: Any = config.plugins["macros"]
    macros.register_variables(figures.list_results(config.extra["storage"]))
    macros.register_filters({"shown": figures.show})
    macros.register_macros(figures.make_macros(config.extra["storage"]) | reference.MACROS)
    navigation: Any = config.nav
    (in_reference,) = (section["Reference"] for section in navigation if "Reference" in section)
    in_reference.append({"Code": [{package: reference.code_page(package)} for package in reference.list_modules()]})
    if notebooks := list_notebooks():
        navigation.append({"Notebooks": [_notebook_page(path) for path in notebooks]})
    if _graph(config).exists():
        navigation.append({"Graph": "graph.md"})


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add generated pages, the figures and reports of the last run, and the graph."""
    pages: dict[str, str | bytes] = {
        **{reference.code_page(package): reference.write_code(package) for package in reference.list_modules()},
        **{path: NOT_RENDERED + (PROJECT / path).read_text(encoding="utf-8") for path in MIRRORED},
        **figures.list_files_of_runs(config.extra["storage"]),
    }
    for notebook in list_notebooks():
        pages |= write_notebook(notebook)
    if (graph := _graph(config)).exists():
        pages["graph.md"] = "# Graph\n\n[Open the graph of the pipelines](graph/index.html), as kedro-viz draws it.\n"
        for path in sorted(graph.parent.rglob("*")):
            if path.is_file():
                uri = f"graph/{path.relative_to(graph.parent).as_posix()}"
                files.append(File.generated(config, uri, abs_src_path=str(path)))
    for uri, content in pages.items():
        files.append(File.generated(config, uri, content=content))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - MkDocs' names
    """Let links between files of the repository lead to pages of the site."""
    return relink(markdown, page.file.src_uri)


def list_notebooks() -> list[Path]:
    """Find the notebooks."""
    return sorted((PROJECT / "notebooks").glob("*.ipynb"))


def write_notebook(path: Path) -> dict[str, str | bytes]:
    """Turn a notebook, with the outputs that it holds, into a page and its figures."""
    from nbconvert import MarkdownExporter

    folder = f"{path.stem}_files"
    exporter: Any = MarkdownExporter
    body, resources = exporter().from_filename(str(path), resources={"output_files_dir": folder})
    images = {f"notebooks/{name}": content for name, content in resources["outputs"].items()}
    of_the_theme = body.replace('<table border="1" class="dataframe">', "<table>")  # a table of pandas
    return {_notebook_page(path): NOT_RENDERED + of_the_theme, **images}


def relink(markdown: str, uri: str) -> str:
    """Let links between files of the repository lead to pages of the site; of other files the text is left.

    Args:
        markdown: A page.
        uri: Where it is in the site.

    Returns:
        The page.

    Raises:
        FileNotFoundError: If a link leads to no file of the repository.
    """
    home = posixpath.dirname(_in_repository(uri))

    def fix(link: re.Match[str]) -> str:
        text, target, anchor = link.groups()
        path = posixpath.normpath(posixpath.join(home, target))
        page = path.removeprefix("docs/") if path.startswith("docs/") else re.sub(r"\.ipynb$", ".md", path)
        if path.startswith(("docs/", "notebooks/")) or path in MIRRORED:
            return f"[{text}]({posixpath.relpath(page, posixpath.dirname(uri))}{anchor or ''})"
        if not (PROJECT / path).exists():
            msg = f"{_in_repository(uri)}: the link to {target} leads nowhere. Fix it."
            raise FileNotFoundError(msg)
        return f"`{path}`" if text.strip("`") in {path, target} else f"{text} (`{path}`)"

    return re.sub(r"(?<!!)\[([^\]]+)\]\(((?:\.\./|[\w-]+\.ipynb)[^)#\s]*)(#[^)\s]*)?\)", fix, markdown)


def _in_repository(uri: str) -> str:
    """Say which file of the repository a page comes from."""
    return uri if uri in MIRRORED or uri.startswith("notebooks/") else f"docs/{uri}"


def _notebook_page(path: Path) -> str:
    return f"notebooks/{path.stem}.md"


def _graph(config: MkDocsConfig) -> Path:
    """Say where the page of kedro-viz's graph is, if it has been built."""
    folder: str = config.extra["graph"]
    return PROJECT / folder / "index.html"
