"""The nodes of data_engineering that are this project's own: native frames in and out, on every engine."""

import narwhals.stable.v2 as nw
from kedro_handover.contract import Rule, RuleRecord, flag_violations, list_rules
from kedro_handover.lazy_types import RecordBatchReader
from kedro_handover.nodes import typing
from kedro_handover.spark.row_local import row_local
from kedro_handover.text_tables import Source, describe_source
from narwhals.stable.v2.typing import IntoFrame, IntoFrameT

from {{ cookiecutter.python_package }}.contract import rules
from {{ cookiecutter.python_package }}.schema import SCHEMA


def read_file(raw_file: RecordBatchReader | IntoFrameT) -> tuple[RecordBatchReader | IntoFrameT, Source]:
    """Take the columns of the schema from the file, as text, by their names in the project; and say what it is of."""
    return typing.read_rows(raw_file, SCHEMA, "raw_file"), describe_source(raw_file)


def list_row_rules() -> list[RuleRecord]:
    """List the rules that the rows of the file are held to."""
    return list_rules(rules())


def count_labels(raw_rows: IntoFrame) -> dict[str, int]:
    """Count the rows by class, and refuse to learn from one class only."""
    return typing.count_classes(raw_rows, SCHEMA, "raw_file")


def find_repeated(raw_rows: IntoFrameT) -> IntoFrameT:
    """Find the ids that more than one row has."""
    return typing.find_repeated_ids(raw_rows, SCHEMA)


@row_local
def check_rows(raw_rows: IntoFrameT, repeated_ids: IntoFrameT) -> IntoFrameT:
    """Type the rows, and flag the rules that each of them violates.

    Args:
        raw_rows: `row_number`, `malformed_line` and the columns of the schema, as text.
        repeated_ids: The ids that come more than once, and `rows_of_id`.

    Returns:
        `row_number`, `violations` (flags, 0 where there are none) and the typed columns of the schema.
    """
    typed = nw.from_native(typing.type_rows(raw_rows, SCHEMA))
    checked = flag_violations(typed.join(nw.from_native(repeated_ids), on=SCHEMA.id_name, how="left"), rules())
    return checked.select("row_number", "violations", *SCHEMA.types).to_native()


def build_features(valid_rows: IntoFrameT) -> IntoFrameT:
    """Make the features, as float32: those that follow from the schema. Put your own beside them.

    Args:
        valid_rows: The typed columns of the schema, a row for each valid row of the file.

    Returns:
        `id`, `label`, `group` and `split_by` if the schema has them, and the features.
    """
    features = typing.make_features(SCHEMA)
    return typing.select_features(valid_rows, SCHEMA, features)


def list_feature_rules() -> list[Rule]:
    """State what has to hold for the features of every row."""
    return typing.feature_rules(SCHEMA)


def list_levels() -> dict[str, list[str]]:
    """List what the numbers of each category's feature stand for."""
    return typing.list_levels(SCHEMA)
