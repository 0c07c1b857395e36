"""What `parameters_data_engineering.yml` and `parameters_census.yml` may hold."""

from typing import ClassVar, Literal

from pydantic import Field

from kedro_handover.parameters import Parameters


class DataEngineeringParameters(Parameters):
    """Parameters of `data_engineering`.

    Attributes:
        grid_metres: Side of a grid cell in which neighbours are counted, in metres.
    """

    grid_metres: int = Field(ge=1, le=10_000)


class CensusParameters(Parameters):
    """What census is read, in `parameters_census.yml`.

    Attributes:
        vintage: The census year whose form the file has.
        rejected_share: So many of the rows may be rejected; the run stops if more are.
    """

    block: ClassVar[str | None] = "census"

    vintage: Literal[2016, 2019, 2022]
    rejected_share: float = Field(ge=0, le=1)
