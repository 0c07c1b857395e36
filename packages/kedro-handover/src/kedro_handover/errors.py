"""Errors that a user can do something about: their message says what is wrong, where, and what to do."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def suggest(name: str, known: Iterable[str]) -> str:
    """Say which name may be meant.

    Args:
        name: One that is not known.
        known: Those that are.

    Returns:
        A sentence: the name that is like it, or all that there are.
    """
    names = sorted(known)
    if not names:
        return "There is none."
    close = get_close_matches(name, names, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(names)}."


class KedroHandoverError(Exception):
    """The base of the project's own errors."""


class ConfigurationError(KedroHandoverError):
    """A configuration that is not to be used."""


class DataError(KedroHandoverError):
    """A table that no model can be made from."""


class ModelInputError(KedroHandoverError):
    """Rows that no tree can be trained and tested on."""


class SparkError(KedroHandoverError):
    """A Spark that does not start, or is not the one that is asked for."""


class HandOverError(KedroHandoverError):
    """A model that can't be carried over exactly."""


class ParityError(KedroHandoverError):
    """A model in production that is too far from the research model."""


class H2OError(KedroHandoverError):
    """An H2O that does not start, does not train, or is not the one that Spark needs."""


class ContractError(KedroHandoverError):
    """A table that is not what its contract says."""


class DriftError(KedroHandoverError):
    """A table that is too far from the one that the released model was trained on."""
