"""The node of `sample_census`."""

import logging

from premises.census.origin import SAMPLE_NOTICE
from premises.lazy_types import RecordBatchReader

from .parameters import SampleCensusParameters

logger = logging.getLogger(__name__)


def draw_census(parameters: SampleCensusParameters, vintage: int) -> RecordBatchReader:
    """Draw a sample of the census; its parts are drawn as they are read.

    Args:
        parameters: How many rows, and the seed.
        vintage: The census year in whose form they are written.

    Returns:
        Batches of the columns of the file, as text.
    """
    from premises.census import sample

    logger.info("Drawing %s premises. %s", f"{parameters.rows:,}", SAMPLE_NOTICE)
    return sample.draw_census(parameters.rows, parameters.seed, vintage)
