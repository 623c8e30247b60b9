"""An example is searched by an engine, and two such searches are compared."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerastune_lite import Objective, RandomSearch

from .registry import Example

Curves = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Outcome:
    """What a trial came to.

    Attributes:
        values: The settings of the trial.
        history: The curves that Keras's History holds.
        weights: The weights of the model, and the states of its generators of random numbers.
        optimizer: The state of the optimizer, or of several ones.
        engine: How it was trained, and why it wasn't shared.
        notes: The remarks of its record.
        seconds: How long it took.
    """

    values: Mapping[str, Any]
    history: Curves
    weights: Sequence[np.ndarray]
    optimizer: Sequence[np.ndarray]
    engine: str
    notes: Sequence[str]
    seconds: float

    @property
    def is_shared(self) -> bool:
        return self.engine.partition(":")[0] == "shared"


class KeptModels:
    """Builds as an example does, and keeps the models."""

    def __init__(self, build: Any) -> None:
        self._build = build
        self.models: list[keras.Model] = []
        if hasattr(build, "fit"):
            self.fit = build.fit

    def build(self, hp: Any) -> Any:
        model = getattr(self._build, "build", self._build)(hp)
        self.models.append(model)
        return model


def searched(example: Example, engine: str, trials: int, epochs: int = 2) -> list[Outcome]:
    """The trials of a small random search by an engine; the settings are the same by every engine.

    Raises:
        RuntimeError: A trial failed.
    """
    build_fn = KeptModels(example.build)
    # Each example has a seed of its own: where a seed comes again, TensorFlow drops its kernels, which takes time.
    seed = zlib.crc32(example.name.encode())
    # The order of a data set that is shuffled follows from TensorFlow's global seed too, which a search changes.
    keras.utils.set_random_seed(0)
    with tempfile.TemporaryDirectory() as directory:
        study = RandomSearch(
            build_fn,
            Objective(example.objective, "min"),
            max_trials=trials,
            directory=directory,
            seed=seed,
            engine=engine,
            keep_models=0,
            fixed=dict(example.holds),
            verbose=0,
        ).search(**{"epochs": epochs, **example.data()})
    for trial in study.trials:
        if trial.error is not None:
            raise RuntimeError(f"{example.name} failed: {trial.error}\n{trial.error.traceback}")
    models = _trained(build_fn.models, trials)
    return [_outcome(trial, model) for trial, model in zip(study.trials, models, strict=True)]


def _trained(models: Sequence[keras.Model], trials: int) -> list[keras.Model]:
    """The model of each trial. Others were built to learn what is asked for, or before a trial began again."""
    finished = [model for model in models if getattr(getattr(model, "history", None), "history", None)]
    if len(finished) != trials:
        raise RuntimeError(f"{len(finished)} of {len(models)} models were trained in {trials} trials")
    return finished


def _outcome(trial: Any, model: keras.Model) -> Outcome:
    optimizers = [thing for thing in vars(model).values() if isinstance(thing, keras.optimizers.Optimizer)]
    of_metrics = {id(variable) for metric in model.metrics for variable in metric.variables}
    return Outcome(
        values=dict(trial.values),
        history={name: [float(value) for value in curve] for name, curve in model.history.history.items()},
        weights=[np.asarray(variable) for variable in model.variables if id(variable) not in of_metrics],
        optimizer=[np.asarray(variable) for each in optimizers for variable in each.variables],
        engine=str(trial.engine),
        notes=[str(note) for note in trial.notes],
        seconds=trial.seconds,
    )


def differences(one: Outcome, other: Outcome) -> dict[str, float]:
    """What differs between two trials of the same settings, and by how much; empty where nothing does, bit by bit."""
    if one.values != other.values or list(one.history) != list(other.history):
        return {"settings or logs": float("inf")}
    found = {f"history[{name}]": _distance(one.history[name], other.history[name]) for name in one.history}
    for what in ("weights", "optimizer"):
        mine, theirs = getattr(one, what), getattr(other, what)
        if len(mine) != len(theirs):
            found[f"number of variables of {what}"] = float(abs(len(mine) - len(theirs)))
        else:
            found[what] = max(map(_distance, mine, theirs), default=0.0)
    return {what: distance for what, distance in found.items() if distance != 0.0}


def _distance(one: Any, other: Any) -> float:
    """The largest difference between two arrays; 0 only where they are equal, infinite where shapes or NaNs differ."""
    one, other = np.asarray(one), np.asarray(other)
    if one.shape != other.shape:
        return float("inf")
    if np.array_equal(one, other, equal_nan=one.dtype.kind == "f"):
        return 0.0
    one, other = one.astype("float64"), other.astype("float64")
    if not np.array_equal(np.isnan(one), np.isnan(other)):
        return float("inf")
    return float(np.nanmax(np.abs(one - other)))
