"""Replays in a plain fit the schedule of hyperparameters that a population search found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kerastune_lite.space import Value

_NOT_SETTINGS = ("name", "seed", "built", "stop_training")


class ReplaySchedule(keras.callbacks.Callback):
    """Changes hyperparameters such as the learning rate or dropout during training, as a schedule says.

    `tuner.best_schedule()` makes one. The model to train is that of the schedule's first values:
    `model = tuner.build(callback.values_at(0))`. At each change, a model is built from the new values, and the numbers
    of its layers, their regularizers and its optimizer are copied to the model that trains. Weights aren't copied.

    Args:
        schedule: (epoch, values) pairs: the values of the hyperparameters from that epoch on, counted from 0.
        build: A function that builds a compiled model from values.

    Raises:
        ValueError: The schedule is empty or doesn't begin with epoch 0; or, while training, new values build a model
            that differs in more than numbers, such as the shapes of its weights.
    """

    def __init__(
        self,
        schedule: Sequence[tuple[int, Mapping[str, Value]]],
        build: Callable[[Mapping[str, Value]], keras.Model],
    ) -> None:
        super().__init__()
        if not schedule or schedule[0][0] != 0:
            raise ValueError(f"A schedule begins with epoch 0, like [(0, values), …]. Received: {list(schedule)!r}.")
        self.schedule = tuple(schedule)
        self.build = build
        self._now: Mapping[str, Value] | None = None

    @property
    def epochs(self) -> list[int]:
        """The epochs at which the values change, counted from 0."""
        return [epoch for epoch, _ in self.schedule[1:]]

    def values_at(self, epoch: int) -> Mapping[str, Value]:
        """The values that the model trains with in an epoch, counted from 0."""
        return [values for first, values in self.schedule if first <= epoch][-1]

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Forgets what the previous training left."""
        self._now = None

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Gives the model the epoch's values if they changed."""
        values = self.values_at(epoch)
        if values == self._now or (self._now is None and values == self.values_at(0)):
            self._now = values
            return
        self._now = values
        other = self.build(values)
        changes = f"From epoch {epoch} on the schedule {dict(values)} builds"
        if other.built and _shapes(other) != _shapes(self.model):
            raise ValueError(f"{changes} other weights; a callback can only change numbers.")
        for own, theirs in zip(_parts(self.model), _parts(other), strict=True):
            _copy_numbers(own, theirs)
            if _settings(own) != _settings(theirs):
                raise ValueError(
                    f"{changes} {_settings(theirs)} where the model has {_settings(own)}; a callback can only change "
                    "numbers."
                )
        # The functions were traced with the previous numbers.
        self.model.make_train_function(force=True)
        self.model.make_test_function(force=True)


def _shapes(model: keras.Model) -> list[tuple[int, ...]]:
    return [tuple(variable.shape) for variable in model.variables]


def _parts(model: keras.Model) -> list[Any]:
    """The optimizer and every layer of a model, in an order that is the same for models built alike."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    found: list[Any] = []

    def visit(layer: Any) -> None:
        if any(layer is other for other in found):
            return
        found.append(layer)
        for below in getattr(layer, "layers", ()):
            visit(below)
        for value in list(vars(layer).values()):
            if isinstance(value, keras.Layer):
                visit(value)

    visit(model)
    return [optimizer, *found]


def _copy_numbers(own: Any, theirs: Any) -> None:
    """Copies the numbers of a layer, regularizer or optimizer to another one of the same class."""
    if type(own) is not type(theirs):
        return
    for name, value in vars(theirs).items():
        if name.startswith("_") or name in _NOT_SETTINGS:
            continue
        if isinstance(value, keras.Regularizer):
            _copy_numbers(getattr(own, name), value)
        elif type(value) in (bool, int, float) or isinstance(value, np.generic):
            setattr(own, name, value)
    if isinstance(theirs, keras.optimizers.Optimizer):
        rate = theirs.get_config()["learning_rate"]
        own.learning_rate = keras.optimizers.schedules.deserialize(rate) if isinstance(rate, dict) else rate


def _settings(part: Any) -> str:
    """The settings of a layer or optimizer as a text, without its name and seed, which differ between models."""
    if getattr(part, "layers", None):
        return type(part).__name__
    try:
        config = part.get_config()
    except NotImplementedError:
        return type(part).__name__
    return f"{type(part).__name__} { ({name: config[name] for name in config if name not in _NOT_SETTINGS}) }"
