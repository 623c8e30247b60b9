"""Parameters: the kinds of open choice, each with a map between [0, 1) and its values.

A parameter maps [0, 1) to its values: equal shares for the values of a discrete one, so that a uniform draw of the
cube is a uniform draw of the values. On a logarithmic scale an integer n owns the share of [log(n - 1/2),
log(n + 1/2)]; points made by a multiplying step lie evenly on that scale and own equal shares.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import accumulate
from typing import Any, ClassVar

from kerastune_lite.errors import SpaceError
from kerastune_lite.space.values import (
    UNSET,
    OptionLabel,
    Value,
    as_float,
    as_json_would,
    is_data,
    is_number,
    is_scalar,
    label_of,
    plain,
    same_value,
    short_label,
    to_full_json,
    to_json,
)

ABSENT_PLACE, UNCERTAIN_PLACE = -1, -2
"""The places of labels whose option was taken out of its choice, and of those that may be one of several options."""


@dataclass(frozen=True)
class Condition:
    """The condition that a parameter is active only where `parent` has one of `values`."""

    parent: str
    values: tuple[Value, ...]

    def __str__(self) -> str:
        return f"{self.parent}={'|'.join(map(label_of, self.values))}"

    def excludes(self, other: Condition) -> bool:
        """Whether no setting can meet both: they ask for different values of one parameter."""
        return self.parent == other.parent and not any(
            same_value(one, another) for one in self.values for another in other.values
        )

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether a setting meets the condition; a setting without the parent doesn't."""
        return self.parent in values and any(same_value(values[self.parent], value) for value in self.values)


@dataclass(frozen=True, kw_only=True)
class Parameter(ABC):
    """One open choice: its name, the values that it may take, and perhaps a default and conditions."""

    kind: ClassVar[str]
    shown_part: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """The positions between which a figure shows the parameter."""

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
        """Raises a SpaceError where the range is impossible."""

    @property
    @abstractmethod
    def size(self) -> float:
        """How many different values the parameter takes; infinity for a float without a step."""

    @property
    def never_repeats(self) -> bool:
        """Whether no two draws are the same."""
        return self.size == math.inf

    def contains(self, value: Value) -> bool:
        """Whether the parameter can take a value: of one that is counted, whether the value has an index."""
        try:
            self.index_of(value)
        except (ValueError, OverflowError):
            return False
        return True

    @abstractmethod
    def decode(self, position: float) -> Value:
        """The value whose share of [0, 1] holds a position."""

    @abstractmethod
    def encode(self, value: Value) -> float:
        """The middle of a value's share of [0, 1], so that `decode(encode(value)) == value`."""

    @abstractmethod
    def index_of(self, value: Value) -> int:
        """The index of a value among those of a discrete parameter; ValueError where it isn't one of them."""

    @abstractmethod
    def value_at(self, index: int) -> Value:
        """The value of an index among those of a discrete parameter: the inverse of `index_of`."""

    def nearest(self, number: float) -> Value:
        """The value of a parameter of numbers that is nearest to a number inside the range."""
        return self.decode(self.encode(number)) if self.size < math.inf else as_float(number)

    @abstractmethod
    def grid(self, points: int) -> Sequence[Value]:
        """Every value in order; for a float without a step, `points` values even on its scale, ends included."""

    @abstractmethod
    def range(self) -> dict[str, Any]:
        """The range as JSON; two parameters of one name with equal ranges are the same parameter."""

    def describe(self) -> dict[str, Any]:
        """The parameter as JSON: name, kind, range, default and conditions."""
        description = {"name": self.name, "kind": self.kind, **self.range()}
        if self.default is not UNSET:
            description["default"] = self.value_to_json(self.default)
        if self.conditions:
            description["when"] = [[c.parent, [to_full_json(v) for v in c.values]] for c in self.conditions]
        return description

    def value_to_json(self, value: Value) -> Any:
        """One of the parameter's values as JSON."""
        return to_json(value)

    def __str__(self) -> str:
        inside = ", ".join(
            f"{key}={value}" for key, value in self.range().items() if value is not None and value is not False
        )
        return f"{self.kind} {self.name!r} ({inside})"


