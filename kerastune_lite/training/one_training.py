"""One training of a trial: build the model, fit it, and score it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import keras

from kerastune_lite.callbacks import TimeLimit
from kerastune_lite.errors import BuildError, ObjectiveError
from kerastune_lite.running.task import AskedParameters, Report, Request, Shared
from kerastune_lite.space import UNSET, HyperParameters, Parameter, Value
from kerastune_lite.space.seeds import random_value, run_seed
from kerastune_lite.study.objective import Objective, with_direction
from kerastune_lite.study.trial import Trained
from kerastune_lite.training import callback_copies
from kerastune_lite.training.build import Built, builder_of, curve_of, interpret
from kerastune_lite.training.checkpoints import Checkpoint
from kerastune_lite.training.engine.engine import Engine, Fitted
from kerastune_lite.training.fit_arguments import fit_arguments
from kerastune_lite.training.keras_internals import metric_classes, metric_names, reset_layer_names
from kerastune_lite.training.pausing import PauseAt, pausing_callbacks, resume
from kerastune_lite.training.recorder import EpochRecorder
from kerastune_lite.training.scoring import best_of_curve, best_of_recorded

if TYPE_CHECKING:
    from kerastune_lite.running.task import CallbackSource

    Callbacks = list[keras.callbacks.Callback]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A training that is done and has a score.

    Attributes:
        number: Which training of the trial it is, from 0.
        values: The active parameters that build_fn asked for, and what they were answered.
        objective: What is optimised, with its direction.
        score: The objective at the best epoch.
        best_epoch: The epoch with the best score, from 0.
        stop_reason: Why it ended before its last epoch, or None.
        is_stopped: Whether the search ended or paused it, and not the user's callbacks.
        trained: How it was trained; None where build_fn trained by itself.
        seconds_saved: How long the engine would have traced what it had traced before.
        model: The model, with the weights of its best epoch; None where build_fn gave none back.
    """

    number: int
    values: Mapping[str, Value]
    objective: Objective
    score: float
    best_epoch: int
    stop_reason: str | None = None
    is_stopped: bool = False
    trained: Trained | None = None
    seconds_saved: float = 0.0
    model: keras.Model | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training of a trial that is to be done.

    Attributes:
        shared: What all trials of the search share.
        request: The trial.
        report: Its methods are called with what the training asks for and reaches.
        engine: What trains.
        number: Which training of the trial it is, from 0; it has a seed of its own.
        values: The values to try: those of the request, or all that the trial's first build asked for.
        objective: What is optimised; its direction may still be unknown.
        checkpoint: The training that this one continues, or None.
        deadline: When the time of the whole search is over, by `time.monotonic()`; None for no bound.
    """

    shared: Shared
    request: Request
    report: Report
    engine: Engine
    number: int
    values: Mapping[str, Value]
    objective: Objective
    checkpoint: Checkpoint | None = None
    deadline: float | None = None

    @property
    def seed(self) -> int:
        """What Python, NumPy, Keras and the order of the samples are seeded with."""
        return run_seed(self.request.study_seed, self.request.trial.number, self.number)

    def run(self) -> Run:
        """Builds, trains and scores.

        Raises:
            ProgramError: A program of the engine failed, and it takes a plain `fit` to know whether the model did.
            Exception: Whatever the user's code or Keras raises.
        """
        started = time.monotonic()
        # A strategy that doesn't look at the space may have chosen something for what is held.
        free = {name: value for name, value in self.values.items() if name not in self.shared.fixed}
        hp = HyperParameters(free, self.request.space, self._fill, self.shared.fixed)
        keras.utils.set_random_seed(self.seed)
        reset_layer_names()
        try:
            built = interpret(builder_of(self.shared.build_fn)(hp), self.objective)
            self.report.asked(AskedParameters(hp.asked, hp.values))
            objective = _settled(self.objective, built.model)
            if built.curve:
                return self._scored(hp, built.model, built.curve, objective)
            return self._fitted(hp, built, objective, started)
        finally:
            # A build that failed has asked too, and a fit of the user's own may ask for more.
            self.report.asked(AskedParameters(hp.asked, hp.values))

    def _fill(self, parameter: Parameter) -> Value:
        """The value of a parameter that the values to try don't hold."""
        trial = self.request.trial
        if trial.number == 0 and parameter.default is not UNSET:
            return parameter.default
        if trial.plan.fill == "first":
            return parameter.grid(2)[0]
        return random_value(parameter, self.request.study_seed, trial.number)

    def _fitted(self, hp: HyperParameters, built: Built, objective: Objective, started: float) -> Run:
        """Trains the model with the user's callbacks, and gives it the weights of its best epoch."""
        model, trial = built.model, self.request.trial
        assert model is not None
        arguments = fit_arguments(built, self.shared.data, trial.plan.epochs)
        if self.number == 0:
            self.report.built(objective, arguments.get("epochs"))
        recorder = EpochRecorder(
            objective,
            lambda epoch, logs: self.report.epoch(self.number, epoch, logs),
            may_be_missing=arguments.get("validation_freq", 1) != 1 and objective.name.startswith("val_"),
            earlier=() if self.checkpoint is None else trial.curve,
            counts_from=trial.first_epoch,
        )
        callbacks = self._callbacks(hp, arguments.pop("callbacks", ()), started)
        states, pause = pausing_callbacks(
            model, trial.plan.pause_at, self.checkpoint, self.request.checkpoint_path, callbacks, recorder
        )
        if self.checkpoint is not None:
            assert self.shared.data is not None
            resume(model, self.shared.data.arguments()["x"], self.checkpoint)
            arguments["initial_epoch"] = self.checkpoint.epochs
            recorder.resume(model, self.checkpoint.best_weights)
        arguments["callbacks"] = [*callbacks, states, *self._time_limit(), recorder, pause]
        fitted = self._fit(hp, model, arguments)
        returned = curve_of(fitted.history, objective) if fitted.history is not None and not recorder.curve else None
        if returned:
            return self._scored(hp, model, returned, objective)
        best_epoch, score = best_of_recorded(recorder)
        if recorder.best_weights is not None:
            model.set_weights(recorder.best_weights)
        return Run(
            number=self.number,
            values=hp.values,
            objective=objective,
            score=score,
            best_epoch=best_epoch,
            stop_reason=_stop_reason(recorder, pause, arguments),
            is_stopped=recorder.stopped is not None or pause.is_paused,
            trained=fitted.trained,
            seconds_saved=fitted.seconds_saved,
            model=model,
        )

    def _fit(self, hp: HyperParameters, model: keras.Model, arguments: dict[str, Any]) -> Fitted:
        """Trains by the engine, or by the `fit` of the user's own builder."""
        build_fn = self.shared.build_fn
        own_fit: Callable[..., Any] | None = getattr(build_fn, "fit", None) if hasattr(build_fn, "build") else None
        arguments = {"verbose": 0, **arguments}
        if own_fit is None:
            return self.engine.fit(model, arguments, self.seed)
        positional = [arguments.pop(name) for name in ("x", "y") if name in arguments]
        return Fitted(own_fit(hp, model, *positional, **arguments), Trained("fit", "build_fn has its own fit"))

    def _callbacks(self, hp: HyperParameters, decided: CallbackSource, started: float) -> Callbacks:
        """The user's callbacks, fresh: those given to the search and those that build_fn returned."""
        request = self.request
        trial = dataclasses.replace(request.trial, values=hp.values)
        callbacks = [
            callback
            for source in (self.shared.callbacks, decided)
            for callback in callback_copies.for_training(
                source,
                trial,
                self.number,
                request.first_run + request.runs,
                is_resumed=request.checkpoint is not None,
            )
        ]
        for callback in callbacks:
            if isinstance(callback, TimeLimit):
                callback.charge(time.monotonic() - started)
        return callbacks

    def _time_limit(self) -> Callbacks:
        """What ends the training when the time of the whole search is over."""
        return [] if self.deadline is None else [TimeLimit(seconds=max(self.deadline - time.monotonic(), 1e-3))]

    def _scored(
        self, hp: HyperParameters, model: keras.Model | None, curve: Sequence[Mapping[str, float]], objective: Objective
    ) -> Run:
        """The run of a function that trained by itself, from the curve that it returned."""
        if self.request.trial.plan.epochs is not None:
            raise BuildError(
                "This search decides how long a trial trains, so it has to train by fit: build_fn has to return a "
                "compiled model, not the result of its own training."
            )
        if self.number == 0:
            self.report.built(objective, len(curve))
        for epoch, logs in enumerate(curve):
            self.report.epoch(self.number, epoch, logs)
        best_epoch, score = best_of_curve(objective, curve)
        return Run(
            number=self.number,
            values=hp.values,
            objective=objective,
            score=score,
            best_epoch=best_epoch,
            model=model,
        )


def _settled(objective: Objective, model: keras.Model | None) -> Objective:
    """The objective with its direction, where the model's metrics or the name tell it."""
    classes, names = ({}, set[str]()) if model is None else (metric_classes(model), metric_names(model))
    try:
        return with_direction(objective, classes)
    except ObjectiveError:
        if model is None or objective.name.removeprefix("val_") in names:
            raise
        # The name may be misspelt: the first epoch shows which ones there are.
        return objective


def _stop_reason(recorder: EpochRecorder, pause: PauseAt, arguments: Mapping[str, Any]) -> str | None:
    """Why a training ended before its last epoch, or None."""
    if pause.is_paused:
        return f"paused after {pause.epochs} of {arguments.get('epochs')} epochs"
    return recorder.stopped or callback_copies.stop_reason(arguments["callbacks"])
