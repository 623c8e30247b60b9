"""The studies below a directory, a line each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kerastune_lite.errors import KerastuneError
from kerastune_lite.study import Study
from kerastune_lite.study.directory_lock import is_locked
from kerastune_lite.study.journal import JOURNAL_NAME
from kerastune_lite.study.leaderboard import score_text
from kerastune_lite.study.texts import printable
from kerastune_lite.views.overview import counts_text, search_text

DEEPEST = 3
"""How many folders below the one that is asked for are looked into."""


@dataclass(frozen=True)
class Listed:
    """A study in a list.

    Attributes:
        directory: Where it is kept.
        changed: When its journal was written last.
        study: The study, or None where it can't be opened.
        problem: Why it can't be opened.
        is_running: Whether a search runs in it.
    """

    directory: Path
    changed: datetime
    study: Study | None = None
    problem: str = ""
    is_running: bool = False

    def record(self) -> dict[str, Any]:
        """What the list says of it, for JSON."""
        best = None if self.study is None else next(iter(self.study.leaderboard(1)), None)
        objective = None if self.study is None else self.study.objective
        return {
            "directory": str(self.directory),
            "changed": self.changed,
            "objective": objective and objective.name,
            "direction": objective and objective.direction,
            "trials": None if self.study is None else len(self.study.records),
            "best_trial": best and best.number,
            "best_score": best and best.score,
            "is_running": self.is_running,
            "problem": self.problem or None,
        }


def directories_below(parent: Path) -> list[Path]:
    """The directories that hold a study, `parent` itself among them, the one that was written last coming first."""
    found = [(path.stat().st_mtime, path.parent) for path in _journals(parent)]
    return [directory for _, directory in sorted(found, reverse=True)]


def listed(directories: Sequence[Path]) -> list[Listed]:
    """The studies of these directories."""
    return [_listed(directory) for directory in directories]


def list_text(studies: Sequence[Listed]) -> str:
    """A table of studies: when they were written, their objective, best score and trials, and whether they run."""
    rows = [["changed", "objective", "best", "trials", "search", "study"], *map(_row, studies)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _journals(parent: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(parent):
        depth = len(Path(folder).relative_to(parent).parts)
        is_study = JOURNAL_NAME in names
        if is_study:
            yield Path(folder, JOURNAL_NAME)
        is_deep_enough = is_study or depth == DEEPEST
        folders[:] = [] if is_deep_enough else [name for name in folders if not name.startswith(".")]


def _listed(directory: Path) -> Listed:
    changed = datetime.fromtimestamp((directory / JOURNAL_NAME).stat().st_mtime, UTC)
    try:
        study = Study.open(directory)
    except KerastuneError as error:
        return Listed(directory, changed, problem=str(error))
    return Listed(directory, changed, study, is_running=is_locked(directory))


def _row(listed: Listed) -> list[str]:
    changed = listed.changed.astimezone().strftime("%Y-%m-%d %H:%M")
    study = listed.study
    if study is None:
        return [changed, "-", "-", "-", "-", printable(f"{listed.directory}: {listed.problem}")]
    best = next(iter(study.leaderboard(1)), None)
    return [
        changed,
        printable(study.objective.name) if study.objective else "unknown",
        "-" if best is None else score_text(best),
        counts_text(study, is_running=listed.is_running),
        search_text(study, is_running=listed.is_running).partition(";")[0],
        printable(str(listed.directory)),
    ]
