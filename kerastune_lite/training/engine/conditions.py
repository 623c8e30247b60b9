"""Decides which fits can be compiled, and which callbacks have to be called between batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kerastune_lite.training.keras_internals import engine_missing, overridden_trainer_method

BATCH_HOOKS = (
    "on_batch_begin",
    "on_batch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_test_batch_begin",
    "on_test_batch_end",
)
EPOCH_CALLBACKS = (
    "EarlyStopping",
    "History",
    "LearningRateScheduler",
    "ReduceLROnPlateau",
    "RemoteMonitor",
    "SwapEMAWeights",
    "CSVLogger",
)
"""Keras's callbacks that need no call after a training batch: the batch hooks that they have are for other uses."""
WITHIN_EPOCHS = ("ModelCheckpoint", "BackupAndRestore")
"""Keras's callbacks that need a call after every batch only if their `save_freq` is a number of batches."""


def plain_fit_reason(model: keras.Model) -> str | None:
    """Why a model's fit can't be touched, neither its functions nor the order of its samples; None where it can."""
    missing = engine_missing()
    if missing is not None:
        return missing
    if overridden_trainer_method(type(model)) == "fit":
        return "the model has its own fit"
    if type(model.distribute_strategy).__name__ != "_DefaultDistributionStrategy" or keras.distribution.distribution():
        return "the model is distributed"
    return None


def keeps_keras_order(arguments: Mapping[str, Any]) -> bool:
    """Whether a fit has to keep Keras's own order of the samples, since its arguments mean a part of the batches.

    It doesn't depend on the engine's name ("auto" or "fit"), since a trial's score must not depend on that.
    """
    if any(arguments.get(name) for name in ("steps_per_epoch", "validation_steps", "validation_split")):
        return True
    return arguments.get("shuffle", True) not in (True, False) or bool(keras.config.max_steps_per_epoch())


def unsupported_reason(model: keras.Model) -> str | None:
    """Why the epochs of a model can't be run as programs; None where they can."""
    method = overridden_trainer_method(type(model))
    if method is not None:
        return f"the model has its own {method}"
    if model.run_eagerly:
        return "the model runs eagerly"
    if model.steps_per_execution != 1:
        return "the model was compiled with steps_per_execution"
    return None


def watches_batches(callback: keras.callbacks.Callback) -> bool:
    """Whether a callback has to be called after every batch."""
    if getattr(callback, "allows_chunks", False):
        return False
    kind = type(callback)
    if kind.__module__.partition(".")[0] == "keras":
        if kind.__name__ in WITHIN_EPOCHS:
            return getattr(callback, "save_freq", "epoch") != "epoch"
        return kind.__name__ not in EPOCH_CALLBACKS
    return overrides(callback, BATCH_HOOKS)


def overrides(callback: keras.callbacks.Callback, hooks: Sequence[str]) -> bool:
    """Whether a callback, or its class, has one of some methods of its own."""
    kind = type(callback)
    return any(
        getattr(kind, hook, None) is not getattr(keras.callbacks.Callback, hook) or hook in vars(callback)
        for hook in hooks
    )


def between_chunks(callbacks: Sequence[keras.callbacks.Callback]) -> list[keras.callbacks.Callback]:
    """The callbacks that need to be called several times in a long epoch, though not after every batch.

    They say so by a class attribute `allows_chunks = True`, as TimeLimit and StopOnNaN do.
    """
    return [callback for callback in callbacks if getattr(callback, "allows_chunks", False)]
