"""Durations as people write them, such as "90m", "5 min" or "1 hour 30 minutes"."""

from __future__ import annotations

import re
from datetime import timedelta

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_UNIT = r"s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:(?:ou)?rs?)?|d(?:ays?)?"
_PART = re.compile(rf"(\d+\.?\d*|\.\d+)\s*({_UNIT})\.?(?![a-z])", re.IGNORECASE)
_BETWEEN = re.compile(r"(?:\s|,|\band\b)*", re.IGNORECASE)


def seconds_of(duration: float | str | timedelta) -> float:
    """Seconds of a number of seconds, a timedelta, or a text with units: "90m", "1h30m", "5 min", "2 days".

    Raises:
        ValueError: It is none of these, or not greater than 0. A text without a unit could mean anything.
    """
    if isinstance(duration, timedelta):
        seconds = duration.total_seconds()
    elif isinstance(duration, str):
        seconds = _seconds_of_text(duration)
    else:
        seconds = _seconds_of_number(duration)
    if not 0.0 < seconds < float("inf"):
        raise ValueError(
            'A time has to be greater than 0: a number of seconds, a timedelta, or a text with units, like "90s", '
            f'"5 min", "1h30m" or "2 days". Received: {duration!r}.'
        )
    return seconds


def _seconds_of_text(text: str) -> float:
    """The sum of the parts of a text; 0 where it holds anything else."""
    parts = _PART.findall(text)
    has_more = _BETWEEN.sub("", _PART.sub("", text)) != ""
    return 0.0 if has_more else sum(float(number) * _SECONDS[unit[0].lower()] for number, unit in parts)


def _seconds_of_number(number: object) -> float:
    """The number; 0 where it is none."""
    if isinstance(number, bool):
        return 0.0
    try:
        return float(number)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return 0.0
