"""Boosters: trees that are added up, each fitted to what those before it have left.

| scikit-learn, XGBoost, LightGBM | MLlib's GBT | H2O's GBM |
| --- | --- | --- |
| `n_estimators`, `max_iter` | `maxIter` | `ntrees` |
| `learning_rate` | `stepSize` | `learnRate` |
| `max_depth`, `max_leaf_nodes`, `num_leaves` | `maxDepth` | `maxDepth` |
| `min_samples_leaf`, `min_child_samples` | `minInstancesPerNode` | `minRows` |
| `subsample` | `subsamplingRate` | `sampleRate` |

What has no counterpart: MLlib's GBT does not fit its leaves by Newton's method, so its probabilities are flatter and
its labels and ranking are what is compared; regularisation of leaves (`lambda`, `l2_regularization`) and trees that
grow leaf by leaf are the boosters' own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro_handover.handover.tree import FEATURES_COLUMN
from kedro_handover.models.family import LABEL_COLUMN, Family, assemble, depth_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.ml import Pipeline

    from kedro_handover.nodes.production_parameters import SparkProductionParameters

DEFAULTS = {"n_estimators": 100, "learning_rate": 0.3, "max_depth": 6, "min_rows": 1, "subsample": 1.0}
"""XGBoost's own; its estimator has none where nothing is set."""


class _Booster(Family):
    """What boosters have in common: their counterparts."""

    def make_mllib(
        self, features: list[str], arguments: Mapping[str, Any], rows: int, parameters: SparkProductionParameters
    ) -> Pipeline:
        from pyspark.ml.classification import GBTClassifier

        common = _common(arguments)
        booster = GBTClassifier(
            featuresCol=FEATURES_COLUMN,
            labelCol=LABEL_COLUMN,
            maxIter=common["n_estimators"],
            stepSize=common["learning_rate"],
            maxDepth=common["max_depth"],
            minInstancesPerNode=common["min_rows"],
            subsamplingRate=common["subsample"],
            maxBins=parameters.max_bins,
            seed=parameters.seed,
        )
        return assemble(features, booster)

    def make_h2o(
        self, features: list[str], arguments: Mapping[str, Any], rows: int, parameters: SparkProductionParameters
    ) -> Any:
        from ai.h2o.sparkling.ml.algos.classification import H2OGBMClassifier

        common = _common(arguments)
        return H2OGBMClassifier(
            featuresCols=features,
            labelCol=LABEL_COLUMN,
            ntrees=common["n_estimators"],
            learnRate=common["learning_rate"],
            maxDepth=common["max_depth"],
            minRows=float(common["min_rows"]),
            sampleRate=common["subsample"],
            minSplitImprovement=0.0,
            nbins=parameters.h2o.bins,
            nbinsTopLevel=parameters.h2o.bins,
            histogramType=parameters.h2o.histogram,
            convertUnknownCategoricalLevelsToNa=parameters.h2o.unknown_as_missing,
            ignoreConstCols=False,  # a MOJO would not know such a feature
            seed=parameters.seed,
        )


class GradientBoosting(_Booster):
    """scikit-learn's booster that looks at every value."""

    name, title, simplicity = "gradient_boosting", "gradient boosting", 4

    def make_estimator(self, seed: int, class_weight: str | None) -> Any:
        from sklearn.ensemble import GradientBoostingClassifier

        return GradientBoostingClassifier(random_state=seed)


class HistGradientBoosting(_Booster):
    """scikit-learn's booster on binned values, which takes missing values."""

    name, title, simplicity = "hist_gradient_boosting", "histogram gradient boosting", 4

    def make_estimator(self, seed: int, class_weight: str | None) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(random_state=seed, class_weight=class_weight)


class XGBoost(_Booster):
    """XGBoost's trees."""

    name, title, simplicity = "xgboost", "XGBoost", 5
    package = extra = "xgboost"

    def make_estimator(self, seed: int, class_weight: str | None) -> Any:
        from xgboost import XGBClassifier

        return XGBClassifier(random_state=seed, n_jobs=1)


class LightGBM(_Booster):
    """LightGBM's trees."""

    name, title, simplicity = "lightgbm", "LightGBM", 5
    package = extra = "lightgbm"

    def make_estimator(self, seed: int, class_weight: str | None) -> Any:
        from lightgbm import LGBMClassifier

        return LGBMClassifier(
            random_state=seed, class_weight=class_weight, n_jobs=1, verbose=-1, deterministic=True, force_row_wise=True
        )


def _common(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Give what all boosters have, by one name each."""
    names = {
        "n_estimators": ("n_estimators", "max_iter"),
        "learning_rate": ("learning_rate",),
        "min_rows": ("min_samples_leaf", "min_child_samples"),
        "subsample": ("subsample",),
    }
    found = {
        name: next((arguments[one] for one in ones if arguments.get(one) is not None), DEFAULTS[name])
        for name, ones in names.items()
    }
    is_unbounded = not any(arguments.get(name) for name in ("max_depth", "max_leaf_nodes", "num_leaves"))
    return {**found, "max_depth": DEFAULTS["max_depth"] if is_unbounded else depth_of(arguments)}
