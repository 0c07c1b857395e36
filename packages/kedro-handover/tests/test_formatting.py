"""How counts and shares are written."""

import pytest

from kedro_handover.formatting import describe_rows, format_share


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0.00%"), (1, "100.00%"), (0.5, "50.00%"), (1e-9, "0.01%"), (1 - 1e-9, "99.99%"), (0.123456, "12.35%")],
)
def test_only_the_whole_is_a_hundred_per_cent(share: float, text: str) -> None:
    assert format_share(share) == text


def test_the_rows_of_a_table_are_accounted_for_in_one_sentence() -> None:
    counts = {"rows_in": 1_234, "valid": 1_200, "rejected": 34, "rules": []}
    assert describe_rows(counts) == "1,234 rows in = 1,200 valid + 34 rejected."
