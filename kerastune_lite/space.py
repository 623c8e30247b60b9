"""Parameters, their conditions, and the map between settings and the unit cube.

Owns what a parameter is and which values it takes. Knows nothing of trials, files or Keras.

A parameter maps [0, 1) to its values: equal shares for the values of a discrete one, so that a uniform draw of the
cube is a uniform draw of the values. On a logarithmic scale an integer n owns the share of [log(n - 1/2),
log(n + 1/2)]; points made by a multiplying step lie evenly on that scale and own equal shares.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar, Final

import numpy as np

from kerastune_lite.errors import RangeChangedError, SpaceError

Value = Any


class _Unset:
    def __repr__(self) -> str:
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
    """NumPy scalars as Python ones; everything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def is_scalar(value: Value) -> bool:
    """Whether JSON holds the value as it is."""
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or type(value) in (bool, int, str)


def is_number(value: Value) -> bool:
    """Whether the value is a real number; True and False are not."""
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


def _short_label(value: Value) -> str:
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
    return label_of(one) == label_of(other)


@dataclass(frozen=True)
class Condition:
    """A parameter counts only where `parent` has one of `values`."""

    parent: str
    values: tuple[Value, ...]

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether a setting meets the condition; an inactive parent meets none."""
        return self.parent in values and any(same_value(values[self.parent], value) for value in self.values)


@dataclass(frozen=True, kw_only=True)
class Parameter(ABC):
    """One open choice: a name, the values it may take, perhaps a default and conditions."""

    kind: ClassVar[str]

    name: str
    default: Value = UNSET
    conditions: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise SpaceError(f"A parameter's name has to be a string that is not empty. Received: {self.name!r}.")
        self._check()
        if self.default is not UNSET and not self.contains(plain(self.default)):
            raise SpaceError(
                f"{self}: the default {self.default!r} is not one of its values. Choose a default inside the range."
            )

    @abstractmethod
    def _check(self) -> None:
        """Refuse an impossible range."""

    @property
    @abstractmethod
    def size(self) -> float:
        """How many different values it takes; infinity for a float without a step."""

    @abstractmethod
    def contains(self, value: Value) -> bool:
        """Whether it can take the value."""

    @abstractmethod
    def decode(self, position: float) -> Value:
        """The value that owns a position in [0, 1]."""

    @abstractmethod
    def encode(self, value: Value) -> float:
        """The middle of the value's share of [0, 1]: `decode(encode(value)) == value`."""

    @abstractmethod
    def index_of(self, value: Value) -> int:
        """The place of a value among those of a discrete parameter; ValueError where it has none."""

    @abstractmethod
    def grid(self, points: int) -> Sequence[Value]:
        """Every value in order; of a float without a step, `points` of them, evenly on its scale, ends included."""

    @abstractmethod
    def range(self) -> dict[str, Any]:
        """What a journal keeps of the range, as JSON; two parameters with equal ranges are the same parameter."""

    def describe(self) -> dict[str, Any]:
        """The parameter as JSON: name, kind, range, default and conditions."""
        description = {"name": self.name, "kind": self.kind, **self.range()}
        if self.default is not UNSET:
            description["default"] = self.value_to_json(self.default)
        if self.conditions:
            description["when"] = [[c.parent, [to_json(v) for v in c.values]] for c in self.conditions]
        return description

    def value_to_json(self, value: Value) -> Any:
        """One of its values as a journal keeps it."""
        return to_json(value)

    def __str__(self) -> str:
        inside = ", ".join(
            f"{key}={value}" for key, value in self.range().items() if value is not None and value is not False
        )
        return f"{self.kind} {self.name!r} ({inside})"


