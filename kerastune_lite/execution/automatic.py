"""`workers="auto"`: the first trial runs alone, and what it takes of the machine decides how the others run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kerastune_lite.errors import WorkerError
from kerastune_lite.execution.workers import Ended, Workers
from kerastune_lite.running.task import Outcome, Report, Request, Usage

START_SECONDS = 15.0
"""What starting processes costs, roughly: each imports TensorFlow and traces programs of its own."""
SHARE_OF_MEMORY = 0.8
"""The largest share of the available memory that further processes may take."""
GIB = 1 << 30


@dataclass(frozen=True)
class Room:
    """What there is for the trials that are left.

    Attributes:
        cores: How many cores there are.
        memory: How many bytes of memory are available; None if it isn't known.
        trials: How many trials are left; None if that isn't known.
        seconds: How many seconds are left; None without a bound.
    """

    cores: int
    memory: int | None = None
    trials: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Choice:
    """How many processes run the trials that are left, and why.

    Attributes:
        workers: The number of processes; 1 stands for the one that is there.
        reason: A text for a person.
    """

    workers: int
    reason: str

    def __str__(self) -> str:
        many = f"{self.workers} processes from now on" if self.workers > 1 else "one process, as until now"
        return f"workers='auto': {many}, since {self.reason}"


def chosen(usage: Usage, room: Room) -> Choice:
    """The number of processes that suits trials like the one that was measured.

    A process gets as many cores as the trial kept busy. Small steps keep little more than one busy however many there
    are: threads don't help them.
    """
    busy = min(max(usage.cores, 0.0), float(room.cores))
    measured = f"the first trial kept {busy:.1f} of {room.cores} cores busy"
    choice = Choice(max(room.cores // max(round(busy), 1), 1), measured)
    if room.memory is not None and usage.memory:
        fitting = 1 + int(SHARE_OF_MEMORY * room.memory / usage.memory)
        if fitting < choice.workers:
            taken = f"a process takes up to {usage.memory / GIB:.1f} GiB of memory"
            choice = Choice(fitting, f"{taken}, and {room.memory / GIB:.1f} GiB are available")
    if room.trials is not None and room.trials < choice.workers:
        choice = Choice(max(room.trials, 1), f"{room.trials} trials are left")
    bounds = [room.seconds, None if room.trials is None else room.trials * usage.seconds]
    left = min((bound for bound in bounds if bound is not None), default=None)
    if choice.workers > 1 and left is not None and left * (1.0 - 1.0 / choice.workers) < START_SECONDS:
        return Choice(1, f"the trials that are left take some {left:.0f} seconds, and starting processes takes as long")
    return choice


class AutomaticWorkers:
    """Runs the first trial alone, and chooses how the others run when the second one begins.

    Args:
        first: Where the first trial runs.
        more: Starts a number of processes.
        room: Tells what there is for the trials that are left.
        tell: Is told what was chosen.
    """

    def __init__(
        self,
        first: Workers,
        more: Callable[[int], Workers],
        room: Callable[[], Room],
        tell: Callable[[Choice], None],
    ) -> None:
        self._workers = first
        self._more = more
        self._room = room
        self._tell = tell
        self._usage: Usage | None = None
        self._is_settled = False

    @property
    def has_room(self) -> bool:
        """Whether a worker is free."""
        return self._workers.has_room

    def start(self, request: Request, report: Report) -> None:
        """Gives a trial to a free worker, once it is chosen how many there are where an earlier trial has shown it."""
        if self._usage is not None and not self._is_settled:
            self._settle(self._usage)
        self._workers.start(request, report)

    def wait(self) -> Sequence[Ended]:
        """Delivers what the workers have."""
        ended = self._workers.wait()
        for each in ended:
            if isinstance(each.result, Outcome) and each.result.error is None:
                self._usage = each.result.usage
        return ended

    def close(self) -> None:
        """Ends all trials that still run."""
        self._workers.close()

    def _settle(self, usage: Usage) -> None:
        self._is_settled = True
        choice = chosen(usage, self._room())
        if choice.workers > 1:
            try:
                several = _ready(self._more(choice.workers))
            except WorkerError as error:
                choice = Choice(1, f"more can't be started. {error}")
            else:
                self._workers.close()
                self._workers = several
        self._tell(choice)


def _ready(workers: Workers) -> Workers:
    """The workers, once one of them takes a trial."""
    try:
        while not workers.has_room:
            workers.wait()
    except BaseException:
        workers.close()
        raise
    return workers
