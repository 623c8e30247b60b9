"""Runs the programs of an epoch, as the function that `fit` calls as `model.train_function` or `test_function`."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol

import keras
import tensorflow as tf

from kerastune_lite.training.engine.epoch_program import traced_epoch
from kerastune_lite.training.engine.samples import EpochToken
from kerastune_lite.training.keras_internals import made_by_keras

CHUNK_SECONDS = 0.1
"""Seconds of training between two calls of the callbacks that look at a running epoch now and then."""

Kind = Literal["train", "test"]
Logs = Mapping[str, Any]
"""What a step reports: tensors or floats by name."""


class Programs(Protocol):
    """The traced programs that a model trains with."""

    def traced(
        self, key: Hashable, trace: Callable[[], tf.types.experimental.ConcreteFunction]
    ) -> tf.types.experimental.ConcreteFunction:
        """The program of a key, traced if it isn't there yet."""


class ProgramError(Exception):
    """A program could not be traced or failed while it ran; its cause says why."""


class EpochRunner:
    """Runs the batches of an epoch by a program, and data that isn't the engine's by the function that Keras makes.

    Args:
        model: The model that is trained.
        kind: Whether it runs the model's `train_step` or its `test_step`.
        programs: The traced programs.
        watchers: Callbacks that are called about every CHUNK_SECONDS, after a batch.
    """

    def __init__(
        self, model: keras.Model, kind: Kind, programs: Programs, watchers: Sequence[keras.callbacks.Callback] = ()
    ) -> None:
        self._model = model
        self._kind: Kind = kind
        self._programs = programs
        self._watchers = watchers
        self._by_keras: Callable[[Iterator[Any]], Logs] | None = None
        self._chunk = 1

    def __call__(self, iterator: Iterator[Any]) -> Logs:
        """Runs the next `model.steps_per_execution` steps, and returns the logs of the last one."""
        if not isinstance(iterator, EpochToken):
            if self._by_keras is None:
                self._by_keras = made_by_keras(self._model, self._kind)
            return self._by_keras(iterator)
        end = min(iterator.position + self._model.steps_per_execution, iterator.epochs.num_batches)
        if iterator.position >= end:
            raise StopIteration
        if not self._watchers or end - iterator.position == 1:
            return self._run(iterator, end)
        while True:
            started = time.perf_counter()
            before = iterator.position
            tensors = self._run(iterator, min(before + self._chunk, end))
            logs: Logs = keras.tree.map_structure(lambda leaf: leaf.numpy() if tf.is_tensor(leaf) else leaf, tensors)
            if time.perf_counter() - started < 0.5 * CHUNK_SECONDS:
                self._chunk *= 2
            for watcher in self._watchers:
                watcher.on_train_batch_end(iterator.position - 1, logs)
            if iterator.position >= end or self._model.stop_training:
                return logs

    def _run(self, token: EpochToken, end: int) -> Logs:
        try:
            return self._run_program(token, end)
        except Exception as error:
            raise ProgramError(f"{type(error).__name__}: {error}") from error

    def _run_program(self, token: EpochToken, end: int) -> Logs:
        epochs = token.epochs
        size = epochs.static_batch_size
        # As in Keras, a program is traced for the dtypes of its inputs.
        key = (self._kind, size, repr(epochs.samples.specs))
        program = self._programs.traced(key, lambda: self._trace(token))
        begin, token.position = token.position, end
        scalars = (tf.constant(number, tf.int64) for number in (begin, end, epochs.batch_size))
        logs: Logs = program(token.order, epochs.samples.tensors, *scalars)
        return logs

    def _trace(self, token: EpochToken) -> tf.types.experimental.ConcreteFunction:
        samples, size = token.epochs.samples, token.epochs.static_batch_size
        step = getattr(self._model, f"{self._kind}_step")
        return traced_epoch(self._model, step, samples.batch_specs(size), size, samples.specs)
