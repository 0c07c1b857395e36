"""Writes a description as one SQL query, for models of up to some thousand nodes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from kedro_handover.errors import HandOverError
from kedro_handover.handover.description import ALL_OUTPUTS, LEAF, NO_SET, Description, Label, Refuses, Step, Then
from kedro_handover.handover.numpy_evaluator import EXPF_ARGUMENT_LIMIT

MAX_NODES: Final = 20_000
"""An engine takes minutes to parse more."""

TESTED_DIALECTS: Final = ("spark", "duckdb", "polars", "postgres")
PLAIN_DIALECTS: Final = ("spark", "duckdb", "polars")
"""What is written without sqlglot."""

FROM_INPUT: Final = (Step.NUMBER, Step.TEXT_LOOKUP)

SINGLE_LIMITS: Final = (-103.9, 88.72283)
DOUBLE_LIMITS: Final = (-745.0, 709.782712893384)
"""Between these `exp` is neither 0 nor infinite."""

TOO_LARGE: Final = float(np.finfo(np.float32).max) * (1 + 2.0**-25)
TOO_SMALL: Final = 2.0**-150
"""From here on a double is rounded to an infinite float, or to 0."""

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
    written = _Writer(description, dialect).write(table, keep)
    return written if dialect in PLAIN_DIALECTS else _translate(written, dialect)


def _translate(sql: str, dialect: str) -> str:
    try:
        import sqlglot
    except ImportError as error:
        msg = f"SQL for {dialect!r} is translated by sqlglot. Install kedro-handover[sql]."
        raise HandOverError(msg) from error
    try:
        translated: str = sqlglot.transpile(sql, read="duckdb", write=dialect)[0]
    except ValueError as error:
        tested = ", ".join(TESTED_DIALECTS)
        msg = f"sqlglot can't write {dialect!r}: {str(error).rstrip('.')}. These are tested: {tested}."
        raise HandOverError(msg) from error
    return translated


class _Writer:
    """Writes the parts of one query, each level of it a query inside the next."""

    def __init__(self, description: Description, dialect: str) -> None:
        self.description = description
        self.dialect = dialect
        self.level = 0
        self.quote = "`" if dialect == "spark" else '"'

    def write(self, table: str, keep: Sequence[str] | None) -> str:
        description = self.description
        outputs = range(description.n_outputs)
        names = list(keep) if keep is not None else [column.name for column in description.inputs]
        kept = [f"k{i}" for i in range(len(names))]
        columns = [f"{self._name(name)} AS {short}" for name, short in zip(names, kept, strict=True)]
        columns += [f"{self._read(column.name, column.type)} AS c{i}" for i, column in enumerate(description.inputs)]
        query = f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608 - the names are the caller's own
        carried = [*kept, *(f"c{i}" for i in range(len(description.inputs)))]
        for steps in self._find_levels():
            query = self._nest(query, [*carried, *(f"{self._write_step(step)} AS x{step}" for step in steps)])
            carried += [f"x{step}" for step in steps]
        scores = [f"{score} AS s{k}" for k, score in enumerate(self._write_scores())]
        query = self._nest(query, [*kept, *scores, f"{' OR '.join(self._write_refusals()) or 'FALSE'} AS refused"])
        if description.divisor != 1:
            means = [f"{self._divide(f's{k}', description.divisor)} AS s{k}" for k in outputs]
            query = self._nest(query, [*kept, *means, "refused"])
        if description.link == "softmax":
            largest = f"GREATEST({', '.join(f's{k}' for k in outputs)})"
            raised = [f"{self._exp(f's{k} - {largest}')} AS e{k}" for k in outputs]
            query = self._nest(query, [*kept, *(f"s{k}" for k in outputs), *raised, "refused"])
        last = [f"CASE WHEN refused THEN NULL ELSE {what} END AS {name}" for name, what in self._finish().items()]
        named = [f"{short} AS {self._name(name)}" for name, short in zip(names, kept, strict=True)]
        return self._nest(query, [*named, *last])

    def _nest(self, query: str, columns: Sequence[str]) -> str:
        self.level += 1
        # PostgreSQL would write the inner query into the outer one wherever a column is named: OFFSET keeps them apart.
        inner = f"{query} OFFSET 0" if self.dialect == "postgres" else query
        return f"SELECT {', '.join(columns)} FROM ({inner}) AS t{self.level}"  # noqa: S608 - made here

    def _find_levels(self) -> list[list[int]]:
        """Order the steps: those of one level read only columns of levels before it."""
        levels: list[list[int]] = []
        depths: list[int] = []
        for step, (kind, source) in enumerate(
            zip(self.description.step_kind.tolist(), self.description.step_source.tolist(), strict=True)
        ):
            depths.append(0 if kind in FROM_INPUT else depths[source] + 1)
            while len(levels) <= depths[step]:
                levels.append([])
            levels[depths[step]].append(step)
        return levels

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

    def _source(self, step: int) -> str:
        source = int(self.description.step_source[step])
        return f"c{source}" if self.description.step_kind[step] in FROM_INPUT else f"x{source}"

    def _write_step(self, step: int) -> str:
        kind, of = Step(int(self.description.step_kind[step])), self._source(step)
        argument = float(self.description.step_argument[step])
        number = literal(argument)
        written = (
            self._look_up(of, int(argument), is_text=kind == Step.TEXT_LOOKUP)
            if kind in {Step.TEXT_LOOKUP, Step.NUMBER_LOOKUP}
            else {
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
                Step.FLOOR: f"FLOOR({of})",
                Step.IS_MISSING: f"CASE WHEN {of} IS NULL THEN {literal(1.0)} ELSE {literal(0.0)} END",
                Step.SMALL_AS_ZERO: f"CASE WHEN ABS({of}) <= {number} THEN {literal(0.0)} ELSE {of} END",
            }[kind]
        )
        if self.description.step_then[step] & Then.ROUND:
            return f"CAST({self._single(written)} AS DOUBLE)"
        return written

    def _write_refusals(self) -> list[str]:
        """Write the conditions on which the library would raise an error."""
        description = self.description
        found: list[str] = []
        for step, then in enumerate(description.step_then.tolist()):
            if then & Then.REFUSE_MISSING:
                found.append(f"x{step} IS NULL")
            if then & Then.REFUSE_INFINITE:
                found.append(f"COALESCE(ABS(x{step}) = {INFINITY}, FALSE)")
            if description.step_kind[step] not in {Step.TEXT_LOOKUP, Step.NUMBER_LOOKUP}:
                continue
            table = int(description.step_argument[step])
            if description.table_refuses[table] & Refuses.MISSING:
                found.append(f"{self._source(step)} IS NULL")
            if description.table_refuses[table] & Refuses.UNKNOWN:
                keys = self._keys(table, is_text=description.step_kind[step] == Step.TEXT_LOOKUP)
                found.append(f"COALESCE({self._source(step)} NOT IN ({', '.join(keys)}), FALSE)")
        return found

    def _single(self, number: str) -> str:
        """Round a double to a float, which is infinite or 0 where some engines raise an error."""
        rounded = f"CAST({number} AS REAL)"
        if self.dialect in {"spark", "polars"}:
            return rounded
        large, small = literal(TOO_LARGE), literal(TOO_SMALL)
        infinite = f"CAST({INFINITY} AS REAL)"
        return (
            f"CASE WHEN {number} >= {large} THEN {infinite} WHEN {number} <= -{large} THEN -{infinite} "
            f"WHEN ABS({number}) <= {small} THEN {literal(0.0, single=True)} ELSE {rounded} END"
        )

    def _divide(self, of: str, divisor: float) -> str:
        number = literal(divisor)
        if self.dialect == "polars":  # which multiplies by the reciprocal of a number that is the same in all rows
            number = f"({number} + {of} * {literal(0.0)})"
        return f"({of} / {number})"

    def _keys(self, table: int, *, is_text: bool) -> list[str]:
        description = self.description
        entries = slice(int(description.table_offsets[table]), int(description.table_offsets[table + 1]))
        if is_text:
            return [text(key) for key in description.table_texts[entries]]
        return [literal(number) for number in description.table_numbers[entries].tolist()]

    def _look_up(self, of: str, table: int, *, is_text: bool) -> str:
        description = self.description
        entries = slice(int(description.table_offsets[table]), int(description.table_offsets[table + 1]))
        pairs = zip(self._keys(table, is_text=is_text), description.table_values[entries].tolist(), strict=True)
        cases = " ".join(f"WHEN {of} = {key} THEN {_or_null(value)}" for key, value in pairs)
        missing, unknown = float(description.table_missing[table]), float(description.table_unknown[table])
        return f"CASE WHEN {of} IS NULL THEN {_or_null(missing)} {cases} ELSE {_or_null(unknown)} END"

    def _write_scores(self) -> list[str]:
        description = self.description
        single = description.sum_type == "float32"
        if description.is_linear:
            rows = zip(description.coefficients.tolist(), description.start.tolist(), strict=True)
            features = [f"x{step}" for step in description.features.tolist()]
            products = [
                [f"{x} * {literal(weight)}" for x, weight in zip(features, row, strict=True)] for row, _ in rows
            ]
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
        x = f"x{description.features[feature]}"
        left, right = int(description.left[node]), int(description.right[node])
        if feature == LEAF:
            return literal(float(description.values[left, column]), single=single)
        # A missing value is NULL, which makes no condition true, and so goes where ELSE does.
        lefts = self._write_tree(left, column, single=single)
        rights = self._write_tree(right, column, single=single)
        if description.category_set[node] != NO_SET:
            codes = description.get_set(int(description.category_set[node])).tolist()
            member = f"{x} IN ({', '.join(literal(float(code)) for code in codes)})"
            if description.missing_left[node]:
                return f"CASE WHEN NOT ({member}) THEN {rights} ELSE {lefts} END"
            return f"CASE WHEN {member} THEN {lefts} ELSE {rights} END"
        threshold = literal(float(description.threshold[node]))
        if description.missing_left[node]:
            return f"CASE WHEN {x} > {threshold} THEN {rights} ELSE {lefts} END"
        return f"CASE WHEN {x} <= {threshold} THEN {lefts} ELSE {rights} END"

    def _exp(self, power: str) -> str:
        """Raise e to a power, to infinity or 0 where some engines raise an error."""
        single = self.description.link_type == "float32"
        low, high = (literal(limit) for limit in (SINGLE_LIMITS if single else DOUBLE_LIMITS))
        if self.description.link_scale != 1:
            power = f"({power}) * {literal(self.description.link_scale)}"
        raised = (
            f"CASE WHEN {power} < {low} THEN {literal(0.0)} WHEN {power} > {high} THEN {INFINITY} ELSE EXP({power}) END"
        )
        return f"CAST({raised} AS REAL)" if single else f"({raised})"

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
            limit = literal(float(EXPF_ARGUMENT_LIMIT), single=True)  # XGBoost's own
            powers = [f"LEAST(-s{k}, {limit})" if single else f"-s{k}" for k in outputs]
            one = literal(1.0, single=single)
            shares = [f"({one} / ({one} + {self._exp(power)}))" for power in powers]
        else:
            total = " + ".join(f"CAST(e{k} AS DOUBLE)" for k in outputs)
            total = f"CAST(CAST({total} AS REAL) AS DOUBLE)" if single else f"({total})"
            shares = [f"(CAST(e{k} AS DOUBLE) / {total})" for k in outputs]
        # Spark divides floats as doubles.
        return [f"CAST({self._single(share)} AS DOUBLE)" for share in shares] if single else shares


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
