"""What `parameters_data_engineering.yml` and `parameters_census.yml` may hold."""

from typing import Literal

from pydantic import Field

from premises.parameters import Parameters


class DataEngineeringParameters(Parameters):
    """Parameters of `data_engineering`.

    Attributes:
        grid_metres: Side of a grid cell in which neighbours are counted, in metres.
        test_share: Share of the premises that is kept for the test split; whole percents.
        folds: Number of folds of the training split.
        majority_per_minority: Premises of the larger class for each one of the smaller class in the training split.
    """

    grid_metres: int = Field(ge=1, le=10_000)
    test_share: float = Field(ge=0.01, le=0.99, multiple_of=0.01)
    folds: int = Field(ge=2, le=20)
    majority_per_minority: float = Field(ge=1)


class CensusParameters(Parameters):
    """What census is read, in `parameters_census.yml`.

    Attributes:
        vintage: The census year whose form the file has.
        rejected_share: So many of the rows may be rejected; the run stops if more are.
    """

    block = "census"

    vintage: Literal[2016, 2019, 2022]
    rejected_share: float = Field(ge=0, le=1)
