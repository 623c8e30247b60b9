"""One trial, from build to score."""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
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
from kerastune_lite.space import UNSET, Parameter, Space, Value
from kerastune_lite.space.hyperparameters import HyperParameters
from kerastune_lite.space.seeds import random_value, run_seed
from kerastune_lite.study.objective import Objective, with_direction
from kerastune_lite.study.trial import Trial, TrialFailure
from kerastune_lite.training import callback_copies, checkpoints, model_files
from kerastune_lite.training.build import Built, builder_of, curve_of, interpret
from kerastune_lite.training.data import TrainingData
from kerastune_lite.training.engine.engine import Engine, Fitted, ProgramError
from kerastune_lite.training.keras_internals import metric_classes, metric_names, reset_layer_names
from kerastune_lite.training.pausing import go_on, pausing_callbacks
from kerastune_lite.training.recorder import EpochRecorder


@dataclass(frozen=True, kw_only=True)
class Task:
    """Everything that a worker needs to run one trial.

    Attributes:
        build_fn: The user's function or object.
        trial: The trial as it begins: its number and the values to try.
        space: The parameters known so far.
        objective: What is optimised; its direction may still be unknown.
        study_seed: What the seeds of the runs are derived from.
        runs: How many times to train.
        first_run: How many times the trial was trained before; each run of a trial has a seed of its own.
        data: What to train on; None for a build_fn that trains by itself.
        callbacks: As the user gave them.
        seconds_left: The time that is left for the whole search, or None.
        model_path: Where to keep the model, or None.
        score_to_beat: The score that the model has to beat to be kept; None keeps any.
        checkpoint: Where the training that this one goes on from was kept, or None.
        checkpoint_path: Where to keep the training if it pauses.
    """

    build_fn: Any
    trial: Trial
    space: Space
    objective: Objective
    study_seed: int
    runs: int = 1
    first_run: int = 0
    data: TrainingData | None = None
    callbacks: callback_copies.CallbackSource = ()
    seconds_left: float | None = None
    model_path: Path | None = None
    score_to_beat: float | None = None
    checkpoint: Path | None = None
    checkpoint_path: Path | None = None


@dataclass(frozen=True)
class Asked:
    """What a build asked for.

    Attributes:
        parameters: Everything that it asked for, inactive parameters included.
        values: The active parameters and their values.
    """

    parameters: Space
    values: Mapping[str, Value]


