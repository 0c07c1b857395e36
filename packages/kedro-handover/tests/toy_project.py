"""A small Kedro project in a folder, for tests of what happens around a run: one file of orders, two pipelines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any
from uuid import uuid4

from kedro.framework.startup import bootstrap_project

from kedro_handover.session import HandoverSession

PROJECT_YML = """\
project:
  task: binary
  id: order_id
  raw: { dataset: orders_file, how_to_get: "Ask the shop for it, or run `{command} --pipelines=invent`." }
"""

CATALOG_YML = """\
_storage: ${runtime_params:storage,${globals:storage}}
_kinds: { table: "${globals:engine.table}", json: { type: json.JSONDataset }, text: { type: text.TextDataset } }
_engine: ${globals:engine}
orders_file: { type: pandas.CSVDataset, filepath: "${_storage}/01_raw/orders.${runtime_params:format,csv}" }
orders: ${dataset:table,02_intermediate/orders.parquet}
row_counts: ${dataset:json,08_reporting/row_counts.json}
shop_report: ${dataset:text,08_reporting/shop_report.html}
"""

GLOBALS_YML = """\
storage: data
engine: { table: { type: kedro_handover.datasets.pandas_table_dataset.PandasTableDataset } }
"""

SPARK_GLOBALS_YML = """\
storage: data/spark
engine:
  table: { type: kedro_handover.datasets.spark_table_dataset.SparkTableDataset, file_format: parquet }
"""

LOGGING_YML = """\
version: 1
disable_existing_loggers: false
handlers:
  console: { class: logging.StreamHandler }
  file: { class: logging.handlers.RotatingFileHandler, filename: toy.log, delay: true }
loggers:
  kedro: { level: INFO }
  kedro.framework.project: { level: WARNING }
  kedro_handover: { level: INFO }
  kedro_handover.traceback: { level: ERROR, handlers: [file], propagate: false }
root: { level: WARNING, handlers: [console, file] }
"""

REGISTRY = '''
"""Two pipelines: one makes orders of the file, the other a report of them."""

import narwhals.stable.v2 as nw
import pandas as pd
from kedro.pipeline import Node, Pipeline


def read_orders(orders_file: pd.DataFrame, parameters: dict) -> pd.DataFrame:
    return orders_file.assign(price=orders_file["price"] * parameters["factor"])


def count_orders(orders) -> dict:
    return {"valid": nw.from_native(orders).lazy().collect().shape[0], "synthetic": 0}


def write_report(row_counts: dict) -> str:
    return f"<p>{row_counts['valid']} orders</p>"


def be_unwell(shop_report: str) -> str:
    raise RuntimeError("It is not well.")


def register_pipelines() -> dict[str, Pipeline]:
    shop = Pipeline([Node(read_orders, ["orders_file", "params:shop"], "orders", name="read_orders")])
    report = Pipeline(
        [
            Node(count_orders, "orders", "row_counts", name="count_orders"),
            Node(write_report, "row_counts", "shop_report", name="write_report"),
        ]
    )
    unwell = report + Pipeline([Node(be_unwell, "shop_report", "nothing", name="be_unwell")])
    return {"shop": shop, "report": report, "unwell": unwell, "__default__": shop + report}
'''


@dataclass(frozen=True)
class ToyProject:
    """A project of its own package, so that several can live in one process."""

    folder: Path
    package: str

    def write(self, path: str, text: str) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text), encoding="utf-8")
        return file

    def put_orders(self, text: str = "order_id,price\n1,2.5\n2,4.0\n") -> Path:
        return self.write("data/01_raw/orders.csv", text)

    def open_session(self, env: str | None = None, **params: Any) -> HandoverSession:
        bootstrap_project(self.folder)
        return HandoverSession.create(self.folder, env=env, runtime_params=params or None)

    def run(self, *pipelines: str, env: str | None = None, runner: Any = None, **params: Any) -> None:
        with self.open_session(env, **params) as session:
            session.run(pipeline_names=list(pipelines) or None, runner=runner)

    def list_outputs(self) -> list[str]:
        data = self.folder / "data"
        files = (path for path in data.rglob("*") if path.is_file() and path.parent.name != "01_raw")
        return sorted(str(path.relative_to(data)) for path in files)


def make_project(folder: Path, registry: str = REGISTRY) -> ToyProject:
    """Write a project that runs as soon as it has orders."""
    project = ToyProject(folder, f"toy_{uuid4().hex}")
    for path, text in {
        "pyproject.toml": f"""\
            [tool.kedro]
            package_name = "{project.package}"
            project_name = "Toy"
            kedro_init_version = "1.7.0"
            """,
        f"src/{project.package}/__init__.py": "",
        f"src/{project.package}/settings.py": """\
            from kedro_handover.session import CONFIG_LOADER_ARGS, HandoverSession

            SESSION_CLASS = HandoverSession
            """,
        f"src/{project.package}/pipeline_registry.py": registry,
        "conf/base/project.yml": PROJECT_YML,
        "conf/base/catalog.yml": CATALOG_YML,
        "conf/base/globals.yml": GLOBALS_YML,
        "conf/base/parameters_shop.yml": "shop: { factor: 2 }\n",
        "conf/base/run.yml": "pipelines: [shop, report]\n",
        "conf/logging.yml": LOGGING_YML,
        "conf/local/.gitkeep": "",
        ".telemetry": "consent: false",
        "conf/spark/globals.yml": SPARK_GLOBALS_YML,
    }.items():
        project.write(path, text)
    return project
