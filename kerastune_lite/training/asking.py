"""Asking build_fn what it asks for, without training."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from enum import Enum
from typing import Any

import keras

from kerastune_lite.errors import MISTAKES_IN_THE_CALL
from kerastune_lite.running.task import OwnFit, Shared, call_own_fit, own_fit_of
from kerastune_lite.space import HyperParameters
from kerastune_lite.training.build import builder_of
from kerastune_lite.training.folds import data_of_run
from kerastune_lite.training.keras_internals import reset_layer_names


class _TrainingBegins(BaseException):
    """Takes a build_fn that trains by itself out of its training; no `except Exception` of its own stops it."""


class End(Enum):
    """How a call of build_fn ended: only one that came to its end has shown all that it asks for."""

    COMPLETE = "it came to its end"
    AT_TRAINING = "it was left where it began to train"
    ERROR = "it raised an exception"


def ask(shared: Shared, hp: HyperParameters, *, may_train: bool = False) -> End:
    """Calls build_fn once for what it asks of `hp`, and tells how that ended.

    An object that has a `fit` of its own may ask for more there, so that is called too. An exception out of the user's
    code is no error here: the trial that meets it will have it in its record.

    Args:
        shared: What the trials share: build_fn, and the data that a `fit` of its own is given.
        hp: What is asked.
        may_train: Whether what trains by itself does so here. Otherwise it is left where its training by Keras begins;
            training by other means isn't noticed, and runs.

    Raises:
        KerastuneError: A mistake in the call, such as an impossible range.
    """
    reset_layer_names()
    try:
        with nullcontext() if may_train else _no_training():
            returned = builder_of(shared.build_fn)(hp)
            own_fit = own_fit_of(shared.build_fn)
            if own_fit is not None:
                _fitted_by(own_fit, shared, hp, returned)
    except MISTAKES_IN_THE_CALL:
        raise
    except _TrainingBegins:
        return End.AT_TRAINING
    except Exception:
        return End.ERROR
    return End.COMPLETE


def _fitted_by(own_fit: OwnFit, shared: Shared, hp: HyperParameters, returned: Any) -> None:
    """Calls a fit of the user's own, as a trial does, but without callbacks."""
    model, decided = returned if isinstance(returned, tuple) else (returned, {})
    arguments = {"verbose": 0, **data_of_run(shared.data, 0).arguments(brought=decided), "callbacks": []}
    call_own_fit(own_fit, hp, model, arguments)


@contextmanager
def _no_training() -> Iterator[None]:
    """Lets the methods by which Keras trains raise, where they are called by this thread inside the block."""
    own = {name: vars(keras.Model).get(name) for name in ("fit", "train_on_batch")}
    for name in own:
        setattr(keras.Model, name, _left_by(threading.get_ident(), getattr(keras.Model, name)))
    try:
        yield
    finally:
        for name, method in own.items():
            if method is None:
                delattr(keras.Model, name)
            else:
                setattr(keras.Model, name, method)


def _left_by(thread: int, method: Callable[..., Any]) -> Callable[..., Any]:
    """A method that one thread is taken out of; in others, where workers may train, it is as it was."""

    @functools.wraps(method)
    def train(*args: Any, **arguments: Any) -> Any:
        if threading.get_ident() == thread:
            raise _TrainingBegins
        return method(*args, **arguments)

    return train
