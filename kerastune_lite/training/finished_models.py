"""Models of finished trials: built afresh, loaded as they were kept, or trained again on other data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import keras

from kerastune_lite.errors import NoResultError
from kerastune_lite.running.task import Builder, BuildFunction
from kerastune_lite.space import Value
from kerastune_lite.study.files import StudyFiles
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Trial
from kerastune_lite.training import model_files
from kerastune_lite.training.build import built_with
from kerastune_lite.training.data import prepare
from kerastune_lite.training.engine.engine import Engine


def built(
    build_fn: BuildFunction | Builder,
    values: Mapping[str, Value],
    objective: Objective,
    fixed: Mapping[str, Value] | None = None,
) -> tuple[keras.Model, dict[str, Any]]:
    """A fresh, compiled model of a setting, and the arguments of `fit` that build_fn decided with it.

    Raises:
        NoResultError: build_fn gives back no model.
        KerastuneError: build_fn refuses a value, or returned something that can't be trained.
    """
    result = built_with(build_fn, values, objective, fixed)
    if result.model is None:
        raise NoResultError("build_fn trains by itself and gives back no model.")
    return result.model, dict(result.fit_arguments or {})


def loaded(
    trials: Iterable[Trial], files: StudyFiles, keep_models: int, build: Callable[[Trial], keras.Model]
) -> list[keras.Model]:
    """The models of trials, in their order, those left out that weren't kept.

    Args:
        trials: Whose models.
        files: Where they were kept.
        keep_models: How many the search was to keep, for the error's message.
        build: Builds the model of a trial, for one that Keras can't make from its file alone.

    Raises:
        NoResultError: None was kept.
    """
    kept = [(trial, path) for trial in trials if (path := files.model(trial.number)).exists()]
    if not kept:
        raise NoResultError(
            f"No model of the best trials was kept in {files.directory} (keep_models={keep_models}). "
            "tuner.retrain(x, y) trains the best setting again."
        )
    return [model_files.load(path, partial(build, trial)) for trial, path in kept]


def retrained(
    trial: Trial,
    build: Callable[[], tuple[keras.Model, dict[str, Any]]],
    x: Any,
    y: Any,
    epochs: int | None,
    fit_arguments: Mapping[str, Any],
) -> keras.Model:
    """A fresh model of a trial's setting, trained on other data.

    Args:
        trial: The trial; its seed is set before the build.
        build: Builds the model of its setting, and tells the arguments of `fit` that belong to it.
        x: Inputs.
        y: Targets.
        epochs: How long; None trains as long as the trial took to its best epoch.
        fit_arguments: Everything else that `fit` is given.
    """
    if trial.seed is not None:
        keras.utils.set_random_seed(trial.seed)
    model, decided = build()
    best_epochs = 1 if trial.best_epoch is None else trial.best_epoch + 1
    settings = {"verbose": 0, **decided, **fit_arguments, "epochs": epochs or best_epochs}
    arguments = prepare(x, y, settings.pop("validation_data", None), 0.0, settings).arguments()
    Engine("fit").fit(model, arguments, seed=trial.seed or 0)
    return model