@dataclass(frozen=True, kw_only=True)
class Choice(Parameter):
    """A parameter that takes one of several options, which may be any objects.

    Attributes:
        options: The options.
        weights: How often each is drawn, relative to the others; None for all alike.
    """

    kind: ClassVar[str] = "choice"
    options: tuple[Value, ...]
    weights: tuple[float, ...] | None = None

    def _check(self) -> None:
        if not self.options:
            raise SpaceError(f"hp.choice({self.name!r}, []): there is nothing to choose from. Give at least one value.")
        self._check_weights()
        for index, option in enumerate(self.options):
            if is_data(option) and any(same_value(option, other) for other in self.options[:index]):
                raise SpaceError(
                    f"hp.choice({self.name!r}, …): {option!r} stands there twice. Give each value once: "
                    "a search never tries the same setting twice."
                )

    def _check_weights(self) -> None:
        if self.weights is None:
            return
        if len(self.weights) != len(self.options):
            raise SpaceError(
                f"hp.choice({self.name!r}, …): there are {len(self.options)} options and {len(self.weights)} weights. "
                "Give one weight for each option."
            )
        for weight in self.weights:
            if not is_number(weight) or not 0 < weight < math.inf:
                raise SpaceError(
                    f"hp.choice({self.name!r}, …): a weight has to be a finite number above 0. Received: {weight!r}. "
                    "Leave out an option that is never to be drawn."
                )

    @property
    def size(self) -> int:
        """How many options there are."""
        return len(self.options)

    @cached_property
    def _ends(self) -> tuple[float, ...]:
        """The end of each option's share of [0, 1], in their order."""
        ends = tuple(accumulate(self.weights or (1.0,) * self.size))
        return tuple(end / ends[-1] for end in ends)

    def contains(self, value: Value) -> bool:
        """Whether the value is one of the options."""
        return self._find(value) is not None

    def index_of(self, value: Value) -> int:
        """The index of the option that a value is; ValueError where it is none of them."""
        index = self._find(value)
        if index is None:
            raise ValueError(f"{value!r} is not one of the options of {self}")
        return index

    def _find(self, value: Value) -> int | None:
        if isinstance(value, OptionLabel):
            inside = 0 <= value.place < len(self.options) and label_of(self.options[value.place]) == value
            return value.place if inside else None
        for index, option in enumerate(self.options):
            if option is value:
                return index
        for index, option in enumerate(self.options):
            if same_value(option, value):
                return index
        # Values that were kept as JSON come back with lists for tuples.
        if isinstance(value, (list, tuple, dict)):
            for index, option in enumerate(self.options):
                if is_data(option) and same_value(as_json_would(option), as_json_would(value)):
                    return index
        return None

    def decode(self, position: float) -> Value:
        """The option in whose share the position lies."""
        if self.weights is None:
            return self.options[_share(position, self.size)]
        return self.options[min(bisect_right(self._ends, position), self.size - 1)]

    def encode(self, value: Value) -> float:
        """The middle of an option's share of [0, 1]."""
        index = self.index_of(value)
        if self.weights is None:
            return (index + 0.5) / self.size
        return 0.5 * (self._ends[index] + (self._ends[index - 1] if index else 0.0))

    def value_at(self, index: int) -> Value:
        """The option at an index."""
        return self.options[index]

    def grid(self, points: int) -> Sequence[Value]:
        """The options in the order given."""
        return self.options

    def value_to_json(self, value: Value) -> Any:
        """An option as JSON: a scalar as it is, anything else by its index and its label."""
        index = self.index_of(value)
        if is_scalar(self.options[index]):
            return self.options[index]
        return {"choice": index, "label": label_of(self.options[index])}

    def range(self) -> dict[str, Any]:
        """The options as JSON: scalars and tuples of them as they are, other objects by their label."""
        return {"options": [to_json(option) for option in self.options]}

    def describe(self) -> dict[str, Any]:
        """The parameter as JSON, with what options hold that are lists or dicts, and with the weights if there are any.

        Weights are no part of the range: they say how often a value is drawn, not which values there are.
        """
        weights = {} if self.weights is None else {"weights": list(self.weights)}
        return {**super().describe(), **self._full_range(), **weights}

    def _full_range(self) -> dict[str, Any]:
        return {"options": [to_full_json(option) for option in self.options]}

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} (one of {', '.join(map(short_label, self.options))})"


