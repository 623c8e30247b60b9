"""The distributions that stand in templates, by hyperopt's names; `from … import choice, uniform` is all they are for.

A template is read from the source of the model function, so that none of them is ever called.
"""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

from kerastune_lite.errors import BuildError

T = TypeVar("T")

__all__ = [
    "choice",
    "conditional",
    "lognormal",
    "loguniform",
    "normal",
    "pchoice",
    "qlognormal",
    "qloguniform",
    "qnormal",
    "quniform",
    "randint",
    "uniform",
    "uniformint",
]


def conditional(value: T) -> T:
    """The value itself: older code writes `if conditional({{choice(['a', 'b'])}}) == 'a'`."""
    return value


def _not_called(name: str) -> NoReturn:
    raise BuildError(
        f"{name}(…) was called, and belongs into double braces in the source of the model function: {{{{{name}(…)}}}}. "
        "Pass that function to optim.minimize, which reads its source; templates in the functions that it calls aren't "
        "read."
    )


def choice(options: Any) -> NoReturn:
    """One of the options: `{{choice([32, 64])}}`; options may be any expressions, of which only the chosen one runs."""
    _not_called("choice")


def pchoice(p_options: Any) -> NoReturn:
    """One of weighted options: `{{pchoice([(0.2, 32), (0.8, 64)])}}`."""
    _not_called("pchoice")


def uniform(low: float, high: float) -> NoReturn:
    """A float between two bounds."""
    _not_called("uniform")


def quniform(low: float, high: float, q: float) -> NoReturn:
    """A float between two bounds, rounded to a multiple of `q`; an integer where q is whole."""
    _not_called("quniform")


def loguniform(low: float, high: float) -> NoReturn:
    """The exponential of a float between two bounds."""
    _not_called("loguniform")


def qloguniform(low: float, high: float, q: float) -> NoReturn:
    """The exponential of a float between two bounds, rounded to a multiple of `q`."""
    _not_called("qloguniform")


def normal(mu: float, sigma: float) -> NoReturn:
    """A float with a normal distribution, without bounds."""
    _not_called("normal")


def qnormal(mu: float, sigma: float, q: float) -> NoReturn:
    """A float with a normal distribution, rounded to a multiple of `q`."""
    _not_called("qnormal")


def lognormal(mu: float, sigma: float) -> NoReturn:
    """The exponential of a float with a normal distribution."""
    _not_called("lognormal")


def qlognormal(mu: float, sigma: float, q: float) -> NoReturn:
    """The exponential of a float with a normal distribution, rounded to a multiple of `q`."""
    _not_called("qlognormal")


def randint(low: int, high: int | None = None) -> NoReturn:
    """An integer from `low` to `high` - 1; with one argument from 0 to that - 1."""
    _not_called("randint")


def uniformint(low: float, high: float, q: float = 1.0) -> NoReturn:
    """An integer between two bounds, both included: a float between them that is rounded."""
    _not_called("uniformint")
