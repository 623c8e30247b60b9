"""Turns SIGTERM into an exception, so that a search that is told to end closes its journal properly."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from kerastune_lite.errors import ProcessTerminated


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
