"""What a build function is asked and given, whichever of the two forms it has.

It is a function of `hp`, or one with an argument for each choice, whose values stand in `param_grid` or
`param_distributions` as in scikit-learn.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerastune_lite.errors import BuildError, SpaceError
from kerastune_lite.sklearn.arguments import ClassWeights
from kerastune_lite.space import HyperParameters

Grid = Mapping[str, Any]
"""The values of each argument: a list, or a frozen distribution of scipy.stats."""

WHICH_GRID = "grid"
"""The parameter that chooses one of several grids."""
ONE_SD = 0.8413447460685429
"""The share of a normal distribution below one standard deviation above its mean."""


@dataclass(frozen=True)
class Questions:
    """A build function of scikit-learn's users as one of `hp`.

    Attributes:
        build_fn: `build_fn(hp)` or `build_fn(hp, meta)`; with grids a function of arguments, `meta` perhaps among them.
        grids: The values of each argument; several are tried one beside the other. None where build_fn asks `hp`.
        meta: What is known of the data: `n_features_in_`, `shape` of a sample, `n_outputs_`, and of classes
            `n_classes_` and `classes_`.
        class_weights: What turns a `class_weight` into that of the classes' numbers, where there are classes.
    """

    build_fn: Callable[..., Any]
    grids: Sequence[Grid] | None
    meta: Mapping[str, Any]
    class_weights: ClassWeights | None = None

    def __call__(self, hp: HyperParameters) -> Any:
        """What build_fn returns; arguments in the grids that it doesn't take are those of `fit`.

        Raises:
            BuildError: The loss of a classifier needs other targets than the numbers of its classes.
        """
        built = self._built(hp)
        if self.class_weights is None:
            return built
        model, arguments = built if isinstance(built, tuple) and len(built) == 2 else (built, None)
        _check_loss(model)
        if not isinstance(arguments, Mapping) or "class_weight" not in arguments:
            return built
        return model, {**arguments, "class_weight": self.class_weights.by_number(arguments["class_weight"])}

    def _built(self, hp: HyperParameters) -> Any:
        if self.grids is None:
            takes_meta = len(_positional(self.build_fn)) > 1
            return self.build_fn(hp, self.meta) if takes_meta else self.build_fn(hp)
        chosen = self._chosen(hp)
        names, takes_all = _names_of(self.build_fn)
        for_build = {name: value for name, value in chosen.items() if name in names or takes_all}
        for_fit = {name: value for name, value in chosen.items() if name not in for_build}
        meta = {"meta": self.meta} if "meta" in names else {}
        model = self.build_fn(**for_build, **meta)
        return (model, for_fit) if for_fit else model

    def _chosen(self, hp: HyperParameters) -> dict[str, Any]:
        assert self.grids is not None
        if len(self.grids) == 1:
            return {name: asked(hp, name, values) for name, values in self.grids[0].items()}
        place = hp.choice(WHICH_GRID, list(range(len(self.grids))))
        with hp.scope(str(place)):
            return {name: asked(hp, name, values) for name, values in self.grids[place].items()}

    def arguments_of(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """A trial's values by the names that the user gave them."""
        if self.grids is None or len(self.grids) == 1:
            return dict(values)
        return {name.partition("/")[2]: value for name, value in values.items() if name != WHICH_GRID}


def grids_of(param_grid: Any, param_distributions: Any) -> Sequence[Grid] | None:
    """The grids of an estimator: those of the one of its two arguments that was given; None where neither was.

    Raises:
        ValueError: Both were given, or one of them is empty.
        TypeError: One is neither a dict nor a list of dicts.
    """
    if param_grid is not None and param_distributions is not None:
        raise ValueError("Give either param_grid or param_distributions: both say which values there are.")
    name = "param_grid" if param_grid is not None else "param_distributions"
    given = param_grid if param_grid is not None else param_distributions
    if given is None:
        return None
    grids = [given] if isinstance(given, Mapping) else given
    if not isinstance(grids, (list, tuple)) or not all(isinstance(grid, Mapping) for grid in grids):
        raise TypeError(f"{name} has to be a dict of values by argument, or a list of such dicts. Received: {given!r}.")
    if not grids or not all(grids):
        raise ValueError(f"{name} names no arguments. Received: {given!r}.")
    return grids


def check_names(build_fn: Callable[..., Any], grids: Sequence[Grid]) -> None:
    """Checks that every name in some grids is an argument of build_fn or of `fit`.

    Raises:
        ValueError: One is neither.
    """
    names, takes_all = _names_of(build_fn)
    of_fit = {*inspect.signature(keras.Model.fit).parameters} - {"self", "x", "y"}
    unknown = [name for grid in grids for name in grid if name not in names | of_fit]
    if unknown and not takes_all:
        raise ValueError(
            f"The grid has values for {unknown[0]!r}, which is an argument neither of build_fn "
            f"({', '.join(sorted(names - {'meta'})) or 'it has none'}) nor of model.fit.{_way_out(unknown[0])}"
        )


def _way_out(name: str) -> str:
    """What a name with a prefix, as pipelines and SciKeras have them, is called here."""
    bare = name.rpartition("__")[2]
    return f" Names have no prefixes here: call it {bare!r}, and let build_fn take it." if bare != name else ""


def asked(hp: HyperParameters, name: str, values: Any) -> Any:
    """Asks for one of some values, or for one that is drawn from a distribution.

    Raises:
        SpaceError: It is neither a list nor a distribution that there is a question for.
    """
    if isinstance(values, (list, tuple, np.ndarray, range)):
        return hp.choice(name, list(values))
    low, high = values.support() if hasattr(values, "support") else (math.nan, math.nan)
    match getattr(getattr(values, "dist", None), "name", None):
        case "uniform":
            return hp.float(name, float(low), float(high))
        case "loguniform" | "reciprocal":
            return hp.float(name, float(low), float(high), log=True)
        case "randint":
            return hp.int(name, int(low), int(high))
        case "norm":
            return hp.normal(name, float(values.mean()), float(values.std()))
        case "lognorm" if low == 0:
            median = math.log(values.median())
            return hp.lognormal(name, median, math.log(values.ppf(ONE_SD)) - median)
    raise SpaceError(
        f"{name!r} has to have a list of values, or a frozen uniform, loguniform, randint, norm or lognorm of "
        f"scipy.stats. Received: {values!r}. Other distributions can be asked for in build_fn(hp)."
    )


def _check_loss(model: Any) -> None:
    loss = getattr(model, "loss", None)
    if getattr(loss, "name", loss) == "categorical_crossentropy":
        raise BuildError(
            "build_fn compiled its model with categorical_crossentropy, which needs a column for each class, and "
            'targets are the numbers of the classes. Compile it with loss="sparse_categorical_crossentropy".'
        )


def _names_of(build_fn: Callable[..., Any]) -> tuple[set[str], bool]:
    """The names of a function's arguments, and whether it takes any others."""
    parameters = inspect.signature(build_fn).parameters.values()
    return {each.name for each in parameters}, any(each.kind is each.VAR_KEYWORD for each in parameters)


def _positional(build_fn: Callable[..., Any]) -> list[str]:
    return [
        each.name
        for each in inspect.signature(build_fn).parameters.values()
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
