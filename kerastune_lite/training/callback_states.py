"""The states of callbacks: saved when a training pauses, and restored when it is resumed.

A callback that has `get_state()` and `set_state(state)` decides itself what its state is. The state of any other is its
attributes: numbers, texts, arrays, and lists and dicts of them. Functions, classes and other things that don't change
are left as a fresh copy has them. Anything else (a file, a lock, a thread) can't be saved.
"""

from __future__ import annotations

import copy
import functools
import types
import warnings
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import keras
import numpy as np

from kerastune_lite.errors import CallbackError
from kerastune_lite.training.checkpoints import State

FRESH_IS_HARMLESS = ("TensorBoard", "CSVLogger", "BackupAndRestore", "RemoteMonitor", "ProgbarLogger")
"""Keras's callbacks that may start afresh after a pause: they record what happens and decide nothing by it."""
_NOT_STATE = ("_model", "model", "params", "validation_data", "monitor_op", "min_delta")
"""Keras sets the last two together at the first epoch: a restored min_delta would have its sign turned twice."""
_UNCHANGING = (
    types.FunctionType,
    types.MethodType,
    types.BuiltinFunctionType,
    types.ModuleType,
    type,
    functools.partial,
    np.ufunc,
    PurePath,
    keras.optimizers.schedules.LearningRateSchedule,
)


class CallbackStates(keras.callbacks.Callback):
    """Restores the states of callbacks when a training is resumed, and knows what changed in them since it began.

    Comes after these callbacks, since their own `on_train_begin` resets them.

    Args:
        callbacks: The user's callbacks.
        states: What `changed` returned when the training was paused; empty for a training that wasn't.
    """

    def __init__(
        self, callbacks: Sequence[keras.callbacks.Callback], states: Sequence[tuple[str, State | None]] = ()
    ) -> None:
        super().__init__()
        self._callbacks = callbacks
        self._states = states
        self._begun: list[dict[str, Any]] = []

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Restores the states."""
        self._begun = [copy.deepcopy(_savable(callback)) for callback in self._callbacks]
        if self._states:
            restore(self._callbacks, self._states)

    def changed(self) -> list[tuple[str, State | None]]:
        """The class name and the state of each callback; the state is None, with a warning, of one that starts afresh.

        What hasn't changed since the training began isn't state: it may be a path of this trial's own.

        Raises:
            CallbackError: A callback has an attribute that can't be saved.
        """
        return [
            (type(callback).__name__, _state_of(callback, begun))
            for callback, begun in zip(self._callbacks, self._begun, strict=True)
        ]


def restore(callbacks: Sequence[keras.callbacks.Callback], states: Sequence[tuple[str, State | None]]) -> None:
    """Gives callbacks the states that callbacks of the same classes had, in their order.

    A callback that the paused training didn't have starts afresh, with a warning.
    """
    left = list(states)
    for callback in callbacks:
        name = type(callback).__name__
        place = next((place for place, (other, _) in enumerate(left) if other == name), None)
        if place is None:
            warnings.warn(f"{name} begins anew: the trial was paused without one.", stacklevel=2)
            continue
        _, state = left.pop(place)
        if state is None:
            continue
        if hasattr(callback, "set_state"):
            callback.set_state(state)
        else:
            vars(callback).update(state)


def _state_of(callback: keras.callbacks.Callback, begun: Mapping[str, Any]) -> State | None:
    if hasattr(callback, "get_state"):
        state: State = callback.get_state()
        return state
    for name, value in _attributes(callback).items():
        if _can_be_saved(value):
            continue
        if any(isinstance(callback, getattr(keras.callbacks, known)) for known in FRESH_IS_HARMLESS):
            warnings.warn(f"{type(callback).__name__} begins anew when a paused trial is resumed.", stacklevel=2)
            return None
        raise CallbackError(
            f"The callback {type(callback).__name__} can't be paused with its trial: its attribute {name!r} is a "
            f"{type(value).__name__}, which can't be saved in a file. Give it get_state() and set_state(state), "
            "or use a search whose trials don't pause."
        )
    return {n: v for n, v in _savable(callback).items() if n not in begun or not _is_same(v, begun[n])}


def _attributes(callback: keras.callbacks.Callback) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(callback).items()
        if name not in _NOT_STATE and not isinstance(value, _UNCHANGING) and not _is_frozen(value)
    }


def _savable(callback: keras.callbacks.Callback) -> dict[str, Any]:
    if hasattr(callback, "get_state"):
        return {}
    return {name: value for name, value in _attributes(callback).items() if _can_be_saved(value)}


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return type(one) is type(other) and one.dtype == other.dtype and np.array_equal(one, other)
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(_is_same(one[key], other[key]) for key in one)
    return bool(one == other or (one != one and other != other))


def _is_frozen(value: Any) -> bool:
    parameters = getattr(type(value), "__dataclass_params__", None)
    return parameters is not None and bool(parameters.frozen)


def _can_be_saved(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, (str, int, float, bool)) and _can_be_saved(item) for key, item in value.items())
    if type(value) in (list, tuple):
        return all(map(_can_be_saved, value))
    if isinstance(value, np.ndarray):
        return not value.dtype.hasobject
    return value is None or type(value) in (bool, int, float, str) or isinstance(value, np.generic)
