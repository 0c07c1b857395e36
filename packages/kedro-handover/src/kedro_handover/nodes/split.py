"""Split rows into training and test rows by a deterministic hash of their id, and account for all of them."""

from __future__ import annotations

import logging
from bisect import bisect_left
from itertools import accumulate
from operator import add
from typing import Any, ClassVar

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import FrameT, IntoFrame, IntoFrameT
from pydantic import Field

from kedro_handover.contract import KEYS, TABLE_RULES, Rule, check_no_violations, count_violations
from kedro_handover.errors import ConfigurationError, DataError
from kedro_handover.evaluation.predictions import TEST, TRAIN
from kedro_handover.expressions import any_of, combine
from kedro_handover.frames import free_names
from kedro_handover.hashing import HASH_RANGE, PLACES, add_hashes, add_place, modulo
from kedro_handover.parameters import Parameters
from kedro_handover.tasks import find_task, name_outcome

logger = logging.getLogger(__name__)

SPLIT_MULTIPLIER, THINNING_MULTIPLIER = 48271, 16807
"""What tells the order of the split from that of the thinning; both are multipliers of Lehmer generators."""

NO_STRATUM = -1

UNEVEN = 0.05
"""Where groups are so large that the share of a class in test is off by more, a run says so."""


class SplitParameters(Parameters):
    """How rows are split, in the block `split`.

    Attributes:
        test_share: Share of the rows with a label that is kept for the test split; whole percents.
        folds: Number of folds of the training split.
        majority_per_minority: Rows of the larger class for each one of the smaller class in the training split; null
            keeps them all.
        stratify: Whether the test split and each fold get their share of either class; else chance decides, within a
            row or so in a hundred.
    """

    block: ClassVar[str | None] = "split"
    file: ClassVar[str | None] = "parameters_data_engineering.yml"

    test_share: float = Field(ge=0.01, le=0.99, multiple_of=0.01)
    folds: int = Field(ge=2, le=20)
    majority_per_minority: float | None = Field(ge=1)
    stratify: bool = False


def split_and_balance(features: IntoFrameT, parameters: SplitParameters) -> IntoFrameT:
    """Split the rows with a label into train and test, give folds, and thin the larger class in train.

    A hash of the row's id decides (see `kedro_handover.hashing`), so the outcome is the same on every engine and in any
    order of rows. Stratified, the rows of each class are put in the order of their hash: the first of them are the test
    split, the next ones fold 0, and so on. Otherwise split, fold and thinning take a hash each, against a threshold.

    Args:
        features: `id`, `label`, `group` if there is one, and the features. If there is a column `split_by`, split and
            folds take its hash in the place of the id's: rows that have it alike stay together. It is left out after.
        parameters: `test_share`, `folds`, `majority_per_minority` and `stratify`.

    Returns:
        `id`, `split` ("train" or "test"), `fold` (from 0 in train, -1 in test), `label`, `group`, the features.
    """
    frame = nw.from_native(features)
    columns = frame.collect_schema().names()
    rest = [name for name in columns if name == "group"] + [name for name in columns if name not in KEYS]
    labelled, by = frame.filter(~nw.col("label").is_null()), "id"
    if "split_by" in columns:
        group = nw.col("split_by").cast(nw.String)  # DuckDB does not mix numbers and text
        labelled, by = labelled.with_columns(split_by=nw.coalesce(group, nw.col("id"))), "split_by"
    if parameters.majority_per_minority is not None and (task := find_task(features)) != "binary":
        msg = (
            f"split.majority_per_minority thins the larger of two classes, and the task is {task}. Set it to null; "
            "sklearn_research.class_weight weighs several classes alike."
        )
        raise ConfigurationError(msg)
    balance = _split_in_order if parameters.stratify else _split_by_chance
    known = balance(labelled, by, columns, parameters)
    return known.select("id", "split", nw.col("fold").cast(nw.Int64), "label", *rest).to_native()


def _split_by_chance(labelled: FrameT, by: str, columns: list[str], parameters: SplitParameters) -> FrameT:
    """Split, fold and thin by a hash against a threshold, whatever the label."""
    split, fold, thinning = free_names(["split_hash", "fold_hash", "thinning_hash"], columns)
    hashed = add_hashes(add_hashes(labelled, by, **{split: 1, fold: 2}), "id", **{thinning: 3})
    in_test = modulo(nw.col(split), 100) < round(parameters.test_share * 100)
    known = hashed.with_columns(
        split=nw.when(in_test).then(nw.lit(TEST)).otherwise(nw.lit(TRAIN)),
        fold=nw.when(in_test).then(nw.lit(-1)).otherwise(modulo(nw.col(fold), parameters.folds)),
    )
    if parameters.majority_per_minority is None:
        return known
    return _thin(known, thinning, parameters.majority_per_minority)


