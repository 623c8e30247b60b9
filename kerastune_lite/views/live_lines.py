"""The lines that a terminal shows below its table while a search runs: how far it is, the best trial, and what runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from rich.text import Text

from kerastune_lite.space import Value
from kerastune_lite.study.leaderboard import duration_text, value_text
from kerastune_lite.views.glyphs import Glyphs
from kerastune_lite.views.trial_table import cut, number_text
from kerastune_lite.views.watched import Picture, RunningTrial

LONGEST_BAR, LONGEST_CURVE = 30, 24
"""Signs of the bar and of a curve; both are shorter in narrow terminals."""
MOST_RUNNING = 8
"""How many of the trials that run have a line of their own."""
SCORE = 8
"""Cells of a score."""


def live_lines(picture: Picture, width: int, height: int, glyphs: Glyphs) -> list[Text]:
    """The lines for a terminal, none of them wider than it; the first one is empty.

    Args:
        picture: What is to be shown.
        width: How many cells a line may have.
        height: How many lines there may be.
        glyphs: The signs to use.
    """
    lines = [Text(), _progress(picture, width, glyphs)]
    if picture.best is not None:
        lines.append(_best(picture, width, glyphs))
    most = max(min(MOST_RUNNING, height - len(lines) - 1), 1)
    lines += [_running(trial, picture, width, glyphs) for trial in picture.running[:most]]
    more = len(picture.running) - most
    if more > 0:
        lines.append(Text(cut(f"and {more} more running", width, glyphs), "dim"))
    return lines[: max(height, 1)]


def _progress(picture: Picture, width: int, glyphs: Glyphs) -> Text:
    """The bar, and how many trials and epochs and how much time are spent and left; the last ones go without room."""
    facts = _facts(picture, glyphs)
    bar = min(LONGEST_BAR, width // 5) if picture.share is not None else 0
    room = width - bar - 2
    while len(facts) > 1 and cell_len(f" {glyphs.separator} ".join(facts)) > room:
        facts.pop(1 if len(facts) > 2 else -1)  # the epochs go first, and the time last
    text = Text()
    if picture.share is not None:
        done, left = glyphs.bar(picture.share, bar)
        text.append(done, "bold green").append(left, "dim").append("  ")
    return text.append(cut(f" {glyphs.separator} ".join(facts), room, glyphs))


def _facts(picture: Picture, glyphs: Glyphs) -> list[str]:
    of = "" if picture.max_trials is None else f" of {picture.max_trials}"
    trials = f"{picture.trials}{of} trials"
    epochs = f"{picture.epochs} epochs" + (f", {picture.epochs_left} left" if picture.epochs_left is not None else "")
    seconds = duration_text(picture.seconds)
    if picture.seconds_left is not None:
        seconds += f", {duration_text(picture.seconds_left)} left"
    return [trials, epochs, seconds]


def _best(picture: Picture, width: int, glyphs: Glyphs) -> Text:
    best = picture.best
    assert best is not None
    score = "" if best.score is None else number_text(best.score, SCORE, 5)
    text = Text().append(f"{glyphs.star} best ", "yellow").append(f"{score:<{SCORE}}", "bold green")
    text.append(f"  trial {best.number}  ")
    return text.append(cut(_values(best.values), width - cell_len(text.plain), glyphs), "dim")


def _running(trial: RunningTrial, picture: Picture, width: int, glyphs: Glyphs) -> Text:
    """A running trial: its number, epoch, score and curve, and as much of its setting as there is room for."""
    digits = len(str(max((other.number for other in picture.running), default=0)))
    of = f"/{trial.epochs}" if trial.epochs else ""
    run = f" {trial.run_text}" if trial.run_text else ""
    widest = 2 * len(str(trial.epochs)) + 1 if trial.epochs else 4
    score = "" if trial.score is None else number_text(trial.score, SCORE, 4)
    head = f"  trial {trial.number:>{digits}}{run}  epoch {f'{trial.epoch}{of}':<{widest}}  "
    text = Text(head).append(f"{score:<{SCORE}}", "bold").append("  ")
    longest = min(LONGEST_CURVE, max((width - cell_len(text.plain)) // 3, 0))
    curve = glyphs.curve(trial.curve, longest) if longest else ""
    text.append(curve, "cyan").append(" " * (min(trial.epochs or longest, longest) - cell_len(curve) + 2))
    room = width - cell_len(text.plain)
    if room > 0:
        text.append(cut(_values(trial.values), room, glyphs), "dim")
    text.rstrip()
    text.truncate(width)
    return text


def _values(values: Mapping[str, Value]) -> str:
    return "  ".join(f"{name} {value_text(value)}" for name, value in values.items())


def wrapped(facts: Sequence[str], width: int, indent: str) -> list[str]:
    """Facts side by side, in as many lines of at most so many cells as they need; none of them is parted."""
    lines: list[str] = []
    for fact in facts:
        if lines and cell_len(lines[-1]) + 2 + cell_len(fact) <= width:
            lines[-1] += f"  {fact}"
        else:
            lines.append(indent + fact)
    return lines
