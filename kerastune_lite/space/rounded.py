"""The rounded parameter: a number that is drawn from a range and rounded to a multiple of a step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from kerastune_lite.errors import SpaceError
from kerastune_lite.space.parameters import Float, Parameter, decimal_of
from kerastune_lite.space.values import Value, is_number


@dataclass(frozen=True, kw_only=True)
class Rounded(Parameter):
    """A parameter that takes multiples of a step, each as likely as the part of a range that is rounded to it.

    A multiple at an end of the range has half of its neighbours' share, or less where the end is no multiple, and it
    may lie outside the range by up to half a step. Where the step is whole, values are integers. To earlier versions of
    the library a journal describes it as a float with that step.

    Attributes:
        low: The lowest number that is drawn.
        high: The highest number that is drawn.
        step: What values are multiples of.
        log: Whether equal ratios of the drawn number are equally likely, rather than equal differences.
    """

    kind: ClassVar[str] = "float"

    low: float
    high: float
    step: float
    log: bool = False

    def _check(self) -> None:
        if not is_number(self.step) or not 0 < self.step < math.inf:
            raise SpaceError(
                f"The step of {self.name!r} has to be a finite number above 0. Received: {self.step!r} "
                f"({type(self.step).__name__})."
            )
        self._drawn  # noqa: B018 - refuses an impossible range

    @property
    def _drawn(self) -> Float:
        """What is drawn before it is rounded."""
        return Float(name=self.name, low=self.low, high=self.high, log=self.log)

    @property
    def _first(self) -> int:
        return round(self.low / self.step)

    @property
    def size(self) -> int:
        """How many multiples there are."""
        return round(self.high / self.step) - self._first + 1

    def index_of(self, value: Value) -> int:
        """The index of a multiple, the lowest one's being 0; ValueError where it isn't one of the values."""
        if is_number(value) and math.isfinite(value):
            index: int = round(value / self.step) - self._first
            is_multiple = math.isclose(
                float(self.value_at(index)), value, rel_tol=1e-9, abs_tol=1e-12 * float(self.step)
            )
            if 0 <= index < self.size and is_multiple:
                return index
        raise ValueError(f"{value!r} is not one of the values of {self}")

    def value_at(self, index: int) -> float:
        """The multiple of an index."""
        number = decimal_of(self.step) * (self._first + index)
        return int(number) if float(self.step).is_integer() else float(number)

    def decode(self, position: float) -> float:
        """The multiple that is nearest to what is drawn at a position."""
        return self.value_at(round(self._drawn.decode(position) / self.step) - self._first)

    def encode(self, value: Value) -> float:
        """The middle of the positions that are rounded to a value."""
        middle = float(self.value_at(self.index_of(value)))
        return 0.5 * (self._position(middle - self.step / 2) + self._position(middle + self.step / 2))

    def _position(self, number: float) -> float:
        return self._drawn.encode(min(max(number, self.low), self.high))

    def grid(self, points: int) -> Sequence[float]:
        """Every multiple, in order."""
        return [self.value_at(index) for index in range(self.size)]

    def range(self) -> dict[str, Any]:
        """The lowest and the highest multiple, the step, and the range that is drawn from, as JSON."""
        ends = {"low": float(self.value_at(0)), "high": float(self.value_at(self.size - 1))}
        drawn = {"low": self.low, "high": self.high, "log": self.log}
        # With a step, a logarithmic scale would mean a ratio to an earlier version.
        return {**ends, "step": float(self.step), "log": False, "rounded": drawn}

    def __str__(self) -> str:
        scale = ", log=True" if self.log else ""
        return f"rounded {self.name!r} (low={self.low}, high={self.high}, step={self.step}{scale})"
