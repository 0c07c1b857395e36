"""Writes a description as one SQL query, for models of up to some thousand nodes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from kedro_handover.errors import HandOverError
from kedro_handover.handover.description import ALL_OUTPUTS, LEAF, NO_SET, Description, Label, Refuses, Step, Then

MAX_NODES: Final = 20_000
"""An engine takes minutes to parse more."""

TESTED_DIALECTS: Final = ("spark", "duckdb", "polars", "postgres")
PLAIN_DIALECTS: Final = ("spark", "duckdb", "polars")
"""What is written without sqlglot."""

SINGLE_LIMITS: Final = (-87.0, 88.69999694824219)
DOUBLE_LIMITS: Final = (-708.0, 709.782712893384)
NAN: Final = "CAST('NaN' AS DOUBLE)"
INFINITY: Final = "CAST('Infinity' AS DOUBLE)"


def write_sql(description: Description, *, dialect: str, table: str, keep: Sequence[str] | None) -> str:
    """Write a query that scores a table.

    Args:
        description: The model.
        dialect: `spark`, `duckdb`, `polars`, `postgres`, or another that sqlglot knows.
        table: The name of the table, as SQL writes it.
        keep: Columns to carry along; all that the model reads where None.

    Returns:
        A query for the kept columns, `probability` (for more than two classes `probability_0`, `probability_1`, …, in
        the order of the classes; none for a regression) and `prediction`. NULL where the library would raise an error.

    Raises:
        HandOverError: If the model is too large, sqlglot is not installed, or it does not know the dialect.
    """
    if description.n_nodes > MAX_NODES:
        msg = (
            f"The model has {description.n_nodes:,} nodes; SQL is written for up to {MAX_NODES:,}, as engines take "
            "minutes to parse more. Use transform."
        )
        raise HandOverError(msg)
    written = _Writer(description, "duckdb" if dialect not in PLAIN_DIALECTS else dialect).write(table, keep)
    return written if dialect in PLAIN_DIALECTS else _translate(written, dialect)


def _translate(sql: str, dialect: str) -> str:
    try:
        import sqlglot
    except ImportError as error:
        msg = f"SQL for {dialect!r} is translated by sqlglot. Install kedro-handover[sqlglot]."
        raise HandOverError(msg) from error
    try:
        translated: str = sqlglot.transpile(sql, read="duckdb", write=dialect)[0]
    except ValueError as error:
        msg = f"sqlglot can't write {dialect!r}: {error}. These are tested: {', '.join(TESTED_DIALECTS)}."
        raise HandOverError(msg) from error
    return translated


class _Writer:
    """Writes the parts of one query, each level of it a query inside the next."""

    def __init__(self, description: Description, dialect: str) -> None:
        self.description = description
        self.dialect = dialect
        self.quote = "`" if dialect == "spark" else '"'

    def write(self, table: str, keep: Sequence[str] | None) -> str:
        description = self.description
        names = list(keep) if keep is not None else [column.name for column in description.inputs]
        kept = [self._name(name) for name in names]
        prepared, refusals = self._write_steps()
        features = [f"{expression} AS f{j}" for j, expression in prepared.items()]
        features.append(f"{' OR '.join(refusals) or 'FALSE'} AS refused")
        scores = [f"{expression} AS s{k}" for k, expression in enumerate(self._write_scores())]
        inputs = [
            f"{self._read(column.name, column.type)} AS c{number}" for number, column in enumerate(description.inputs)
        ]
        carried = [f"{name} AS k{i}" for i, name in enumerate(kept)]
        again = [f"k{i}" for i in range(len(kept))]
        columns = [f"k{i} AS {name}" for i, name in enumerate(kept)]
        query = f"SELECT {', '.join([*carried, *inputs])} FROM {table}"  # noqa: S608 - the names are the caller's own
        query = f"SELECT {', '.join([*again, *features])} FROM ({query}) AS t1"  # noqa: S608
        query = f"SELECT {', '.join([*again, *scores, 'refused'])} FROM ({query}) AS t2"  # noqa: S608
        if description.divisor != 1:
            means = [f"{self._divide(f's{k}', description.divisor)} AS s{k}" for k in range(description.n_outputs)]
            query = f"SELECT {', '.join([*again, *means, 'refused'])} FROM ({query}) AS t3"  # noqa: S608
        if description.link == "softmax":
            largest = f"GREATEST({', '.join(f's{k}' for k in range(description.n_outputs))})"
            raised = [self._exp(f"s{k} - {largest}") + f" AS e{k}" for k in range(description.n_outputs)]
            scores_again = [f"s{k}" for k in range(description.n_outputs)]
            query = f"SELECT {', '.join([*again, *scores_again, *raised, 'refused'])} FROM ({query}) AS t4"  # noqa: S608
        last = [f"CASE WHEN refused THEN NULL ELSE {what} END AS {name}" for name, what in self._finish().items()]
        return f"SELECT {', '.join([*columns, *last])} FROM ({query}) AS t5"  # noqa: S608

    def _name(self, name: str) -> str:
        return self.quote + name.replace(self.quote, self.quote * 2) + self.quote

    def _read(self, name: str, type_: str) -> str:
        """Read a column; NaN becomes NULL, as engines differ in what NaN is compared with a number."""
        column = self._name(name)
        if type_ == "text":
            return column
        number = f"CAST({column} AS DOUBLE)"
        if type_ == "float32":
            number = f"CAST(CAST({column} AS REAL) AS DOUBLE)"
        return f"NULLIF({number}, {NAN})"

    def _write_steps(self) -> tuple[dict[int, str], list[str]]:
        description = self.description
        results: list[str] = []
        refusals: list[str] = []
        for kind, source, argument, then in zip(
            description.step_kind.tolist(),
            description.step_source.tolist(),
            description.step_argument.tolist(),
            description.step_then.tolist(),
            strict=True,
        ):
            from_input = kind in {Step.NUMBER, Step.TEXT_LOOKUP}
            of = f"c{source}" if from_input else results[source]
            result = self._write_step(Step(kind), of, argument, refusals)
            if then & Then.ROUND:
                result = f"CAST(CAST({result} AS REAL) AS DOUBLE)"
                if self.dialect == "duckdb":  # it raises an error where a double is too large for a float
                    result = _saturate(of if kind == Step.NUMBER else result, result)
            if then & Then.REFUSE_MISSING:
                refusals.append(f"{result} IS NULL")
            if then & Then.REFUSE_INFINITE:
                refusals.append(f"COALESCE(ABS({result}) = {INFINITY}, FALSE)")
            results.append(result)
        return {j: results[step] for j, step in enumerate(description.features.tolist())}, refusals

    def _write_step(self, kind: Step, of: str, argument: float, refusals: list[str]) -> str:
        if kind in {Step.TEXT_LOOKUP, Step.NUMBER_LOOKUP}:
            return self._look_up(of, int(argument), refusals, is_text=kind == Step.TEXT_LOOKUP)
        number = literal(argument)
        return {
            Step.NUMBER: of,
            Step.IMPUTE: f"COALESCE({of}, {number})",
            Step.ADD: f"({of} + {number})",
            Step.SUBTRACT: f"({of} - {number})",
            Step.MULTIPLY: f"({of} * {number})",
            Step.DIVIDE: self._divide(of, argument),
            Step.AT_LEAST: f"CASE WHEN {of} < {number} THEN {number} ELSE {of} END",
            Step.AT_MOST: f"CASE WHEN {of} > {number} THEN {number} ELSE {of} END",
            Step.EQUALS: f"CASE WHEN {of} = {number} THEN {literal(1.0)} ELSE {literal(0.0)} END",
            Step.MISSING_VALUE: f"NULLIF({of}, {number})",
            Step.TRUNCATE: f"CASE WHEN {of} < {literal(0.0)} THEN CEIL({of}) ELSE FLOOR({of}) END",
            Step.IS_MISSING: f"CASE WHEN {of} IS NULL THEN {literal(1.0)} ELSE {literal(0.0)} END",
            Step.SMALL_AS_ZERO: f"CASE WHEN ABS({of}) <= {number} THEN {literal(0.0)} ELSE {of} END",
        }[kind]

    def _divide(self, of: str, divisor: float) -> str:
        number = literal(divisor)
        if self.dialect == "polars":  # which multiplies by the reciprocal of a number that is the same in all rows
            number = f"({number} + {of} * {literal(0.0)})"
        return f"({of} / {number})"

    def _look_up(self, of: str, table: int, refusals: list[str], *, is_text: bool) -> str:
        description = self.description
        entries = slice(int(description.table_offsets[table]), int(description.table_offsets[table + 1]))
        keys = [text(t) for t in description.table_texts[entries]]
        if not is_text:
            keys = [literal(number) for number in description.table_numbers[entries].tolist()]
        values = description.table_values[entries].tolist()
        missing, unknown = float(description.table_missing[table]), float(description.table_unknown[table])
        if description.table_refuses[table] & Refuses.MISSING:
            refusals.append(f"{of} IS NULL")
        if description.table_refuses[table] & Refuses.UNKNOWN:
            refusals.append(f"COALESCE({of} NOT IN ({', '.join(keys)}), FALSE)" if keys else f"{of} IS NOT NULL")
        cases = [f"WHEN {of} = {key} THEN {_or_null(value)}" for key, value in zip(keys, values, strict=True)]
        return f"CASE WHEN {of} IS NULL THEN {_or_null(missing)} {' '.join(cases)} ELSE {_or_null(unknown)} END"

    def _write_scores(self) -> list[str]:
        description = self.description
        single = description.sum_type == "float32"
        if description.is_linear:
            rows = zip(description.coefficients.tolist(), description.start.tolist(), strict=True)
            products = [[f"f{j} * {literal(weight)}" for j, weight in enumerate(row)] for row, _ in rows]
            starts = map(literal, description.start.tolist())
            return [
                f"({' + '.join([literal(0.0), *terms, start])})" for terms, start in zip(products, starts, strict=True)
            ]
        scores = []
        for output in range(description.n_outputs):
            terms = [literal(float(description.start[output]), single=single)]
            for root, tree_output in zip(description.roots.tolist(), description.tree_output.tolist(), strict=True):
                if tree_output in {output, ALL_OUTPUTS}:
                    terms.append(self._write_tree(root, output if tree_output == ALL_OUTPUTS else 0, single=single))
            scores.append(f"({' + '.join(terms)})")
        return scores

    def _write_tree(self, node: int, column: int, *, single: bool) -> str:
        description = self.description
        feature = int(description.feature[node])
        left, right = int(description.left[node]), int(description.right[node])
        if feature == LEAF:
            return literal(float(description.values[left, column]), single=single)
        # A missing value is NULL, which makes no condition true, and so goes where ELSE does.
        lefts = self._write_tree(left, column, single=single)
        rights = self._write_tree(right, column, single=single)
        if description.category_set[node] != NO_SET:
            codes = description.get_set(int(description.category_set[node])).tolist()
            value = f"FLOOR(f{feature})"
            member = f"f{feature} >= {literal(0.0)} AND {value} IN ({', '.join(literal(float(c)) for c in codes)})"
            if description.missing_left[node]:
                return f"CASE WHEN NOT ({member}) THEN {rights} ELSE {lefts} END"
            return f"CASE WHEN {member} THEN {lefts} ELSE {rights} END"
        threshold = literal(float(description.threshold[node]))
        if description.missing_left[node]:
            return f"CASE WHEN f{feature} > {threshold} THEN {rights} ELSE {lefts} END"
        return f"CASE WHEN f{feature} <= {threshold} THEN {lefts} ELSE {rights} END"

    def _exp(self, power: str) -> str:
        if self.description.link_scale != 1:
            power = f"({power}) * {literal(self.description.link_scale)}"
        raised = f"EXP({power})"
        return f"CAST({raised} AS REAL)" if self.description.link_type == "float32" else raised

    def _finish(self) -> dict[str, str]:
        """Write what the query gives: probabilities, and the label, which is cut on the raw score."""
        description = self.description
        shares = self._write_shares()
        if description.task == "regression":
            return {"prediction": shares[0]}
        if description.task == "binary":
            if description.cut is not None:
                condition = f"s0 >= {literal(description.cut)}"
            elif description.above is not None:
                condition = f"{shares[-1]} > {literal(description.above)}"
            else:
                condition = "s1 > s0"
            first, second = (_label(label) for label in description.classes)
            return {"probability": shares[-1], "prediction": f"CASE WHEN {condition} THEN {second} ELSE {first} END"}
        cases = []
        for k, label in enumerate(description.classes):  # of two equal scores the first is the largest
            others = [other for other in range(len(shares)) if other != k]
            larger = [f"s{k} {'>' if other < k else '>='} s{other}" for other in others]
            cases.append(f"WHEN {' AND '.join(larger)} THEN {_label(label)}")
        return {
            **{f"probability_{k}": share for k, share in enumerate(shares)},
            "prediction": f"CASE {' '.join(cases)} END",
        }

    def _write_shares(self) -> list[str]:
        description = self.description
        outputs = range(description.n_outputs)
        single = description.link_type == "float32"
        if description.link == "none":
            return [f"s{k}" for k in outputs]
        if description.link == "exp":
            shares = [self._exp("s0")]
        elif description.link == "sigmoid":
            # Beyond these limits the result is the same, and engines raise errors for what is too large or too small.
            low, high = (literal(limit, single=single) for limit in (SINGLE_LIMITS if single else DOUBLE_LIMITS))
            scale = f" * {literal(description.link_scale)}" if description.link_scale != 1 else ""
            one = literal(1.0, single=single)
            powers = [f"-s{k}{scale}" for k in outputs]
            raised = [f"EXP(GREATEST(LEAST({power}, {high}), {low}))" for power in powers]
            shares = [f"({one} / ({one} + {f'CAST({e} AS REAL)' if single else e}))" for e in raised]
            if not single:  # XGBoost has the same limit, and the others give 0
                pairs = zip(powers, shares, strict=True)
                shares = [f"CASE WHEN {power} > {high} THEN {literal(0.0)} ELSE {share} END" for power, share in pairs]
        else:
            total = " + ".join(f"CAST(e{k} AS DOUBLE)" for k in outputs)
            shares = [f"(e{k} / {f'CAST({total} AS REAL)' if single else f'({total})'})" for k in outputs]
        # Spark divides floats as doubles.
        return [f"CAST(CAST({share} AS REAL) AS DOUBLE)" for share in shares] if single else shares


def _saturate(of: str, rounded: str) -> str:
    """Give infinity where a double is too large for a float."""
    largest = literal(float(np.finfo(np.float32).max) * (1 + 2.0**-25))
    return f"CASE WHEN {of} >= {largest} THEN {INFINITY} WHEN {of} <= -{largest} THEN -{INFINITY} ELSE {rounded} END"


def literal(number: float, *, single: bool = False) -> str:
    """Write a number so that every engine reads back the same bits: 17 digits tell any two doubles apart."""
    value = "Infinity" if number == math.inf else "-Infinity" if number == -math.inf else repr(number)
    return f"CAST('{value}' AS {'REAL' if single else 'DOUBLE'})"


def text(value: str) -> str:
    """Write a text."""
    return "'" + value.replace("'", "''") + "'"


def _or_null(number: float) -> str:
    return "CAST(NULL AS DOUBLE)" if math.isnan(number) else literal(number)


def _label(label: Label) -> Any:
    if isinstance(label, bool):
        return "TRUE" if label else "FALSE"
    if isinstance(label, str):
        return text(label)
    return str(label) if isinstance(label, int) else literal(label)
