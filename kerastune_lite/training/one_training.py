"""One training of a trial: build the model, fit it, and score it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from kerastune_lite.callbacks import TimeLimit
from kerastune_lite.errors import BuildError, ObjectiveError
from kerastune_lite.running.task import AskedParameters, Report, Request, Shared, own_fit_of
from kerastune_lite.space import UNSET, HyperParameters, Parameter, Value
from kerastune_lite.space.seeds import random_value, run_seed
from kerastune_lite.study.files import of_run
from kerastune_lite.study.objective import Objective, with_direction
from kerastune_lite.study.trial import Note, Trained
from kerastune_lite.training import callback_copies
from kerastune_lite.training.averaged_weights import may_change_weights
from kerastune_lite.training.build import Built, built_with
from kerastune_lite.training.checkpoints import Checkpoint
from kerastune_lite.training.engine.engine import Engine
from kerastune_lite.training.example import Example, example_of
from kerastune_lite.training.fit_arguments import fit_arguments, recordable
from kerastune_lite.training.folds import data_of_run
from kerastune_lite.training.keras_internals import (
    metric_classes,
    metric_names,
    reset_compiled_metrics,
)
from kerastune_lite.training.leaks import leak_notes, remember
from kerastune_lite.training.own_fit import Scored, scored_by_epochs, scored_by_own_fit
from kerastune_lite.training.pausing import PauseAt, pausing_callbacks, resume
from kerastune_lite.training.recorder import EpochRecorder
from kerastune_lite.training.returned import Curve, Returned
from kerastune_lite.training.seeding import set_random_seed

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
        is_paused: Whether it was paused.
        trained: How it was trained; None where build_fn trained by itself.
        seconds_saved: How long the engine would have traced what it had traced before.
        model: The model, with the weights that were scored; None where there is none that has the score.
        example: Tells the shapes of the data that it was trained on.
        notes: Remarks for the trial's record.
        returned: What build_fn returned besides the model or the metrics of epochs, as JSON can hold it.
        curve: The logs of each epoch.
    """

    number: int
    values: Mapping[str, Value]
    objective: Objective
    score: float
    best_epoch: int | None
    stop_reason: str | None = None
    is_stopped: bool = False
    is_paused: bool = False
    trained: Trained | None = None
    seconds_saved: float = 0.0
    model: keras.Model | None = field(default=None, repr=False)
    example: Callable[[], Example | None] = lambda: None
    notes: tuple[Note, ...] = ()
    returned: Mapping[str, Any] = field(default_factory=dict)
    curve: Curve = ()


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
        hp: What is asked, where all trainings of the trial ask the same object; None makes one.
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
    hp: HyperParameters | None = None

    @property
    def seed(self) -> int:
        """What Python, NumPy, Keras and the order of the samples are seeded with."""
        return run_seed(self.request.study_seed, self.request.trial.number, self.number)

    @property
    def _pause_path(self) -> Path | None:
        """Where this training is kept if it pauses."""
        path = self.request.checkpoint_path
        return None if path is None else of_run(path, self.number)

    @property
    def _earlier(self) -> Curve:
        """The epochs that this training has had before, where it goes on with one."""
        curves = self.request.trial.curves
        return tuple(curves[self.number]) if self.checkpoint is not None and self.number < len(curves) else ()

    def run(self) -> Run:
        """Builds, trains and scores.

        Raises:
            ProgramError: A program of the engine failed, and it takes a plain `fit` to know whether the model did.
            Exception: Whatever the user's code or Keras raises.
        """
        started = time.monotonic()
        hp = asked_by(self.request, self.shared, self.values) if self.hp is None else self.hp
        set_random_seed(self.seed)
        try:
            built = built_with(self.shared.build_fn, hp, self.objective)
            self.report.asked(AskedParameters(hp.asked, hp.values))
            objective = _settled(self.objective, built.model)
            if built.result is not None:
                return self._scored(hp, built.model, built.result, objective)
            return self._fitted(hp, built, objective, started)
        finally:
            # A build that failed has asked too, and a fit of the user's own may ask for more.
            self.report.asked(AskedParameters(hp.asked, hp.values))

    def _fitted(self, hp: HyperParameters, built: Built, objective: Objective, started: float) -> Run:
        """Trains the model with the user's callbacks, and gives it the weights that were scored."""
        model, trial = built.model, self.request.trial
        assert model is not None
        reset_compiled_metrics(model)
        own_fit = own_fit_of(self.shared.build_fn)
        self._check_default_objective(built)
        self._check_leaves_data_alone(built)
        data = data_of_run(self.shared.data, self.number)
        arguments = fit_arguments(built, data, trial.plan.epochs, objective, has_own_fit=own_fit is not None)
        notes = leak_notes(model)
        if self.number == 0:
            self.report.built(objective, arguments.get("epochs"))
        callbacks = self._callbacks(hp, arguments.pop("callbacks", ()), started)
        recorder = self._recorder(model, objective, arguments, callbacks)
        states, pause = pausing_callbacks(
            model, trial.plan.pause_at, self.checkpoint, self._pause_path, callbacks, recorder
        )
        if self.checkpoint is not None:
            resume(model, arguments.get("x"), self.checkpoint)
            arguments["initial_epoch"] = self.checkpoint.epochs
            recorder.resume(model, self.checkpoint.best_weights)
        arguments = {"verbose": 0, **arguments, "callbacks": [*callbacks, states, *self._time_limit(), recorder, pause]}
        scored = self._trained(hp, model, arguments, recorder)
        remember(model)
        return Run(
            number=self.number,
            values=hp.values,
            objective=objective,
            score=scored.score,
            best_epoch=scored.best_epoch,
            stop_reason=_stop_reason(recorder, pause, arguments),
            is_stopped=recorder.stopped is not None or pause.is_paused,
            is_paused=pause.is_paused,
            trained=scored.trained,
            seconds_saved=scored.seconds_saved,
            model=scored.model,
            example=partial(example_of, {name: arguments.get(name) for name in ("x", "y")}),
            notes=(*notes, *recorder.notes, *scored.notes),
            returned={**recordable(built.fit_arguments or {}), **scored.besides},
            curve=tuple(recorder.curve) or scored.unrecorded,
        )

    def _recorder(
        self, model: keras.Model, objective: Objective, arguments: Mapping[str, Any], callbacks: Callbacks
    ) -> EpochRecorder:
        is_validated = objective.name.startswith("val_")
        return EpochRecorder(
            model,
            objective,
            lambda epoch, logs: self.report.epoch(self.number, epoch, logs),
            may_be_missing=is_validated and arguments.get("validation_freq", 1) != 1,
            is_own_fit=own_fit_of(self.shared.build_fn) is not None,
            keeps_validated=is_validated and any(map(may_change_weights, callbacks)),
            earlier=self._earlier,
            counts_from=self.request.trial.first_epoch,
        )

    def _trained(
        self, hp: HyperParameters, model: keras.Model, arguments: dict[str, Any], recorder: EpochRecorder
    ) -> Scored:
        """Trains by the engine, or by the user's own fit."""
        own_fit = own_fit_of(self.shared.build_fn)
        if own_fit is None:
            fitted = self.engine.fit(model, arguments, self.seed)
            scored = scored_by_epochs(model, recorder)
            return dataclasses.replace(
                scored,
                trained=fitted.trained,
                seconds_saved=fitted.seconds_saved,
                notes=(*scored.notes, *fitted.notes),
            )
        is_planned = self.request.trial.plan.epochs is not None
        scored = scored_by_own_fit(own_fit, hp, model, arguments, recorder, is_planned=is_planned)
        for epoch, logs in enumerate(scored.unrecorded):
            self.report.epoch(self.number, epoch, logs)
        return dataclasses.replace(scored, trained=Trained("fit", "build_fn has its own fit"))

    def _check_default_objective(self, built: Built) -> None:
        """Refuses to rank trials by their training loss where build_fn brings data to validate them on."""
        brings_validation = (built.fit_arguments or {}).get("validation_data") is not None
        if brings_validation and not self.shared.objective_is_given and not self.shared.data.has_validation:
            raise ObjectiveError(
                "build_fn returns validation data, and the tuner was given no objective: it would take the training "
                "loss. Pass objective='val_loss', or the name of another metric."
            )

    def _check_leaves_data_alone(self, built: Built) -> None:
        """Refuses data that build_fn brings where the search divides its own into folds."""
        brought = [
            name for name in ("x", "y", "sample_weight", "validation_data") if name in (built.fit_arguments or {})
        ]
        if brought and self.shared.data.folds is not None:
            raise BuildError(
                f"build_fn returned {' and '.join(brought)} among fit's arguments, and cv= divides the data that "
                "search() was given. Leave it out, or search without cv."
            )

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

    def _scored(self, hp: HyperParameters, model: keras.Model | None, result: Returned, objective: Objective) -> Run:
        """The run of a function that trained by itself, from what it returned."""
        if self.request.trial.plan.epochs is not None:
            raise BuildError(
                "This search decides how long a trial trains, so it has to train by fit: build_fn has to return a "
                "compiled model, not the result of its own training."
            )
        if self.shared.data.folds is not None:
            raise BuildError(
                "cv= divides the data that search() was given, and build_fn trains by itself. Return a compiled model, "
                "or leave cv out and return the list of the folds' scores."
            )
        curve = result.curve(objective)
        if self.number == 0:
            self.report.built(objective, len(curve))
        for epoch, logs in enumerate(curve):
            self.report.epoch(self.number, epoch, logs)
        best_epoch, score = result.best(objective)
        return Run(
            number=self.number,
            values=hp.values,
            objective=objective,
            score=score,
            best_epoch=best_epoch,
            model=model,
            returned=result.besides,
            curve=curve,
        )


def asked_by(request: Request, shared: Shared, values: Mapping[str, Value]) -> HyperParameters:
    """The `hp` of a trial, which answers with some values, and fills in what they don't hold."""
    # A strategy that doesn't look at the space may have chosen something for what is held.
    free = {name: value for name, value in values.items() if name not in shared.presets.fixed}
    return HyperParameters(
        free, request.space, partial(_filled, request, try_defaults=shared.try_defaults), shared.presets
    )


def _filled(request: Request, parameter: Parameter, *, try_defaults: bool) -> Value:
    """The value of a parameter that the values to try don't hold."""
    trial = request.trial
    if trial.number == 0 and try_defaults and parameter.default is not UNSET:
        return parameter.default
    if trial.plan.fill == "first":
        return parameter.grid(2)[0]
    return random_value(parameter, request.study_seed, trial.number)


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
