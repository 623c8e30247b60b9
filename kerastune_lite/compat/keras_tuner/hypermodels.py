"""KerasTuner's hypermodels: what builds a model, and perhaps trains it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from kerastune_lite.compat.keras_tuner.hyperparameters import HyperParameters


class HyperModel:
    """An object that builds the model of a setting; to be subclassed.

    Args:
        name: Its name.
        tunable: False gives every parameter that `build` asks for its default, unless it was asked for before.
    """

    name: str | None = None
    tunable = True

    def __init__(self, name: str | None = None, tunable: bool = True) -> None:
        self.name = name
        self.tunable = tunable
        if not tunable:
            self.build = partial(_with_defaults, self.build)  # type: ignore[method-assign]

    def build(self, hp: HyperParameters) -> Any:
        """The model of a setting."""
        raise NotImplementedError(f"{type(self).__name__} has to define build(hp).")

    def declare_hyperparameters(self, hp: HyperParameters) -> None:
        """May ask for parameters before the first build."""

    def fit(self, hp: HyperParameters, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Trains the model with the arguments of `search`, and returns a History, a dict of metrics, or a number."""
        return model.fit(*args, **kwargs)


def _with_defaults(build: Callable[[HyperParameters], Any], hp: HyperParameters) -> Any:
    return build(hp.copy())


class DefaultHyperModel(HyperModel):
    """The hypermodel of a function that builds.

    Args:
        build: The function.
        name: Its name.
        tunable: As in `HyperModel`.
    """

    def __init__(self, build: Callable[[HyperParameters], Any], name: str | None = None, tunable: bool = True) -> None:
        self._function = build
        super().__init__(name, tunable)

    def build(self, hp: HyperParameters) -> Any:
        """What the function returns."""
        return self._function(hp)


def hypermodel_of(given: Any) -> Any:
    """The hypermodel that a person gave: an object with `build(hp)`, a function of hp, or None.

    Raises:
        ValueError: It is something else.
    """
    if given is None or callable(getattr(given, "build", None)):
        return given() if isinstance(given, type) and issubclass(given, HyperModel) else given
    if callable(given):
        return DefaultHyperModel(given)
    raise ValueError(
        "The `hypermodel` argument should be either a callable with signature `build(hp)` returning a model, or an "
        f"instance of `HyperModel`. Received: {given!r}."
    )


def own_fit_of(hypermodel: Any) -> Callable[..., Any] | None:
    """The `fit` of a hypermodel that trains in its own way; None where Keras's own `fit` does."""
    fit: Callable[..., Any] | None = getattr(hypermodel, "fit", None)
    return None if getattr(type(hypermodel), "fit", None) is HyperModel.fit else fit
