"""Rows that a tree is most likely to be carried over wrongly for, and its scores in each form on Spark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.ml.functions import vector_to_array
from pyspark.sql import functions as F  # noqa: N812

from kedro_handover.handover.tree import to_mllib, to_sql
from kedro_handover.testing import to_spark

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


def table(rows: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(rows.astype("float32").reset_index(drop=True).reset_index(names="row_number"))


def score(spark, folder, rows: pd.DataFrame, *trees: DecisionTreeClassifier, sql: bool = True) -> dict[str, np.ndarray]:
    """Score the rows with every tree in each form, one array of rows by trees a form; Spark runs one job."""
    frame = to_spark(table(rows), spark, folder)
    columns = ["row_number"]
    for number, tree in enumerate(trees):
        scored = to_mllib(tree, spark).transform(frame)
        frame = scored.withColumn(f"mllib_{number}", vector_to_array(F.col("probability"))[1])
        frame = frame.drop("features", "rawPrediction", "probability", "prediction")
        columns.append(f"mllib_{number}")
    if sql:
        sqls = [f"{to_sql(tree)} AS sql_{number}" for number, tree in enumerate(trees)]
        frame = frame.selectExpr(*columns, *sqls)
    spark_rows = frame.select(*columns, *(f"sql_{number}" for number in range(len(trees)) if sql)).toPandas()
    spark_rows = spark_rows.sort_values("row_number")
    found = {"mllib": spark_rows.filter(regex="^mllib_").to_numpy()}
    if sql:
        in_duckdb = duckdb.from_arrow(table(rows)).project(f"row_number, {', '.join(sqls)}").order("row_number")
        found |= {
            "sql_on_spark": spark_rows.filter(regex="^sql_").to_numpy(),
            "sql_on_duckdb": in_duckdb.df().filter(regex="^sql_").to_numpy(),
        }
    return found


def assert_exact(spark, folder, rows: pd.DataFrame, *trees: DecisionTreeClassifier, sql: bool = True) -> None:
    expected = np.stack([tree.predict_proba(rows[tree.feature_names_in_])[:, 1] for tree in trees], axis=1)
    for form, given_ in score(spark, folder, rows, *trees, sql=sql).items():
        assert given_.shape == expected.shape, form
        assert given_.dtype == np.float64, form
        assert np.count_nonzero(given_ != expected) == 0, form
        assert np.abs(given_ - expected).max() == 0, form


def _largest_up_to(threshold: float) -> np.float32:
    nearest = np.float32(threshold)
    return nearest if float(nearest) <= threshold else np.nextafter(nearest, -np.float32(np.inf))


def _inside(above: float, up_to: float) -> np.float32:
    """Give a float32 in the interval, on its upper end where there is one."""
    if np.isfinite(up_to):
        return _largest_up_to(up_to)
    return np.nextafter(_largest_up_to(above), np.float32(np.inf)) if np.isfinite(above) else np.float32(0)
