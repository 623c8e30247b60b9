"""One HTML page that holds everything that it needs: texts, figures, and plotly.js itself.

A policy in the page's head forbids every request, so that nothing of a study reaches another host. All texts are
escaped; figures stand in the page as JSON in which no tag can begin.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

# Plotly draws parallel coordinates with a library that compiles functions, hence unsafe-eval.
_POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2730; --soft: #5a6873; --paper: #ffffff; --card: #f5f7f9; --line: #d5dce2;
  --mark: #0072b2; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e9ed; --soft: #a3afb8; --paper: #14191e; --card: #1d242b; --line: #36424c; --mark: #56b4e9; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 1500px; font: 16px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--paper); overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: .3rem 0; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .3rem; }
h3 { font-size: 1rem; margin: .6rem 0 0; }
p.word { color: var(--soft); margin: .2rem 0 .6rem; max-width: 80ch; }
nav a { color: var(--mark); margin-right: 1rem; white-space: nowrap; }
pre { background: var(--card); border: 1px solid var(--line); padding: .7rem; overflow-x: auto; font-size: .85rem;
  overflow-wrap: normal; }
.scroll { overflow-x: auto; }
.wide { min-width: 640px; }
.grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(330px, 100%), 1fr)); }
.grid > * { min-width: 0; }
.facts { display: flex; flex-wrap: wrap; gap: .6rem; margin: .8rem 0; }
.facts div { background: var(--card); border: 1px solid var(--line); padding: .4rem .8rem; }
.facts b { display: block; font-size: 1.15rem; }
.facts span { color: var(--soft); font-size: .85rem; }
table { border-collapse: collapse; font-size: .9rem; overflow-wrap: normal; }
th, td { text-align: left; padding: .25rem .7rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 600; }
table.tight td { white-space: nowrap; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
summary { cursor: pointer; }
"""

_SCRIPT = """
const dark = matchMedia('(prefers-color-scheme: dark)');
const figures = [...document.querySelectorAll('script[type="application/json"]')].map(source => {
  const place = source.previousElementSibling;
  return {place, ...JSON.parse(source.textContent)};
});
function coloured(layout) {
  const ink = dark.matches ? '#e4e9ed' : '#1d2730', line = dark.matches ? '#36424c' : '#dde3e8';
  const made = {...layout, paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', font: {color: ink}};
  for (const name of Object.keys(made)) if (/^[xy]axis/.test(name))
    made[name] = {...made[name], gridcolor: line, zerolinecolor: line, linecolor: line};
  return made;
}
function draw(figure) {
  Plotly.react(figure.place, figure.data, coloured(figure.layout), {responsive: true, displaylogo: false,
    modeBarButtons: [['toImage', 'zoom2d', 'pan2d', 'zoomOut2d', 'resetScale2d']]});
}
/* A page of many figures is there at once: each is drawn when it comes near the view. */
const seen = new Set();
const watch = new IntersectionObserver(entries => entries.forEach(entry => {
  if (!entry.isIntersecting) return;
  watch.unobserve(entry.target);
  const figure = figures.find(each => each.place === entry.target);
  seen.add(figure); draw(figure);
}), {rootMargin: '600px'});
figures.forEach(figure => watch.observe(figure.place));
addEventListener('beforeprint', () => figures.forEach(draw));
dark.addEventListener('change', () => seen.forEach(draw));
"""


def text(value: object) -> str:
    """A text as HTML."""
    return html.escape(str(value))


def section(title: str, word: str, *parts: str) -> str:
    """A section: its heading, the words that a reader needs for it, and what it holds."""
    name = anchor(title)
    return f'<section id="{name}"><h2>{text(title)}</h2><p class="word">{text(word)}</p>{"".join(parts)}</section>'


def anchor(title: str) -> str:
    """The name by which a section is linked."""
    return "-".join(title.lower().split())


def table(header: Sequence[str], rows: Iterable[Sequence[object]], *, wraps: bool = True) -> str:
    """A table, whose numbers are aligned to the right; it can be scrolled where it is too wide.

    Args:
        header: The names of the columns.
        rows: The cells of each row.
        wraps: Whether a long cell may take several lines.
    """
    head = "".join(f"<th>{text(cell)}</th>" for cell in header)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    kind = "" if wraps else ' class="tight"'
    return f'<div class="scroll"><table{kind}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: object) -> str:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    shown = f"{value:.5g}" if isinstance(value, float) else text(value)
    return f'<td class="number">{shown}</td>' if is_number else f"<td>{shown}</td>"


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """A row of figures, each with what it counts."""
    inside = "".join(f"<div><b>{text(value)}</b><span>{text(name)}</span></div>" for name, value in pairs)
    return f'<div class="facts">{inside}</div>'


def code(source: str) -> str:
    """Code to be copied."""
    return f"<pre><code>{text(source)}</code></pre>"


def details(summary: str, source: str) -> str:
    """A long text that is shown when its summary is clicked."""
    return f"<details><summary>{text(summary)}</summary><pre>{text(source)}</pre></details>"


def plot(figure: Any, *, is_wide: bool = False) -> str:
    """A plotly figure without its title, which stands above it in the page."""
    # Named fields of a layout are merged with those that it has; only an empty title takes the other's room away.
    figure.update_layout(title=None, margin={"t": 40 if not is_wide else figure.layout.margin.t})
    height = figure.layout.height or 420
    data = figure.to_json().replace("<", "\\u003c").replace(">", "\\u003e")
    place = f'<div class="{"wide" if is_wide else ""}" style="height:{int(height)}px"></div>'
    return f'<div class="scroll">{place}<script type="application/json">{data}</script></div>'


def page(title: str, head: str, sections: Sequence[tuple[str, str]], library: str) -> str:
    """The whole page.

    Args:
        title: The page's title.
        head: What stands first, as HTML.
        sections: The title of each section, and the section as HTML.
        library: plotly.js.
    """
    links = "".join(f'<a href="#{anchor(name)}">{text(name)}</a>' for name, _ in sections)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{text(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<link rel='icon' href='data:,'><style>{_STYLE}</style></head><body>"
        f"<h1>{text(title)}</h1>{head}<nav>{links}</nav>{''.join(each for _, each in sections)}"
        f"<script>{library}</script><script>{_SCRIPT}</script></body></html>\n"
    )
