"""The data_engineering pipeline."""

from kedro.pipeline import Node, Pipeline
from kedro_handover.nodes.split import count_rows, split_and_balance
from kedro_handover.nodes.validation import count_rejected, select_rejected, select_valid

from . import nodes


def create_pipeline() -> Pipeline:
    """Make the pipeline: `raw_file` to `valid_rows`, `rejected_rows`, `features` and `model_input`."""
    return Pipeline(
        [
            Node(nodes.read_file, "raw_file", ["raw_rows", "raw_source"], name="read_file"),
            Node(nodes.list_row_rules, None, "rules", name="list_row_rules"),
            Node(nodes.count_labels, "raw_rows", "label_counts", name="count_labels"),
            Node(nodes.find_repeated, "raw_rows", "repeated_ids", name="find_repeated"),
            Node(nodes.check_rows, ["raw_rows", "repeated_ids"], "checked_rows", name="check_rows"),
            Node(select_rejected, ["raw_rows", "checked_rows", "rules"], "rejected_rows", name="select_rejected"),
            Node(
                count_rejected,
                ["raw_rows", "checked_rows", "rejected_rows", "rules", "params:data_engineering.rejected_share"],
                "rejections",
                name="count_rejected",
            ),
            Node(select_valid, ["checked_rows", "rules", "rejections"], "valid_rows", name="select_valid"),
            Node(nodes.build_features, "valid_rows", "features", name="build_features"),
            Node(split_and_balance, ["features", "params:split"], "model_input", name="split_and_balance"),
            Node(nodes.list_feature_rules, None, "feature_rules", name="list_feature_rules"),
            Node(nodes.list_levels, None, "levels", name="list_levels"),
            Node(
                count_rows,
                ["valid_rows", "features", "model_input", "rejections", "label_counts", "feature_rules"],
                "row_counts",
                name="count_rows",
            ),
        ]
    )
