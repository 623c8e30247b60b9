"""The score of a training and the model that has it: by the recorded epochs, or by what the user's own fit returned."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import keras

from kerastune_lite.errors import BuildError
from kerastune_lite.running.task import OwnFit, call_own_fit
from kerastune_lite.space import HyperParameters
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Note, Trained
from kerastune_lite.training.recorder import EpochRecorder, TrainingOverError, Weights
from kerastune_lite.training.returned import Curve, Returned, evaluation_of, returned_of
from kerastune_lite.training.scoring import best_of_recorded

_WAYS = (
    "Return the score: a number, a dict of metrics that holds the objective, a History, or a list of these (folds or "
    "repeats)"
)
_NOT_TRAINED = (
    "no model was kept, since the fit of build_fn trained other models than build_fn's (folds or copies); "
    "tuner.build(trial) makes it, to be trained on all data"
)


@dataclass(frozen=True)
class Scored:
    """A training with its score.

    Attributes:
        score: The score.
        best_epoch: The epoch, from 0, whose weights the model has; None where they are those of no recorded epoch.
        model: The model that has the score; None where there is none.
        notes: Remarks for the trial's record.
        unrecorded: The curve that was returned, of a training in which no epoch was recorded.
        trained: How it was trained.
        seconds_saved: How long the engine would have traced what it had traced before.
        besides: What was returned that stands in no epoch's logs.
    """

    score: float
    best_epoch: int | None
    model: keras.Model | None
    notes: tuple[Note, ...] = ()
    unrecorded: Curve = field(default_factory=tuple)
    trained: Trained | None = None
    seconds_saved: float = 0.0
    besides: Mapping[str, Any] = field(default_factory=dict)


def scored_by_epochs(model: keras.Model, recorder: EpochRecorder) -> Scored:
    """The score of the best recorded epoch, whose weights the model is given.

    Raises:
        Diverged: The loss became NaN, or the objective was finite in no epoch.
        ObjectiveError: No epoch reported the objective.
    """
    best_epoch, score = best_of_recorded(recorder)
    recorder.restore_best()
    return Scored(score, best_epoch, model)


def scored_by_own_fit(
    own_fit: OwnFit,
    hp: HyperParameters,
    model: keras.Model,
    arguments: Mapping[str, Any],
    recorder: EpochRecorder,
    *,
    is_planned: bool,
) -> Scored:
    """Trains by the user's own fit. What it returns is the score; where that is nothing, the recorded epochs tell it.

    A History of the trial's own model is nothing new: its epochs were recorded, those of earlier stages too.

    Args:
        own_fit: The user's fit.
        hp: What it may ask for more.
        model: The model that build_fn made.
        arguments: The arguments of fit, of which x and y are given by position. The recorder is among the callbacks.
        recorder: The recorder of the training.
        is_planned: Whether the search decides how long the trial trains, so that its epochs have to be recorded.

    Raises:
        BuildError: It returned something that is no result, or neither trained by `model.fit` nor returned a result.
        Exception: Whatever it raises.
    """
    before = Weights.of(model)
    try:
        with _every_fit_recorded(model, recorder, arguments["callbacks"]):
            value = call_own_fit(own_fit, hp, model, arguments)
    except TrainingOverError:
        value = None
    if is_planned and not recorder.trained_here:
        raise BuildError(
            "This search decides how long a trial trains, so the own fit of build_fn has to train its model by "
            "model.fit(…, epochs=epochs, callbacks=callbacks)."
        )
    if recorder.is_over and is_planned:
        value = None
    returned = None if _is_nothing_new(value, model, recorder) else _result_of(value, model, recorder.objective)
    if returned is not None:
        scored = _scored_by_result(returned, model, recorder, before)
        return replace(scored, besides=_besides(returned, recorder))
    if not recorder.curve:
        raise BuildError(f"The own fit of build_fn returned nothing, and trained no epoch by model.fit. {_WAYS}.")
    scored = scored_by_epochs(model, recorder)
    if recorder.trained_here or before.differ(model):
        return scored
    notes = [Note(_NOT_TRAINED, "model")]
    if recorder.trainings > 1:
        text = f"the score is the best of {recorder.trainings} trainings of other models: let fit return their mean"
        notes.insert(0, Note(text, "score"))
    return Scored(scored.score, None, None, tuple(notes))


@contextmanager
def _every_fit_recorded(
    model: keras.Model, recorder: EpochRecorder, callbacks: Sequence[keras.callbacks.Callback]
) -> Iterator[None]:
    """Lets each `model.fit` inside be recorded, also one that isn't given the callbacks."""
    fit = model.fit
    ours = callbacks[[callback is recorder for callback in callbacks].index(True) :]

    @functools.wraps(fit)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        given = kwargs.get("callbacks")
        if not isinstance(given, keras.callbacks.CallbackList):
            listed = keras.tree.flatten(given or [])
            if not any(callback is recorder for callback in listed):
                kwargs["callbacks"] = [*listed, *ours]
        return fit(*args, **kwargs)

    model.fit = recorded
    try:
        yield
    finally:
        del model.fit


