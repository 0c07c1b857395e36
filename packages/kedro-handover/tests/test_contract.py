"""Rules flag the rows that violate them, and tables are held to their columns, alike on every engine."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import pyarrow as pa
import pytest

from kedro_handover.contract import (
    MOST_RULES,
    TABLE_RULES,
    CanonicalTable,
    Rule,
    TableContract,
    check_no_violations,
    count_outcomes,
    count_violations,
    flag_violations,
    is_rejected,
    list_flagged,
    list_rules,
    name_errors,
    outside,
)
from kedro_handover.errors import ContractError
from kedro_handover.expressions import any_of
from kedro_handover.frames import free_names
from kedro_handover.testing import Engine

ARROW = {
    nw.String: pa.string(),
    nw.Boolean: pa.bool_(),
    nw.Int64: pa.int64(),
    nw.Float64: pa.float64(),
    nw.Float32: pa.float32(),
    nw.Date: pa.date32(),
}
COLUMNS = {"order_id": nw.String, "is_paid": nw.Boolean, "shop": nw.Int64, "price": nw.Float64, "day": nw.Date}


def flagged(engine: Engine, frame: Any, rules: list[Rule]) -> list[dict[str, Any]]:
    records = list_rules(rules)
    with_flags = flag_violations(nw.from_native(frame), rules)
    rows = with_flags.select("row", "violations", rejected=is_rejected(records), names=name_errors(records))
    return engine.rows(rows.to_native())


def test_rules_that_reject_have_the_first_flags_and_names_of_their_own(engine: Engine) -> None:
    frame = engine.frame({"row": [1, 2, 3, 4], "price": [1, 7, None, 70]})
    price = nw.col("price")
    rules = [
        Rule("is_cheap", "price is 5 at most.", (price > 5).fill_null(value=False), "warn"),
        Rule("is_known", "price is known.", price.is_null()),
        Rule("is_usual", "price is 50 at most.", (price > 50).fill_null(value=False)),
    ]
    assert [rule["name"] for rule in list_rules(rules)] == ["is_known", "is_usual", "is_cheap"]
    assert flagged(engine, frame, rules) == [
        {"row": 1, "violations": 0, "rejected": False, "names": ""},
        {"row": 2, "violations": 4, "rejected": False, "names": ""},
        {"row": 3, "violations": 1, "rejected": True, "names": "is_known"},
        {"row": 4, "violations": 6, "rejected": True, "names": "is_usual"},
    ]
    assert list_flagged(6, list_rules(rules)) == ["is_usual", "is_cheap"]


def test_as_many_rules_as_there_may_be_are_flagged_exactly(engine: Engine) -> None:
    frame = engine.frame({"row": [1, 2, 3], "place": [0, MOST_RULES - 1, 99]})
    rules = [Rule(f"is_not_{place}", "…", nw.col("place") != place) for place in range(MOST_RULES)]
    rows = flagged(engine, frame, rules)
    all_of_them = 2**MOST_RULES - 1
    assert [row["violations"] for row in rows] == [all_of_them - 1, all_of_them - 2 ** (MOST_RULES - 1), all_of_them]
    assert rows[2]["names"] == ", ".join(rule.name for rule in rules)


@pytest.mark.parametrize("names", [[], ["one", "one"], [f"rule_{place}" for place in range(MOST_RULES + 1)]])
def test_no_rules_or_too_many_or_two_of_one_name_are_refused(engine: Engine, names: list[str]) -> None:
    frame = nw.from_native(engine.frame({"row": [1]}))
    with pytest.raises(ContractError, match=f"{len(names)} rules: 1 to {MOST_RULES} can be flagged"):
        flag_violations(frame, [Rule(name, "…", nw.col("row") > 1) for name in names])


NAMES = ("self", "violates_0", "Violates_1", "a b", "é", "$", "q'x", "{0}", "exprs", "frame", "count", "a,b", "x=")


def test_a_rule_and_a_column_may_have_any_name(engine: Engine) -> None:
    columns = {"row": [1, 2], **{name: [1, place] for place, name in enumerate(NAMES)}}
    rules = [Rule(name, "It is 1.", nw.col(name) != 1) for name in NAMES]
    rows = flagged(engine, engine.frame(columns), rules)
    records = list_rules(rules)
    assert [list_flagged(row["violations"], records) for row in rows] == [
        [],
        [name for name in NAMES if name != NAMES[1]],
    ]
    assert rows[1]["names"] == ", ".join(name for name in NAMES if name != NAMES[1])


@pytest.mark.parametrize("width", [200, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_rule_about_many_columns_is_worked_out(engine: Engine, width: int) -> None:
    if engine.name == "dask":
        width = min(width, 200)  # it looks at the type of each of their operations
    names = [f"x{place}" for place in range(width)]
    table = pa.table({"row": [1, 2], **{name: pa.array([1.0, -1.0 if name == "x177" else 1.0]) for name in names}})
    rules = [Rule("none_is_negative", "…", any_of(outside(name, 0, 9) for name in names))]
    assert [row["violations"] for row in flagged(engine, engine.from_arrow(table), rules)] == [0, 1]
    counted = nw.from_native(engine.from_arrow(table)).select(**count_violations("wide", rules))
    assert engine.rows(counted.to_native()) == [{"wide__none_is_negative": 1}]
    TableContract({"row": nw.Int64, **dict.fromkeys(names, nw.Float64)}).validate(engine.from_arrow(table))


def test_names_that_are_taken_get_a_sign_more() -> None:
    assert free_names(["seed", "Fold", "fold"], ["SEED", "seed_", "x"]) == ["seed__", "Fold", "fold_"]


def test_outcomes_that_no_row_has_count_nothing() -> None:
    rules = list_rules(TABLE_RULES["model_input"])
    counted = count_outcomes([], rules)
    assert counted["valid"] == counted["rejected"] == 0
    assert [rule["rows"] for rule in counted["rules"]] == [0, 0]


def test_counts_that_are_not_0_are_refused_and_taken_away(engine: Engine) -> None:
    rules = TABLE_RULES["predictions"]
    good = {"probability": [0.0, 1.0], "prediction": [True, False]}
    for columns, message in (
        (good, None),
        ({**good, "probability": [float("nan"), 1.1]}, "scores: 2 rows violate that probability is 0 to 1."),
        ({**good, "prediction": [True, None]}, "scores: 1 rows violate that prediction is known."),
    ):
        frame = nw.from_native(engine.frame(columns)).select(rows=nw.len(), **count_violations("scores", rules))
        (counts,) = engine.rows(frame.to_native())
        if message is None:
            check_no_violations(counts, "scores", rules)
            assert counts == {"rows": 2}
        else:
            with pytest.raises(ContractError, match=message):
                check_no_violations(counts, "scores", rules)


def test_a_table_is_held_to_its_columns_and_types(engine: Engine) -> None:
    types = {name: ARROW[dtype] for name, dtype in COLUMNS.items()}
    contract = TableContract(COLUMNS)
    good = engine.frame({name: [None] for name in types}, types)
    assert contract.validate(good) is good
    cases = [
        ({name: kind for name, kind in types.items() if name != "day"}, "day is missing"),
        (types | {"order_id": pa.int64()}, "order_id is Int64, and has to be String"),
        (types | {"more": pa.string()}, "more is not known"),
    ]
    for changed, message in cases:
        with pytest.raises(ContractError, match=message):
            contract.validate(engine.frame({name: [None] for name in changed}, changed))


def test_of_many_faults_the_first_are_named(engine: Engine) -> None:
    contract = TableContract({f"x{place}": nw.Int64 for place in range(12)})
    with pytest.raises(ContractError, match=r"x0 is missing; .*; x7 is missing; and 5 more\. Make the table again"):
        contract.validate(engine.frame({"y": [1]}))


CANONICAL = {
    "features": {"id": nw.String, "label": nw.Boolean, "price": nw.Float32},
    "model_input": {"id": nw.String, "split": nw.String, "fold": nw.Int64, "label": nw.Boolean, "price": nw.Float32},
    "predictions": {
        "id": nw.String,
        "split": nw.String,
        "label": nw.Boolean,
        "probability": nw.Float64,
        "prediction": nw.Boolean,
    },
}


@pytest.mark.parametrize("table", CANONICAL)
@pytest.mark.parametrize("group", [None, nw.Int64, nw.String])
def test_a_canonical_table_has_its_columns_and_any_group(engine: Engine, table: str, group: Any) -> None:
    types = {name: ARROW[dtype] for name, dtype in CANONICAL[table].items()}
    if group is not None:
        types["group"] = ARROW[group]
    frame = engine.frame({name: [None] for name in types}, types)
    assert CanonicalTable(table).validate(frame) is frame
    last = list(CANONICAL[table])[-1]
    with pytest.raises(ContractError, match=f"{last} is Int64, and has to be"):
        CanonicalTable(table).validate(engine.frame({name: [None] for name in types}, {**types, last: pa.int64()}))


def test_the_features_may_be_stated(engine: Engine) -> None:
    types = {name: ARROW[dtype] for name, dtype in CANONICAL["features"].items()}
    frame = engine.frame({name: [None] for name in types}, types)
    assert CanonicalTable("features", ["price"]).validate(frame) is frame
    with pytest.raises(ContractError, match="shop is missing"):
        CanonicalTable("features", ["price", "shop"]).validate(frame)
    with pytest.raises(ContractError, match="price is not known"):
        CanonicalTable("features", []).validate(frame)


def test_another_table_has_no_canonical_columns() -> None:
    with pytest.raises(ContractError, match=r"'scores' has no canonical columns\. There are: features, model_input"):
        CanonicalTable("scores")
