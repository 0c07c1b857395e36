"""The data_engineering pipeline."""

from kedro.pipeline import Node, Pipeline

from kedro_handover.nodes.split import count_rows, split_and_balance
from kedro_handover.nodes.validation import count_rejected, select_rejected, select_valid
from premises.census.contract import list_feature_rules

from .features import build_features
from .ingest import check_premises, count_statuses, find_repeated_ids, list_barris, list_census_rules, read_census


def create_pipeline() -> Pipeline:
    """Make the pipeline: `census_file` to `premises`, `rejected_rows`, `features` and `model_input`."""
    census = "params:census"
    return Pipeline(
        [
            Node(read_census, ["census_file", census], ["raw_rows", "raw_source"], name="read_census"),
            Node(list_census_rules, census, "rules", name="list_census_rules"),
            Node(count_statuses, ["raw_rows", census], "label_counts", name="count_statuses"),
            Node(find_repeated_ids, ["raw_rows", census], "repeated_ids", name="find_repeated_ids"),
            Node(list_barris, "repeated_ids", "official_barris", name="list_barris"),
            Node(
                check_premises,
                ["raw_rows", "repeated_ids", "official_barris", census],
                "checked_rows",
                name="check_premises",
            ),
            Node(select_rejected, ["raw_rows", "checked_rows", "rules"], "rejected_rows", name="select_rejected"),
            Node(
                count_rejected,
                ["raw_rows", "checked_rows", "rejected_rows", "rules", "params:census.rejected_share"],
                "rejections",
                name="count_rejected",
            ),
            Node(select_valid, ["checked_rows", "rules", "rejections"], "premises", name="select_valid"),
            Node(build_features, ["premises", "params:data_engineering"], "features", name="build_features"),
            Node(split_and_balance, ["features", "params:split"], "model_input", name="split_and_balance"),
            Node(list_feature_rules, None, "feature_rules", name="list_feature_rules"),
            Node(
                count_rows,
                ["premises", "features", "model_input", "rejections", "label_counts", "feature_rules"],
                "row_counts",
                name="count_rows",
            ),
        ]
    )
