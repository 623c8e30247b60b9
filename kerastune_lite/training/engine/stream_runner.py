"""Runs the batches of a stream by a program, as the function that `fit` calls as its train or test function."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator
from contextlib import suppress
from typing import Any

import keras
import tensorflow as tf

from kerastune_lite.training.engine.check import BATCHES, Numbers, Stepping, numbers_of
from kerastune_lite.training.engine.runner import CHUNK_SECONDS, EpochRunner, Logs, ProgramError
from kerastune_lite.training.engine.stream_program import StreamProgram, traced_stream, without_optionals
from kerastune_lite.training.engine.tokens import StreamToken

TAKES_BATCHES = "IteratorGetNext"
"""Part of the names of the operations that take a batch: an error that names one is the data's, not the model's."""


class StreamRunner(EpochRunner):
    """Runs the batches of a stream by a program, and other data as an EpochRunner does."""

    def __call__(self, iterator: Iterator[Any]) -> Logs:
        """Runs as many of the next steps as Keras asks for, and returns the logs of the last one.

        Raises:
            StopIteration: There is no batch left.
        """
        if not isinstance(iterator, StreamToken):
            return super().__call__(iterator)
        watchers = self._watchers()
        left = iterator.stream.left(iterator.stream.asked)
        logs: Logs | None = None
        while left > 0:
            started = time.perf_counter()
            steps = min(self._chunk, left)
            done, latest = self._steps(iterator, steps)
            left -= done
            if done:
                logs = keras.tree.map_structure(_as_number, latest) if watchers else latest
            for watcher in watchers if logs is not None and left > 0 else ():
                watcher.on_train_batch_end(iterator.stream.taken - 1, logs)
            if done < steps or (watchers and self.model.stop_training):
                break
            if time.perf_counter() - started < 0.5 * CHUNK_SECONDS:
                self._chunk *= 2
        if logs is None:
            self._end(iterator)
            raise StopIteration
        return logs

    def _end(self, token: StreamToken) -> None:
        """Runs the step that Keras runs when it finds that the data has ended.

        It fails for want of a batch. But what needs none, such as the count of the optimizer's steps and the state of
        random numbers, has happened by then, and the next epoch goes on from it.
        """
        program = self._programs.traced(self.kind, stream_key(token), StreamRehearsal(self, token, 0).traced)
        with suppress(tf.errors.OutOfRangeError):
            program.end(token.ended)

    def _steps(self, token: StreamToken, most: int) -> tuple[int, Logs]:
        """Runs at most so many steps; returns how many were run, and the logs of the last one."""
        try:
            program = self._program(stream_key(token), StreamRehearsal(self, token, most))
            return token.run(program, most)
        except ProgramError:
            raise
        except Exception as error:
            if error is token.error or TAKES_BATCHES in str(error):
                raise
            raise self._failure(error) from error


def stream_key(token: StreamToken) -> Hashable:
    """What a program is traced for: as in Keras, the shapes and dtypes that the iterator tells."""
    return ("stream", token.loop_of.__name__, repr(token.element_spec))


def _as_number(leaf: Any) -> Any:
    return leaf.numpy() if tf.is_tensor(leaf) else leaf


class StreamRehearsal:
    """The first batches that a step is about to run, for a check of its program before it counts.

    Args:
        runner: What runs the program.
        token: The iterator that is under way. The batches that are taken from it wait in it.
        most: How many steps are about to be run.
    """

    def __init__(self, runner: EpochRunner, token: StreamToken, most: int) -> None:
        self._runner = runner
        self._token = token
        self._most = most

    def begin(self) -> None:
        """Takes the batches from the iterator, which may draw the order of an epoch when it is asked first."""
        self._batches()

    def by(self, program: StreamProgram) -> list[Numbers]:
        """The logs of a program after each of the batches."""
        return [numbers_of(program.step(batch)) for batch in self._batches()]

    def by_itself(self, steps: Stepping) -> list[Numbers]:
        """The logs of the model's own step after each of the batches, run eagerly."""
        return steps(list(map(without_optionals, self._batches())))

    def traced(self) -> StreamProgram:
        """A program that is traced for this model alone."""
        model, kind = self._runner.model, self._runner.kind
        return traced_stream(model, getattr(model, f"{kind}_step"), self._token.element_spec, self._token.loop_of)

    def _batches(self) -> list[Any]:
        stream, most = self._token.stream, BATCHES[self._runner.kind]
        left = stream.left(max(most, self._most)) if stream.is_limited else self._most
        return self._token.peeked(min(most, left))
