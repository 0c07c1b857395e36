"""Proves a description against the library that the model comes from, bit for bit, on rows made to be difficult."""

from __future__ import annotations

import functools
import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kedro_handover.errors import HandOverError
from kedro_handover.handover.description import LEAF, NO_SET, Description, Floats, Step, Then
from kedro_handover.handover.extract import Described
from kedro_handover.handover.numpy_evaluator import Scores, evaluate, exp, exp_float, find_leaves, prepare, read_inputs
from kedro_handover.handover.reference import Extracted
from kedro_handover.handover.sklearn_models import bound_of_sums
from kedro_handover.tasks import Task

BATCH = 50_000
REFUSED_ROWS_TRIED = 20
"""Rows that the description refuses are given to the library one by one, up to so many."""

ULPS_ALLOWED = 4
"""Where `exp` is another one, a probability may be so many units in the last place beside the library's."""

UNSEEN = "~ never seen"
"""It sorts after others: XGBoost 3.2 takes an unseen category that sorts before all known ones for the first of them,
and raises an error for any other; the hand-over refuses both."""

EXTREMES = (np.nan, np.inf, -np.inf, 1.7976931348623157e308, -1.7976931348623157e308, 3.4028234663852886e38,
            -3.4028234663852886e38, 5e-324, 1.401298464324817e-45, -0.0, 0.0)  # fmt: skip


@dataclass(frozen=True)
class Promise:
    """What a hand-over promises, and what the proof found.

    Attributes:
        family: The model.
        task: What it predicts.
        score: `exact`, or `bounded`.
        probability: `exact`, `ulps` or `bounded`; of a regression, what is promised of its prediction.
        rows: Rows tried, given and made.
        edge_rows: Those that were made: on thresholds and beside them, missing, infinite, extreme, unseen.
        refused: Rows that the library itself refuses, and that get no score.
        n_probability_diff: Rows whose probability, or prediction of a regression, differs where that is allowed.
        max_ulps: By how many units in the last place at most.
        max_score_diff: How far raw scores of the given rows are apart at most; 0 where they are exact.
        n_label_uncertain: Rows so near the cut that the label could differ, where scores are bounded.
    """

    family: str
    task: Task
    score: str
    probability: str
    rows: int = 0
    edge_rows: int = 0
    refused: int = 0
    n_probability_diff: int = 0
    max_ulps: int = 0
    max_score_diff: float = 0.0
    n_label_uncertain: int = 0

    def __str__(self) -> str:
        """Say it in a sentence or two."""
        tried = f"Proven on {self.rows:,} rows, {self.edge_rows:,} of them made to be difficult"
        if self.score == "bounded":
            return (
                f"{self.family}: features are exact; raw scores are within {self.max_score_diff:.2g}, inside the "
                "computed bound, as the library itself adds up in no fixed order. "
                f"{tried}: {self.n_label_uncertain:,} are so near the cut that their label could differ."
            )
        parts = ("raw scores", "predictions") if self.task == "regression" else ("labels, raw scores", "probabilities")
        if self.probability == "exact":
            return f"{self.family}: {parts[0]} and {parts[1]} are exact, bit for bit. {tried}."
        parts = (parts[0].replace(", ", " and "), parts[1])
        return (
            f"{self.family}: {parts[0]} are exact, bit for bit. The library uses another exp on this machine than the "
            f"C library's, which the hand-over is made with, so {parts[1]} are within {ULPS_ALLOWED} units in the "
            f"last place. {tried}: {self.n_probability_diff:,} differ, by {self.max_ulps} at most."
        )


def prove(described: Described) -> Promise:
    """Hold a description to the library.

    Args:
        described: The model, and rows that it takes.

    Returns:
        What is promised.

    Raises:
        HandOverError: If one bit differs that is promised not to.
    """
    whole, table = described.whole, described.table
    counts = _Counts(whole)
    counts.compare_all(table, "of prove_on")
    counts.compare_all(make_extreme_rows(whole, table), "with extreme values", made=True)
    body = _Counts(described.body)
    for rows in make_threshold_rows(described.body, described.body_table):
        body.compare_all(rows, "on a threshold", made=True)
    return counts.promise(body)


