"""Measure how far a model's predictions are from those of research, row by row, on any engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoFrame

from kedro_handover.errors import ParityError
from kedro_handover.evaluation import predictions as counting
from kedro_handover.evaluation.predictions import (
    PROBABILITY_WIDTH,
    TEST,
    NumberPairs,
    PredictionHistogram,
    count_distinct,
    find_width,
)
from kedro_handover.expressions import any_of
from kedro_handover.frames import collect_to_pandas
from kedro_handover.tasks import Task, find_task, list_scores

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd

PSI_BINS = 10
LEAVES_SHOWN = 10

GAP_UNIT = 2.0**-32
"""Differences of several classes or of numbers are added up in whole units, so that engines agree: this is one, of
probabilities, or of the width that `find_width` gives."""


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

        Of several classes, a row differs where the probability of any class does; the means are over rows and classes,
        the AUC is the mean of each class against all others, `psi` the largest of the classes', and `by_class` has
        records with `n_diff`, `max_abs_diff`, `mean_abs_diff` and `psi` of each; there is no `by_leaf`. Of a
        regression, differences are those of the predicted numbers, `research_r2`, `r2` and `r2_diff` stand where the
        AUC does, and there are no labels and no leaves. Where there are more than a million distinct scores, or pairs
        of them, they are rounded to bins for what follows from their order (AUC, R², `psi`), `bin_width` is the width,
        and two classes have no `by_leaf` either; all other figures are those of the single rows.

    Raises:
        ParityError: If no row was predicted by both.
    """
    task = find_task(research)
    counted = _count_pairs(research, candidates) if task == "binary" else None
    if counted is None:
        return _compare_sums(research, candidates, task)
    return {name: _compare(counted[counted["model"] == name]) for name in candidates}


def _compare_sums(research: IntoFrame, candidates: Mapping[str, IntoFrame], task: Task) -> dict[str, dict[str, Any]]:
    """Compare models by what the engine adds up of all rows: those whose scores are too many for pairs of them."""
    scores = list_scores(nw.from_native(research).collect_schema().names())
    joined = _join_all(research, candidates, scores)
    width = _find_width_of_labels(research) if task == "regression" else PROBABILITY_WIDTH
    unit = GAP_UNIT * width if task == "regression" else GAP_UNIT
    gaps = _add_up_gaps(joined, scores, unit)
    counted: dict[str, pd.DataFrame] = {}
    in_bins = False
    for score in scores:
        counted[score], are_bins = _count_scores(joined, score, width, with_label=task == "regression")
        in_bins |= are_bins
    compared = {}
    for name in candidates:
        of_model = gaps[gaps["model"] == name]
        in_both = of_model[of_model["in_both"]]
        rows = int(in_both["rows"].sum())
        if not rows:
            msg = "No row was predicted by both: research_predictions are of other data. Run sklearn_research again."
            raise ParityError(msg)
        of_score = {score: one[one["model"] == name] for score, one in counted.items()}
        units = sum(int(in_both[f"units_of_{score}"].sum()) for score in scores)
        common = {
            "n_rows": rows,
            "n_missing": int(of_model.loc[~of_model["in_both"], "rows"].sum()),
            "n_diff": int(in_both["n_diff"].sum()),
            "max_abs_diff": max(float(in_both[f"largest_of_{score}"].max()) for score in scores),
            "mean_abs_diff": units * unit / rows / len(scores),
            "by_group": _sum_groups(in_both, scores, unit) if "group" in in_both else [],
            "by_leaf": [],
            **({"bin_width": width} if in_bins else {}),
        }
        measure = {"binary": _measure_two, "multiclass": _measure_classes, "regression": _measure_numbers}[task]
        compared[name] = common | measure(in_both, of_score, unit)
    return compared


