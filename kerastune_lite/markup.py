"""HTML for notebooks: texts, tables and curves, as fragments that need nothing besides themselves.

A notebook shows many of them on one page, in a light or a dark theme, on a screen of any width, and keeps them in its
file. So there is no style sheet, script, id or address in them. Colours are the page's own colour of text, thinned, or
one that is mixed with it. Whatever isn't `Html` already is escaped.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

LONGEST_TEXT = 60
"""Longer names and values are cut in tables; the whole text is shown under the pointer."""
MOST_POINTS = 120
"""A curve of more points is thinned: a sparkline has fewer pixels."""

_UNFIT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
"""Characters that HTML may not hold, halves of characters, and marks that turn the direction of writing."""
_RULE = "1px solid color-mix(in srgb, currentColor 20%, transparent)"
BEST, USUAL, WRONG = (f"color-mix(in srgb, {colour} 75%, currentColor)" for colour in ("#009E73", "#0072B2", "#D55E00"))
"""Green, blue and vermilion as Okabe and Ito (2008) have them for every colour vision, nearer to the text's colour."""


class Html(str):
    """A text that is HTML, and is written as it is."""

    __slots__ = ()


def text(content: object) -> Html:
    """Anything as HTML: a fragment as it is, and any other text so that it is shown letter by letter."""
    if isinstance(content, Html):
        return content
    seen = _UNFIT.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), str(content))
    return Html(html.escape(seen))


def short(content: object) -> Html:
    """A text that is cut where it is long; the whole of it, as far as it is bearable, is shown under the pointer."""
    told = str(content)
    if isinstance(content, Html) or len(told) <= LONGEST_TEXT:
        return text(content)
    return tag("span", told[: LONGEST_TEXT - 1] + "…", title=told[: 10 * LONGEST_TEXT])


def tag(name: str, *content: object, **attributes: object) -> Html:
    """An element with its content. An underscore in an attribute's name stands for a hyphen; None leaves one out."""
    told = "".join(
        f' {key.replace("_", "-")}="{text(value)}"' for key, value in attributes.items() if value is not None
    )
    return Html(f"<{name}{told}>{''.join(map(text, content))}</{name}>")


def block(*content: object, style: str | None = None) -> Html:
    """A part of the page of its own."""
    return tag("div", *content, style=style)


def line(*content: object, soft: bool = False) -> Html:
    """A line of text; a soft one is less important."""
    return block(*content, style="margin:.2em 0;overflow-wrap:anywhere" + (";opacity:.7" if soft else ""))


def strong(content: object) -> Html:
    """A text that stands out."""
    return tag("strong", content)


def side_by_side(*parts: object) -> Html:
    """Parts beside each other, as many as the page's width has room for, and the others below."""
    return block(*parts, style="display:flex;flex-wrap:wrap;gap:0 2em;align-items:flex-start")


def folded(summary: object, content: str) -> Html:
    """A long text that is shown when its summary is clicked."""
    style = "overflow:auto;max-height:24em;white-space:pre;font-size:.85em"
    return tag("details", tag("summary", summary, style="cursor:pointer"), tag("pre", content, style=style))


def table(
    header: Sequence[object],
    rows: Iterable[Sequence[object]],
    *,
    caption: object = "",
    texts: Iterable[int] = (),
    is_headed_by_rows: bool = False,
) -> Html:
    """A table, which can be scrolled sideways where the page is too narrow for it.

    Args:
        header: The names of the columns; empty for a table without.
        rows: The cells of each row.
        caption: What it is a table of.
        texts: Which columns, from 0, hold texts and are aligned to the left; numbers are aligned to the right.
        is_headed_by_rows: Whether the first cell of each row says what the others are.
    """
    sides = dict.fromkeys(texts, "left")

    def cell(place: int, content: object, *, is_name: bool, scope: str) -> Html:
        soft = ";opacity:.7;font-weight:normal" if is_name else ""
        style = f"text-align:{sides.get(place, 'right')};padding:.15em .6em;white-space:nowrap{soft}"
        told = short(content)
        return tag("th", told, scope=scope, style=style) if is_name else tag("td", told, style=style)

    def row(cells: Sequence[object]) -> Html:
        inside = (
            cell(place, content, is_name=is_headed_by_rows and place == 0, scope="row")
            for place, content in enumerate(cells)
        )
        return tag("tr", *inside, style=f"border-top:{_RULE};background:none")

    names = tag("tr", *(cell(place, name, is_name=True, scope="col") for place, name in enumerate(header)))
    parts = [
        tag("caption", caption, style="text-align:left;caption-side:top;padding:.2em .6em;color:inherit")
        if caption
        else "",
        tag("thead", names) if header else "",
        tag("tbody", *map(row, rows)),
    ]
    style = "border-collapse:collapse;margin:.4em 0;font-variant-numeric:tabular-nums;color:inherit"
    return block(tag("table", *(part for part in parts if part), style=style), style="overflow-x:auto;max-width:100%")


