"""Fetches batches that Python makes in a thread, a few ahead of the training, and joins those that are there.

Keras lets TensorFlow call Python for every batch of a `PyDataset` or a generator, which takes longer than a small
model's step. Here a thread takes them from Keras's own generator, in the same order. They are copied, since code may
fill one array anew for each batch.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

AHEAD, AHEAD_BYTES = 32, 1 << 24
"""How many batches are fetched ahead of the training at most, and how many bytes they may take; one is in any case."""


class Fetching:
    """A thread that takes some batches from an iterator, and ends with the last one.

    Args:
        iterator: An iterator over batches.
        number: How many batches are taken from it, or fewer where it ends before.
        size: Bytes of a batch, by which it is told how many may wait until they are asked for.
    """

    def __init__(self, iterator: Iterator[Any], number: int, size: int) -> None:
        self._iterator = itertools.islice(iterator, number)
        ahead = min(AHEAD, max(1, AHEAD_BYTES // max(1, size)))
        self._fetched: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(ahead)
        self._is_over = False
        self._thread = threading.Thread(target=self._fetch, name="kerastune-lite-batches", daemon=True)
        self._thread.start()

    def _fetch(self) -> None:
        error: BaseException | None = None
        try:
            for batch in self._iterator:
                self._fetched.put((batch, None))
                if self._is_over:
                    return
        except BaseException as raised:  # whatever it is, it belongs to the thread that asks for the batch
            error = raised
        self._fetched.put((None, error))

    def next(self, *, is_patient: bool) -> Any:
        """The next batch; None where there is none.

        Args:
            is_patient: Whether a batch is waited for that isn't there yet.

        Raises:
            Exception: The iterator has raised it.
        """
        if self._is_over:
            return None
        try:
            batch, error = self._fetched.get(block=is_patient)
        except queue.Empty:
            return None
        self._is_over = batch is None
        if error is not None:
            raise error
        return batch

    def close(self) -> None:
        """Ends the thread, once it has the batch that it is at."""
        self._is_over = True
        while not self._fetched.empty():
            self._fetched.get()
        self._thread.join()


def as_spec(batch: Any, element_spec: Any) -> Any:
    """A copy of a batch as arrays of the given shapes and dtypes, converted as TensorFlow converts what Python makes.

    Raises:
        TypeError: A part can't be converted, or has another shape.
    """

    def converted(spec: tf.TensorSpec, part: Any) -> np.ndarray:
        array = np.array(part, dtype=spec.dtype.as_numpy_dtype, order="C")
        if not spec.shape.is_compatible_with(array.shape):
            raise TypeError(f"A batch has a part of shape {array.shape}, where the first two had {spec.shape}.")
        return array

    return keras.tree.map_structure_up_to(element_spec, converted, element_spec, batch)


def shapes_of(batch: Any) -> list[tuple[int, ...]]:
    """The shapes of a batch's parts without their first dimensions."""
    return [leaf.shape[1:] for leaf in keras.tree.flatten(batch)]


def joined(batches: Sequence[Any]) -> tuple[Any, tf.Tensor]:
    """Batches one after the other, and the bounds of each part of each of them, of shape (parts, batches + 1)."""
    lengths = [[len(leaf) for leaf in keras.tree.flatten(batch)] for batch in batches]
    bounds = np.cumsum([[0] * len(lengths[0]), *lengths], axis=0).T
    whole = (
        batches[0] if len(batches) == 1 else keras.tree.map_structure(lambda *parts: np.concatenate(parts), *batches)
    )
    return keras.tree.map_structure(tf.convert_to_tensor, whole), tf.constant(bounds, tf.int64)


def are_arrays(element_spec: Any) -> bool:
    """Whether batches of these shapes and dtypes are arrays of numbers."""
    return all(
        isinstance(spec, tf.TensorSpec)
        and bool(spec.shape.rank)
        and (spec.dtype.is_floating or spec.dtype.is_integer or spec.dtype.is_bool)
        for spec in keras.tree.flatten(element_spec)
    )
