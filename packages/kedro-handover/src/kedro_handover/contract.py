"""Hold data to a contract: the rules of raw rows, and the columns and rules of the tables that nodes make of them.

A rule is an expression that says which rows violate it. All rules are worked out on the engine; a row's violations are
one integer of flags, and rows that are rejected are kept with the names of all rules that they violate.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, Literal

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import FrameT, IntoFrame

from kedro_handover.errors import ContractError
from kedro_handover.frames import free_names
from kedro_handover.hashing import modulo
from kedro_handover.tasks import LABEL_TYPES, TASKS, Task, list_scores, name_probability

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from narwhals.stable.v2.dtypes import DType

COLUMNS_SHOWN = 8

MOST_RULES = 52
"""Flags of so many rules are a whole number that every engine divides exactly."""

Severity = Literal["error", "warn"]
RuleRecord = dict[str, str]
"""A rule without its expression, as JSON can hold it: `name`, `description`, `severity`."""


@dataclass(frozen=True)
class Rule:
    """What has to hold for each row.

    Attributes:
        name: Its name, as rejected rows and reports have it.
        description: What holds, in a sentence for people.
        violated: True for the rows that violate it.
        severity: "error" where such a row is rejected; "warn" where it is kept and counted.
    """

    name: str
    description: str
    violated: nw.Expr
    severity: Severity = "error"

    @property
    def record(self) -> RuleRecord:
        """The rule without its expression: what generic nodes and reports need of it."""
        return {"name": self.name, "description": self.description, "severity": self.severity}


def outside(column: str, low: float, high: float) -> nw.Expr:
    """Find the rows whose value is missing, or is not from `low` to `high`; NaN is not either."""
    return ~((nw.col(column) >= low) & (nw.col(column) <= high)).fill_null(value=False)


def list_rules(rules: Iterable[Rule]) -> list[RuleRecord]:
    """List rules in the order of their flags: those that reject first.

    Args:
        rules: The rules.

    Returns:
        Their records. The flag of the first is 1, of the second 2, of the third 4, …
    """
    return [rule.record for rule in _in_order(rules)]


def flag_violations(frame: FrameT, rules: Sequence[Rule]) -> FrameT:
    """Flag the rules that a row violates in one integer: texts of all rows would cost more than judging them.

    Args:
        frame: Has what the rules look at.
        rules: The rules.

    Returns:
        The frame with `violations`: the sum of the flags of the rules that the row violates, 0 where there are none;
        and a column for each rule, `violates_0` and so on, for a `select` to leave out.

    Raises:
        ContractError: If there are no rules, too many, or two of one name.
    """
    ordered = _in_order(rules)
    if not 0 < len({rule.name for rule in ordered}) == len(ordered) <= MOST_RULES:
        msg = f"{len(ordered)} rules: 1 to {MOST_RULES} can be flagged, each with a name of its own. Join or add some."
        raise ContractError(msg)
    names = free_names([f"violates_{place}" for place in range(len(ordered))], frame.collect_schema().names())
    flags: nw.Expr = reduce(add, (nw.col(name).cast(nw.Int64) * 2**place for place, name in enumerate(names)))
    # Each is named first: pandas evaluates an expression again wherever it stands.
    violated = (rule.violated.alias(name) for rule, name in zip(ordered, names, strict=True))
    return frame.with_columns(violated).with_columns(violations=flags)


def is_rejected(rules: Sequence[RuleRecord]) -> nw.Expr:
    """Tell the rows whose `violations` have a rule that rejects.

    Args:
        rules: What `list_rules` gives.
    """
    return modulo(nw.col("violations"), 2 ** len(_errors(rules))) > 0


def name_errors(rules: Sequence[RuleRecord]) -> nw.Expr:
    """Name the rules of severity "error" that are flagged in `violations`.

    Args:
        rules: What `list_rules` gives.

    Returns:
        Their names in the rules' order, with a comma and a space between; empty where none is flagged.
    """
    if not _errors(rules):  # then no row is named a rule
        return nw.col("violations").cast(nw.String).str.slice(0, 0)
    bits = [(name, modulo(nw.col("violations") // 2**place, 2)) for place, name in enumerate(_errors(rules))]
    # Literal texts are of NumPy's types in pandas: a column of them without rows would be written without a type.
    named = [
        bit.cast(nw.String).str.replace_all("0", "", literal=True).str.replace_all("1", f"{name}, ", literal=True)
        for name, bit in bits
    ]
    return nw.concat_str(named).str.strip_chars(", ")


def list_flagged(violations: int, rules: Sequence[RuleRecord]) -> list[str]:
    """Give the names of the rules that one row's `violations` stand for.

    Args:
        violations: The flags of the row.
        rules: What `list_rules` gives.
    """
    return [rule["name"] for place, rule in enumerate(rules) if violations >> place & 1]


def count_outcomes(outcomes: Iterable[Mapping[str, int]], rules: Sequence[RuleRecord]) -> dict[str, Any]:
    """Count rows by the rules that they violate.

    Args:
        outcomes: `violations`, and the `rows` that have just these flags.
        rules: What `list_rules` gives.

    Returns:
        `valid`, `rejected`, and `rules`: of each its `name`, `description`, `severity`, and the `rows` that violate it.
    """
    rejects = 2 ** len(_errors(rules))
    rows, violating = Counter[bool](), Counter[str]()
    for outcome in outcomes:
        rows[outcome["violations"] % rejects > 0] += outcome["rows"]
        for name in list_flagged(outcome["violations"], rules):
            violating[name] += outcome["rows"]
    return {
        "valid": rows[False],
        "rejected": rows[True],
        "rules": [{**rule, "rows": violating[rule["name"]]} for rule in rules],
    }


KEYS = ("id", "split", "fold", "label", "group", "split_by")
"""The columns of `features` and `model_input` that are not features."""

_LABEL_RULES = (
    Rule("label_is_known", "label is known.", nw.col("label").is_null()),
    Rule(
        "fold_is_of_the_split",
        "fold is -1 in test, and 0 or more in train.",
        ~(
            ((nw.col("split") == "test") & (nw.col("fold") == -1))
            | ((nw.col("split") == "train") & (nw.col("fold") >= 0))
        ).fill_null(value=False),
    ),
)

LARGEST = 1.7976931348623157e308
"""A number that a regression predicts is from minus this to this."""


def list_prediction_rules(columns: Iterable[str]) -> tuple[Rule, ...]:
    """State what has to hold for the predictions of a model.

    Args:
        columns: Those of the table: `probability`, one for each class, or none of a regression.
    """
    scores = list_scores(columns)
    if scores == ["prediction"]:
        return (Rule("prediction_is_made", "prediction is a number.", outside("prediction", -LARGEST, LARGEST)),)
    return (
        *(Rule(f"{name}_is_one", f"{name} is 0 to 1.", outside(name, 0, 1)) for name in scores),
        Rule("prediction_is_made", "prediction is known.", nw.col("prediction").is_null()),
    )


TABLE_RULES: dict[str, tuple[Rule, ...]] = {
    "model_input": _LABEL_RULES,
    "predictions": list_prediction_rules(["probability", "prediction"]),
}
"""The rules of the tables that the library's nodes make: a row that violates one is a fault of a node or a file.

