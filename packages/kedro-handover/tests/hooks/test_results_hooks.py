"""What a run shows when it is over."""

from __future__ import annotations

import os

import pytest
from kedro.runner import ParallelRunner, ThreadRunner

from kedro_handover.hooks import results
from toy_project import ToyProject

SLOW = """
from time import sleep

from kedro.pipeline import Node, Pipeline


def read_orders(orders_file, parameters):
    sleep(0.4)
    return orders_file


def count_orders(orders):
    sleep(0.2)
    return {"valid": len(orders), "synthetic": 0}


def register_pipelines():
    shop = Pipeline(
        [
            Node(read_orders, ["orders_file", "params:shop"], "orders", name="read_orders", tags="slow"),
            Node(count_orders, "orders", "row_counts", name="count_orders", tags="slow"),
        ]
    )
    return {"shop": shop, "__default__": shop}
"""


@pytest.mark.parametrize("runner", [None, ThreadRunner, ParallelRunner])
def test_seconds_are_those_of_the_nodes_whoever_runs_them(project: ToyProject, runner) -> None:
    project.put_orders()
    project.write(f"src/{project.package}/pipeline_registry.py", SLOW)
    project.run("shop", runner=runner and runner())
    seconds = results.hooks._seconds  # noqa: SLF001 - a table shows their sum for a model that was measured
    assert 0.4 <= seconds["read_orders"] < 2
    assert 0.2 <= seconds["count_orders"] < 2
    assert results.SECONDS_FILE not in os.environ


def test_the_report_of_a_run_without_metrics_is_named(project: ToyProject, caplog) -> None:
    project.put_orders()
    project.run()
    assert caplog.messages.count("Report: data/08_reporting/shop_report.html") == 1


def test_the_report_that_was_written_before_a_run_failed_is_named(project: ToyProject, caplog) -> None:
    project.put_orders()
    project.run()
    with pytest.raises(RuntimeError, match="It is not well"):
        project.run("unwell")
    assert caplog.messages.count("Report: data/08_reporting/shop_report.html") == 2
