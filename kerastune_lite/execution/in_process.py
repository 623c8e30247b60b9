"""Trials in this process, one after the other, each leaving the memory as it found it."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from kerastune_lite.execution.workers import Ended
from kerastune_lite.training.engine.engine import Engine
from kerastune_lite.training.one_trial import Outcome, Report, Task, run_trial


class ThisProcess:
    """The process of the search as its one worker.

    Args:
        engine: What trains.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._given: tuple[Task, Report] | None = None
        self._collecting = ExitStack()
        self._collecting.enter_context(quick_collection())

    @property
    def has_room(self) -> bool:
        """Whether the last trial has ended."""
        return self._given is None

    def start(self, task: Task, report: Report) -> None:
        """Keeps the trial until `wait`."""
        self._given = task, report

    def wait(self) -> Sequence[Ended]:
        """Runs the trial."""
        assert self._given is not None
        task, report = self._given
        outcome = run_here(task, report, self._engine)
        self._given = None
        return [Ended(task.trial.number, outcome)]

    def close(self) -> None:
        """Gives garbage collections everything back."""
        self._collecting.close()


@contextmanager
def quick_collection() -> Iterator[None]:
    """Lets garbage collections during a search look only at what the search made.

    A Keras model is full of cycles, so only a collection frees it. A full one takes a quarter of a second, most of it
    spent on the objects of TensorFlow itself; those are set aside here and put back at the end.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def run_here(task: Task, report: Report, engine: Engine) -> Outcome:
    """Runs a trial and frees its model."""
    try:
        return run_trial(task, report, engine)
    finally:
        gc.collect()
        # What outlives a trial (TensorFlow keeps some 5 MB of each graph) is not to be searched again and again.
        gc.freeze()
