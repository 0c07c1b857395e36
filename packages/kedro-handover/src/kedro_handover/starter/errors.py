"""Why no project can be made."""

from kedro_handover.errors import KedroHandoverError


class StarterError(KedroHandoverError):
    """A project that can't be made as it is asked for."""


class TableError(StarterError):
    """A file that no project can be made from as it is."""