def _split_in_order(labelled: FrameT, by: str, columns: list[str], parameters: SplitParameters) -> FrameT:
    """Split, fold and thin the rows of each stratum in the order of their places."""
    place, thinning, stratum = free_names(["split_place", "thinning_place", "stratum"], columns)
    placed = _add_stratum(add_place(labelled, by, place, SPLIT_MULTIPLIER), by, stratum, columns)
    percent = round(parameters.test_share * 100)
    counted = _count_by_place(placed, stratum, place)
    if not counted:
        msg = "features: no row has a label, so there is nothing to learn from. Use a file that has labels."
        raise DataError(msg)
    cuts = {one: _cut(rows, percent, parameters.folds) for one, rows in counted.items()}
    _warn_of_uneven(counted, cuts, percent)
    is_of = {one: nw.col(stratum) == one for one in cuts}
    in_test = any_of(is_of[one] & (nw.col(place) < test) for one, (test, *_) in cuts.items())
    is_later = [is_of[one] & (nw.col(place) >= cut) for one, (_, *folds) in cuts.items() for cut in folds]
    fold = combine([one.cast(nw.Int64) for one in is_later], add)
    known = placed.with_columns(
        split=nw.when(in_test).then(nw.lit(TEST)).otherwise(nw.lit(TRAIN)),
        fold=nw.when(in_test).then(nw.lit(-1)).otherwise(fold),
    )
    if parameters.majority_per_minority is None:
        return known
    known = add_place(known, "id", thinning, THINNING_MULTIPLIER)
    # Counted whole: a filter on what is worked out would have Spark work it out anew at each mention.
    of_train = nw.when(nw.col("split") == TRAIN).then(nw.col("label").cast(nw.Int64)).otherwise(nw.lit(NO_STRATUM))
    of_class = _count_by_place(known.with_columns(of_train.alias(stratum)), stratum, thinning)
    of_class.pop(NO_STRATUM, None)
    if len(of_class) < len((False, True)):
        return known
    larger, smaller = sorted(of_class, key=lambda one: sum(of_class[one].values()), reverse=True)
    wanted = round(parameters.majority_per_minority * sum(of_class[smaller].values()))
    # As a column of one row that is joined: a filter on the places alone would be pushed below them by Spark, which
    # would then work them out at each mention.
    (cut,) = free_names(["cut"], known.collect_schema().names())
    one_row = known.head(1).select((nw.col("fold") * 0 + _nearest(of_class[larger], [wanted])[0]).alias(cut))
    is_kept = (nw.col("split") == TEST) | (nw.col("label") != bool(larger)) | (nw.col(thinning) < nw.col(cut))
    return known.join(one_row, how="cross").filter(is_kept)


def _warn_of_uneven(counted: dict[int, dict[int, int]], cuts: dict[int, list[int]], percent: int) -> None:
    for one, rows in counted.items():
        total, tested = sum(rows.values()), sum(count for place, count in rows.items() if place < cuts[one][0])
        if abs(100 * tested - percent * total) > 100 * max(total * UNEVEN, 1):
            logger.warning(
                "Rows that belong together are too many to be split evenly: of %s rows of one class %s are in test.",
                f"{total:,}",
                f"{tested:,}",
            )


def _add_stratum(placed: FrameT, by: str, stratum: str, columns: list[str]) -> FrameT:
    """Number the strata: by the label; of rows that belong together, by the lowest and the highest of their labels."""
    label, low, high = free_names(["label_as_number", "lowest", "highest"], [*columns, stratum])
    is_class = not placed.collect_schema()["label"].is_float()
    numbered = placed.with_columns((nw.col("label").cast(nw.Int64) if is_class else nw.lit(0)).alias(label))
    if by == "id":
        return numbered.with_columns((nw.col(label) * 2).alias(stratum))
    of_group = (
        numbered.group_by(by)
        .agg(nw.col(label).min().alias(low), nw.col(label).max().alias(high))
        .select(by, (nw.col(low) + nw.col(high)).alias(stratum))
    )
    return numbered.join(of_group, on=by, how="left")


def _count_by_place(frame: FrameT, stratum: str, place: str) -> dict[int, dict[int, int]]:
    """Count the rows of each stratum at each place; the places are in order."""
    counted = frame.lazy().select(stratum, place).group_by(stratum, place).agg(nw.len().alias("rows")).collect()
    columns = (counted[name].to_list() for name in (stratum, place, "rows"))
    strata: dict[int, dict[int, int]] = {}
    for one, at, rows in sorted(zip(*columns, strict=True)):
        strata.setdefault(int(one), {})[int(at)] = int(rows)
    return strata


