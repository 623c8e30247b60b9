"""A pool of worker processes on this machine, each watched: one that dies or hangs costs only its own trial."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from multiprocessing import connection
from pathlib import Path

from kerastune_lite.errors import WorkerError
from kerastune_lite.execution.messages import Finished, Mistake
from kerastune_lite.execution.packing import Packed, pack
from kerastune_lite.execution.private_folder import cant_be_written
from kerastune_lite.execution.processes.process import MIB, ChildProcess
from kerastune_lite.execution.worker_setup import parts_of
from kerastune_lite.execution.workers import Ended, FaultLimits, Lost
from kerastune_lite.running.task import AskedParameters, Report, Request, Shared

TICK = 0.25
"""Seconds between two looks at processes that send nothing."""
LONGEST_TICK = 4 * TICK
"""More isn't counted as a worker's silence: it was this process that didn't run (it was suspended, or busy)."""
STARTS = 3
"""Processes that may die one after the other before they take a trial."""
TRIALS_A_PROCESS = 200
GROWTH = 2048 * MIB
"""A process that has run this many trials, or has grown by this many bytes since its first one, is replaced."""
FAREWELL = 2.0
"""Seconds that idle processes get to end by themselves."""


class ChildProcesses:
    """A pool of processes, each with one trial at a time. `started` makes one.

    Args:
        packed: What all trials share, as `packing.pack` wrote it.
        folder: The folder for the files of the processes; `close` removes it.
        environments: The environment variables of each process, one mapping a process.
        limits: When a process counts as hung, or a trial as overdue.
    """

    def __init__(
        self, packed: Packed, folder: Path, environments: Sequence[Mapping[str, str]], limits: FaultLimits
    ) -> None:
        self._packed = packed
        self._folder = folder
        self._environments = environments
        self._limits = limits
        self._failed_starts = 0
        self._error: BaseException | None = None
        self._children: list[ChildProcess] = []
        self._looked_at = 0.0

    @classmethod
    def started(
        cls, shared: Shared, folder: Path, environments: Sequence[Mapping[str, str]], limits: FaultLimits
    ) -> ChildProcesses:
        """Packs what all trials share, and starts the processes.

        Args:
            shared: What all trials share.
            folder: A fresh folder of this search's own for the files of the processes; `close` removes it.
            environments: The environment variables of each process, which give it its share of the machine.
            limits: When a process counts as hung, or a trial as overdue.

        Raises:
            WorkerError: What trials share can't be pickled or written, or the system is Windows.
        """
        if os.name == "nt":
            raise WorkerError("workers= and trial_timeout= need Linux or macOS. Use executor= with a Dask client here.")
        try:
            pool = cls(pack(parts_of(shared), folder), folder, environments, limits)
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError):
                raise WorkerError(cant_be_written(folder, error)) from error
            raise
        try:
            pool._start()
        except BaseException:
            pool.close()
            raise
        return pool

    def _start(self) -> None:
        for place in range(len(self._environments)):
            self._children.append(self._new(place))
        self._looked_at = time.monotonic()

    def _new(self, place: int) -> ChildProcess:
        heartbeat = min(self._limits.heartbeat_timeout / 4, 5.0)
        crash_file = self._folder / f"{place}.crash"
        return ChildProcess.started(self._packed, crash_file, self._environments[place], heartbeat)

    @property
    def has_room(self) -> bool:
        """Whether a process is idle."""
        return self._error is None and any(child.is_idle for child in self._children)

    def start(self, request: Request, report: Report) -> None:
        """Sends a trial to an idle process."""
        next(child for child in self._children if child.is_idle).start(request, report)

    def wait(self) -> list[Ended]:
        """Delivers reports until a trial has ended or reported its parameters, or a process has become idle."""
        while self._error is None:
            with_messages = connection.wait([child.connection for child in self._children], timeout=TICK)
            ended, is_news = [], False
            is_time_for_all = self._charge()
            for place, child in enumerate(self._children):
                if is_time_for_all or child.connection in with_messages:
                    try:
                        of_this, is_of_interest = self._look_at(place)
                    except BaseException as error:
                        # It ends the search, but only once other trials' ends are returned.
                        self._error = error
                        continue
                    ended += [*of_this, *self._given_up(place)]
                    is_news = is_news or is_of_interest
            if ended or (is_news and self._error is None):
                return ended
        raise self._error

    def _look_at(self, place: int) -> tuple[list[Ended], bool]:
        """The trials that ended in a process or died with it, and whether anything may let another trial begin."""
        child, ended, is_news = self._children[place], [], False
        has_died = child.has_died
        try:
            for message in child.receive():
                match message:
                    case Finished():
                        assert child.request is not None
                        ended.append(Ended(child.request.trial.number, message.outcome))
                        child.request, self._failed_starts = None, 0
                    case Mistake():
                        raise message.unpacked()
                    case AskedParameters():
                        is_news = True
                is_news = is_news or child.request is None
        except EOFError:
            has_died = True
        if has_died:
            return ended + self._replaced(place), True
        if child.request is None and _is_worn(child):
            child.end(FAREWELL)
            self._children[place] = self._new(place)
        return ended, is_news

    def _replaced(self, place: int, loss: Lost | None = None) -> list[Ended]:
        """Replaces a process that died or is given up; the trial that it had, as lost."""
        child = self._children[place]
        child.end()
        loss = loss or child.last_words()
        if not child.is_ready:
            self._failed_starts += 1
            if self._failed_starts >= STARTS:
                raise WorkerError(
                    f"{STARTS} worker processes in a row could not start: {loss.reason}\n{loss.traceback}"
                )
        self._children[place] = self._new(place)
        return [] if child.request is None else [Ended(child.request.trial.number, loss)]

    def _charge(self) -> bool:
        """Adds the time since the last look at all processes to their clocks, and whether it is time for the next."""
        now = time.monotonic()
        if now - self._looked_at < TICK:
            return False
        seconds, self._looked_at = min(now - self._looked_at, LONGEST_TICK), now
        for child in self._children:
            child.silent_for += seconds
            child.busy_for += seconds
        return True

    def _given_up(self, place: int) -> list[Ended]:
        """The trial of a process that hangs or takes too long, once the process is replaced."""
        child, limits = self._children[place], self._limits
        if child.silent_for > limits.heartbeat_timeout:
            reason = f"its worker gave no sign of life for heartbeat_timeout={limits.heartbeat_timeout:g} seconds"
            return self._replaced(place, child.given_up("WorkerHung", reason, may_try_again=True))
        if child.request is not None and limits.trial_timeout is not None and child.busy_for > limits.trial_timeout:
            reason = f"it took longer than trial_timeout={limits.trial_timeout:g} seconds, and was ended"
            return self._replaced(place, child.given_up("TrialTimeout", reason, may_try_again=False))
        return []

    def close(self) -> None:
        """Ends all processes: busy ones at once, idle ones by themselves if they do so within a moment."""
        busy_first = sorted(self._children, key=lambda child: child.request is None)
        for child in busy_first:
            child.end(FAREWELL if child.is_idle else 0.0)
        self._children = []
        shutil.rmtree(self._folder, ignore_errors=True)


def _is_worn(child: ChildProcess) -> bool:
    grown = child.resident - child.resident_at_first if child.trials else 0
    return child.trials >= TRIALS_A_PROCESS or grown > GROWTH
