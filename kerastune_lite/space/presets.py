"""What a person says of parameters outside of build_fn: values to hold them at, and ranges in place of its own."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from kerastune_lite.errors import SpaceError
from kerastune_lite.space.parameters import Boolean, Choice, Fixed, Int, Parameter
from kerastune_lite.space.space import Space
from kerastune_lite.space.values import UNSET, Value, as_integer, is_number, plain

Others = Literal["tune", "default", "refuse"]
"""What becomes of parameters that a person said nothing of: they are searched, held at their default, or refused."""


@dataclass(frozen=True)
class Presets:
    """What a person says of parameters outside of build_fn.

    Attributes:
        fixed: Values that parameters are held at, by their full names.
        ranges: Ranges that take the place of those in build_fn. Their conditions are build_fn's.
        others: What becomes of parameters that are in neither.
    """

    fixed: Mapping[str, Value] = field(default_factory=dict)
    ranges: Space = field(default_factory=Space)
    others: Others = "tune"

    def __bool__(self) -> bool:
        return bool(self.fixed or len(self.ranges) or self.others != "tune")

    @property
    def names(self) -> list[str]:
        """The names that a person said something of."""
        return list(dict.fromkeys([*self.fixed, *(parameter.name for parameter in self.ranges)]))

    def applied(self, parameter: Parameter) -> Parameter:
        """A parameter of build_fn's as it is searched.

        Raises:
            SpaceError: It is to be held at a value outside its range; its preset range has values that build_fn can't
                mean; or nothing was said of it, and others are refused.
        """
        preset = self.ranges.get(parameter.name)
        if preset is not None:
            parameter = _ranged(parameter, preset)
        if parameter.name in self.fixed:
            return held(parameter, self.fixed[parameter.name])
        if preset is not None or self.others == "tune":
            return parameter
        if self.others == "default":
            return held(parameter, first_value(parameter))
        raise SpaceError(
            f"build_fn asks for {parameter}, which neither space= nor fixed= has, and others='refuse'. "
            "Add it to one of them, or let others be 'tune' or 'default'."
        )


def checked_fixed(fixed: Any) -> dict[str, Value]:
    """What a person gave as `fixed=`, with plain Python values; TypeError where it is no dict of names."""
    if fixed is None:
        return {}
    if not isinstance(fixed, Mapping) or not all(isinstance(name, str) for name in fixed):
        raise TypeError(f"fixed takes a dict from names of parameters to values. Received: {fixed!r}.")
    return {name: plain(value) for name, value in fixed.items()}


def checked_ranges(space: Any) -> Space:
    """What a person gave as `space=`, None, a space or parameters, as a space.

    Raises:
        TypeError: It is none of these.
        SpaceError: Two of the parameters have one name.
    """
    if space is None:
        return Space()
    if isinstance(space, Mapping) or not isinstance(space, Iterable):
        raise TypeError(_not_a_space(space))
    known = Space()
    for parameter in space:
        if not isinstance(parameter, Parameter):
            raise TypeError(_not_a_space(parameter))
        if parameter.name in known:
            raise SpaceError(f"space= has two parameters of the name {parameter.name!r}: {parameter} is one of them.")
        known = Space([*known, parameter])
    return known


def checked_others(others: Any) -> Others:
    """What a person gave as `others=`; ValueError where it is none of the three."""
    if others not in get_args(Others):
        raise ValueError(f"others has to be 'tune', 'default' or 'refuse'. Received: {others!r}.")
    known: Others = others
    return known


def _not_a_space(received: Any) -> str:
    return (
        "space takes parameters of kerastune_lite.space, such as [Float(name='rate', low=1e-4, high=1e-2, log=True)], "
        "what tuner.space() gives back, or a function of hp that asks for them. "
        f"Received: {received!r}."
    )


def first_value(parameter: Parameter) -> Value:
    """A parameter's default where it has one, else the first value of its range."""
    return parameter.grid(2)[0] if parameter.default is UNSET else parameter.default


def settled(parameter: Parameter, value: Value) -> Value:
    """A value that a parameter takes, as the parameter's own: the option itself, an int, or the point of the grid."""
    if isinstance(parameter, Choice):
        return parameter.options[parameter.index_of(value)]
    # A float moves to the nearest point of the parameter's grid, such as 0.3 for a computed 0.30000000000000004.
    return as_integer(value) if isinstance(parameter, Int) else parameter.nearest(value)


def held(parameter: Parameter, value: Value) -> Fixed:
    """A parameter that is held at one of its values; SpaceError where it doesn't take that value."""
    value = plain(value)
    if not parameter.contains(value):
        raise SpaceError(
            f"fixed={{{parameter.name!r}: {value!r}}}: {value!r} is not one of the values of {parameter}. "
            "Give one of them, or widen the range in build_fn."
        )
    return Fixed(name=parameter.name, options=(settled(parameter, value),), conditions=parameter.conditions)


def _ranged(asked: Parameter, preset: Parameter) -> Parameter:
    """A preset range in the place of what build_fn asks for, with its conditions, and its default where that fits."""
    if not _has_values_for(asked, preset):
        raise SpaceError(
            f"space= has {preset}, where build_fn asks for {asked}, and can't use all of its values. "
            "Give a range of the same kind, or a choice of such values."
        )
    default = asked.default if preset.default is UNSET and preset.contains(asked.default) else preset.default
    return dataclasses.replace(preset, conditions=asked.conditions, default=default)


def _has_values_for(asked: Parameter, preset: Parameter) -> bool:
    """Whether all values of a preset range are of the type that build_fn asks for; a choice may have any options."""
    if isinstance(asked, Choice):
        return not isinstance(asked, Boolean) or _options_are(preset, bool)
    if isinstance(asked, Int):
        return isinstance(preset, Int) or _options_are(preset, int)
    return not isinstance(preset, Choice) or all(
        is_number(option) and math.isfinite(option) for option in preset.options
    )


def _options_are(preset: Parameter, kind: type) -> bool:
    return isinstance(preset, Choice) and all(type(option) is kind for option in preset.options)
