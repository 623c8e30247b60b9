"""The space: the parameters known so far, as the axes of a unit cube. Knows nothing of trials, files or Keras."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from kerastune_lite.errors import RangeChangedError
from kerastune_lite.space.parameters import Choice, Fixed, Parameter
from kerastune_lite.space.values import UNSET, Value, same_value


class Space:
    """The parameters known so far, in the order in which build_fn asked for them. Never changes.

    Args:
        parameters: The parameters.
        remembered: The names of those that an earlier search asked for, and this one not yet. What this one's build_fn
            asks takes their place, since its ranges may have been changed in between.
    """

    def __init__(self, parameters: Iterable[Parameter] = (), remembered: Iterable[str] = ()) -> None:
        self._parameters = {parameter.name: parameter for parameter in parameters}
        self.remembered = frozenset(remembered)

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

    def __str__(self) -> str:
        """A line for each parameter, with the conditions under which it is active."""
        return "\n".join(
            " ".join([str(parameter), *(f"when {condition}" for condition in parameter.conditions)])
            for parameter in self
        )

    def with_parameter(self, parameter: Parameter) -> Space:
        """The space with one more parameter, or with the known one brought up to date; itself where nothing is new.

        A name that is asked for under different conditions keeps only those that all of them share. One that is only
        remembered from an earlier search may have another range now, and may be held at one value or no longer be.

        Raises:
            RangeChangedError: The name is known with another kind or range.
        """
        known = self._parameters.get(parameter.name)
        if known is not None:
            is_same = known.kind == parameter.kind and known.range() == parameter.range()
            if not is_same and not self._may_become(known, parameter):
                is_remembered = known.name in self.remembered
                raise RangeChangedError((another_kind if is_remembered else redefinition)(known, parameter))
            if is_same:
                shared = tuple(condition for condition in known.conditions if condition in parameter.conditions)
                default = known.default if parameter.default is UNSET else parameter.default
                is_news = shared != known.conditions or not same_value(default, known.default)
                if not is_news and known.name not in self.remembered and _options(known) == _options(parameter):
                    return self
                parameter = dataclasses.replace(parameter, conditions=shared, default=default)
        return self.replacing(parameter)

    def _may_become(self, known: Parameter, asked: Parameter) -> bool:
        return known.name in self.remembered and (known.kind == asked.kind or Fixed.kind in (known.kind, asked.kind))

    def replacing(self, parameter: Parameter) -> Space:
        """The space with one more parameter, or with another one in the place of that name.

        One that depends on parameters that stand after it becomes the last one: parents come before their children.
        """
        names = list(self._parameters)
        before = names[: names.index(parameter.name)] if parameter.name in names else names
        known = dict(self._parameters)
        if not all(condition.parent in before for condition in parameter.conditions):
            known.pop(parameter.name, None)
        return Space({**known, parameter.name: parameter}.values(), self.remembered - {parameter.name})

    def without(self, names: Iterable[str]) -> Space:
        """The space without the parameters of some names."""
        left_out = frozenset(names)
        return Space((p for p in self if p.name not in left_out), self.remembered - left_out)

    def as_remembered(self) -> Space:
        """The space as a new search finds it: nothing of it was asked for yet."""
        return Space(self, self._parameters)

    def remembering(self, names: Iterable[str]) -> Space:
        """The space in which names that it doesn't know count as remembered too, with ranges that nobody remembers."""
        return Space(self, self.remembered.union(name for name in names if name not in self))

    def conflicts(self, asked: Iterable[Parameter]) -> list[str]:
        """What a person is told of each parameter that has another kind than the remembered one of its name."""
        return [
            f"its {known}, and this search's {parameter}"
            for parameter in asked
            if (known := self._parameters.get(parameter.name)) is not None
            and known.name in self.remembered
            and known.kind != parameter.kind
            and not self._may_become(known, parameter)
        ]

    def contains(self, values: Mapping[str, Value]) -> bool:
        """Whether each value of a setting is one that its parameter can take; names that aren't known are passed over.

        An option that stands as a label is one of those that the label's place and text agree with.
        """
        return all(self._parameters[name].contains(value) for name, value in values.items() if name in self._parameters)

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


def _options(parameter: Parameter) -> tuple[object, ...]:
    """What may differ between choices of the same range: the types of their options, which tell labels from the options
    that they stand for, and the weights."""
    if not isinstance(parameter, Choice):
        return ()
    return [type(option) for option in parameter.options], parameter.weights


def another_kind(known: Parameter, asked: Parameter) -> str:
    """What to tell a person whose study was asked for a parameter of another kind in an earlier search."""
    return (
        f"An earlier search of this study asked for {asked.name!r} as {known}, and this one asks for {asked}. A range "
        "may change between two searches, but not the kind: use another name, another directory, or overwrite=True."
    )


def redefinition(known: Parameter, asked: Parameter) -> str:
    """What to tell a person whose build_fn asks for one name with two ranges."""
    return (
        f"The parameter {asked.name!r} was asked for as {known} and now as {asked}. One name has one range: use two "
        "names (hp.scope helps), or, where a range depends on another value, ask for a ratio with a range that never "
        f"changes and multiply: hp.float({asked.name + '_ratio'!r}, 0.6, 1.0) * other."
    )
