"""Measures what a trial takes of its machine."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

from kerastune_lite.running.task import AskedParameters, Report, Usage
from kerastune_lite.study.objective import Objective


class Meter:
    """A trial's report that also measures what the trial takes, from when it is made."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._begun = _now()
        self._first_epoch: tuple[float, float] | None = None
        self._latest_epoch: tuple[float, float] | None = None

    def asked(self, asked: AskedParameters) -> None:
        """Hands over what the user's code has asked for."""
        self._report.asked(asked)

    def built(self, objective: Objective, epochs: int | None) -> None:
        """Hands over what the first model has shown."""
        self._report.built(objective, epochs)

    def epoch(self, run: int, epoch: int, logs: Mapping[str, float]) -> str | None:
        """Notes when an epoch has ended, and hands it over."""
        self._latest_epoch = _now()
        self._first_epoch = self._first_epoch or self._latest_epoch
        return self._report.epoch(run, epoch, logs)

    def usage(self) -> Usage:
        """What the trial has taken until now."""
        ended = _now()
        since, until = self._begun, ended
        if self._first_epoch is not None and self._latest_epoch is not None and self._latest_epoch != self._first_epoch:
            since, until = self._first_epoch, self._latest_epoch
        seconds = max(until[0] - since[0], 1e-9)
        return Usage(ended[0] - self._begun[0], (until[1] - since[1]) / seconds, _peak_memory())


def _now() -> tuple[float, float]:
    """The seconds that have passed, and those that all threads of this process have computed."""
    return time.perf_counter(), time.process_time()


def _peak_memory() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10
