"""What a worker process says of itself, before and beside its trials. Light: it is imported before TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Beat:
    """It lives.

    Attributes:
        resident: The bytes of memory that it holds.
    """

    resident: int


@dataclass(frozen=True)
class Ready:
    """It takes trials."""


@dataclass(frozen=True)
class CouldNotStart:
    """It ends.

    Attributes:
        traceback: Why.
    """

    traceback: str
