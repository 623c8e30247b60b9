"""The table of a terminal, which grows by a row for each trial: its columns, their widths, and the cells of a row.

Rows are printed one after another and never again, so widths are fixed before the first one, from what the parameters
can be and from the width of the terminal. Where they turn out too narrow, or the space has grown, there is a new layout
with a new header. Nothing is ever wrapped: a name may stand in two lines of the header, parted behind an underscore,
and where not all parameters fit those are left out that matter least, as far as can be told before any trial.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rich.cells import cell_len, set_cell_size

from kerastune_lite.space import Choice, Parameter, Value, is_number
from kerastune_lite.study.leaderboard import duration_text, value_text
from kerastune_lite.views.glyphs import Glyphs
from kerastune_lite.views.watched import TrialRow

WIDEST_OPTION = 16
"""Longer options of a choice are cut."""
LEAST_SCORE, LEAST_EPOCH, LEAST_TIME, STATE, REASON = 8, 5, 5, 9, 18
LEAST_REASON = 14
"""Cells of a reason that stands in the place of the state."""
MOST_DIGITS = 5
"""Significant digits of a score."""
SAMPLES = 12
"""At how many places of a number's range it is looked how long its values are."""


@dataclass(frozen=True)
class Needs:
    """What the rows of a table need.

    Attributes:
        parameters: The parameters known so far, in the order asked for.
        objective: The name of what is optimised.
        digits: How many digits the greatest trial number has.
        score: Cells of the longest score.
        epoch: Cells of the longest "best epoch/epochs trained".
        time: Cells of the longest duration.
    """

    parameters: Sequence[Parameter]
    objective: str
    digits: int = 2
    score: int = LEAST_SCORE
    epoch: int = LEAST_EPOCH
    time: int = LEAST_TIME

    def with_row(self, row: TrialRow, glyphs: Glyphs) -> Needs:
        """The needs where this row is to fit as well."""
        return replace(
            self,
            digits=max(self.digits, len(str(row.number))),
            score=max(self.score, cell_len(_spread_text(row, glyphs)) if row.spread is not None else 0),
            epoch=max(self.epoch, cell_len(_epoch_text(row, glyphs))),
            time=max(self.time, cell_len(duration_text(row.seconds))),
        )


Kind = Literal["trial", "parameter", "score", "epoch", "time", "state", "reason"]


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes:
        kind: What it shows.
        title: The lines of its header.
        width: How many cells it has.
        parameter: The parameter that it shows, or None.
        is_left: Whether it is aligned at its left.
    """

    kind: Kind
    title: Sequence[str]
    width: int
    parameter: Parameter | None = None
    is_left: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell of a row: its column, and its text, aligned and as wide as the column."""

    column: Column
    text: str


