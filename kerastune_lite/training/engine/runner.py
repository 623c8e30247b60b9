"""What `fit` calls as `model.train_function` and `model.test_function`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import keras
import tensorflow as tf

from kerastune_lite.training.engine.epoch_program import traced_epoch
from kerastune_lite.training.engine.samples import EpochToken
from kerastune_lite.training.keras_internals import made_by_keras

CHUNK_SECONDS = 0.1
"""How long training goes on before a callback that counts batches is asked again."""

Kind = Literal["train", "test"]


class Programs(Protocol):
    """Where traced programs are kept for the models that share them."""

    def traced(self, key: Any, trace: Callable[[], Any]) -> Any:
        """The program of a key, traced where it is missing."""


class ProgramError(Exception):
    """A program could not be traced or failed while it ran; its cause says why."""


class EpochRunner:
    """Runs an epoch's batches by a program; anything else than our own epochs by the function that Keras makes.

    Args:
        model: The model that is trained.
        kind: Which of its steps.
        programs: Where traced programs are kept.
        watchers: Callbacks that look between the batches, at least every CHUNK_SECONDS.
    """

    def __init__(self, model: Any, kind: Kind, programs: Programs, watchers: Sequence[Any] = ()) -> None:
        self._model = model
        self._kind: Kind = kind
        self._programs = programs
        self._watchers = watchers
        self._by_keras: Any = None
        self._chunk = 1

    def __call__(self, iterator: Any) -> Any:
        """The logs of the next steps, as many as `model.steps_per_execution` says."""
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
            logs = self._run(iterator, min(before + self._chunk, end))
            logs = keras.tree.map_structure(lambda leaf: leaf.numpy() if tf.is_tensor(leaf) else leaf, logs)
            if time.perf_counter() - started < 0.5 * CHUNK_SECONDS:
                self._chunk *= 2
            for watcher in self._watchers:
                watcher.on_train_batch_end(iterator.position - 1, logs)
            if iterator.position >= end or self._model.stop_training:
                return logs

    def _run(self, token: EpochToken, end: int) -> Any:
        try:
            return self._run_program(token, end)
        except Exception as error:
            raise ProgramError(f"{type(error).__name__}: {error}") from error

    def _run_program(self, token: EpochToken, end: int) -> Any:
        epochs = token.epochs
        size = epochs.static_batch_size
        # Keras tells a program the types of its inputs too.
        key = (self._kind, size, repr(epochs.samples.specs))
        program = self._programs.traced(key, lambda: self._trace(token))
        begin, token.position = token.position, end
        return program(
            token.order, epochs.samples.tensors, *(tf.constant(n, tf.int64) for n in (begin, end, epochs.batch_size))
        )

    def _trace(self, token: EpochToken) -> Any:
        samples, size = token.epochs.samples, token.epochs.static_batch_size
        step = getattr(self._model, f"{self._kind}_step")
        return traced_epoch(self._model, step, samples.batch_specs(size), size, samples.specs)
