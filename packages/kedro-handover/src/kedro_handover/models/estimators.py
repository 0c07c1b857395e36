"""The counterparts of a scikit-learn tree in MLlib and H2O, with the hyperparameters that research found.

| scikit-learn | MLlib | H2O |
| --- | --- | --- |
| `max_depth` | `maxDepth` | `maxDepth` |
| `min_samples_leaf` | `minInstancesPerNode` | `minRows` |
| `criterion` | `impurity`; of numbers `variance` | none: squared error, which splits two classes as `gini` does |
| every midpoint between two values | `maxBins` candidates | `nbins` = `nbinsTopLevel` candidates, again in each node |

What has no counterpart: MLlib prunes leaves of one class that stand side by side, and H2O's leaves are float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro_handover.handover.tree import FEATURES_COLUMN
from kedro_handover.models.family import CRITERIA, LABEL_COLUMN
from kedro_handover.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.ml import Pipeline

ALL_FEATURES = -2
"""H2O's `mtries` for every feature at each split."""


def make_mllib_tree(
    features: list[str], found: Mapping[str, Any], max_bins: int, seed: int, task: Task = "binary"
) -> Pipeline:
    """Make MLlib's estimator that corresponds to a tree of scikit-learn.

    Args:
        features: The feature columns.
        found: `max_depth`, `min_samples_leaf` and `criterion`, as scikit-learn calls them.
        max_bins: MLlib's `maxBins`.
        seed: MLlib's `seed`.
        task: What is predicted.

    Returns:
        A pipeline that takes the features and `label`.
    """
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import DecisionTreeClassifier
    from pyspark.ml.feature import VectorAssembler
    from pyspark.ml.regression import DecisionTreeRegressor

    of_all: dict[str, Any] = {
        "featuresCol": FEATURES_COLUMN,
        "labelCol": LABEL_COLUMN,
        "maxDepth": found["max_depth"],
        "minInstancesPerNode": found["min_samples_leaf"],
        "maxBins": max_bins,
        "seed": seed,
    }
    if task == "regression":
        tree: Any = DecisionTreeRegressor(**of_all)
    else:
        tree = DecisionTreeClassifier(**of_all, impurity=CRITERIA[found["criterion"]])
    return Pipeline(stages=[VectorAssembler(inputCols=features, outputCol=FEATURES_COLUMN), tree])


def make_h2o_tree(  # noqa: PLR0913 - every setting of a tree
    features: list[str],
    found: Mapping[str, Any],
    bins: int,
    histogram: str,
    seed: int,
    *,
    unknown_as_missing: bool,
    task: Task = "binary",
) -> Any:
    """Make H2O's estimator that corresponds to a tree of scikit-learn: a forest of one, of all rows and all features.

    Args:
        features: The feature columns.
        found: `max_depth` and `min_samples_leaf`, as scikit-learn calls them.
        bins: H2O's `nbins` and `nbinsTopLevel`, as many candidates at each level.
        histogram: H2O's `histogramType`.
        seed: H2O's `seed`.
        unknown_as_missing: Whether a level of a category that the model has not seen scores as a missing value; it is
            an error otherwise.
        task: What is predicted.

    Returns:
        An `H2ODRFClassifier`, or an `H2ODRFRegressor`, that takes the features and `label`; an H2O context has to run.
    """
    from ai.h2o.sparkling.ml.algos.classification import H2ODRFClassifier
    from ai.h2o.sparkling.ml.algos.regression import H2ODRFRegressor

    make = H2ODRFRegressor if task == "regression" else H2ODRFClassifier
    return make(
        featuresCols=features,
        labelCol=LABEL_COLUMN,
        ntrees=1,
        mtries=ALL_FEATURES,
        sampleRate=1.0,
        maxDepth=found["max_depth"],
        minRows=float(found["min_samples_leaf"]),
        minSplitImprovement=0.0,
        nbins=bins,
        nbinsTopLevel=bins,
        histogramType=histogram,
        convertUnknownCategoricalLevelsToNa=unknown_as_missing,
        ignoreConstCols=False,  # a MOJO would not know such a feature
        seed=seed,
    )