@dataclass(frozen=True, kw_only=True)
class Boolean(Choice):
    """A parameter that is False or True."""

    kind: ClassVar[str] = "boolean"
    options: tuple[Value, ...] = (False, True)

    def range(self) -> dict[str, Any]:
        """An empty description, since all booleans have the same range."""
        return {}

    def _full_range(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True, kw_only=True)
class Fixed(Choice):
    """A parameter with one value, kept in the records together with the open choices."""

    kind: ClassVar[str] = "fixed"

    def range(self) -> dict[str, Any]:
        """The one value as JSON."""
        return {"value": to_json(self.options[0])}

    def _full_range(self) -> dict[str, Any]:
        return {"value": to_full_json(self.options[0])}


@dataclass(frozen=True, kw_only=True)
class _Number(Parameter):
    """A parameter that takes numbers from `low` to `high`.

    Attributes:
        low: The lowest number.
        high: The highest number.
        step: The distance between values, or with `log` their ratio; None for all numbers of the type.
        log: Whether the scale is logarithmic.
        is_reversed: Whether the logarithmic scale is turned around, so that it is fine near `high` and coarse near
            `low`: a value x stands where low + high - x would.
    """

    low: Any
    high: Any
    step: Any = None
    log: bool = False
    is_reversed: bool = False

    def _check(self) -> None:
        call = f"hp.{self.kind}({self.name!r}, {self.low!r}, {self.high!r}"
        call += f", step={self.step!r}" if self.step is not None else ""
        call += ', log="reverse")' if self.is_reversed else ", log=True)" if self.log else ")"
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
        """The number of values of a range with a step; a step that doesn't divide it ends at the last point inside."""
        low, high, step = decimal_of(self.low), decimal_of(self.high), decimal_of(self.step)
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
        low, step = decimal_of(self.low), decimal_of(self.step)
        if self.is_reversed:
            return low + decimal_of(self.high) - low * step ** (self._levels - 1 - index)
        return low * step**index if self.log else low + index * step

    def _nearest_level(self, value: float) -> int:
        if self.log:
            value = self._mirrored(value)
            position = math.log(value / self.low) / math.log(self.step) if value > 0 else 0.0
        else:
            position = (value - self.low) / self.step
        level = min(max(round(position), 0), self._levels - 1)
        return self._levels - 1 - level if self.is_reversed else level

    def _mirrored(self, value: Any) -> Any:
        """The number at whose place on the logarithmic scale a value stands, and the other way round."""
        return self.low + self.high - value if self.is_reversed else value

    def range(self) -> dict[str, Any]:
        """The bounds, the step and the scale as JSON."""
        told = {"low": self.low, "high": self.high, "step": self.step, "log": self.log}
        return told | {"reversed": True} if self.is_reversed else told


@dataclass(frozen=True, kw_only=True)
class Int(_Number):
    """A parameter that takes integers from `low` to `high`, both included, perhaps in steps or on a log scale."""

    kind: ClassVar[str] = "int"

    def _check_types(self, call: str) -> None:
        for what, value in (("low", self.low), ("high", self.high), ("step", self.step)):
            if value is None and what == "step":
                continue
            if type(value) is not int:
                raise SpaceError(f"{call}: {what} has to be an integer. Received: {value!r} ({type(value).__name__}).")

    @property
    def size(self) -> int:
        """How many different integers the parameter takes."""
        return self._levels if self.step is not None else self.high - self.low + 1

    def value_at(self, index: int) -> int:
        """The integer of an index."""
        return int(self._level(index)) if self.step is not None else int(self.low + index)

    def index_of(self, value: Value) -> int:
        """The index of an integer among the parameter's values; ValueError where it isn't one of them."""
        if is_number(value) and math.isfinite(value) and value == int(value):
            index = self._nearest_level(float(value)) if self.step is not None else int(value) - self.low
            if 0 <= index < self.size and self.value_at(index) == value:
                return index
        raise ValueError(f"{value!r} is not one of the values of {self}")

    def decode(self, position: float) -> int:
        """The integer in whose share the position lies."""
        if self.step is not None or not self.log:
            return self.value_at(_share(position, self.size))
        lowest, highest = math.log(self.low - 0.5), math.log(self.high + 0.5)
        position = 1.0 - position if self.is_reversed else position
        value = math.floor(math.exp(lowest + position * (highest - lowest)) + 0.5)
        return int(self._mirrored(min(max(value, self.low), self.high)))

    def encode(self, value: Value) -> float:
        """The middle of an integer's share of [0, 1]."""
        index = self.index_of(value)
        if self.step is not None or not self.log:
            return (index + 0.5) / self.size
        lowest, highest = math.log(self.low - 0.5), math.log(self.high + 0.5)
        value = self._mirrored(value)
        middle = 0.5 * (math.log(value - 0.5) + math.log(value + 0.5))
        position = (middle - lowest) / (highest - lowest)
        return 1.0 - position if self.is_reversed else position

    def grid(self, points: int) -> Sequence[int]:
        """Every integer of the range, in order."""
        if self.step is None or not self.log:
            return range(self.low, self.low + (self.step or 1) * self.size, self.step or 1)
        return [self.value_at(index) for index in range(self.size)]


