"""A column that knows the label is told from one that does not."""

import numpy as np
import pandas as pd

from kedro_handover.evaluation.leaks import LEAK_AUC, single_column_aucs

random = np.random.default_rng(0)
LABEL = random.random(2_000) < 0.4


def test_a_number_or_a_text_that_knows_the_label_is_found_and_noise_is_not() -> None:
    rows = pd.DataFrame(
        {
            "noise": random.random(2_000),
            "refund": np.where(LABEL, random.uniform(1, 9, 2_000), 0),
            "status": np.where(LABEL, "sent back", "with the customer"),
        }
    )
    aucs = single_column_aucs(rows, LABEL)
    assert list(aucs) == ["noise", "refund", "status"]
    assert [name for name, auc in aucs.items() if auc > LEAK_AUC] == ["refund", "status"]
    assert abs(aucs["noise"] - 0.5) < 0.1


def test_missing_values_are_values_too() -> None:
    rows = pd.DataFrame({"refund": np.where(LABEL, 5.0, np.nan), "status": np.where(LABEL, "sent back", None)})
    assert min(single_column_aucs(rows, LABEL).values()) > LEAK_AUC
