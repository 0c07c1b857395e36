"""The node of `synthetic_census`."""

import logging

from kedro_handover.lazy_types import RecordBatchReader
from premises.census.origin import SYNTHETIC_NOTICE

from .parameters import SyntheticCensusParameters

logger = logging.getLogger(__name__)


def generate_census(parameters: SyntheticCensusParameters, vintage: int) -> RecordBatchReader:
    """Generate a synthetic census; its parts are generated as they are read.

    Args:
        parameters: How many rows, and the seed.
        vintage: The census year in whose form they are written.

    Returns:
        Batches of the columns of the file, as text.
    """
    from premises.census import synthetic

    logger.info("Generating %s synthetic premises. %s", f"{parameters.rows:,}", SYNTHETIC_NOTICE)
    return synthetic.generate_census(parameters.rows, parameters.seed, vintage)
