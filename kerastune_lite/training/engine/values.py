"""Digests of arrays, tensors and lookup tables: equal digests mean equal contents."""

from __future__ import annotations

import hashlib
import weakref
from typing import Any

import numpy as np
import tensorflow as tf

from kerastune_lite.training.engine.audit import NotShareableError

LARGEST_VALUE = 1 << 30
"""The largest array or tensor in bytes whose contents are read for a fingerprint, which takes about a second."""
_SHORT = 1 << 10
"""Contents of fewer bytes are their own digest."""
_known: dict[int, tuple[weakref.ref[Any], bytes]] = {}
"""The digests of things that can't be changed, by their identities."""


def digest_of_array(array: np.ndarray) -> bytes:
    """A digest of an array's contents.

    Raises:
        NotShareableError: It is too large, or its elements are objects that can't be compared.
    """
    if array.nbytes > LARGEST_VALUE:
        raise NotShareableError(f"it holds an array of {array.nbytes >> 20} MiB")
    if array.dtype == object:
        items = array.ravel().tolist()
        if not all(isinstance(item, (str, bytes)) for item in items):
            raise NotShareableError("it holds an array of objects")
        return _digest(repr(items).encode())
    if not array.size:
        return b""
    return _digest(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)  # without a copy of the contents


def digest_of_tensor(tensor: tf.Tensor) -> bytes:
    """A digest of the contents of a tensor that isn't part of a program.

    Raises:
        NotShareableError: It is too large.
    """
    return _remembered(tensor, lambda: digest_of_array(np.asarray(tensor)))


def digest_of_table(table: Any) -> bytes:
    """A digest of what a lookup table holds, in whatever order."""

    def read() -> bytes:
        keys, values = (part.numpy() for part in table.export())
        return _digest(repr(sorted(zip(keys.tolist(), values.tolist(), strict=True))).encode())

    return _remembered(table, read) if isinstance(table, tf.lookup.StaticHashTable) else read()


def _digest(contents: bytes | memoryview) -> bytes:
    return bytes(contents) if len(contents) < _SHORT else hashlib.blake2b(contents, digest_size=16).digest()


def _remembered(thing: Any, read: Any) -> bytes:
    """What `read` returns of a thing that can't be changed, read once as long as the thing lives."""
    place = id(thing)
    if place in _known and _known[place][0]() is thing:
        return _known[place][1]
    digest: bytes = read()
    _known[place] = (weakref.ref(thing, lambda _: _known.pop(place, None)), digest)
    return digest
