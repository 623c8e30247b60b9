"""Where trials run, as the search sees it: something that takes trials and tells what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kerastune_lite.training.one_trial import Outcome, Report, Task


@dataclass(frozen=True)
class Lost:
    """A trial that did not come to its end, since its worker didn't.

    Attributes:
        type: What its failure is called, where it isn't tried again.
        reason: What is known of the end.
        traceback: What the worker left behind, or nothing.
        may_try_again: Whether another attempt could end better.
    """

    type: str
    reason: str
    traceback: str = ""
    may_try_again: bool = True


@dataclass(frozen=True)
class Ended:
    """A trial that runs no more.

    Attributes:
        number: The trial's.
        result: What it came to, or how it was lost.
    """

    number: int
    result: Outcome | Lost


def how_far(latest_epoch: int | None) -> str:
    """How far a lost trial had come, from the last epoch that it told."""
    return "before its first epoch ended" if latest_epoch is None else f"after epoch {latest_epoch}"


class Workers(Protocol):
    """Runs trials, several at a time where it can."""

    @property
    def has_room(self) -> bool:
        """Whether a trial would begin at once."""
        ...

    def start(self, task: Task, report: Report) -> None:
        """Begins a trial; only where there is room. `report` is told of it during `wait`."""
        ...

    def wait(self) -> Sequence[Ended]:
        """Hands on what trials report until something happened that may let others begin; the trials that ended.

        What only the search itself can answer for is raised: a mistake in the call, Ctrl-C.
        """
        ...

    def close(self) -> None:
        """Ends everything that still runs."""
        ...


@dataclass(frozen=True)
class FaultLimits:
    """How long the search looks on.

    Attributes:
        heartbeat_timeout: After how many seconds without a sign of life a worker is given up.
        trial_timeout: How many seconds a trial may take; None for no bound.
    """

    heartbeat_timeout: float = 120.0
    trial_timeout: float | None = None
