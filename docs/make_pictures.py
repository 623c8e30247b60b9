"""Makes the pictures of the README and of the documentation, in docs/pictures: `python docs/make_pictures.py`.

It runs examples/quickstart.py in a terminal of its own and draws the screen as it was half-way and at the end; then it
draws the figures of the study that the script left. Nothing is made up, but for the folder's name, which is drawn as ~.

It needs `pip install -e ".[plot]" pyte kaleido`, and Chrome or Chromium, by which plotly writes its figures as SVG.
"""

from __future__ import annotations

import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from fcntl import ioctl
from itertools import groupby
from pathlib import Path

import pyte
from rich.console import CONSOLE_SVG_FORMAT, Console
from rich.text import Text

from kerastune_lite import Study

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "pictures"
COLUMNS, ROWS = 100, 200
"""The terminal's size; it has more rows than the script prints, so that nothing scrolls away."""
FIGURE = {"width": 900, "height": 420}
"""Pixels."""
# GitHub and many viewers load no fonts for a picture: the terminal's is whatever is monospaced.
SVG_FORMAT = re.sub(r"@font-face \{\{.*?\n    \}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def main() -> None:
    """Writes all pictures."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "examples" / "quickstart.py")]
        output = list(output_in_a_terminal(command, Path(folder)))
        half = (output[0][0] + output[-1][0]) / 2
        for name, until in (("running", half), ("quickstart", output[-1][0])):
            written = b"".join(piece for at, piece in output if at <= until)
            draw_screen(written.replace(folder.encode(), b"~"), name, "python examples/quickstart.py")
        draw_figures(Study.open(Path(folder) / "kerastune_runs" / "quickstart"))


def output_in_a_terminal(command: list[str], folder: Path) -> Iterator[tuple[float, bytes]]:
    """Runs a command in a terminal and a folder, and gives what it writes with the time, in seconds, of each piece."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    for name in ("NO_COLOR", "TF_CPP_MIN_LOG_LEVEL"):
        environment.pop(name, None)
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environment)
    os.close(theirs)
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux's way to say that the other end is closed
            break
        if not piece:
            break
        yield time.monotonic(), piece
    os.close(ours)
    if process.wait() != 0:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}.")


def draw_screen(written: bytes, name: str, title: str) -> None:
    """Draws the screen of a terminal to which these bytes were written."""
    screen = pyte.Screen(COLUMNS, ROWS)
    pyte.ByteStream(screen).feed(written)
    lines = [line_of(screen, row) for row in range(ROWS)]
    while lines and not lines[-1].plain:
        lines.pop()
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for line in lines:
        console.print(line, soft_wrap=True)
    console.save_svg(str(PICTURES / f"{name}.svg"), title=title, code_format=SVG_FORMAT, unique_id=name)


def line_of(screen: pyte.Screen, row: int) -> Text:
    """A line of the screen with its colours, without the blanks at its end."""
    line = Text()
    cells = (screen.buffer[row][column] for column in range(COLUMNS))
    for style, alike in groupby(cells, key=style_of):
        line.append("".join(cell.data for cell in alike), style=style)
    line.rstrip()
    return line


def style_of(cell: pyte.screens.Char) -> str:
    """The style of a cell in rich's words."""
    words = [name for name in ("bold", "italics", "underscore", "reverse") if getattr(cell, name)]
    rich_words = {"italics": "italic", "underscore": "underline"}
    style = " ".join(rich_words.get(word, word) for word in words)
    style += f" {colour_of(cell.fg)}"
    return style if cell.bg == "default" else f"{style} on {colour_of(cell.bg)}"


def colour_of(name: str) -> str:
    """A colour of pyte in rich's words: hexadecimal digits, a name, or the default."""
    if re.fullmatch("[0-9a-f]{6}", name):
        return f"#{name}"
    name = name.replace("brown", "yellow")
    return f"bright_{name[6:]}" if name.startswith("bright") else name


def draw_figures(study: Study) -> None:
    """Draws the figures of a study that the documentation shows."""
    figures = {
        "history": study.plot.history(),
        "curves": study.plot.curves(),
        "slices": study.plot.slices(["dropout", "learning_rate"]),
        "contour": study.plot.contour(),
    }
    for name, figure in figures.items():
        # Opaque, so that they can be read on a dark page as well.
        figure.update_layout(paper_bgcolor="white", plot_bgcolor="white", template="plotly_white", **FIGURE)
        figure.write_image(PICTURES / f"{name}.svg")


if __name__ == "__main__":
    main()
