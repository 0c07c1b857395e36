"""Parity: the comparison is that of plain pandas code, on every engine."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from kedro_handover.errors import ParityError
from kedro_handover.evaluation import predictions as counting
from kedro_handover.evaluation.parity import compare_predictions
from kedro_handover.testing import Engine
from two_models import SCHEMA, predictions, two_models

LAST_BITS = 1e-12
"""Sums of doubles in another order differ by less."""


def compare(engine: Engine, research: pd.DataFrame, candidate: pd.DataFrame) -> dict:
    frames = [
        engine.from_arrow(pa.Table.from_pandas(frame, schema=pa.schema(SCHEMA), preserve_index=False))
        for frame in (research, candidate)
    ]
    compared = compare_predictions(frames[0], {"candidate": frames[1], "research": frames[0]})
    assert list(compared) == ["candidate", "research"]
    assert compared["research"]["n_diff"] == compared["research"]["n_missing"] == 0
    return compared["candidate"]


def expected_psi(research: np.ndarray, candidate: np.ndarray) -> float:
    """Count in the deciles of research, in words of pandas; each ends midway between two scores of research."""
    ends = np.unique(np.quantile(research, np.arange(1, 10) / 10, method="inverted_cdf"))
    following = pd.Series(np.unique(research), index=np.unique(research)).shift(-1)
    edges = [(end + following[end]) / 2 for end in ends if end < research.max()]
    bins = pd.IntervalIndex.from_breaks([-np.inf, *edges, np.inf], closed="right")
    counts = [pd.cut(pd.Series(one), bins).value_counts().reindex(bins, fill_value=0) for one in (research, candidate)]
    p, q = (count.clip(lower=0.5) / len(research) for count in counts)
    return float(((q - p) * np.log(q / p)).sum())


def test_the_comparison_is_that_of_plain_pandas(engine: Engine) -> None:
    research, candidate = two_models()
    found = compare(engine, research, candidate)
    both = research.merge(candidate.drop(columns=["split", "label", "group"]), on="id", suffixes=("", "_c"))
    both = both[both["split"] == "test"]
    dp = (both["probability"] - both["probability_c"]).abs()
    other_label = both["prediction"] != both["prediction_c"]
    assert found["n_rows"] == len(both) > 1_500
    assert found["n_missing"] == 0
    assert found["n_diff"] == (dp > 0).sum() > 100
    assert found["n_label_diff"] == other_label.sum() > 50
    assert found["agreement"] == 1 - other_label.mean()
    assert found["max_abs_diff"] == dp.max()
    assert found["mean_abs_diff"] == pytest.approx(dp.mean(), abs=LAST_BITS)
    assert found["research_auc"] == pytest.approx(roc_auc_score(both["label"], both["probability"]), abs=LAST_BITS)
    assert found["auc"] == pytest.approx(roc_auc_score(both["label"], both["probability_c"]), abs=LAST_BITS)
    assert found["auc_diff"] == found["auc"] - found["research_auc"]
    assert found["psi"] == pytest.approx(
        expected_psi(both["probability"].to_numpy(), both["probability_c"].to_numpy()), abs=LAST_BITS
    )
    for part, key in (("by_group", "group"), ("by_leaf", "probability")):
        expected = pd.DataFrame({"key": both[key], "rows": 1, "n_label_diff": other_label, "mean_abs_diff": dp})
        expected = expected.groupby("key").agg({"rows": "sum", "n_label_diff": "sum", "mean_abs_diff": "mean"})
        rows = {row["group" if part == "by_group" else "research"]: row for row in found[part]}
        assert len(rows) == len(found[part])
        for value, row in rows.items():
            assert row["rows"] == expected.loc[value, "rows"]
            assert row["n_label_diff"] == expected.loc[value, "n_label_diff"]
            assert row["mean_abs_diff"] == pytest.approx(expected.loc[value, "mean_abs_diff"], abs=LAST_BITS)
    assert sum(row["rows"] for row in found["by_group"]) == found["n_rows"]
    assert sum(row["n_label_diff"] for row in found["by_group"]) == found["n_label_diff"]
    shown = [row["n_label_diff"] for row in found["by_leaf"]]
    assert shown == sorted(other_label.groupby(both["probability"]).sum(), reverse=True)[:10]


def test_too_many_pairs_are_counted_in_bins_and_the_rest_stays_that_of_the_rows(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_they_are = compare(engine, *two_models())
    monkeypatch.setattr(counting, "MOST_COUNTED", 5)
    found = compare(engine, *two_models())
    assert found.pop("bin_width") == counting.PROBABILITY_WIDTH
    assert found["by_leaf"] == []
    for key in ("n_rows", "n_missing", "n_diff", "n_label_diff", "agreement", "max_abs_diff"):
        assert found[key] == as_they_are[key], key
    for key in ("mean_abs_diff", "auc", "research_auc", "psi"):
        assert found[key] == pytest.approx(as_they_are[key], abs=1e-3), key
    assert [one["rows"] for one in found["by_group"]] == [one["rows"] for one in as_they_are["by_group"]]


def test_with_few_leaves_the_leaves_add_up_to_all_rows(engine: Engine) -> None:
    research, candidate = two_models()
    for model in (research, candidate):
        model["probability"] = model["probability"].round(0).clip(0.25, 0.75)
        model["prediction"] = model["probability"] > 0.5
    found = compare(engine, research, candidate)
    assert len(found["by_leaf"]) == 2
    assert sum(row["rows"] for row in found["by_leaf"]) == found["n_rows"]
    assert sum(row["n_label_diff"] for row in found["by_leaf"]) == found["n_label_diff"] > 0


def test_the_same_predictions_are_no_difference_at_all(engine: Engine) -> None:
    research, _ = two_models()
    found = compare(engine, research, research.sample(frac=1, random_state=1))
    nothing = ("n_missing", "n_diff", "n_label_diff", "max_abs_diff", "mean_abs_diff", "auc_diff", "psi")
    assert {name: found[name] for name in nothing} == dict.fromkeys(nothing, 0)
    assert found["agreement"] == 1
    assert {row["mean_abs_diff"] for row in found["by_group"] + found["by_leaf"]} == {0}


def test_the_order_of_rows_changes_nothing(engine: Engine) -> None:
    tables = two_models()
    shuffled = (table.sample(frac=1, random_state=number) for number, table in enumerate(tables))
    assert compare(engine, *shuffled) == compare(engine, *tables)


def test_one_last_bit_is_a_differing_row(engine: Engine) -> None:
    research, _ = two_models(100)
    candidate = research.copy()
    row = candidate.index[candidate["split"] == "test"][3]
    candidate.loc[row, "probability"] = np.nextafter(candidate.loc[row, "probability"], 2)
    found = compare(engine, research, candidate)
    assert (found["n_diff"], found["n_label_diff"]) == (1, 0)
    assert 0 < found["max_abs_diff"] < LAST_BITS


def test_rows_that_one_model_alone_predicts_are_counted(engine: Engine) -> None:
    research = predictions([1, 2, 3, 4, 5], [0.1, 0.9, 0.4, 0.6, 0.6], [False, True, True, False, True])
    candidate = predictions([5, 4, 3, 6, 7, 8], [0.6, 0.6, 0.4, 0.5, 0.5, 0.5], [True, False, True, True, True, False])
    found = compare(engine, research, candidate)
    assert (found["n_rows"], found["n_missing"], found["n_diff"]) == (3, 5, 0)
    assert found["by_group"] == [{"group": 1, "rows": 3, "n_label_diff": 0, "mean_abs_diff": 0}]


def test_the_training_split_is_not_compared(engine: Engine) -> None:
    research = predictions([1, 2, 3], [0.1, 0.9, 0.3], [False, True, True], ["test", "test", "train"])
    candidate = predictions([1, 2, 4], [0.1, 0.9, 0.3], [False, True, True], ["test", "test", "train"])
    found = compare(engine, research, candidate)
    assert (found["n_rows"], found["n_missing"]) == (2, 0)


def test_a_row_in_no_group_is_still_compared(engine: Engine) -> None:
    research = predictions([1, 2, 3], [0.1, 0.9, 0.3], [False, True, True], group=pd.array([1, None, 2], "Int64"))
    found = compare(engine, research, research)
    assert (found["n_rows"], found["n_missing"]) == (3, 0)


def psi(research: list[float], candidate: list[float]) -> float:
    ids, positive = range(len(research)), [True, False] * (len(research) // 2)
    engine = Engine("pandas", lambda table: table.to_pandas(types_mapper=pd.ArrowDtype))
    return compare(engine, predictions(ids, research, positive), predictions(ids, candidate, positive))["psi"]


def test_the_stability_index_is_that_of_a_hand() -> None:
    ten = [place / 10 for place in range(1, 11)]
    assert psi(ten, ten[::-1]) == 0
    # One of ten moves from the first decile to the last: shares 0.05 (half a row of ten) and 0.2 against 0.1.
    moved = [*ten[1:], 1.0]
    assert psi(ten, moved) == pytest.approx(-0.05 * math.log(0.5) + 0.1 * math.log(2), abs=LAST_BITS)


def test_the_stability_index_puts_ties_in_one_bin() -> None:
    # Research has two probabilities, 8 of 10 and 2 of 10: deciles 1 to 8 are one edge, the ninth is the other.
    research, candidate = [0.3] * 8 + [0.6] * 2, [0.3] * 5 + [0.6] * 5
    assert psi(research, candidate) == pytest.approx(-0.3 * math.log(5 / 8) + 0.3 * math.log(5 / 2), abs=LAST_BITS)
    assert psi([0.5] * 10, [0.5] * 10) == 0


@pytest.mark.parametrize("research", [[place / 10 for place in range(1, 11)], [0.3] * 8 + [0.6] * 2])
def test_no_decile_loses_a_row_to_a_difference_in_the_last_digits(research: list[float]) -> None:
    assert psi(research, [float(np.nextafter(score, 1)) for score in research]) == 0
    assert psi(research, [float(np.float32(score)) for score in research]) == 0


def test_the_stability_index_counts_an_empty_bin_as_half_a_row() -> None:
    research, candidate = [0.3] * 5 + [0.6] * 5, [0.2] * 10
    empty = 0.05
    assert psi(research, candidate) == pytest.approx(
        0.5 * math.log(1 / 0.5) + (empty - 0.5) * math.log(empty / 0.5), abs=LAST_BITS
    )


def test_without_groups_nothing_is_told_by_group(engine: Engine) -> None:
    research, candidate = (model.drop(columns="group") for model in two_models())
    frames = [engine.from_arrow(pa.Table.from_pandas(frame, preserve_index=False)) for frame in (research, candidate)]
    compared = compare_predictions(frames[0], {"candidate": frames[1]})["candidate"]
    assert compared["by_group"] == []
    assert compared["n_diff"] > 100


def test_a_group_may_be_a_text(engine: Engine) -> None:
    research, candidate = (model.assign(group=[f"shop {one}" for one in model["group"]]) for model in two_models())
    frames = [engine.from_arrow(pa.Table.from_pandas(frame, preserve_index=False)) for frame in (research, candidate)]
    compared = compare_predictions(frames[0], {"candidate": frames[1]})["candidate"]
    assert sorted(record["group"] for record in compared["by_group"]) == sorted(set(research["group"]))


def test_predictions_of_other_rows_are_named_as_such(engine: Engine) -> None:
    research, candidate = two_models(100)
    with pytest.raises(ParityError, match="research_predictions are of other data"):
        compare(engine, research, candidate.assign(id=candidate["id"] + 10**9))