@dataclass(frozen=True, kw_only=True)
class Choice(Parameter):
    """One of several options, which may be any objects."""

    kind: ClassVar[str] = "choice"
    options: tuple[Value, ...]

    def _check(self) -> None:
        if not self.options:
            raise SpaceError(f"hp.choice({self.name!r}, []): there is nothing to choose from. Give at least one value.")
        for index, option in enumerate(self.options):
            if is_scalar(option) and any(same_value(option, other) for other in self.options[:index]):
                raise SpaceError(
                    f"hp.choice({self.name!r}, …): {option!r} stands there twice. Give each value once: "
                    "a search never tries the same setting twice."
                )

    @property
    def size(self) -> int:
        """How many options there are."""
        return len(self.options)

    def contains(self, value: Value) -> bool:
        """Whether the value is one of the options."""
        return self._find(value) is not None

    def index_of(self, value: Value) -> int:
        """Which option a value is; ValueError where it is none of them."""
        index = self._find(value)
        if index is None:
            raise ValueError(f"{value!r} is not one of the options of {self}")
        return index

    def _find(self, value: Value) -> int | None:
        if isinstance(value, OptionLabel):
            inside = value.place < len(self.options) and label_of(self.options[value.place]) == value
            return value.place if inside else None
        for index, option in enumerate(self.options):
            if option is value:
                return index
        for index, option in enumerate(self.options):
            if same_value(option, value):
                return index
        return None

    def decode(self, position: float) -> Value:
        """The option in whose equal share the position lies."""
        return self.options[_share(position, self.size)]

    def encode(self, value: Value) -> float:
        """The middle of the option's share."""
        return (self.index_of(value) + 0.5) / self.size

    def grid(self, points: int) -> Sequence[Value]:
        """The options in the order given."""
        return self.options

    def value_to_json(self, value: Value) -> Any:
        """A scalar as it is; any other option by its index and its label."""
        index = self.index_of(value)
        if is_scalar(self.options[index]):
            return self.options[index]
        return {"choice": index, "label": label_of(value)}

    def range(self) -> dict[str, Any]:
        """The options: scalars and tuples of them as they are, other objects by their label."""
        return {"options": [to_json(option) for option in self.options]}

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} (one of {', '.join(map(_short_label, self.options))})"


@dataclass(frozen=True, kw_only=True)
class Boolean(Choice):
    """False or True."""

    kind: ClassVar[str] = "boolean"
    options: tuple[Value, ...] = (False, True)

    def range(self) -> dict[str, Any]:
        """Nothing: there is only one boolean range."""
        return {}


@dataclass(frozen=True, kw_only=True)
class Fixed(Choice):
    """One value, kept in the records beside the open choices."""

    kind: ClassVar[str] = "fixed"

    def range(self) -> dict[str, Any]:
        """The one value."""
        return {"value": to_json(self.options[0])}


@dataclass(frozen=True, kw_only=True)
class _Number(Parameter):
    low: Any
    high: Any
    step: Any = None
    log: bool = False

    def _check(self) -> None:
        call = f"hp.{self.kind}({self.name!r}, {self.low!r}, {self.high!r}"
        call += f", step={self.step!r}" if self.step is not None else ""
        call += ", log=True)" if self.log else ")"
        self._check_types(call)
        if self.low > self.high:
            raise SpaceError(f"{call}: low is greater than high. Give low <= high; both are included.")
        if self.log and self.low <= 0:
            raise SpaceError(f"{call}: a log scale needs low > 0. Raise low, or leave log=True out.")
        if self.step is not None and self.step <= 0:
            raise SpaceError(f"{call}: step has to be greater than 0.")
        if self.step is not None and self.log and self.step <= 1:
            raise SpaceError(f"{call}: with log=True the step multiplies, so it has to be greater than 1.")

    @abstractmethod
    def _check_types(self, call: str) -> None: ...

    @cached_property
    def _levels(self) -> int:
        """Number of values of a range with a step; one that doesn't divide the range ends at the last point inside."""
        low, high, step = _decimal(self.low), _decimal(self.high), _decimal(self.step)
        if not self.log:
            return int((high - low) / step) + 1
        # The logarithm tells the count up to a rounding error, which the exact products decide.
        count = max(int(math.log(self.high / self.low) / math.log(self.step)), 1)
        while low * step**count <= high:
            count += 1
        while low * step ** (count - 1) > high:
            count -= 1
        return count

    def _level(self, index: int) -> Decimal:
        low, step = _decimal(self.low), _decimal(self.step)
        return low * step**index if self.log else low + index * step

    def _nearest_level(self, value: float) -> int:
        if self.log:
            position = math.log(value / self.low) / math.log(self.step) if value > 0 else 0.0
        else:
            position = (value - self.low) / self.step
        return min(max(round(position), 0), self._levels - 1)

    def range(self) -> dict[str, Any]:
        """Bounds, step and scale."""
        return {"low": self.low, "high": self.high, "step": self.step, "log": self.log}


