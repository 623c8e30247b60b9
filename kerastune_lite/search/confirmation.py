"""Training finished trials again with new seeds, to tell a good setting from a lucky score."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from kerastune_lite.execution.in_process import quick_collection, run_here
from kerastune_lite.search.plan import SearchPlan
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Trial
from kerastune_lite.study.writer import StudyWriter
from kerastune_lite.training.engine.engine import Engine
from kerastune_lite.training.one_trial import Asked, Task


def confirm(plan: SearchPlan, writer: StudyWriter, trials: Sequence[Trial], repeats: int) -> None:
    """Trains each trial until it has `repeats` confirmations; every score is journaled as soon as it is there.

    All trials are trained once before any is trained twice, so that an interruption leaves them comparable. A run that
    fails is journaled too, and not tried again by this call.
    """
    engine = Engine(plan.engine)
    with quick_collection():
        for repeat in range(repeats):
            for trial in trials:
                if len(trial.confirmations) <= repeat:
                    _run_again(plan, writer, engine, writer.study.trial(trial.number))


def _run_again(plan: SearchPlan, writer: StudyWriter, engine: Engine, trial: Trial) -> None:
    study = writer.study
    assert study.objective is not None
    assert study.seed is not None
    task = Task(
        build_fn=plan.build_fn,
        trial=dataclasses.replace(trial, pause_at=None, resumed_from=None, resumed_at=0, curves=()),
        space=study.space,
        objective=study.objective,
        study_seed=study.seed,
        first_run=max(len(trial.scores), 1) + len(trial.confirmations),
        data=plan.data,
        callbacks=plan.callbacks,
    )
    outcome = run_here(task, _Silence(), engine)
    if outcome.score is None:
        error = outcome.error.__dict__ if outcome.error else None
        writer.append("note", flush=True, trial=trial.number, confirmation_failed=error)
    else:
        writer.append("note", flush=True, trial=trial.number, confirmed=[*trial.confirmations, outcome.score])


class _Silence:
    """A confirmation's curve isn't kept: the trial has its own."""

    def asked(self, asked: Asked) -> None:
        pass

    def built(self, objective: Objective, epochs: int | None) -> None:
        pass

    def epoch(self, run: int, epoch: int, logs: Mapping[str, float]) -> str | None:
        return None