class Report(Protocol):
    """What a trial tells while it runs."""

    def asked(self, asked: Asked) -> None:
        """What the user's code has asked for until now."""

    def built(self, objective: Objective, epochs: int | None) -> None:
        """The first model is built: the objective has a direction now, and it is known how long it will train."""

    def epoch(self, run: int, epoch: int, logs: Mapping[str, float]) -> str | None:
        """An epoch has ended. Answers why there is to be no further one, or None."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one training gave."""

    score: float
    best_epoch: int
    stop_reason: str | None
    is_stopped: bool = False
    engine: str | None = None
    seconds_saved: float = 0.0
    model: Any = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a trial came to: scores, or the error that failed it.

    Attributes:
        scores: One a run.
        best_run: Which run had the best score.
        best_epoch: Its best epoch.
        stop_reason: Why it ended early, or None.
        is_stopped: Whether the search ended it, and not the user's callbacks.
        engine: How the last run was trained, as `trial.engine` has it; None where build_fn trained by itself.
        seconds_saved: How long the engine would have traced what it had traced before.
        error: Why the trial failed, or None.
        is_rejected: Whether the user's code gave the setting up.
        notes: Remarks for the trial's record.
    """

    scores: tuple[float, ...] = ()
    best_run: int = 0
    best_epoch: int | None = None
    stop_reason: str | None = None
    is_stopped: bool = False
    engine: str | None = None
    seconds_saved: float = 0.0
    error: TrialFailure | None = None
    is_rejected: bool = False
    notes: tuple[str, ...] = ()

    @property
    def score(self) -> float | None:
        """The mean over runs; None of a trial that failed."""
        return statistics.fmean(self.scores) if self.scores and self.error is None else None


class Diverged(KerastuneError):
    """The loss or the objective is no longer a finite number."""


def run_trial(task: Task, report: Report, engine: Engine) -> Outcome:
    """Builds, trains and scores one setting, `task.runs` times.

    An exception of the user's code or of the training fails the trial and is in the outcome. A mistake in the call
    itself, which no other setting would mend, is raised, and so are Ctrl-C and the like. The engine's data and programs
    are shared by all trials that it is given to.
    """
    trainings = _Trainings(task, report, engine)
    try:
        for number in range(task.first_run, task.first_run + task.runs):
            trainings.run(number)
            if trainings.is_stopped:
                break
        return trainings.outcome()
    except MISTAKES_IN_THE_CALL:
        raise
    except Exception as error:
        return Outcome(
            scores=trainings.scores,
            engine=trainings.engine,
            error=_failure(error),
            is_rejected=isinstance(error, FailedTrial),
        )


class _Trainings:
    """The trainings of one trial, one after the other, and the best of them."""

    def __init__(self, task: Task, report: Report, engine: Engine) -> None:
        self._task = task
        self._report = report
        self._engine = engine
        self._checkpoint = None if task.checkpoint is None else checkpoints.read(task.checkpoint)
        self._started = time.monotonic()
        self._values = task.trial.values
        self._objective = task.objective
        self._best: Run | None = None
        self._best_number = 0
        self._notes: tuple[str, ...] = ()
        self.engine: str | None = None
        self.seconds_saved = 0.0
        self.scores: tuple[float, ...] = ()
        self.is_stopped = False

    def run(self, number: int) -> None:
        """Trains once, with a seed of its own."""
        try:
            run = self._run(number, self._engine)
        except ProgramError as error:
            # A plain fit tells whether the model is at fault: then it fails too, in Keras's own words.
            run = dataclasses.replace(self._run(number, Engine("fit")), engine="fit: its program failed")
            self._notes = (f"trained by a plain fit, since its program failed: {error}"[:300],)
        self.engine = run.engine
        self.seconds_saved += run.seconds_saved
        self.scores = (*self.scores, run.score)
        self.is_stopped = run.is_stopped
        if self._best is None or self._objective.better(run.score, than=self._best.score):
            self._best, self._best_number = run, number

    def _run(self, number: int, engine: Engine) -> Run:
        started = time.monotonic()
        hp = HyperParameters(self._values, self._task.space, partial(_unseen_value, self._task))
        keras.utils.set_random_seed(run_seed(self._task.study_seed, self._task.trial.number, number))
        reset_layer_names()
        try:
            built = interpret(builder_of(self._task.build_fn)(hp), self._objective)
            self._report.asked(Asked(hp.asked, hp.values))
            self._objective = self._with_direction(built.model)
            run = self._scored(built, number) if built.curve else self._trained(hp, built, number, started, engine)
        finally:
            self._report.asked(Asked(hp.asked, hp.values))
        self._values = hp.values
        return run

    def outcome(self) -> Outcome:
        """The mean of the scores, with the best run's model kept where it is good enough."""
        best = self._best
        assert best is not None
        outcome = Outcome(
            scores=self.scores,
            best_run=self._best_number,
            best_epoch=best.best_epoch,
            stop_reason=best.stop_reason,
            is_stopped=self.is_stopped,
            engine=self.engine,
            seconds_saved=self.seconds_saved,
            notes=self._notes,
        )
        path, score = self._task.model_path, outcome.score
        if path is None or best.model is None or score is None:
            return outcome
        if not self._objective.better(score, than=self._task.score_to_beat):
            return outcome
        note = model_files.save(best.model, path)
        return outcome if note is None else dataclasses.replace(outcome, notes=(*self._notes, note))

    def _with_direction(self, model: Any) -> Objective:
        classes, names = (metric_classes(model), metric_names(model)) if model is not None else ({}, set())
        try:
            return with_direction(self._objective, classes)
        except ObjectiveError:
            if model is None or self._objective.name.removeprefix("val_") in names:
                raise
            # The name may be misspelt: the first epoch shows which ones there are.
            return self._objective

    def _trained(self, hp: HyperParameters, built: Built, number: int, started: float, engine: Engine) -> Run:
        """Trains the model with the user's callbacks, and gives it back at its best epoch."""
        task, objective, checkpoint = self._task, self._objective, self._checkpoint
        arguments = _fit_arguments(task, built)
        if number == 0:
            self._report.built(objective, arguments.get("epochs"))
        recorder = EpochRecorder(
            objective,
            lambda epoch, logs: self._report.epoch(number, epoch, logs),
            may_be_missing=arguments.get("validation_freq", 1) != 1 and objective.name.startswith("val_"),
            earlier=() if checkpoint is None else task.trial.curve,
            counts_from=task.trial.first_epoch,
        )
        callbacks = self._callbacks(hp, arguments.pop("callbacks", ()), number, started)
        states, pause = pausing_callbacks(
            built.model, task.trial, checkpoint, task.checkpoint_path, callbacks, recorder
        )
        if checkpoint is not None:
            assert task.data is not None
            go_on(built.model, task.data.arguments()["x"], checkpoint)
            arguments["initial_epoch"] = checkpoint.epochs
            recorder.goes_on(built.model, checkpoint.best_weights)
        arguments["callbacks"] = [*callbacks, states, *self._limits(), recorder, pause]
        seed = run_seed(task.study_seed, task.trial.number, number)
        fitted = _fit(task.build_fn, hp, built.model, arguments, engine, seed)
        returned = curve_of(fitted.history, objective) if fitted.history is not None and not recorder.curve else None
        if returned:
            return self._scored(Built(built.model, None, returned), number)
        best_epoch, score = _best_of(objective, recorder)
        if recorder.best_weights is not None:
            built.model.set_weights(recorder.best_weights)
        reason = recorder.stopped or callback_copies.stop_reason(arguments["callbacks"])
        if pause.is_paused:
            reason = f"paused after {task.trial.pause_at} of {task.trial.epochs} epochs"
        return Run(
            score=score,
            best_epoch=best_epoch,
            stop_reason=reason,
            is_stopped=recorder.stopped is not None or pause.is_paused,
            engine=fitted.how,
            seconds_saved=fitted.seconds_saved,
            model=built.model,
        )

    def _callbacks(self, hp: HyperParameters, decided: Any, number: int, started: float) -> list[Any]:
        """The user's callbacks, fresh: those given to the search and those that build_fn decided."""
        task, runs = self._task, self._task.first_run + self._task.runs
        trial = dataclasses.replace(task.trial, values=hp.values)
        callbacks = [
            callback
            for source in (task.callbacks, decided)
            for callback in callback_copies.for_training(
                source, trial, number, runs, goes_on=task.checkpoint is not None
            )
        ]
        for callback in callbacks:
            if isinstance(callback, TimeLimit):
                callback.charge(time.monotonic() - started)
        return callbacks

    def _limits(self) -> list[Any]:
        """What ends the training when the whole search's time is over."""
        if self._task.seconds_left is None:
            return []
        seconds = self._task.seconds_left - (time.monotonic() - self._started)
        return [TimeLimit(seconds=max(seconds, 1e-3))]

    def _scored(self, built: Built, number: int) -> Run:
        """The run of a function that trained by itself."""
        objective = self._objective
        if self._task.trial.asked_epochs is not None:
            raise BuildError(
                "This search decides how long a trial trains, so it has to train by fit: build_fn has to return a "
                "compiled model, not the result of its own training."
            )
        if number == 0:
            self._report.built(objective, len(built.curve))
        for epoch, logs in enumerate(built.curve):
            self._report.epoch(number, epoch, logs)
        name = objective.reported_name(dict.fromkeys(name for logs in built.curve for name in logs))
        scores = [logs.get(name) for logs in built.curve]
        best_epoch = objective.best_epoch(scores)
        if best_epoch is None:
            raise Diverged(f"The objective {objective.name!r} is {scores[-1]}, not a finite number.")
        score = scores[best_epoch]
        assert score is not None
        return Run(score=score, best_epoch=best_epoch, stop_reason=None, model=built.model)


