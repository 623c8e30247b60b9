"""One trial, from build to score."""

from __future__ import annotations

import math
import statistics
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import keras

from kerastune_lite.callbacks import TimeLimit
from kerastune_lite.errors import (
    MISTAKES_IN_THE_CALL,
    BuildError,
    DataError,
    FailedTrial,
    KerastuneError,
    ObjectiveError,
)
from kerastune_lite.hyperparameters import HyperParameters
from kerastune_lite.objective import Objective, with_direction
from kerastune_lite.seeds import run_seed
from kerastune_lite.space import Parameter, Space, Value
from kerastune_lite.training import callback_copies, model_files
from kerastune_lite.training.build import Built, builder_of, curve_of, interpret
from kerastune_lite.training.data import TrainingData
from kerastune_lite.training.keras_internals import metric_classes, reset_layer_names
from kerastune_lite.training.recorder import EpochRecorder
from kerastune_lite.trial import Trial, TrialFailure


@dataclass(frozen=True, kw_only=True)
class Task:
    """Everything that a worker needs to run one trial.

    Attributes:
        build_fn: The user's function or object.
        trial: The trial as it begins: its number and the values to try.
        space: The parameters known so far.
        fill: The value of a parameter that the values don't hold.
        objective: What is optimised; its direction may still be unknown.
        study_seed: What the seeds of the runs are derived from.
        runs: How many times to train.
        data: What to train on; None for a build_fn that trains by itself.
        callbacks: As the user gave them.
        seconds_left: The time that is left for the whole search, or None.
        model_path: Where to keep the model, or None.
        score_to_beat: The score that the model has to beat to be kept; None keeps any.
    """

    build_fn: Any
    trial: Trial
    space: Space
    fill: Callable[[Parameter], Value]
    objective: Objective
    study_seed: int
    runs: int = 1
    data: TrainingData | None = None
    callbacks: callback_copies.CallbackSource = ()
    seconds_left: float | None = None
    model_path: Path | None = None
    score_to_beat: float | None = None


