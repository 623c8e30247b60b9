"""The screen of a search: what can't be written there is lost, and the search goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.text import Text

from kerastune_lite.errors import SearchTerminated
from kerastune_lite.views.glyphs import Glyphs, glyphs_for
from kerastune_lite.views.live_area import LiveArea


class Screen:
    """Where a person watches a search. It becomes silent for good where it can't be written.

    A full disk behind a redirection, a pipe that was closed and an encoding that lacks a character are no reason to
    lose the trials to come. Control characters are shown as escapes.

    Args:
        console: Where to print.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._area: LiveArea | None = None

    @property
    def is_silent(self) -> bool:
        """Whether nothing is shown."""
        return self._console.quiet

    @property
    def is_terminal(self) -> bool:
        """Whether lines can be drawn anew in place."""
        return self._console.is_terminal and not self._console.is_dumb_terminal

    @property
    def width(self) -> int:
        """How many cells a line has now."""
        return self._console.width

    @property
    def height(self) -> int:
        """How many lines there are now."""
        return self._console.height

    @property
    def glyphs(self) -> Glyphs:
        """The signs that its encoding has."""
        return glyphs_for(self._console.encoding)

    @property
    def foreign_lines(self) -> int:
        """How many lines others have printed since the area was begun, as far as is known."""
        return self._area.foreign_lines if self._area is not None else 0

    def show(self, text: str) -> None:
        """Prints a line, which the terminal may wrap."""
        self.show_lines([Text(self.glyphs.shown(text))])

    def show_lines(self, lines: Sequence[Text]) -> None:
        """Prints lines that the encoding has all characters of, above the area that is drawn in place."""
        if self._area is not None:
            area = self._area
            self._attempt(lambda: area.print(lines))
        else:
            self._attempt(lambda: self._print(lines))

    def begin_area(self, draw: Callable[[], Sequence[Text]]) -> None:
        """Begins to draw lines below all that is printed.

        Args:
            draw: Makes the lines; called again and again by another thread.
        """
        self._area = LiveArea(self._console, draw, self._attempt)
        self._attempt(self._area.start)

    def refresh(self) -> None:
        """Lets the area be drawn anew soon."""
        if self._area is not None:
            self._area.refresh()

    def end_area(self) -> None:
        """Clears the area."""
        if self._area is not None:
            area, self._area = self._area, None
            area.stop()
            self._attempt(area.clear)

    def _print(self, lines: Sequence[Text]) -> None:
        for line in lines:
            self._console.print(line, soft_wrap=True, highlight=False)

    def _attempt(self, act: Callable[[], object]) -> None:
        if self._console.quiet:
            return
        try:
            act()
        except (Exception, SystemExit) as error:  # rich ends the program where a pipe is closed
            if isinstance(error, SearchTerminated):
                raise
            self._console.quiet = True
