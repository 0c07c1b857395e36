"""Parity: the comparison is that of plain pandas code, on every engine, and its pages say what is wrong."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from kedro_handover.nodes.production import measure_parity
from sklearn.metrics import roc_auc_score

from conftest import Engine
from kedro_handover.errors import ParityError
from kedro_handover.evaluation.parity import compare_predictions
from kedro_handover.nodes.production_parameters import SparkProductionParameters, Tolerance
from kedro_handover.reporting.parity_report import render_parity_markdown, render_parity_page

PREDICTIONS = {
    "premises_id": pa.int64(),
    "split": pa.string(),
    "is_active": pa.bool_(),
    "probability": pa.float64(),
    "prediction": pa.bool_(),
}
FEATURES = {"premises_id": pa.int64(), "district_id": pa.float32()}
LAST_BITS = 1e-12
"""Sums of doubles in another order differ by less."""

EXACT = Tolerance(n_diff=0, agreement=1, max_abs_diff=0, mean_abs_diff=0, auc_diff=0, psi=0)
REJECTIONS = {"vintage": 2016, "rows_in": 12_400, "valid": 12_345, "rejected": 55, "rules": []}
COUNTS = {
    "premises": 1_000,
    "drawn": 0,
    "active": 900,
    "inactive": 90,
    "unknown": 10,
    "train_active": 70,
    "train_inactive": 70,
    "test_active": 180,
    "test_inactive": 20,
}


def predictions(ids, probability, is_active, split="test", threshold=0.5) -> pd.DataFrame:
    frame = pd.DataFrame({"premises_id": ids, "split": split, "is_active": is_active, "probability": probability})
    return frame.assign(prediction=frame["probability"] > threshold)


def compare(engine: Engine, research: pd.DataFrame, candidate: pd.DataFrame, districts: pd.DataFrame) -> dict:
    frames = [
        engine.from_arrow(pa.Table.from_pandas(frame, schema=pa.schema(schema), preserve_index=False))
        for frame, schema in ((research, PREDICTIONS), (candidate, PREDICTIONS), (districts, FEATURES))
    ]
    compared = compare_predictions(frames[0], {"candidate": frames[1], "research": frames[0]}, frames[2])
    assert list(compared) == ["candidate", "research"]
    assert compared["research"]["n_diff"] == compared["research"]["n_missing"] == 0
    return compared["candidate"]


def two_models(rows: int = 3_000, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Two models with few distinct probabilities that mostly agree, on a test and a train split."""
    rng = np.random.default_rng(seed)
    ids = rng.permutation(rows * 10)[:rows]
    leaves = np.sort(rng.random(15))
    leaf = rng.integers(0, 15, rows)
    other = np.where(rng.random(rows) < 0.2, rng.integers(0, 15, rows), leaf)
    active = rng.random(rows) < leaves[leaf]
    split = np.where(rng.random(rows) < 0.7, "test", "train")
    districts = pd.DataFrame({"premises_id": ids, "district_id": rng.integers(1, 11, rows)})
    return predictions(ids, leaves[leaf], active, split), predictions(ids, leaves[other], active, split), districts


def expected_psi(research: np.ndarray, candidate: np.ndarray) -> float:
    """Count in the deciles of research, in words of pandas; a bin is open below and closed above."""
    edges = np.unique(np.quantile(research, np.arange(1, 10) / 10, method="inverted_cdf"))
    bins = pd.IntervalIndex.from_breaks([-np.inf, *edges, np.inf], closed="right")
    counts = [pd.cut(pd.Series(one), bins).value_counts().reindex(bins, fill_value=0) for one in (research, candidate)]
    p, q = (count.clip(lower=0.5) / len(research) for count in counts)
    return float(((q - p) * np.log(q / p)).sum())


