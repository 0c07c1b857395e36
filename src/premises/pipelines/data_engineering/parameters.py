"""What `parameters_data_engineering.yml` may hold."""

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
