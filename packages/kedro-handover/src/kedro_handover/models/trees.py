"""Single trees and forests: each split looks at features, and leaves hold shares of the classes.

| scikit-learn | MLlib | H2O |
| --- | --- | --- |
| `max_depth` | `maxDepth`, 30 at most | `maxDepth` |
| `min_samples_leaf` | `minInstancesPerNode` | `minRows` |
| `criterion` | `impurity`; of numbers `variance` | none: squared error, which splits two classes as `gini` does |
| `n_estimators` | `numTrees` | `ntrees` |
| `max_features` | `featureSubsetStrategy` | `mtries` |
| every midpoint between two values | `maxBins` candidates | `nbins` = `nbinsTopLevel` candidates, again in each node |

What has no counterpart: MLlib prunes leaves of one class that stand side by side, H2O's leaves are float32, and random
numbers differ: two forests are alike in distribution only. Of numbers, MLlib and H2O know the squared error alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro_handover.handover.tree import FEATURES_COLUMN
from kedro_handover.models.estimators import ALL_FEATURES, make_h2o_tree, make_mllib_tree
from kedro_handover.models.family import CRITERIA, LABEL_COLUMN, Counterpart, Family, assemble, depth_of, leaf_rows_of
from kedro_handover.tasks import Task

if TYPE_CHECKING:
    from pyspark.ml import Pipeline

BOOTSTRAP_SHARE = 0.632
"""The share of different rows in a bootstrap sample; H2O draws without replacement."""

ROOT_OF_FEATURES = -1
"""H2O's `mtries` for the square root of the number of features."""


ALL = 1.0
"""scikit-learn's `max_features` for every feature at each split: that of its forests of numbers."""


class DecisionTree(Family):
    """A single decision tree."""

    name, title, simplicity = "decision_tree", "decision tree", 0
    takes_missing, monotone_argument = True, "monotonic_cst"

    def make_estimator(self, task: Task, seed: int, class_weight: str | None) -> Any:
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        if task == "regression":
            return DecisionTreeRegressor(random_state=seed)
        return DecisionTreeClassifier(random_state=seed, class_weight=class_weight)

    def make_mllib(self, of: Counterpart) -> Pipeline:
        return make_mllib_tree(of.features, _bound(of), of.parameters.max_bins, of.parameters.seed, of.task)

    def make_h2o(self, of: Counterpart) -> Any:
        h2o = of.parameters.h2o
        return make_h2o_tree(
            of.features,
            _bound(of),
            h2o.bins,
            h2o.histogram,
            of.parameters.seed,
            unknown_as_missing=h2o.unknown_as_missing,
            task=of.task,
        )


class RandomForest(Family):
    """A forest of trees, each of which sees a bootstrap sample of the rows."""

    name, title, simplicity = "random_forest", "random forest", 2
    takes_missing, monotone_argument = True, "monotonic_cst"
    sample_share = BOOTSTRAP_SHARE
    histogram: str | None = None
    """H2O's, where the parameters' would be another kind of forest."""

    def make_estimator(self, task: Task, seed: int, class_weight: str | None) -> Any:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        if task == "regression":
            return RandomForestRegressor(random_state=seed)
        return RandomForestClassifier(random_state=seed, class_weight=class_weight)

    def make_mllib(self, of: Counterpart) -> Pipeline:
        from pyspark.ml.classification import RandomForestClassifier
        from pyspark.ml.regression import RandomForestRegressor

        of_all: dict[str, Any] = {
            "featuresCol": FEATURES_COLUMN,
            "labelCol": LABEL_COLUMN,
            "numTrees": of.arguments["n_estimators"],
            "maxDepth": depth_of(of.arguments),
            "minInstancesPerNode": leaf_rows_of(of),
            "featureSubsetStrategy": _strategy(of.arguments["max_features"]),
            "maxBins": of.parameters.max_bins,
            "seed": of.parameters.seed,
        }
        if of.task == "regression":
            return assemble(of.features, RandomForestRegressor(**of_all))
        return assemble(of.features, RandomForestClassifier(**of_all, impurity=CRITERIA[of.arguments["criterion"]]))

    def make_h2o(self, of: Counterpart) -> Any:
        from ai.h2o.sparkling.ml.algos.classification import H2ODRFClassifier
        from ai.h2o.sparkling.ml.algos.regression import H2ODRFRegressor

        make = H2ODRFRegressor if of.task == "regression" else H2ODRFClassifier
        h2o = of.parameters.h2o
        return make(
            featuresCols=of.features,
            labelCol=LABEL_COLUMN,
            ntrees=of.arguments["n_estimators"],
            mtries=_mtries(of.arguments["max_features"], len(of.features)),
            sampleRate=self.sample_share,
            maxDepth=depth_of(of.arguments),
            minRows=float(leaf_rows_of(of)),
            minSplitImprovement=0.0,
            nbins=h2o.bins,
            nbinsTopLevel=h2o.bins,
            histogramType=self.histogram or h2o.histogram,
            convertUnknownCategoricalLevelsToNa=h2o.unknown_as_missing,
            ignoreConstCols=False,  # a MOJO would not know such a feature
            seed=of.parameters.seed,
        )


class ExtraTrees(RandomForest):
    """A forest whose trees see all rows and split them at random thresholds."""

    name, title, simplicity = "extra_trees", "extra trees", 3
    sample_share = 1.0
    histogram = "Random"

    def make_estimator(self, task: Task, seed: int, class_weight: str | None) -> Any:
        from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

        if task == "regression":
            return ExtraTreesRegressor(random_state=seed)
        return ExtraTreesClassifier(random_state=seed, class_weight=class_weight)


def _bound(of: Counterpart) -> dict[str, Any]:
    """Give a tree's arguments with the bounds that its counterparts have to have."""
    return {**of.arguments, "max_depth": depth_of(of.arguments), "min_samples_leaf": leaf_rows_of(of)}


def _strategy(max_features: str | float | None) -> str:
    """Give MLlib's `featureSubsetStrategy` for scikit-learn's `max_features`."""
    return "all" if max_features is None or max_features == ALL else str(max_features)


def _mtries(max_features: str | float | None, features: int) -> int:
    """Give H2O's `mtries` for scikit-learn's `max_features`."""
    if max_features is None or max_features == ALL:
        return ALL_FEATURES
    if isinstance(max_features, str):
        return ROOT_OF_FEATURES if max_features == "sqrt" else max(1, features.bit_length() - 1)
    return max(1, int(max_features * features)) if isinstance(max_features, float) else max_features
