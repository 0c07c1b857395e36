"""What `parameters_spark_production.yml` may contain."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Discriminator, Field, NonNegativeFloat, NonNegativeInt, PositiveInt, Tag

from kedro_handover.errors import suggest
from kedro_handover.models.registry import ALL_MODELS, HANDED_OVER, PRODUCTION_MODELS
from kedro_handover.parameters import Group, Parameters


def _check_model(name: str) -> str:
    if name not in PRODUCTION_MODELS:
        msg = f"there is no model {name!r} in production. {suggest(name, PRODUCTION_MODELS)}"
        raise ValueError(msg)
    return name


ModelName = Annotated[str, AfterValidator(_check_model)]
"""The name of a model in production."""


class Tolerance(Group):
    """How far a model's test predictions may be from those of research, where it tells classes apart.

    Attributes:
        n_diff: Rows with another probability, at most.
        agreement: Share of rows with the same label, at least.
        max_abs_diff: Largest |Δp|, at most.
        mean_abs_diff: Mean |Δp|, at most.
        auc_diff: AUC more or less, at most.
        psi: Population stability index, at most; null: any.
    """

    n_diff: NonNegativeInt | None
    agreement: float = Field(ge=0, le=1)
    max_abs_diff: float = Field(ge=0, le=1)
    mean_abs_diff: float = Field(ge=0, le=1)
    auc_diff: NonNegativeFloat
    psi: NonNegativeFloat


class NumberTolerance(Group):
    """How far a regression's test predictions may be from those of research, in the unit of what is predicted.

    Attributes:
        n_diff: Rows with another prediction, at most; null: any.
        max_abs_diff: Largest difference, at most; null: any.
        mean_abs_diff: Mean difference, at most.
        r2_diff: R² more or less, at most.
        psi: Population stability index, at most.
    """

    n_diff: NonNegativeInt | None
    max_abs_diff: NonNegativeFloat | None
    mean_abs_diff: NonNegativeFloat
    r2_diff: NonNegativeFloat
    psi: NonNegativeFloat


def _tell_kind(given: Any) -> str:
    there = given if isinstance(given, dict) else vars(given)
    return "<number>" if "r2_diff" in there else "<class>"


AnyTolerance = Annotated[
    Annotated[Tolerance, Tag("<class>")] | Annotated[NumberTolerance, Tag("<number>")], Discriminator(_tell_kind)
]
"""That of a regression is known by its `r2_diff`; messages leave out tags in angle brackets."""


class H2OParameters(Group):
    """How H2O's tree is trained.

    Attributes:
        bins: H2O's `nbins` and `nbinsTopLevel`: candidate splits of a feature in each node; more are closer to
            research, and take more memory.
        histogram: H2O's `histogramType`: where the candidates lie.
        unknown_as_missing: Whether a level of a category that the model has not seen scores as a missing value; it is
            an error otherwise.
        attempts: How often H2O is started, at most, when it loses an executor.
    """

    bins: int = Field(ge=2)
    histogram: Literal["AUTO", "UniformAdaptive", "UniformRobust", "QuantilesGlobal", "Random", "RoundRobin"]
    unknown_as_missing: bool
    attempts: PositiveInt


class DriftParameters(Group):
    """How far the features of a table that is scored may be from those of the release.

    Attributes:
        largest_psi: Population stability index of a feature, at most.
        unseen_share: Share of rows with a category that the release's table has not, or a measure beyond its
            range, at most.
        categories: The features that are codes, not measures.
        action: What is done where one is over: "warn", or "stop" before anything is scored.
    """

    largest_psi: float = Field(gt=0)
    unseen_share: float = Field(ge=0, le=1)
    categories: list[str]
    action: Literal["warn", "stop"]


class SparkProductionParameters(Parameters):
    """Parameters of `spark_production`.

    Attributes:
        released_model: Which model is released.
        threshold: Rows with a probability above it are predicted to be positive, as in research; of two classes alone.
        sql_nodes: A handed-over tree of at most so many nodes scores as an SQL expression, a larger one as MLlib's.
        max_bins: MLlib's `maxBins`: candidate splits of a feature; more are closer to research and slower.
        seed: MLlib's seed, and H2O's.
        h2o: How H2O's tree is trained, where H2O is installed.
        drift: How far the features of a table that is scored may be from those of the release.
        tolerances: For each model, how far from research it may be.
        handed_over_bounded: The same for a model that is handed over within a bound, not bit for bit.
        tolerances_by_family: For each model that is trained again, where research has another family than a tree.
    """

    block: ClassVar[str | None] = "spark_production"

    released_model: ModelName
    threshold: float = Field(default=0.5, gt=0, lt=1)
    sql_nodes: PositiveInt
    max_bins: int = Field(ge=2)
    seed: int
    h2o: H2OParameters
    drift: DriftParameters
    tolerances: dict[ModelName, AnyTolerance]
    handed_over_bounded: AnyTolerance
    tolerances_by_family: dict[str, dict[ModelName, AnyTolerance]] = Field(default_factory=dict)

    def find_tolerance(self, model: str, promise: dict[str, Any]) -> Tolerance | NumberTolerance:
        """Find the tolerance that a model is held to.

        Args:
            model: The name of a model in production, or of its counterpart on Spark 2.4.
            promise: What `hand_over` promises of the research model: `model_family`, `probability`.
        """
        name = ALL_MODELS[model].tolerated_as or model
        if name == HANDED_OVER and promise["probability"] != "exact":
            return self.handed_over_bounded
        return self.tolerances_by_family.get(promise["model_family"], {}).get(name) or self.tolerances[name]
