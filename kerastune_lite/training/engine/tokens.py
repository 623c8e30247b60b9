"""Iterators over the batches of a stream. They count those that are trained on, and run a program on the next ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Protocol

import keras
import tensorflow as tf

from kerastune_lite.training.engine.fetching import Fetching, as_spec, joined, shapes_of
from kerastune_lite.training.engine.stream_program import (
    Function,
    LoopOf,
    StreamProgram,
    loop_over_iterator,
    loop_over_joined,
)

UNKNOWN = 1 << 40
"""The number of steps that Keras asks for in one call where nobody knows how many there are."""


class Counting(Protocol):
    """The data that an iterator belongs to.

    Attributes:
        taken: How many batches were trained or validated on in this epoch.
        asked: How many steps Keras asks for in one call.
    """

    taken: int
    asked: int

    @property
    def is_limited(self) -> bool:
        """Whether it is known how many batches an epoch takes at most."""

    def left(self, asked: int = UNKNOWN) -> int:
        """How many of the steps that Keras asks for a plain `fit` would run before the end of this epoch."""


class StreamToken:
    """An iterator over batches that is under way.

    Attributes:
        stream: The data that it belongs to.
        iterator: TensorFlow's iterator over the batches.
        position: How many batches were trained or validated on.
        waiting: Batches that were taken, but not trained or validated on yet.
        has_ended: Whether the iterator is known to have no more batches; then it must not be asked again.
        error: What the code that makes the batches has raised.
    """

    loop_of: LoopOf = staticmethod(loop_over_iterator)

    def __init__(self, stream: Counting, iterator: Any) -> None:
        self.stream = stream
        self.iterator = iterator
        self.position = 0
        self.waiting: list[Any] = []
        self.has_ended = False
        self.error: BaseException | None = None

    @property
    def ended(self) -> Any:
        """The iterator, of which it is known that it has ended."""
        return self.iterator

    @property
    def element_spec(self) -> Any:
        """The shapes and dtypes of a batch."""
        return self.iterator.element_spec

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        """The next batch; only Keras's own functions take batches one by one."""
        if not self.peeked(1):
            raise StopIteration
        self.count(1)
        return self.waiting.pop(0)

    def peeked(self, number: int) -> list[Any]:
        """The next batches, or fewer where the data ends, which stay the next ones."""
        while len(self.waiting) < number and not self.has_ended:
            batch = self._next()
            if batch is None:
                self.has_ended = True
            else:
                self.waiting.append(batch)
        return self.waiting[:number]

    def _next(self) -> Any:
        return next(self.iterator, None)

    def run(self, program: StreamProgram, most: int) -> tuple[int, Any]:
        """Runs at most so many steps by a program; returns how many were run, and the logs of the last one."""
        done, logs = 0, None
        while self.waiting and done < most:
            logs = program.step(self.waiting.pop(0))
            self.count(1)
            done += 1
        if done < most and not self.has_ended:
            more, latest = self._looped(program.loop, most - done)
            done, logs = done + more, latest if more else logs
        return done, logs

    def _looped(self, loop: Function, most: int) -> tuple[int, Any]:
        done, logs = loop(self.iterator, tf.constant(most, tf.int64))
        self.has_ended = int(done) < most
        self.count(int(done))
        return int(done), logs

    def count(self, number: int) -> None:
        """Counts batches that were trained or validated on."""
        self.position += number
        self.stream.taken += number

    def close(self) -> None:
        """Takes no more batches."""


class FetchedToken(StreamToken):
    """An iterator over batches that Python makes.

    Args:
        stream: The data that it belongs to.
        make_batches: Makes the iterator over batches, when the first one is asked for.
        element_spec: The shapes and dtypes of a batch.
    """

    loop_of = staticmethod(loop_over_joined)

    def __init__(self, stream: Counting, make_batches: Callable[[], Iterator[Any]], element_spec: Any) -> None:
        super().__init__(stream, None)
        self._make_batches = make_batches
        self._element_spec = element_spec
        self._fetching: Fetching | None = None
        self._owed = 0
        self._kept: Any = None

    @property
    def element_spec(self) -> Any:
        """The shapes and dtypes of a batch."""
        return self._element_spec

    @property
    def ended(self) -> Any:
        """A TensorFlow iterator over such batches that has no more of them."""
        return iter(tf.data.Dataset.from_generator(tuple, output_signature=self._element_spec))

    def _looped(self, loop: Function, most: int) -> tuple[int, Any]:
        done, logs = 0, None
        while done < most and (batches := self._together(most - done)):
            logs = loop(*joined(batches))
            self.count(len(batches))
            done += len(batches)
        self.has_ended = done < most
        return done, logs

    def close(self) -> None:
        """Fetches no more batches."""
        if self._fetching is not None:
            self._fetching.close()

    @cached_property
    def _batches(self) -> Iterator[Any]:
        return (as_spec(batch, self._element_spec) for batch in self._make_batches())

    def _next(self) -> Any:
        """The next batch as tensors; None where there is none. No thread is begun, so that nothing else runs by now."""
        batch = self._taken(is_patient=True)
        return None if batch is None else keras.tree.map_structure(tf.convert_to_tensor, batch)

    def _together(self, most: int) -> list[Any]:
        """The next batch, and those after it that are there already and have its shapes but for their sizes."""
        first = self._taken(is_patient=True)
        if first is None:
            return []
        if not self._owed:
            self._fetch_on(first)
        batches = [first]
        while len(batches) < most and (batch := self._taken(is_patient=False)) is not None:
            if shapes_of(batch) != shapes_of(first):
                self._kept = batch
                break
            batches.append(batch)
        return batches

    def _taken(self, *, is_patient: bool) -> Any:
        """The next batch; None where there is none, or none yet."""
        if self._kept is not None:
            batch, self._kept = self._kept, None
            return batch
        try:
            if not self._owed:
                return next(self._batches, None) if is_patient else None
            assert self._fetching is not None
            batch = self._fetching.next(is_patient=is_patient)
        except Exception as error:
            self.error = error
            raise
        self._owed -= batch is not None
        return batch

    def _fetch_on(self, batch: Any) -> None:
        """Begins to fetch what this epoch takes after a batch that isn't counted yet."""
        self._owed = self.stream.left() - 1
        if self._owed:
            size = sum(leaf.nbytes for leaf in keras.tree.flatten(batch))
            self._fetching = Fetching(self._batches, self._owed, size)
