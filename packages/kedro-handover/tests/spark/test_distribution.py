"""The distributions of many columns on Spark are those of pandas, for no more jobs and calls than those of ten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from py4j.clientserver import ClientServerConnection
from py4j.protocol import MEMORY_COMMAND_NAME

from kedro_handover.evaluation.drift import measure_drift, profile_features
from kedro_handover.testing import to_pandas, to_spark

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession

ROWS, FEW = 60, 10
MOST_JOBS = 8
"""Two of each query, as Spark adapts its plans: ranges, steps and bins of the profile, and bins of the drift."""

LIMITS = {"largest_psi": 0.25, "unseen_share": 0.01, "action": "warn"}


def table(width: int, shift: float = 0) -> pa.Table:
    cells = np.random.default_rng(4).normal(shift, 1, (width, ROWS)).round(2).astype(np.float32)
    columns: dict[str, Any] = {f"v`{place}": of_one for place, of_one in enumerate(cells)}
    columns["code"] = np.arange(ROWS, dtype=np.float32) % 4
    return pa.table(columns)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What Python asks of Java, while the test runs."""
    asked: list[str] = []
    send = ClientServerConnection.send_command

    def count(self: ClientServerConnection, command: str) -> Any:
        if not command.startswith(MEMORY_COMMAND_NAME):  # Python's collector of garbage, which comes when it likes
            asked.append(command)
        return send(self, command)

    monkeypatch.setattr(ClientServerConnection, "send_command", count)
    return asked


@pytest.mark.parametrize("many", [200, pytest.param(1_000, marks=pytest.mark.slow)])
def test_many_columns_cost_no_more_jobs_and_calls_than_ten(
    spark: SparkSession, tmp_path: Path, calls: list[str], many: int
) -> None:
    asked = {}
    for width in (FEW, many):
        names = table(width).column_names
        before, now = (to_spark(table(width, shift), spark, tmp_path) for shift in (0, 1))
        profile_features(before.limit(0).union(before), names[-1:], ["code"])  # Java's classes are looked up once
        spark.sparkContext.setJobGroup(f"width {width}", "")
        calls.clear()
        profile = profile_features(before, names, ["code"])
        drift = measure_drift(now, profile, **LIMITS)  # type: ignore[arg-type]
        asked[width] = len(calls)
        assert profile == profile_features(to_pandas(table(width)), names, ["code"])
        assert drift == measure_drift(to_pandas(table(width, 1)), profile, **LIMITS)  # type: ignore[arg-type]
        assert len(spark.sparkContext.statusTracker().getJobIdsForGroup(f"width {width}")) <= MOST_JOBS
    assert asked[many] <= asked[FEW] + FEW
