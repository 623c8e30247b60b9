"""hyperopt's distributions as parameters of this library, with the same distribution of values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kerastune_lite.compat.hyperas.templates import Option
from kerastune_lite.errors import SpaceError
from kerastune_lite.space import Choice, Float, Int, Normal, Parameter, Rounded, as_float, as_integer, plain, same_value
from kerastune_lite.space.values import is_data


def parameter_of(name: str, distribution: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> Parameter:
    """The parameter of a template.

    Args:
        name: Its name.
        distribution: hyperopt's name of the distribution.
        arguments: What stands in its parentheses.
        named: The same by name.

    Raises:
        SpaceError: The distribution doesn't take these arguments, or its range is impossible.
    """
    try:
        return _BY_NAME[distribution](name, *arguments, **named)
    except TypeError as error:
        raise SpaceError(
            f"The template {distribution}(…) of {name!r} has other arguments than hyperopt's {distribution}: {error}."
        ) from error


def options_of(distribution: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> list[Any] | None:
    """The options of a choice as they were given, with `Option` for source; None of another distribution."""
    if distribution not in ("choice", "pchoice"):
        return None
    (options,) = [*arguments, *named.values()]
    return [option for _, option in options] if distribution == "pchoice" else list(options)


def _choice(name: str, options: Sequence[Any]) -> Choice:
    return Choice(name=name, options=_distinct([_value_of(option) for option in options]))


def _pchoice(name: str, p_options: Sequence[Any]) -> Choice:
    pairs = [(float(weight), _value_of(option)) for weight, option in p_options]
    options = _distinct([option for _, option in pairs])
    return Choice(name=name, options=options, weights=tuple(weight for weight, _ in pairs))


def _value_of(option: Any) -> Any:
    return plain(option.source if isinstance(option, Option) else option)


def _distinct(options: Sequence[Any]) -> tuple[Any, ...]:
    """The options, with their place added to those that stand there twice: hyperopt knows options by their places."""
    distinct: list[Any] = []
    for place, option in enumerate(options):
        is_known = is_data(option) and any(same_value(option, other) for other in distinct)
        distinct.append(f"{option} [{place}]" if is_known else option)
    return tuple(distinct)


def _uniform(name: str, low: float, high: float) -> Float:
    return Float(name=name, low=as_float(low), high=as_float(high))


def _loguniform(name: str, low: float, high: float) -> Float:
    return Float(name=name, low=math.exp(low), high=math.exp(high), log=True)


def _quniform(name: str, low: float, high: float, q: float) -> Rounded:
    return Rounded(name=name, low=as_float(low), high=as_float(high), step=as_float(q))


def _qloguniform(name: str, low: float, high: float, q: float) -> Rounded:
    return Rounded(name=name, low=math.exp(low), high=math.exp(high), step=as_float(q), log=True)


def _randint(name: str, low: int, high: int | None = None) -> Int:
    low, high = (0, low) if high is None else (low, high)
    return Int(name=name, low=as_integer(low), high=as_integer(high) - 1)


def _uniformint(name: str, low: float, high: float, q: float = 1.0) -> Rounded:
    return _quniform(name, low, high, q)


def _normal(name: str, mu: float, sigma: float) -> Normal:
    return Normal(name=name, mean=as_float(mu), sd=as_float(sigma))


def _qnormal(name: str, mu: float, sigma: float, q: float) -> Normal:
    return Normal(name=name, mean=as_float(mu), sd=as_float(sigma), step=as_float(q))


def _lognormal(name: str, mu: float, sigma: float) -> Normal:
    return Normal(name=name, mean=as_float(mu), sd=as_float(sigma), log=True)


def _qlognormal(name: str, mu: float, sigma: float, q: float) -> Normal:
    return Normal(name=name, mean=as_float(mu), sd=as_float(sigma), step=as_float(q), log=True)


_BY_NAME: Mapping[str, Callable[..., Parameter]] = {
    "choice": _choice,
    "lognormal": _lognormal,
    "loguniform": _loguniform,
    "normal": _normal,
    "pchoice": _pchoice,
    "qlognormal": _qlognormal,
    "qloguniform": _qloguniform,
    "qnormal": _qnormal,
    "quniform": _quniform,
    "randint": _randint,
    "uniform": _uniform,
    "uniformint": _uniformint,
}
