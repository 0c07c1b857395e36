"""What is added without a change of the library: an engine, a rule, a model family. `docs/extend` describes each.

A section of a report is tested in the library's `test_research_report.py`.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import narwhals.stable.v2 as nw
import pytest
import yaml

from conftest import PROJECT, kedro
from kedro_handover.contract import Rule, flag_violations, list_rules, outside
from kedro_handover.handover.handed import hand_over
from kedro_handover.models.family import find_family_of, list_families
from kedro_handover.nodes.research import collect_research_rows, search_models
from kedro_handover.nodes.research_parameters import SklearnResearchParameters
from kedro_handover.nodes.split import SplitParameters, split_and_balance
from kedro_handover.nodes.validation import count_rejected, select_rejected, select_valid
from kedro_handover.testing import Engine, to_pandas
from storage import digest, read
from toy import FEATURES, make_features

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

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


RESEARCH = SklearnResearchParameters.model_validate
SPLIT = SplitParameters(test_share=0.2, folds=3, majority_per_minority=None)


@pytest.fixture
def families_of_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package that is installed beside the library, with the class of `docs/extend/model-family.md`."""
    page = (PROJECT / "docs/extend/model-family.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (entry_points,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package/families.py").write_text(code, encoding="utf-8")
    info = tmp_path / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n", encoding="utf-8")
    group = entry_points.replace('[project.entry-points."kedro_handover.models"]', "[kedro_handover.models]")
    (info / "entry_points.txt").write_text(group.replace('"', ""), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    list_families.cache_clear()
    yield
    list_families.cache_clear()


@pytest.fixture
def research_rows() -> pd.DataFrame:
    parameters = RESEARCH({"research_rows": None, "candidates": {"decision_tree": TREE}, "threshold": 0.5, "seed": 0})
    return collect_research_rows(split_and_balance(to_pandas(make_features()), SPLIT), parameters)


TREE = {"max_depth": [2], "min_samples_leaf": [5], "criterion": ["gini"]}


@pytest.mark.usefixtures("families_of_a_package")
def test_a_model_family_is_one_class_behind_an_entry_point(research_rows: pd.DataFrame) -> None:
    grids = {"decision_tree": TREE, "extra_tree": {"max_depth": [3, 8], "min_samples_leaf": [5]}}
    parameters = RESEARCH({"research_rows": None, "candidates": grids, "threshold": 0.5, "seed": 0})
    model, records = search_models(research_rows, parameters)
    assert {record["family"] for record in records} == {"decision_tree", "extra_tree"}
    only = RESEARCH({**parameters.model_dump(), "candidates": {"extra_tree": grids["extra_tree"]}})
    model, _ = search_models(research_rows, only)
    assert find_family_of(model) == "extra_tree"
    promise = hand_over(model, prove_on=research_rows[list(FEATURES)]).promise
    assert (promise.score, promise.probability) == ("exact", "exact")


@pytest.mark.usefixtures("families_of_a_package")
def test_a_wrong_argument_of_a_family_from_outside_is_refused_with_the_right_one() -> None:
    grids = {"extra_tree": {"max_dept": [3]}}
    with pytest.raises(ValueError, match=r"the estimator has no argument 'max_dept'\. Did you mean 'max_depth'\?"):
        RESEARCH({"research_rows": None, "candidates": grids, "threshold": 0.5, "seed": 0})