@dataclass(frozen=True, kw_only=True)
class Int(_Number):
    """An integer from `low` to `high`, both included, perhaps by steps and perhaps on a log scale."""

    kind: ClassVar[str] = "int"

    def _check_types(self, call: str) -> None:
        for what, value in (("low", self.low), ("high", self.high), ("step", self.step)):
            if value is None and what == "step":
                continue
            if type(value) is not int:
                raise SpaceError(f"{call}: {what} has to be an integer. Received: {value!r} ({type(value).__name__}).")

    @property
    def size(self) -> int:
        """How many integers it may take."""
        return self._levels if self.step is not None else self.high - self.low + 1

    def _value(self, index: int) -> int:
        return int(self._level(index)) if self.step is not None else int(self.low + index)

    def index_of(self, value: Value) -> int:
        """The place of a value among all of them; ValueError where it is none."""
        if is_number(value) and math.isfinite(value) and value == int(value):
            index = self._nearest_level(float(value)) if self.step is not None else int(value) - self.low
            if 0 <= index < self.size and self._value(index) == value:
                return index
        raise ValueError(f"{value!r} is not one of the values of {self}")

    def contains(self, value: Value) -> bool:
        """Whether the value is an integer on the range's grid."""
        try:
            self.index_of(value)
        except (ValueError, OverflowError):
            return False
        return True

    def decode(self, position: float) -> int:
        """The integer in whose share the position lies."""
        if self.step is not None or not self.log:
            return self._value(_share(position, self.size))
        lowest, highest = math.log(self.low - 0.5), math.log(self.high + 0.5)
        value = math.floor(math.exp(lowest + position * (highest - lowest)) + 0.5)
        return int(min(max(value, self.low), self.high))

    def encode(self, value: Value) -> float:
        """The middle of the integer's share."""
        index = self.index_of(value)
        if self.step is not None or not self.log:
            return (index + 0.5) / self.size
        lowest, highest = math.log(self.low - 0.5), math.log(self.high + 0.5)
        middle = 0.5 * (math.log(value - 0.5) + math.log(value + 0.5))
        return (middle - lowest) / (highest - lowest)

    def grid(self, points: int) -> Sequence[int]:
        """Every integer of the range, in order."""
        if self.step is None or not self.log:
            return range(self.low, self.low + (self.step or 1) * self.size, self.step or 1)
        return [self._value(index) for index in range(self.size)]


@dataclass(frozen=True, kw_only=True)
class Float(_Number):
    """A float from `low` to `high`, both included, perhaps by steps and perhaps on a log scale."""

    kind: ClassVar[str] = "float"

    def _check_types(self, call: str) -> None:
        for what, value in (("low", self.low), ("high", self.high), ("step", self.step)):
            if value is None and what == "step":
                continue
            if not isinstance(value, float) or not math.isfinite(value):
                raise SpaceError(
                    f"{call}: {what} has to be a finite number. Received: {value!r} ({type(value).__name__})."
                )

    @property
    def size(self) -> float:
        """The number of points of a range with a step; infinity without one, unless low equals high."""
        if self.step is not None:
            return self._levels
        return 1 if self.low == self.high else math.inf

    def index_of(self, value: Value) -> int:
        """The place of a value among the points of a range with a step; ValueError where it is none."""
        if is_number(value) and self.size < math.inf:
            if self.step is None:
                if value == self.low:
                    return 0
            else:
                index = self._nearest_level(float(value))
                if math.isclose(float(self._level(index)), value, rel_tol=1e-9, abs_tol=1e-12 * self.step):
                    return index
        raise ValueError(f"{value!r} is not one of the values of {self}")

    def contains(self, value: Value) -> bool:
        """Whether the value lies in the range, on its grid where it has one."""
        if not is_number(value):
            return False
        if self.step is None:
            return bool(self.low <= value <= self.high)
        try:
            self.index_of(value)
        except (ValueError, OverflowError):
            return False
        return True

    def decode(self, position: float) -> float:
        """The value at a position, on the log scale where it has one."""
        if self.step is not None:
            return float(self._level(_share(position, self._levels)))
        if self.log:
            lowest, highest = math.log(self.low), math.log(self.high)
            value = math.exp(lowest + position * (highest - lowest))
        else:
            value = self.low + position * (self.high - self.low)
        return float(min(max(value, self.low), self.high))

    def encode(self, value: Value) -> float:
        """The value's position, or the middle of its share where it has a step."""
        if self.step is not None:
            return (self.index_of(value) + 0.5) / self._levels
        if self.low == self.high:
            return 0.5
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return float((value - self.low) / (self.high - self.low))

    def grid(self, points: int) -> Sequence[float]:
        """The points of its step, or `points` ones evenly on its scale, free of rounding dust."""
        if self.step is not None:
            return [float(self._level(index)) for index in range(self._levels)]
        if self.low == self.high or points == 1:
            return [self.low]
        low, high = _decimal(self.low), _decimal(self.high)
        shares = [Decimal(index) / (points - 1) for index in range(1, points - 1)]
        if self.log:
            between = [float(low * (high / low) ** share) for share in shares]
        else:
            between = [float(low + (high - low) * share) for share in shares]
        return [self.low, *between, self.high]


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
    """Any option as JSON: scalars as they are, tuples marked as such, other objects by their label."""
    if is_scalar(value):
        return value
    if isinstance(value, tuple) and all(is_scalar(item) for item in value):
        return {"tuple": [to_json(item) for item in value]}
    return {"label": label_of(value)}


