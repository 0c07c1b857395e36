"""What MkDocs adds to the pages in this folder: figures of the last run, reference pages, notebooks, the graph.

A page types no measured number in. It asks for it, by the name of an environment and of a dataset that holds JSON:
`{{ base.research_metrics.test.auc | shown(".3f") }}`; or by the name of a file in `docs/benchmarks`:
`{{ benchmarks.bins.trees }}`. Where there was no run, the page says so and how to get one. A name that a file
does not have ends the build. Reference pages are written from the code, the models of the parameters and `conf`, so
they cannot be older than those.

Nothing here starts Spark.
"""

from __future__ import annotations

import json
import posixpath
import re
from importlib import import_module
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import griffe
from fsspec.core import url_to_fs
from jinja2 import ChainableUndefined, Environment, StrictUndefined
from kedro.config import OmegaConfigLoader
from mkdocs.structure.files import File
from pydantic import BaseModel

from kedro_handover.contract import TABLE_RULES, TABLES
from kedro_handover.reporting.words import describe_origin
from kedro_handover.hooks import PARAMETER, RUNTIME_PARAMETERS
from kedro_handover.parameters import Parameters
from premises.pipeline_registry import register_pipelines
from premises.settings import CONFIG_LOADER_ARGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

PROJECT = Path(__file__).parents[1]
CONF = PROJECT / "conf"
SOURCE = PROJECT / "src"
RUN = "run `make run`"
BENCHMARKS = ("bins",)
"""Files of figures in `docs/benchmarks`, which the scripts of `benchmarks` write."""

MIRRORED = ("deploy/README.md",)
"""Pages of the repository that are pages of the site, too."""

# What MkDocs calls, in this order


def on_config(config: MkDocsConfig) -> None:
    """Put the pages that are found, not listed in mkdocs.yml, into the navigation."""
    navigation: Any = config.nav
    (reference,) = (section["Reference"] for section in navigation if "Reference" in section)
    reference.append({"Code": [{package: _code_page(package)} for package in list_modules()]})
    if notebooks := list_notebooks():
        navigation.append({"Notebooks": [_notebook_page(path) for path in notebooks]})
    if _graph(config).exists():
        navigation.append({"Graph": "graph.md"})


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Write the pages that no one writes by hand."""
    pages: dict[str, str | bytes] = {
        "reference/parameters.md": write_parameters(),
        "reference/datasets.md": write_datasets(),
        "reference/environments.md": write_environments(),
        **{_code_page(package): write_code(package, modules) for package, modules in list_modules().items()},
        **{path: (PROJECT / path).read_text(encoding="utf-8") for path in MIRRORED},
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


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in the figures of a page, and mend its links to files that are not in the site."""
    uri = page.file.src_uri
    if page.file.generated_by is None:
        markdown = fill(markdown, _figures(uri, config, files))
    return relink(markdown, uri)


# Figures


class Unmeasured(ChainableUndefined):
    """A figure that no run has made here; whatever is asked of it, it says so."""

    def __str__(self) -> str:
        """Say how to get it."""
        return f"*not measured here:* {self._undefined_hint}"


class Results:
    """JSON files by name: those of a run by their dataset's name, or those of the benchmarks."""

    def __init__(self, paths: dict[str, str], how: str) -> None:
        """Take where the files are, by name, and how to get them."""
        self._paths = paths
        self._how = how

    def __getitem__(self, name: str) -> Any:
        """Load one file."""
        content = read_if_there(self._paths[name])
        return Unmeasured(hint=self._how) if content is None else json.loads(content)


def fill(markdown: str, figures: dict[str, Any]) -> str:
    """Put figures into a page, by Jinja.

    Args:
        markdown: The page.
        figures: What it may ask for.

    Returns:
        The page; where a figure was not measured here it says so.

    Raises:
        UndefinedError: If it asks for what is not in a file that is there.
    """
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - it makes Markdown
    environment.filters["shown"] = show
    return environment.from_string(markdown).render(figures)


