"""What a person may set of the `sample_census` pipeline."""

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt


class SampleCensusParameters(BaseModel):
    """Parameters of `sample_census`.

    Attributes:
        rows: Premises to draw; each whole 78,033 of them are one census with the published counts.
        seed: The same seed and number of rows give the same bytes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: PositiveInt
    seed: NonNegativeInt
