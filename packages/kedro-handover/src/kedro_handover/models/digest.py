"""The digest of a fitted model: of what it is, not of a file that holds it."""

from __future__ import annotations

import copyreg
from hashlib import sha256
from types import BuiltinFunctionType, FunctionType, NoneType
from typing import Any

PLAIN = (NoneType, bool, int, float, str, bytes, bytearray)
"""What is digested as Python writes it."""

PICKLE_PROTOCOL = 4
"""Other objects are taken apart as pickle would do it; nothing is pickled."""


def digest_estimator(estimator: Any) -> str:
    """Digest a fitted estimator: two that were fitted alike have the same digest in every process, on every day.

    It is made from the estimator's class, its parameters and its fitted attributes, down to the values of their arrays.
    Where objects lie in memory, what stands between the fields of a tree's nodes, the order of a dictionary and the
    version of scikit-learn make no difference.

    Args:
        estimator: What has been fitted: an estimator, or a pipeline of several.

    Returns:
        A SHA-256, in hexadecimal digits.

    Raises:
        TypeError: If it holds something that can't be recognised again, such as a lambda or an open file.
    """
    return _digest(estimator).hex()


def _digest(value: Any) -> bytes:
    import numpy as np

    if isinstance(value, np.generic):
        value = value.item()
    kind = type(value).__name__
    if isinstance(value, PLAIN):
        return _hash(kind, repr(value).encode())  # of a float, too, it has every bit
    if isinstance(value, np.ndarray):
        return _digest_array(value)
    if isinstance(value, (list, tuple)):
        return _hash(kind, *map(_digest, value))
    if isinstance(value, (dict, set, frozenset)):  # their order may be another one in each process
        return _hash(kind, *sorted(map(_digest, value.items() if isinstance(value, dict) else value)))
    if isinstance(value, (type, FunctionType, BuiltinFunctionType)):
        return _digest_name(value.__module__, value.__qualname__)
    return _digest_object(value)


def _digest_array(array: Any) -> bytes:
    """Digest an array by its type, its shape and its values, whatever their order in memory."""
    if array.dtype.names is not None:  # field by field: what lies between them is whatever was in memory
        return _hash("fields", *(_digest(name) + _digest_array(array[name]) for name in array.dtype.names))
    shape = repr(array.shape).encode()
    if array.dtype.hasobject:
        return _hash("objects", shape, *map(_digest, array.ravel().tolist()))
    little = array.dtype.newbyteorder("<")
    return _hash("array", shape, little.str.encode(), array.astype(little).tobytes())


def _digest_object(value: Any) -> bytes:
    """Digest any other object by what pickle would make it from again: a fitted tree, a loss."""
    import numpy as np
    from sklearn.base import BaseEstimator

    if isinstance(value, BaseEstimator):  # its parameters and what it has learned; pickle would add the version
        return _hash("estimator", _digest(type(value)), _digest(vars(value)))
    if isinstance(value, np.random.RandomState):  # how far it is; pickle would add what it was once seeded with
        return _hash("random state", _digest(value.get_state(legacy=False)))
    reduce = copyreg.dispatch_table.get(type(value))
    parts = reduce(value) if reduce else value.__reduce_ex__(PICKLE_PROTOCOL)
    if isinstance(parts, str):
        return _digest_name(type(value).__module__, parts)
    make, arguments, state, items, pairs = (*parts, None, None, None)[:5]
    return _hash("object", *map(_digest, (make, arguments, state, list(items or ()), dict(pairs or ()))))


def _digest_name(module: str | None, name: str) -> bytes:
    if "<" in name:
        msg = f"{module}.{name} has no name by which it could be recognised again. Define it at the top of a module."
        raise TypeError(msg)
    return _hash("name", f"{module}.{name}".encode())


def _hash(kind: str, *parts: bytes) -> bytes:
    """Hash the hashes of the parts: each is as long as the other, so no two values look alike."""
    return sha256(b"".join(sha256(part).digest() for part in (kind.encode(), *parts))).digest()
