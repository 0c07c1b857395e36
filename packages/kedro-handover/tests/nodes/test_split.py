"""Rows are split, folded and thinned by a hash of their id, alike on every engine, and all are accounted for."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pytest

from kedro_handover.contract import Rule, outside
from kedro_handover.errors import ContractError, DataError
from kedro_handover.nodes.split import SplitParameters, count_rows, split_and_balance
from kedro_handover.testing import to_spark
from toy import make_features

if TYPE_CHECKING:
    from pathlib import Path

    from kedro_handover.testing import Engine

PARAMETERS = SplitParameters(test_share=0.2, folds=5, majority_per_minority=1)
FEATURE_RULES = [
    Rule("shop_is_known", "shop is 1 to 4.", outside("shop", 1, 4)),
    Rule("price_is_known", "price is known, and not negative.", outside("price", 0, 1e9)),
]


def thinned_to(ratio: float | None) -> SplitParameters:
    return PARAMETERS.model_copy(update={"majority_per_minority": ratio})


def labels_of(positive: int, negative: int, unknown: int = 0) -> list[bool | None]:
    labels = [True] * positive + [False] * negative + [None] * unknown
    random.Random(0).shuffle(labels)
    return labels


def many(engine: Engine, positive: int, negative: int, unknown: int = 0) -> Any:
    labels = labels_of(positive, negative, unknown)
    columns = {
        "id": [str(number) for number in range(1, len(labels) + 1)],
        "label": labels,
        "price": [1.5] * len(labels),
    }
    return engine.frame(columns, {"id": pa.string(), "label": pa.bool_(), "price": pa.float32()})


def split(engine: Engine, frame: Any, parameters: SplitParameters = PARAMETERS) -> list[dict[str, Any]]:
    return engine.rows(split_and_balance(frame, parameters))


def test_the_split_is_the_stated_arithmetic_of_the_id(engine: Engine) -> None:
    rows = split(engine, many(engine, 500, 500), thinned_to(99))
    modulus = 2**31 - 1
    expected = ["test" if (int(row["id"]) * 48271 % modulus) % 100 < 20 else "train" for row in rows]
    assert [row["split"] for row in rows] == expected
    assert len(rows) == 1000


def test_the_test_share_is_kept_and_folds_are_even(engine: Engine) -> None:
    rows = split(engine, many(engine, 10_000, 10_000))
    in_test = [row for row in rows if row["split"] == "test"]
    assert len(in_test) / 20_000 == pytest.approx(0.2, abs=0.01)
    assert {row["fold"] for row in in_test} == {-1}
    folds = np.bincount([row["fold"] for row in rows if row["split"] == "train"])
    assert len(folds) == 5
    assert folds / folds.sum() == pytest.approx(np.full(5, 0.2), abs=0.01)


@pytest.mark.parametrize("ratio", [1, 2.5])
def test_the_larger_class_is_thinned_in_train_only(engine: Engine, ratio: float) -> None:
    rows = split(engine, many(engine, 20_000, 2_000), thinned_to(ratio))
    train = [row["label"] for row in rows if row["split"] == "train"]
    test = [row["label"] for row in rows if row["split"] == "test"]
    assert sum(train) / (len(train) - sum(train)) == pytest.approx(ratio, rel=0.06)
    assert sum(test) / (len(test) - sum(test)) == pytest.approx(10, rel=0.15)
    everyone = split(engine, many(engine, 20_000, 2_000), thinned_to(99))
    assert len(test) == sum(row["split"] == "test" for row in everyone)
    assert len(train) - sum(train) == sum(row["split"] == "train" and not row["label"] for row in everyone)


def test_nothing_is_thinned_where_that_is_said(engine: Engine) -> None:
    assert len(split(engine, many(engine, 900, 100, unknown=10), thinned_to(None))) == 1000


def test_thinning_takes_rows_from_all_over_the_ids(engine: Engine) -> None:
    rows = split(engine, many(engine, 20_000, 2_000))
    kept = [int(row["id"]) for row in rows if row["split"] == "train" and row["label"]]
    tenths = np.histogram(kept, bins=10, range=(0, 22_000))[0]
    assert tenths.min() > 0.7 * tenths.mean()


def test_rows_of_unknown_label_are_left_out(engine: Engine) -> None:
    assert {row["label"] for row in split(engine, many(engine, 50, 50, unknown=100))} == {True, False}


def test_columns_are_in_their_order_and_of_their_types(engine: Engine) -> None:
    model_input = split_and_balance(engine.from_arrow(make_features()), PARAMETERS)
    assert list(engine.types(model_input).items()) == [
        ("id", "String"),
        ("split", "String"),
        ("fold", "Int64"),
        ("label", "Boolean"),
        ("group", "Int64"),
        ("shop", "Float32"),
        ("price", "Float32"),
    ]


def test_rows_in_another_order_give_the_same_rows(engine: Engine) -> None:
    table = make_features(2_000)
    shuffled = table.take(np.random.default_rng(1).permutation(len(table)))
    first, second = (split(engine, engine.from_arrow(rows)) for rows in (table, shuffled))
    assert len(first) > 500
    assert first == second


@pytest.mark.parametrize("kind", [pa.string(), pa.int64()], ids=str)
def test_rows_of_one_group_stay_together_and_those_of_none_are_split_by_their_id(engine: Engine, kind) -> None:
    table = make_features(2_000)
    persons = [None if place % 7 == 0 else place % 300 for place in range(2_000)]
    frame = engine.from_arrow(table.append_column("split_by", pa.array(persons, pa.int64()).cast(kind)))
    rows = {row["id"]: row for row in split(engine, frame, thinned_to(None))}
    alone = {row["id"]: row for row in split(engine, engine.from_arrow(table), thinned_to(None))}
    sides: dict[int | None, set[tuple[str, int]]] = {}
    for identity, person in zip(table["id"].to_pylist(), persons, strict=True):
        if identity in rows:
            sides.setdefault(person, set()).add((rows[identity]["split"], rows[identity]["fold"]))
            assert person is not None or rows[identity] == alone[identity]
    assert len(sides[None]) == 6
    assert {len(places) for person, places in sides.items() if person is not None} == {1}
    assert len({place for places in sides.values() for place in places}) == 6


def stratified(**changes: Any) -> SplitParameters:
    return PARAMETERS.model_copy(update={"stratify": True, "majority_per_minority": None, **changes})


def count_by(rows: list[dict[str, Any]], *names: str) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(row[name] for name in names) for row in rows)


def test_stratified_each_class_has_its_share_of_test_and_of_each_fold(engine: Engine) -> None:
    counts = count_by(split(engine, many(engine, 52, 1_003, unknown=7), stratified()), "label", "split", "fold")
    assert counts == {
        (True, "test", -1): 10,
        **{(True, "train", fold): rows for fold, rows in enumerate((8, 9, 8, 9, 8))},
        (False, "test", -1): 201,
        **{(False, "train", fold): rows for fold, rows in enumerate((160, 161, 160, 161, 160))},
    }


def place(identity: str, multiplier: int) -> int:
    hashed = int(identity) * pow(48271, 3, 2**31 - 1) % (2**31 - 1)
    return (hashed + (hashed // 46_337) ** 2 * multiplier) % (2**31 - 1) // 2**11


def test_stratified_the_rows_of_a_class_are_in_the_order_of_the_stated_arithmetic(engine: Engine) -> None:
    rows = split(engine, many(engine, 300, 500), stratified(majority_per_minority=1.5))
    for label, share in ((True, 60), (False, 100)):
        identities = [str(number) for number, one in enumerate(labels_of(300, 500), start=1) if one is label]
        in_test = sorted(identities, key=lambda identity: place(identity, 48271))[:share]
        assert sorted(row["id"] for row in rows if row["split"] == "test" and row["label"] is label) == sorted(in_test)
        in_train = sorted(set(identities) - set(in_test), key=lambda identity: place(identity, 16807))[:360]
        kept = [row["id"] for row in rows if row["split"] == "train" and row["label"] is label]
        assert sorted(kept) == sorted(in_train)


@pytest.mark.parametrize("ratio", [1, 2.5])
def test_stratified_the_larger_class_is_thinned_to_the_row(engine: Engine, ratio: float) -> None:
    counts = count_by(
        split(engine, many(engine, 20_000, 2_000), stratified(majority_per_minority=ratio)), "label", "split"
    )
    assert counts[False, "train"] == 1_600
    assert counts[True, "train"] == pytest.approx(ratio * 1_600, abs=4)
    assert counts[True, "test"] == pytest.approx(4_000, abs=4)


@pytest.mark.parametrize("stratify", [False, True])
def test_spark_works_the_hash_of_an_id_out_once_for_each_use(spark: Any, tmp_path: Path, *, stratify: bool) -> None:
    model_input = split_and_balance(
        to_spark(make_features(), spark, tmp_path), stratified(stratify=stratify, majority_per_minority=1.5)
    )
    plan = model_input._jdf.queryExecution().optimizedPlan().toString()  # noqa: SLF001 - Python has no other way
    assert plan.count("regexp_replace") == len(("split", "thinning", "what the thinning is held against"))


def test_stratified_the_test_split_is_from_all_over_the_ids(engine: Engine) -> None:
    rows = split(engine, many(engine, 10_000, 10_000), stratified())
    in_test = [int(row["id"]) for row in rows if row["split"] == "test"]
    tenths = np.histogram(in_test, bins=10, range=(0, 20_000))[0]
    assert tenths == pytest.approx(np.full(10, 400), abs=70)


def test_stratified_groups_stay_whole_and_those_with_the_rarer_class_are_shared_out(engine: Engine) -> None:
    persons = [str(number // 4 + 1) for number in range(4_000)]
    columns = {
        "id": [str(number) for number in range(1, 4_001)],
        "label": [number % 4 == 0 and int(person) % 10 == 0 for number, person in enumerate(persons)],
        "split_by": persons,
        "price": [1.5] * 4_000,
    }
    types = {"id": pa.string(), "label": pa.bool_(), "split_by": pa.string(), "price": pa.float32()}
    rows = split(engine, engine.frame(columns, types), stratified())
    counts = count_by(rows, "label", "split", "fold")
    assert counts[True, "test", -1] == 20
    assert [counts[True, "train", fold] for fold in range(5)] == [16] * 5
    assert counts[False, "test", -1] == pytest.approx(780, abs=4)
    sides: dict[str, set[int]] = {}
    for row in rows:
        sides.setdefault(persons[int(row["id"]) - 1], set()).add(row["fold"])
    assert {len(folds) for folds in sides.values()} == {1}


def test_groups_that_are_too_large_are_told(caplog: pytest.LogCaptureFixture) -> None:
    frame = make_features(300).to_pandas().assign(split_by=["1"] * 150 + ["2"] * 150)
    split_and_balance(frame, stratified())
    assert "Rows that belong together are too many to be split evenly" in caplog.text


def test_a_table_without_a_label_is_refused_in_a_sentence(engine: Engine) -> None:
    with pytest.raises(DataError, match="no row has a label"):
        split(engine, many(engine, 0, 0, unknown=10), stratified())


HIDDEN = ("split_hash", "FOLD_HASH", "thinning_hash", "positive", "negative", "seed", "Seed_", "self_", "a_b")


def test_a_feature_may_have_the_name_of_a_column_that_the_node_adds_for_itself(engine: Engine) -> None:
    table = make_features()
    for place, name in enumerate(HIDDEN):
        table = table.append_column(name, pa.array([float(place)] * len(table), pa.float32()))
    rows, plain = split(engine, engine.from_arrow(table)), split(engine, engine.from_arrow(make_features()))
    assert [{name: row[name] for name in plain[0]} for row in rows] == plain
    assert {tuple(row[name] for name in HIDDEN) for row in rows} == {tuple(map(float, range(len(HIDDEN))))}


def test_ids_that_are_text_are_split_alike_on_every_engine(engine: Engine) -> None:
    ids = [f"{number:08x}-{number * 7919 % 10**9:09d}-{'9' * (number % 20)}" for number in range(5_000)]
    digits = ["".join(filter(str.isdigit, identity)) for identity in ids]
    modulus = 2**31 - 1
    seeds = [(int(text[:15]) + int(text[15:30] or 0)) % modulus for text in digits]
    columns = {"id": ids, "label": [True, False] * 2_500, "price": [1.5] * 5_000}
    types = {"id": pa.string(), "label": pa.bool_(), "price": pa.float32()}
    rows = {row["id"]: row for row in split(engine, engine.frame(columns, types), thinned_to(None))}
    expected = {
        identity: "test" if seed * 48271 % modulus % 100 < 20 else "train"
        for identity, seed in zip(ids, seeds, strict=True)
    }
    assert {identity: row["split"] for identity, row in rows.items()} == expected
    assert np.mean([split == "test" for split in expected.values()]) == pytest.approx(0.2, abs=0.02)


def tables(engine: Engine, *, synthetic: bool = True, **changes: list[Any]) -> tuple[Any, Any, Any]:
    """Valid rows, their features, and a model input that is changed."""
    valid = {"id": ["1", "2", "3"], **({"is_synthetic": [True, False, False]} if synthetic else {})}
    features = {"label": [True, False, None], "shop": [1.0, 2.0, 3.0], "price": [9.5, 0.0, 1.0]}
    types = {
        "split": pa.string(),
        "fold": pa.int64(),
        "label": pa.bool_(),
        "shop": pa.float32(),
        "price": pa.float32(),
    }
    known = {"split": ["train", "train", "test"], "fold": [0, 1, -1], "label": [True, False, True]}
    of_features = {name: types[name] for name in features}
    return (
        engine.frame(valid),
        engine.frame(features, of_features),
        engine.frame({**features, **known, **changes}, {name: types[name] for name in {**features, **known}}),
    )


REJECTIONS = {"rows_in": 5, "valid": 3, "rejected": 2}
LABELS = {"yes": 2, "no": 3}
COUNTS = {
    "rows_in": 5,
    "rejected": 2,
    "valid": 3,
    "synthetic": 1,
    "positive": 1,
    "negative": 1,
    "unknown": 1,
    "train_positive": 1,
    "train_negative": 1,
    "test_positive": 1,
    "test_negative": 0,
}


def test_rows_are_counted_by_label_split_and_origin(engine: Engine) -> None:
    assert count_rows(*tables(engine), REJECTIONS, LABELS, FEATURE_RULES) == COUNTS
    without = count_rows(*tables(engine, synthetic=False), REJECTIONS, LABELS, FEATURE_RULES)
    assert without == {**COUNTS, "synthetic": 0}


@pytest.mark.parametrize(
    ("rejections", "labels", "message"),
    [
        ({"rows_in": 5, "valid": 4, "rejected": 1}, LABELS, "4 of 5 rows are valid; 5 were read, and 3 stand among"),
        (REJECTIONS, {"yes": 2}, "3 of 5 rows are valid; 2 were read, and 3 stand among"),
    ],
)
def test_tables_that_are_not_of_one_run_end_it(engine: Engine, rejections: dict, labels: dict, message: str) -> None:
    with pytest.raises(DataError, match=f"{message} the valid rows. They are not of one run"):
        count_rows(*tables(engine), rejections, labels, FEATURE_RULES)


def test_a_table_that_violates_its_rules_ends_the_run(engine: Engine) -> None:
    cases = [
        (
            {"split": ["train", "train", "?"]},
            "model_input: 1 rows violate that fold is -1 in test, and 0 or more in train.",
        ),
        ({"fold": [-1, None, -1]}, "2 rows violate that fold is"),
        ({"label": [True, False, None]}, "1 rows violate that label is known."),
        ({"shop": [0, 5, 4]}, "2 rows violate that shop is 1 to 4."),
        ({"price": [float("nan"), float("inf"), -0.1]}, "3 rows violate that price is known, and not negative."),
    ]
    for changes, message in cases:
        with pytest.raises(ContractError) as refused:
            count_rows(*tables(engine, **changes), REJECTIONS, LABELS, FEATURE_RULES)
        assert message in str(refused.value)


def test_features_that_violate_their_rules_end_the_run_too(engine: Engine) -> None:
    rules = [Rule("price_is_low", "price is 5 at most.", (nw.col("price") > 5).fill_null(value=False))]
    with pytest.raises(ContractError, match="features: 1 rows violate that price is 5 at most"):
        count_rows(*tables(engine), REJECTIONS, LABELS, rules)
