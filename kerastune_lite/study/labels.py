"""Settings as journals and other processes get them: options that are objects stand as labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerastune_lite.space import Choice, OptionLabel, Parameter, Space, Value, from_json, moved_label, plain, to_json


def values_to_json(values: Mapping[str, Value], space: Space) -> dict[str, Any]:
    """A setting as JSON: plain values as they are, other options by their place and label."""
    return {name: _value_to_json(value, space.get(name)) for name, value in values.items()}


def _value_to_json(value: Value, parameter: Parameter | None) -> Any:
    if parameter is not None and parameter.contains(value):
        return parameter.value_to_json(value)
    return {"choice": value.place, "label": str(value)} if isinstance(value, OptionLabel) else to_json(value)


def values_from_json(data: Mapping[str, Any]) -> dict[str, Value]:
    """The setting that `values_to_json` wrote, with labels for options that are objects."""
    return {name: from_json(value) for name, value in data.items()}


def labelled(values: Mapping[str, Value], space: Space) -> dict[str, Value]:
    """A setting with a label in the place of each option that is an object."""
    return values_from_json(values_to_json(values, space))


def resolved(values: Mapping[str, Value], space: Space) -> dict[str, Value]:
    """A setting with labels replaced by the options that they stand for, where the space knows them."""
    options = dict(values)
    for name, value in values.items():
        parameter = space.get(name)
        if isinstance(value, OptionLabel) and isinstance(parameter, Choice) and parameter.contains(value):
            options[name] = plain(parameter.options[value.place])
    return options


def moved(values: Mapping[str, Value], before: Parameter, now: Parameter) -> Mapping[str, Value]:
    """A setting whose label of one parameter has the place that its option has among that parameter's new options."""
    value = values.get(now.name)
    return {**values, now.name: moved_label(value, before, now)} if isinstance(value, OptionLabel) else values
