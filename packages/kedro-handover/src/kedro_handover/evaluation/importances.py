"""How much each feature brings to a fitted model, and a feature that brings nearly all of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from kedro_handover.contract import KEYS
from kedro_handover.evaluation.predictions import TEST
from kedro_handover.lazy_types import DataFrame
from kedro_handover.tasks import SCORE_TITLES, SCORES, find_task

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger(__name__)

ROWS_PERMUTED = 5_000

CARRIED_SHARE = 0.8
"""A feature that brings more of the model than this may know the label."""


def find_importances(model: Any, rows: DataFrame) -> tuple[np.ndarray, str]:
    """Measure how much each feature brings to a model.

    Trees tell by how much the feature made the impurity fall, linear models by its coefficient after scaling. Of a
    model that does not tell, or that makes other columns of the features, it is the fall in AUC, or in R² of a
    regression, on the test split when the feature's values change places.

    Args:
        model: The fitted model.
        rows: `split`, `label` and the features.

    Returns:
        The share of each feature, and what the shares are of.
    """
    import numpy as np

    steps = [step for _, step in getattr(model, "steps", [])]
    last = steps[-1] if steps else model
    if any(hasattr(step, "transformers_") for step in steps):
        last = None  # its columns are not the features: levels have one each, and others stand elsewhere
    if hasattr(last, "coef_"):
        sizes = np.abs(np.atleast_2d(last.coef_)).sum(axis=0)
        return sizes / (sizes.sum() or 1), "share of the coefficients, of scaled features"
    if hasattr(last, "feature_importances_"):
        shares = np.asarray(last.feature_importances_, dtype=float)
        criterion = f" ({last.criterion})" if isinstance(getattr(last, "criterion", None), str) else ""
        total = shares.sum()
        return shares / total if total else shares, f"share of the fall in impurity{criterion}"
    from sklearn.inspection import permutation_importance

    test = rows[rows["split"] == TEST].iloc[:ROWS_PERMUTED]
    features = test[[name for name in test.columns if name not in KEYS]]
    score, scoring = SCORES[find_task(rows)]
    found = permutation_importance(model, features, test["label"], scoring=scoring, n_repeats=3, random_state=0)
    falls = np.maximum(found.importances_mean, 0)
    return falls / (
        falls.sum() or 1
    ), f"share of the fall in {SCORE_TITLES[score]} when a feature's values change places"


def warn_of_carrier(model: Any, rows: DataFrame) -> None:
    """Name a feature that brings more than `CARRIED_SHARE` of a model: it may be known only after the label.

    Args:
        model: The fitted model.
        rows: `split`, `label` and the features.
    """
    names = [name for name in rows.columns if name not in KEYS]
    shares, told = find_importances(model, rows)
    place = int(shares.argmax())
    if len(names) > 1 and shares[place] > CARRIED_SHARE:
        logger.warning(
            "%s carries %.0f %% of the model: %s. Is it known before the label? If not, it leaks the label: leave it "
            "out of the features, as a Text in the schema.",
            names[place],
            100 * shares[place],
            told,
        )
