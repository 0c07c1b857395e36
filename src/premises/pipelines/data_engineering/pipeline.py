"""The data_engineering pipeline."""

from kedro.pipeline import Node, Pipeline

from .nodes import (
    build_premises_features,
    check_premises,
    count_rejected,
    count_rows,
    find_repeated_ids,
    list_barris,
    read_census,
    select_premises,
    select_rejected,
    split_and_balance,
)


def create_pipeline() -> Pipeline:
    """Make the pipeline: `census_file` to `premises`, `rejected_premises`, `premises_features` and `model_input`."""
    census = "params:census"
    parameters = "params:data_engineering"
    return Pipeline(
        [
            Node(read_census, ["census_file", census], "census", name="read_census"),
            Node(find_repeated_ids, ["census", census], "repeated_ids", name="find_repeated_ids"),
            Node(list_barris, "repeated_ids", "official_barris", name="list_barris"),
            Node(
                check_premises,
                ["census", "repeated_ids", "official_barris", census],
                "checked_premises",
                name="check_premises",
            ),
            Node(select_rejected, ["census", "checked_premises", census], "rejected_premises", name="select_rejected"),
            Node(
                count_rejected,
                ["census", "checked_premises", "rejected_premises", census],
                "rejections",
                name="count_rejected",
            ),
            Node(select_premises, ["checked_premises", "rejections"], "premises", name="select_premises"),
            Node(
                build_premises_features,
                ["premises", parameters],
                "premises_features",
                name="build_premises_features",
            ),
            Node(split_and_balance, ["premises_features", parameters], "model_input", name="split_and_balance"),
            Node(
                count_rows,
                ["premises", "premises_features", "model_input", "rejections"],
                "row_counts",
                name="count_rows",
            ),
        ]
    )
