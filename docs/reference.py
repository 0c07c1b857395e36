"""Macros that write the reference pages from the code, the models of the parameters and `conf`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import griffe
import narwhals.stable.v2 as nw
from figures import CONF, PROJECT, list_environments, load_conf, table
from kedro.utils import load_obj
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from kedro_handover.contract import TABLE_RULES
from kedro_handover.parameters import Parameters
from premises.census.contract import list_feature_rules
from premises.pipeline_registry import register_pipelines

SOURCES = (PROJECT / "src", PROJECT / "packages/kedro-handover/src")
PACKAGES = ("premises", "kedro_handover")
RULES = {
    "features": list_feature_rules(),
    "model_input": [*list_feature_rules(), *TABLE_RULES["model_input"]],
    "predictions": TABLE_RULES["predictions"],
}
"""The rules of the tables after the valid rows, by the contract's table."""


def list_parameter_models() -> dict[str, type[Parameters]]:
    """Find the model of each block of parameters, by the block's name."""
    _nodes()  # each model is imported by a node that takes it
    models = [model for model in Parameters.__subclasses__() if model.__module__.startswith(PACKAGES)]
    return {model.block or model.__module__.split(".")[-2]: model for model in models}


def list_parameters(block: str) -> list[tuple[str, Any, str, str]]:
    """Give name, default, what it may be, and what it is, of each parameter of a block."""
    values = load_conf(_environment_of(block), "parameters")[block]
    return list(_list_parameters(list_parameter_models()[block], values, block))


def write_parameters() -> str:
    """Write a section for each block: what the parameters may be, their defaults, which nodes take them."""
    parts = []
    for block, model in sorted(list_parameter_models().items()):
        file = CONF / _environment_of(block) / (model.file or f"parameters_{block}.yml")
        takers = [
            name
            for name, node in _nodes().items()
            if any(one.split(".")[0] == f"params:{block}" for one in node.inputs)
        ]
        rows = [
            {"name": f"`{name}`", "default": _show_default(value), "may": may_be, "what": _cell(what)}
            for name, value, may_be, what in list_parameters(block)
        ]
        parts += [
            f"## {block}",
            f"{_docstring(model)[0]} Taken by {_code_list(takers)}.",
            table(rows, {"parameter": "{name}", "default": "{default}", "may be": "{may}", "what": "{what}"}),
            f'??? note "{file.relative_to(PROJECT)}"\n\n{_indent(_listing(file))}',
        ]
    return "\n\n".join(parts)


def write_runtime_parameters() -> str:
    """Write a table of the names that `conf` takes from `--params`."""
    taken = [
        {"name": f"`{name}`", "file": f"`{path.relative_to(PROJECT)}`", "line": f"`{line.split('#')[0].strip()}`"}
        for path in sorted(CONF.glob("*/*.yml"))
        for line in path.read_text(encoding="utf-8").splitlines()
        for name in re.findall(r"\$\{runtime_params:(\w+),", line)
    ]
    taken.sort(key=itemgetter("name"))
    return table(taken, {"parameter": "{name}", "file": "{file}", "where it goes": "{line}"})


def _show_default(value: Any) -> str:
    return "see the file" if isinstance(value, dict) else f"`{_cell(json.dumps(value))}`"


def _environment_of(block: str) -> str:
    """Name the environment that sets a block of parameters: base, unless it is another's alone."""
    return next(env for env in list_environments() if block in load_conf(env, "parameters"))


def _list_parameters(model: type[BaseModel], values: Any, prefix: str) -> Iterator[tuple[str, Any, str, str]]:
    said, attributes = _docstring(model)
    schema = model.model_json_schema()
    for name, field in model.model_fields.items():
        value = values.get(name, field.get_default(call_default_factory=True))
        nested = _nested_models(field.annotation, name, value)
        if not nested:
            yield (
                f"{prefix}.{name}",
                to_jsonable_python(value),
                _may_be(schema["properties"][name]),
                attributes.get(name, said),
            )
        for path, inner, one in nested:
            yield from _list_parameters(inner, to_jsonable_python(one), f"{prefix}.{path}")


def _nested_models(annotation: Any, name: str, value: Any) -> list[tuple[str, type[BaseModel], Any]]:
    """Find the models that a field holds: one, or one for each key of a mapping."""
    choices = [model for one in (annotation, *get_args(annotation)) for model in _unwrap(one)]
    if not choices or value is None:
        return []
    if get_origin(annotation) is dict:
        return [(f"{name}.{key}", _choose(choices, one), one) for key, one in value.items()]
    return [(name, _choose(choices, value), value)]


def _unwrap(annotation: Any) -> list[type[BaseModel]]:
    """Give the models that a type is, or is one of."""
    if get_origin(annotation) in {Annotated, Union, UnionType}:
        return [model for one in get_args(annotation) for model in _unwrap(one)]
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []


def _choose(choices: list[type[BaseModel]], value: Any) -> type[BaseModel]:
    """Choose the model that has the keys of a value."""
    keys = set(value if isinstance(value, dict) else vars(value))
    return next((one for one in choices if keys <= set(one.model_fields)), choices[0])


