"""The small table of a new project that has no data yet: subscriptions, some of which are cancelled."""

from __future__ import annotations

import csv
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE = "subscriptions.csv"
ID, LABEL, POSITIVE = "subscription_id", "cancelled", "yes"
ROWS = 3_000
PLANS = ("month by month", "one year", "two years")
EMPTY_PLANS, EMPTY_PRICES = 0.02, 0.03
"""The shares of the cells that are empty."""


def write_example(path: Path) -> Path:
    """Write synthetic subscriptions, the same at each call: a formula, and nobody's data.

    Args:
        path: The file.

    Returns:
        The same.
    """
    rng = random.Random(ROWS)  # noqa: S311 - the same at each call
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow((ID, "months", "plan", "monthly_price", "calls_for_help", "note", LABEL))
        for number in range(1, ROWS + 1):
            months, plan, calls = rng.randint(1, 72), rng.choice(PLANS), min(int(rng.expovariate(0.7)), 9)
            price = round(rng.uniform(5, 60), 2)
            odds = 0.6 - months / 60 + calls / 2 + price / 50 - 1.2 * PLANS.index(plan)
            cancelled = rng.random() < 1 / (1 + 2.718**-odds)
            writer.writerow(
                (
                    number,
                    months,
                    plan if rng.random() > EMPTY_PLANS else "",
                    price if rng.random() > EMPTY_PRICES else "",
                    calls,
                    f"note {rng.getrandbits(20)}",
                    POSITIVE if cancelled else "no",
                )
            )
    return path
