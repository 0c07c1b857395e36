"""Check that `kedro run` and the script by hand made the same rows, tree and metrics from one census.

What of production is there (`--env=prod` and `by_hand_spark.py`) is compared as well. That script numbers no rows of
the file, so of rejected rows only their counts are compared there.

    python benchmarks/check_same_rows.py STORAGE BY_HAND_FOLDER
"""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from skops.io import load

TABLES = {
    "premises": "02_intermediate",
    "features": "04_feature",
    "model_input": "05_model_input",
    "research_predictions": "07_model_output",
}
TABLES_OF_RESEARCH = {"rejected_rows": "02_intermediate"}
TABLES_OF_PRODUCTION = {
    "handed_over_predictions": "07_model_output",
    "mllib_predictions": "07_model_output",
    "predictions": "07_model_output",
    "predictions_summary": "08_reporting",
}
METRIC_TOLERANCE = 1e-12
"""Metrics are sums of floats: scikit-learn adds up rows, the pipeline a histogram of them."""


class DifferentRowsError(Exception):
    """What the two made is not the same."""


def check_same_rows(storage, by_hand):
    """Compare all that a run left behind.

    Args:
        storage: The pipeline's storage root.
        by_hand: The folder that the script wrote to.

    Returns:
        What was compared, in words.

    Raises:
        DifferentRowsError: If anything differs.
    """
    production = (by_hand / "parity.json").exists()
    reporting = storage / "08_reporting"
    tables = TABLES | (TABLES_OF_PRODUCTION if production else TABLES_OF_RESEARCH)
    counted = [_check_table(name, storage / layer, by_hand) for name, layer in tables.items()]
    nodes = _check_tree(storage / "06_models", by_hand)
    ours, theirs = (_read_json(folder / "row_counts.json") for folder in (reporting, by_hand))
    _check({name: ours[name] for name in theirs} == theirs, "row_counts")
    ours, theirs = (_read_json(folder / "rejections.json") for folder in (reporting, by_hand))
    ours["rules"] = [{name: rule[name] for name in ("name", "rows")} for rule in ours["rules"]]
    _check(ours == theirs, "rejections")
    searched = (_read_json(folder / "research_search.json") for folder in (storage / "06_models", by_hand))
    largest = _check_numbers("research_search", *searched)
    for name in ("research_metrics", *(("handed_over_metrics", "mllib_metrics", "parity") if production else ())):
        ours, theirs = (_read_json(folder / f"{name}.json") for folder in (reporting, by_hand))
        if name == "parity":
            ours = {model: {figure: ours[model][figure] for figure in theirs[model]} for model in theirs}
        largest = max(largest, _check_numbers(name, ours, theirs))
    return (
        f"{', '.join(counted)}: every value alike; the tree node for node ({nodes} nodes); search and metrics to "
        f"{METRIC_TOLERANCE:.0e} (the largest difference is {largest:.1e})"
    )


def _check_table(name, folder, by_hand):
    """Compare two Parquet tables, in any order of rows; texts and integers may be of any of Arrow's widths."""
    tables = [pq.read_table(place / f"{name}.parquet") for place in (folder, by_hand)]
    key = next(name for name in ("id", "premises_id", "row_number", "barri_id") if name in tables[0].column_names)
    if key in {"id", "premises_id"}:  # the pipeline's is text, as later vintages have it
        tables = [_with_numbers(table, key) for table in tables]
    ours, theirs = (table.sort_by(key) for table in tables)
    _check(ours.column_names == theirs.column_names and len(ours) == len(theirs), f"{name}: columns or number of rows")
    for column in ours.column_names:
        values = [_narrow(table[column]) for table in (ours, theirs)]
        _check(values[0].equals(values[1]), f"{name}.{column}")
    return f"{name} ({len(ours):,})"


def _with_numbers(table, column):
    return table.set_column(table.column_names.index(column), column, table[column].cast(pa.int64()))


def _narrow(column):
    if pa.types.is_large_string(column.type):
        return column.cast(pa.string())
    return column.cast(pa.int64()) if pa.types.is_integer(column.type) else column


def _check_tree(folder, by_hand):
    ours, theirs = (
        load(place / "research_model.skops", trusted=["sklearn.tree._tree.Tree"]).tree_.__getstate__()
        for place in (folder, by_hand)
    )
    for part in ("nodes", "values"):
        _check(np.array_equal(ours[part], theirs[part]), f"research_model: {part}")
    return len(ours["nodes"])


def _check_numbers(name, ours, theirs):
    """Compare two JSON documents; give the largest difference between their numbers."""
    if isinstance(ours, dict | list):
        keys = ours.keys() if isinstance(ours, dict) else range(len(ours))
        _check(len(ours) == len(theirs) and (isinstance(ours, list) or keys == theirs.keys()), name)
        return max(_check_numbers(f"{name}.{key}", ours[key], theirs[key]) for key in keys)
    difference = abs(ours - theirs) if isinstance(ours, int | float) else 0.0
    _check(ours == theirs or difference <= METRIC_TOLERANCE, name)
    return float(difference)


def _read_json(file):
    return json.loads(file.read_text(encoding="utf-8"))


def _check(same, what):
    if not same:
        msg = f"{what} differs between `kedro run` and the script by hand."
        raise DifferentRowsError(msg)


if __name__ == "__main__":
    print(f"The same: {check_same_rows(*map(Path, sys.argv[1:]))}.")
