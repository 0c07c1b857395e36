"""Predictions of two models with few distinct probabilities that mostly agree."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

SCHEMA = {
    "id": pa.int64(),
    "split": pa.string(),
    "group": pa.int64(),
    "label": pa.bool_(),
    "probability": pa.float64(),
    "prediction": pa.bool_(),
}


def predictions(ids, probability, label, split="test", group=1) -> pd.DataFrame:
    """A predictions table."""
    frame = pd.DataFrame({"id": ids, "split": split, "group": group, "label": label, "probability": probability})
    return frame.assign(prediction=frame["probability"] > 0.5)


def two_models(rows: int = 3_000, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Those of two models, on a test and a train split."""
    rng = np.random.default_rng(seed)
    ids = rng.permutation(rows * 10)[:rows]
    leaves = np.sort(rng.random(15))
    leaf = rng.integers(0, 15, rows)
    other = np.where(rng.random(rows) < 0.2, rng.integers(0, 15, rows), leaf)
    positive = rng.random(rows) < leaves[leaf]
    split = np.where(rng.random(rows) < 0.7, "test", "train")
    group = rng.integers(1, 11, rows)
    return tuple(predictions(ids, leaves[one], positive, split, group) for one in (leaf, other))