def _measure_two(
    in_both: pd.DataFrame,
    of_score: dict[str, pd.DataFrame],
    unit: float,  # noqa: ARG001 - as for classes
) -> dict[str, Any]:
    (counted,) = of_score.values()
    aucs = (_auc_of(counted[counted["side"] == side].astype({"label": bool})) for side in ("research", "candidate"))
    return {**_compare_labels(in_both, *aucs), "psi": _stability_of(counted)}


def _measure_classes(in_both: pd.DataFrame, of_score: dict[str, pd.DataFrame], unit: float) -> dict[str, Any]:
    rows = int(in_both["rows"].sum())
    by_class = [
        {
            "n_diff": int(in_both[f"n_diff_of_{score}"].sum()),
            "max_abs_diff": float(in_both[f"largest_of_{score}"].max()),
            "mean_abs_diff": int(in_both[f"units_of_{score}"].sum()) * unit / rows,
            "psi": _stability_of(counted),
        }
        for score, counted in of_score.items()
    ]
    aucs = {
        side: [
            _auc_of(counted[counted["side"] == side].assign(label=counted["label"] == place))
            for place, counted in enumerate(of_score.values())
        ]
        for side in ("research", "candidate")
    }
    means = (sum(of_side) / len(of_side) for of_side in aucs.values())
    return {
        **_compare_labels(in_both, *means),
        "psi": max(one["psi"] for one in by_class),
        "by_class": by_class,
    }


def _compare_labels(in_both: pd.DataFrame, research_auc: float, auc: float) -> dict[str, Any]:
    rows, disagreeing = int(in_both["rows"].sum()), int(in_both["n_label_diff"].sum())
    return {
        "n_label_diff": disagreeing,
        "agreement": 1 - disagreeing / rows,
        "research_auc": research_auc,
        "auc": auc,
        "auc_diff": auc - research_auc,
    }


def _measure_numbers(
    in_both: pd.DataFrame,  # noqa: ARG001 - as for classes
    of_score: dict[str, pd.DataFrame],
    unit: float,  # noqa: ARG001
) -> dict[str, Any]:
    from kedro_handover.evaluation.metrics import compute_number_metrics

    (counted,) = of_score.values()
    r2 = {}
    for side in ("research", "candidate"):
        one = counted[counted["side"] == side].sort_values(["label", "score"])
        pairs = NumberPairs(one["label"].to_numpy(), one["score"].to_numpy(), one["rows"].to_numpy())
        r2[side] = compute_number_metrics(pairs)["r2"]
    return {
        "research_r2": r2["research"],
        "r2": r2["candidate"],
        "r2_diff": r2["candidate"] - r2["research"],
        "psi": _stability_of(counted),
    }


def _join_all(research: IntoFrame, candidates: Mapping[str, IntoFrame], scores: list[str]) -> nw.LazyFrame[Any]:
    """Put the test rows of research beside those of each model: `model`, `of_research_…`, `of_candidate_…`."""
    left = _take_test(research, scores, "of_research_")
    right = [
        _take_test(one, scores, "of_candidate_").drop("label", "group", strict=False).with_columns(model=nw.lit(name))
        for name, one in candidates.items()
    ]
    many = nw.concat([left.with_columns(model=nw.lit(name)) for name in candidates])
    joined = many.join(nw.concat(right), on=["id", "model"], how="full", suffix="_candidate")
    is_there = [~nw.col(f"of_{side}_{scores[0]}").is_null() for side in ("research", "candidate")]
    return joined.with_columns(model=nw.coalesce("model", "model_candidate"), in_both=is_there[0] & is_there[1])


def _take_test(predictions: IntoFrame, scores: list[str], prefix: str) -> nw.LazyFrame[Any]:
    test = nw.from_native(predictions).lazy().filter(nw.col("split") == TEST)
    group = [name for name in ("group",) if name in test.collect_schema()]
    given = {f"{prefix}{name}": nw.col(name) for name in dict.fromkeys((*scores, "prediction"))}
    return test.select("id", *group, "label", **given)


