"""Errors that a user can do something about: their message says what is wrong, where, and what to do."""


class PremisesError(Exception):
    """The base of the project's own errors."""


class CensusError(PremisesError):
    """A census that no model can be made from."""


class ModelInputError(PremisesError):
    """Rows that no tree can be trained and tested on."""
