"""Drift is measured alike on every engine: none where nothing has moved; where something has, what and how far."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pytest

from kedro_handover.errors import DriftError
from kedro_handover.evaluation.drift import BINS, list_features, measure_drift, profile_features
from kedro_handover.testing import Engine, to_pandas

ROWS = 5_000
FEATURES = ("flag", "code", "metres", "few")
LIMITS = {"largest_psi": 0.25, "unseen_share": 0.01, "action": "warn"}
SAME = 1e-12
"""Sums of logarithms in another order differ by less."""


def columns(seed: int = 0, **changes: object) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    made = {
        "flag": rng.random(ROWS) < 0.06,
        "code": rng.integers(1, 11, ROWS),
        "metres": rng.gamma(2, 500, ROWS),
        "few": rng.integers(0, 4, ROWS) / 3,
    }
    return {name: values.astype(np.float32) for name, values in (made | changes).items()}


def frame(engine: Engine, of: dict[str, np.ndarray]) -> object:
    missing = {name: [None if math.isnan(value) else value for value in values.tolist()] for name, values in of.items()}
    return engine.frame(missing, dict.fromkeys(FEATURES, pa.float32()))


def profile(engine: Engine, of: dict[str, np.ndarray]) -> dict:
    return json.loads(json.dumps(profile_features(frame(engine, of), FEATURES, ["code"])))


def measure(engine: Engine, now: dict[str, np.ndarray]) -> dict[str, dict]:
    drift = measure_drift(frame(engine, now), profile(engine, columns()), **LIMITS)
    return {one["feature"]: one for one in drift["features"]} | {"failures": drift["failures"]}


def test_the_same_rows_have_not_drifted_at_all(engine: Engine) -> None:
    drift = measure_drift(frame(engine, columns()), profile(engine, columns()), **LIMITS)
    assert (drift["rows"], drift["reference_rows"], drift["failures"]) == (ROWS, ROWS, [])
    assert {one["psi"] for one in drift["features"]} == {0}
    assert {one["unseen_share"] for one in drift["features"]} == {0}


def test_a_profile_has_deciles_of_a_measure_and_each_value_of_a_code_or_of_few(engine: Engine) -> None:
    made = profile(engine, columns())
    assert made["rows"] == ROWS
    bins = {name: len(one["counts"]) for name, one in made["features"].items()}
    assert bins == {"flag": 2, "code": 10, "metres": BINS, "few": 4}
    assert made["features"]["code"]["ends"] is None
    shares = np.array(list(made["features"]["metres"]["counts"].values())) / ROWS
    assert shares == pytest.approx(np.full(BINS, 1 / BINS), abs=0.02)
    deciles = np.quantile(columns()["metres"], np.arange(1, BINS) / BINS)
    cell = float(np.ptp(columns()["metres"])) / 1_000
    low, *ends, high = made["features"]["metres"]["ends"]
    assert ends == pytest.approx(deciles, abs=2 * cell)
    assert (low, high) == (columns()["metres"].min(), columns()["metres"].max())


def test_every_engine_makes_the_same_profile_and_measures_the_same_drift(engine: Engine) -> None:
    pandas = Engine("pandas", to_pandas)
    assert profile(engine, columns()) == profile(pandas, columns())
    moved = columns(1, metres=np.random.default_rng(2).gamma(3, 500, ROWS))
    assert measure(engine, moved) == measure(pandas, moved)


def test_the_index_is_the_stated_sum(engine: Engine) -> None:
    now = columns(flag=np.random.default_rng(3).random(ROWS) < 0.5)
    before, after = (float(flags.sum()) / ROWS for flags in (columns()["flag"], now["flag"]))
    expected = sum((q - p) * math.log(q / p) for p, q in ((before, after), (1 - before, 1 - after)))
    found = measure(engine, now)
    assert found["flag"]["psi"] == pytest.approx(expected, abs=SAME)
    assert {name: found[name]["psi"] for name in FEATURES if name != "flag"} == {"code": 0, "metres": 0, "few": 0}
    assert found["failures"] == [f"flag: PSI is {expected:.3f}, allowed at most 0.25"]
    assert found["flag"]["bins"][1]["reference"] == pytest.approx(before)
    assert found["flag"]["bins"][1]["now"] == pytest.approx(after)


def test_a_share_of_no_rows_counts_as_half_a_row(engine: Engine) -> None:
    before = columns()
    now = columns(code=np.where(before["code"] == 10, 1, before["code"]))
    shares = [[max(np.sum(of["code"] == code), 0.5) / ROWS for code in (1, 10)] for of in (before, now)]
    expected = sum((actual - share) * math.log(actual / share) for share, actual in zip(*shares, strict=True))
    assert measure(engine, now)["code"]["psi"] == pytest.approx(expected, abs=SAME)


def test_codes_that_the_model_has_not_seen_are_counted(engine: Engine) -> None:
    code = columns()["code"].copy()
    code[:100] = 11
    found = measure(engine, columns(code=code))
    assert found["code"]["unseen_share"] == 100 / ROWS
    assert "code: values that the model has not seen in 2.00% of rows, allowed at most 1.00%" in found["failures"]


def test_missing_values_are_a_bin_of_their_own(engine: Engine) -> None:
    metres = columns()["metres"].copy()
    metres[:500] = np.nan
    found = measure(engine, columns(metres=metres))
    assert found["metres"]["missing_share"] == 0.1
    assert found["metres"]["psi"] > 0.3
    assert found["metres"]["bins"][-1]["name"] == "missing"


def test_values_beyond_those_of_the_release_are_in_bins_of_their_own(engine: Engine) -> None:
    found = measure(engine, columns(metres=np.full(ROWS, 1e6)))
    assert found["metres"]["bins"][-1]["now"] == found["metres"]["unseen_share"] == 1
    assert found["metres"]["bins"][-1]["name"].startswith("above ")
    assert found["metres"]["psi"] > 5
    below = measure(engine, columns(metres=np.full(ROWS, -1.0)))
    assert below["metres"]["bins"][0]["name"].startswith("below ")
    assert below["metres"]["unseen_share"] == 1


def test_a_feature_with_one_value_has_one_bin(engine: Engine) -> None:
    made = profile(engine, columns(metres=np.ones(ROWS)))
    assert made["features"]["metres"] == {"ends": [1.0, 1.0], "counts": {"1": ROWS}}
    moved = measure_drift(frame(engine, columns(metres=np.zeros(ROWS))), made, **LIMITS)
    assert moved["features"][0]["feature"] == "metres"
    assert moved["features"][0]["unseen_share"] == 1


def test_a_category_that_is_no_feature_is_refused(engine: Engine) -> None:
    with pytest.raises(DriftError, match=r"drift\.categories: there is no feature cod"):
        profile_features(frame(engine, columns()), FEATURES, ["cod"])


def test_features_are_the_columns_that_are_no_keys(engine: Engine) -> None:
    table = engine.frame({"id": [1], "label": [True], "group": ["a"], "metres": [1.0], "code": [2.0]})
    assert list_features(table) == ["metres", "code"]
