"""Settings as journals and other processes get them: options that are objects stand as labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerastune_lite.space import Choice, OptionLabel, Space, Value, from_json, plain, to_json


def values_to_json(values: Mapping[str, Value], space: Space) -> dict[str, Any]:
    """A setting as JSON: plain values as they are, other options by their place and label."""
    return {
        name: parameter.value_to_json(value) if (parameter := space.get(name)) else to_json(value)
        for name, value in values.items()
    }


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
        if isinstance(value, OptionLabel) and isinstance(parameter, Choice) and value.place < parameter.size:
            options[name] = plain(parameter.options[value.place])
    return options
