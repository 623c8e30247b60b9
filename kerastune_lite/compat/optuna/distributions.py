"""Parameters as Optuna's distributions, and their values as Optuna has them; and the way back.

Optuna has no scale for normals, for steps that multiply, or for a log scale that is turned around, and no category but
None, True, False, numbers and texts. What it lacks becomes the nearest that holds the same values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from kerastune_lite.errors import SpaceError
from kerastune_lite.space import Boolean, Choice, Float, Int, Normal, OptionLabel, Parameter, Rounded, Value
from kerastune_lite.space.values import is_scalar, label_of


@dataclass(frozen=True)
class Translated:
    """A parameter with its distribution.

    Attributes:
        parameter: The parameter.
        distribution: Optuna's distribution that holds its values.
    """

    parameter: Parameter
    distribution: BaseDistribution

    @classmethod
    def of(cls, parameter: Parameter, values: Sequence[Value] = ()) -> Translated:
        """The translation of a parameter.

        Args:
            parameter: The parameter.
            values: The values that trials have of it: a normal, which has no bounds, is bounded so as to hold them.
        """
        return cls(parameter, _distribution_of(parameter, values))

    def to_optuna(self, value: Value) -> Any:
        """One of the parameter's values as Optuna has it."""
        if isinstance(self.distribution, CategoricalDistribution):
            return self.distribution.choices[self.parameter.index_of(value)]
        return int(value) if isinstance(self.distribution, IntDistribution) else float(value)

    def from_optuna(self, value: Any) -> Value:
        """The parameter's value that Optuna has so; ValueError or SpaceError where it isn't one of them."""
        if isinstance(self.distribution, CategoricalDistribution):
            place = self.distribution.to_internal_repr(value)
            found = self.parameter.value_at(int(place))
            is_object = isinstance(self.parameter, Choice) and not is_scalar(found)
            return OptionLabel(label_of(found), int(place)) if is_object else found
        return self.parameter.nearest(value) if not isinstance(self.parameter, Int) else int(value)


def _distribution_of(parameter: Parameter, values: Sequence[Value]) -> BaseDistribution:
    match parameter:
        case Choice():
            return CategoricalDistribution(_categories(parameter.options))
        case Normal():
            return _of_normal(parameter, values)
        case Rounded() if isinstance(parameter.value_at(0), int):
            first, last = int(parameter.value_at(0)), int(parameter.value_at(parameter.size - 1))
            return IntDistribution(first, last, step=int(parameter.step))
        case Rounded():
            return FloatDistribution(
                parameter.value_at(0), parameter.value_at(parameter.size - 1), step=float(parameter.step)
            )
        case Int() | Float() if parameter.log and parameter.step is not None:
            return CategoricalDistribution(tuple(parameter.grid(2)))
        case Int():
            log = parameter.log and not parameter.is_reversed
            return IntDistribution(parameter.low, _highest(parameter), log=log, step=parameter.step or 1)
        case Float():
            log = parameter.log and not parameter.is_reversed
            return FloatDistribution(parameter.low, _highest(parameter), log=log, step=parameter.step)
    raise SpaceError(f"{parameter} has no distribution in Optuna.")


def _highest(parameter: Int | Float) -> Any:
    """The highest value: a step that doesn't divide the range ends before its end, of which Optuna would warn."""
    return parameter.high if parameter.step is None else parameter.value_at(int(parameter.size) - 1)


def _of_normal(parameter: Normal, values: Sequence[Value]) -> FloatDistribution:
    low, high = min([parameter.low, *values]), max([parameter.high, *values])
    return FloatDistribution(low, high, log=parameter.log and parameter.step is None, step=parameter.step)


def _categories(options: Sequence[Value]) -> tuple[Any, ...]:
    """The options, or texts with their places and labels where Optuna can't tell them apart or can't keep them.

    To Optuna 1 and True are one category.
    """
    is_kept = all(is_scalar(option) and not isinstance(option, OptionLabel) for option in options)
    if is_kept and not any(option == other for i, option in enumerate(options) for other in options[:i]):
        return tuple(options)
    return tuple(f"{place}: {label_of(option)}" for place, option in enumerate(options))


def parameters_of(distributions: Sequence[Mapping[str, BaseDistribution]]) -> list[Parameter]:
    """The parameters of trials' distributions, in the order in which trials had them.

    In Optuna a name may have other ranges in other trials: the parameter has all of them.

    Raises:
        SpaceError: A name has distributions that can't be joined.
    """
    joined: dict[str, BaseDistribution] = {}
    for of_trial in distributions:
        for name, distribution in of_trial.items():
            joined[name] = _joined(name, joined[name], distribution) if name in joined else distribution
    return [_parameter_of(name, distribution) for name, distribution in joined.items()]


def _joined(name: str, one: BaseDistribution, other: BaseDistribution) -> BaseDistribution:
    if one == other:
        return one
    if isinstance(one, CategoricalDistribution) and isinstance(other, CategoricalDistribution):
        new = [choice for choice in other.choices if choice not in one.choices]
        return CategoricalDistribution((*one.choices, *new))
    if (
        isinstance(one, (IntDistribution, FloatDistribution))
        and type(one) is type(other)
        and isinstance(other, (IntDistribution, FloatDistribution))
        and (one.log, one.step) == (other.log, other.step)
        and _is_on_grid(one, other)
    ):
        ends: dict[str, Any] = {"low": min(one.low, other.low), "high": max(one.high, other.high)}
        return type(one)(**ends, log=one.log, step=one.step)
    raise SpaceError(
        f"The trials have {name!r} as {one} and as {other}, which are not one parameter. Leave out the trials of one "
        "of them: copy the others into a study of their own with optuna.Study.add_trials."
    )


def _is_on_grid(one: IntDistribution | FloatDistribution, other: IntDistribution | FloatDistribution) -> bool:
    """Whether the steps of two ranges lie on one grid."""
    if one.step is None:
        return True
    steps = (other.low - one.low) / one.step
    return math.isclose(steps, round(steps), abs_tol=1e-8)


def _parameter_of(name: str, distribution: BaseDistribution) -> Parameter:
    match distribution:
        case CategoricalDistribution(choices=(False, True)) if distribution.choices[0] is False:
            return Boolean(name=name)
        case CategoricalDistribution():
            return Choice(name=name, options=tuple(distribution.choices))
        case IntDistribution():
            step = None if distribution.step == 1 else distribution.step
            return Int(name=name, low=distribution.low, high=distribution.high, step=step, log=distribution.log)
        case FloatDistribution():
            low, high = float(distribution.low), float(distribution.high)
            return Float(name=name, low=low, high=high, step=distribution.step, log=distribution.log)
    raise SpaceError(f"{name!r} has a distribution that isn't known here: {distribution}.")
