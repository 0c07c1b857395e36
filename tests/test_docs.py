"""The documentation site: it builds in a fresh clone, all its links lead somewhere, its figures are those of a run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from functools import cached_property
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pandas as pd
import pytest
from jinja2 import Environment, StrictUndefined, UndefinedError
from kedro.config import OmegaConfigLoader
from mkdocs.commands.build import build
from mkdocs.config import load_config
from playwright.sync_api import sync_playwright
from sklearn.ensemble import HistGradientBoostingClassifier

from conftest import PROJECT, fresh_environment
from premises.census.contract import FEATURES
from premises.settings import CONFIG_LOADER_ARGS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

pytestmark = pytest.mark.spark

SOURCES = ("benchmarks", "conf", "deploy", "docs", "notebooks", "packages", "src", "mkdocs.yml")
"""What of a clone the site is made from."""

LOADED = {"audio": "src", "embed": "src", "iframe": "src", "img": "src", "link": "href", "script": "src"}
LOADED |= {"object": "data", "source": "src", "track": "src", "use": "href", "video": "src"}
"""Where a browser finds what it loads by itself."""

NOT_MEASURED = "not measured here: run make run"


class Html(HTMLParser):
    """What a page links to and loads, what can be linked to in it, and what it says."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.navigation: list[str] = []
        self.said: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
            if "md-nav__link" in given.get("class", ""):
                self.navigation.append(given["href"])
        if tag == "link" and given.get("rel") in {"next", "prev", "canonical"}:
            self.links.append(given["href"])
        elif LOADED.get(tag) in given:
            self.loads.append(given[LOADED[tag]])

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    @cached_property
    def text(self) -> str:
        return " ".join("".join(self.said).split())


def read_site(site: Path) -> dict[Path, Html]:
    return {path: Html(path) for path in site.rglob("*.html")}


def find_dead_links(site: Path) -> list[str]:
    """List links and resources of a site that are not in it; a link, but no resource, may lead to the web."""
    pages = read_site(site)
    dead = []
    for page in pages.values():
        for kind, targets in (("link", page.links), ("resource", page.loads)):
            for target in targets:
                parts = urlsplit(target)
                if parts.scheme == "data" or (kind == "link" and parts.scheme in {"http", "https"}):
                    continue
                home = site if parts.path.startswith("/") else page.path.parent
                path = (home / unquote(parts.path).lstrip("/")).resolve() if parts.path else page.path
                known = pages[path].ids if path in pages else set()
                is_there = path.is_file() and (not parts.fragment or parts.fragment in known)
                if parts.scheme or parts.netloc or not is_there:
                    dead.append(f"{page.path.relative_to(site)}: {kind} {target}")
    for style in site.rglob("*.css"):
        urls = re.findall(r"(?:url\(|@import)\s*['\"]?([^'\")]+)", style.read_text(encoding="utf-8"))
        dead += [f"{style.relative_to(site)}: {url}" for url in urls if not url.startswith("data:")]
    return dead