def test_the_comparison_is_that_of_plain_pandas(engine: Engine) -> None:
    research, candidate, districts = two_models()
    found = compare(engine, research, candidate, districts)
    both = research.merge(candidate.drop(columns=["split", "is_active"]), on="premises_id", suffixes=("", "_c"))
    both = both[both["split"] == "test"].merge(districts, on="premises_id")
    dp = (both["probability"] - both["probability_c"]).abs()
    other_label = both["prediction"] != both["prediction_c"]
    assert found["rows"] == len(both) > 1_500
    assert found["n_missing"] == 0
    assert found["n_diff"] == (dp > 0).sum() > 100
    assert found["n_label_diff"] == other_label.sum() > 50
    assert found["agreement"] == 1 - other_label.mean()
    assert found["max_abs_diff"] == dp.max()
    assert found["mean_abs_diff"] == pytest.approx(dp.mean(), abs=LAST_BITS)
    assert found["research_auc"] == pytest.approx(roc_auc_score(both["is_active"], both["probability"]), abs=LAST_BITS)
    assert found["auc"] == pytest.approx(roc_auc_score(both["is_active"], both["probability_c"]), abs=LAST_BITS)
    assert found["auc_diff"] == found["auc"] - found["research_auc"]
    assert found["psi"] == pytest.approx(
        expected_psi(both["probability"].to_numpy(), both["probability_c"].to_numpy()), abs=LAST_BITS
    )
    for part, key in (("by_group", "district_id"), ("by_leaf", "probability")):
        expected = pd.DataFrame({"key": both[key], "rows": 1, "n_label_diff": other_label, "mean_abs_diff": dp})
        expected = expected.groupby("key").agg({"rows": "sum", "n_label_diff": "sum", "mean_abs_diff": "mean"})
        rows = {row[key if part == "by_group" else "research"]: row for row in found[part]}
        assert len(rows) == len(found[part])
        for value, row in rows.items():
            assert row["rows"] == expected.loc[value, "rows"]
            assert row["n_label_diff"] == expected.loc[value, "n_label_diff"]
            assert row["mean_abs_diff"] == pytest.approx(expected.loc[value, "mean_abs_diff"], abs=LAST_BITS)
    assert sum(row["rows"] for row in found["by_group"]) == found["rows"]
    assert sum(row["n_label_diff"] for row in found["by_group"]) == found["n_label_diff"]
    shown = [row["n_label_diff"] for row in found["by_leaf"]]
    assert shown == sorted(other_label.groupby(both["probability"]).sum(), reverse=True)[:10]


def test_with_few_leaves_the_leaves_add_up_to_all_rows(engine: Engine) -> None:
    research, candidate, districts = two_models()
    for model in (research, candidate):
        model["probability"] = model["probability"].round(0).clip(0.25, 0.75)
        model["prediction"] = model["probability"] > 0.5
    found = compare(engine, research, candidate, districts)
    assert len(found["by_leaf"]) == 2
    assert sum(row["rows"] for row in found["by_leaf"]) == found["rows"]
    assert sum(row["n_label_diff"] for row in found["by_leaf"]) == found["n_label_diff"] > 0


def test_the_same_predictions_are_no_difference_at_all(engine: Engine) -> None:
    research, _, districts = two_models()
    found = compare(engine, research, research.sample(frac=1, random_state=1), districts)
    nothing = ("n_missing", "n_diff", "n_label_diff", "max_abs_diff", "mean_abs_diff", "auc_diff", "psi")
    assert {name: found[name] for name in nothing} == dict.fromkeys(nothing, 0)
    assert found["agreement"] == 1
    assert {row["mean_abs_diff"] for row in found["by_group"] + found["by_leaf"]} == {0}


def test_the_order_of_rows_changes_nothing(engine: Engine) -> None:
    tables = two_models()
    shuffled = (table.sample(frac=1, random_state=number) for number, table in enumerate(tables))
    assert compare(engine, *shuffled) == compare(engine, *tables)


def test_one_last_bit_is_a_differing_row(engine: Engine) -> None:
    research, _, districts = two_models(100)
    candidate = research.copy()
    row = candidate.index[candidate["split"] == "test"][3]
    candidate.loc[row, "probability"] = np.nextafter(candidate.loc[row, "probability"], 2)
    found = compare(engine, research, candidate, districts)
    assert (found["n_diff"], found["n_label_diff"]) == (1, 0)
    assert 0 < found["max_abs_diff"] < LAST_BITS


def test_premises_that_one_model_alone_predicts_are_counted(engine: Engine) -> None:
    research = predictions([1, 2, 3, 4, 5], [0.1, 0.9, 0.4, 0.6, 0.6], [False, True, True, False, True])
    candidate = predictions([5, 4, 3, 6, 7, 8], [0.6, 0.6, 0.4, 0.5, 0.5, 0.5], [True, False, True, True, True, False])
    districts = pd.DataFrame({"premises_id": range(1, 9), "district_id": 1})
    found = compare(engine, research, candidate, districts)
    assert (found["rows"], found["n_missing"], found["n_diff"]) == (3, 5, 0)
    assert found["by_group"] == [{"district_id": 1, "rows": 3, "n_label_diff": 0, "mean_abs_diff": 0}]


