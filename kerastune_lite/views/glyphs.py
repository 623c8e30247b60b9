"""The signs that displays draw with, and plain ones for terminals whose encoding lacks them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kerastune_lite.study.texts import encodable


@dataclass(frozen=True)
class Glyphs:
    """The signs of one display.

    Attributes:
        star: Marks a new best.
        inactive: Stands where a trial doesn't have a parameter.
        ellipsis: Stands where a text was cut.
        separator: Stands between facts on one line.
        plus_minus: Stands before a standard deviation.
        done: The part of a bar that is done.
        left: The part that is left.
        levels: The signs of a curve, from the lowest value to the highest.
        encoding: The encoding of the display.
    """

    star: str
    inactive: str
    ellipsis: str
    separator: str
    plus_minus: str
    done: str
    left: str
    levels: str
    encoding: str = "utf-8"

    def shown(self, text: str) -> str:
        """A text as the display can show it: on one line, with escapes for what its encoding lacks."""
        return encodable(text, self.encoding)

    def curve(self, values: Sequence[float], width: int) -> str:
        """A learning curve in one line of at most `width` signs, each scaled between the lowest and highest value.

        A longer curve is shown by the last of each of `width` equal parts. A value that isn't finite is a blank.
        """
        count = min(len(values), width)
        shown = [values[(place + 1) * len(values) // count - 1] for place in range(count)]
        finite = [value for value in shown if math.isfinite(value)]
        low, high = min(finite, default=0.0), max(finite, default=0.0)
        return "".join(self._level(value, low, high) for value in shown)

    def _level(self, value: float, low: float, high: float) -> str:
        if not math.isfinite(value):
            return " "
        # Halves, since the distance between two finite floats may be infinite.
        share = (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5
        return self.levels[min(int(share * len(self.levels)), len(self.levels) - 1)]

    def bar(self, share: float, width: int) -> tuple[str, str]:
        """The two parts of a bar: what is done and what is left."""
        done = min(max(round(share * width), 0), width)
        return self.done * done, self.left * (width - done)


UNICODE = Glyphs("★", "·", "…", "·", "±", "━", "─", "▁▂▃▄▅▆▇█")
ASCII = Glyphs("*", "-", "..", "|", "+-", "=", "-", "_.-:=+*#")


def glyphs_for(encoding: str) -> Glyphs:
    """The signs that an encoding can show."""
    signs = "".join(vars(UNICODE).values())
    try:
        signs.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return replace(ASCII, encoding=encoding)
    return replace(UNICODE, encoding=encoding)
