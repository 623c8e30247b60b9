"""Calling build_fn, and interpreting what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras

from kerastune_lite.errors import BuildError
from kerastune_lite.running.task import Builder, BuildFunction, own_fit_of
from kerastune_lite.space import HyperParameters
from kerastune_lite.study.objective import Objective
from kerastune_lite.training.keras_internals import reset_layer_names
from kerastune_lite.training.returned import Returned, returned_of

_WAYS = (
    "Return the compiled model; or (model, fit_arguments); or, from a function that trains by itself, the score, a "
    "dict of metrics that holds the objective, a History, or a list of these (folds or repeats, which are averaged)."
)


@dataclass(frozen=True)
class Built:
    """What build_fn returned: a model to train, or the metrics of a training that build_fn did itself.

    Attributes:
        model: The compiled model, or None.
        fit_arguments: The arguments of `fit` that build_fn returned with the model, or None.
        result: The result of a function that trained by itself, or None.
    """

    model: keras.Model | None = None
    fit_arguments: Mapping[str, Any] | None = None
    result: Returned | None = None


def builder_of(build_fn: BuildFunction | Builder) -> BuildFunction:
    """The function that builds: build_fn itself, or the `build` method of an object that has one."""
    build: Any = getattr(build_fn, "build", build_fn)
    if not callable(build):
        raise BuildError(f"build_fn has to be a function of hp, or an object with build(hp). Received: {build_fn!r}.")
    return build  # type: ignore[no-any-return]


def built_with(build_fn: BuildFunction | Builder, hp: HyperParameters, objective: Objective) -> Built:
    """What build_fn returns for what `hp` answers; layers are named as in a fresh process.

    Raises:
        BuildError: As `interpret` does.
        ObjectiveError: As `interpret` does.
    """
    reset_layer_names()
    return interpret(builder_of(build_fn)(hp), objective, has_own_fit=own_fit_of(build_fn) is not None)


def interpret(returned: Any, objective: Objective, *, has_own_fit: bool = False) -> Built:
    """What build_fn returned, sorted by kind.

    Args:
        returned: What it returned.
        objective: What is optimised.
        has_own_fit: Whether a `fit` of the user's own trains the model, which needn't be compiled then.

    Raises:
        BuildError: It can't be trained. The message says what to return instead.
        ObjectiveError: It is a dict of metrics without the objective.
    """
    if isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[0], keras.Model):
        model, fit_arguments = returned
        if not isinstance(fit_arguments, Mapping):
            raise BuildError(
                f"build_fn returned a model with {fit_arguments!r}, not a dict of fit's arguments. {_WAYS}"
            )
        return Built(_trainable(model, has_own_fit=has_own_fit), dict(fit_arguments))
    if isinstance(returned, keras.Model):
        return Built(_trainable(returned, has_own_fit=has_own_fit))
    if returned is None:
        raise BuildError(f"build_fn returned None: its last line may lack a `return`. {_WAYS}")
    result = returned_of(returned, objective)
    if result is None:
        raise BuildError(f"build_fn returned {returned!r} ({type(returned).__name__}), which can't be trained. {_WAYS}")
    return Built(result.model, None, result)


def _trainable(model: keras.Model, *, has_own_fit: bool) -> keras.Model:
    """The model, which has to be compiled where Keras's own `fit` is to train it."""
    if not model.compiled and not has_own_fit and type(model).fit is keras.Model.fit:
        raise BuildError(
            f"build_fn returned the model {model.name!r}, which is not compiled. Call model.compile(optimizer, loss, "
            "metrics=…) in build_fn before you return it."
        )
    return model
