"""KerasTuner's tuner of Keras models: builds, trains and keeps them as a search of this library does."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
import math
import os
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Self

import keras

from kerastune_lite.compat.keras_tuner.base_tuner import BaseTuner, RunningTrial
from kerastune_lite.compat.keras_tuner.errors import FailedTrialError, FatalTypeError, FatalValueError
from kerastune_lite.compat.keras_tuner.hypermodels import own_fit_of
from kerastune_lite.compat.keras_tuner.hyperparameters import HyperParameters
from kerastune_lite.compat.keras_tuner.objectives import DefaultObjective, Objective, may_have_other_name, name_in
from kerastune_lite.compat.keras_tuner.oracles import Oracle
from kerastune_lite.compat.keras_tuner.results import checked, history_of
from kerastune_lite.compat.keras_tuner.trials import Trial
from kerastune_lite.errors import CallbackError, NoResultError
from kerastune_lite.running.training_data import TrainingData
from kerastune_lite.space import HyperParameters as CoreHyperParameters
from kerastune_lite.study.files import StudyFiles
from kerastune_lite.training import callback_copies, finished_models
from kerastune_lite.training.data import prepare

WEIGHTS = "checkpoint.weights.h5"
"""The file in a trial's folder that KerasTuner, and `save_model`, keep a model's weights in."""
BUILD_CONFIG = "build_config.json"
"""The file beside it that tells the shapes of a model that has none before it is called."""
_DATA = ("x", "y", "validation_data", "sample_weight")


class Tuner(BaseTuner):
    """A search of a Keras model's settings; to be subclassed where trials are to be run in another way.

    Args:
        oracle: What is searched, and how.
        hypermodel: A function of hp that returns a compiled model, or an object with `build(hp)` and perhaps
            `fit(hp, model, …)`; None where `run_trial` is overridden and needs none.
        max_model_size: A trial fails whose model has more trainable numbers.
        optimizer: Takes the place of the one that models are compiled with.
        loss: The same.
        metrics: The same.
        distribution_strategy: Models are built and compiled under its scope.
        directory: The folder of projects; the current one by default.
        project_name: The name of this project's folder in it.
        logger: No longer used.
        tuner_id: No longer used.
        overwrite: Throw away the project that the folder holds; else it is continued.
        executions_per_trial: How often each setting is trained; the score is the mean.
        **kwargs: As in `BaseTuner`.
    """

    def __init__(
        self,
        oracle: Oracle,
        hypermodel: Any = None,
        max_model_size: int | None = None,
        optimizer: Any = None,
        loss: Any = None,
        metrics: Any = None,
        distribution_strategy: Any = None,
        directory: str | os.PathLike[str] | None = None,
        project_name: str | None = None,
        logger: Any = None,
        tuner_id: str | None = None,
        overwrite: bool = False,
        executions_per_trial: int = 1,
        **kwargs: Any,
    ) -> None:
        if hypermodel is None and type(self).run_trial is Tuner.run_trial:
            raise ValueError(
                "Received `hypermodel=None`. Give a function of hp that builds a model, or override `run_trial`."
            )
        self.max_model_size = max_model_size
        self.optimizer, self.loss, self.metrics = optimizer, loss, metrics
        self.distribution_strategy = distribution_strategy
        self._prepared: tuple[Any, TrainingData] | None = None
        self._told: set[str] = set()
        if distribution_strategy is not None:
            kwargs.setdefault("engine", "fit")
        super().__init__(
            oracle,
            hypermodel,
            directory,
            project_name,
            overwrite,
            logger=logger,
            executions_per_trial=executions_per_trial,
            **kwargs,
        )
        self.tuner_id = tuner_id or self.tuner_id

    # Trials

    def run_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> Any:
        """Builds and trains the model of a trial, as often as each setting is to be trained.

        Args:
            trial: The trial that runs.
            *args: As `model.fit` takes them, or the `fit` of the hypermodel.
            **kwargs: The same.

        Returns:
            The History of each training.

        Raises:
            FatalTypeError: No objective was given, and the model's `fit` returns more than one number.
            FatalValueError: A callback can't be copied.
        """
        if not isinstance(trial, RunningTrial):
            raise TypeError(f"run_trial takes the trial that a search has begun. Received: {trial!r}.")
        arguments = {**dict(zip(_FIT_ARGUMENTS, args, strict=False)), **kwargs}
        own_fit = own_fit_of(self.hypermodel)
        callbacks = self._callbacks(trial, kwargs.get("callbacks"))
        if own_fit is None and arguments.get("x") is not None:
            if isinstance(self.oracle.objective, DefaultObjective):
                raise FatalTypeError(
                    "Expected the return value of HyperModel.fit() to be a single float when `objective` is left "
                    "unspecified, and Keras's own fit returns the metrics of epochs. Give an objective: 'val_loss'."
                )
            builder, data = _Execution(self, trial), self._data_of(arguments)
        else:
            builder = _OwnExecution(self, trial, args, {k: v for k, v in kwargs.items() if k != "callbacks"})
            data = TrainingData(fit_arguments={"epochs": kwargs.get("epochs", 1)})
        curves = trial.trainings.train(builder, data, callbacks)
        trial.curves += curves
        histories = [history_of(curve) for curve in curves]
        if trial.trained is None:
            trial.trained = histories
        return histories

    def _data_of(self, arguments: Mapping[str, Any]) -> TrainingData:
        """The data and the other arguments of a `fit`; the same data are checked and split once."""
        given = {name: arguments.get(name) for name in _DATA}
        key = (*map(id, given.values()), arguments.get("validation_split"))
        if self._prepared is None or self._prepared[0][1] != key:
            weights = {} if given["sample_weight"] is None else {"sample_weight": given["sample_weight"]}
            split = arguments.get("validation_split") or 0.0
            data = prepare(given["x"], given["y"], given["validation_data"], split, weights)
            # Kept with what they were made of: another array could have the same id else.
            self._prepared = (given, key), data
        left_out = {*_DATA, "validation_split", "callbacks"}
        others = {name: value for name, value in arguments.items() if name not in left_out}
        fit_arguments = prepare(None, None, None, 0.0, {"epochs": 1, "verbose": "auto", **others}).fit_arguments
        return dataclasses.replace(self._prepared[1], fit_arguments=fit_arguments)

    def _callbacks(self, trial: Trial, given: Any) -> list[keras.callbacks.Callback]:
        """The user's callbacks, with those that this layer needs."""
        given = [] if given is None else given if isinstance(given, (list, tuple)) else [given]
        try:
            callback_copies.checked(given)
        except CallbackError as error:
            raise FatalValueError(
                "All callbacks used during a search should be deep-copyable, since each training has copies of its "
                f"own: {error}"
            ) from error
        objective = self.oracle.objective
        added = [ObjectiveInLogs(objective, self._told)] if may_have_other_name(objective) else []
        return [*added, *given, *self._hooks(trial)]

    def _hooks(self, trial: Trial) -> list[keras.callbacks.Callback]:
        """What calls the methods that a subclass has overridden; an epoch is trained in one go where there is none."""
        if _overrides(type(self), "on_batch_begin", "on_batch_end"):
            return [BatchHooks(self, trial)]
        return [Hooks(self, trial)] if _overrides(type(self), "on_epoch_begin", "on_epoch_end") else []

    def _built(self, hp: HyperParameters) -> keras.Model:
        """The model of a setting.

        Raises:
            FatalTypeError: The hypermodel returned something else.
            FailedTrialError: The model is too large.
        """
        with self._distributed():
            model = self.hypermodel.build(hp)
            if not isinstance(model, keras.Model):
                raise FatalTypeError(
                    "Expected the model-building function, or HyperModel.build() to return a valid Keras Model "
                    f"instance. Received: {model!r} of type {type(model).__name__}."
                )
            self._recompile(model)
        size = sum(math.prod(weight.shape) for weight in model.trainable_weights)
        if self.max_model_size and size > self.max_model_size:
            raise FailedTrialError(f"Oversized model: {size} parameters, and max_model_size={self.max_model_size}.")
        return model

    def _distributed(self) -> AbstractContextManager[Any]:
        strategy = self.distribution_strategy
        return nullcontext() if strategy is None else strategy.scope()

    def _recompile(self, model: keras.Model) -> None:
        """Compiles a model with the optimizer, loss and metrics of the tuner, as far as it has any."""
        given = {"optimizer": self.optimizer, "loss": self.loss, "metrics": self.metrics}
        given = {name: value for name, value in given.items() if value}
        if not given:
            return
        if isinstance(self.optimizer, keras.optimizers.Optimizer):
            config = keras.optimizers.serialize(self.optimizer)
            given["optimizer"] = keras.optimizers.deserialize(config)
        known = keras.saving.deserialize_keras_object(model.get_compile_config() or {}) if model.compiled else {}
        model.compile(**{**known, **given})

    # Hooks of an epoch and a batch

    def on_epoch_begin(self, trial: Trial, model: keras.Model, epoch: int, logs: Any = None) -> None:
        """Is called when an epoch begins."""

    def on_epoch_end(self, trial: Trial, model: keras.Model, epoch: int, logs: Any = None) -> None:
        """Is called when an epoch has ended."""

    def on_batch_begin(self, trial: Trial, model: keras.Model, batch: int, logs: Any = None) -> None:
        """Is called when a batch begins."""

    def on_batch_end(self, trial: Trial, model: keras.Model, batch: int, logs: Any = None) -> None:
        """Is called when a batch has ended."""

    # Models

    def save_model(self, trial_id: str, model: keras.Model, step: int = 0) -> None:
        """Keeps the weights of a model in the trial's folder: for a `run_trial` that trains by itself."""
        folder = Path(self.get_trial_dir(trial_id))
        model.save_weights(folder / WEIGHTS)
        (folder / BUILD_CONFIG).write_text(json.dumps(model.get_build_config()))

    def load_model(self, trial: Trial) -> keras.Model:
        """The model of a trial at its best epoch, compiled.

        Raises:
            NoResultError: None was kept.
        """
        number, files = int(trial.trial_id), StudyFiles(self._path)
        if files.has_model(number):
            build = self._built
            loaded = finished_models.loaded(
                [self.study.trial(number)], files, self._search.keep_models, lambda _: build(trial.hyperparameters)
            )
            return loaded[0].model
        weights = self._trial_path(trial.trial_id) / WEIGHTS
        if not weights.is_file():
            raise NoResultError(
                f"No model of trial {trial.trial_id} was kept: its run_trial trained by itself. Call "
                "self.save_model(trial.trial_id, model) in it, or override load_model."
            )
        model = self._built(trial.hyperparameters)
        config = weights.with_name(BUILD_CONFIG)
        if not model.built and config.is_file():
            model.build_from_config(json.loads(config.read_text()))
        with self._distributed(), warnings.catch_warnings():
            # The state of the optimizer isn't given back, as KerasTuner doesn't.
            warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
            model.load_weights(weights)
        return model


