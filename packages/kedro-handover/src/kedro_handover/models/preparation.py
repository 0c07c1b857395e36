"""What is done to features before a model sees them: it is fitted with the model, and handed over with it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from kedro_handover.errors import ConfigurationError, suggest
from kedro_handover.parameters import Group


class Preparation(Group):
    """What a candidate does to the features first, in this order.

    Attributes:
        impute: What stands for a missing value; null: it stays missing, which not every family takes.
        scale: How features are scaled; those that are encoded are not.
        encode: Features that are codes, each of which becomes a column of 0 and 1 for each of its values.
    """

    impute: Literal["mean", "median", "most_frequent"] | None = None
    scale: Literal["standard", "robust", "min_max"] | None = None
    encode: list[str] = Field(default_factory=list)

    def __str__(self) -> str:
        """Say it in a few words, for a record of the search."""
        parts = [
            f"impute {self.impute}" if self.impute else "",
            f"scale {self.scale}" if self.scale else "",
            f"encode {', '.join(self.encode)}" if self.encode else "",
        ]
        return "; ".join(part for part in parts if part)

    def wrap(self, estimator: Any, features: list[str]) -> Any:
        """Put the preparation before an estimator.

        Args:
            estimator: An estimator, or a Pipeline of some.
            features: All features, in their order.

        Returns:
            A Pipeline; the estimator itself, where nothing is to be done.

        Raises:
            ConfigurationError: If there is no such feature to encode.
        """
        from sklearn.compose import ColumnTransformer
        from sklearn.pipeline import Pipeline
        from sklearn.preprocessing import OneHotEncoder

        for name in self.encode:
            if name not in features:
                msg = f"sklearn_research.candidates: encode names {name!r}, no feature. {suggest(name, features)}"
                raise ConfigurationError(msg)
        steps = self._list_steps()
        if self.encode:
            measures = [name for name in features if name not in self.encode]
            encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
            columns = ColumnTransformer(
                [
                    ("measures", Pipeline(steps) if steps else "passthrough", measures),
                    ("codes", Pipeline([*steps[: bool(self.impute)], ("encode", encoder)]), self.encode),
                ]
            )
            steps = [("columns", columns)]
        if not steps:
            return estimator
        return Pipeline([*steps, *getattr(estimator, "steps", [("model", estimator)])])

    def _list_steps(self) -> list[tuple[str, Any]]:
        from sklearn.impute import SimpleImputer
        from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

        scalers = {"standard": StandardScaler, "robust": RobustScaler, "min_max": MinMaxScaler}
        return [
            *([("impute", SimpleImputer(strategy=self.impute, keep_empty_features=True))] if self.impute else []),
            *([("scale", scalers[self.scale]())] if self.scale else []),
        ]


NOTHING = Preparation()
