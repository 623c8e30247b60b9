"""The screen of a search: what can't be written there is lost, and the search goes on."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.status import Status

from kerastune_lite.errors import SearchTerminated
from kerastune_lite.study.texts import printable


class Screen:
    """Where a person watches a search. It becomes silent for good where it can't be written.

    A full disk behind a redirection, a pipe that was closed and an encoding that lacks a character are no reason to
    lose the trials to come. Control characters are shown as escapes.

    Args:
        console: Where to print.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None

    @property
    def is_silent(self) -> bool:
        """Whether nothing is shown."""
        return self._console.quiet

    @property
    def is_terminal(self) -> bool:
        """Whether a line can be updated in place."""
        return self._console.is_terminal

    def show(self, text: str) -> None:
        """Prints a line."""
        self._try(lambda: self._console.print(self._fit(text), markup=False, highlight=False))

    def update(self, text: str) -> None:
        """Shows a text in the line that is updated in place, if it was begun."""
        if self._status is not None:
            status = self._status
            self._try(lambda: status.update(self._fit(text)))

    def begin_line(self, text: str) -> None:
        """Begins a line that is updated in place, below all that is printed."""
        self._status = self._console.status(self._fit(text))
        self._try(self._status.start)

    def end_line(self) -> None:
        """Ends the line that is updated in place."""
        if self._status is not None:
            status, self._status = self._status, None
            self._try(status.stop)

    def _try(self, act: Callable[[], object]) -> None:
        if self._console.quiet:
            return
        try:
            act()
        except (Exception, SystemExit) as error:  # rich ends the program where a pipe is closed
            if isinstance(error, SearchTerminated):
                raise
            self._console.quiet = True

    def _fit(self, text: str) -> str:
        """The text with escapes for what the console's encoding lacks, and for control characters."""
        encoding = self._console.encoding
        try:
            return printable(text).encode(encoding, "backslashreplace").decode(encoding)
        except LookupError:  # an encoding that Python doesn't know
            return ascii(text)[1:-1]
