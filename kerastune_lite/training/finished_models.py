"""Models of finished trials: built afresh, loaded as they were kept, or trained again on other data."""

from __future__ import annotations

import math
import statistics
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras

from kerastune_lite.callbacks import EarlyStopping, TargetReached, TimeLimit
from kerastune_lite.errors import DataError, NoResultError
from kerastune_lite.running.task import Builder, BuildFunction, OwnFit, Shared, call_own_fit, own_fit_of
from kerastune_lite.running.training_data import TrainingData
from kerastune_lite.space import HyperParameters, Presets, Value
from kerastune_lite.study.files import StudyFiles
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Trial
from kerastune_lite.training import callback_copies, model_files
from kerastune_lite.training.build import Built, built_with
from kerastune_lite.training.data import prepare
from kerastune_lite.training.engine.engine import Engine
from kerastune_lite.training.example import example_of
from kerastune_lite.training.keras_internals import seeds_put_back
from kerastune_lite.training.model_files import Loaded, ModelFileError
from kerastune_lite.training.recorder import Weights

STOPPING = (keras.callbacks.EarlyStopping, EarlyStopping, TargetReached, TimeLimit)
"""Callbacks that are there to stop a training: one whose length is known has no use for them."""


def built(
    build_fn: BuildFunction | Builder,
    values: Mapping[str, Value],
    objective: Objective,
    presets: Presets | None = None,
) -> tuple[keras.Model, dict[str, Any]]:
    """A fresh, compiled model of a setting, and the arguments of `fit` that build_fn decided with it.

    Raises:
        NoResultError: build_fn gives back no model.
        KerastuneError: build_fn refuses a value, or returned something that can't be trained.
    """
    result = built_with(build_fn, HyperParameters(values, presets=presets), objective)
    return _model_of(result), dict(result.fit_arguments or {})


def loaded(
    trials: Sequence[Trial], files: StudyFiles, keep_models: int, build: Callable[[Trial], keras.Model]
) -> list[Loaded]:
    """The models of trials, in their order. Those that can't be given back are left out, with a warning.

    Args:
        trials: Whose models.
        files: Where they were kept.
        keep_models: How many the search was to keep, for the messages.
        build: Builds the model of a trial, for one that Keras can't make from its file alone.

    Raises:
        NoResultError: None was kept, or none can be read; with the cause that Keras gave.
    """
    missing = [trial for trial in trials if not files.has_model(trial.number)]
    reasons = "".join(f" Trial {t.number}: {note}." for t in missing for note in t.notes if note.kind == "model")
    if len(missing) == len(trials):
        raise NoResultError(
            f"No model of the best trials was kept in {files.directory} (keep_models={keep_models}).{reasons}"
            + ("" if reasons else " tuner.retrain(x, y) trains the best setting again.")
        )
    models: list[Loaded] = []
    failures: list[NoResultError] = []
    for trial in trials:
        if trial not in missing:
            try:
                models.append(_loaded(trial, files, build))
            except NoResultError as error:
                failures.append(error)
    if not models:
        raise failures[0]
    told = []
    if missing:
        numbers = ", ".join(str(trial.number) for trial in missing)
        told.append(
            f"no model of trial {numbers} was kept (keep_models={keep_models}).{reasons} tuner.retrain(x, y, trial=…) "
            "trains one of them again."
        )
    told += [f"{error}" for error in failures]
    if told:
        warnings.warn(f"best_models({len(trials)}) gives {len(models)}: {' '.join(told)}", stacklevel=3)
    return models


def _loaded(trial: Trial, files: StudyFiles, build: Callable[[Trial], keras.Model]) -> Loaded:
    try:
        return model_files.load(files.model(trial.number), files.weights(trial.number), partial(build, trial))
    except ModelFileError as error:
        raise NoResultError(
            f"The model of trial {trial.number} can't be given back: {error}. tuner.retrain(x, y, trial=…) trains its "
            "setting again."
        ) from error


def retrained(
    trial: Trial,
    shared: Shared,
    data: tuple[Any, Any],
    epochs: int | None,
    fit_arguments: Mapping[str, Any],
) -> keras.Model:
    """A fresh model of a trial's setting, trained on other data as the search trained it.

    Args:
        trial: The trial; its seed is set before the build.
        shared: The search's build_fn, fit arguments and callbacks. Its data aren't used.
        data: Inputs and targets; None for those that build_fn brings.
        epochs: How long; None trains as long as the trial took to its best epoch.
        fit_arguments: What `fit` is given instead of the search's own arguments.

    Raises:
        DataError: There are no data, or a name isn't one of `fit`'s arguments.
        NoResultError: build_fn trains by itself and gives back no model.
    """
    with seeds_put_back():
        if trial.seed is not None:
            keras.utils.set_random_seed(trial.seed)
        return _retrained(trial, shared, data, epochs, fit_arguments)