def _is_nothing_new(value: Any, model: keras.Model, recorder: EpochRecorder) -> bool:
    """Whether a value says nothing about the score that the recorded epochs don't."""
    if isinstance(value, keras.callbacks.History):
        return value.model is model and recorder.trained_here
    return value is None or isinstance(value, keras.Model)


def _result_of(value: Any, model: keras.Model, objective: Objective) -> Returned:
    returned = returned_of(evaluation_of(value, model) or value, objective)
    if returned is None:
        raise BuildError(
            f"The own fit of build_fn returned {value!r} ({type(value).__name__}). {_WAYS}; or nothing, and the "
            "epochs of model.fit(…, callbacks=callbacks) count."
        )
    return returned


def _scored_by_result(returned: Returned, model: keras.Model, recorder: EpochRecorder, before: Weights) -> Scored:
    objective = recorder.objective
    place, score = returned.best(objective)
    unrecorded: Curve = () if recorder.curve else returned.curve(objective)
    if returned.model is not None and returned.model is not model:
        return Scored(score, None, returned.model, unrecorded=unrecorded)
    notes = _notes_on_parts(len(returned.curves), recorder)
    best = recorder.score if recorder.trained_here else None
    is_of_best_epoch = best is not None and math.isclose(score, best, rel_tol=1e-6, abs_tol=1e-12)
    if recorder.trained_here and (is_of_best_epoch or len(returned.curves) > 1):
        recorder.restore_best()
        return Scored(score, recorder.best_epoch, model, notes)
    if not before.differ(model):
        return Scored(score, None, None, (*notes, Note(_NOT_TRAINED, "model")), unrecorded)
    # The score was computed from the model as it is now: its weights are those after the last epoch.
    last = len(recorder.curve) - 1 if recorder.trained_here else None
    is_of_last_epoch = len(unrecorded) > 1 and place == len(unrecorded) - 1
    return Scored(score, place if is_of_last_epoch else last, model, notes, unrecorded)


def _besides(returned: Returned, recorder: EpochRecorder) -> dict[str, Any]:
    """What a fit returned for the record: texts, and numbers where its curve is the recorded one and lacks them."""
    if not recorder.curve or len(returned.curves) > 1:
        return dict(returned.besides)
    recorded = {name for logs in recorder.curve for name in logs}
    numbers = {name: number for name, number in returned.curves[0][-1].items() if name not in recorded}
    return {**numbers, **returned.besides}


def _notes_on_parts(parts: int, recorder: EpochRecorder) -> tuple[Note, ...]:
    if parts == 1:
        return ()
    kept = "; the model is that of the best recorded epoch" if recorder.trained_here else ""
    return (Note(f"the score is the mean of the {parts} results that fit returned{kept}", "score"),)
