"""The check of what a person gives as build_fn: mistakes that no setting would mend are told before any training."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kerastune_lite.running.task import own_fit_of

if TYPE_CHECKING:
    from kerastune_lite.running.training_data import TrainingData

_EXAMPLE = "Write a function def build_fn(hp): … return model, and pass the function itself, without calling it"


def check_build_fn(build_fn: object) -> None:
    """Refuses what can't be called as `build_fn(hp)`, or as `build(hp)` and `fit(hp, model, …)` of an object.

    Raises:
        TypeError: It is a model, a class, or something that isn't called, or it can't be called with these arguments.
    """
    if isinstance(build_fn, type):
        raise TypeError(_told_of_class(build_fn))
    if _is_keras_layer(type(build_fn)):
        raise TypeError(
            f"build_fn has to be a function of hp, and got {build_fn!r}. A search makes a new model for each trial. "
            f"{_EXAMPLE}."
        )
    build: Any = getattr(build_fn, "build", None)
    if build is None and callable(build_fn):
        _check_result(build_fn)
        _check_call("build_fn", build_fn)
    elif callable(build):
        _check_call("build", build)
        _check_own_fit(getattr(build_fn, "fit", None))
    else:
        raise TypeError(
            f"build_fn has to be a function of hp, or an object with build(hp). Received: {build_fn!r} "
            f"({type(build_fn).__name__}). {_EXAMPLE}."
        )


def _is_keras_layer(kind: type) -> bool:
    """Whether a class is one of Keras's layers or models; whoever has one has imported Keras."""
    keras = sys.modules.get("keras")
    return keras is not None and issubclass(kind, keras.Layer)


def _told_of_class(given: type) -> str:
    """What to tell a person who gave a class."""
    if callable(getattr(given, "build", None)) and not _is_keras_layer(given):
        return (
            f"build_fn got the class {given.__name__}, and takes a function of hp or an object with build(hp): "
            f"pass {given.__name__}()."
        )
    return f"build_fn has to be a function of hp, and got the class {given.__name__}. {_EXAMPLE}."


def _check_result(function: Callable[..., Any]) -> None:
    """TypeError where a function can't return a model, because calling it only begins it."""
    if inspect.iscoroutinefunction(function):
        kind, word = "a coroutine", "async"
    elif inspect.isgeneratorfunction(function):
        kind, word = "a generator", "yield"
    else:
        return
    raise TypeError(
        f"build_fn has to be a function of hp that returns a model, and calling {_name(function)} gives {kind}. "
        f"Leave out {word}."
    )


def _check_call(role: str, function: Callable[..., Any]) -> None:
    """TypeError where a function can't be called with hp alone."""
    problem = _problem(function, object())
    if problem is None:
        return
    if next(iter(inspect.signature(function).parameters), None) == "self":
        hint = "It is a method that was taken from its class: pass an object, or the method of one."
    else:
        hint = f"Let it take hp and ask that for every choice: def {_name(function)}(hp). "
        hint += "What else it needs can be bound: functools.partial(function, name=value)."
    raise TypeError(
        f"{role} has to be a function of hp, and is called as {role}(hp). "
        f"{_name(function)}{inspect.signature(function)} can't be: {problem}. {hint}"
    )


def _check_own_fit(fit: object) -> None:
    """TypeError where a `fit` of the user's own can't be called with hp, a model, and callbacks by name."""
    if callable(fit):
        # Which data follow the model depends on search(); callbacks record the training, and always come by name.
        _refuse_fit(fit, _problem(fit, object(), object(), is_partial=True, callbacks=[]))


def check_own_fit_on(build_fn: object, data: TrainingData) -> None:
    """Refuses a `fit` of the user's own that can't be called with the data and arguments of a search.

    Raises:
        TypeError: It lacks an argument, or has one more that must be given.
    """
    fit = own_fit_of(build_fn)  # type: ignore[arg-type]
    if not callable(fit):
        return
    positional = [object(), object(), *(value for value in (data.x, data.y) if value is not None)]
    named = {"callbacks": [], "verbose": 0, **data.fit_arguments}
    if data.has_validation:
        named["validation_data"] = data.validation_data
    if data.sample_weight is not None:
        named["sample_weight"] = data.sample_weight
    # Without x, build() may return the data, so what fit lacks may be among them.
    _refuse_fit(fit, _problem(fit, *positional, is_partial=data.x is None, **named))


def _refuse_fit(fit: Callable[..., Any], problem: str | None) -> None:
    if problem is not None:
        raise TypeError(
            f"{_name(fit)}{inspect.signature(fit)} can't be called as fit(hp, model, x, y, callbacks=…, epochs=…, "
            f"verbose=…) with what search() was given: {problem}. Define it as def fit(self, hp, model, *args, "
            "**kwargs), and pass these on: return model.fit(*args, **kwargs). The callbacks record the training."
        )


def _problem(function: Callable[..., Any], *arguments: object, is_partial: bool = False, **named: object) -> str | None:
    """Why a call's arguments don't suit a function; None where they do, or where its signature can't be known.

    Args:
        function: What is called.
        *arguments: The positional arguments.
        is_partial: Whether further arguments follow in the true call.
        **named: Those by name.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    try:
        (signature.bind_partial if is_partial else signature.bind)(*arguments, **named)
    except TypeError as error:
        return str(error)
    return None


def _name(function: object) -> str:
    name = getattr(function, "__name__", type(function).__name__)
    return "lambda" if name == "<lambda>" else name
