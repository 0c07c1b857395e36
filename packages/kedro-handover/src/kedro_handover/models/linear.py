"""Linear models: a weighted sum of features that are scaled first.

| scikit-learn | MLlib | H2O |
| --- | --- | --- |
| `StandardScaler` | `StandardScaler` | `standardize` |
| `C` | `regParam` = 1 / (C n), n rows | `lambda` = 1 / (C n) |
| `max_iter`, `tol` | `maxIter`, `tol` | `maxIterations` |

All three minimise the same function, so they agree but for how near they come to its minimum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro_handover.handover.tree import FEATURES_COLUMN
from kedro_handover.models.family import LABEL_COLUMN, Family, assemble

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.ml import Pipeline

    from kedro_handover.nodes.production_parameters import SparkProductionParameters

SCALED_COLUMN = "scaled_features"


class Logistic(Family):
    """Logistic regression on scaled features."""

    name, title, simplicity = "logistic_regression", "logistic regression", 1

    def make_estimator(self, seed: int, class_weight: str | None) -> Any:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        return make_pipeline(
            StandardScaler(), LogisticRegression(random_state=seed, class_weight=class_weight, max_iter=1000)
        )

    def make_mllib(
        self, features: list[str], arguments: Mapping[str, Any], rows: int, parameters: SparkProductionParameters
    ) -> Pipeline:
        from pyspark.ml.classification import LogisticRegression
        from pyspark.ml.feature import StandardScaler

        scaler = StandardScaler(withMean=True, withStd=True, inputCol=FEATURES_COLUMN, outputCol=SCALED_COLUMN)
        model = LogisticRegression(
            featuresCol=SCALED_COLUMN,
            labelCol=LABEL_COLUMN,
            regParam=1 / (arguments["C"] * rows),
            elasticNetParam=0.0,
            standardization=False,  # it is done already
            maxIter=arguments["max_iter"],
            tol=min(arguments["tol"], 1e-6),
        )
        return assemble(features, scaler, model)

    def make_h2o(
        self, features: list[str], arguments: Mapping[str, Any], rows: int, parameters: SparkProductionParameters
    ) -> Any:
        from ai.h2o.sparkling.ml.algos.classification import H2OGLMClassifier

        return H2OGLMClassifier(
            featuresCols=features,
            labelCol=LABEL_COLUMN,
            family="binomial",
            standardize=True,
            lambdaValue=[1 / (arguments["C"] * rows)],
            alphaValue=[0.0],
            maxIterations=arguments["max_iter"],
            convertUnknownCategoricalLevelsToNa=parameters.h2o.unknown_as_missing,
            ignoreConstCols=False,  # a MOJO would not know such a feature
            seed=parameters.seed,
        )
