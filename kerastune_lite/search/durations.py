"""Times as people write them."""

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


def duration_text(seconds: float) -> str:
    """A time, short enough for a line of progress."""
    if seconds < 60:
        return f"{seconds:.1f}s" if seconds < 10 else f"{seconds:.0f}s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{seconds:02d}s"