def _cut(rows: dict[int, int], percent: int, folds: int) -> list[int]:
    """Give the places at which the test split of a stratum ends, and each fold but the last one."""
    total = sum(rows.values())
    in_test = (2 * total * percent + 100) // 200  # rounded, in integers
    in_train = total - in_test
    return _nearest(
        rows, [in_test, *(in_test + (2 * in_train * fold + folds) // (2 * folds) for fold in range(1, folds))]
    )


def _nearest(rows: dict[int, int], wanted: list[int]) -> list[int]:
    """Give for each number of rows the place below which there are about so many: rows of one place stay together."""
    ends = list(accumulate(rows.values(), initial=0))
    places = [*rows, PLACES]
    cuts = []
    for number in wanted:
        after = bisect_left(ends, number, hi=len(ends) - 1)
        is_nearer = after > 0 and number - ends[after - 1] <= ends[after] - number
        cuts.append(places[after - is_nearer])
    return cuts


def count_rows(  # noqa: PLR0913, PLR0917 - the tables on their way
    valid_rows: IntoFrame,
    features: IntoFrame,
    model_input: IntoFrame,
    rejections: dict[str, Any],
    label_counts: dict[str, int],
    feature_rules: list[Rule],
) -> dict[str, int]:
    """Count the rows on their way, for the reports, and hold every table to its rules.

    Args:
        valid_rows: One row per valid row of the file; `is_synthetic`, where it is a column, tells generated rows.
        features: The same rows with their features.
        model_input: The rows that models are trained and tested on.
        rejections: What `count_rejected` gives.
        label_counts: What `count_labels` gives.
        feature_rules: The rules of the features.

    Returns:
        Rows of the file (`rows_in`), those rejected (`rejected`), those that are `valid`, those of them that are
        `synthetic`, by label (`positive`, `negative`, `unknown`), and of `model_input` by split and label
        (`train_positive`, …, `test_negative`). Of several classes they are counted as `class_0`, `class_1` and so on,
        and rows with a number to predict as `known`.

    Raises:
        DataError: If the tables are not of one run.
        ContractError: If a table has rows that violate its rules.
    """
    label, in_test = nw.col("label"), nw.col("split") == TEST
    of_model_input = [*feature_rules, *TABLE_RULES["model_input"]]
    valid = nw.from_native(valid_rows)
    is_synthetic = {"synthetic": _count(nw.col("is_synthetic"))} if "is_synthetic" in valid.collect_schema() else {}
    counted_valid = valid.select(valid=nw.len(), **is_synthetic)
    outcomes = _tell_outcomes(features)
    counted_features = nw.from_native(features).select(
        features=nw.len(),
        **{name: _count(is_one) for name, is_one in outcomes.items()},
        unknown=_count(label.is_null()),
        **count_violations("features", feature_rules),
    )
    counted_model_input = nw.from_native(model_input).select(
        **{f"{TRAIN}_{name}": _count(~in_test & is_one) for name, is_one in outcomes.items()},
        **{f"{TEST}_{name}": _count(in_test & is_one) for name, is_one in outcomes.items()},
        **count_violations("model_input", of_model_input),
    )
    joined = (
        counted_valid.lazy()
        .join(counted_features.lazy(), how="cross")
        .join(counted_model_input.lazy(), how="cross")
        .collect()
    )
    (row,) = joined.rows(named=True)
    counts = {name: int(count or 0) for name, count in row.items()}
    check_no_violations(counts, "features", feature_rules)
    check_no_violations(counts, "model_input", of_model_input)
    read = sum(label_counts.values())
    if not (counts["valid"] == counts.pop("features") == rejections["valid"] and read == rejections["rows_in"]):
        msg = (
            f"{rejections['valid']:,} of {rejections['rows_in']:,} rows are valid; {read:,} were read, and "
            f"{counts['valid']:,} stand among the valid rows. They are not of one run: run data_engineering again."
        )
        raise DataError(msg)
    return {"rows_in": rejections["rows_in"], "rejected": rejections["rejected"], "synthetic": 0, **counts}


def _thin(known: FrameT, hashed: str, majority_per_minority: float) -> FrameT:
    """Leave out rows of the larger class in train, by their hash."""
    label, thinning = nw.col("label"), nw.col(hashed)
    positive, negative = free_names(["positive", "negative"], known.collect_schema().names())
    # Not filtered: Spark would push that below the hash, and work it out anew at each mention.
    is_train = nw.col("split") == TRAIN
    in_train = known.select(_count(is_train & label).alias(positive), _count(is_train & ~label).alias(negative))
    positive_share = majority_per_minority * nw.col(negative) / nw.col(positive)
    negative_share = majority_per_minority * nw.col(positive) / nw.col(negative)
    # One condition for both labels: of two, Spark would infer that one of them holds, and push it below the hash.
    share = nw.when(label).then(positive_share).otherwise(negative_share)
    is_kept = (nw.col("split") == TEST) | (thinning < share * HASH_RANGE)
    return known.join(in_train, how="cross").filter(is_kept)


def _tell_outcomes(features: IntoFrame) -> dict[str, nw.Expr]:
    """Give what rows with a label are counted by, and which rows each is."""
    label, task = nw.col("label"), find_task(features)
    if task == "regression":
        return {"known": ~label.is_null()}
    if task == "binary":
        return {"positive": label, "negative": ~label}
    last = nw.from_native(features).lazy().select(last=label.max()).collect("pyarrow")["last"].to_list()[0]
    return {name_outcome(place): label == place for place in range(int(last or 0) + 1)}


def _count(condition: nw.Expr) -> nw.Expr:
    return condition.cast(nw.Int64).sum()