class _Counts:
    """Compares rows, and counts."""

    def __init__(self, extracted: Extracted) -> None:
        self.extracted = extracted
        self.description = extracted.description
        self.bounded = self.description.is_linear
        self.exact_link = has_exact_link(self.description)
        self.rows = self.made = self.refused = self.differing = self.ulps = self.uncertain = 0
        self.score_diff = 0.0

    def compare_all(self, table: Any, which: str, *, made: bool = False) -> None:
        for begin in range(0, len(table), BATCH):
            self._compare(table[begin : begin + BATCH], which, begin, made=made)
        self.rows += len(table)
        self.made += len(table) if made else 0

    def promise(self, body: _Counts) -> Promise:
        probability = "bounded" if self.bounded else "exact" if self.exact_link else "ulps"
        return Promise(
            family=self.description.family,
            task=self.description.task,
            score="bounded" if self.bounded else "exact",
            probability=probability,
            rows=self.rows + body.rows,
            edge_rows=self.made + body.made,
            refused=self.refused + body.refused,
            n_probability_diff=self.differing + body.differing,
            max_ulps=max(self.ulps, body.ulps),
            max_score_diff=max(self.score_diff, body.score_diff),
            n_label_uncertain=self.uncertain + body.uncertain,
        )

    def _compare(self, table: Any, which: str, begin: int, *, made: bool) -> None:
        inputs = read_inputs(self.description, _as_frame(self.extracted, table))
        ours = evaluate(self.description, inputs)
        taken = np.flatnonzero(~ours.refused)
        self._check_refused(table, np.flatnonzero(ours.refused), which, begin)
        if not len(taken):
            return
        accepted = _take(table, taken)
        try:
            theirs = _ask(self.extracted, accepted)
        except Exception as error:
            msg = (
                f"{self.description.family} raises an error for rows {which} that the hand-over would score: {error}. "
                "Give prove_on as the model takes it."
            )
            raise HandOverError(msg) from error
        kept = Scores(
            score=ours.score[taken],
            probability=None if ours.probability is None else ours.probability[taken],
            label=None if ours.label is None else ours.label[taken],
            prediction=ours.prediction[taken],
            refused=ours.refused[taken],
        )
        allowed = np.zeros(kept.score.shape)
        if self.bounded:
            features, _ = prepare(self.description, inputs)
            allowed = bound_of_sums(self.description, features[taken], self.extracted.round_off)
        where = lambda i: f"row {begin + int(taken[i])} {which}: {_show(accepted, i)}"  # noqa: E731
        self._hold(kept, theirs, allowed, where, made=made)

    def _hold(self, ours: Scores, theirs: Scores, allowed: Floats, where: Any, *, made: bool) -> None:
        with np.errstate(all="ignore"):
            apart = np.abs(ours.score - theirs.score)
        wrong = (
            ~((apart <= allowed) | same_bits(ours.score, theirs.score))
            if self.bounded
            else ~same_bits(ours.score, theirs.score)
        )
        self._refuse("raw score", wrong.any(axis=1), ours.score, theirs.score, where)
        if not made:
            self.score_diff = max(self.score_diff, float(np.max(apart[np.isfinite(apart)], initial=0.0)))
        if ours.probability is None or theirs.probability is None or ours.label is None or theirs.label is None:
            self._hold_linked("prediction", ours.prediction[:, None], theirs.prediction[:, None], where)
            return
        self._hold_linked("probability", ours.probability, theirs.probability, where)
        uncertain = self._near_the_cut(ours.score, allowed) if self.bounded else np.zeros(len(ours.score), bool)
        self.uncertain += int(uncertain.sum())
        self._refuse("label", (ours.label != theirs.label) & ~uncertain, ours.label, theirs.label, where)

    def _hold_linked(self, what: str, ours: Any, theirs: Any, where: Any) -> None:
        if self.bounded:
            return
        ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
        same = same_bits(ours, theirs).all(axis=1)
        if self.exact_link:
            self._refuse(what, ~same, ours, theirs, where)
        else:
            ulps = ulps_apart(ours, theirs, self.description.link_type).max(axis=1)
            self._refuse(what, ulps > ULPS_ALLOWED, ours, theirs, where)
            self.ulps = max(self.ulps, int(ulps.max(initial=0)))
        self.differing += int((~same).sum())

    def _near_the_cut(self, score: Floats, allowed: Floats) -> NDArray[np.bool_]:
        if self.description.cut is not None:
            return np.asarray(np.abs(score[:, 0] - self.description.cut) <= allowed[:, 0])
        ordered = np.sort(score, axis=1)
        return np.asarray(ordered[:, -1] - ordered[:, -2] <= 2 * allowed.max(axis=1))

    def _refuse(self, what: str, wrong: Any, ours: Any, theirs: Any, where: Any) -> None:
        if wrong.any():
            i = int(np.flatnonzero(wrong)[0])
            msg = (
                f"The {what} of {self.description.family} is {np.asarray(ours)[i].tolist()!r} by the hand-over and "
                f"{np.asarray(theirs)[i].tolist()!r} by the library, in {int(wrong.sum()):,} of {len(wrong):,} rows; "
                f"the first is {where(i)}. Nothing is handed over: report the model's family and library version."
            )
            raise HandOverError(msg)

    def _check_refused(self, table: Any, refused: NDArray[np.int64], which: str, begin: int) -> None:
        """See that the library refuses what the description refuses."""
        room = max(0, REFUSED_ROWS_TRIED - self.refused) if self.refused else REFUSED_ROWS_TRIED
        for row in refused[:room].tolist():
            one = _take(table, np.array([row]))
            try:
                given = _ask(self.extracted, one)
            except Exception:  # noqa: BLE001, S112 - each library has errors of its own, and any is the refusal
                continue
            msg = (
                f"{self.description.family} scores row {begin + row} {which} ({_show(one, 0)}) as "
                f"{given.score[0].tolist()!r}, and the hand-over would give no score. Nothing is handed over: report "
                "the model's family and library version."
            )
            raise HandOverError(msg)
        self.refused += len(refused)