def _may_be(schema: dict[str, Any]) -> str:
    """Say in words what a JSON schema allows."""
    if "anyOf" in schema:
        return " or ".join(map(_may_be, schema["anyOf"]))
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum") or [schema["const"]])
    kind = {"number": "number", "integer": "whole number", "string": "text", "boolean": "true or false"}
    kind |= {"null": "null", "array": f"list: {_may_be(schema['items'])}" if "items" in schema else "list"}
    kind |= {"object": "mapping"}
    bounds = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
        "multipleOf": "in steps of",
    }
    said = [f"{words} {schema[bound]:,}" for bound, words in bounds.items() if bound in schema]
    return ", ".join([kind[schema.get("type", "object")], *said])


def write_datasets() -> str:
    """Write a section for each dataset: its place in each environment, who writes and reads it, its columns."""
    catalogs = {env: load_conf(env, "catalog") for env in list_environments()}
    base = {name: entry for name, entry in catalogs["base"].items() if "filepath" in entry}
    parts = []
    in_folders = sorted((_folder(entry), name) for name, entry in base.items())
    for folder, pairs in groupby(in_folders, itemgetter(0)):
        parts.append(f"## {folder}")
        for _, name in pairs:
            title = f"### {name} {{ #{name} }}"
            parts += [title, _say_who(name), _table_of_places(name, catalogs), *_contract(name, base[name])]
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
    validator = entry["validator"] if isinstance(entry["validator"], dict) else {"class": entry["validator"]}
    options = validator.get("options", {})
    contract = load_obj(validator["class"])(**options)
    types = {**contract.columns, **dict.fromkeys(getattr(contract, "features", None) or (), nw.Float32)}
    columns = [{"name": f"`{name}`", "type": str(dtype())} for name, dtype in types.items()]
    rules = "\n".join(f"- `{rule.name}`: {rule.description}" for rule in RULES.get(options.get("table"), ()))
    listed = f"{table(columns, {'column': '{name}', 'type': '{type}'})}\n\n{rules}"
    return [f'??? note "{dataset}: {len(columns)} columns, by contract"\n\n{_indent(listed)}']


def write_environments() -> str:
    """Write a section for each environment: what a plain run runs there, and every file of its own."""
    parts = []
    for env in list_environments():
        values, run = load_conf(env, "globals"), load_conf(env, "run")
        command = "kedro run" if env == "base" else f"kedro run --env={env}"
        own = sorted(path for path in (CONF / env).glob("*.yml") if not path.name.startswith(("catalog", "parameters")))
        tables = f"{_to_code(values['engine']['table']['type'])}, below `{values['storage']}`"
        runs = f"`{command}` runs {_code_list(run['pipelines'])}. Tables are {tables}."
        parts += [f"## {env}", runs, *map(_listing, own)]
    return "\n\n".join(parts)


MACROS = {
    "list_datasets": write_datasets,
    "list_environments": write_environments,
    "list_parameters": write_parameters,
    "list_runtime_parameters": write_runtime_parameters,
}
"""By the names that pages have for them."""


def list_modules() -> dict[str, list[str]]:
    """Name the public modules of each package of the project and of the library."""
    names = [
        ".".join(path.relative_to(source).with_suffix("").parts)
        for source in SOURCES
        for path in sorted(source.rglob("*.py"))
        if not path.name.startswith("_") and "starter" not in path.parts  # the starter's files are another project's
    ]
    by_package = groupby(sorted(names, key=_package), _package)
    return {package: list(modules) for package, modules in by_package}


def code_page(package: str) -> str:
    """Say where in the site the reference of a package lies."""
    return f"reference/code/{package}.md"


def write_code(package: str) -> str:
    """Write a package's page, which mkdocstrings fills from the docstrings."""
    return "\n\n".join([f"# {package}", *(f"::: {module}" for module in list_modules()[package])])


def _package(module: str) -> str:
    return module.rpartition(".")[0]


@cache
def _nodes() -> dict[str, Any]:
    """Take each node of the project once."""
    return {node.name: node for pipeline in register_pipelines().values() for node in pipeline.nodes}


def _folder(entry: dict[str, Any]) -> str:
    """Name the layer's folder that a dataset lies in."""
    return next(part for part in reversed(Path(entry["filepath"]).parts) if re.match("[0-9]{2}_", part))


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
    """Link to the reference of a class or function, if it is one of the project or of the library."""
    target = name or text
    return f"[`{text}`][{target}]" if target.startswith(tuple(f"{package}." for package in PACKAGES)) else f"`{text}`"


def _cell(text: str) -> str:
    """Keep a table's cell whole where its text has the sign between cells."""
    return text.replace("|", "\\|")


def _listing(path: Path) -> str:
    return f'```yaml title="{path.relative_to(PROJECT)}"\n{path.read_text(encoding="utf-8").strip()}\n```'


def _indent(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.splitlines())
