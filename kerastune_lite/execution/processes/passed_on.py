"""What a worker process prints, passed on to the search's own streams by whole lines.

A terminal in which a search draws its progress is written by one process alone: lines of several processes would cut
into each other. Where nobody watches, a worker prints to the same file or pipe as the search, without a detour.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from typing import IO, Literal

LONGEST_LINE = 1 << 16
"""Bytes after which a line is passed on though it hasn't ended."""
FAREWELL = 0.5
"""Seconds that the last words of a process have once it has ended."""

Name = Literal["stdout", "stderr"]


def pipe_for(name: Name) -> int | None:
    """What a process that is started is given as its output: a pipe where this process's own is a terminal."""
    try:
        return subprocess.PIPE if getattr(sys, name).isatty() else None
    except (AttributeError, ValueError, OSError):  # no stream, or a closed one
        return None


class PassedOn:
    """A thread that passes on what comes out of a pipe, until the other end is closed.

    Args:
        pipe: The end to read.
        name: Where the lines go: to whatever is `sys.stdout` or `sys.stderr` then.
    """

    def __init__(self, pipe: IO[bytes], name: Name) -> None:
        self._pipe = pipe
        self._name = name
        self._thread = threading.Thread(target=self._pass_on, name=f"a worker's {name}", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Waits a moment for what is still in the pipe."""
        self._thread.join(FAREWELL)

    def _pass_on(self) -> None:
        unfinished = b""
        with self._pipe:
            while data := os.read(self._pipe.fileno(), LONGEST_LINE):
                unfinished += data
                end = len(unfinished) if len(unfinished) >= LONGEST_LINE else unfinished.rfind(b"\n") + 1
                self._write(unfinished[:end])
                unfinished = unfinished[end:]
        self._write(unfinished + b"\n" if unfinished else b"")

    def _write(self, data: bytes) -> None:
        if not data:
            return
        # What can't be written is lost; a worker must not be held up by it.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream = getattr(sys, self._name)
            stream.write(data.decode(errors="replace"))
            stream.flush()
