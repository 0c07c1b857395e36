"""Measure how far a model's predictions are from those of research, row by row, on any engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoFrame

from kedro_handover.errors import ParityError
from kedro_handover.evaluation.predictions import TEST
from kedro_handover.frames import collect_to_pandas

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

PSI_BINS = 10
LEAVES_SHOWN = 10


def compare_predictions(research: IntoFrame, candidates: Mapping[str, IntoFrame]) -> dict[str, dict[str, Any]]:
    """Compare models with research on the rows of the test split, joined by id.

    Models with few distinct probabilities, such as trees, have few pairs of them. The engine counts these in one query
    for all models, and everything else is computed from the counts, in the same way on any engine.

    Args:
        research: The predictions table of the research model: `id`, `split`, `group` if there is one, `label`,
            `probability`, `prediction`.
        candidates: Those of the models in production, by name.

    Returns:
        For each candidate, in rows: `n_rows` (compared), `n_missing` (predicted by one of the two only), `n_diff`
        (another probability), `n_label_diff` (another label); `agreement` (share of rows with the same label),
        `max_abs_diff` and `mean_abs_diff` (of the probabilities), `research_auc`, `auc`, `auc_diff`, `psi` (population
        stability index of the candidate's probabilities in the deciles of research); and where they disagree:
        `by_group` and `by_leaf`, records with `rows`, `n_label_diff`, `mean_abs_diff`. A leaf of the research tree is
        identified by its probability.

    Raises:
        ParityError: If no row was predicted by both.
    """
    counted = _count_pairs(research, candidates)
    return {name: _compare(counted[counted["model"] == name]) for name in candidates}


def _compare(counted: pd.DataFrame) -> dict[str, Any]:
    in_both = counted["research"].notna() & counted["candidate"].notna()
    types = {"research_label": bool, "candidate_label": bool, "label": bool}
    pairs = counted[in_both].astype(types).reset_index(drop=True)
    if not (rows := int(pairs["rows"].sum())):
        msg = "No row was predicted by both: research_predictions are of other data. Run sklearn_research again."
        raise ParityError(msg)
    gap = (pairs["candidate"] - pairs["research"]).abs()
    pairs = pairs.assign(
        n_label_diff=pairs["rows"].where(pairs["research_label"] != pairs["candidate_label"], 0),
        total_abs_diff=gap * pairs["rows"],
    )
    research_auc, auc = _auc(pairs, "research"), _auc(pairs, "candidate")
    disagreeing = int(pairs["n_label_diff"].sum())
    return {
        "n_rows": rows,
        "n_missing": int(counted.loc[~in_both, "rows"].sum()),
        "n_diff": int(pairs.loc[gap > 0, "rows"].sum()),
        "n_label_diff": disagreeing,
        "agreement": 1 - disagreeing / rows,
        "max_abs_diff": float(gap.max()),
        "mean_abs_diff": float(pairs["total_abs_diff"].sum() / rows),
        "research_auc": research_auc,
        "auc": auc,
        "auc_diff": auc - research_auc,
        "psi": _population_stability(pairs),
        "by_group": _where(pairs, "group").to_dict("records") if "group" in pairs else [],
        "by_leaf": _where(pairs, "research").nlargest(LEAVES_SHOWN, "n_label_diff").to_dict("records"),
    }


def _count_pairs(research: IntoFrame, candidates: Mapping[str, IntoFrame]) -> pd.DataFrame:
    """Count the test split by model, group, probabilities, labels and truth; what a model misses is null."""
    of_research = _of_test(research, "research")
    has_group = "group" in of_research.collect_schema()
    keys = [
        "model",
        *(["group"] if has_group else []),
        "research",
        "candidate",
        "research_label",
        "candidate_label",
        "label",
    ]
    left = nw.concat([of_research.with_columns(model=nw.lit(name)) for name in candidates])
    right = nw.concat(
        [
            _of_test(one, "candidate").drop("label", "group", strict=False).with_columns(model=nw.lit(name))
            for name, one in candidates.items()
        ]
    )
    joined = left.join(right, on=["id", "model"], how="full", suffix="_candidate")
    counted = joined.with_columns(model=nw.coalesce("model", "model_candidate")).group_by(*keys).agg(rows=nw.len())
    return collect_to_pandas(counted).sort_values(keys, ignore_index=True)


def _of_test(predictions: IntoFrame, side: str) -> nw.LazyFrame[Any]:
    test = nw.from_native(predictions).lazy().filter(nw.col("split") == TEST)
    columns = {side: nw.col("probability"), f"{side}_label": nw.col("prediction")}
    group = [name for name in ("group",) if name in test.collect_schema()]
    return test.select("id", *group, "label", **columns)


def _auc(pairs: pd.DataFrame, model: str) -> float:
    import numpy as np

    from kedro_handover.evaluation.metrics import area_under_roc
    from kedro_handover.evaluation.predictions import PredictionHistogram

    counts = pairs.pivot_table(index=model, columns="label", values="rows", aggfunc="sum", fill_value=0)
    counts = counts.reindex(columns=[False, True], fill_value=0).sort_index()
    histogram = PredictionHistogram(
        probability=counts.index.to_numpy(),
        positive=counts[True].to_numpy(dtype=np.int64),
        negative=counts[False].to_numpy(dtype=np.int64),
        true_positive=0,
        false_positive=0,
    )
    return area_under_roc(histogram)


def _population_stability(pairs: pd.DataFrame) -> float:
    """Sum (q - p) ln(q / p) over the deciles of the research model; an empty share counts as half a row."""
    import numpy as np

    research = pairs.groupby("research")["rows"].sum()
    edges = research.index[np.searchsorted(research.cumsum(), np.arange(1, PSI_BINS) / PSI_BINS * research.sum())]
    shares = []
    for model in ("research", "candidate"):
        bins = np.searchsorted(np.unique(edges), pairs[model], side="left")
        counts = np.bincount(bins, weights=pairs["rows"], minlength=len(np.unique(edges)) + 1)
        shares.append(np.maximum(counts, 0.5) / pairs["rows"].sum())
    expected, actual = shares
    return float(np.sum((actual - expected) * np.log(actual / expected)))


def _where(pairs: pd.DataFrame, key: str) -> pd.DataFrame:
    sums = pairs.groupby(key, as_index=False)[["rows", "n_label_diff", "total_abs_diff"]].sum()
    return sums.assign(mean_abs_diff=sums["total_abs_diff"] / sums["rows"]).drop(columns="total_abs_diff")
