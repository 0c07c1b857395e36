"""MLlib's own decision tree, with the hyperparameters that the search of research has found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from premises.spark.tree import FEATURES_COLUMN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.ml import Pipeline

LABEL_COLUMN = "label"

CRITERIA = {"gini": "gini", "entropy": "entropy", "log_loss": "entropy"}
"""MLlib's `impurity` for scikit-learn's `criterion`; log_loss is another name of entropy there."""


def make_estimator(features: list[str], found: Mapping[str, Any], max_bins: int, seed: int) -> Pipeline:
    """Make the estimator that corresponds to a tree of scikit-learn.

    `max_depth` is MLlib's `maxDepth`, `min_samples_leaf` its `minInstancesPerNode`, `criterion` its `impurity`. What
    has no counterpart: MLlib looks at `max_bins` candidate splits of a feature at most, and prunes leaves of one class
    that stand side by side.

    Args:
        features: The feature columns.
        found: `max_depth`, `min_samples_leaf` and `criterion`, as scikit-learn calls them.
        max_bins: MLlib's `maxBins`.
        seed: MLlib's `seed`.

    Returns:
        A pipeline that takes the features and `label`, 0 or 1.
    """
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import DecisionTreeClassifier
    from pyspark.ml.feature import VectorAssembler

    tree = DecisionTreeClassifier(
        featuresCol=FEATURES_COLUMN,
        labelCol=LABEL_COLUMN,
        maxDepth=found["max_depth"],
        minInstancesPerNode=found["min_samples_leaf"],
        impurity=CRITERIA[found["criterion"]],
        maxBins=max_bins,
        seed=seed,
    )
    return Pipeline(stages=[VectorAssembler(inputCols=features, outputCol=FEATURES_COLUMN), tree])