@dataclass(frozen=True)
class Layout:
    """The columns of the table for a width.

    Attributes:
        needs: What it was made for.
        width: How many cells a line may have.
        glyphs: The signs to use.
        columns: The columns, from left to right.
        gap: How many cells are between two columns.
        left_out: The names of the parameters that vary and have no column.
    """

    needs: Needs
    width: int
    glyphs: Glyphs
    columns: Sequence[Column]
    gap: int
    left_out: Sequence[str] = ()

    @property
    def shape(self) -> tuple[object, ...]:
        """What two layouts have in common whose rows may stand below the same header."""
        return self.gap, *((column.kind, *column.title, column.width) for column in self.columns)

    def header(self) -> list[str]:
        """The lines of the header; each title stands at the bottom."""
        height = max(len(column.title) for column in self.columns)
        lines = []
        for number in range(height):
            titles = [([""] * (height - len(column.title)) + list(column.title))[number] for column in self.columns]
            cells = [_aligned(title, column) for title, column in zip(titles, self.columns, strict=True)]
            lines.append((" " * self.gap).join(cells).rstrip())
        return lines

    def row(self, row: TrialRow) -> list[Cell]:
        """The cells of a trial's row; all of them and the gaps between them are no wider than the terminal."""
        has_reason = any(column.kind == "reason" for column in self.columns)
        return [
            Cell(column, _aligned(self._text(column, row, has_reason=has_reason), column)) for column in self.columns
        ]

    def _text(self, column: Column, row: TrialRow, *, has_reason: bool) -> str:
        match column.kind:
            case "trial":
                mark = self.glyphs.star if row.is_new_best else ""
                return mark + str(row.number).rjust(column.width - cell_len(mark))
            case "parameter":
                return self._value_text(column, row.values)
            case "score" if row.score is None:
                return self.glyphs.inactive
            case "score":
                return _score_text(row, column.width, self.glyphs)
            case "epoch":
                return _epoch_text(row, self.glyphs)
            case "time":
                return duration_text(row.seconds)
            case "state":
                return self._state_text(column, row, has_reason=has_reason)
            case "reason":
                return cut(row.reason, column.width, self.glyphs)

    def _state_text(self, column: Column, row: TrialRow, *, has_reason: bool) -> str:
        """The state; where there is no column for the reason, the reason in its place if it tells the state as well."""
        is_told = has_reason or not row.reason or row.is_paused or row.state_word == "failed"
        return cut(row.state_word if is_told else row.reason, column.width, self.glyphs)

    def _value_text(self, column: Column, values: Mapping[str, Value]) -> str:
        parameter = column.parameter
        assert parameter is not None
        if parameter.name not in values:
            return self.glyphs.inactive
        value = values[parameter.name]
        if isinstance(value, float) and not isinstance(parameter, Choice):
            return number_text(value, column.width)
        return option_text(value, column.width, self.glyphs)


def layout_of(needs: Needs, width: int, glyphs: Glyphs) -> Layout:
    """The roomiest layout that shows every parameter that varies; else the one that leaves out the last ones.

    Args:
        needs: What the rows need.
        width: How many cells a line may have.
        glyphs: The signs to use.
    """
    varying = [parameter for parameter in needs.parameters if parameter.size > 1]
    for style in _STYLES:
        layout = _with_columns(needs, width, glyphs, varying, style)
        if _cells(layout) <= width:
            return layout
    shown = sorted(varying, key=_unimportance)
    while True:
        chosen = [parameter for parameter in varying if parameter in shown]
        layout = _with_columns(needs, width, glyphs, chosen, _Style(gap=1))
        if _cells(layout) <= width or not shown:
            left_out = [parameter.name for parameter in varying if parameter not in shown]
            return replace(layout, left_out=left_out)
        shown.pop()


def _unimportance(parameter: Parameter) -> tuple[int, bool]:
    """What parameters are sorted by that can't all be shown, among equals those that build_fn asks for first.

    Those come first that all trials have, and among them those of a logarithmic scale: what is searched over several
    orders of magnitude, such as a learning rate, is most often what a score depends on most.
    """
    return len(parameter.conditions), not getattr(parameter, "log", False)


@dataclass(frozen=True)
class _Style:
    gap: int
    has_whole_titles: bool = False
    has_reason: bool = False


_STYLES = (
    _Style(gap=2, has_whole_titles=True, has_reason=True),
    _Style(gap=2, has_reason=True),
    _Style(gap=2),
    _Style(gap=1),
)
"""Ways to lay out a table, the roomiest first."""


def _with_columns(needs: Needs, width: int, glyphs: Glyphs, parameters: Sequence[Parameter], style: _Style) -> Layout:
    number = max(cell_len(glyphs.star) + needs.digits + 1, len("trial"))
    of_parameters = [_column_of(parameter, style, glyphs) for parameter in parameters]
    objective = _titled("score", glyphs.shown(needs.objective), needs.score, style)
    columns = [
        Column("trial", ["trial"], number),
        *of_parameters,
        objective,
        Column("epoch", ["best", "epoch"], needs.epoch),
        Column("time", ["time"], needs.time),
        Column("state", ["state"], STATE if style.has_reason else LEAST_REASON, is_left=True),
    ]
    if style.has_reason:
        columns.append(Column("reason", ["reason"], REASON, is_left=True))
    layout = Layout(needs, width, glyphs, columns, style.gap)
    # Nothing stands behind the last column, so it may have what is left.
    last = columns[-1]
    room = max(width - _cells(layout), 0)
    last = replace(last, width=min(last.width + room, REASON))
    return replace(layout, columns=[*columns[:-1], last])


