"""Confirmation: finished trials trained again with new seeds, which tells a good setting from a lucky score."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence

from kerastune_lite.execution.in_process import run_here
from kerastune_lite.execution.quick_collection import quick_collection
from kerastune_lite.running.task import AskedParameters, Request
from kerastune_lite.search.plan import SearchPlan
from kerastune_lite.study.events import ConfirmationFailed, Confirmed, Effort
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Trial, TrialPlan
from kerastune_lite.study.writer import StudyWriter
from kerastune_lite.training.engine.engine import Engine


def confirm(plan: SearchPlan, writer: StudyWriter, trials: Sequence[Trial], repeats: int) -> None:
    """Trains each trial until it has `repeats` confirmations; every score is journaled as soon as it is there.

    All trials are trained once before any is trained twice, so that an interruption leaves them comparable. A run that
    fails is journaled too, and not tried again by this call.
    """
    engine = Engine.trusted(plan.shared.engine)
    with quick_collection():
        for repeat in range(repeats):
            for trial in trials:
                if len(trial.confirmations) <= repeat:
                    _run_again(plan, writer, engine, writer.study.trial(trial.number))


def _run_again(plan: SearchPlan, writer: StudyWriter, engine: Engine, trial: Trial) -> None:
    study = writer.study
    assert study.objective is not None
    assert study.seed is not None
    # It is trained in one go from its first epoch, whatever pauses the trial had.
    folds = plan.shared.data.fold_count
    executions = max(math.ceil(len(trial.scores) / folds), 1)
    from_the_start = TrialPlan(epochs=trial.plan.epochs, fill=trial.plan.fill)
    request = Request(
        trial=dataclasses.replace(trial, plan=from_the_start, curves=()),
        space=study.space,
        objective=study.objective,
        study_seed=study.seed,
        runs=folds,
        first_run=folds * (executions + len(trial.confirmations)),
    )
    report, started = _EpochCount(), time.monotonic()
    outcome = run_here(plan.shared, request, report, engine)
    effort = Effort(epochs=report.epochs, seconds=round(time.monotonic() - started, 3))
    if outcome.score is None:
        writer.append(ConfirmationFailed(trial=trial.number, error=outcome.error, effort=effort))
    else:
        scores = (*trial.confirmations, outcome.score)
        writer.append(Confirmed(trial=trial.number, scores=scores, effort=effort))


class _EpochCount:
    """Counts the epochs of a confirmation, whose curve isn't kept: the trial has its own."""

    epochs = 0

    def asked(self, asked: AskedParameters) -> None:
        pass

    def built(self, objective: Objective, epochs: int | None) -> None:
        pass

    def epoch(self, run: int, epoch: int, logs: Mapping[str, float]) -> str | None:
        self.epochs += 1
        return None
