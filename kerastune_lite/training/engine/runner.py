"""Runs the programs of an epoch, as the function that `fit` calls as `model.train_function` or `test_function`."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol

import keras
import tensorflow as tf

from kerastune_lite.study.texts import text_of
from kerastune_lite.training.engine.check import BATCHES, Numbers, Stepping, numbers_of
from kerastune_lite.training.engine.epoch_program import traced_epoch
from kerastune_lite.training.engine.samples import EpochToken
from kerastune_lite.training.keras_internals import made_by_keras

CHUNK_SECONDS = 0.1
"""Seconds of training between two calls of the callbacks that look at a running epoch now and then."""

Kind = Literal["train", "test"]
Logs = Mapping[str, Any]
"""What a step reports: tensors or floats by name."""
Watchers = Callable[[], Sequence[keras.callbacks.Callback]]


class Rehearsing(Protocol):
    """The first batches that a step is about to run, for a check of its program before it counts."""

    def begin(self) -> None:
        """Takes the batches, which may draw random numbers; everything else may be undone afterwards."""

    def by(self, program: Any) -> list[Numbers]:
        """The logs of a program after each of the batches."""

    def by_itself(self, steps: Stepping) -> list[Numbers]:
        """The logs of the model's own step after each of the batches, run eagerly."""

    def traced(self) -> Any:
        """A program that is traced for this model alone."""


class Programs(Protocol):
    """The traced programs that a model trains with."""

    @property
    def is_lent(self) -> bool:
        """Whether the model's variables use the storage of a program."""

    def begin(self, kind: str) -> None:
        """Looks at the model before its first step of a kind."""

    def check(self, kind: str, key: Hashable, rehearsal: Rehearsing) -> None:
        """Checks the shared program of a kind of step and a key before it is used for the first time."""

    def mark_failed(self) -> None:
        """Leaves later models that are the same computation to a plain fit."""

    def traced(
        self, kind: str, key: Hashable, trace: Callable[[], tf.types.experimental.ConcreteFunction]
    ) -> tf.types.experimental.ConcreteFunction:
        """The program of a kind of step and a key, traced if it isn't there yet."""


class ProgramError(Exception):
    """A program could not be traced or failed while it ran; its cause says why.

    Attributes:
        is_new: Whether it hasn't failed for an earlier model.
        has_run: Whether it was traced, and failed while it ran.
    """

    is_new = True
    has_run = True


class EpochRunner:
    """Runs the batches of an epoch by a program, and data that isn't the engine's by the function that Keras makes.

    Args:
        model: The model that is trained.
        kind: Whether it runs the model's `train_step` or its `test_step`.
        programs: The traced programs.
        watchers: Returns the callbacks that are called about every CHUNK_SECONDS, after a batch.
    """

    def __init__(self, model: keras.Model, kind: Kind, programs: Programs, watchers: Watchers = tuple) -> None:
        self.model = model
        self.kind: Kind = kind
        self._programs = programs
        self._watchers = watchers
        self._by_keras: dict[bool, Callable[[Iterator[Any]], Logs]] = {}
        self._chunk = 1
        self._has_program = False

    def __call__(self, iterator: Iterator[Any]) -> Logs:
        """Runs the next `model.steps_per_execution` steps, and returns the logs of the last one."""
        if not isinstance(iterator, EpochToken):
            return self._function_of_keras()(iterator)
        end = min(iterator.position + self.model.steps_per_execution, iterator.epochs.num_batches)
        if iterator.position >= end:
            raise StopIteration
        watchers = self._watchers()
        if not watchers or end - iterator.position == 1:
            return self._run(iterator, end)
        while True:
            started = time.perf_counter()
            before = iterator.position
            tensors = self._run(iterator, min(before + self._chunk, end))
            logs: Logs = keras.tree.map_structure(lambda leaf: leaf.numpy() if tf.is_tensor(leaf) else leaf, tensors)
            if time.perf_counter() - started < 0.5 * CHUNK_SECONDS:
                self._chunk *= 2
            for watcher in watchers:
                watcher.on_train_batch_end(iterator.position - 1, logs)
            if iterator.position >= end or self.model.stop_training:
                return logs

    def _function_of_keras(self) -> Callable[[Iterator[Any]], Logs]:
        """The function that Keras makes. One that was made before the model was lent storage reads other variables."""
        is_lent = self._programs.is_lent
        if is_lent not in self._by_keras:
            self._by_keras[is_lent] = made_by_keras(self.model, self.kind)
        return self._by_keras[is_lent]

    def _run(self, token: EpochToken, end: int) -> Logs:
        try:
            program = self._program(self._key(token), Rehearsal(self, token))
            return self._by(program, token, end)
        except ProgramError:
            raise
        except Exception as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> ProgramError:
        """What is raised for an error of a program, which no later model uses."""
        self._programs.mark_failed()
        failure = ProgramError(f"{type(error).__name__}: {text_of(error)}")
        failure.has_run = self._has_program
        return failure

    def _program(self, key: Hashable, rehearsal: Rehearsing) -> Any:
        """The program of a key, checked where it is shared, and traced if it isn't there yet."""
        self._has_program = False
        self._programs.begin(self.kind)
        self._programs.check(self.kind, key, rehearsal)
        program = self._programs.traced(self.kind, key, rehearsal.traced)
        self._has_program = True
        return program

    @staticmethod
    def _key(token: EpochToken) -> Hashable:
        """What a program is traced for: as in Keras, the size of the batches and the dtypes of the inputs."""
        return (token.epochs.static_batch_size, repr(token.epochs.samples.specs))

    @staticmethod
    def _by(program: tf.types.experimental.ConcreteFunction, token: EpochToken, end: int) -> Logs:
        epochs = token.epochs
        begin, token.position = token.position, end
        scalars = (tf.constant(number, tf.int64) for number in (begin, end, epochs.batch_size))
        logs: Logs = program(token.order, epochs.samples.tensors, *scalars)
        return logs

    def _trace(self, token: EpochToken) -> tf.types.experimental.ConcreteFunction:
        samples, size = token.epochs.samples, token.epochs.static_batch_size
        step = getattr(self.model, f"{self.kind}_step")
        return traced_epoch(self.model, step, samples.batch_specs(size), size, samples.specs)


class Rehearsal:
    """The first batches that a step is about to run, for a check of its program before it counts.

    Args:
        runner: What runs the program.
        token: The epoch that is under way.
    """

    def __init__(self, runner: EpochRunner, token: EpochToken) -> None:
        self._runner = runner
        self._token = token

    def begin(self) -> None:
        """Does nothing: the samples are on the device, and their order is known."""

    def by(self, program: tf.types.experimental.ConcreteFunction) -> list[Numbers]:
        """The logs of a program after each of the batches."""
        token = self._copy()
        places = range(token.position + 1, self._end + 1)
        return [numbers_of(self._runner._by(program, token, place)) for place in places]

    def by_itself(self, steps: Stepping) -> list[Numbers]:
        """The logs of the model's own step after each of the batches, run eagerly."""
        token = self._copy()
        return steps([next(token) for _ in range(token.position, self._end)])

    def traced(self) -> tf.types.experimental.ConcreteFunction:
        """A program that is traced for this model alone."""
        return self._runner._trace(self._token)

    @property
    def _end(self) -> int:
        return min(self._token.position + BATCHES[self._runner.kind], self._token.epochs.num_batches)

    def _copy(self) -> EpochToken:
        copy = EpochToken(self._token.epochs, self._token.order)
        copy.position = self._token.position
        return copy
