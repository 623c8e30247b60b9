"""Replays in a plain fit what a population found: numbers of a model that change from epoch to epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

Values = Mapping[str, Any]
_NOT_SETTINGS = ("name", "seed", "built", "stop_training")


class ReplaySchedule(keras.callbacks.Callback):
    """Gives a model that trains the learning rate, dropout and the like that a schedule has for each epoch.

    `tuner.best_schedule()` makes one. The model to train is that of the schedule's first values:
    `model = tuner.build(callback.values_at(0))`. What a setting means for the model is found out by building it: the
    numbers of its layers, their regularizers and the optimizer are taken over, and its weights are not.

    Args:
        schedule: The first epoch, from 0, and the values from then on, of each stage.
        build: Makes a compiled model of values.

    Raises:
        ValueError: The schedule is empty or doesn't begin with the first epoch.
    """

    def __init__(self, schedule: Sequence[tuple[int, Values]], build: Callable[[Values], keras.Model]) -> None:
        super().__init__()
        if not schedule or schedule[0][0] != 0:
            raise ValueError(f"A schedule begins with epoch 0. Received: {list(schedule)!r}.")
        self.schedule = tuple(schedule)
        self.build = build
        self._now: Values | None = None

    @property
    def epochs(self) -> list[int]:
        """The epochs, from 0, at which values change."""
        return [epoch for epoch, _ in self.schedule[1:]]

    def values_at(self, epoch: int) -> Values:
        """The values that an epoch, from 0, trains with."""
        return [values for first, values in self.schedule if first <= epoch][-1]

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Forgets the training before."""
        self._now = None

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Takes over the epoch's values where they changed."""
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
            _take_over(own, theirs)
            if _told(own) != _told(theirs):
                raise ValueError(
                    f"{changes} {_told(theirs)} where the model has {_told(own)}; a callback can only change numbers."
                )
        # The step was traced with the numbers of before.
        self.model.make_train_function(force=True)
        self.model.make_test_function(force=True)


def _shapes(model: Any) -> list[tuple[int, ...]]:
    return [tuple(variable.shape) for variable in model.variables]


def _parts(model: Any) -> list[Any]:
    """The optimizer, and every layer of a model in a fixed order."""
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


def _take_over(own: Any, theirs: Any) -> None:
    """Gives a part the numbers of another one of its kind."""
    if type(own) is not type(theirs):
        return
    for name, value in vars(theirs).items():
        if name.startswith("_") or name in _NOT_SETTINGS:
            continue
        if isinstance(value, keras.Regularizer):
            _take_over(getattr(own, name), value)
        elif type(value) in (bool, int, float) or isinstance(value, np.generic):
            setattr(own, name, value)
    if isinstance(theirs, keras.optimizers.Optimizer):
        rate = theirs.get_config()["learning_rate"]
        own.learning_rate = keras.optimizers.schedules.deserialize(rate) if isinstance(rate, dict) else rate


def _told(part: Any) -> str:
    """A part's settings as a text, without what every model has of its own."""
    if getattr(part, "layers", None):
        return type(part).__name__
    try:
        config = part.get_config()
    except NotImplementedError:
        return type(part).__name__
    return f"{type(part).__name__} { ({name: config[name] for name in config if name not in _NOT_SETTINGS}) }"