def import_from_docs(name: str) -> ModuleType:
    """Import a module that lies beside the pages, as MkDocs does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PROJECT / "docs")
        return import_module(name)


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    return import_from_docs("hooks")


@pytest.fixture(scope="module")
def figures() -> ModuleType:
    return import_from_docs("figures")


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    return import_from_docs("reference")


@pytest.fixture(scope="module")
def fresh_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as the command builds it where nothing has run and there is no Java, with a notebook and a graph."""
    import nbformat  # slow to import, as jupytext is

    clone = tmp_path_factory.mktemp("clone")
    leave = shutil.ignore_patterns("__pycache__", "*.egg-info", ".ipynb_checkpoints")
    for name in SOURCES:
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, clone / name, ignore=leave)
        else:
            shutil.copy(PROJECT / name, clone / name)
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    figure = nbformat.v4.new_output("display_data", {"image/png": pixel, "text/plain": "a figure"})
    cells = [
        nbformat.v4.new_markdown_cell("# A first look\n\nMore of it in [the data](../docs/data.md#the-rules)."),
        nbformat.v4.new_code_cell("{{'a': 1}['a']}", outputs=[figure]),
    ]
    (clone / "notebooks").mkdir(exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), clone / "notebooks/99_first_look.ipynb")
    (clone / "build/graph").mkdir(parents=True)
    (clone / "build/graph/index.html").write_text("<title>Graph</title>", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet"],
        cwd=clone,
        env=fresh_environment(JAVA_HOME=str(clone / "nowhere"), NO_MKDOCS_2_WARNING="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return clone / "site"


@pytest.fixture(scope="module")
def site(run_storage: Path, prod_storage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site with the figures of a run."""
    folder = tmp_path_factory.mktemp("site")
    config = load_config(str(PROJECT / "mkdocs.yml"), site_dir=str(folder))
    config.extra |= {"storage": {"base": str(run_storage), "prod": str(prod_storage)}, "graph": str(folder / "none")}
    config.plugins.on_startup(command="build", dirty=False)
    build(config)
    config.plugins.on_shutdown()
    return folder


def load_conf(env: str) -> OmegaConfigLoader:
    return OmegaConfigLoader(str(PROJECT / "conf"), env=env, **CONFIG_LOADER_ARGS)


def leaves(values: Any, name: str) -> Iterator[str]:
    if isinstance(values, dict):
        for key, value in values.items():
            yield from leaves(value, f"{name}.{key}")
    else:
        yield name


def test_no_link_leads_nowhere_and_nothing_is_loaded_from_elsewhere(fresh_site: Path) -> None:
    assert find_dead_links(fresh_site) == []


def test_with_a_run_its_reports_and_figures_are_in_the_site(site: Path, run_storage: Path, prod_storage: Path) -> None:
    assert find_dead_links(site) == []
    for env, storage, name in (
        ("base", run_storage, "research_map.png"),
        ("base", run_storage, "research_report.html"),
        ("prod", prod_storage, "parity_report.html"),
        ("prod", prod_storage, "drift_report.html"),
    ):
        assert (site / "run" / env / name).read_bytes() == (storage / "08_reporting" / name).read_bytes()


def test_the_check_of_links_finds_what_is_dead(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        '<p id="here"><a href="#here">yes</a><a href="#there">no</a><a href="gone.html">no</a><a href="https://kedro.org">'
        'yes</a></p><script src="https://elsewhere/x.js"></script><img src="//elsewhere/x.png"><link rel="stylesheet" '
        'href="style.css">'
    )
    (tmp_path / "style.css").write_text("@import 'https://elsewhere/font.css'; a { background: url(data:image/png,) }")
    assert find_dead_links(tmp_path) == [
        "index.html: link #there",
        "index.html: link gone.html",
        "index.html: resource https://elsewhere/x.js",
        "index.html: resource //elsewhere/x.png",
        "style.css: https://elsewhere/font.css",
    ]


def test_every_page_is_in_the_navigation(fresh_site: Path) -> None:
    listed = {(fresh_site / link.split("#")[0]).resolve() for link in Html(fresh_site / "index.html").navigation}
    pages = {path for path in fresh_site.rglob("*.html") if path.name != "404.html"}
    assert pages - listed == {fresh_site / "graph/index.html"}
    assert len(pages) > len(list((PROJECT / "docs").rglob("*.md"))) > 10


def test_every_parameter_is_in_the_reference_with_what_it_may_be_and_what_it_is(
    fresh_site: Path, figures: ModuleType, reference: ModuleType
) -> None:
    page = Html(fresh_site / "reference/parameters.html")
    blocks = {}
    for env in reversed(figures.list_environments()):
        blocks |= load_conf(env)["parameters"]
    names = [name for block, values in blocks.items() for name in leaves(values, block)]
    rows = [row for block in blocks for row in reference.list_parameters(block)]
    assert [name for name, *_ in rows if f"{name} " not in page.text] == []
    listed = tuple(name for name, *_ in rows)
    # A mapping of names of the project's own is one parameter.
    assert [
        name for name in names if name not in listed and not name.startswith(tuple(f"{one}." for one in listed))
    ] == []
    assert len(names) > 40
    assert blocks.keys() <= page.ids
    assert "data_engineering.grid_metres 100 whole number, at least 1, at most 10,000 Side of a grid cell" in page.text
    assert all(what for *_, what in rows)


def test_every_dataset_is_in_the_reference_with_its_place_in_each_environment(
    fresh_site: Path, figures: ModuleType
) -> None:
    page = Html(fresh_site / "reference/datasets.html")
    for env in figures.list_environments():
        for name, entry in load_conf(env)["catalog"].items():
            if "filepath" not in entry:
                assert name in page.text.partition("In memory")[2]
                continue
            assert name in page.ids
            assert f"{entry['type']}" in page.text
            assert entry["filepath"] in page.text
    assert all(feature in page.text for feature in FEATURES)
    assert "Written by sklearn_research.predict. Read by sklearn_research.evaluate_predictions" in page.text


def test_every_environment_is_in_the_reference_with_what_a_plain_run_runs(fresh_site: Path) -> None:
    page = Html(fresh_site / "reference/environments.html")
    environments = [path for path in (PROJECT / "conf").iterdir() if path.name != "local" and list(path.glob("*.yml"))]
    assert {"base", "prod"} <= {path.name for path in environments}
    for path in environments:
        assert path.name in page.ids
        assert f"runs {', '.join(load_conf(path.name)['run']['pipelines'])}." in page.text


def test_every_public_module_is_in_the_reference(fresh_site: Path) -> None:
    pages = [Html(path) for path in (fresh_site / "reference/code").glob("*.html")]
    for source, package in (("src", "premises"), ("packages/kedro-handover/src", "kedro_handover")):
        files = [path for path in (PROJECT / source / package).rglob("*.py") if not path.name.startswith("_")]
        modules = {
            ".".join(path.relative_to(PROJECT / source).with_suffix("").parts)
            for path in files
            if "starter" not in path.parts  # its files are another project's
        }
        assert len(modules) > 10
        assert modules <= set.union(*(page.ids for page in pages))
    assert "kedro_handover.evaluation.parity.compare_predictions" in set.union(*(page.ids for page in pages))


def test_without_a_run_a_figure_says_how_to_get_it(fresh_site: Path) -> None:
    page = Html(fresh_site / "last-run.html")
    assert page.text.count(NOT_MEASURED) > 20
    assert not re.search(r"0\.\d{3}", page.text)


def test_figures_are_those_of_the_files(site: Path, run_storage: Path, prod_storage: Path) -> None:
    page = Html(site / "last-run.html")
    metrics = json.loads((run_storage / "08_reporting/research_metrics.json").read_text())["test"]
    parity = json.loads((prod_storage / "08_reporting/parity.json").read_text())
    release = json.loads((prod_storage / "06_models/release.json").read_text())
    assert f"research {metrics['auc']:.4f} {metrics['ks']:.4f} {metrics['brier']:.4f}" in page.text
    compared = Html(site / "parity.html").text
    for name, one in parity.items():
        rows, differing, rest = (f"{one['n_rows']:,}", f"{one['n_diff']:,}", f"{one['agreement']:.4%}")
        assert f"{name} {rows} {differing} {rest} {one['max_abs_diff']:.4f}" in page.text
        assert f"{name} {differing} of {rows} {rest} {one['max_abs_diff']:.4f}" in compared
    assert release["released_at"] in page.text
    assert f"AUC of the research model: {metrics['auc']:.4f}" in Html(site / "index.html").text
    assert not [path for path, html in read_site(site).items() if NOT_MEASURED in html.text]


def test_figures_of_a_benchmark_are_those_of_its_file(fresh_site: Path) -> None:
    page = Html(fresh_site / "parity.html")
    bins = json.loads((PROJECT / "docs/benchmarks/bins.json").read_text())
    assert f"on {bins['training_rows']:,} training rows" in page.text
    for one in bins["trees"]:
        assert f"{one['tree']} {one['agreement']:.2%} {one['mean_abs_diff']:.4f} {one['auc_diff']:+.4f}" in page.text


def test_the_tables_of_the_engines_are_those_of_their_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(PROJECT / "benchmarks")
    engines = import_module("engines")
    results = json.loads(engines.OUTPUT.read_text())
    for page in engines.PAGES:
        text = page.read_text()
        assert engines.fill(text, results) == text, f"{page.name}: python benchmarks/engines.py --rows --add"
    ten = next(line for line in engines.PAGES[0].read_text().splitlines() if line.startswith("| 10,000,000 | "))
    of_pandas = next(
        one for one in results["data_engineering"] if (one["engine"], one["rows"]) == ("pandas", 10_000_000)
    )
    assert f"| {of_pandas['seconds']:.1f} |" in ten


def test_a_figure_that_a_file_does_not_have_ends_the_build(tmp_path: Path, figures: ModuleType) -> None:
    config = load_config(str(PROJECT / "mkdocs.yml"))
    macros = config.plugins["macros"].config
    assert (macros["on_undefined"], macros["on_error_fail"]) == ("strict", True)
    file = tmp_path / "metrics.json"
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - as the plug-in has it
    environment.filters["shown"] = figures.show
    environment.globals |= {
        "base": figures.Results({"metrics": str(file)}, "run `make run`"),
        "table": figures.table,
    }

    def fill(page: str) -> str:
        return environment.from_string(page).render()

    page = '{{ base.metrics.test.auc | shown(".2f") }} {{ table(base.metrics, {"split": "{name}", " AUC": "{auc}"}) }}'
    assert fill(page).count("*not measured here:* run `make run`") == 2
    file.write_text('{"test": {"auc": 0.715}}')
    assert fill(page) == "0.71 | split | AUC |\n| --- | ---: |\n| test | 0.715 |"
    for wrong in ("{{ base.metrics.test.acu }}", "{{ base.metrics.tset.auc }}", "{{ bsae.metrics }}"):
        with pytest.raises(UndefinedError):
            fill(wrong)


def test_a_link_out_of_the_folder_becomes_a_page_or_a_path_or_is_refused(hooks: ModuleType) -> None:
    fixed = hooks.relink("[a](../deploy/README.md#b) ![c](../d.png)", "cluster.md")
    assert fixed == "[a](deploy/README.md#b) ![c](../d.png)"
    assert hooks.relink("[the data](../docs/data.md)", "notebooks/first.md") == "[the data](../data.md)"
    assert hooks.relink("[next](second.ipynb)", "notebooks/first.md") == "[next](second.md)"
    assert hooks.relink("[the bins](../benchmarks/bins.py)", "parity.md") == "the bins (`benchmarks/bins.py`)"
    assert hooks.relink("[a](../../deploy/README.md)", "decisions/0001.md") == "[a](../deploy/README.md)"
    with pytest.raises(FileNotFoundError, match=re.escape("docs/a.md: the link to ../gone.md leads nowhere")):
        hooks.relink("[gone](../gone.md)", "a.md")


def test_a_notebook_becomes_a_page_with_its_figures(fresh_site: Path) -> None:
    page = Html(fresh_site / "notebooks/99_first_look.html")
    assert "../data.html#the-rules" in page.links
    assert "{{'a': 1}['a']}" in page.text
    (figure,) = [target for target in page.loads if target.endswith(".png") and "99_first_look" in target]
    assert (fresh_site / "notebooks" / figure).is_file()


def test_a_page_that_asks_for_an_unknown_figure_ends_the_build_and_says_so(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    for path in [*(PROJECT / "docs").glob("*.py"), PROJECT / "mkdocs.yml"]:
        shutil.copy(path, docs if path.suffix == ".py" else tmp_path)
    for name in ("conf", "deploy", "notebooks", "packages", "src"):
        (tmp_path / name).symlink_to(PROJECT / name)
    (docs / "index.md").write_text("# Home\n\n{{ base.no_such_dataset.auc }}\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet"],
        cwd=tmp_path,
        env=fresh_environment(NO_MKDOCS_2_WARNING="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "index.md" in done.stderr
    assert "no_such_dataset" in done.stderr


def test_the_three_lines_of_the_readme_run_as_they_stand() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (PROJECT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    drawn = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)
    table = pd.DataFrame(drawn, columns=["a", "b", "c"])
    model = HistGradientBoostingClassifier(max_iter=5).fit(table, table["a"] > table["b"])
    names = {"model": model, "X": table, "table": table}
    exec(code, names)  # noqa: S102 - the README's own code
    assert names["scored"]["probability"].tolist() == model.predict_proba(table)[:, 1].tolist()
    assert (names["handed"].promise.score, names["handed"].promise.probability) == ("exact", "exact")


def test_it_can_be_read_and_searched_as_files_without_a_network(fresh_site: Path) -> None:
    asked, errors = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto((fresh_site / "index.html").as_uri())
        page.click("input.md-search__input")
        page.keyboard.type("grid_metres")
        page.wait_for_selector(".md-search-result__item a[href*='parameters.html']", state="attached")
        browser.close()
    assert errors == []
    assert {urlsplit(url).scheme for url in asked} <= {"file", "data", "about", "blob"}