def _unseen_value(task: Task, parameter: Parameter) -> Value:
    """The value of a parameter that the trial's values don't hold."""
    if task.trial.number == 0 and parameter.default is not UNSET:
        return parameter.default
    if task.trial.unseen == "first":
        return parameter.grid(2)[0]
    return random_value(parameter, task.study_seed, task.trial.number)


def _fit(
    build_fn: Any, hp: HyperParameters, model: Any, arguments: dict[str, Any], engine: Engine, seed: int
) -> Fitted:
    own_fit = getattr(build_fn, "fit", None) if hasattr(build_fn, "build") else None
    arguments = {"verbose": 0, **arguments}
    if own_fit is None:
        return engine.fit(model, arguments, seed)
    positional = [arguments.pop(name) for name in ("x", "y") if name in arguments]
    return Fitted(own_fit(hp, model, *positional, **arguments), "fit: build_fn has its own fit")


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
    if task.trial.asked_epochs is None:
        return {**task.data.arguments(), **decided}
    for name in ("epochs", "initial_epoch"):
        if name in decided:
            raise BuildError(
                f"build_fn returned {name}={decided[name]!r} among fit's arguments, and this search decides itself how "
                f"long a trial trains. Leave {name} out."
            )
    return {**task.data.arguments(), **decided, "epochs": task.trial.asked_epochs}


def _best_of(objective: Objective, recorder: EpochRecorder) -> tuple[int, float]:
    """The best epoch and its score.

    Raises:
        Diverged: The loss became NaN, or the objective was finite in no epoch.
        ObjectiveError: No epoch reported the objective.
    """
    if recorder.diverged is not None:
        earlier = "" if recorder.score is None else f"; {objective.name} had been {recorder.score:.5g} before"
        raise Diverged(f"The loss became NaN in epoch {recorder.diverged}{earlier}. A smaller learning rate may help.")
    if recorder.best_epoch is not None and recorder.score is not None:
        return recorder.best_epoch, recorder.score
    if not recorder.curve:
        raise Diverged("No epoch was trained: epochs has to be at least 1, and the data must hold at least one batch.")
    seen = [score for score in recorder.scores if score is not None]
    if not seen:
        raise ObjectiveError(
            f"The objective {objective.name!r} was reported in no epoch; with validation_freq above the number of "
            "epochs there is no validation. Lower validation_freq or train longer."
        )
    told = "NaN" if all(math.isnan(score) for score in seen) else "not finite"
    raise Diverged(f"The objective {objective.name!r} was {told} in every epoch.")


def _failure(error: Exception) -> TrialFailure:
    text = "".join(traceback.format_exception(error))
    # The frames of the traceback hold the model, which has to be freed.
    cause: BaseException | None = error
    while cause is not None:
        traceback.clear_frames(cause.__traceback__)
        cause.__traceback__, cause = None, cause.__cause__ or cause.__context__
    return TrialFailure(type=type(error).__name__, message=str(error), traceback=text)
