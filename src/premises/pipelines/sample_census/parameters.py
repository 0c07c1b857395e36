"""What `parameters_sample_census.yml` may hold."""

from pydantic import NonNegativeInt, PositiveInt

from premises.parameters import Parameters


class SampleCensusParameters(Parameters):
    """Parameters of `sample_census`.

    Attributes:
        rows: Premises to draw; each whole 78,033 of them are one census with the published counts.
        seed: The same seed and number of rows give the same bytes.
    """

    rows: PositiveInt
    seed: NonNegativeInt
