"""What `parameters_synthetic_census.yml` may hold."""

from pydantic import NonNegativeInt, PositiveInt

from kedro_handover.parameters import Parameters


class SyntheticCensusParameters(Parameters):
    """Parameters of `synthetic_census`.

    Attributes:
        rows: Premises to generate; each whole 78,033 of them are one census with the published counts.
        seed: The same seed and number of rows give the same bytes.
    """

    rows: PositiveInt
    seed: NonNegativeInt
