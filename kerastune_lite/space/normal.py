"""The normal parameter: a float without bounds, drawn from a normal or a log-normal distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist
from typing import Any, ClassVar

from kerastune_lite.errors import SpaceError
from kerastune_lite.space.parameters import Parameter, decimal_of
from kerastune_lite.space.values import Value, as_float, is_number

FARTHEST = 8.0
"""Standard deviations to which draws reach: the smallest positive number that `random` makes, 2^-53, is 8.2 away."""
LARGEST_LOGARITHM = 700.0
"""A float can hold the exponential of it and the inverse of that."""
_STANDARD = NormalDist()


@dataclass(frozen=True, kw_only=True)
class Normal(Parameter):
    """A parameter that takes any float, whose positions are the quantiles of a normal distribution.

    To earlier versions of the library a journal describes it as a float between the farthest draws.

    Attributes:
        mean: The mean, with `log` that of the logarithm.
        sd: The standard deviation, with `log` that of the logarithm.
        step: What values are multiples of; None for any float. Values are as likely as what is rounded to them.
        log: Whether it is the logarithm of a value that is normally distributed.
    """

    kind: ClassVar[str] = "float"
    shown_part: ClassVar[tuple[float, float]] = (0.001, 0.999)

    mean: Any
    sd: Any
    step: Any = None
    log: bool = False

    def _check(self) -> None:
        call = f"hp.{self._word}({self.name!r}, {self.mean!r}, {self.sd!r}"
        call += ")" if self.step is None else f", step={self.step!r})"
        for what, value in (("mean", self.mean), ("sd", self.sd), ("step", self.step)):
            if (value is None and what == "step") or (is_number(value) and math.isfinite(value)):
                continue
            raise SpaceError(f"{call}: {what} has to be a finite number. Received: {value!r} ({type(value).__name__}).")
        if self.sd <= 0:
            raise SpaceError(f"{call}: sd has to be greater than 0. hp.fixed asks for a value that never changes.")
        if self.step is not None and self.step <= 0:
            raise SpaceError(f"{call}: step has to be greater than 0.")
        if self.log and abs(self.mean) + FARTHEST * self.sd > LARGEST_LOGARITHM:
            raise SpaceError(
                f"{call}: exp(mean + {FARTHEST:g} sd) or its inverse is beyond all floats. Give the mean and the "
                "standard deviation of the logarithm."
            )

    @property
    def _word(self) -> str:
        return "lognormal" if self.log else "normal"

    @property
    def low(self) -> float:
        """The lowest value that figures show."""
        return self.decode(self.shown_part[0])

    @property
    def high(self) -> float:
        """The highest value that figures show."""
        return self.decode(self.shown_part[1])

    @property
    def never_repeats(self) -> bool:
        """Whether no two draws are the same: with a step, they may be."""
        return self.step is None

    @property
    def size(self) -> float:
        """Infinity: with a step too there are more values than anybody would go through."""
        return math.inf

    def index_of(self, value: Value) -> int:
        """Raises ValueError: values without bounds have no first one to count from."""
        raise ValueError(f"{value!r} has no index among the values of {self}")

    def value_at(self, index: int) -> float:
        """Raises ValueError: values without bounds have no first one to count from."""
        raise ValueError(f"{self} has no values that are counted")

    def contains(self, value: Value) -> bool:
        """Whether the value is a finite number, above 0 where its logarithm is drawn, and a multiple of the step."""
        if not is_number(value) or not math.isfinite(value):
            return False
        if self.log and (value < 0 or (value == 0 and self.step is None)):
            return False
        return self.step is None or math.isclose(self._rounded(value), value, rel_tol=1e-9, abs_tol=1e-12 * self.step)

    def decode(self, position: float) -> float:
        """The quantile at a position."""
        # The upper half mirrors the lower one, where positions are finer.
        far = _STANDARD.inv_cdf(min(position, 1.0 - position)) if 0.0 < position < 1.0 else -FARTHEST
        deviations = max(far, -FARTHEST) * (1.0 if position < 0.5 else -1.0)
        value = self.mean + self.sd * deviations
        return self._rounded(math.exp(value) if self.log else value)

    def encode(self, value: Value) -> float:
        """The share of the distribution that lies below a value; the middle of what is rounded to it."""
        if self.step is None:
            return self._share_below(value)
        half = self.step / 2
        return 0.5 * (self._share_below(value - half) + self._share_below(value + half))

    def _share_below(self, value: float) -> float:
        if self.log:
            if value <= 0:
                return 0.0
            value = math.log(value)
        return _STANDARD.cdf((value - self.mean) / self.sd)

    def nearest(self, number: float) -> float:
        """The number itself, or the multiple of the step that is nearest to it."""
        return self._rounded(number)

    def _rounded(self, value: float) -> float:
        if self.step is None:
            return float(as_float(value))
        return float(decimal_of(self.step) * Decimal(round(value / self.step)))

    def grid(self, points: int) -> Sequence[float]:
        """The middles of `points` equal shares of the distribution, without repeats where a step joins them."""
        return list(dict.fromkeys(self.decode((index + 0.5) / points) for index in range(points)))

    def range(self) -> dict[str, Any]:
        """The farthest draws, the step, and the distribution as JSON."""
        return {
            "low": self.decode(0.0),
            "high": self.decode(1.0),
            "step": self.step,
            # With a step, a logarithmic scale would mean a ratio to an earlier version.
            "log": self.log and self.step is None,
            "normal": {"mean": self.mean, "sd": self.sd, "log": self.log},
        }

    def __str__(self) -> str:
        step = "" if self.step is None else f", step={self.step}"
        return f"{self._word} {self.name!r} (mean={self.mean}, sd={self.sd}{step})"