def test_the_training_split_is_not_compared(engine: Engine) -> None:
    research = predictions([1, 2, 3], [0.1, 0.9, 0.3], [False, True, True], ["test", "test", "train"])
    candidate = predictions([1, 2, 4], [0.1, 0.9, 0.3], [False, True, True], ["test", "test", "train"])
    districts = pd.DataFrame({"premises_id": [1, 2, 3, 4], "district_id": 1})
    found = compare(engine, research, candidate, districts)
    assert (found["rows"], found["n_missing"]) == (2, 0)


def test_a_premises_in_no_district_is_still_compared(engine: Engine) -> None:
    research = predictions([1, 2, 3], [0.1, 0.9, 0.3], [False, True, True])
    districts = pd.DataFrame({"premises_id": [1, 2, 3], "district_id": [1, None, 2]})
    found = compare(engine, research, research, districts)
    assert (found["rows"], found["n_missing"]) == (3, 0)


def psi(research: list[float], candidate: list[float]) -> float:
    ids, active = range(len(research)), [True, False] * (len(research) // 2)
    engine = Engine("pandas", lambda table: table.to_pandas(types_mapper=pd.ArrowDtype))
    districts = pd.DataFrame({"premises_id": ids, "district_id": 1})
    return compare(engine, predictions(ids, research, active), predictions(ids, candidate, active), districts)["psi"]


def test_the_stability_index_is_that_of_a_hand() -> None:
    ten = [place / 10 for place in range(1, 11)]
    assert psi(ten, ten[::-1]) == 0
    # One of ten moves from the first decile to the last: shares 0.05 (half a premises of ten) and 0.2 against 0.1.
    moved = [*ten[1:], 1.0]
    assert psi(ten, moved) == pytest.approx(-0.05 * math.log(0.5) + 0.1 * math.log(2), abs=LAST_BITS)


def test_the_stability_index_puts_ties_in_one_bin() -> None:
    # Research has two probabilities, 8 of 10 and 2 of 10: deciles 1 to 8 are one edge, the ninth is the other.
    research, candidate = [0.3] * 8 + [0.6] * 2, [0.3] * 5 + [0.6] * 5
    assert psi(research, candidate) == pytest.approx(-0.3 * math.log(5 / 8) + 0.3 * math.log(5 / 2), abs=LAST_BITS)
    assert psi([0.5] * 10, [0.5] * 10) == 0


def test_the_stability_index_counts_an_empty_bin_as_half_a_premises() -> None:
    research, candidate = [0.3] * 5 + [0.6] * 5, [0.2] * 10
    empty = 0.05
    assert psi(research, candidate) == pytest.approx(
        0.5 * math.log(1 / 0.5) + (empty - 0.5) * math.log(empty / 0.5), abs=LAST_BITS
    )


def parameters(tolerance: Tolerance) -> SparkProductionParameters:
    return SparkProductionParameters(
        released_model="handed_over",
        threshold=0.5,
        sql_nodes=200,
        max_bins=32,
        seed=1,
        h2o={"bins": 100, "histogram": "AUTO", "unknown_as_missing": True, "attempts": 1},
        drift={"largest_psi": 1, "unseen_share": 0, "categories": [], "action": "warn"},
        tolerances={"handed_over": EXACT, "mllib": tolerance},
    )


def measure(research, handed_over, mllib, districts, tolerance: Tolerance = EXACT) -> dict:
    frames = [
        pa.Table.from_pandas(frame, schema=pa.schema(schema), preserve_index=False).to_pandas(
            types_mapper=pd.ArrowDtype
        )
        for frame, schema in zip(
            (research, handed_over, mllib, districts), (PREDICTIONS, PREDICTIONS, PREDICTIONS, FEATURES), strict=True
        )
    ]
    research, handed_over, mllib, districts = frames
    return measure_parity(research, districts, parameters(tolerance), handed_over=handed_over, mllib=mllib)


def test_predictions_of_another_census_are_named_as_such() -> None:
    research, candidate, districts = two_models(rows=100)
    other = candidate.assign(premises_id=candidate["premises_id"] + 10**9)
    with pytest.raises(ParityError, match="research_predictions are of another census"):
        measure(research, other, other, districts)


def test_every_figure_out_of_tolerance_is_a_failure_with_its_limit() -> None:
    research, candidate, districts = two_models()
    parity = measure(research, research, candidate, districts)
    assert parity["handed_over"]["failures"] == []
    names = ("n_diff", "agreement", "max_abs_diff", "mean_abs_diff", "auc_diff", "psi")
    assert [failure.split(" is ")[0] for failure in parity["mllib"]["failures"]] == list(names)
    figure = f"{parity['mllib']['agreement']:.6f}"[:-1]
    assert re.fullmatch(rf"agreement is {figure}\d*, allowed at least 1", parity["mllib"]["failures"][1])


def test_a_figure_on_its_limit_is_within_tolerance() -> None:
    research, candidate, districts = two_models()
    one = measure(research, research, candidate, districts)["mllib"]
    limits = {name: abs(one[name]) for name in EXACT.model_dump()}
    assert measure(research, research, candidate, districts, Tolerance(**limits))["mllib"]["failures"] == []
    for name, limit in limits.items():
        tighter = {"n_diff": limit - 1, "agreement": limit * (1 + 1e-9)}.get(name, limit * (1 - 1e-9))
        tolerance = Tolerance(**limits | {name: tighter})
        (failure,) = measure(research, research, candidate, districts, tolerance)["mllib"]["failures"]
        assert failure.startswith(name)
        is_, allowed = re.findall(r"(?<= )[-+.e0-9]+", failure)
        assert is_ != allowed, failure


def test_missing_rows_are_a_failure_whatever_the_tolerances() -> None:
    research, candidate, districts = two_models()
    any_ = Tolerance(n_diff=None, agreement=0, max_abs_diff=1, mean_abs_diff=1, auc_diff=1, psi=100)
    short = candidate[candidate["premises_id"] != candidate.loc[candidate["split"] == "test", "premises_id"].iloc[0]]
    parity = measure(research, research, short, districts, any_)
    assert parity["mllib"]["failures"] == ["1 premises are predicted by one of the two models only"]


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.pictures, self.references = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        self.references += [value for name, value in attributes.items() if name in ("src", "href", "srcset", "action")]
        if tag == "img":
            self.pictures.append(attributes)


def failing() -> dict:
    research, candidate, districts = two_models()
    return measure(research, research, candidate, districts)


def test_the_page_needs_no_other_file_and_describes_its_pictures() -> None:
    html = render_parity_page(failing(), COUNTS, REJECTIONS)
    page = Page(html)
    assert len(page.pictures) == 1
    assert all(picture["alt"].strip() for picture in page.pictures)
    assert "between MLlib and research by district: " in page.pictures[0]["alt"]
    assert all(reference.startswith("data:image/png;base64,") for reference in page.references)
    assert not {"link", "script", "iframe", "object", "base"} & set(page.tags)
    assert not re.search(r"https?:|//[a-z]|url\(|@import", re.sub(r'src="data:[^"]*"', "", html))


def test_both_pages_name_every_failure() -> None:
    parity = failing()
    html, markdown = render_parity_page(parity, COUNTS, REJECTIONS), render_parity_markdown(parity)
    assert len(parity["mllib"]["failures"]) == 6
    for failure in parity["mllib"]["failures"]:
        assert f"MLlib: {failure}" in html
        assert f"- mllib: {failure}" in markdown
    assert "handed over: " not in html.split("<h2>")[0].split("nothing is released")[1]
    assert "nothing is released" in html
    assert "nothing is released" in markdown
    assert "nan" not in markdown.lower()


def test_both_pages_say_that_all_is_well() -> None:
    research, _, districts = two_models()
    parity = measure(research, research, research, districts)
    html, markdown = render_parity_page(parity, COUNTS, REJECTIONS), render_parity_markdown(parity)
    assert "Every model is within its tolerances." in html
    assert "All within tolerance." in markdown
    assert "nothing is released" not in html + markdown
    assert Page(html).pictures == []


def test_the_markdown_table_has_a_cell_for_every_column() -> None:
    lines = [line for line in render_parity_markdown(failing()).splitlines() if line.startswith("|")]
    cells = {len(re.split(r"(?<!\\)\|", line)) for line in lines}
    assert len(lines) == 4
    assert len(cells) == 1


def test_figures_are_those_that_were_measured() -> None:
    parity = failing()
    one = parity["mllib"]
    html, markdown = render_parity_page(parity, COUNTS, REJECTIONS), render_parity_markdown(parity)
    for figure in (f"{one['rows']:,}", f"{one['n_diff']:,}", f"{one['auc']:.4f}", f"{one['research_auc']:.4f}"):
        assert figure in html
        assert figure in markdown
    assert f"{one['agreement']:.2%}" in html


def test_what_is_not_ours_is_escaped_on_the_page() -> None:
    parity = failing()
    parity["mllib"]["failures"] = ["<script>alert(1)</script> & more"]
    html = render_parity_page(parity, COUNTS, REJECTIONS)
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in html
