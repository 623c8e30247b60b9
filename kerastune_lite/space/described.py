"""Parameters read from the lines of a journal, or from what another process sent: the inverse of `describe`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerastune_lite.space.normal import Normal
from kerastune_lite.space.parameters import Boolean, Choice, Condition, Fixed, Float, Int, Parameter
from kerastune_lite.space.rounded import Rounded
from kerastune_lite.space.values import UNSET, OptionLabel, from_json


def parameter_from_json(data: Mapping[str, Any]) -> Parameter:
    """The parameter that `describe` wrote; KeyError, TypeError or ValueError where the data don't describe one."""
    name, kind = data["name"], data["kind"]
    conditions = tuple(_condition_from_json(parent, values) for parent, values in data.get("when", ()))
    default = from_json(data["default"]) if "default" in data else UNSET
    common: dict[str, Any] = {"name": name, "default": default, "conditions": conditions}
    match kind:
        case "choice":
            options = tuple(from_json(option, index) for index, option in enumerate(_list_of("options", data)))
            if isinstance(default, OptionLabel):
                common["default"] = options[default.place]
            return Choice(options=options, weights=_weights(data), **common)
        case "boolean":
            return Boolean(**common)
        case "fixed":
            return Fixed(options=(from_json(data["value"]),), **common)
        case "int" | "float":
            if "normal" in data:
                return _normal_from_json(data, common)
            if "rounded" in data:
                return _rounded_from_json(data, common)
            number = Int if kind == "int" else Float
            for name in ("log", "reversed"):
                if not isinstance(data.get(name, False), bool):
                    raise TypeError(f"{name} has to be true or false, and is {data[name]!r}")
            ends = {name: data[name] for name in ("low", "high", "step", "log")}
            return number(**ends, is_reversed=data.get("reversed", False), **common)
    raise ValueError(f"unknown kind of parameter {kind!r}")


def _condition_from_json(parent: Any, values: Any) -> Condition:
    if not isinstance(parent, str) or not isinstance(values, list):
        raise TypeError(f"a condition has to be a name and a list of values, and is {[parent, values]!r}")
    return Condition(parent, tuple(from_json(value) for value in values))


def _list_of(name: str, data: Mapping[str, Any]) -> list[Any]:
    value = data[name]
    if not isinstance(value, list):
        raise TypeError(f"{name} has to be a list, and is {value!r}")
    return value


def _weights(data: Mapping[str, Any]) -> tuple[float, ...] | None:
    return tuple(_list_of("weights", data)) if "weights" in data else None


def _normal_from_json(data: Mapping[str, Any], common: Mapping[str, Any]) -> Normal:
    described = data["normal"]
    if not isinstance(described, dict):
        raise TypeError(f"normal has to be an object, and is {described!r}")
    if not isinstance(described["log"], bool):
        raise TypeError(f"log has to be true or false, and is {described['log']!r}")
    return Normal(mean=described["mean"], sd=described["sd"], step=data["step"], log=described["log"], **common)


def _rounded_from_json(data: Mapping[str, Any], common: Mapping[str, Any]) -> Rounded:
    drawn = data["rounded"]
    if not isinstance(drawn, dict):
        raise TypeError(f"rounded has to be an object, and is {drawn!r}")
    if not isinstance(drawn["log"], bool):
        raise TypeError(f"log has to be true or false, and is {drawn['log']!r}")
    return Rounded(low=drawn["low"], high=drawn["high"], step=data["step"], log=drawn["log"], **common)
