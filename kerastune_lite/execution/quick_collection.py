"""Garbage collections that are quick enough to be made after every trial."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_depth = 0


@contextmanager
def quick_collection() -> Iterator[None]:
    """Lets garbage collections inside the block look only at objects that were made inside it.

    A Keras model is full of cycles, so only a collection frees it. A full one takes a quarter of a second, most of it
    spent on the objects of TensorFlow itself; those are set aside here and put back at the end. A block inside another
    one leaves both to the outer one.
    """
    global _depth
    if _depth == 0:
        gc.collect()
        gc.freeze()
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if _depth == 0:
            gc.unfreeze()


def set_aside() -> None:
    """Collects garbage, and spares later collections inside the block what is left.

    TensorFlow keeps some 5 MB of each graph, which are not to be searched again after each trial.
    """
    gc.collect()
    gc.freeze()
