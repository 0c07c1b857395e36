"""Rows that a tree is most likely to be carried over wrongly for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from sklearn.tree import DecisionTreeClassifier


def rows_on_boundaries(tree: DecisionTreeClassifier) -> pd.DataFrame:
    """For every split: a row that comes to it and stands on its threshold, and one float32 step to either side."""
    fitted_tree, rows, standing = tree.tree_, [], []
    features = range(tree.n_features_in_)
    bounds = [(0, dict.fromkeys(features, -np.inf), dict.fromkeys(features, np.inf))]
    while bounds:
        node, above, up_to = bounds.pop()
        if fitted_tree.children_left[node] == -1:
            continue
        feature, threshold = int(fitted_tree.feature[node]), float(fitted_tree.threshold[node])
        row = [_inside(above[one], up_to[one]) for one in features]
        standing.append((node, row))
        on_it = np.float32(threshold)
        steps = (np.nextafter(on_it, -np.float32(np.inf)), on_it, np.nextafter(on_it, np.float32(np.inf)))
        values = [value for value in (*steps, _largest_up_to(threshold)) if np.isfinite(value)]
        rows.extend([*row[:feature], value, *row[feature + 1 :]] for value in values)
        bounds.append((int(fitted_tree.children_left[node]), above, up_to | {feature: threshold}))
        bounds.append((int(fitted_tree.children_right[node]), above | {feature: threshold}, up_to))
    if standing:
        nodes, starts = zip(*standing, strict=True)
        comes_by = fitted_tree.decision_path(np.array(starts, dtype=np.float32))
        assert np.all(comes_by[np.arange(len(nodes)), nodes] == 1)
    return pd.DataFrame(np.array(rows, dtype=np.float32).reshape(-1, len(features)), columns=tree.feature_names_in_)


def _largest_up_to(threshold: float) -> np.float32:
    nearest = np.float32(threshold)
    return nearest if float(nearest) <= threshold else np.nextafter(nearest, -np.float32(np.inf))


def _inside(above: float, up_to: float) -> np.float32:
    """Give a float32 in the interval, on its upper end where there is one."""
    if np.isfinite(up_to):
        return _largest_up_to(up_to)
    return np.nextafter(_largest_up_to(above), np.float32(np.inf)) if np.isfinite(above) else np.float32(0)
