"""The toy table of the library's tests: four columns beside the id, on any engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from kedro_handover.project import ProjectSpec, RawTable, Words

PROJECT = ProjectSpec(
    task="binary",
    id="order_id",
    raw=RawTable(dataset="orders_file"),
    words=Words(
        row="order",
        rows="orders",
        positive="returned",
        negative="kept",
        unknown="on the way",
        question="Is an order returned?",
        group="shop",
    ),
    credit="Source of the data: the shops",
    summarise_by=["shop", "region"],
    codes=["shop"],
)

FEATURES = ("shop", "price")


def make_features(rows: int = 400, seed: int = 0) -> pa.Table:
    """`id`, `label` (null in every tenth row), `group` and two features, of which the label depends on both."""
    random = np.random.default_rng(seed)
    shop = random.integers(1, 5, rows)
    price = random.normal(50, 20, rows).round(2)
    chance = 1 / (1 + np.exp(-(price - 50) / 10 - (shop - 2.5)))
    labels: list[Any] = (random.random(rows) < chance).tolist()
    return pa.table(
        {
            "id": [str(number) for number in range(1, rows + 1)],
            "label": pa.array([None if place % 10 == 0 else label for place, label in enumerate(labels)], pa.bool_()),
            "group": pa.array(shop, pa.int64()),
            "shop": pa.array(shop, pa.float32()),
            "price": pa.array(price, pa.float32()),
        }
    )
