"""KerasTuner's parameter objects, each over a parameter of this library, which maps positions to values.

What KerasTuner refuses is refused here, with its types of errors. A default may lie outside the range, as there: it is
the first value of this object, and the library's own parameter has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from kerastune_lite.space import HyperParameters as CoreHyperParameters
from kerastune_lite.space import Parameter, Value, parameters, plain
from kerastune_lite.space.values import is_number

Config = dict[str, Any]
_SCALES = ("linear", "log", "reverse_log")
POINTS_WITHOUT_STEP = 10
"""How many values a grid takes of a range without a step."""


class Parent:
    """The condition that a parameter is active only where another one has one of some values.

    Args:
        name: The other parameter's full name.
        values: One of its values, or several.
    """

    def __init__(self, name: str, values: Any) -> None:
        self.name = name
        self.values = [plain(value) for value in (values if isinstance(values, (list, tuple)) else [values])]

    def is_active(self, values: Mapping[str, Value]) -> bool:
        """Whether a setting meets the condition."""
        return self.name in values and values[self.name] in self.values

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Parent) and (self.name, self.values) == (other.name, other.values)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return f"{self.name}={'|'.join(map(str, self.values))}"

    def get_config(self) -> Config:
        """The condition as JSON can hold it."""
        return {"class_name": "Parent", "config": {"name": self.name, "values": self.values}}

    @classmethod
    def of(cls, condition: Parent | Mapping[str, Any]) -> Parent:
        """A condition, or what `get_config` wrote of one."""
        if isinstance(condition, Parent):
            return condition
        return cls(**condition["config"])


class HyperParameter:
    """A parameter: its name, its default, and the conditions under which it is active.

    Args:
        name: Its full name.
        default: The value to begin with.
        conditions: Conditions that all have to hold.
    """

    def __init__(self, name: str, default: Any = None, conditions: Iterable[Any] | None = None) -> None:
        self.name = name
        self._default = default
        self.conditions = [Parent.of(condition) for condition in conditions or ()]

    @property
    def default(self) -> Any:
        """The value to begin with."""
        return self._default

    @cached_property
    def core(self) -> Parameter:
        """The library's own parameter with the same values."""
        raise NotImplementedError(f"{type(self).__name__} has no values of its own.")

    @property
    def values(self) -> Iterable[Any]:
        """The values, in order; of a range without a step, ten even ones on its scale."""
        return list(self.core.grid(POINTS_WITHOUT_STEP))

    @property
    def grid(self) -> Sequence[Any] | None:
        """The values that a grid tries, where they are fewer than the parameter takes; else None."""
        return None

    def ask(self, hp: CoreHyperParameters, name: str) -> Any:
        """Asks the library's own `hp` for it, under a name."""
        raise NotImplementedError(f"{type(self).__name__} can't be asked for.")

    def random_sample(self, seed: int | None = None) -> Any:
        """A value that is drawn at random."""
        return self.prob_to_value(float(np.random.default_rng(seed).random()))

    def prob_to_value(self, prob: float) -> Any:
        """The value whose share of [0, 1] holds a position."""
        return self.core.decode(prob)

    def value_to_prob(self, value: Any) -> float:
        """The middle of a value's share of [0, 1]."""
        return self.core.encode(value)

    def get_config(self) -> Config:
        """The arguments that make the parameter again, as JSON can hold them."""
        conditions = [condition.get_config() for condition in self.conditions]
        return {"name": self.name, "default": self._default, "conditions": conditions}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """The parameter that `get_config` describes."""
        return cls(**config)

    def __repr__(self) -> str:
        described = ", ".join(f"{key}: {value!r}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({described})"


class Choice(HyperParameter):
    """One of several values of one type: int, float, str or bool.

    Args:
        name: Its full name.
        values: The values.
        ordered: Whether they have an order; True for numbers where it isn't given. No strategy here looks at it.
        default: The first value where it isn't given.
        conditions: Conditions that all have to hold.
    """

    def __init__(
        self,
        name: str,
        values: Iterable[Any],
        ordered: bool | None = None,
        default: Any = None,
        conditions: Iterable[Any] | None = None,
    ) -> None:
        self._values = [value.item() if isinstance(value, np.generic) else value for value in values]
        if not self._values:
            raise ValueError(f"`values` must be provided for `Choice`. Received: hp.Choice({name!r}, []).")
        types = {type(value) for value in self._values}
        if not types <= {int, float, str, bool}:
            raise TypeError(
                "A `Choice` can contain only `int`, `float`, `str`, or `bool`, found values: "
                f"{self._values!r}. This library's own hp.choice takes any objects."
            )
        if len(types) > 1:
            raise TypeError(
                f"A `Choice` can contain only one type of value, found values: {self._values!r}. This library's own "
                "hp.choice takes several."
            )
        is_numeric = types <= {int, float}
        if ordered and not is_numeric:
            raise ValueError(f"`ordered` must be `False` for values that are no numbers. Received: {self._values!r}.")
        self.ordered = is_numeric if ordered is None else ordered
        if default is not None and default not in self._values:
            raise ValueError(f"The default value should be one of the choices {self._values!r}. Received: {default!r}.")
        super().__init__(name, self._values[0] if default is None else default, conditions)

    @property
    def values(self) -> list[Any]:
        """The values in the order given."""
        return self._values

    @cached_property
    def core(self) -> Parameter:
        """The library's own choice, which has each value once."""
        return parameters.Choice(name=self.name, options=tuple(dict.fromkeys(self._values)))

    def ask(self, hp: CoreHyperParameters, name: str) -> Any:
        """Asks for one of the values."""
        return hp.choice(name, list(dict.fromkeys(self._values)))

    def get_config(self) -> Config:
        """As of every parameter, with the values."""
        return {**super().get_config(), "values": self._values, "ordered": self.ordered}


class Boolean(HyperParameter):
    """True or False.

    Args:
        name: Its full name.
        default: The value to begin with.
        conditions: Conditions that all have to hold.
    """

    def __init__(self, name: str, default: bool = False, conditions: Iterable[Any] | None = None) -> None:
        if default not in (True, False):
            raise ValueError(f"`default` must be a Python boolean. Received: {default!r}.")
        super().__init__(name, bool(default), conditions)

    @property
    def values(self) -> tuple[bool, bool]:
        """True and False."""
        return True, False

    @cached_property
    def core(self) -> Parameter:
        """The library's own boolean."""
        return parameters.Boolean(name=self.name)

    def ask(self, hp: CoreHyperParameters, name: str) -> bool:
        """Asks for True or False."""
        return hp.boolean(name)


class Fixed(HyperParameter):
    """A value that is always the same, kept in the records together with the others.

    Args:
        name: Its full name.
        value: An int, a float, a string or a boolean.
        conditions: Conditions that all have to hold.
    """

    def __init__(self, name: str, value: Any, conditions: Iterable[Any] | None = None) -> None:
        if isinstance(value, np.generic):
            value = value.item()
        if not isinstance(value, (int, float, str, bool)):
            raise ValueError(f"`Fixed` value must be an `int`, `float`, `str`, or `bool`. Received: {value!r}.")
        super().__init__(name, value, conditions)
        self.value = value

    @cached_property
    def core(self) -> Parameter:
        """The library's own fixed parameter."""
        return parameters.Fixed(name=self.name, options=(self.value,))

    def ask(self, hp: CoreHyperParameters, name: str) -> Any:
        """Records the value and gives it back."""
        return hp.fixed(name, self.value)

    def get_config(self) -> Config:
        """As of every parameter, with the value in the place of the default."""
        return {"name": self.name, "conditions": super().get_config()["conditions"], "value": self.value}


class _Numerical(HyperParameter):
    """A number from `min_value` to `max_value`, both included."""

    core_class: ClassVar[type[parameters.Int] | type[parameters.Float]]

    def __init__(
        self,
        name: str,
        min_value: Any,
        max_value: Any,
        step: Any = None,
        sampling: str | None = "linear",
        default: Any = None,
        conditions: Iterable[Any] | None = None,
    ) -> None:
        super().__init__(name, default, conditions)
        self.min_value, self.max_value, self.step = min_value, max_value, step
        self.sampling = (sampling or "linear").lower()
        self._check()

    def _check(self) -> None:
        call = f"For HyperParameters.{type(self).__name__}(name={self.name!r}), "
        if self.min_value > self.max_value:
            raise ValueError(f"{call}min_value {self.min_value} is greater than the max_value {self.max_value}.")
        if self.sampling not in _SCALES:
            raise ValueError(f"{call}sampling must be one of {', '.join(_SCALES)}. Received: {self.sampling!r}.")
        if self.sampling == "linear":
            return
        if self.min_value <= 0:
            raise ValueError(
                f"{call}sampling={self.sampling!r} does not support negative values or 0, found min_value: "
                f"{self.min_value}."
            )
        if self.step is not None and self.step <= 1:
            raise ValueError(f"{call}expected step > 1 with sampling={self.sampling!r}. Received: step={self.step}.")

    @property
    def default(self) -> Any:
        """The value to begin with; the smallest one where none was given."""
        return self.min_value if self._default is None else self._default

    @cached_property
    def core(self) -> Parameter:
        """The library's own parameter, on the same scale."""
        scale: dict[str, Any] = {"log": self.sampling != "linear"}
        if self.sampling == "reverse_log":
            scale["is_reversed"] = True
        return self.core_class(name=self.name, low=self.min_value, high=self.max_value, step=self.step, **scale)

    @property
    def values(self) -> list[Any]:
        """All values of a range with a step; of one without, ten even ones on its scale."""
        return self._even_values() if self.step is None else list(self.core.grid(POINTS_WITHOUT_STEP))

    def prob_to_value(self, prob: float) -> Any:
        """The value whose share of [0, 1] holds a position."""
        return super().prob_to_value(1.0 - prob if self._is_descending else prob)

    def value_to_prob(self, value: Any) -> float:
        """The middle of a value's share of [0, 1]."""
        prob = super().value_to_prob(value)
        return 1.0 - prob if self._is_descending else prob

    @property
    def _is_descending(self) -> bool:
        """Whether positions go from the largest value to the smallest, as KerasTuner's do on this scale with steps."""
        return self.step is not None and self.sampling == "reverse_log"

    def _even_values(self) -> list[Any]:
        middles = [(index + 0.5) / POINTS_WITHOUT_STEP for index in range(POINTS_WITHOUT_STEP)]
        return list(dict.fromkeys(self.core.decode(middle) for middle in middles))

    @property
    def grid(self) -> Sequence[Any] | None:
        """Of a range without a step the default and ten even values, as KerasTuner's grid search tries them."""
        return list(dict.fromkeys([self.default, *self._even_values()])) if self.step is None else None

    @property
    def _log(self) -> Any:
        return "reverse" if self.sampling == "reverse_log" else self.sampling == "log"

    def get_config(self) -> Config:
        """As of every parameter, with the range."""
        return {
            **super().get_config(),
            "min_value": self.min_value,
            "max_value": self.max_value,
            "step": self.step,
            "sampling": self.sampling,
        }


class Int(_Numerical):
    """An integer from `min_value` to `max_value`, both included.

    Args:
        name: Its full name.
        min_value: The smallest value.
        max_value: The largest value.
        step: The distance between values; on a logarithmic scale what one is multiplied by to get the next.
        sampling: "linear", "log" or "reverse_log".
        default: The value to begin with; the smallest one where it isn't given.
        conditions: Conditions that all have to hold.
    """

    core_class = parameters.Int

    def __init__(
        self,
        name: str,
        min_value: int,
        max_value: int,
        step: int | None = None,
        sampling: str | None = "linear",
        default: int | None = None,
        conditions: Iterable[Any] | None = None,
    ) -> None:
        super().__init__(
            name,
            _whole(min_value, "min_value"),
            _whole(max_value, "max_value"),
            None if step is None else _whole(step, "step"),
            sampling,
            default,
            conditions,
        )
        if self.step is None and self.sampling == "linear":
            self.step = 1

    def ask(self, hp: CoreHyperParameters, name: str) -> int:
        """Asks for an integer of the range."""
        return hp.int(name, self.min_value, self.max_value, self.step, self._log)


class Float(_Numerical):
    """A float from `min_value` to `max_value`, both included.

    Args:
        name: Its full name.
        min_value: The smallest value.
        max_value: The largest value.
        step: The distance between values; on a logarithmic scale what one is multiplied by to get the next.
        sampling: "linear", "log" or "reverse_log".
        default: The value to begin with; the smallest one where it isn't given.
        conditions: Conditions that all have to hold.
    """

    core_class = parameters.Float

    def __init__(
        self,
        name: str,
        min_value: float,
        max_value: float,
        step: float | None = None,
        sampling: str | None = "linear",
        default: float | None = None,
        conditions: Iterable[Any] | None = None,
    ) -> None:
        super().__init__(
            name,
            float(min_value),
            float(max_value),
            None if step is None else float(step),
            sampling,
            None if default is None else float(default),
            conditions,
        )

    def ask(self, hp: CoreHyperParameters, name: str) -> float:
        """Asks for a float of the range."""
        return hp.float(name, self.min_value, self.max_value, self.step, self._log)


def _whole(value: Any, what: str) -> int:
    if is_number(value) and float(value).is_integer():
        return int(value)
    raise ValueError(f"{what} must be an int. Received: {value!r} ({type(value).__name__}).")


_CLASSES: dict[str, type[HyperParameter]] = {
    kind.__name__: kind for kind in (HyperParameter, Choice, Boolean, Fixed, Int, Float)
}


def parameter_of_config(class_name: str, config: Config) -> HyperParameter:
    """The parameter of a class's name and of what its `get_config` wrote.

    Raises:
        ValueError: There is no such class.
    """
    if class_name not in _CLASSES:
        raise ValueError(f"There is no kind of parameter {class_name!r}. There are: {', '.join(_CLASSES)}.")
    return _CLASSES[class_name].from_config(config)


def parameter_of_core(parameter: Parameter, name: str) -> HyperParameter | None:
    """KerasTuner's object for one of the library's own parameters; None for one that KerasTuner has no kind for."""
    match parameter:
        case parameters.Boolean():
            return Boolean(name)
        case parameters.Fixed(options=(value,)):
            return Fixed(name, value) if isinstance(value, (int, float, str, bool)) else None
        case parameters.Choice(options=options):
            is_plain = len({type(option) for option in options}) == 1 and type(options[0]) in (int, float, str, bool)
            return Choice(name, options) if is_plain else None
        case parameters.Int() | parameters.Float():
            sampling = "linear" if not parameter.log else "log"
            if getattr(parameter, "is_reversed", False):
                sampling = "reverse_log"
            kind = Int if isinstance(parameter, parameters.Int) else Float
            return kind(name, parameter.low, parameter.high, parameter.step, sampling)
    return None
