"""KerasTuner's `hp`: a container of parameters and of the values that they have now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Self

from kerastune_lite.compat.keras_tuner.parameters import (
    Boolean,
    Choice,
    Fixed,
    Float,
    HyperParameter,
    Int,
    Parent,
    parameter_of_config,
)


class HyperParameters:
    """The parameters that were asked for, and their values.

    Outside of a search each parameter has its default. A name that is asked for again has the range that it was first
    asked for with, unless it is under other conditions.

    Attributes:
        values: The values of the active parameters by their names; it may be written to.
        active_scopes: The conditions of every `conditional_scope` that held when it was opened.
        inactive_scopes: The conditions of those that didn't.
    """

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.active_scopes: list[list[Parent]] = []
        self.inactive_scopes: list[list[Parent]] = []
        self._space: list[HyperParameter] = []
        self._hps: defaultdict[str, list[HyperParameter]] = defaultdict(list)
        self._name_scopes: list[str] = []
        self._conditions: list[Parent] = []

    @property
    def space(self) -> list[HyperParameter]:
        """The parameters in the order in which they were registered, inactive ones included."""
        return self._space

    # Asking

    def Choice(
        self,
        name: str,
        values: Iterable[Any],
        ordered: bool | None = None,
        default: Any = None,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        """One of several values of one type: int, float, str or bool."""
        with self._under(parent_name, parent_values):
            return self._asked(Choice(self._full_name(name), values, ordered, default, self._conditions))

    def Int(
        self,
        name: str,
        min_value: int,
        max_value: int,
        step: int | None = None,
        sampling: str | None = "linear",
        default: int | None = None,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        """An integer from `min_value` to `max_value`, both included."""
        with self._under(parent_name, parent_values):
            return self._asked(
                Int(self._full_name(name), min_value, max_value, step, sampling, default, self._conditions)
            )

    def Float(
        self,
        name: str,
        min_value: float,
        max_value: float,
        step: float | None = None,
        sampling: str | None = "linear",
        default: float | None = None,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        """A float from `min_value` to `max_value`, both included."""
        with self._under(parent_name, parent_values):
            return self._asked(
                Float(self._full_name(name), min_value, max_value, step, sampling, default, self._conditions)
            )

    def Boolean(
        self, name: str, default: bool = False, parent_name: str | None = None, parent_values: Any = None
    ) -> Any:
        """True or False."""
        with self._under(parent_name, parent_values):
            return self._asked(Boolean(self._full_name(name), default, self._conditions))

    def Fixed(self, name: str, value: Any, parent_name: str | None = None, parent_values: Any = None) -> Any:
        """A value that is always the same."""
        with self._under(parent_name, parent_values):
            return self._asked(Fixed(self._full_name(name), value, self._conditions))

    def get(self, name: str) -> Any:
        """The value that a parameter has now.

        Raises:
            KeyError: There is no parameter of that name.
            ValueError: It is inactive.
        """
        name = self._full_name(name)
        if name in self.values:
            return self.values[name]
        if name in self._hps:
            raise ValueError(f"{name} is currently inactive.")
        raise KeyError(f"{name} does not exist.")

    def __getitem__(self, name: str) -> Any:
        return self.get(name)

    def __contains__(self, name: str) -> bool:
        return self._full_name(name) in self.values

    def is_active(self, hyperparameter: str | HyperParameter) -> bool:
        """Whether the conditions of a parameter hold, or those of one of the parameters of a name."""
        if isinstance(hyperparameter, HyperParameter):
            return all(condition.is_active(self.values) for condition in hyperparameter.conditions)
        return any(self.is_active(parameter) for parameter in self._hps.get(str(hyperparameter), ()))

    # Scopes

    @contextmanager
    def name_scope(self, name: str) -> Iterator[None]:
        """Prefixes the names asked for inside with `name/`."""
        self._name_scopes.append(name)
        try:
            yield
        finally:
            self._name_scopes.pop()

    @contextmanager
    def conditional_scope(self, parent_name: str, parent_values: Any) -> Iterator[None]:
        """Declares that the parameters asked for inside are active only where another one has one of some values.

        The block runs in any case. Inactive parameters are registered, and answered with None.

        Raises:
            ValueError: Nothing of the parent's name was asked for before.
        """
        parent_name = self._full_name(parent_name)
        if parent_name not in self._hps:
            raise ValueError(f"`HyperParameter` named: {parent_name} not defined. Ask for it before its scope.")
        self._conditions.append(Parent(parent_name, parent_values))
        is_active = all(condition.is_active(self.values) for condition in self._conditions)
        (self.active_scopes if is_active else self.inactive_scopes).append(list(self._conditions))
        try:
            yield
        finally:
            self._conditions.pop()

    def _under(self, parent_name: str | None, parent_values: Any) -> Any:
        return nullcontext() if parent_name is None else self.conditional_scope(parent_name, parent_values)

    def _full_name(self, name: str) -> str:
        return "/".join([*self._name_scopes, str(name)])

    # Registering

    def _asked(self, parameter: HyperParameter) -> Any:
        known = self.registered(parameter)
        if known is None:
            return self.register(parameter)
        return self._value_of(known)

    def registered(self, parameter: HyperParameter) -> HyperParameter | None:
        """The parameter that is registered under a parameter's name and conditions, or None."""
        for known in self._hps.get(parameter.name, ()):
            if known.conditions == parameter.conditions:
                return known
        return None

    def register(self, parameter: HyperParameter) -> Any:
        """Adds a parameter, and answers with its value; None where it is inactive.

        Raises:
            ValueError: It has the name of a parameter on which it depends.
        """
        if any(condition.name == parameter.name for condition in parameter.conditions):
            raise ValueError(
                f"A hyperparameter cannot have the same name as a parent on which it depends: {parameter.name!r}."
            )
        self._hps[parameter.name].append(parameter)
        self._space.append(parameter)
        return self._value_of(parameter)

    def _value_of(self, parameter: HyperParameter) -> Any:
        if not self.is_active(parameter):
            return None
        if parameter.name not in self.values:
            self.values[parameter.name] = self._first_value_of(parameter)
        return self.values[parameter.name]

    def _first_value_of(self, parameter: HyperParameter) -> Any:
        """What a parameter is answered with that has no value yet."""
        return parameter.default

    # Copies

    def copy(self) -> HyperParameters:
        """The same parameters and values, to be changed without changing these."""
        other = HyperParameters()
        other._space = list(self._space)
        other._hps.update({name: list(parameters) for name, parameters in self._hps.items()})
        other.values = dict(self.values)
        other._name_scopes, other._conditions = list(self._name_scopes), list(self._conditions)
        return other

    def merge(self, hps: HyperParameters, overwrite: bool = True) -> None:
        """Registers the parameters of another container that this one lacks.

        Args:
            hps: The other container.
            overwrite: Whether its values take the place of this one's.
        """
        for parameter in hps.space:
            value = hps.values.get(parameter.name, parameter.default)
            is_new = self.registered(parameter) is None
            if is_new:
                self._hps[parameter.name].append(parameter)
                self._space.append(parameter)
            if self.is_active(parameter) and (overwrite or parameter.name not in self.values):
                self.values[parameter.name] = value

    def ensure_active_values(self) -> None:
        """Gives every active parameter a value, and takes it from the inactive ones."""
        for parameter in self._space:
            self._value_of(parameter)
        for name in [name for name in self.values if name in self._hps and not self.is_active(name)]:
            del self.values[name]

    def get_config(self) -> dict[str, Any]:
        """The parameters and values as JSON can hold them."""
        space = [{"class_name": type(p).__name__, "config": p.get_config()} for p in self._space]
        return {"space": space, "values": dict(self.values)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The container that `get_config` describes."""
        hps = cls()
        for described in config["space"]:
            parameter = parameter_of_config(described["class_name"], described["config"])
            hps._hps[parameter.name].append(parameter)
            hps._space.append(parameter)
        hps.values = dict(config["values"])
        return hps

    def __repr__(self) -> str:
        return f"HyperParameters({self.values})"


def serialize(described: HyperParameters | HyperParameter) -> dict[str, Any]:
    """A container or a parameter as JSON can hold it."""
    return {"class_name": type(described).__name__, "config": described.get_config()}


def deserialize(config: dict[str, Any]) -> HyperParameters | HyperParameter:
    """The container or the parameter that `serialize` wrote."""
    if config["class_name"] == "HyperParameters":
        return HyperParameters.from_config(config["config"])
    return parameter_of_config(config["class_name"], config["config"])