def progress(share: float, label: str) -> Html:
    """A bar that is filled by a share from 0 to 1."""
    percent = round(100 * min(max(share, 0.0), 1.0), 1)
    shape, track = "border-radius:.3em", "color-mix(in srgb, currentColor 20%, transparent)"
    filled = block(style=f"width:{percent:g}%;height:100%;{shape};background:{USUAL}")
    return tag(
        "div",
        filled,
        role="progressbar",
        aria_label=label,
        aria_valuemin=0,
        aria_valuemax=100,
        aria_valuenow=f"{percent:g}",
        style=f"max-width:40em;height:.6em;margin:.4em 0;{shape};background:{track}",
    )


@dataclass(frozen=True)
class View:
    """The part of a plane that a picture shows. Points above or below it are drawn at its edge.

    Attributes:
        left: The least x.
        right: The greatest x.
        low: The least y.
        high: The greatest y.
    """

    left: float
    right: float
    low: float
    high: float

    def _place(self, point: tuple[float, float]) -> str:
        """A point as a picture of 100 times 100 units has it, whose y counts from above."""
        x = (point[0] - self.left) / ((self.right - self.left) or 1.0)
        height = self.high - self.low
        y = (self.high - min(max(point[1], self.low), self.high)) / height if height else 0.5
        return f"{100 * x:.4g} {100 * y:.4g}"

    def line(self, points: Iterable[tuple[float, float]]) -> str:
        """The path through points; one whose y isn't finite is a gap."""
        parts, is_drawing = [], False
        for point in points:
            is_known = math.isfinite(point[1])
            if is_known:
                parts.append(("L" if is_drawing else "M") + self._place(point))
            is_drawing = is_known
        # The line of a single point has no length, and is seen by its round end.
        return "".join(parts) + ("h0" if len(parts) == 1 else "")

    def steps(self, points: Sequence[tuple[float, float]]) -> str:
        """The path that keeps the height of each point until the next one; the last one's until the right edge."""
        corners = [corner for one, other in pairwise(points) for corner in (one, (other[0], one[1]))]
        return self.line([*corners, *((x, points[-1][1]) for x in (points[-1][0], self.right))]) if points else ""

    def dots(self, points: Iterable[tuple[float, float]]) -> str:
        """A path that is a dot at each point."""
        return "".join(f"M{self._place(point)}h0" for point in points if math.isfinite(point[1]))


def stroke(path: str, colour: str = "currentColor", width: float = 1.5, opacity: float | None = None) -> Html:
    """A path of a picture, drawn. Its width is in pixels of the screen, however the picture is stretched."""
    style = f"stroke:{colour}"
    return tag(
        "path", d=path, style=style, stroke_width=width, stroke_opacity=opacity, vector_effect="non-scaling-stroke"
    )


def picture(*strokes: Html, label: str, style: str) -> Html:
    """Paths in a picture that fills the room that its style gives it. The label tells what there is to be seen."""
    return tag(
        "svg",
        tag("title", label),
        *strokes,
        viewBox="0 0 100 100",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
        fill="none",
        stroke="currentColor",
        stroke_linecap="round",
        stroke_linejoin="round",
        style=f"overflow:visible;{style}",
    )


def sparkline(lines: Sequence[Sequence[float]], label: str, mark: int | None = None) -> Html:
    """Curves over their indices, as small as a word: the first one in blue, the others as thin lines behind it.

    Args:
        lines: The values of each curve; gaps are values that aren't finite.
        label: What they are.
        mark: The index of the first curve's value that is marked, such as that of the best epoch.
    """
    known = [value for values in lines for value in values if math.isfinite(value)]
    if not known:
        return Html("")
    view = View(0.0, max(len(values) for values in lines) - 1.0, min(known), max(known))
    behind = [stroke(view.line(thinned(values)), width=1, opacity=0.5) for values in lines[1:]]
    paths = [*behind, stroke(view.line(thinned(lines[0])), USUAL)]
    if mark is not None and mark < len(lines[0]):
        paths.append(stroke(view.dots([(float(mark), lines[0][mark])]), BEST, width=5))
    return picture(*paths, label=label, style="width:7em;height:1.3em;vertical-align:middle;margin:.15em .3em")


def thinned(values: Sequence[float], most: int = MOST_POINTS) -> list[tuple[float, float]]:
    """The values with their indices, evenly thinned where there are many; the first and the last are among them."""
    last = len(values) - 1
    places = range(len(values)) if last < most else (round(step * last / (most - 1)) for step in range(most))
    return [(float(place), values[place]) for place in places]
