"""Calling build_fn, and interpreting what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras

from kerastune_lite.errors import BuildError, ObjectiveError
from kerastune_lite.running.task import Builder, BuildFunction
from kerastune_lite.space import HyperParameters, Value, is_number
from kerastune_lite.study.objective import Objective, not_reported
from kerastune_lite.training.recorder import numeric_logs

_WAYS = (
    "Return the compiled model; or (model, fit_arguments); or, from a function that trains by itself, the score or a "
    "dict of metrics that holds the objective."
)


@dataclass(frozen=True)
class Built:
    """What build_fn returned: a model to train, or the metrics of a training that build_fn did itself.

    Attributes:
        model: The compiled model, or None.
        fit_arguments: The arguments of `fit` that build_fn returned with the model, or None.
        curve: The logs of a function that trained by itself, one dict an epoch.
    """

    model: keras.Model | None = None
    fit_arguments: Mapping[str, Any] | None = None
    curve: tuple[Mapping[str, float], ...] = ()


def builder_of(build_fn: BuildFunction | Builder) -> BuildFunction:
    """The function that builds: build_fn itself, or the `build` method of an object that has one."""
    build: Any = getattr(build_fn, "build", build_fn)
    if not callable(build):
        raise BuildError(f"build_fn has to be a function of hp, or an object with build(hp). Received: {build_fn!r}.")
    return build  # type: ignore[no-any-return]


def built_with(
    build_fn: BuildFunction | Builder,
    values: Mapping[str, Value],
    objective: Objective,
    fixed: Mapping[str, Value] | None = None,
) -> Built:
    """What build_fn returns for a setting, outside of any trial.

    Args:
        build_fn: The function or object.
        values: The setting; what it leaves out has its first value.
        objective: What a dict of metrics has to hold.
        fixed: Values that parameters are held at.

    Raises:
        BuildError: As `interpret` does.
        ObjectiveError: As `interpret` does.
    """
    return interpret(builder_of(build_fn)(HyperParameters(values, fixed=fixed)), objective)


def interpret(returned: Any, objective: Objective) -> Built:
    """What build_fn returned, sorted by kind.

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
        return Built(_compiled(model), dict(fit_arguments))
    if isinstance(returned, keras.Model):
        return Built(_compiled(returned))
    if returned is None:
        raise BuildError(f"build_fn returned None: its last line may lack a `return`. {_WAYS}")
    curve = curve_of(returned, objective)
    if curve is None:
        raise BuildError(f"build_fn returned {returned!r} ({type(returned).__name__}), which can't be trained. {_WAYS}")
    model = returned.get("model") if isinstance(returned, Mapping) else None
    return Built(model if isinstance(model, keras.Model) else None, None, curve)


def curve_of(result: Any, objective: Objective) -> tuple[Mapping[str, float], ...] | None:
    """The learning curve in what a function that trains by itself returned: a History, a score or a dict of metrics.

    None of anything else.

    Raises:
        ObjectiveError: It is a dict of metrics without the objective.
    """
    if isinstance(result, keras.callbacks.History):
        names = list(result.history)
        epochs = max(map(len, result.history.values()), default=0)
        curve = tuple(
            numeric_logs({name: result.history[name][epoch] for name in names if epoch < len(result.history[name])})
            for epoch in range(epochs)
        )
        return curve or None
    if is_number(result):
        return ({objective.name: float(result)},)
    if isinstance(result, Mapping):
        numbers = {str(name): float(value) for name, value in result.items() if is_number(value)}
        if objective.name not in numbers:
            raise ObjectiveError(not_reported(objective.name, list(numbers)))
        return (numbers,)
    return None


def _compiled(model: keras.Model) -> keras.Model:
    if not model.compiled:
        raise BuildError(
            f"build_fn returned the model {model.name!r}, which is not compiled. Call model.compile(optimizer, loss, "
            "metrics=…) in build_fn before you return it."
        )
    return model
