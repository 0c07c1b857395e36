"""Single trees and forests: each split looks at features, and leaves hold shares of the classes.

| scikit-learn | MLlib | H2O |
| --- | --- | --- |
| `max_depth` | `maxDepth`, 30 at most | `maxDepth` |
| `min_samples_leaf` | `minInstancesPerNode` | `minRows` |
| `criterion` | `impurity` | none: squared error, which splits two classes as `gini` does |
| `n_estimators` | `numTrees` | `ntrees` |
| `max_features` | `featureSubsetStrategy` | `mtries` |
| every midpoint between two values | `maxBins` candidates | `nbins` = `nbinsTopLevel` candidates, again in each node |

What has no counterpart: MLlib prunes leaves of one class that stand side by side, H2O's leaves are float32, and random
numbers differ: two forests are alike in distribution only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro_handover.handover.tree import FEATURES_COLUMN
from kedro_handover.models.estimators import ALL_FEATURES, make_h2o_tree, make_mllib_tree
from kedro_handover.models.family import CRITERIA, LABEL_COLUMN, Family, assemble, depth_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.ml import Pipeline

    from kedro_handover.nodes.production_parameters import SparkProductionParameters

BOOTSTRAP_SHARE = 0.632
"""The share of different rows in a bootstrap sample; H2O draws without replacement."""

ROOT_OF_FEATURES = -1
"""H2O's `mtries` for the square root of the number of features."""


class DecisionTree(Family):
    """A single decision tree."""

    name, title, simplicity = "decision_tree", "decision tree", 0

    def make_estimator(self, seed: int, class_weight: str | None) -> Any:
        from sklearn.tree import DecisionTreeClassifier

        return DecisionTreeClassifier(random_state=seed, class_weight=class_weight)

    def make_mllib(
        self, features: list[str], arguments: Mapping[str, Any], rows: int, parameters: SparkProductionParameters
    ) -> Pipeline:
        bounded = {**arguments, "max_depth": depth_of(arguments)}
        return make_mllib_tree(features, bounded, parameters.max_bins, parameters.seed)

    def make_h2o(
        self, features: list[str], arguments: Mapping[str, Any], rows: int, parameters: SparkProductionParameters
    ) -> Any:
        h2o = parameters.h2o
        bounded = {**arguments, "max_depth": depth_of(arguments)}
        unknown = h2o.unknown_as_missing
        return make_h2o_tree(features, bounded, h2o.bins, h2o.histogram, parameters.seed, unknown_as_missing=unknown)


class RandomForest(Family):
    """A forest of trees, each of which sees a bootstrap sample of the rows."""

    name, title, simplicity = "random_forest", "random forest", 2
    sample_share = BOOTSTRAP_SHARE
    histogram: str | None = None
    """H2O's, where the parameters' would be another kind of forest."""

    def make_estimator(self, seed: int, class_weight: str | None) -> Any:
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(random_state=seed, class_weight=class_weight)

    def make_mllib(
        self, features: list[str], arguments: Mapping[str, Any], rows: int, parameters: SparkProductionParameters
    ) -> Pipeline:
        from pyspark.ml.classification import RandomForestClassifier

        forest = RandomForestClassifier(
            featuresCol=FEATURES_COLUMN,
            labelCol=LABEL_COLUMN,
            numTrees=arguments["n_estimators"],
            maxDepth=depth_of(arguments),
            minInstancesPerNode=arguments["min_samples_leaf"],
            impurity=CRITERIA[arguments["criterion"]],
            featureSubsetStrategy=_strategy(arguments["max_features"]),
            maxBins=parameters.max_bins,
            seed=parameters.seed,
        )
        return assemble(features, forest)

    def make_h2o(
        self, features: list[str], arguments: Mapping[str, Any], rows: int, parameters: SparkProductionParameters
    ) -> Any:
        from ai.h2o.sparkling.ml.algos.classification import H2ODRFClassifier

        return H2ODRFClassifier(
            featuresCols=features,
            labelCol=LABEL_COLUMN,
            ntrees=arguments["n_estimators"],
            mtries=_mtries(arguments["max_features"], len(features)),
            sampleRate=self.sample_share,
            maxDepth=depth_of(arguments),
            minRows=float(arguments["min_samples_leaf"]),
            minSplitImprovement=0.0,
            nbins=parameters.h2o.bins,
            nbinsTopLevel=parameters.h2o.bins,
            histogramType=self.histogram or parameters.h2o.histogram,
            convertUnknownCategoricalLevelsToNa=parameters.h2o.unknown_as_missing,
            ignoreConstCols=False,  # a MOJO would not know such a feature
            seed=parameters.seed,
        )


class ExtraTrees(RandomForest):
    """A forest whose trees see all rows and split them at random thresholds."""

    name, title, simplicity = "extra_trees", "extra trees", 3
    sample_share = 1.0
    histogram = "Random"

    def make_estimator(self, seed: int, class_weight: str | None) -> Any:
        from sklearn.ensemble import ExtraTreesClassifier

        return ExtraTreesClassifier(random_state=seed, class_weight=class_weight)


def _strategy(max_features: str | float | None) -> str:
    """Give MLlib's `featureSubsetStrategy` for scikit-learn's `max_features`."""
    return "all" if max_features is None else str(max_features)


def _mtries(max_features: str | float | None, features: int) -> int:
    """Give H2O's `mtries` for scikit-learn's `max_features`."""
    if max_features is None:
        return ALL_FEATURES
    if isinstance(max_features, str):
        return ROOT_OF_FEATURES if max_features == "sqrt" else max(1, features.bit_length() - 1)
    return max(1, int(max_features * features)) if isinstance(max_features, float) else max_features
