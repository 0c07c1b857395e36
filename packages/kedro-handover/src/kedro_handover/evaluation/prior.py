"""Probabilities put back to the shares of the data, where a model has learned from other shares of two classes.

Thinning and class weights change the odds that a model starts from, and nothing else that it learns. So the odds of a
probability are multiplied by o, the odds of positive in all rows with a label over those that the model learned from:

    p' = o p / (o p + 1 - p)

This is the prior correction of Saerens, Latinne and Decaestecker (2002). It ranks rows as p does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

PUT_BACK = "probability_in_data"
"""The column of scores that has it, beside `probability`."""


def find_prior_odds(row_counts: Mapping[str, int], class_weight: str | None = None) -> float:
    """Find how far the odds of positive in all rows are from those that a model learned from.

    Args:
        row_counts: What `kedro_handover.nodes.split.count_rows` gives.
        class_weight: "balanced" where both classes have weighed alike.

    Returns:
        The odds in all rows with a label over those in the training split as it was weighed; 1 where the model learned
        from the shares of the data.
    """
    odds = row_counts["positive"] / row_counts["negative"]
    if class_weight is not None:
        return odds
    kept = sum(row_counts[f"{split}_{name}"] for split in ("train", "test") for name in ("positive", "negative"))
    if kept == row_counts["positive"] + row_counts["negative"]:
        return 1.0
    return odds * row_counts["train_negative"] / row_counts["train_positive"]


def put_back(probability: Any, odds: float) -> Any:
    """Put a probability back to the shares of the data.

    Args:
        probability: A number, or a column of any engine.
        odds: What `find_prior_odds` gives.

    Returns:
        The same kind of thing.
    """
    weighed = probability * odds
    return weighed / (weighed + 1 - probability)
