"""Linear models: a weighted sum of features that are scaled first.

| scikit-learn | MLlib | H2O |
| --- | --- | --- |
| `StandardScaler` | `StandardScaler` | `standardize` |
| `C` | `regParam` = 1 / (C n), n rows | `lambda` = 1 / (C n) |
| `l1_ratio` | `elasticNetParam` | `alpha` |
| `fit_intercept` | `fitIntercept` | `intercept` |
| `max_iter`, `tol` | `maxIter`, `tol` | `maxIterations` |
| `LinearRegression`, least squares | `LinearRegression`, the normal equations | GLM `gaussian`, `lambda` = 0 |

All three minimise the same function, so they agree but for how near they come to its minimum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro_handover.handover.tree import FEATURES_COLUMN
from kedro_handover.models.family import LABEL_COLUMN, Counterpart, Family, assemble
from kedro_handover.tasks import Task

if TYPE_CHECKING:
    from pyspark.ml import Pipeline

SCALED_COLUMN = "scaled_features"


class Logistic(Family):
    """Logistic regression on scaled features."""

    name, title, simplicity = "logistic_regression", "logistic regression", 1
    tasks = ("binary", "multiclass")

    def make_estimator(self, task: Task, seed: int, class_weight: str | None) -> Any:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        return make_pipeline(
            StandardScaler(), LogisticRegression(random_state=seed, class_weight=class_weight, max_iter=1000)
        )

    def make_mllib(self, of: Counterpart) -> Pipeline:
        from pyspark.ml.classification import LogisticRegression

        model = LogisticRegression(
            featuresCol=SCALED_COLUMN,
            labelCol=LABEL_COLUMN,
            regParam=_strength(of),
            elasticNetParam=_l1_ratio(of),
            fitIntercept=of.arguments["fit_intercept"],
            standardization=False,  # it is done already
            maxIter=of.arguments["max_iter"],
            tol=min(of.arguments["tol"], 1e-6),
        )
        return assemble(of.features, _make_scaler(), model)

    def make_h2o(self, of: Counterpart) -> Any:
        from ai.h2o.sparkling.ml.algos.classification import H2OGLMClassifier

        return H2OGLMClassifier(
            featuresCols=of.features,
            labelCol=LABEL_COLUMN,
            family="binomial" if of.task == "binary" else "multinomial",
            standardize=True,
            lambdaValue=[_strength(of)],
            alphaValue=[_l1_ratio(of)],
            intercept=of.arguments["fit_intercept"],
            maxIterations=of.arguments["max_iter"],
            convertUnknownCategoricalLevelsToNa=of.parameters.h2o.unknown_as_missing,
            ignoreConstCols=False,  # a MOJO would not know such a feature
            seed=of.parameters.seed,
        )


class Linear(Family):
    """Least squares on scaled features."""

    name, title, simplicity = "linear_regression", "linear regression", 1
    tasks = ("regression",)

    def make_estimator(self, task: Task, seed: int, class_weight: str | None) -> Any:
        from sklearn.linear_model import LinearRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        return make_pipeline(StandardScaler(), LinearRegression())

    def make_mllib(self, of: Counterpart) -> Pipeline:
        from pyspark.ml.regression import LinearRegression

        model = LinearRegression(
            featuresCol=SCALED_COLUMN,
            labelCol=LABEL_COLUMN,
            regParam=0.0,
            fitIntercept=of.arguments["fit_intercept"],
            standardization=False,  # it is done already
        )
        return assemble(of.features, _make_scaler(), model)

    def make_h2o(self, of: Counterpart) -> Any:
        from ai.h2o.sparkling.ml.algos.regression import H2OGLMRegressor

        return H2OGLMRegressor(
            featuresCols=of.features,
            labelCol=LABEL_COLUMN,
            family="gaussian",
            standardize=True,
            intercept=of.arguments["fit_intercept"],
            lambdaValue=[0.0],
            convertUnknownCategoricalLevelsToNa=of.parameters.h2o.unknown_as_missing,
            ignoreConstCols=False,  # a MOJO would not know such a feature
            seed=of.parameters.seed,
        )


def _strength(of: Counterpart) -> float:
    """Give the weight of the penalty for each row."""
    return 0.0 if of.arguments["penalty"] is None else 1 / (of.arguments["C"] * of.rows)


def _l1_ratio(of: Counterpart) -> float:
    """Give the share of the absolute values in the penalty; the rest is of squares."""
    named = {"l1": 1.0, "l2": 0.0}  # by `penalty`, an older argument
    return float(named.get(of.arguments["penalty"], of.arguments["l1_ratio"] or 0))


def _make_scaler() -> Any:
    from pyspark.ml.feature import StandardScaler

    return StandardScaler(withMean=True, withStd=True, inputCol=FEATURES_COLUMN, outputCol=SCALED_COLUMN)