def from_json(data: Any, index: int = 0) -> Value:
    """The value that `to_json` wrote; an object comes back as its label, which remembers its index."""
    if isinstance(data, dict):
        if "tuple" in data:
            return tuple(from_json(item) for item in data["tuple"])
        return OptionLabel(data["label"], int(data.get("choice", index)))
    return data


def parameter_from_json(data: Mapping[str, Any]) -> Parameter:
    """The parameter that `describe` wrote; KeyError or ValueError where the data are not one."""
    name, kind = data["name"], data["kind"]
    conditions = tuple(
        Condition(parent, tuple(from_json(value) for value in values)) for parent, values in data.get("when", ())
    )
    default = from_json(data["default"]) if "default" in data else UNSET
    common: dict[str, Any] = {"name": name, "default": default, "conditions": conditions}
    match kind:
        case "choice":
            options = tuple(from_json(option, index) for index, option in enumerate(data["options"]))
            if isinstance(default, OptionLabel):
                common["default"] = options[default.place]
            return Choice(options=options, **common)
        case "boolean":
            return Boolean(**common)
        case "fixed":
            return Fixed(options=(from_json(data["value"]),), **common)
        case "int" | "float":
            number = Int if kind == "int" else Float
            return number(low=data["low"], high=data["high"], step=data["step"], log=data["log"], **common)
    raise ValueError(f"unknown kind of parameter {kind!r}")


class Space:
    """The parameters known so far, in the order in which build_fn asked for them. Never changes."""

    def __init__(self, parameters: Iterable[Parameter] = ()) -> None:
        self._parameters = {parameter.name: parameter for parameter in parameters}

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._parameters.values())

    def __len__(self) -> int:
        return len(self._parameters)

    def __contains__(self, name: object) -> bool:
        return name in self._parameters

    def __getitem__(self, name: str) -> Parameter:
        return self._parameters[name]

    def get(self, name: str) -> Parameter | None:
        """The parameter of a name, or None."""
        return self._parameters.get(name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Space({', '.join(str(parameter) for parameter in self)})"

    def with_parameter(self, parameter: Parameter) -> Space:
        """The space with one more parameter, or with the known one brought up to date.

        A name that is asked for under different conditions keeps only those that all of them share.
        RangeChangedError where the name is known with another kind or range.
        """
        known = self._parameters.get(parameter.name)
        if known is not None:
            if known.kind != parameter.kind or known.range() != parameter.range():
                raise RangeChangedError(redefinition(known, parameter))
            shared = tuple(condition for condition in known.conditions if condition in parameter.conditions)
            default = known.default if parameter.default is UNSET else parameter.default
            parameter = dataclasses.replace(parameter, conditions=shared, default=default)
        return Space({**self._parameters, parameter.name: parameter}.values())

    @property
    def size(self) -> float:
        """How many settings there are at most, conditions not counted; infinity with any float without a step."""
        return math.prod(parameter.size for parameter in self)

    def decode(self, point: Sequence[float] | np.ndarray) -> dict[str, Value]:
        """The setting at a point of the unit cube of shape (len(space),); inactive parameters are left out."""
        values: dict[str, Value] = {}
        for parameter, position in zip(self, point, strict=True):
            if all(condition.holds(values) for condition in parameter.conditions):
                values[parameter.name] = parameter.decode(float(position))
        return values

    def encode(self, values: Mapping[str, Value]) -> np.ndarray:
        """The point of the unit cube, shape (len(space),), of a setting; 0.5 for parameters it doesn't hold."""
        return np.array([p.encode(values[p.name]) if p.name in values else 0.5 for p in self], dtype=float)


def redefinition(known: Parameter, asked: Parameter) -> str:
    """What to tell a person whose build_fn asks for one name with two ranges."""
    return (
        f"The parameter {asked.name!r} was asked for as {known} and now as {asked}. One name has one range: use two "
        "names (hp.scope helps), or, where a range depends on another value, ask for a ratio with a range that never "
        f"changes and multiply: hp.float({asked.name + '_ratio'!r}, 0.6, 1.0) * other."
    )


def _decimal(number: float) -> Decimal:
    # By way of repr a float is the decimal that a person typed, so that 3 * 0.1 is 0.3.
    return Decimal(repr(number))


def _share(position: float, count: int) -> int:
    """Which of `count` equal shares of [0, 1] holds the position."""
    return min(max(int(position * count), 0), count - 1)
