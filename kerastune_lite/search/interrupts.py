"""What ends a search from outside: SIGTERM, as an exception, so that the journal is closed properly; and the user."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

from kerastune_lite.errors import ProcessTerminated, SearchTerminated


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Turns SIGTERM into ProcessTerminated, unless the user handles it or this is not the main thread."""
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def raise_terminated(number: int, frame: FrameType | None) -> None:
        raise ProcessTerminated(128 + number)

    signal.signal(signal.SIGTERM, raise_terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def without_traceback(error: BaseException) -> None:
    """Lets Python end the program without a traceback where nobody catches this error: a person has been told of it.

    Whoever catches it finds it as it is.
    """
    global _print_exception
    error.__dict__[_TOLD] = True
    # IPython doesn't ask sys.excepthook, but the error itself.
    kind = type(error).__name__
    error.__dict__["_render_traceback_"] = lambda: [f"{kind}: the search was interrupted, as is told above"]
    if sys.excepthook is not _print_unless_told:
        _print_exception, sys.excepthook = sys.excepthook, _print_unless_told


_TOLD = "_was_told_by_kerastune_lite"
_print_exception = sys.__excepthook__


def _print_unless_told(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if not error.__dict__.get(_TOLD):
        _print_exception(kind, error, traceback)


@contextmanager
def ended_by_the_user() -> Iterator[None]:
    """Leaves its block where the user's code raises SearchTerminated; SIGTERM goes on its way."""
    try:
        yield
    except SearchTerminated as error:
        if isinstance(error, ProcessTerminated):
            raise
