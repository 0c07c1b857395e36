"""Split rows into training and test rows by a deterministic hash of their id, and account for all of them."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import FrameT, IntoFrame, IntoFrameT
from pydantic import Field

from kedro_handover.contract import KEYS, TABLE_RULES, Rule, check_no_violations, count_violations
from kedro_handover.errors import DataError
from kedro_handover.evaluation.predictions import TEST, TRAIN
from kedro_handover.frames import free_names
from kedro_handover.hashing import HASH_RANGE, add_hashes, modulo
from kedro_handover.parameters import Parameters

logger = logging.getLogger(__name__)

FEW_OF_A_CLASS = 30
"""With fewer rows of a class in a split, a run says so."""


class SplitParameters(Parameters):
    """How rows are split, in the block `split`.

    Attributes:
        test_share: Share of the rows with a label that is kept for the test split; whole percents.
        folds: Number of folds of the training split.
        majority_per_minority: Rows of the larger class for each one of the smaller class in the training split; null
            keeps them all.
    """

    block: ClassVar[str | None] = "split"
    file: ClassVar[str | None] = "parameters_data_engineering.yml"

    test_share: float = Field(ge=0.01, le=0.99, multiple_of=0.01)
    folds: int = Field(ge=2, le=20)
    majority_per_minority: float | None = Field(ge=1)


def split_and_balance(features: IntoFrameT, parameters: SplitParameters) -> IntoFrameT:
    """Split the rows with a label into train and test, give folds, and thin the larger class in train.

    Each of the three takes a hash of its own of the row's id (see `kedro_handover.hashing`), so the outcome is the same
    on every engine and in any order of rows.

    Args:
        features: `id`, `label`, `group` if there is one, and the features. If there is a column `split_by`, split and
            folds take its hash in the place of the id's: rows that have it alike stay together. It is left out after.
        parameters: `test_share`, `folds` and `majority_per_minority`.

    Returns:
        `id`, `split` ("train" or "test"), `fold` (from 0 in train, -1 in test), `label`, `group`, the features.
    """
    frame = nw.from_native(features)
    columns = frame.collect_schema().names()
    rest = [name for name in columns if name == "group"] + [name for name in columns if name not in KEYS]
    split, fold, thinning = free_names(["split_hash", "fold_hash", "thinning_hash"], columns)
    labelled, by = frame.filter(~nw.col("label").is_null()), "id"
    if "split_by" in columns:
        group = nw.col("split_by").cast(nw.String)  # DuckDB does not mix numbers and text
        labelled, by = labelled.with_columns(split_by=nw.coalesce(group, nw.col("id"))), "split_by"
    hashed = add_hashes(add_hashes(labelled, by, **{split: 1, fold: 2}), "id", **{thinning: 3})
    in_test = modulo(nw.col(split), 100) < round(parameters.test_share * 100)
    known = hashed.with_columns(
        split=nw.when(in_test).then(nw.lit(TEST)).otherwise(nw.lit(TRAIN)),
        fold=nw.when(in_test).then(nw.lit(-1)).otherwise(modulo(nw.col(fold), parameters.folds)),
    )
    if parameters.majority_per_minority is not None:
        known = _thin(known, thinning, parameters.majority_per_minority)
    return known.select("id", "split", nw.col("fold").cast(nw.Int64), "label", *rest).to_native()


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
        (`train_positive`, …, `test_negative`).

    Raises:
        DataError: If the tables are not of one run.
        ContractError: If a table has rows that violate its rules.
    """
    label, in_test = nw.col("label"), nw.col("split") == TEST
    of_model_input = [*feature_rules, *TABLE_RULES["model_input"]]
    valid = nw.from_native(valid_rows)
    is_synthetic = {"synthetic": _count(nw.col("is_synthetic"))} if "is_synthetic" in valid.collect_schema() else {}
    counted_valid = valid.select(valid=nw.len(), **is_synthetic)
    counted_features = nw.from_native(features).select(
        features=nw.len(),
        positive=_count(label),
        negative=_count(~label),
        unknown=_count(label.is_null()),
        **count_violations("features", feature_rules),
    )
    counted_model_input = nw.from_native(model_input).select(
        train_positive=_count(~in_test & label),
        train_negative=_count(~in_test & ~label),
        test_positive=_count(in_test & label),
        test_negative=_count(in_test & ~label),
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
    for split in (TRAIN, TEST):
        rows, name = min((counts[f"{split}_{name}"], name) for name in ("positive", "negative"))
        if rows < FEW_OF_A_CLASS:
            logger.warning("The %s split has %d %s rows only: what is measured on them is rough.", split, rows, name)
    return {"rows_in": rejections["rows_in"], "rejected": rejections["rejected"], "synthetic": 0, **counts}


def _thin(known: FrameT, hashed: str, majority_per_minority: float) -> FrameT:
    """Leave out rows of the larger class in train, by their hash."""
    label, thinning = nw.col("label"), nw.col(hashed)
    positive, negative = free_names(["positive", "negative"], known.collect_schema().names())
    in_train = known.filter(nw.col("split") == TRAIN).select(
        _count(label).alias(positive), _count(~label).alias(negative)
    )
    positive_share = majority_per_minority * nw.col(negative) / nw.col(positive)
    negative_share = majority_per_minority * nw.col(positive) / nw.col(negative)
    is_kept = (
        (nw.col("split") == TEST)
        | (label & (thinning < positive_share * HASH_RANGE))
        | (~label & (thinning < negative_share * HASH_RANGE))
    )
    return known.join(in_train, how="cross").filter(is_kept)


def _count(condition: nw.Expr) -> nw.Expr:
    return condition.cast(nw.Int64).sum()
