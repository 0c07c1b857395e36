"""What a project adds without a change of the library: an engine and a rule. `docs/extend` describes each.

A section of a report is tested in the library's `test_research_report.py`, a family of models in its `test_family.py`.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import narwhals.stable.v2 as nw
import pytest
import yaml

from conftest import PROJECT, kedro
from kedro_handover.contract import Rule, flag_violations, list_rules, outside
from kedro_handover.nodes.validation import count_rejected, select_rejected, select_valid
from kedro_handover.testing import Engine
from storage import digest, read

ROWS = 2_000
TABLES = ("02_intermediate/premises", "04_feature/features", "05_model_input/model_input")


@pytest.fixture(scope="module")
def small_storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage root with a small synthetic census, and what pandas makes of it."""
    storage = tmp_path_factory.mktemp("small")
    for pipeline in ("synthetic_census", "data_engineering"):
        done = kedro("run", f"--pipelines={pipeline}", f"--params=storage={storage},rows={ROWS}")
        assert done.returncode == 0, done.stdout + done.stderr
    return storage


def test_an_engine_is_one_file_that_names_a_dataset_of_kedro(small_storage: Path, tmp_path: Path) -> None:
    conf, storage = tmp_path / "conf", tmp_path / "data"
    shutil.copytree(PROJECT / "conf", conf)
    (conf / "lazy").mkdir()
    table = {"type": "polars.LazyPolarsDataset", "file_format": "parquet"}
    (conf / "lazy/globals.yml").write_text(yaml.safe_dump({"storage": str(storage), "engine": {"table": table}}))
    shutil.copytree(small_storage / "01_raw", storage / "01_raw", copy_function=os.link)
    options = ("--env=lazy", f"--conf-source={conf}", "--pipelines=data_engineering")
    done = kedro("run", *options, f"--params=storage={storage},rows={ROWS}")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in TABLES:
        assert digest(read(storage, f"{name}.parquet")) == digest(read(small_storage, f"{name}.parquet"))


def test_a_rule_of_a_project_rejects_or_counts_rows_on_every_engine(engine: Engine) -> None:
    rules = [
        Rule("price_is_known", "The price is a number above 0.", ~(nw.col("price") > 0).fill_null(value=False)),
        Rule("price_is_usual", "The price is 1 to 99.", outside("price", 1, 99), severity="warn"),
    ]
    listed = list_rules(rules)
    columns = {"row_number": [2, 3, 4, 5], "price": [10.0, None, -1.0, 500.0]}
    raw = engine.frame(columns)
    flagged = flag_violations(nw.from_native(raw), rules).select("row_number", "violations", "price").to_native()
    checked = engine.stored(flagged)
    rejected = engine.stored(select_rejected(raw, checked, listed))
    assert [(row["violated_rules"], row["row_number"]) for row in engine.rows(rejected)] == [
        ("price_is_known", 3),
        ("price_is_known", 4),
    ]
    counts = count_rejected(raw, checked, rejected, listed, rejected_share=0.5)
    assert (counts["rows_in"], counts["valid"], counts["rejected"]) == (4, 2, 2)
    assert {rule["name"]: (rule["severity"], rule["rows"]) for rule in counts["rules"]} == {
        "price_is_known": ("error", 2),
        "price_is_usual": ("warn", 3),
    }
    assert [row["price"] for row in engine.rows(select_valid(checked, listed, counts))] == [10.0, 500.0]
