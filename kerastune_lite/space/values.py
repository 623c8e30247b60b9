"""Values: what a parameter may be answered with, when two of them are the same, and how a journal writes them."""

from __future__ import annotations

import json
import math
import numbers
import operator
import re
from typing import Any, Final

import numpy as np

Value = Any


class _Unset:
    def __repr__(self) -> str:
        return "UNSET"

    def __reduce__(self) -> str:
        # A pickle names this module's object, so that `is UNSET` holds in every process.
        return "UNSET"


UNSET: Final = _Unset()
"""Stands for a default that was not given, since None may be one."""


class OptionLabel(str):
    """The readable name of an option whose object is not at hand, as after reading a study from its journal."""

    place: int

    def __new__(cls, label: str, place: int) -> OptionLabel:
        """A string that also knows the option's place in its choice."""
        self = super().__new__(cls, label)
        self.place = place
        return self

    def __getnewargs__(self) -> tuple[str, int]:  # type: ignore[override]
        return str(self), self.place


def plain(value: Value) -> Value:
    """The value as Python objects: NumPy scalars converted, also inside lists, tuples and dicts, which are copied.

    A build that changes a list that it was given changes its own copy. All other objects are left as they are.
    """
    if isinstance(value, np.generic):
        return value.item()
    if type(value) in (list, tuple):
        return type(value)(plain(item) for item in value)
    if type(value) is dict:
        return {plain(key): plain(item) for key, item in value.items()}
    return value


def is_data(value: Value) -> bool:
    """Whether the value is a scalar, or a list, tuple or dict of such values, so that JSON can tell all of it."""
    if type(value) in (list, tuple):
        return all(map(is_data, value))
    if type(value) is dict:
        return all(is_scalar(key) and is_data(item) for key, item in value.items())
    return is_scalar(value)


def as_json_would(value: Value) -> Value:
    """What data become on their way through JSON: tuples are lists, and the keys of dicts are texts."""
    if type(value) in (list, tuple):
        return [as_json_would(item) for item in value]
    if type(value) is dict:
        return {json.loads(json.dumps({key: 0})).popitem()[0]: as_json_would(item) for key, item in value.items()}
    return value


def is_scalar(value: Value) -> bool:
    """Whether JSON can hold the value as it is."""
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or type(value) in (bool, int, str)


def is_number(value: Value) -> bool:
    """Whether the value is a real number; True and False are not."""
    if type(value) in (int, float):  # nearly all of them, without the slow look for other kinds of numbers
        return True
    return isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))


def label_of(value: Value) -> str:
    """A readable name for any object, the same in every process."""
    if isinstance(value, str):
        return str(value)
    name = getattr(value, "__qualname__", None)
    if name is not None and callable(value):
        module = getattr(value, "__module__", None)
        return f"{module}.{name}" if module else str(name)
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def short_label(value: Value) -> str:
    """A name for a message: strings with their quotes, anything else as `label_of` names it."""
    return repr(value) if isinstance(value, str) and not isinstance(value, OptionLabel) else label_of(value)


def same_value(one: Value, other: Value) -> bool:
    """Whether two values are the same option: True is not 1, but 2.0 is 2."""
    if one is other:
        return True
    if isinstance(one, OptionLabel) or isinstance(other, OptionLabel):
        return label_of(one) == label_of(other)
    if is_number(one) and is_number(other):
        return bool(one == other)
    if type(one) is not type(other):
        return False
    if is_scalar(one):
        return bool(one == other)
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(same_value, one, other))
    if type(one) is dict:
        return one.keys() == other.keys() and all(same_value(value, other[key]) for key, value in one.items())
    return label_of(one) == label_of(other)


def as_integer(value: Value) -> Value:
    """A Python int of anything that is one without loss; other things unchanged, for the range check to refuse."""
    if isinstance(value, bool):
        return value
    try:
        return operator.index(value)
    except TypeError:
        return int(value) if isinstance(value, float) and value.is_integer() else value


def as_float(value: Value) -> Value:
    """A Python float of any real number; other things unchanged, for the range check to refuse."""
    return float(value) if is_number(value) else plain(value)


def to_json(value: Value) -> Any:
    """Any value as JSON: scalars as they are, tuples of them marked as such, other objects by their label."""
    if is_scalar(value):
        return value
    if isinstance(value, tuple) and all(is_scalar(item) for item in value):
        return {"tuple": [to_json(item) for item in value]}
    return {"label": label_of(value)}


def to_full_json(value: Value) -> Any:
    """As `to_json`, but beside the label of a list, a dict or a nested tuple stands what it holds.

    Readers that know only labels read those.
    """
    told = to_json(value)
    is_label = isinstance(told, dict) and "label" in told
    return {**told, "data": _data_to_json(value)} if is_label and is_data(value) else told


def _data_to_json(value: Value) -> Any:
    """Data as JSON from which all types can be told."""
    if type(value) is dict:
        return {"dict": [[key, _data_to_json(item)] for key, item in value.items()]}
    if type(value) in (list, tuple):
        return {type(value).__name__: [_data_to_json(item) for item in value]}
    return value


def _data_from_json(data: Any) -> Value:
    match data:
        case {"dict": items}:
            return {key: _data_from_json(item) for key, item in items}
        case {"list": items}:
            return [_data_from_json(item) for item in items]
        case {"tuple": items}:
            return tuple(_data_from_json(item) for item in items)
    return data


def from_json(data: Any, index: int = 0) -> Value:
    """The value that `to_json` or `to_full_json` wrote; an object comes back as its label, which knows its index."""
    if isinstance(data, dict):
        if "tuple" in data:
            return tuple(from_json(item) for item in data["tuple"])
        if "data" in data:
            return _data_from_json(data["data"])
        return OptionLabel(data["label"], int(data.get("choice", index)))
    return data
