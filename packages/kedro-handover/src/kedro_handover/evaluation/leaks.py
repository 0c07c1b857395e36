"""Find columns that leak the label."""

from __future__ import annotations

from typing import Any

from kedro_handover.lazy_types import DataFrame

LEAK_AUC = 0.9
"""A single column with an AUC above it leaks the label."""


def single_column_aucs(rows: DataFrame, label: Any) -> dict[str, float]:
    """Measure how well a tree that sees one column alone predicts the label, for each column.

    Args:
        rows: The columns to try; texts are numbered in the order in which they come.
        label: The label of each row.

    Returns:
        By column, the AUC in one half of the rows of a tree that was trained on the other half; near 1 for a column
        that leaks the label.
    """
    import numpy as np
    import pandas as pd
    from pandas.api.types import is_numeric_dtype
    from sklearn.metrics import roc_auc_score
    from sklearn.tree import DecisionTreeClassifier

    seen = np.arange(len(rows)) % 2 == 0
    truth = np.asarray(label, dtype=bool)
    aucs = {}
    for name, column in rows.items():
        numbers = column.to_numpy() if is_numeric_dtype(column) else pd.factorize(column)[0]
        values = numbers.reshape(-1, 1)
        tree = DecisionTreeClassifier(max_depth=12, min_samples_leaf=20, random_state=0).fit(values[seen], truth[seen])
        aucs[str(name)] = float(roc_auc_score(truth[~seen], tree.predict_proba(values[~seen])[:, 1]))
    return aucs
