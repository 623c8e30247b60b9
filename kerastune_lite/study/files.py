"""Where a study keeps models and paused trainings, and which of them stay."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kerastune_lite.study.atomic_files import unfinished_path

MODELS, CHECKPOINTS, WORKERS = "models", "checkpoints", "workers"


@dataclass(frozen=True)
class StudyFiles:
    """The files of a study beside its journal.

    Attributes:
        directory: The study's.
    """

    directory: Path

    def model(self, number: int) -> Path:
        """The model of a trial."""
        return self.directory / MODELS / f"{number:04d}.keras"

    def checkpoint(self, number: int, epochs: int | None) -> Path:
        """The training of a trial, paused after so many epochs."""
        return self.directory / CHECKPOINTS / f"{number:04d}-{epochs}.npz"

    @property
    def workers(self) -> Path:
        """What the worker processes of a running search read, and where they leave their last words."""
        return self.directory / WORKERS

    def keep_models(self, kept: Iterable[Path], running: Iterable[Path]) -> None:
        """Removes all other models, and what an unfinished write left; those of running trials may just be written."""
        _keep(self.directory / MODELS, "*.keras", kept, running)

    def keep_checkpoints(self, kept: Iterable[Path], running: Iterable[Path]) -> None:
        """The same for paused trainings."""
        _keep(self.directory / CHECKPOINTS, "*.npz", kept, running)

    def remove(self) -> None:
        """Removes all of them."""
        for name in (MODELS, CHECKPOINTS, WORKERS):
            shutil.rmtree(self.directory / name, ignore_errors=True)


def _keep(folder: Path, pattern: str, kept: Iterable[Path], running: Iterable[Path]) -> None:
    running = set(running)
    names = {path.name for path in {*kept, *running, *map(unfinished_path, running)}}
    for path in folder.glob(pattern) if folder.is_dir() else ():
        if path.name not in names:
            path.unlink(missing_ok=True)
