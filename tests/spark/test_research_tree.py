"""The tree of a whole run of research, handed over: not one of its rows differs on Spark."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

from kedro_handover.datasets.skops_dataset import SkopsDataset
from trees import assert_exact, rows_on_boundaries


@pytest.fixture(scope="module")
def research_model(run_storage) -> DecisionTreeClassifier:
    file = run_storage / "06_models/research_model.skops"
    return SkopsDataset(filepath=str(file), trusted=["sklearn.tree._tree.Tree"]).load()


@pytest.fixture(scope="module")
def model_input(run_storage) -> pd.DataFrame:
    return pd.read_parquet(run_storage / "05_model_input/model_input.parquet")


def test_the_saved_tree_predicts_what_the_run_predicted(run_storage, research_model, model_input) -> None:
    rows = model_input.sort_values("id")
    predictions = pd.read_parquet(run_storage / "07_model_output/research_predictions.parquet")
    probability = research_model.predict_proba(rows[research_model.feature_names_in_])[:, 1]
    np.testing.assert_array_equal(probability, predictions["probability"])


def test_not_one_row_of_the_run_differs(spark, tmp_path, research_model, model_input) -> None:
    assert len(model_input) > 20_000
    assert_exact(spark, tmp_path, model_input[research_model.feature_names_in_], research_model)


def test_rows_on_every_split_of_the_research_tree_go_the_same_way(spark, tmp_path, research_model) -> None:
    rows = rows_on_boundaries(research_model)
    splits = np.count_nonzero(research_model.tree_.feature >= 0)
    assert splits > 20
    assert len(rows) == 4 * splits
    assert_exact(spark, tmp_path, rows, research_model)
