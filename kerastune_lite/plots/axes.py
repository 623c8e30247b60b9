"""The axis of a parameter: where its values lie, what stands at its ticks, and a grid of its values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerastune_lite.plots.style import safe
from kerastune_lite.space import Choice, Int, Parameter, Value, is_number, label_of

LONGEST_TICK, MOST_TICKS = 18, 30


@dataclass(frozen=True)
class Axis:
    """A parameter as an axis: options lie at 0, 1, 2, …, numbers at their values, on a log scale where they have one.

    Attributes:
        parameter: The parameter.
    """

    parameter: Parameter

    @property
    def title(self) -> str:
        """The parameter's name."""
        return safe(self.parameter.name)

    @property
    def is_category(self) -> bool:
        """Whether its values are options, which have no order."""
        return isinstance(self.parameter, Choice)

    @property
    def is_log(self) -> bool:
        """Whether it has a logarithmic scale."""
        return bool(getattr(self.parameter, "log", False)) and not getattr(self.parameter, "is_reversed", False)

    def position(self, value: Value) -> float | None:
        """Where a value lies; None where the parameter no longer takes it."""
        if self.is_category:
            try:
                return float(self.parameter.index_of(value))
            except ValueError:
                return None
        inside = is_number(value) and math.isfinite(value) and not (self.is_log and value <= 0)
        return float(value) if inside else None

    def labels(self) -> list[str]:
        """What stands at the options of a category, as plain text."""
        texts = [label_of(option) for option in self.parameter.grid(2)]
        return [text if len(text) <= LONGEST_TICK else text[: LONGEST_TICK - 1] + "…" for text in texts]

    def layout(self) -> dict[str, Any]:
        """The axis as plotly's arguments."""
        axis: dict[str, Any] = {"title": {"text": self.title}}
        if self.is_category:
            labels = [safe(label) for label in self.labels()]
            each = math.ceil(len(labels) / MOST_TICKS)
            ticks = {"tickvals": list(range(0, len(labels), each)), "ticktext": labels[::each]}
            return axis | ticks | {"range": [-0.5, len(labels) - 0.5], "zeroline": False}
        if not self.is_log:
            return axis
        return axis | {"type": "log", "dtick": "D2" if self._decades < 2 else 1, "tickformat": "~g"}

    @property
    def _decades(self) -> float:
        low, high = self._ends
        return math.log10(high / low)

    @property
    def _ends(self) -> tuple[float, float]:
        """The lowest and the highest position."""
        if isinstance(self.parameter, Choice):
            return 0.0, float(self.parameter.size - 1)
        return float(getattr(self.parameter, "low", 0.0)), float(getattr(self.parameter, "high", 1.0))

    def grid(self, points: int) -> list[Value]:
        """Values along the axis: every option, or at most about `points` numbers that lie evenly on its scale."""
        if self.is_category:
            return list(self.parameter.grid(2))
        values = [
            self.parameter.decode(float(position)) for position in np.linspace(*self.parameter.shown_part, points)
        ]
        return list(dict.fromkeys(values))

    def dimension(self, values: list[Value | None]) -> dict[str, Any]:
        """The axis of parallel coordinates: logarithms for a log scale, and a place below for what is not active.

        Plotly shows the texts at these ticks letter by letter, other than everywhere else.
        """
        numbers = [None if value is None else self.position(value) for value in values]
        if self.is_log:
            numbers = [None if number is None else math.log10(number) for number in numbers]
        ends = [math.log10(end) for end in self._ends] if self.is_log else list(self._ends)
        known = [number for number in numbers if number is not None]
        low, high = min([*known, *ends]), max([*known, *ends])
        ticks, texts = self._ticks(low, high)
        if None in numbers:
            missing = low - (1.0 if self.is_category else 0.12 * ((high - low) or 1.0))
            numbers = [missing if number is None else number for number in numbers]
            ticks, texts, low = [missing, *ticks], ["not active", *texts], missing
        shown = [low, high if high > low else low + 1.0]
        return {"label": self.title, "values": numbers, "range": shown, "tickvals": ticks, "ticktext": texts}

    def _ticks(self, low: float, high: float) -> tuple[list[float], list[str]]:
        if self.is_category:
            labels = self.labels()
            each = math.ceil(len(labels) / MOST_TICKS)
            return [float(place) for place in range(0, len(labels), each)], labels[::each]
        ticks = sorted({float(tick) for tick in np.linspace(low, high, 5)})
        if isinstance(self.parameter, Int) and not self.is_log:
            ticks = sorted({float(round(tick)) for tick in ticks})
        return ticks, [f"{10**tick if self.is_log else tick:.4g}" for tick in ticks]