def refitted(trial: Trial, shared: Shared, path: Path, weights_path: Path) -> str:
    """Trains a trial's setting on the samples of all its folds, and keeps the model in the place of the trial's own.

    Args:
        trial: The trial.
        shared: What the trials of its search shared.
        path: Where its model is kept.
        weights_path: Where its weights are kept, where the model can't be kept whole.

    Returns:
        What a person is told.
    """
    data = shared.data
    weights = {} if data.sample_weight is None else {"sample_weight": data.sample_weight}
    model = retrained(trial, shared, (data.x, data.y), None, weights)
    note = model_files.save(model, path, weights_path, example_of({"x": data.x, "y": data.y}))
    epochs = _epochs_of(trial)
    told = f"trial {trial.number} was trained again on all samples, for {epochs} {'epoch' if epochs == 1 else 'epochs'}"
    return told if note is None else f"{told}: {note}"


def _retrained(
    trial: Trial, shared: Shared, data: tuple[Any, Any], epochs: int | None, fit_arguments: Mapping[str, Any]
) -> keras.Model:
    hp = HyperParameters(trial.values, presets=shared.presets)
    result = built_with(shared.build_fn, hp, Objective("loss"))
    model, own_fit = _model_of(result), own_fit_of(shared.build_fn)
    if result.result is not None:
        if data[0] is not None:
            raise DataError(
                "build_fn trains by itself, on data of its own: retrain() takes no x then, and gives back its model."
            )
        return model
    arguments = _arguments(trial, shared, result, data, fit_arguments)
    arguments["epochs"] = epochs or _epochs_of(trial)
    if own_fit is not None:
        return _trained_by(own_fit, hp, model, arguments)
    else:
        if "x" not in arguments:
            raise DataError("retrain() was given no data, and build_fn returns none. Call retrain(x, y, …).")
        Engine("fit").fit(model, arguments, seed=trial.seed or 0)
    return model


def _trained_by(own_fit: OwnFit, hp: HyperParameters, model: keras.Model, arguments: Mapping[str, Any]) -> keras.Model:
    """The model that a fit of the user's own trained: build_fn's, or the one that it returned with its metrics."""
    before = Weights.of(model)
    returned = call_own_fit(own_fit, hp, model, arguments)
    returned_model = returned.get("model") if isinstance(returned, Mapping) else returned
    if isinstance(returned_model, keras.Model):
        return returned_model
    if not before.differ(model):
        raise NoResultError(
            "The fit of build_fn trained other models than build_fn's (folds or copies), so there is none to give "
            "back. tuner.build(trial) makes it: train that on all data."
        )
    return model


def _model_of(result: Built) -> keras.Model:
    if result.model is None:
        raise NoResultError("build_fn trains by itself and gives back no model.")
    return result.model


def _arguments(
    trial: Trial, shared: Shared, result: Built, data: tuple[Any, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments of a retraining: the search's own, then those of the setting, then those that are given."""
    x, y = data
    given = dict(given)
    decided = {name: value for name, value in (result.fit_arguments or {}).items() if name not in given}
    if x is not None:
        decided = {name: value for name, value in decided.items() if name not in ("x", "y", "sample_weight")}
    own_callbacks = (shared.callbacks, decided.pop("callbacks", ()))
    searched = {name: value for name, value in shared.data.fit_arguments.items() if name not in _OF_THE_SEARCH}
    if "callbacks" not in given:
        given["callbacks"] = [
            callback
            for source in own_callbacks
            for callback in callback_copies.for_retraining(source, trial)
            if not isinstance(callback, STOPPING)
        ]
    new: TrainingData = prepare(x, y, given.pop("validation_data", None), 0.0, {"verbose": 0, **searched, **given})
    return new.arguments(brought=decided)


_OF_THE_SEARCH = ("epochs", "initial_epoch", "validation_split")


def _epochs_of(trial: Trial) -> int:
    """How many epochs a trial took to its best one, in the median fold where there are folds.

    All of them where the score is of none of them.
    """
    if trial.best_epoch is None:
        return trial.epochs or 1
    if trial.folds:
        of_folds = [epoch for epoch in trial.best_epochs if epoch is not None] or [trial.best_epoch]
        return math.floor(statistics.median(of_folds)) + 1
    # In a fit of the user's own, which may train several times, the recorded epochs may be more than it was asked for.
    return min(trial.best_epoch + 1, trial.epochs or trial.best_epoch + 1)