def _find_width_of_labels(research: IntoFrame) -> float:
    label = nw.col("label")
    labels = nw.from_native(research).lazy().filter(nw.col("split") == TEST)
    found = labels.select(low=label.min(), high=label.max()).collect().rows(named=True)[0]
    return find_width(float(found["low"] or 0), float(found["high"] or 0))


def _add_up_gaps(joined: nw.LazyFrame[Any], scores: list[str], unit: float) -> pd.DataFrame:
    """Add up, for each model and group, how far the candidate is from research; the sums are of whole numbers."""
    gaps = {
        f"gap_of_{score}": (nw.col(f"of_candidate_{score}") - nw.col(f"of_research_{score}")).abs().fill_null(0.0)
        for score in scores
    }
    has_group = "group" in joined.collect_schema()
    keys = ["model", "in_both", *(["group"] if has_group else [])]
    is_other_label = nw.col("of_candidate_prediction") != nw.col("of_research_prediction")
    with_gaps = joined.with_columns(**gaps, n_label_diff=is_other_label.cast(nw.Int64).fill_null(0))
    parts: dict[str, nw.Expr] = {"n_diff": any_of(nw.col(gap) > 0 for gap in gaps).cast(nw.Int64)}
    for score in scores:
        gap = nw.col(f"gap_of_{score}")
        parts |= {
            f"n_diff_of_{score}": (gap > 0).cast(nw.Int64),
            f"units_of_{score}": (gap * (1 / unit) + 0.5).floor().cast(nw.Int64),
        }
    with_gaps = with_gaps.with_columns(**parts)
    wanted = {
        "rows": nw.len(),
        **{name: nw.col(name).sum() for name in ("n_label_diff", *parts)},
        **{f"largest_of_{score}": nw.col(f"gap_of_{score}").max() for score in scores},
    }
    summed = collect_to_pandas(with_gaps.group_by(*keys).agg(**wanted))
    whole = summed.astype(dict.fromkeys(("rows", "n_label_diff", *parts), "int64"))  # DuckDB's sums are decimals
    return whole.sort_values(keys, ignore_index=True)


def _count_scores(
    joined: nw.LazyFrame[Any], score: str, width: float, *, with_label: bool
) -> tuple[pd.DataFrame, bool]:
    """Count the rows that both models predict by what each says: `model`, `side`, `label`, `score`, `rows`."""
    both = joined.filter(nw.col("in_both"))
    sides = nw.concat(
        [
            both.select("model", "label", score=nw.col(f"of_{side}_{score}"), side=nw.lit(side))
            for side in ("research", "candidate")
        ]
    )
    widths = {"score": width, **({"label": width} if with_label else {})}
    keys = ["model", "side", "label", "score"]
    counted, are_bins = count_distinct(sides, keys, widths, rows=nw.len())
    return collect_to_pandas(counted.lazy()).sort_values(keys, ignore_index=True), are_bins


def _auc_of(counted: pd.DataFrame) -> float:
    """Compute the AUC of one class from the rows by `score`, and whether `label` is the class."""
    counts = counted.pivot_table(index="score", columns="label", values="rows", aggfunc="sum", fill_value=0)
    return _area(counts.reindex(columns=[False, True], fill_value=0).sort_index())


def _stability_of(counted: pd.DataFrame) -> float:
    """Compute the PSI from the rows by `side` and `score`."""
    by_score = counted.pivot_table(index="score", columns="side", values="rows", aggfunc="sum", fill_value=0)
    by_score = by_score.sort_index()
    values = by_score.index.to_numpy()
    research, candidate = by_score["research"].to_numpy(), by_score["candidate"].to_numpy()
    there = research > 0
    return _stability(values[there], research[there], values, candidate)


