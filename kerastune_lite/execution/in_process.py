"""Trials in the search's own process, one after the other; each leaves the memory as it found it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from kerastune_lite.execution.quick_collection import quick_collection, set_aside
from kerastune_lite.execution.workers import Ended
from kerastune_lite.running.task import Outcome, Report, Request, Shared
from kerastune_lite.training.engine.engine import Engine
from kerastune_lite.training.keras_internals import seeds_put_back
from kerastune_lite.training.one_trial import run_trial


class ThisProcess:
    """The search's own process as its only worker.

    Args:
        shared: What all trials of the search share.
        engine: What trains.
    """

    def __init__(self, shared: Shared, engine: Engine) -> None:
        self._shared = shared
        self._engine = engine
        self._waiting: tuple[Request, Report] | None = None
        self._while_open = ExitStack()
        self._is_open = False

    @property
    def has_room(self) -> bool:
        """Whether the last trial has ended."""
        return self._waiting is None

    def start(self, request: Request, report: Report) -> None:
        """Keeps the trial, which `wait` runs."""
        if not self._is_open:
            self._is_open = True
            self._while_open.enter_context(quick_collection())
            self._while_open.enter_context(seeds_put_back())
        self._waiting = request, report

    def wait(self) -> Sequence[Ended]:
        """Runs the trial."""
        assert self._waiting is not None
        request, report = self._waiting
        outcome = run_here(self._shared, request, report, self._engine)
        self._waiting = None
        return [Ended(request.trial.number, outcome)]

    def close(self) -> None:
        """Lets garbage collections look at everything again, and puts back the seeds that trials have set."""
        self._while_open.close()


def run_here(shared: Shared, request: Request, report: Report, engine: Engine) -> Outcome:
    """Runs a trial in this process, and frees its model."""
    try:
        return run_trial(shared, request, report, engine)
    finally:
        set_aside()
