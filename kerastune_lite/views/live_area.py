"""The lines at the end of a terminal that are drawn anew in place, while other lines are printed above them.

The cursor rests on the first of them, which is empty, and everything below it is the area's: whatever is to be printed
clears from the cursor on, and the area is drawn again below. So a terminal that is made narrower or wider, or a message
of C++ code that nobody here sees, garbles nothing. What Python code prints meanwhile, itself or through a library such
as Keras with its bar, goes to the terminal as it is; the area is away until that has ended its line.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, cast

from rich.console import Console
from rich.text import Text

CLEAR_BELOW = "\r\x1b[J"
SHORTEST_PAUSE = 0.125
"""Seconds between two drawings."""
LONGEST_PAUSE = 1.0
"""After so many seconds the area is drawn again though nothing has happened, since time passes."""

_ESCAPES_AT_END = re.compile(r"(?:\x1b\[[0-9;?]*[A-Za-z])+$")


class LiveArea:
    """The lines at the end of a terminal, from `start` to `stop` and `clear`.

    They are drawn by a thread of their own, which looks eight times a second whether there is something new.

    Args:
        console: The terminal.
        draw: Makes the lines, none of them wider than the terminal; called in another thread.
        attempt: Runs a function that writes; called for all writing of the thread.

    Attributes:
        foreign_lines: How many lines others have printed.
    """

    def __init__(
        self,
        console: Console,
        draw: Callable[[], Sequence[Text]],
        attempt: Callable[[Callable[[], object]], None],
    ) -> None:
        self.foreign_lines = 0
        self._console = console
        self._draw = draw
        self._attempt = attempt
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._writer: int | None = None
        self._is_drawn = False
        self._is_at_line_start = True
        self._is_dirty = True
        self._drawn_at = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._streams: list[tuple[str, Any]] = []

    def start(self) -> None:
        """Begins to draw, and lets what Python code prints to the terminal go through the area."""
        if any(isinstance(stream, _Above) for stream in (sys.stdout, sys.stderr)):
            return  # a search inside another one's trial leaves the place to that one
        # Without a file of its own a console writes to whatever is sys.stdout then, also to what others put there.
        self._console.file = self._console.file
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if self._console.file is sys.stdout and _is_terminal(stream):
                self._streams.append((name, stream))
        for name, stream in self._streams:
            setattr(sys, name, cast(IO[str], _Above(self, stream)))
        self._thread = threading.Thread(target=self._keep_drawing, name="kerastune_lite display", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the drawing, and gives the streams back; writes nothing."""
        self._stop.set()
        for name, stream in self._streams:
            if isinstance(getattr(sys, name), _Above):  # somebody else may have put theirs in its place
                setattr(sys, name, stream)
        self._streams = []
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(LONGEST_PAUSE)

    def clear(self) -> None:
        """Clears the area, and ends the line that others have left unfinished."""
        with self._writing():
            self._clear()
            if not self._is_at_line_start:
                self._console.file.write("\n")
                self._is_at_line_start = True
            self._console.file.flush()

    def print(self, lines: Sequence[Text]) -> None:
        """Prints lines above the area."""
        with self._writing():
            self._clear()
            if not self._is_at_line_start:
                self._console.file.write("\n")
                self._is_at_line_start = True
            for line in lines:
                self._console.print(line, soft_wrap=True, highlight=False)
            self._is_dirty = True
            if self._thread is not None and time.monotonic() - self._drawn_at >= SHORTEST_PAUSE:
                self._redraw()

    def refresh(self) -> None:
        """Lets the area be drawn again, as soon as its time has come."""
        self._is_dirty = True

    def pass_through(self, stream: IO[str], text: str) -> int:
        """Writes what others print, with the area out of the way."""
        if self._writer == threading.get_ident() or os.getpid() != self._process:
            # The area's own, or a forked process, in which the lock may be held by a thread that isn't there.
            return stream.write(text)
        with self._writing():
            self._clear()
            self._console.file.flush()
            written = stream.write(text)
            stream.flush()
            if shown := _ESCAPES_AT_END.sub("", text):
                self._is_at_line_start = shown.endswith("\n")
                self.foreign_lines += text.count("\n")
            self._is_dirty = True
        return written

    def _keep_drawing(self) -> None:
        while not self._stop.wait(SHORTEST_PAUSE):
            is_due = self._is_dirty or time.monotonic() - self._drawn_at >= LONGEST_PAUSE
            if is_due and self._is_at_line_start:
                self._attempt(self._redraw_now)

    def _redraw_now(self) -> None:
        with self._writing():
            if self._is_at_line_start and not self._stop.is_set():
                self._redraw()

    def _redraw(self) -> None:
        self._is_dirty, self._drawn_at = False, time.monotonic()
        lines = self._draw()
        if not lines:
            return
        # In older versions of rich, a console that records takes down what is captured too.
        records, self._console.record = self._console.record, False
        try:
            with self._console.capture() as captured:
                for number, line in enumerate(lines):
                    self._console.print(line, end="" if number == len(lines) - 1 else "\r\n", soft_wrap=True)
        finally:
            self._console.record = records
        up = f"\x1b[{len(lines) - 1}A" if len(lines) > 1 else ""
        self._console.file.write(f"{CLEAR_BELOW}{captured.get()}{up}\r")
        self._console.file.flush()
        self._is_drawn = True

    def _clear(self) -> None:
        if self._is_drawn:
            self._console.file.write(CLEAR_BELOW)
            self._is_drawn = False

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock:
            before, self._writer = self._writer, threading.get_ident()
            try:
                yield
            finally:
                self._writer = before


class _Above:
    """A stream of the terminal whose writes go above the area; in all else it is the stream itself."""

    def __init__(self, area: LiveArea, stream: IO[str]) -> None:
        self._area = area
        self._stream = stream

    def write(self, text: str) -> int:
        return self._area.pass_through(self._stream, text)

    def writelines(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError, OSError):  # no stream, or a closed one
        return False