def _ask(extracted: Extracted, table: Any) -> Scores:
    """Ask the library, without what it says of extreme values and of categories that it does not know."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return extracted.answer(table)


def same_bits(ours: Floats, theirs: Floats) -> NDArray[np.bool_]:
    """Compare doubles by their bits; any NaN is like any other."""
    same = np.ascontiguousarray(ours, np.float64).view(np.int64) == np.ascontiguousarray(theirs, np.float64).view(
        np.int64
    )
    return np.asarray(same | (np.isnan(ours) & np.isnan(theirs)))


def ulps_apart(ours: Floats, theirs: Floats, width: str) -> NDArray[np.int64]:
    """Count the floats between two numbers that are not negative."""
    kind, integer = (np.float32, np.int32) if width == "float32" else (np.float64, np.int64)
    counted = [np.ascontiguousarray(side, kind).view(integer).astype(np.int64) for side in (ours, theirs)]
    return np.asarray(np.abs(counted[0] - counted[1]))


def make_extreme_rows(extracted: Extracted, table: Any) -> Any:
    """Make rows with missing, infinite, extreme and unseen values, one input at a time.

    Args:
        extracted: The model.
        table: Rows to start from.

    Returns:
        The rows, as the model takes them.
    """
    description = extracted.description
    base: list[int] = []
    changes: list[tuple[int, Any]] = []
    for number, column in enumerate(description.inputs):
        values: tuple[Any, ...] = EXTREMES
        if column.type == "text":
            # pandas has two texts that are missing, and scikit-learn tells them apart: the one that the column has.
            values = (next((v for v in table[column.name] if pd.isna(v)), np.nan), UNSEEN)
        for value in values:
            base.append(len(base) % len(table))
            changes.append((number, value))
    return _change(extracted, table, np.array(base, np.int64), changes)


def make_threshold_rows(extracted: Extracted, table: Any) -> Iterator[Any]:
    """Make rows that come to each split and stand on its threshold, and on the float beside it on both sides.

    Args:
        extracted: A model whose splits are by columns of the table.
        table: Rows to start from.

    Yields:
        Some of the rows, as the model takes them.
    """
    description = extracted.description
    inputs = read_inputs(description, _as_frame(extracted, table))
    numbers_of = enumerate(_find_number(description, step) for step in description.features.tolist())
    direct = {j: found for j, found in numbers_of if found is not None}
    if description.is_linear or not direct:
        return
    features, _ = prepare(description, inputs)
    reached = np.full(description.n_nodes, -1, np.int32)
    size = max(1, BATCH // len(description.roots))
    for begin in range(0, len(features), size):
        fresh = np.full(description.n_nodes, -1, np.int32)
        find_leaves(description, features[begin : begin + size], fresh)
        reached = np.where((reached < 0) & (fresh >= 0), fresh + begin, reached).astype(np.int32)
        if (reached >= 0).all():
            break
    splits = np.flatnonzero((description.feature != LEAF) & (description.category_set == NO_SET))
    splits = splits[np.isin(description.feature[splits], list(direct))]
    for begin in range(0, len(splits), BATCH):
        part = splits[begin : begin + BATCH]
        threshold = description.threshold[part]
        with np.errstate(over="ignore"):
            single = threshold.astype(np.float32)
        below = np.where(single > threshold, np.nextafter(single, np.float32(-np.inf)), single)
        above = np.nextafter(below, np.float32(np.inf)).astype(np.float64)
        rounds = np.array([direct[j][1] for j in description.feature[part].tolist()])
        before = np.where(rounds, below, np.nextafter(threshold, -np.inf)).astype(np.float64)
        after = np.where(rounds, above, np.nextafter(threshold, np.inf))
        numbers = [direct[j][0] for j in description.feature[part].tolist()]
        rows = np.maximum(reached[part], 0).astype(np.int64)
        for values in (before, threshold, after):
            yield _change(extracted, table, rows, list(zip(numbers, values.tolist(), strict=True)))


def _find_number(description: Description, step: int) -> tuple[int, bool] | None:
    """Find the input that a feature is, where it is one as it comes, and whether it is rounded to float32."""
    while description.step_kind[step] in {Step.SMALL_AS_ZERO, Step.MISSING_VALUE, Step.TRUNCATE, Step.FLOOR}:
        step = int(description.step_source[step])
    if description.step_kind[step] != Step.NUMBER:
        return None
    return int(description.step_source[step]), bool(description.step_then[step] & Then.ROUND)


def _change(extracted: Extracted, table: Any, base: NDArray[np.int64], changes: list[tuple[int, Any]]) -> Any:
    """Copy rows, and put another value into one input of each."""
    description = extracted.description
    rows = _take(table, base)
    if isinstance(rows, np.ndarray):
        numbers = [extracted.columns.index(column.name) for column in description.inputs]
        with np.errstate(over="ignore"):
            for i, (number, value) in enumerate(changes):
                rows[i, numbers[number]] = value
        return rows
    by_column: dict[int, tuple[list[int], list[Any]]] = {}
    for i, (number, value) in enumerate(changes):
        places, values = by_column.setdefault(number, ([], []))
        places.append(i)
        values.append(value)
    for number, (places, values) in by_column.items():
        name = description.inputs[number].name
        old = rows[name]
        if isinstance(old.dtype, pd.CategoricalDtype):
            known = old.cat.categories
            fresh = pd.Index([v for v in dict.fromkeys(values) if not pd.isna(v) and v not in known])
            if description.inputs[number].type != "text":
                values = [np.nan if pd.isna(v) or v not in known else v for v in values]  # noqa: PLW2901
                fresh = pd.Index([])
            widened = old.cat.add_categories(fresh) if len(fresh) else old
            changed = widened.astype(object).to_numpy(copy=True)
            changed[places] = values
            rows[name] = pd.Categorical(changed, categories=widened.cat.categories)
            continue
        kind: Any = object if description.inputs[number].type == "text" else np.float64
        if old.dtype == np.float32:
            kind = np.float32
        changed = old.to_numpy(kind, copy=True) if kind is object else old.to_numpy(kind, na_value=np.nan, copy=True)
        with np.errstate(over="ignore"):
            changed[places] = np.array(values, kind)
        rows[name] = changed
    return rows


def _as_frame(extracted: Extracted, table: Any) -> Any:
    """Give an array the names that the description has for its columns."""
    return table if isinstance(table, pd.DataFrame) else pd.DataFrame(table, columns=list(extracted.columns))


def _take(table: Any, rows: NDArray[np.int64]) -> Any:
    """Copy rows; the unseen category is left out where no row has it, as libraries look at all of a column."""
    if isinstance(table, np.ndarray):
        return table[rows].copy()
    taken = table.iloc[rows].reset_index(drop=True)
    for name, column in taken.items():
        is_category = isinstance(column.dtype, pd.CategoricalDtype)
        if is_category and UNSEEN in column.cat.categories and not (column == UNSEEN).any():
            taken[name] = column.cat.remove_categories(UNSEEN)
    return taken


def _show(table: Any, row: int) -> str:
    values = table.iloc[row].to_dict() if isinstance(table, pd.DataFrame) else table[row].tolist()
    text = str(values)
    return text if len(text) < 400 else text[:400] + "…"  # noqa: PLR2004 - a line or so


EXP_DIGEST = "7b61c59e2025fd7e57bc29ad861f5a4777293cbf4422a3dc0585b352ac25710e"
EXPF_DIGEST = "e28bad468e78f22c69b3d00097f30bfefd99bd9adbd41faed494bc742a0c20a0"


def make_powers() -> Floats:
    """Make 100,000 numbers to try an `exp` on, by whole-number arithmetic alone: the same on any machine."""
    steps = np.arange(60_000, dtype=np.int64) * 2_654_435_761 % 2**32
    near = (steps - 2**31).astype(np.float64) * 2.0**-26  # -32 to 32
    steps = np.arange(40_000, dtype=np.int64) * 2_246_822_519 % 2**32
    return np.concatenate([near, (steps - 2**31).astype(np.float64) * 2.0**-21 * 0.69])  # -706 to 706


@functools.cache
def host_exponentials() -> dict[str, bool]:
    """Try the host's `exp` and `expf`, and NumPy's, against those that the Java function is made with.

    Returns:
        Whether each is the same, bit for bit, on 100,000 numbers.
    """
    powers = make_powers()
    return {
        "libm": _digest(exp(powers)) == EXP_DIGEST,
        "numpy": _digest(np.exp(powers)) == EXP_DIGEST,
        "float": _digest(exp_float(powers.astype(np.float32))) == EXPF_DIGEST,
    }


def has_exact_link(description: Description) -> bool:
    """Tell whether the link is exact on this machine."""
    if description.link == "none":
        return True
    which = "float" if description.link_type == "float32" else description.exp
    return host_exponentials()[which]


def _digest(numbers: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(numbers).astype(numbers.dtype.newbyteorder("<")).tobytes()).hexdigest()
