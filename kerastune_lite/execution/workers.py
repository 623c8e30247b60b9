"""The protocol of workers: they are given trials to run, and say how each of them ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kerastune_lite.running.task import Outcome, Report, Request


@dataclass(frozen=True)
class Lost:
    """A trial that was lost because its worker died, hung or ran out of time.

    Attributes:
        type: The type of the trial's failure, where it isn't tried again: "WorkerDied", "WorkerHung" or "TrialTimeout".
        reason: How the worker ended, and how far the trial had come.
        traceback: Where the worker's threads were when it crashed; empty where it left no trace.
        may_try_again: Whether another attempt may succeed.
    """

    type: str
    reason: str
    traceback: str = ""
    may_try_again: bool = True


@dataclass(frozen=True)
class Ended:
    """The end of a trial on a worker.

    Attributes:
        number: The trial's number.
        result: What the trial came to, or how it was lost.
    """

    number: int
    result: Outcome | Lost


def progress_of(latest_epoch: int | None) -> str:
    """How far a lost trial had come, in words, given the last epoch that it reported."""
    return "before its first epoch ended" if latest_epoch is None else f"after epoch {latest_epoch}"


class Workers(Protocol):
    """Runs trials, as many at a time as there are workers. Whoever makes them has given them the search's `Shared`."""

    @property
    def has_room(self) -> bool:
        """Whether a worker is free, so that a trial would begin at once."""
        ...

    def start(self, request: Request, report: Report) -> None:
        """Gives a trial to a free worker; call it only where there is one. `report` is called during `wait`."""
        ...

    def wait(self) -> Sequence[Ended]:
        """Delivers the reports of running trials until something happens that may let another trial begin.

        That is the end of a trial, a worker that has become free, or a trial that has reported its parameters.

        Returns:
            The trials that have ended since the last call.

        Raises:
            BaseException: What ends the whole search: a mistake in the call, or Ctrl-C in a trial.
        """
        ...

    def close(self) -> None:
        """Ends all trials that still run."""
        ...


@dataclass(frozen=True)
class FaultLimits:
    """When a worker counts as hung, or a trial as overdue.

    Attributes:
        heartbeat_timeout: Seconds without a heartbeat after which a worker counts as hung and is replaced.
        trial_timeout: Seconds after which a running trial is ended and fails; None for no limit.
    """

    heartbeat_timeout: float = 120.0
    trial_timeout: float | None = None
