"""What `parameters_spark_production.yml` may hold."""

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from premises.parameters import Group, Parameters


class Tolerance(Group):
    """How far a model's test predictions may be from those of research.

    Attributes:
        differing_rows: Premises with another probability, at most.
        agreement: Share of premises with the same label, at least.
        largest_dp: Largest |Δp|, at most.
        mean_dp: Mean |Δp|, at most.
        auc_difference: AUC more or less, at most.
        psi: Population stability index, at most; null: any.
    """

    differing_rows: NonNegativeInt | None
    agreement: float = Field(ge=0, le=1)
    largest_dp: float = Field(ge=0, le=1)
    mean_dp: float = Field(ge=0, le=1)
    auc_difference: NonNegativeFloat
    psi: NonNegativeFloat


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
    """How far the features of a census that is scored may be from those of the release.

    Attributes:
        largest_psi: Population stability index of a feature, at most.
        unseen_share: Share of premises with a category that the release's census has not, or a measure beyond its
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
        threshold: Premises with a probability above it are predicted to be active; as in research.
        sql_nodes: A handed-over tree of at most so many nodes scores as an SQL expression, a larger one as MLlib's.
        max_bins: MLlib's `maxBins`: candidate splits of a feature; more are closer to research and slower.
        seed: MLlib's seed, and H2O's.
        h2o: How H2O's tree is trained, where H2O is installed.
        drift: How far the features of a census that is scored may be from those of the release.
        tolerances: For each model, how far from research it may be.
    """

    released_model: Literal["handed_over", "mllib", "h2o"]
    threshold: float = Field(gt=0, lt=1)
    sql_nodes: PositiveInt
    max_bins: int = Field(ge=2)
    seed: int
    h2o: H2OParameters
    drift: DriftParameters
    tolerances: dict[Literal["handed_over", "mllib", "h2o"], Tolerance]
