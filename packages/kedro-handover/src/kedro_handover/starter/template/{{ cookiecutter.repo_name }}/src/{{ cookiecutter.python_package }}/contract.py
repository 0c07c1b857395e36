"""What the rows of the file have to be."""

from kedro_handover.contract import Rule, TableContract
from kedro_handover.nodes.typing import schema_rules

from {{ cookiecutter.python_package }}.schema import SCHEMA


def rules() -> list[Rule]:
    """State the rules: those that follow from the schema. Put your own behind them.

    Returns:
        The rules. They are about what `kedro_handover.nodes.typing.type_rows` gives, and `rows_of_id`. For example,
        `Rule("price_is_paid", "The price is above 0.", (nw.col("price") <= 0).fill_null(value=False), severity="warn")`.
    """
    return [*schema_rules(SCHEMA)]


class ValidRows(TableContract):
    """Hold `valid_rows` to the columns and types of the schema."""

    def __init__(self) -> None:
        super().__init__(SCHEMA.types)