def show(value: Any, form: str) -> str:
    """Write a figure in Python's format; one that is not there says so."""
    return str(value) if isinstance(value, Unmeasured) else format(value, form)


def table(records: Any, columns: dict[str, str]) -> str:
    """Make a table of Markdown.

    Args:
        records: Dictionaries; or one of dictionaries, whose key becomes the field `name` of each.
        columns: For each heading what stands below, as `str.format` takes it: `{seconds:.1f}`. A heading that begins
            with a space is one of numbers.
    """
    if isinstance(records, Unmeasured):
        return str(records)
    if isinstance(records, dict):
        records = [{"name": name, **record} for name, record in records.items()]
    lines = [
        [_cell(heading.strip()) for heading in columns],
        ["---:" if heading.startswith(" ") else "---" for heading in columns],
        *([form.format(**record) for form in columns.values()] for record in records),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def read_if_there(path: str) -> bytes | None:
    """Read a file that a run may have written: a path, from the project's folder, or a URL that fsspec knows."""
    fs, found = url_to_fs(path if "://" in path else str(PROJECT / path))
    content: bytes | None = fs.cat_file(found) if fs.exists(found) else None
    return content


def _figures(uri: str, config: MkDocsConfig, files: Files) -> dict[str, Any]:
    """Gather what a page may ask for."""
    catalogs = {env: _catalog_of_run(env, config) for env in list_environments()}

    def put(env: str, dataset: str) -> str | None:
        """Copy a run's picture or report into the site, and say where it is for this page."""
        path = catalogs[env][dataset]["filepath"]
        copied = f"run/{env}/{posixpath.basename(path)}"
        if files.get_file_from_path(copied) is None:
            if (content := read_if_there(path)) is None:
                return None
            files.append(File.generated(config, copied, content=content))
        return posixpath.relpath(copied, posixpath.dirname(uri))

    def picture(env: str, dataset: str, caption: str) -> str:
        place = put(env, dataset)
        return f"![{caption}]({place})\n\n*{caption}*" if place else f"{caption}: {Unmeasured(hint=RUN)}"

    def report(env: str, dataset: str, text: str) -> str:
        place = put(env, dataset)
        return f"[{text}]({place})" if place else f"{text} ({Unmeasured(hint=RUN)})"

    def origin(row_counts: Any) -> str:
        return str(row_counts) if isinstance(row_counts, Unmeasured) else describe_origin(row_counts)

    return {
        **{env: Results({name: one["filepath"] for name, one in catalogs[env].items()}, RUN) for env in catalogs},
        "benchmarks": Results(
            {name: f"docs/benchmarks/{name}.json" for name in BENCHMARKS}, "see `benchmarks/README.md`"
        ),
        "table": table,
        "picture": picture,
        "report": report,
        "origin": origin,
    }


def _catalog_of_run(env: str, config: MkDocsConfig) -> dict[str, Any]:
    """Load the catalog of a run; a plain `kedro run` takes base and what stands in `conf/local`."""
    storage = config.extra["storage"].get(env)
    return _load_conf("local" if env == "base" else env, {"storage": storage} if storage else {})["catalog"]


# Parameters, datasets and environments


def list_environments() -> list[str]:
    """Name the folders of `conf` that hold an environment, base first; `local` is each person's own."""
    found = sorted(path.name for path in CONF.iterdir() if path.name != "local" and any(path.glob("*.yml")))
    return sorted(found, key=lambda name: name != "base")


def list_parameter_models() -> dict[str, type[Parameters]]:
    """Find the model of each block of parameters, by the block's name."""
    for path in sorted((SOURCE / "premises/pipelines").glob("*/parameters.py")):
        import_module(_module_name(path))
    models = [model for model in Parameters.__subclasses__() if model.__module__.startswith("premises.")]
    return {model.block or model.__module__.split(".")[-2]: model for model in models}


def write_parameters() -> str:
    """Write the page of the parameters: what they may be, their defaults, who takes them."""
    defaults = _load_conf("base")["parameters"]
    said = "Each block stands in a file of its name, and is checked before anything runs. For one run, give"
    parts = ["# Parameters", f"{said} `--params=data_engineering.grid_metres=200`."]
    for block, model in sorted(list_parameter_models().items()):
        file = f"conf/base/parameters_{block}.yml"
        takers = [
            name
            for name, node in _nodes().items()
            if any(one.split(".")[0] == f"{PARAMETER}{block}" for one in node.inputs)
        ]
        rows = [
            {"name": f"`{name}`", "default": f"`{json.dumps(value)}`", "may": may_be, "what": _cell(what)}
            for name, value, may_be, what in _list_parameters(model, defaults[block], block)
        ]
        parts += [
            f"## {block}",
            f"{_docstring(model)[0]} Taken by {_code_list(takers)}.",
            table(rows, {"parameter": "{name}", "default": "{default}", "may be": "{may}", "what": "{what}"}),
            f'??? note "{file}"\n\n{_indent(_listing(CONF / "base" / Path(file).name))}',
        ]
    taken = [
        {"name": f"`{name}`", "file": f"`{path.relative_to(PROJECT)}`", "line": f"`{line.split('#')[0].strip()}`"}
        for name in sorted(RUNTIME_PARAMETERS)
        for path in sorted(CONF.glob("*/*.yml"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if f"runtime_params:{name}," in line
    ]
    parts += [
        "## For one run",
        "These have no block: the files of `conf` take them from `--params`, as `--params=storage=hdfs://…`.",
        table(taken, {"parameter": "{name}", "file": "{file}", "where it goes": "{line}"}),
    ]
    return "\n\n".join(parts)


def _list_parameters(model: type[BaseModel], values: Any, prefix: str) -> Iterator[tuple[str, Any, str, str]]:
    """Give name, default, what it may be, and what it is, of each parameter of a model and of the models in it."""
    said, attributes = _docstring(model)
    schema = model.model_json_schema()
    for name in model.model_fields:
        one = schema["properties"][name]
        what = attributes.get(name, said)
        nested = _nested_models(model, name, values[name])
        if not nested:
            yield f"{prefix}.{name}", values[name], _may_be(one), what
        for path, inner, value in nested:
            yield from _list_parameters(inner, value, f"{prefix}.{path}")


def _nested_models(model: type[BaseModel], name: str, value: Any) -> list[tuple[str, type[BaseModel], Any]]:
    """Find the models that a field holds: one, or one for each key."""
    annotation: Any = model.model_fields[name].annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [(name, annotation, value)]
    of_values = getattr(annotation, "__args__", [None])[-1]
    if isinstance(of_values, type) and issubclass(of_values, BaseModel):
        return [(f"{name}.{key}", of_values, one) for key, one in value.items()]
    return []


def _may_be(schema: dict[str, Any]) -> str:
    """Say in words what a JSON schema allows."""
    if "anyOf" in schema:
        return " or ".join(map(_may_be, schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = {"number": "number", "integer": "whole number", "string": "text", "boolean": "true or false"}
    kind |= {"null": "null", "array": f"list: {_may_be(schema['items'])}" if "items" in schema else "list"}
    bounds = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
        "multipleOf": "in steps of",
    }
    said = [f"{words} {schema[bound]:,}" for bound, words in bounds.items() if bound in schema]
    return ", ".join([kind[schema["type"]], *said])


def write_datasets() -> str:
    """Write the page of the datasets: where they lie in each environment, who writes and reads them, their columns."""
    catalogs = {env: _load_conf(env)["catalog"] for env in list_environments()}
    base = catalogs["base"]
    said = "`conf/base/catalog.yml` names each once. Environments differ in its type and in the root of its path;"
    parts = ["# Datasets", f"{said} `--params=storage=…` gives another root."]
    in_folders = sorted((_folder(entry), name) for name, entry in base.items())
    for folder, pairs in groupby(in_folders, itemgetter(0)):
        parts.append(f"## {folder}")
        for _, name in pairs:
            parts += [f"### {name}", _say_who(name), _table_of_places(name, catalogs), *_contract(name, base[name])]
    inside = sorted({one for node in _nodes().values() for one in node.outputs} - base.keys())
    listed = "\n".join(f"- `{name}`: {_say_who(name)}" for name in inside)
    return "\n\n".join([*parts, "## In memory", "These last as long as a run.", listed])


def _say_who(dataset: str) -> str:
    nodes = _nodes()
    writers = {name: node.func for name, node in nodes.items() if dataset in node.outputs}
    readers = [name for name, node in nodes.items() if dataset in node.inputs]
    written = "".join(
        f"{_docstring(func)[0]} Written by {_to_code(name, f'{func.__module__}.{func.__name__}')}. "
        for name, func in writers.items()
    )
    read = f"Read by {_code_list(readers)}." if readers else "Read by no node."
    return f"{written or 'No node of these pipelines writes it. '}{read}"


def _table_of_places(dataset: str, catalogs: dict[str, Any]) -> str:
    """Tell types and paths; environments that have the same share a line."""
    places: dict[tuple[str, str], list[str]] = {}
    for env, catalog in catalogs.items():
        one = catalog[dataset]
        of_table = f", with {_to_code(one['table']['type'])}" if "table" in one else ""
        versions = ", a version for each run" if one.get("versioned") else ""
        places.setdefault((f"{_to_code(one['type'])}{of_table}{versions}", one["filepath"]), []).append(env)
    rows = [{"envs": ", ".join(envs), "type": kind, "path": path} for (kind, path), envs in places.items()]
    return table(rows, {"environment": "{envs}", "type": "{type}", "path": "`{path}`"})


def _contract(dataset: str, entry: dict[str, Any]) -> list[str]:
    """List the columns that a table is held to, and the rules of its rows."""
    if "validator" not in entry:
        return []
    of_table = entry["validator"]["options"]["table"]
    columns = [{"name": f"`{name}`", "type": str(dtype())} for name, dtype in TABLES[of_table].items()]
    rules = "\n".join(f"- `{rule.name}`: {rule.says}" for rule in TABLE_RULES.get(of_table, ()))
    listed = f"{table(columns, {'column': '{name}', 'type': '{type}'})}\n\n{rules}"
    return [f'??? note "{dataset}: {len(columns)} columns, by contract"\n\n{_indent(listed)}']


def write_environments() -> str:
    """Write the page of the environments: what a plain run runs there, and every file of theirs."""
    said = "A folder of `conf` is an environment. `kedro run --env=NAME` lays it over `base`; where none is named,"
    parts = ["# Environments", f"{said} `conf/local` is, which is each person's own and not committed."]
    for env in list_environments():
        loader = _load_conf(env)
        command = "kedro run" if env == "base" else f"kedro run --env={env}"
        own = sorted(path for path in (CONF / env).glob("*.yml") if not path.name.startswith(("catalog", "parameters")))
        tables = f"{_to_code(loader['globals']['engine']['table']['type'])}, below `{loader['globals']['storage']}`"
        runs = f"`{command}` runs {_code_list(loader['run']['pipelines'])}. Tables are {tables}."
        parts += [f"## {env}", runs, *map(_listing, own)]
    return "\n\n".join(parts)


def _load_conf(env: str, runtime_params: dict[str, Any] | None = None) -> OmegaConfigLoader:
    arguments: Any = CONFIG_LOADER_ARGS
    return OmegaConfigLoader(str(CONF), env=env, runtime_params=runtime_params or {}, **arguments)


def _nodes() -> dict[str, Any]:
    """Take each node of the project once."""
    return {node.name: node for pipeline in register_pipelines().values() for node in pipeline.nodes}


def _folder(entry: dict[str, Any]) -> str:
    """Name the layer's folder that a dataset lies in."""
    return next(part for part in reversed(Path(entry["filepath"]).parts) if re.match("[0-9]{2}_", part))


# Code and notebooks


def list_modules() -> dict[str, list[str]]:
    """Name the public modules of each package."""
    paths = [path for path in sorted((SOURCE / "premises").rglob("*.py")) if not path.name.startswith("_")]
    names = [_module_name(path) for path in paths]
    by_package = groupby(sorted(names, key=_package), _package)
    return {package: list(modules) for package, modules in by_package}


def write_code(package: str, modules: list[str]) -> str:
    """Write a package's page, which mkdocstrings fills from the docstrings."""
    return "\n\n".join([f"# {package}", *(f"::: {module}" for module in modules)])


def list_notebooks() -> list[Path]:
    """Find the notebooks."""
    return sorted((PROJECT / "notebooks").glob("*.ipynb"))


def write_notebook(path: Path) -> dict[str, str | bytes]:
    """Turn a notebook, with the outputs that it holds, into a page and its pictures."""
    from nbconvert import MarkdownExporter

    files = f"{path.stem}_files"
    exporter: Any = MarkdownExporter
    body, resources = exporter().from_filename(str(path), resources={"output_files_dir": files})
    pictures = {f"notebooks/{name}": content for name, content in resources["outputs"].items()}
    of_the_theme = body.replace('<table border="1" class="dataframe">', "<table>")  # a table of pandas
    return {_notebook_page(path): of_the_theme, **pictures}


def _notebook_page(path: Path) -> str:
    return f"notebooks/{path.stem}.md"


def _code_page(package: str) -> str:
    return f"reference/code/{package}.md"


def _graph(config: MkDocsConfig) -> Path:
    """Say where the page of kedro-viz's graph is, if it has been built."""
    folder: str = config.extra["graph"]
    return PROJECT / folder / "index.html"


def _module_name(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts)


def _package(module: str) -> str:
    return module.rpartition(".")[0]


# Markdown


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

    def mend(link: re.Match[str]) -> str:
        text, target, anchor = link.groups()
        path = posixpath.normpath(posixpath.join(home, target))
        page = path.removeprefix("docs/") if path.startswith("docs/") else re.sub(r"\.ipynb$", ".md", path)
        if path.startswith(("docs/", "notebooks/")) or path in MIRRORED:
            return f"[{text}]({posixpath.relpath(page, posixpath.dirname(uri))}{anchor or ''})"
        if not (PROJECT / path).exists():
            msg = f"{_in_repository(uri)}: the link to {target} leads nowhere. Mend it."
            raise FileNotFoundError(msg)
        return f"`{path}`" if text.strip("`") in {path, target} else f"{text} (`{path}`)"

    return re.sub(r"(?<!!)\[([^\]]+)\]\(((?:\.\./|[\w-]+\.ipynb)[^)#\s]*)(#[^)\s]*)?\)", mend, markdown)


def _in_repository(uri: str) -> str:
    """Say which file of the repository a page comes from."""
    return uri if uri in MIRRORED or uri.startswith("notebooks/") else f"docs/{uri}"


def _docstring(thing: Any) -> tuple[str, dict[str, str]]:
    """Read a docstring: its first sentence, and its attributes."""
    sections = griffe.Docstring(thing.__doc__, lineno=1).parse("google", warnings=False)
    text = next(one.value for one in sections if one.kind is griffe.DocstringSectionKind.text)
    attributes = [one.value for one in sections if one.kind is griffe.DocstringSectionKind.attributes]
    return text.split("\n\n")[0].replace("\n", " "), {
        one.name: one.description.replace("\n", " ") for part in attributes for one in part
    }


def _code_list(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _to_code(text: str, name: str | None = None) -> str:
    """Link to the reference of a class or function, if it is one of this project."""
    target = name or text
    return f"[`{text}`][{target}]" if target.startswith("premises.") else f"`{text}`"


def _cell(text: str) -> str:
    """Keep a table's cell whole where its text has the sign between cells."""
    return text.replace("|", "\\|")


def _listing(path: Path) -> str:
    return f'```yaml title="{path.relative_to(PROJECT)}"\n{path.read_text(encoding="utf-8").strip()}\n```'


def _indent(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.splitlines())