def _sum_groups(in_both: pd.DataFrame, scores: list[str], unit: float) -> list[dict[str, Any]]:
    units = in_both[[f"units_of_{score}" for score in scores]].sum(axis=1)
    summed = in_both.assign(units=units).groupby("group", as_index=False)[["rows", "n_label_diff", "units"]].sum()
    means = summed["units"] * unit / summed["rows"] / len(scores)
    unwanted = ["units", *(["n_label_diff"] if scores == ["prediction"] else [])]
    by_group = summed.assign(mean_abs_diff=means).drop(columns=unwanted)
    return [{str(name): value for name, value in record.items()} for record in by_group.to_dict("records")]


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


def _count_pairs(research: IntoFrame, candidates: Mapping[str, IntoFrame]) -> pd.DataFrame | None:
    """Count the test split by model, group, probabilities, labels and truth; what a model misses is null.

    None where there are too many for one process.
    """
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
    pairs = collect_to_pandas(counted.head(counting.MOST_COUNTED + 1))
    return None if len(pairs) > counting.MOST_COUNTED else pairs.sort_values(keys, ignore_index=True)


def _of_test(predictions: IntoFrame, side: str) -> nw.LazyFrame[Any]:
    test = nw.from_native(predictions).lazy().filter(nw.col("split") == TEST)
    columns = {side: nw.col("probability"), f"{side}_label": nw.col("prediction")}
    group = [name for name in ("group",) if name in test.collect_schema()]
    return test.select("id", *group, "label", **columns)


def _auc(pairs: pd.DataFrame, model: str) -> float:
    counts = pairs.pivot_table(index=model, columns="label", values="rows", aggfunc="sum", fill_value=0)
    return _area(counts.reindex(columns=[False, True], fill_value=0).sort_index())


def _area(counts: pd.DataFrame) -> float:
    """Compute the AUC from the rows of each score, negative and positive."""
    import numpy as np

    from kedro_handover.evaluation.metrics import area_under_roc

    histogram = PredictionHistogram(
        probability=counts.index.to_numpy(),
        positive=counts[True].to_numpy(dtype=np.int64),
        negative=counts[False].to_numpy(dtype=np.int64),
        true_positive=0,
        false_positive=0,
    )
    return area_under_roc(histogram)


def _population_stability(pairs: pd.DataFrame) -> float:
    """Compute it from the rows of each pair of probabilities."""
    research = pairs.groupby("research")["rows"].sum()
    rows = pairs["rows"].to_numpy()
    return _stability(research.index.to_numpy(), research.to_numpy(), pairs["candidate"].to_numpy(), rows)


def _stability(
    research: np.ndarray, research_rows: np.ndarray, candidate: np.ndarray, candidate_rows: np.ndarray
) -> float:
    """Sum (q - p) ln(q / p) over the deciles of the research model; an empty share counts as half a row.

    `research` are distinct scores in ascending order. Deciles end midway between two of them: a score that differs in
    its last digits alone then stays in its decile.
    """
    import numpy as np

    total = research_rows.sum()
    ends = np.unique(np.searchsorted(research_rows.cumsum(), np.arange(1, PSI_BINS) / PSI_BINS * total))
    ends = ends[ends < len(research) - 1]  # the highest score ends the last decile, which is open
    edges = (research[ends] + research[ends + 1]) / 2
    shares = []
    for scores, rows in ((research, research_rows), (candidate, candidate_rows)):
        bins = np.searchsorted(edges, scores, side="left")
        counts = np.bincount(bins, weights=rows, minlength=len(edges) + 1)
        shares.append(np.maximum(counts, 0.5) / total)
    expected, actual = shares
    return float(np.sum((actual - expected) * np.log(actual / expected)))


def _where(pairs: pd.DataFrame, key: str) -> pd.DataFrame:
    sums = pairs.groupby(key, as_index=False)[["rows", "n_label_diff", "total_abs_diff"]].sum()
    return sums.assign(mean_abs_diff=sums["total_abs_diff"] / sums["rows"]).drop(columns="total_abs_diff")
