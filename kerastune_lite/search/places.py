"""Where the trials of a search run: in its own process, in processes that it starts, or on a cluster."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerastune_lite.execution.automatic import AutomaticWorkers, Choice, Room
from kerastune_lite.execution.processes.machine import available_memory, cores, environments
from kerastune_lite.execution.workers import FaultLimits, Workers
from kerastune_lite.running.task import Shared
from kerastune_lite.search.plan import SearchPlan
from kerastune_lite.search.settings import WorkerCount
from kerastune_lite.study.events import WorkersChosen
from kerastune_lite.study.study import Study
from kerastune_lite.study.writer import StudyWriter


@dataclass(frozen=True)
class Places:
    """Where a tuner lets trials run, as its arguments say.

    Attributes:
        workers: How many trials run at a time.
        executor: Where they run instead of this machine; None for this machine.
        trials_per_gpu: How many workers share a GPU.
        limits: When a process counts as hung, or a trial as overdue.
    """

    workers: WorkerCount
    executor: Any
    trials_per_gpu: int
    limits: FaultLimits

    @property
    def is_here(self) -> bool:
        """Whether the first trial runs in this process."""
        return self.executor is None and self.workers in (1, "auto") and self.limits.trial_timeout is None

    def workers_for(self, plan: SearchPlan, writer: StudyWriter) -> Workers:
        """The workers for a search.

        Raises:
            WorkerError: Processes can't be started, a cluster can't be reached, or what trials share can't be sent.
        """
        from kerastune_lite.execution.private_folder import remove_left_folders

        shared, directory = plan.shared, writer.study.directory
        remove_left_folders(directory)
        if self.workers != "auto":
            if self.executor is None:
                return self._on_this_machine(shared, directory, self.workers)
            from kerastune_lite.execution.clusters import RemoteWorkers, cluster_of

            return RemoteWorkers(cluster_of(self.executor, self.workers, shared))
        from kerastune_lite.training.devices import visible_gpus

        gpus = visible_gpus()
        if gpus:
            return self._on_this_machine(shared, directory, len(gpus) * self.trials_per_gpu)
        ends = None if plan.max_seconds is None else time.monotonic() + plan.max_seconds

        def tell(choice: Choice) -> None:
            writer.show(WorkersChosen(workers=choice.workers, text=str(choice)))

        return AutomaticWorkers(
            self._on_this_machine(shared, directory, 1),
            more=lambda count: self._processes(shared, directory, count),
            room=lambda: _room(writer.study, plan, ends),
            tell=tell,
        )

    def _on_this_machine(self, shared: Shared, directory: Path, count: int) -> Workers:
        """This process where that is enough, or processes that it starts."""
        if count > 1 or self.limits.trial_timeout is not None:
            return self._processes(shared, directory, count)
        from kerastune_lite.execution.in_process import ThisProcess
        from kerastune_lite.training.engine.engine import Engine

        return ThisProcess(shared, Engine.trusted(shared.engine))

    def _processes(self, shared: Shared, directory: Path, count: int) -> Workers:
        from kerastune_lite.execution.private_folder import private_folder
        from kerastune_lite.execution.processes.pool import ChildProcesses
        from kerastune_lite.training.devices import visible_gpus

        shares = environments(count, cores=cores(), gpus=visible_gpus(), trials_per_gpu=self.trials_per_gpu)
        return ChildProcesses.started(shared, private_folder(directory), shares, self.limits)


def _room(study: Study, plan: SearchPlan, ends: float | None) -> Room:
    """What there is for the trials that are left, when the second of a search begins."""
    trials = None if plan.max_trials is None else plan.max_trials - len(study.tally.counted) + 1
    seconds = None if ends is None else max(ends - time.monotonic(), 0.0)
    return Room(cores(), available_memory(), trials, seconds)
