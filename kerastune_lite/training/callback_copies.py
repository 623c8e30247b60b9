"""The user's callbacks as one training gets them: fresh copies, with paths of their own."""

from __future__ import annotations

import copy
import inspect
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from kerastune_lite.errors import CallbackError
from kerastune_lite.space import label_of
from kerastune_lite.study.trial import Trial

if TYPE_CHECKING:
    from keras.callbacks import Callback

    from kerastune_lite.running.task import CallbackSource

_FOLDERS = {"TensorBoard": "log_dir", "BackupAndRestore": "backup_dir"}
_FILES = {"ModelCheckpoint": "filepath", "CSVLogger": "filename"}


def checked(callbacks: Callback | CallbackSource | None) -> CallbackSource:
    """The callbacks of a search, a single one as a sequence; call it before any training.

    Raises:
        CallbackError: Something isn't a callback, or can't be copied for each trial.
    """
    source = _several(callbacks)
    if callable(source) and not isinstance(source, type):
        _check_maker(source)
        return source
    for callback in source if isinstance(source, (list, tuple)) else [source]:
        if not isinstance(callback, keras.callbacks.Callback):
            raise CallbackError(_no_callback(callback))
        _copy(callback)
    return source


def names_of(callbacks: CallbackSource) -> list[str]:
    """The classes of the callbacks, for the record of a search; of a function that makes them its name."""
    if callable(callbacks):
        return [label_of(callbacks)]
    return [type(callback).__name__ for callback in callbacks]


def _no_callback(received: Any) -> str:
    """What to tell a person who gave something else than a callback."""
    if isinstance(received, type):
        return f"callbacks= got the class {received.__name__}: pass {received.__name__}(…)."
    return (
        "callbacks= takes a Keras callback, a list of them, or a function of the trial that returns them. "
        f"Received: {received!r} ({type(received).__name__})."
    )


def _check_maker(maker: Callable[[Trial], Any]) -> None:
    try:
        signature = inspect.signature(maker)
    except (TypeError, ValueError):
        return  # its signature can't be known
    try:
        signature.bind(object())
    except TypeError as error:
        raise CallbackError(
            f"callbacks= takes a function of the trial, and {maker!r} can't be called with one: {error}. Write "
            "callbacks=lambda trial: […]."
        ) from error


def _several(callbacks: Callback | CallbackSource | None) -> CallbackSource:
    """Callbacks as they were given, a single one as a sequence of one, and None as none."""
    if callbacks is None:
        return ()
    return (callbacks,) if isinstance(callbacks, keras.callbacks.Callback) else callbacks


def for_training(
    callbacks: Callback | CallbackSource, trial: Trial, run: int, runs: int, *, is_resumed: bool = False
) -> list[keras.callbacks.Callback]:
    """Fresh callbacks for one training of a trial.

    Args:
        callbacks: A callback or a sequence of them, which is copied, or a function of the trial, which makes them.
        trial: The trial.
        run: Which training of the trial it is.
        runs: How many there are; with several, each has paths of its own.
        is_resumed: Whether the training was paused and is resumed: a log file is appended to then.
    """
    fresh = _fresh(callbacks, trial)
    part = Path(f"trial_{trial.number:04d}") / (f"run_{run}" if runs > 1 else "")
    for callback in fresh:
        _keep_paths_apart(callback, part)
        if is_resumed and isinstance(callback, keras.callbacks.CSVLogger):
            callback.append = True
    return fresh


def for_retraining(callbacks: Callback | CallbackSource, trial: Trial) -> list[keras.callbacks.Callback]:
    """Fresh callbacks for training a trial's setting again, with paths beside those of the trial itself."""
    fresh = _fresh(callbacks, trial)
    for callback in fresh:
        _keep_paths_apart(callback, Path(f"retrained_trial_{trial.number:04d}"))
    return fresh


def _fresh(callbacks: Callback | CallbackSource, trial: Trial) -> list[keras.callbacks.Callback]:
    source = _several(callbacks)
    if not callable(source):
        return [_copy(callback) for callback in source]
    made: Any = _several(source(trial))
    return list(made)


def stop_reason(callbacks: Sequence[keras.callbacks.Callback]) -> str | None:
    """Why the first callback that stopped a training did so; None where none of them did."""
    for callback in callbacks:
        reason = getattr(callback, "stop_reason", None)
        if isinstance(reason, str) and reason:
            return reason
        if isinstance(callback, keras.callbacks.EarlyStopping) and callback.stopped_epoch > 0:
            return f"EarlyStopping: {callback.monitor} did not improve for {callback.patience} epochs"
    return None


def _copy(callback: keras.callbacks.Callback) -> keras.callbacks.Callback:
    # A callback that was used before holds its model, which is not to be copied with it.
    model = getattr(callback, "model", None)
    memo: dict[int, Any] = {} if model is None else {id(model): None}
    try:
        return copy.deepcopy(callback, memo)
    except Exception as error:
        raise CallbackError(
            f"The callback {type(callback).__name__} can't be copied for each trial ({error}). Pass a function that "
            f"makes the callbacks: callbacks=lambda trial: [{type(callback).__name__}(…)]."
        ) from error


def _keep_paths_apart(callback: keras.callbacks.Callback, part: Path) -> None:
    for classes, is_folder in ((_FOLDERS, True), (_FILES, False)):
        for name, attribute in classes.items():
            if not isinstance(callback, getattr(keras.callbacks, name)):
                continue
            old = os.fspath(getattr(callback, attribute))
            path = Path(old)
            new = os.fspath(path / part if is_folder else path.parent / part / path.name)
            if not is_folder:
                Path(new).parent.mkdir(parents=True, exist_ok=True)
            # Keras derives further paths from this one when the callback is made.
            for key, value in vars(callback).items():
                if isinstance(value, (str, os.PathLike)) and os.fspath(value).startswith(old):
                    setattr(callback, key, new + os.fspath(value)[len(old) :])
