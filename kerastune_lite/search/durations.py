"""Durations as people write them, such as "90m" or "1h30m"."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds_of(duration: float | str | timedelta) -> float:
    """Seconds of a number of seconds, a text like "90m", "1h30m" or "2h", or a timedelta; ValueError otherwise."""
    if isinstance(duration, timedelta):
        seconds = duration.total_seconds()
    elif isinstance(duration, str):
        text = duration.replace(" ", "")
        parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
        whole = "".join(number + unit for number, unit in parts) == text
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts) if parts and whole else 0.0
    else:
        seconds = float(duration)
    if not 0.0 < seconds < float("inf"):
        raise ValueError(
            f'A time has to be greater than 0: seconds, or a text like "90m" or "2h". Received: {duration!r}.'
        )
    return seconds