def _cells(layout: Layout) -> int:
    return sum(column.width for column in layout.columns) + layout.gap * (len(layout.columns) - 1)


def _column_of(parameter: Parameter, style: _Style, glyphs: Glyphs) -> Column:
    return replace(
        _titled("parameter", glyphs.shown(parameter.name), _widest_value(parameter, glyphs), style),
        parameter=parameter,
        is_left=isinstance(parameter, Choice) and not all(map(is_number, parameter.options)),
    )


def _titled(kind: Kind, name: str, width: int, style: _Style) -> Column:
    """A column for a name: whole, or in lines that are parted behind underscores, dots and slashes."""
    if style.has_whole_titles:
        return Column(kind, [name], max(cell_len(name), width))
    parts = re.findall(r"[^_./]*[_./]+|[^_./]+", name) or [name]
    widest = max([width, *map(cell_len, parts)])
    return Column(kind, list(_stacked(parts, widest)), widest)


def _stacked(parts: Iterable[str], width: int) -> Iterator[str]:
    """The parts of a name in as few lines of at most so many cells as they fit in."""
    line = ""
    for part in parts:
        if line and cell_len(line + part) > width:
            yield line
            line = ""
        line += part
    yield line


def _widest_value(parameter: Parameter, glyphs: Glyphs) -> int:
    """How many cells the values of a parameter take, options that are too long left out of account."""
    if isinstance(parameter, Choice):
        return min(max(cell_len(glyphs.shown(value_text(option))) for option in parameter.options), WIDEST_OPTION)
    places = [place / SAMPLES for place in range(SAMPLES + 1)]
    values = [parameter.decode(place) for place in places]
    return max(len(f"{value:.3g}" if isinstance(value, float) else str(value)) for value in values)


def number_text(value: float, width: int, digits: int = 4) -> str:
    """A number with as many significant digits as fit into a width, `digits` at most."""
    for count in range(digits, 1, -1):
        text = f"{value:.{count}g}"
        if len(text) <= width:
            return text
    return f"{value:.1g}"


def option_text(value: Value, width: int, glyphs: Glyphs) -> str:
    """A value that is no float, in at most so many cells: the end of a dotted name, whole words of other texts."""
    text = value_text(value)
    if cell_len(text) > width and re.fullmatch(r"[\w.<>]+", text):
        text = text.rpartition(".")[2] or text
    return cut(text, width, glyphs)


def cut(text: str, width: int, glyphs: Glyphs) -> str:
    """A text in at most so many cells; a longer one ends with an ellipsis behind its last whole word that fits."""
    text = glyphs.shown(text)
    if cell_len(text) <= width:
        return text
    room = width - cell_len(glyphs.ellipsis)
    if room <= 0:
        return set_cell_size(text, max(width, 0))
    kept = set_cell_size(text, room)
    ends = [found.start() for found in re.finditer(r"[\s_.,;:/|-]+", text) if 0 < found.start() <= len(kept.rstrip())]
    return (kept[: ends[-1]] if ends else kept.rstrip()) + glyphs.ellipsis


def _score_text(row: TrialRow, width: int, glyphs: Glyphs) -> str:
    assert row.score is not None
    if row.spread is not None:
        text = _spread_text(row, glyphs)
        if cell_len(text) <= width:
            return text
    return number_text(row.score, width, MOST_DIGITS)


def _spread_text(row: TrialRow, glyphs: Glyphs) -> str:
    score, spread = row.score or 0.0, row.spread or 0.0
    return f"{score:.4g} {glyphs.plus_minus} {spread:.1g}" if math.isfinite(spread) else f"{score:.4g}"


def _epoch_text(row: TrialRow, glyphs: Glyphs) -> str:
    if row.best_epoch is None:
        return f"{glyphs.inactive}/{row.epochs}" if row.epochs else glyphs.inactive
    return f"{row.best_epoch}/{row.epochs}" if row.epochs else str(row.best_epoch)


def _aligned(text: str, column: Column) -> str:
    space = " " * max(column.width - cell_len(text), 0)
    return text + space if column.is_left else space + text