class Report(Protocol):
    """What a trial tells while it runs."""

    def built(self, hp: HyperParameters, objective: Objective, epochs: int | None) -> None:
        """The first model is built: what was asked for, the objective with its direction, how long it will train."""

    def epoch(self, run: int, epoch: int, logs: Mapping[str, float]) -> None:
        """An epoch has ended."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one training gave."""

    score: float
    best_epoch: int
    stop_reason: str | None
    model: Any = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a trial came to: scores, or the error that failed it."""

    scores: tuple[float, ...] = ()
    best_run: int = 0
    best_epoch: int | None = None
    stop_reason: str | None = None
    error: TrialFailure | None = None
    is_rejected: bool = False
    notes: tuple[str, ...] = ()

    @property
    def score(self) -> float | None:
        """The mean over runs; None of a trial that failed."""
        return statistics.fmean(self.scores) if self.scores and self.error is None else None


class Diverged(KerastuneError):
    """The loss or the objective is no longer a finite number."""


def run_trial(task: Task, report: Report) -> Outcome:
    """Builds, trains and scores one setting, `task.runs` times.

    An exception of the user's code or of the training fails the trial and is in the outcome. A mistake in the call
    itself, which no other setting would mend, is raised, and so are Ctrl-C and the like.
    """
    values = task.trial.values
    runs: list[Run] = []
    best: Run | None = None
    objective = task.objective
    try:
        for number in range(task.runs):
            hp = HyperParameters(values, task.space, task.fill)
            run, objective = _run(task, hp, number, objective, report)
            values = hp.values
            runs.append(run)
            if best is None or objective.better(run.score, than=best.score):
                best = run
            elif run.model is not best.model:
                runs[-1] = Run(score=run.score, best_epoch=run.best_epoch, stop_reason=run.stop_reason)
        assert best is not None
        outcome = Outcome(
            scores=tuple(run.score for run in runs),
            best_run=next(index for index, run in enumerate(runs) if run is best),
            best_epoch=best.best_epoch,
            stop_reason=best.stop_reason,
        )
        return _with_model_kept(task, objective, outcome, best)
    except MISTAKES_IN_THE_CALL:
        raise
    except Exception as error:
        return Outcome(
            scores=tuple(run.score for run in runs),
            error=_failure(error),
            is_rejected=isinstance(error, FailedTrial),
        )


def _run(task: Task, hp: HyperParameters, number: int, objective: Objective, report: Report) -> tuple[Run, Objective]:
    started = time.monotonic()
    keras.utils.set_random_seed(run_seed(task.study_seed, task.trial.number, number))
    reset_layer_names()
    built = interpret(builder_of(task.build_fn)(hp), objective)
    objective = with_direction(objective, metric_classes(built.model) if built.model is not None else None)
    if built.curve:
        if number == 0:
            report.built(hp, objective, None)
        return _scored(built, objective, number, report), objective
    arguments = _fit_arguments(task, built)
    if number == 0:
        report.built(hp, objective, arguments.get("epochs"))
    user_callbacks = [
        *callback_copies.for_training(task.callbacks, task.trial, number, task.runs),
        *callback_copies.for_training(arguments.pop("callbacks", ()), task.trial, number, task.runs),
    ]
    elapsed = time.monotonic() - started
    for callback in user_callbacks:
        if isinstance(callback, TimeLimit):
            callback.charge(elapsed)
    limits = [] if task.seconds_left is None else [TimeLimit(seconds=max(task.seconds_left - elapsed, 1e-3))]
    recorder = EpochRecorder(
        objective,
        lambda epoch, logs: report.epoch(number, epoch, logs),
        may_be_missing=arguments.get("validation_freq", 1) != 1 and objective.name.startswith("val_"),
    )
    result = _fit(task.build_fn, hp, built.model, arguments, [*user_callbacks, *limits, recorder])
    if not recorder.curve and result is not None:
        returned = curve_of(result, objective)
        if returned:
            return _scored(Built(built.model, None, returned), objective, number, report), objective
    reason = callback_copies.stop_reason(user_callbacks)
    if reason is None and limits and limits[0].stop_reason:
        reason = "the search's max_time was over"
    _check_finite(objective, recorder)
    if recorder.score is None or recorder.best_epoch is None:
        raise Diverged(_no_score(objective, recorder))
    if recorder.best_weights is not None:
        built.model.set_weights(recorder.best_weights)
    return (
        Run(score=recorder.score, best_epoch=recorder.best_epoch, stop_reason=reason, model=built.model),
        objective,
    )


def _fit(build_fn: Any, hp: HyperParameters, model: Any, arguments: dict[str, Any], callbacks: Sequence[Any]) -> Any:
    own_fit = getattr(build_fn, "fit", None) if hasattr(build_fn, "build") else None
    arguments = {"verbose": 0, **arguments, "callbacks": list(callbacks)}
    if own_fit is None:
        return model.fit(**arguments)
    positional = [arguments.pop(name) for name in ("x", "y") if name in arguments]
    return own_fit(hp, model, *positional, **arguments)


def _fit_arguments(task: Task, built: Built) -> dict[str, Any]:
    if task.data is None:
        raise DataError(
            "search() was given no data, but build_fn returned a model that is to be trained. Call search(x, y, …)."
        )
    decided = dict(built.fit_arguments or {})
    if "validation_split" in decided:
        raise BuildError(
            "build_fn returned validation_split among fit's arguments. The split is made once, so that all trials "
            "see the same data: give it to search()."
        )
    return {**task.data.arguments(), **decided}


def _scored(built: Built, objective: Objective, number: int, report: Report) -> Run:
    """The run of a function that trained by itself."""
    for epoch, logs in enumerate(built.curve):
        report.epoch(number, epoch, logs)
    scores = [logs.get(objective.name) for logs in built.curve]
    if not any(score is not None for score in scores):
        objective.reported_name({name for logs in built.curve for name in logs})
    best_epoch = objective.best_epoch(scores)
    if best_epoch is None:
        raise Diverged(f"The objective {objective.name!r} is {scores[-1]}, not a finite number.")
    score = scores[best_epoch]
    assert score is not None
    return Run(score=score, best_epoch=best_epoch, stop_reason=None, model=built.model)


def _check_finite(objective: Objective, recorder: EpochRecorder) -> None:
    if recorder.diverged is not None:
        earlier = "" if recorder.score is None else f"; {objective.name} had been {recorder.score:.5g} before"
        raise Diverged(f"The loss became NaN in epoch {recorder.diverged}{earlier}. A smaller learning rate may help.")


def _no_score(objective: Objective, recorder: EpochRecorder) -> str:
    if not recorder.curve:
        return "No epoch was trained: epochs has to be at least 1, and the data must hold at least one batch."
    seen = [score for score in recorder.scores if score is not None]
    if not seen:
        raise ObjectiveError(
            f"The objective {objective.name!r} was reported in no epoch; with validation_freq above the number of "
            "epochs there is no validation. Lower validation_freq or train longer."
        )
    told = "NaN" if all(math.isnan(score) for score in seen) else "not finite"
    return f"The objective {objective.name!r} was {told} in every epoch."


def _with_model_kept(task: Task, objective: Objective, outcome: Outcome, best: Run) -> Outcome:
    score = outcome.score
    if task.model_path is None or best.model is None or score is None:
        return outcome
    if not objective.better(score, than=task.score_to_beat):
        return outcome
    note = model_files.save(best.model, task.model_path)
    if note is None:
        return outcome
    return Outcome(**{**outcome.__dict__, "notes": (*outcome.notes, note)})


def _failure(error: Exception) -> TrialFailure:
    text = "".join(traceback.format_exception(error))
    # The frames of the traceback hold the model, which has to be freed.
    cause: BaseException | None = error
    while cause is not None:
        traceback.clear_frames(cause.__traceback__)
        cause.__traceback__, cause = None, cause.__cause__ or cause.__context__
    return TrialFailure(type=type(error).__name__, message=str(error), traceback=text)
