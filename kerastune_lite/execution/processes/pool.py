"""Trials in worker processes on this machine, watched: one that dies or hangs costs its own trial only."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from multiprocessing import connection
from pathlib import Path

from kerastune_lite.errors import WorkerError
from kerastune_lite.execution.messages import AskedFor, Finished, Mistake, Shared
from kerastune_lite.execution.packing import pack
from kerastune_lite.execution.processes.process import MIB, ChildProcess
from kerastune_lite.execution.worker_setup import parts_of
from kerastune_lite.execution.workers import Ended, FaultLimits, Lost
from kerastune_lite.training.one_trial import Report, Task

TICK = 0.25
"""Seconds between two looks at processes that say nothing."""
LONGEST_TICK = 4 * TICK
"""More isn't counted as a worker's silence: it was this process that didn't run (it was suspended, or busy)."""
STARTS = 3
"""Processes that may die one after the other before they take a trial."""
TRIALS_A_PROCESS = 200
GROWTH = 2048 * MIB
"""A process that ran so many trials, or grew by so much since its first one, makes way for a fresh one."""
FAREWELL = 2.0
"""Seconds that idle processes get to end by themselves."""


class ChildProcesses:
    """So many processes, each with a trial at a time.

    Args:
        shared: What all trials share.
        folder: A folder for what the processes are to read and write.
        environments: Each process's share of the machine.
        limits: When a process is given up.
        wants_answers: Whether an epoch may be the last one by the search's word. Where not, nobody waits for it.

    Raises:
        WorkerError: What is shared can't be sent.
    """

    def __init__(
        self,
        shared: Shared,
        folder: Path,
        environments: Sequence[Mapping[str, str]],
        limits: FaultLimits,
        *,
        wants_answers: bool,
    ) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self._folder = folder
        self._packed = pack(parts_of(shared), folder)
        self._environments = environments
        self._limits = limits
        self._wants_answers = wants_answers
        self._failed_starts = 0
        self._error: BaseException | None = None
        self._children: list[ChildProcess] = []
        self._looked_at = time.monotonic()
        try:
            for place in range(len(environments)):
                self._children.append(self._new(place))
        except BaseException:
            self.close()
            raise

    def _new(self, place: int) -> ChildProcess:
        heartbeat = min(self._limits.heartbeat_timeout / 4, 5.0)
        return ChildProcess(self._packed, self._folder / f"{place}.crash", self._environments[place], heartbeat)

    @property
    def has_room(self) -> bool:
        """Whether a process is ready and has no trial."""
        return self._error is None and any(child.is_ready and child.task is None for child in self._children)

    def start(self, task: Task, report: Report) -> None:
        """Sends a trial to a process that has none."""
        idle = next(child for child in self._children if child.is_ready and child.task is None)
        idle.start(task, report, wants_answers=self._wants_answers)

    def wait(self) -> list[Ended]:
        """Listens until a trial ended, or one told what it asks for, or a process has room."""
        while self._error is None:
            speaking = connection.wait([child.connection for child in self._children], timeout=TICK)
            ended, is_news = [], False
            is_time_for_all = self._charge()
            for place, child in enumerate(self._children):
                if is_time_for_all or child.connection in speaking:
                    try:
                        of_this, is_of_interest = self._look_at(place)
                    except BaseException as error:
                        # It ends the search; what other trials have come to is handed on before.
                        self._error = error
                        continue
                    ended += [*of_this, *self._given_up(place)]
                    is_news = is_news or is_of_interest
            if ended or (is_news and self._error is None):
                return ended
        raise self._error

    def _look_at(self, place: int) -> tuple[list[Ended], bool]:
        """The trials that a process has ended or was lost with, and whether it said what may let others begin."""
        child, ended, is_news = self._children[place], [], False
        has_died = child.has_died
        try:
            for message in child.hear():
                match message:
                    case Finished():
                        assert child.task is not None
                        ended.append(Ended(child.task.trial.number, message.outcome))
                        child.task, self._failed_starts = None, 0
                    case Mistake():
                        raise message.unpacked()
                    case AskedFor():
                        is_news = True
                is_news = is_news or child.task is None
        except EOFError:
            has_died = True
        if has_died:
            return ended + self._replaced(place), True
        if child.task is None and _is_worn(child):
            child.end(FAREWELL)
            self._children[place] = self._new(place)
        return ended, is_news

    def _replaced(self, place: int, loss: Lost | None = None) -> list[Ended]:
        """Puts a new process in the place of one that died or is given up."""
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
        return [] if child.task is None else [Ended(child.task.trial.number, loss)]

    def _charge(self) -> bool:
        """Counts the time since the last look at all processes, where it was long ago; whether it was."""
        now = time.monotonic()
        if now - self._looked_at < TICK:
            return False
        seconds, self._looked_at = min(now - self._looked_at, LONGEST_TICK), now
        for child in self._children:
            child.silent_for += seconds
            child.busy_for += seconds
        return True

    def _given_up(self, place: int) -> list[Ended]:
        child, limits = self._children[place], self._limits
        if child.silent_for > limits.heartbeat_timeout:
            reason = f"its worker gave no sign of life for heartbeat_timeout={limits.heartbeat_timeout:g} seconds"
            return self._replaced(place, child.given_up("WorkerHung", reason, may_try_again=True))
        if child.task is not None and limits.trial_timeout is not None and child.busy_for > limits.trial_timeout:
            reason = f"it took longer than trial_timeout={limits.trial_timeout:g} seconds, and was ended"
            return self._replaced(place, child.given_up("TrialTimeout", reason, may_try_again=False))
        return []

    def close(self) -> None:
        """Ends all processes: at once those with a trial, by themselves where they can the others."""
        busy_first = sorted(self._children, key=lambda child: child.task is None)
        for child in busy_first:
            child.end(FAREWELL if child.is_ready and child.task is None else 0.0)
        self._children = []
        shutil.rmtree(self._folder, ignore_errors=True)


def _is_worn(child: ChildProcess) -> bool:
    grown = child.resident - child.resident_at_first if child.trials else 0
    return child.trials >= TRIALS_A_PROCESS or grown > GROWTH
