"""The leaderboard: trials, best first, in a sequence that prints as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kerastune_lite.space import label_of
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.texts import beginning_of, counted, printable
from kerastune_lite.study.trial import Trial

BRIEF = 160
"""Characters of a setting where an object tells in one line what it is."""


class Leaderboard(tuple[Trial, ...]):
    """A tuple of trials, best first, which `print` shows as a table."""

    objective: Objective | None

    def __new__(cls, trials: Iterable[Trial], objective: Objective | None) -> Leaderboard:
        """The trials in the order given, with the objective that ranked them."""
        self = super().__new__(cls, tuple(trials))
        self.objective = objective
        return self

    def rows(self) -> list[list[str]]:
        """The cells of the table, row by row, the header first."""
        name = printable(self.objective.name) if self.objective else "score"
        columns: dict[str, Callable[[Trial], str]] = {"trial": lambda trial: str(trial.number), name: score_text}
        if any(trial.confirmations for trial in self):
            columns["confirmed"] = confirmed_text
        if any(trial.folds for trial in self):
            columns["folds"] = folds_text
        columns |= {"epoch": epoch_text, "seconds": seconds_text, "values": lambda trial: values_text(trial.values)}
        body = [[str(rank), *(text(trial) for text in columns.values())] for rank, trial in enumerate(self, start=1)]
        return [["rank", *columns], *body]

    def __repr__(self) -> str:
        best = "".join(f", best {score_text(trial)} (trial {trial.number})" for trial in self[:1])
        return f"<Leaderboard of {counted(len(self), 'trial')}{best}>"

    def _repr_html_(self) -> str:
        from kerastune_lite.study.as_html import leaderboard_html

        return leaderboard_html(self)

    def __str__(self) -> str:
        if not self:
            return "no trial has a score yet"
        rows = self.rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        align = [str.rjust] * (len(widths) - 1) + [str.ljust]
        return "\n".join(
            "  ".join(place(cell, width) for place, cell, width in zip(align, row, widths, strict=True)).rstrip()
            for row in rows
        )


def score_text(trial: Trial) -> str:
    """A trial's score as text, with its spread over runs where there were several."""
    if trial.score is None:
        return "-"
    return _mean_text(trial.score, trial.spread)


def confirmed_text(trial: Trial) -> str:
    """The mean of a trial's confirmations as text, with their spread and number."""
    if trial.confirmed is None:
        return "-"
    return f"{_mean_text(trial.confirmed, trial.confirmed_spread)} of {len(trial.confirmations)}"


def folds_text(trial: Trial) -> str:
    """How many of its folds a trial was trained on, as text."""
    return f"{len(trial.fold_scores)}/{trial.folds}" if trial.folds else "-"


def epoch_text(trial: Trial) -> str:
    """A trial's best epoch among those trained as text, counted from 1 as people do."""
    if trial.best_epoch is None:
        return "-"
    return f"{trial.best_epoch + 1}/{len(trial.curve)}"


def seconds_text(trial: Trial) -> str:
    """How many seconds a trial took, as text."""
    return "-" if trial.seconds is None else f"{trial.seconds:.1f}"


def _mean_text(mean: float, spread: float | None) -> str:
    return f"{mean:.5g}" + ("" if spread is None else f" ± {spread:.2g}")


def values_text(values: Mapping[str, Any]) -> str:
    """A setting as text on one line."""
    return " ".join(f"{printable(name)}={value_text(value)}" for name, value in values.items())


def brief_values(values: Mapping[str, Any], longest: int = BRIEF) -> str:
    """A setting on one line of about so many characters: as many of its first parameters as fit."""
    parts: list[str] = []
    room = longest
    for name, value in values.items():
        part = f"{beginning_of(printable(name))}={beginning_of(value_text(value))}"
        room -= len(part) + 1
        if room < 0 and parts:
            return " ".join([*parts, f"and {len(values) - len(parts)} more"])
        parts.append(part)
    return " ".join(parts)


def value_text(value: Any) -> str:
    """One value as text that is short enough for a table."""
    return f"{value:.4g}" if isinstance(value, float) else printable(label_of(value))


def duration_text(seconds: float) -> str:
    """A duration as text, with two units at most."""
    if seconds < 60:
        return f"{seconds:.1f}s" if seconds < 10 else f"{seconds:.0f}s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{seconds:02d}s"
