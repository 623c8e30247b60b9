"""`hp`: the object that build_fn asks for a value of every open choice.

It holds the answers of one build. It is given a setting and a way to fill what the setting doesn't hold, and records
which parameters were asked for, in which order, and with which values they were answered.
"""

from __future__ import annotations

import builtins
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

from kerastune_lite import markup
from kerastune_lite.errors import SpaceError, WrongCallError
from kerastune_lite.space.misuse import checked_options, explained, unknown_name
from kerastune_lite.space.normal import Normal
from kerastune_lite.space.parameters import Boolean, Choice, Condition, Fixed, Float, Int, Parameter, moved_label
from kerastune_lite.space.presets import Presets, first_value, settled
from kerastune_lite.space.space import Space
from kerastune_lite.space.values import UNSET, OptionLabel, Value, as_float, as_integer, plain, short_label

T = TypeVar("T")

FEW_VALUES, MOST_ROWS, LONGEST_PART = 8, 40, 30
"""How many values `repr(hp)` tells, how many rows a notebook shows, and how many characters of a name or a value."""


class HyperParameters:
    """The `hp` of one trial: gives build_fn a value for each parameter that it asks for.

    Args:
        values: The setting to try; it may hold more or fewer parameters than build_fn asks for.
        space: The parameters known from earlier builds.
        fill: The value of a parameter that the setting doesn't hold; by default its default or its first value.
        presets: What a person said of parameters outside of build_fn. A setting that says something else of one that
            is held is refused.
    """

    def __init__(
        self,
        values: Mapping[str, Value] | None = None,
        space: Space | None = None,
        fill: Callable[[Parameter], Value] | None = None,
        presets: Presets | None = None,
    ) -> None:
        self._given = dict(values or {})
        self._known = space or Space()
        self._space = self._known
        self._fill = fill or first_value
        self._presets = presets or Presets()
        self._asked = Space()
        self._written = Space()
        self._values: dict[str, Value] = {}
        self._namesakes: dict[object, list[str]] = {}
        self._scopes: list[str] = []
        self._conditions: list[Condition] = []

    @property
    def values(self) -> dict[str, Value]:
        """The parameters that were asked for so far, with their values; inactive ones are left out."""
        return {name: plain(value) for name, value in self._values.items()}

    @property
    def space(self) -> Space:
        """The known parameters and those that this build added."""
        return self._space

    @property
    def asked(self) -> Space:
        """The parameters that this build asked for, inactive ones included."""
        return self._asked

    def __getitem__(self, name: str) -> Value:
        if not isinstance(name, str):
            raise WrongCallError(f"hp[{name!r}]: a parameter has a name. hp.values is a dict of all of them.")
        for known in (name, *self._namesakes.get(name, ())):
            if known in self._values:
                return plain(self._values[known])
        raise SpaceError(
            f"hp[{name!r}]: build_fn has not asked for it in this build, or its condition doesn't hold. "
            f"Asked for so far: {', '.join(self._values) or 'nothing'}."
        )

    def __contains__(self, name: object) -> bool:
        return any(known in self._values for known in (name, *self._namesakes.get(name, ())))

    def __repr__(self) -> str:
        shown = list(self.values.items())[:FEW_VALUES]
        more = len(self._values) - len(shown)
        told = [f"{_cut(repr(name))}: {_cut(short_label(value))}" for name, value in shown]
        return f"<HyperParameters {{{', '.join([*told, f'and {more} more'] if more > 0 else told)}}}>"

    def _repr_html_(self) -> str:
        rows = [
            (parameter.name, short_label(self._values[parameter.name]), _without_name(parameter))
            for parameter in self._asked
            if parameter.name in self._values
        ]
        if not rows:
            return markup.line("HyperParameters: build_fn has asked for nothing yet")
        more = len(rows) - MOST_ROWS
        rest = markup.line(f"and {more} more parameters: see hp.values", soft=True) if more > 0 else ""
        header = ["parameter", "value", "out of"]
        shown = markup.table(
            header, rows[:MOST_ROWS], caption="HyperParameters", texts=(0, 1, 2), is_headed_by_rows=True
        )
        return markup.block(shown, rest)

    def __getattr__(self, name: str) -> Any:
        # Python and other libraries look for names with underscores, and have to be told in the usual way.
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        raise unknown_name(name, (known for known in dir(type(self)) if not known.startswith("_")))

    @explained
    def choice(
        self,
        name: str,
        values: Sequence[T],
        *,
        weights: Sequence[builtins.float] | None = None,
        default: Any = UNSET,
    ) -> T:
        """Asks for one of `values`, which may be any objects: numbers, strings, None, tuples, functions, mixed types.

        Args:
            name: The parameter's name, unique in a build.
            values: The options, a list or another sequence. NumPy scalars come back as plain Python values; lists,
                tuples and dicts as copies, which a build may change.
            weights: How often each option is drawn at random, relative to the others; None draws all alike. Grids and
                models of the score pay no attention to them.
            default: The option to try first.

        Raises:
            SpaceError: The options aren't a sequence, are none, or hold a value twice; or there is not one weight above
                0 for each.
        """
        name = self._full_name(name)
        options = tuple(plain(value) for value in checked_options(name, values))
        shares = None if weights is None else tuple(as_float(weight) for weight in weights)
        answer: T = self._ask(Choice(name=name, options=options, weights=shares, default=plain(default)))
        return answer

    @explained
    def int(
        self,
        name: str,
        low: builtins.int,
        high: builtins.int,
        step: builtins.int | None = None,
        log: bool | Literal["reverse"] = False,
        *,
        default: Any = UNSET,
    ) -> builtins.int:
        """Asks for an integer from `low` to `high`, both included.

        Args:
            name: The parameter's name, unique in a build.
            low: The smallest value.
            high: The largest value. A step that doesn't reach it ends at the last point inside the range.
            step: The distance between values; with `log`, their ratio: `int("batch", 16, 256, step=2, log=True)`
                is 16, 32, … 256.
            log: Give equal shares to equal ratios rather than to equal differences. "reverse" does so seen from the
                other end: fine near high and coarse near low, as for a momentum from 0.5 to 0.999.
            default: The value to try first.
        """
        name = self._full_name(name)
        low, high, step = as_integer(low), as_integer(high), as_integer(step)
        log, is_reversed = _scale(name, log)
        parameter = Int(
            name=name,
            low=low,
            high=high,
            step=step,
            log=log,
            is_reversed=is_reversed,
            default=as_integer(default),
        )
        return int(self._ask(parameter))

    @explained
    def float(
        self,
        name: str,
        low: builtins.float,
        high: builtins.float,
        step: builtins.float | None = None,
        log: bool | Literal["reverse"] = False,
        *,
        default: Any = UNSET,
    ) -> builtins.float:
        """Asks for a float from `low` to `high`, both included.

        Args:
            name: The parameter's name, unique in a build.
            low: The smallest value.
            high: The largest value. A step that doesn't reach it ends at the last point inside the range.
            step: The distance between values; with `log`, their ratio.
            log: Give equal shares to equal ratios rather than to equal differences. "reverse" does so seen from the
                other end: fine near high and coarse near low, as for a momentum from 0.5 to 0.999.
            default: The value to try first.
        """
        name = self._full_name(name)
        low, high, step = as_float(low), as_float(high), as_float(step)
        log, is_reversed = _scale(name, log)
        parameter = Float(
            name=name,
            low=low,
            high=high,
            step=step,
            log=log,
            is_reversed=is_reversed,
            default=as_float(default),
        )
        return float(self._ask(parameter))

    @explained
    def normal(
        self,
        name: str,
        mean: builtins.float,
        sd: builtins.float,
        step: builtins.float | None = None,
        *,
        default: Any = UNSET,
    ) -> builtins.float:
        """Asks for a float that has no bounds, and that random draws take from a normal distribution.

        A search looks most where the density is highest, without ruling out what is far away.

        Args:
            name: The parameter's name, unique in a build.
            mean: The mean.
            sd: The standard deviation. Draws lie within 8 of them, which is as far as a random number reaches.
            step: Round to multiples of it.
            default: The value to try first.
        """
        return self._ask_normal(name, mean, sd, step, log=False, default=default)

    @explained
    def lognormal(
        self,
        name: str,
        mean: builtins.float,
        sd: builtins.float,
        step: builtins.float | None = None,
        *,
        default: Any = UNSET,
    ) -> builtins.float:
        """Asks for a float above 0 whose natural logarithm is drawn from a normal distribution.

        Args:
            name: The parameter's name, unique in a build.
            mean: The mean of the logarithm, so that exp(mean) is the median of the values.
            sd: The standard deviation of the logarithm.
            step: Round to multiples of it; a value may be 0 then.
            default: The value to try first.
        """
        return self._ask_normal(name, mean, sd, step, log=True, default=default)

    def _ask_normal(self, name: str, mean: Any, sd: Any, step: Any, *, log: bool, default: Any) -> builtins.float:
        name = self._full_name(name)
        mean, sd, step = as_float(mean), as_float(sd), as_float(step)
        return float(self._ask(Normal(name=name, mean=mean, sd=sd, step=step, log=log, default=as_float(default))))

    @explained
    def boolean(self, name: str, *, default: Any = UNSET) -> bool:
        """Asks for False or True."""
        return bool(self._ask(Boolean(name=self._full_name(name), default=plain(default))))

    @explained
    def fixed(self, name: str, value: T) -> T:
        """Gives back `value`, and records it together with the open choices."""
        answer: T = self._ask(Fixed(name=self._full_name(name), options=(plain(value),)))
        return answer

    def ask(self, parameter: Parameter) -> Value:
        """Asks for a parameter that was made by hand, such as `space.Rounded`: for layers in other tuners' words.

        Inside `hp.scope` its name is prefixed, and inside `hp.when` it has these conditions.
        """
        return self._ask(dataclasses.replace(parameter, name=self._full_name(parameter.name)))

    @explained
    def uniform(self, name: str, low: builtins.float, high: builtins.float, *, default: Any = UNSET) -> builtins.float:
        """Asks for a float from `low` to `high`, under Hyperas's name."""
        return self.float(name, low, high, default=default)

    @explained
    def loguniform(
        self, name: str, low: builtins.float, high: builtins.float, *, default: Any = UNSET
    ) -> builtins.float:
        """Asks for a float from `low` to `high` on a log scale; Hyperas gives the bounds' exponents instead."""
        return self.float(name, low, high, log=True, default=default)

    @explained
    def quniform(
        self, name: str, low: builtins.float, high: builtins.float, q: builtins.float, *, default: Any = UNSET
    ) -> builtins.float:
        """Asks for a float from `low` to `high` in steps of `q`, under Hyperas's name."""
        return self.float(name, low, high, step=q, default=default)

    @explained
    def randint(self, name: str, low: builtins.int, high: builtins.int, *, default: Any = UNSET) -> builtins.int:
        """Asks for an integer from `low` to `high`, both included, whereas Hyperas leaves out the upper one."""
        return self.int(name, low, high, default=default)

    @explained
    @contextmanager
    def when(self, name: str, value_or_values: Any) -> Iterator[bool]:
        """Declares that the parameters asked for inside count only where a parameter has one of some values.

        The block runs in any case. Where the condition doesn't hold, its parameters answer with their default or
        first value and are left out of the trial's record. It gives whether the condition holds:
        `with hp.when("optimizer", "sgd") as used: …`. A name may be asked for with different ranges under conditions
        that exclude each other; all but the first are recorded with their condition, as "rate@optimizer=adam".

        Args:
            name: A parameter that was asked for before, by its full name.
            value_or_values: One of its values, or a list, tuple or set of several.
        """
        if name not in self._asked:
            raise SpaceError(
                f"hp.when({name!r}, …): build_fn has not asked for {name!r} before. Ask for it first; inside "
                f"hp.scope give the full name. Asked for so far: {', '.join(p.name for p in self._asked) or 'nothing'}."
            )
        parent = self._written[name]
        if parent.contains(plain(value_or_values)):
            allowed: tuple[Value, ...] = (value_or_values,)
        elif isinstance(value_or_values, (list, tuple, set, frozenset)) and value_or_values:
            allowed = tuple(value_or_values)
        else:
            allowed = (value_or_values,)
        allowed = tuple(plain(value) for value in allowed)
        for value in allowed:
            if not parent.contains(value):
                raise SpaceError(
                    f"hp.when({name!r}, {value_or_values!r}): {value!r} is not one of the values of {parent}."
                )
        if isinstance(parent, Choice):
            allowed = tuple(parent.options[parent.index_of(value)] for value in allowed)
        self._conditions.append(Condition(name, allowed))
        try:
            yield self._active
        finally:
            self._conditions.pop()

    @explained
    @contextmanager
    def scope(self, prefix: str) -> Iterator[None]:
        """Prefixes the names asked for inside: "units" inside `hp.scope("block1")` is "block1/units"."""
        self._scopes.append(prefix)
        try:
            yield
        finally:
            self._scopes.pop()

    @property
    def _active(self) -> bool:
        return all(condition.holds(self._values) for condition in self._conditions)

    def _full_name(self, name: str) -> str:
        return "/".join([*self._scopes, name]) if self._scopes and isinstance(name, str) else name

    def _ask(self, parameter: Parameter) -> Value:
        parameter = self._told_apart(dataclasses.replace(parameter, conditions=tuple(self._conditions)))
        name = parameter.name
        # Two ranges for one name are a mistake also where a preset takes their place.
        self._written = self._written.with_parameter(parameter)
        parameter = self._presets.applied(parameter)
        self._asked = self._asked.with_parameter(parameter)
        self._space = self._space.with_parameter(parameter)
        if not self._active:
            return plain(first_value(parameter))
        if name not in self._values:
            self._values[name] = self._answer(parameter)
        elif isinstance(parameter, Choice):
            # Options made afresh by each call are other objects; the answer is the one of this call.
            return plain(parameter.options[parameter.index_of(self._values[name])])
        return plain(self._values[name])

    def _told_apart(self, parameter: Parameter) -> Parameter:
        """The parameter, under a name of its own where this build has asked for its name in another range.

        That may be where the conditions exclude each other, so that only one of the two is ever active: the later one
        is recorded as "rate@optimizer=adam". Elsewhere two ranges of one name are a mistake.
        """
        known = self._written.get(parameter.name)
        if known is None or (known.kind == parameter.kind and known.range() == parameter.range()):
            return parameter
        if not any(one.excludes(other) for one in known.conditions for other in parameter.conditions):
            return parameter
        name = f"{parameter.name}@{','.join(map(str, parameter.conditions))}"
        namesakes = self._namesakes.setdefault(parameter.name, [])
        if name not in namesakes:
            namesakes.append(name)
        return dataclasses.replace(parameter, name=name)

    def _answer(self, parameter: Parameter) -> Value:
        value = self._setting_of(parameter) if parameter.name in self._given else self._fill(parameter)
        if not parameter.contains(value):
            if parameter.name in self._presets.fixed:
                raise SpaceError(
                    f"{value!r} was given for {parameter.name!r}, which fixed= holds at "
                    f"{self._presets.fixed[parameter.name]!r}. Leave it out of the setting, or out of fixed."
                )
            where = "space=" if parameter.name in self._presets.ranges else "build_fn"
            raise SpaceError(
                f"{value!r} was given for {parameter}, which doesn't take it. "
                f"Give a value inside the range, or widen the range in {where}."
            )
        return settled(parameter, value)

    def _setting_of(self, parameter: Parameter) -> Value:
        """What the setting says of a parameter; where only the range of an earlier search had that value, the fill."""
        value, known = self._given[parameter.name], self._known.get(parameter.name)
        if parameter.name not in self._known.remembered:
            return value
        if isinstance(value, OptionLabel) and known is not None:
            value = moved_label(value, known, parameter)
        return value if parameter.contains(value) else self._fill(parameter)


def _scale(name: str, log: Any) -> tuple[bool, bool]:
    """Whether a scale is logarithmic, and whether it is reversed."""
    log = plain(log)
    if not isinstance(log, bool) and log != "reverse":
        raise SpaceError(
            f'The scale of {name!r} has to be log=True, log=False or log="reverse". Received: log={log!r}.'
        )
    return log is not False, log == "reverse"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_PART else text[: LONGEST_PART - 1] + "…"


def _without_name(parameter: Parameter) -> str:
    """A parameter's kind and range."""
    return str(parameter).replace(f" {parameter.name!r}", "", 1)