Predictions of several classes, or of a number, are held to those of `list_prediction_rules`."""


def count_violations(table: str, rules: Iterable[Rule]) -> dict[str, nw.Expr]:
    """Give an expression for each rule of a table, which counts the rows that violate it.

    Args:
        table: The name of the table.
        rules: Its rules.

    Returns:
        The expressions by `<table>__<rule>`, for `check_no_violations`.
    """
    return {f"{table}__{rule.name}": rule.violated.cast(nw.Int64).sum() for rule in rules}


def check_no_violations(counts: dict[str, int], table: str, rules: Iterable[Rule]) -> None:
    """Refuse a table that has rows which violate its rules, and take the counts of the rules away.

    Args:
        counts: What the expressions of `count_violations` have counted, among other counts.
        table: The name of the table.
        rules: Its rules.

    Raises:
        ContractError: If one is not 0.
    """
    counted = [(rule, counts.pop(f"{table}__{rule.name}", 0)) for rule in rules]
    if violated := [f"{rows:,} rows violate that {rule.description}" for rule, rows in counted if rows]:
        msg = f"{table}: {' '.join(violated)} Run the pipeline that makes the table again, or fix the node that does."
        raise ContractError(msg)


class TableContract:
    """Hold a table to its columns and types; the catalog names it as the validator of a table."""

    def __init__(self, columns: Mapping[str, type[DType]]) -> None:
        """State the columns.

        Args:
            columns: The names in their order, and the type of each.
        """
        self.columns = columns

    def validate(self, data: IntoFrame) -> IntoFrame:
        """Check a table as it is loaded or saved; no engine reads a row for it.

        Args:
            data: The table, on any engine.

        Returns:
            The same.

        Raises:
            ContractError: If a column is missing, is of another type, or is not known.
        """
        found = dict(nw.from_native(data).collect_schema())
        expected = self._expect(found)
        problems = [
            f"{name} is {'missing' if name not in found else f'{found[name]}, and has to be {dtype}'}"
            for name, dtype in expected.items()
            if found.get(name) != dtype
        ]
        problems += [f"{name} is not known" for name in found if name not in expected]
        if problems:
            shown = "; ".join(problems[:COLUMNS_SHOWN])
            more = f"; and {len(problems) - COLUMNS_SHOWN} more" if len(problems) > COLUMNS_SHOWN else ""
            msg = f"{shown}{more}. Make the table again, or put what it should be into its contract."
            raise ContractError(msg)
        return data

    def _expect(self, found: Mapping[str, DType]) -> dict[str, DType]:  # noqa: ARG002 - others look at what is there
        return {name: dtype() for name, dtype in self.columns.items()}


class CanonicalTable(TableContract):
    """Hold a table from the features on to its canonical columns, whatever the project's features are.

    | table | columns |
    | --- | --- |
    | `features` | `id`, `label`, `group` and `split_by` if there are any, features as Float32 |
    | `model_input` | `id`, `split`, `fold`, `label`, `group` if there is one, features as Float32 |
    | `predictions` | `id`, `split`, `group` if there is one, `label`, `probability`, `prediction` |

    The label and the prediction are of the type that `kedro_handover.tasks` has for the task; of several classes there
    are `probability_0`, `probability_1` and so on, and a regression has no probability.
    """

    TABLES: Mapping[str, Mapping[str, type[DType]]] = {
        "features": {"id": nw.String, "label": nw.Boolean},
        "model_input": {"id": nw.String, "split": nw.String, "fold": nw.Int64, "label": nw.Boolean},
        "predictions": {
            "id": nw.String,
            "split": nw.String,
            "label": nw.Boolean,
            "probability": nw.Float64,
            "prediction": nw.Boolean,
        },
    }

    def __init__(self, table: str, features: Sequence[str] | None = None, task: Task = "binary") -> None:
        """Take a table.

        Args:
            table: `features`, `model_input` or `predictions`.
            features: The features that it has to have; any, if none are given.
            task: As in `project.yml`.

        Raises:
            ContractError: If it is another table, or another task.
        """
        if table not in self.TABLES:
            msg = f"{table!r} has no canonical columns. There are: {', '.join(self.TABLES)}."
            raise ContractError(msg)
        if task not in TASKS:
            msg = f"{task!r} is no task. There are: {', '.join(TASKS)}."
            raise ContractError(msg)
        types = dict.fromkeys(("label", "prediction"), LABEL_TYPES[task])
        columns = {name: types.get(name, dtype) for name, dtype in self.TABLES[table].items()}
        if task != "binary":
            columns.pop("probability", None)
        super().__init__(columns)
        self._has_classes = task == "multiclass" and table == "predictions"
        self._is_features = table == "features"
        self._has_features = table != "predictions"
        self.features = features

    def _expect(self, found: Mapping[str, DType]) -> dict[str, DType]:
        expected = super()._expect(found)
        if "group" in found:  # of whichever type the project has it
            expected["group"] = found["group"]
        if "split_by" in found and self._is_features:
            expected["split_by"] = nw.String()
        if self._has_classes:
            places = max(1, len([name for name in found if name.startswith("probability_")]))
            expected |= {name_probability(place): nw.Float64() for place in range(places)}
        if self._has_features:
            features = self.features if self.features is not None else [name for name in found if name not in expected]
            expected |= {name: nw.Float32() for name in features}
        return expected


def _in_order(rules: Iterable[Rule]) -> list[Rule]:
    return sorted(rules, key=lambda rule: rule.severity != "error")


def _errors(rules: Iterable[RuleRecord]) -> list[str]:
    return [rule["name"] for rule in rules if rule["severity"] == "error"]
