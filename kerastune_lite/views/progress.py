"""The progress of a search: in a terminal a table with a live area below it, elsewhere a plain line for each trial."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from kerastune_lite.study import Study
from kerastune_lite.study.events import EpochEnded, Event, SearchBegun, SearchEnded, TrialEnded
from kerastune_lite.study.leaderboard import duration_text, value_text, values_text
from kerastune_lite.study.trial import TrialState
from kerastune_lite.views import sentences
from kerastune_lite.views.glyphs import Glyphs
from kerastune_lite.views.live_lines import live_lines, wrapped
from kerastune_lite.views.screen import Screen
from kerastune_lite.views.trial_table import Cell, Layout, Needs, cut, layout_of
from kerastune_lite.views.watched import TrialRow, Watch

WITH_KERAS_OUTPUT = 2
"""The `verbose` of a search whose trials show Keras's own output too."""
INDENT = 6
"""Cells before what is told below a row or a sentence."""
STATE_STYLES = {
    TrialState.COMPLETED: "green",
    TrialState.STOPPED: "yellow",
    TrialState.FAILED: "red",
    TrialState.INTERRUPTED: "magenta",
    TrialState.RUNNING: "cyan",
}


class Progress:
    """A view that shows a search to a person who watches a terminal, or reads a log.

    Args:
        verbose: 0 shows nothing; 1 a table and a live area in a terminal, else a line for each trial; 2 the same
            without the live area, since Keras shows its own bar then.
        console: Where to print; the standard output by default. A console that records can be saved as a picture:
            `Console(record=True, force_terminal=True, width=100, file=io.StringIO())`, then `console.save_svg(path)`.
        clock: Tells the seconds that have passed.
        now: Tells the time of day.
    """

    def __init__(
        self,
        verbose: int = 1,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._verbose = verbose
        self._console = console
        self._clock = clock
        self._now = now
        self._watch = Watch()
        self._study: Study | None = None
        self._drawn: _Drawn | None = None

    def __call__(self, event: Event, study: Study) -> None:
        """Shows one event."""
        if self._verbose == 0:
            return
        if self._drawn is None or isinstance(event, SearchBegun):
            self._drawn = self._drawn_on(Screen(self._console or Console()))
        # In this order, since the thread that draws may look at both in between.
        watch = self._watch.after(event, study, self._clock())
        self._study, self._watch = study, watch
        match event:
            case SearchBegun():
                self._drawn.begin(sentences.opening(event, study))
            case SearchEnded():
                self._drawn.end(self._closing(event, study))
            case TrialEnded() if watch.rows and watch.rows[-1].number == event.trial:
                self._drawn.add(watch.rows[-1], study)
            case EpochEnded():
                self._drawn.refresh()
            case _:
                told = sentences.notice(event, study)
                if told is not None:
                    self._drawn.say([told])
                self._drawn.refresh()

    def _drawn_on(self, screen: Screen) -> _Drawn:
        if screen.is_terminal:
            return _Table(screen, self._lines, has_area=self._verbose < WITH_KERAS_OUTPUT)
        return _Log(screen, self._now)

    def _lines(self, width: int, height: int, glyphs: Glyphs) -> Sequence[Text]:
        """The lines of the live area."""
        assert self._study is not None
        return live_lines(self._watch.picture(self._study, self._clock()), width, height, glyphs)

    def _closing(self, event: SearchEnded, study: Study) -> _Closing:
        told = sentences.closing(event, study, self._clock() - self._watch.started)
        if event.reason is None or self._watch.best is None:
            return _Closing(told)
        best = study.trial(self._watch.best[0])
        values = [f"{name} {value_text(value)}" for name, value in best.values.items()]
        return _Closing(told, sentences.best_sentence(study, best), values)


class _Closing:
    """What is told at the end of a search.

    Args:
        told: Why and how it ended, a sentence each.
        best: Which trial is the best; empty without one.
        values: The values of that trial's parameters.
    """

    def __init__(self, told: Sequence[str], best: str = "", values: Sequence[str] = ()) -> None:
        self.told = told
        self.best = best
        self.values = values


class _Drawn(Protocol):
    """A way to show a search."""

    def begin(self, told: Sequence[str]) -> None: ...
    def say(self, told: Sequence[str]) -> None: ...
    def add(self, row: TrialRow, study: Study) -> None: ...
    def refresh(self) -> None: ...
    def end(self, closing: _Closing) -> None: ...


class _Table:
    """A search in a terminal: rows of a table, and below them an area that is drawn in place.

    Args:
        screen: The terminal.
        lines: Makes the lines of the area, for a width and a height.
        has_area: Whether there is an area.
    """

    def __init__(self, screen: Screen, lines: Callable[[int, int, Glyphs], Sequence[Text]], *, has_area: bool) -> None:
        self._screen = screen
        self._lines = lines
        self._has_area = has_area
        self._glyphs = screen.glyphs
        self._needs: Needs | None = None
        self._layout: Layout | None = None
        self._foreign_lines_at_header = 0
        self._has_told_left_out = False

    def begin(self, told: Sequence[str]) -> None:
        self.say(told)
        self._screen.begin_area(self._area)

    def say(self, told: Sequence[str]) -> None:
        width = self._screen.width
        for sentence in told:
            words = [word for word in self._glyphs.shown(sentence).split(" ") if word]
            self._screen.show_lines([Text(line) for line in _filled(words, width)])

    def add(self, row: TrialRow, study: Study) -> None:
        layout, is_new = self._layout_for(row, study)
        lines = self._header(layout, study) if is_new else []
        lines.append(_row(layout.row(row), layout.gap, row))
        width = layout.width - INDENT
        told = [row.told] if row.state is TrialState.FAILED else []
        lines += [Text(" " * INDENT + cut(text, width, self._glyphs), "red") for text in told]
        lines += [Text(" " * INDENT + cut(text, width, self._glyphs), "dim") for text in row.remarks]
        self._screen.show_lines(lines)

    def refresh(self) -> None:
        self._screen.refresh()

    def end(self, closing: _Closing) -> None:
        self._screen.end_area()
        if closing.best:
            self._screen.show("")
        self.say(closing.told)
        if closing.best:
            best = self._glyphs.shown(closing.best)
            self._screen.show_lines([Text(f"{self._glyphs.star} {best}", "bold green")])
            values = [self._glyphs.shown(value) for value in closing.values]
            self._screen.show_lines([Text(line) for line in wrapped(values, self._screen.width, "  ")])

    def _area(self) -> Sequence[Text]:
        # A line as wide as the terminal would begin another one in some of them.
        return self._lines(self._screen.width - 1, self._screen.height - 1, self._glyphs) if self._has_area else ()

    def _layout_for(self, row: TrialRow, study: Study) -> tuple[Layout, bool]:
        """The layout for a row, and whether a header is due: it is another one, or has been scrolled out of sight."""
        known = self._needs or Needs((), "")
        needs = Needs(
            parameters=tuple(study.space),
            objective=study.objective.name if study.objective else "score",
            digits=known.digits,
            score=known.score,
            epoch=max(known.epoch, 2 * len(str(study.records[row.number].epochs or 1)) + 1),
            time=known.time,
        ).with_row(row, self._glyphs)
        foreign = self._screen.foreign_lines - self._foreign_lines_at_header
        before, width = self._layout, self._screen.width
        layout = before
        if layout is None or needs != self._needs or layout.width != width:
            layout = layout_of(needs, width, self._glyphs)
        is_new = before is None or layout.shape != before.shape or foreign > self._screen.height // 2
        if is_new:
            self._foreign_lines_at_header = self._screen.foreign_lines
        self._needs, self._layout = needs, layout
        return layout, is_new

    def _header(self, layout: Layout, study: Study) -> list[Text]:
        lines = [Text(), *(Text(line, "bold") for line in layout.header())]
        if layout.left_out and not self._has_told_left_out:
            self._has_told_left_out = True
            lines.insert(1, Text(_left_out_text(layout, study), "dim"))
        return lines


class _Log:
    """A search in a file, a pipe or a log: a line with the time of day for each trial.

    Args:
        screen: Where to print.
        now: Tells the time of day.
    """

    def __init__(self, screen: Screen, now: Callable[[], datetime]) -> None:
        self._screen = screen
        self._now = now

    def begin(self, told: Sequence[str]) -> None:
        self.say(told)

    def say(self, told: Sequence[str]) -> None:
        for sentence in told:
            self._screen.show(f"{self._now():%H:%M:%S} {sentence}")

    def add(self, row: TrialRow, study: Study) -> None:
        name = study.objective.name if study.objective else "score"
        parts = [f"trial {row.number} {row.state_word}"]
        if row.score is not None:
            spread = "" if row.spread is None else f" ± {row.spread:.2g}"
            epoch = "" if row.best_epoch is None else f" at epoch {row.best_epoch} of {row.epochs}"
            parts.append(f"{name} {row.score:.5g}{spread}{epoch}" + (" (new best)" if row.is_new_best else ""))
        parts += [duration_text(row.seconds), *([row.told[: sentences.LONGEST_ERROR]] if row.told else [])]
        self.say(["  ".join([*parts, values_text(row.values), *row.remarks])])

    def refresh(self) -> None:
        pass

    def end(self, closing: _Closing) -> None:
        self.say([*closing.told, *([f"{closing.best}: {', '.join(closing.values)}"] if closing.best else [])])


def _row(cells: Sequence[Cell], gap: int, row: TrialRow) -> Text:
    """A row in the colours of its state; a new best is bold."""
    line = Text()
    for cell in cells:
        if line.plain:
            line.append(" " * gap)
        match cell.column.kind:
            case "trial" | "score" if row.is_new_best:
                line.append(cell.text, "bold yellow" if cell.column.kind == "trial" else "bold green")
            case "state" | "reason":
                line.append(cell.text, STATE_STYLES[row.state])
            case "time" | "epoch":
                line.append(cell.text, "dim")
            case _:
                line.append(cell.text)
    line.rstrip()
    return line


def _left_out_text(layout: Layout, study: Study) -> str:
    """How to see the parameters that have no column."""
    count = len(layout.left_out)
    told = f"{count} more {'parameter' if count == 1 else 'parameters'}: kerastune-lite show"
    texts = [f"{told} {study.directory} --trial N", f"{told} --trial N"]
    return next((text for text in texts if cell_len(text) <= layout.width), texts[-1])


def _filled(words: Sequence[str], width: int) -> list[str]:
    """Words in lines of at most so many cells, each as full as it can be."""
    lines = [""]
    for word in words:
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and cell_len(longer) > width:
            lines.append(f"  {word}")
        else:
            lines[-1] = longer
    return lines