class _Execution:
    """What is trained for a trial by Keras's own `fit`.

    Args:
        tuner: The tuner.
        trial: The trial.
    """

    def __init__(self, tuner: Tuner, trial: RunningTrial) -> None:
        self.tuner = tuner
        self.trial = trial

    def build(self, hp: CoreHyperParameters) -> keras.Model:
        """The model of the trial's setting; the trial's own hp asks the library's."""
        return self.tuner._built(self.trial.hyperparameters)


class _OwnExecution(_Execution):
    """What is trained for a trial by the hypermodel's `fit`, with any arguments.

    Args:
        tuner: The tuner.
        trial: The trial.
        args: The arguments by position.
        kwargs: Those by name, without the callbacks.
    """

    def __init__(self, tuner: Tuner, trial: RunningTrial, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__(tuner, trial)
        self._args, self._kwargs = args, kwargs

    def fit(self, hp: CoreHyperParameters, model: keras.Model, *data: Any, **arguments: Any) -> Any:
        """Trains by the hypermodel, with the callbacks of the search, and as long as it says where it decides that."""
        decided = ["callbacks", *(("epochs", "initial_epoch") if self.trial.is_planned else ())]
        kwargs = {**self._kwargs, **{name: arguments[name] for name in decided if name in arguments}}
        result = self.tuner.hypermodel.fit(self.trial.hyperparameters, model, *self._args, **kwargs)
        objective = self.tuner.oracle.objective
        if result is None or self.trial.is_planned:
            return None
        value = checked(result, objective, "HyperModel.fit()")
        is_history = isinstance(result, keras.callbacks.History) and objective.name in result.history
        return result if is_history else value


class ObjectiveInLogs(keras.callbacks.Callback):
    """Adds the objective to the logs of an epoch where they tell it under other names: several, or a longer one.

    Args:
        objective: The objective.
        told: Names that a person was told of already.
    """

    def __init__(self, objective: Objective, told: set[str]) -> None:
        super().__init__()
        self._objective, self._told = objective, told

    def __deepcopy__(self, memo: Mapping[int, Any]) -> Self:
        return copy.copy(self)

    def get_state(self) -> dict[str, Any]:
        """Nothing of it changes over epochs."""
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Nothing of it changes over epochs."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds it."""
        name = self._objective.name
        if logs is None or name in logs or not self._objective.has_value(logs):
            return
        known = name_in(logs, name)
        if known is not None and name not in self._told:
            self._told.add(name)
            print(f"The objective {name!r} is taken to be {known!r}, its name in Keras 3.")
        logs[name] = self._objective.get_value(logs)


class Hooks(keras.callbacks.Callback):
    """Calls the methods of a tuner that a subclass has overridden, at every epoch and batch.

    Args:
        tuner: The tuner.
        trial: The trial that runs.
    """

    def __init__(self, tuner: Tuner, trial: Trial) -> None:
        super().__init__()
        self._tuner, self._trial = tuner, trial

    def __deepcopy__(self, memo: Mapping[int, Any]) -> Self:
        return copy.copy(self)

    def get_state(self) -> dict[str, Any]:
        """Nothing of it changes over epochs."""
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Nothing of it changes over epochs."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Calls the tuner's."""
        self._tuner.on_epoch_begin(self._trial, self.model, epoch, logs=logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Calls the tuner's."""
        self._tuner.on_epoch_end(self._trial, self.model, epoch, logs=logs)


class BatchHooks(Hooks):
    """The same for every batch too."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Calls the tuner's."""
        self._tuner.on_batch_begin(self._trial, self.model, batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Calls the tuner's."""
        self._tuner.on_batch_end(self._trial, self.model, batch, logs=logs)


def _overrides(tuner: type[Tuner], *names: str) -> bool:
    return any(getattr(tuner, name) is not getattr(Tuner, name) for name in names)


_FIT_ARGUMENTS = [name for name in inspect.signature(keras.Model.fit).parameters if name != "self"]
