"""KerasTuner's errors: one that fails a trial, and those that end the search as they are."""

from __future__ import annotations

from kerastune_lite.errors import FatalError as EndOfSearch

__all__ = ["FailedTrialError", "FatalError", "FatalRuntimeError", "FatalTypeError", "FatalValueError"]


class FailedTrialError(Exception):
    """Raise it in a trial to fail it without another try. It counts towards `max_consecutive_failed_trials`."""


class FatalError(EndOfSearch):
    """Raise it in a trial to end the search: it comes out of `search` as it is."""


class FatalValueError(FatalError, ValueError):
    """A value that no other setting would mend; ends the search."""


class FatalTypeError(FatalError, TypeError):
    """A type that no other setting would mend; ends the search."""


class FatalRuntimeError(FatalError, RuntimeError):
    """A failure that no other setting would mend; ends the search."""