@dataclass(frozen=True, kw_only=True)
class Float(_Number):
    """A parameter that takes floats from `low` to `high`, both included, perhaps in steps or on a log scale."""

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
        """The index of a value among the points of a range with a step; ValueError where it isn't one of them."""
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
        return bool(self.low <= value <= self.high) if self.step is None else super().contains(value)

    def decode(self, position: float) -> float:
        """The value at a position, on the log scale where it has one."""
        if self.step is not None:
            return float(self._level(_share(position, self._levels)))
        if self.log:
            lowest, highest = math.log(self.low), math.log(self.high)
            position = 1.0 - position if self.is_reversed else position
            value = self._mirrored(math.exp(lowest + position * (highest - lowest)))
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
            position = math.log(self._mirrored(value) / self.low) / math.log(self.high / self.low)
            return 1.0 - position if self.is_reversed else position
        return float((value - self.low) / (self.high - self.low))

    def value_at(self, index: int) -> float:
        """The float of an index, of a range with a step or with one value."""
        return float(self._level(index)) if self.step is not None else float(self.low)

    def grid(self, points: int) -> Sequence[float]:
        """Every point of a range with a step, else `points` even values, as the decimals that a person would type."""
        if self.step is not None:
            return [float(self._level(index)) for index in range(self._levels)]
        if self.low == self.high or points == 1:
            return [self.low]
        low, high = decimal_of(self.low), decimal_of(self.high)
        shares = [Decimal(index) / (points - 1) for index in range(1, points - 1)]
        if self.is_reversed:
            between = [float(low + high - low * (high / low) ** (1 - share)) for share in shares]
        elif self.log:
            between = [float(low * (high / low) ** share) for share in shares]
        else:
            between = [float(low + (high - low) * share) for share in shares]
        return [self.low, *between, self.high]


def moved_label(label: OptionLabel, before: Parameter, now: Parameter) -> OptionLabel:
    """The label of an option after its parameter was given other options, among which it may have another place.

    Options are told apart by their labels. Where several have one label, the first stays the first of them, as long as
    there are as many as before; else nobody knows which is which, and the label belongs to none of them any more.
    """
    if not isinstance(before, Choice) or not isinstance(now, Choice):
        return label
    places = [place for place, option in enumerate(before.options) if label_of(option) == label]
    new_places = [place for place, option in enumerate(now.options) if label_of(option) == label]
    if label.place in places and len(places) == len(new_places):
        return OptionLabel(label, new_places[places.index(label.place)])
    if label.place == UNCERTAIN_PLACE or max(len(places), len(new_places)) > 1:
        return OptionLabel(label, UNCERTAIN_PLACE)
    return OptionLabel(label, new_places[0] if new_places else ABSENT_PLACE)


def decimal_of(number: float) -> Decimal:
    """A number as the decimal that a person typed, so that 3 * 0.1 is 0.3."""
    return Decimal(repr(number))


def _share(position: float, count: int) -> int:
    """Which of `count` equal shares of [0, 1] holds the position."""
    return min(max(int(position * count), 0), count - 1)
