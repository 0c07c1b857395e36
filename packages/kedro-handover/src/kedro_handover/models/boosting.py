"""Boosters: trees that are added up, each fitted to what those before it have left.

| scikit-learn, XGBoost, LightGBM | MLlib's GBT | H2O's GBM |
| --- | --- | --- |
| `n_estimators`, `max_iter` | `maxIter` | `ntrees` |
| `learning_rate` | `stepSize` | `learnRate` |
| `max_depth`, `max_leaf_nodes`, `num_leaves` | `maxDepth` | `maxDepth` |
| `min_samples_leaf`, `min_child_samples` | `minInstancesPerNode` | `minRows` |
| `subsample` | `subsamplingRate` | `sampleRate` |
| `monotonic_cst`, `monotone_constraints` | none | `monotoneConstraints` |

What has no counterpart: MLlib's GBT tells two classes apart, or predicts a number, and no more. It does not fit its
leaves by Newton's method, so its probabilities are flatter and its labels and ranking are what is compared;
regularisation of leaves (`lambda`, `l2_regularization`) and trees that grow leaf by leaf are the boosters' own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro_handover.errors import ConfigurationError
from kedro_handover.handover.tree import FEATURES_COLUMN
from kedro_handover.models.family import LABEL_COLUMN, Counterpart, Family, assemble, depth_of, leaf_rows_of
from kedro_handover.tasks import Task

if TYPE_CHECKING:
    from pyspark.ml import Pipeline

DEFAULTS = {"n_estimators": 100, "learning_rate": 0.3, "max_depth": 6, "min_rows": 1, "subsample": 1.0}
"""XGBoost's own; its estimator has none where nothing is set."""


class _Booster(Family):
    """What boosters have in common: their counterparts."""

    def make_mllib(self, of: Counterpart) -> Pipeline:
        from pyspark.ml.classification import GBTClassifier
        from pyspark.ml.regression import GBTRegressor

        if of.task == "multiclass":
            msg = (
                f"MLlib has no counterpart of {self.title} for several classes: its GBT tells two apart. Leave "
                "`mllib` out of the models in spark_production/pipeline.py, or search among other families."
            )
            raise ConfigurationError(msg)
        make = GBTRegressor if of.task == "regression" else GBTClassifier
        common = _common(of)
        booster = make(
            featuresCol=FEATURES_COLUMN,
            labelCol=LABEL_COLUMN,
            maxIter=common["n_estimators"],
            stepSize=common["learning_rate"],
            maxDepth=common["max_depth"],
            minInstancesPerNode=common["min_rows"],
            subsamplingRate=common["subsample"],
            maxBins=of.parameters.max_bins,
            seed=of.parameters.seed,
        )
        return assemble(of.features, booster)

    def make_h2o(self, of: Counterpart) -> Any:
        from ai.h2o.sparkling.ml.algos.classification import H2OGBMClassifier
        from ai.h2o.sparkling.ml.algos.regression import H2OGBMRegressor

        make = H2OGBMRegressor if of.task == "regression" else H2OGBMClassifier
        common, h2o = _common(of), of.parameters.h2o
        return make(
            featuresCols=of.features,
            labelCol=LABEL_COLUMN,
            ntrees=common["n_estimators"],
            learnRate=common["learning_rate"],
            maxDepth=common["max_depth"],
            minRows=float(common["min_rows"]),
            sampleRate=common["subsample"],
            minSplitImprovement=0.0,
            nbins=h2o.bins,
            nbinsTopLevel=h2o.bins,
            histogramType=h2o.histogram,
            convertUnknownCategoricalLevelsToNa=h2o.unknown_as_missing,
            ignoreConstCols=False,  # a MOJO would not know such a feature
            seed=of.parameters.seed,
            **({"monotoneConstraints": constraints} if (constraints := _constrain(self, of)) else {}),
        )


class GradientBoosting(_Booster):
    """scikit-learn's booster that looks at every value."""

    name, title, simplicity = "gradient_boosting", "gradient boosting", 4

    def make_estimator(self, task: Task, seed: int, class_weight: str | None) -> Any:
        from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

        return (GradientBoostingRegressor if task == "regression" else GradientBoostingClassifier)(random_state=seed)


class HistGradientBoosting(_Booster):
    """scikit-learn's booster on binned values, which takes missing values."""

    name, title, simplicity = "hist_gradient_boosting", "histogram gradient boosting", 4
    takes_missing, monotone_argument = True, "monotonic_cst"

    def make_estimator(self, task: Task, seed: int, class_weight: str | None) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        if task == "regression":
            return HistGradientBoostingRegressor(random_state=seed)
        return HistGradientBoostingClassifier(random_state=seed, class_weight=class_weight)


class XGBoost(_Booster):
    """XGBoost's trees."""

    name, title, simplicity = "xgboost", "XGBoost", 5
    takes_missing, monotone_argument = True, "monotone_constraints"
    package = extra = "xgboost"

    def make_estimator(self, task: Task, seed: int, class_weight: str | None) -> Any:
        from xgboost import XGBClassifier, XGBRegressor

        return (XGBRegressor if task == "regression" else XGBClassifier)(random_state=seed, n_jobs=1)


class LightGBM(_Booster):
    """LightGBM's trees."""

    name, title, simplicity = "lightgbm", "LightGBM", 5
    takes_missing, monotone_argument = True, "monotone_constraints"
    package = extra = "lightgbm"

    def make_estimator(self, task: Task, seed: int, class_weight: str | None) -> Any:
        from lightgbm import LGBMClassifier, LGBMRegressor

        repeatable: dict[str, Any] = {"n_jobs": 1, "verbose": -1, "deterministic": True, "force_row_wise": True}
        if task == "regression":
            return LGBMRegressor(random_state=seed, **repeatable)
        return LGBMClassifier(random_state=seed, class_weight=class_weight, **repeatable)


def _common(of: Counterpart) -> dict[str, Any]:
    """Give what all boosters have, by one name each."""
    arguments = of.arguments
    names = {
        "n_estimators": ("n_estimators", "max_iter"),
        "learning_rate": ("learning_rate",),
        "min_rows": ("min_child_samples",),
        "subsample": ("subsample",),
    }
    found = {
        name: next((arguments[one] for one in ones if arguments.get(one) is not None), DEFAULTS[name])
        for name, ones in names.items()
    }
    if "min_samples_leaf" in arguments:
        found["min_rows"] = leaf_rows_of(of)
    if arguments.get("subsample_freq") == 0:  # LightGBM takes all rows then
        found["subsample"] = 1.0
    is_unbounded = not any(arguments.get(name) for name in ("max_depth", "max_leaf_nodes", "num_leaves"))
    return {**found, "max_depth": DEFAULTS["max_depth"] if is_unbounded else depth_of(arguments)}


def _constrain(family: Family, of: Counterpart) -> dict[str, float]:
    """Give H2O's `monotoneConstraints`, by feature."""
    signs = of.arguments.get(family.monotone_argument) if family.monotone_argument else None
    if not isinstance(signs, list | tuple):
        return {}
    return {name: float(sign) for name, sign in zip(of.features, signs, strict=True) if sign}
