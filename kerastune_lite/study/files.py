"""The files of a study beside its journal: their paths, and the removal of those that aren't needed any more."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kerastune_lite.study.atomic_files import unfinished_path

MODELS, CHECKPOINTS, WORKERS = "models", "checkpoints", "workers"


@dataclass(frozen=True)
class StudyFiles:
    """The paths of a study's models, checkpoints and worker files.

    Attributes:
        directory: The study's.
    """

    directory: Path

    def model(self, number: int) -> Path:
        """The path of a trial's model."""
        return self.directory / MODELS / f"{number:04d}.keras"

    def weights(self, number: int) -> Path:
        """The path of a trial's weights, where Keras can't keep its model whole."""
        return self.directory / MODELS / f"{number:04d}.npz"

    def has_model(self, number: int) -> bool:
        """Whether a trial's model was kept, in either form."""
        return self.model(number).exists() or self.weights(number).exists()

    def checkpoint(self, number: int, epochs: int | None) -> Path:
        """The path of a trial's checkpoint after a number of epochs."""
        return self.directory / CHECKPOINTS / f"{number:04d}-{epochs}.npz"

    @property
    def workers(self) -> Path:
        """The folder from which the worker processes of a search read, and into which they write crash reports."""
        return self.directory / WORKERS

    def keep_models(self, kept: Iterable[int], running: Iterable[int]) -> None:
        """Removes all models but those of these trials, and what unfinished writes left.

        Args:
            kept: The numbers of the trials whose models stay.
            running: The numbers of the trials that may just be writing theirs.
        """
        kept, running = list(kept), list(running)
        for pattern, path_of in (("*.keras", self.model), ("*.npz", self.weights)):
            _keep(self.directory / MODELS, pattern, map(path_of, kept), map(path_of, running))

    def keep_checkpoints(self, kept: Iterable[Path], running: Iterable[Path]) -> None:
        """Removes all checkpoints but these, as `keep_models` does with models."""
        _keep(self.directory / CHECKPOINTS, "*.npz", kept, running)

    def remove(self) -> None:
        """Removes all models, checkpoints and worker files."""
        for name in (MODELS, CHECKPOINTS, WORKERS):
            shutil.rmtree(self.directory / name, ignore_errors=True)


def expanded(directory: str | Path) -> Path:
    """A person's path, with "~" and environment variables looked up, as a shell would do."""
    return Path(os.path.expandvars(os.path.expanduser(directory)))


def _keep(folder: Path, pattern: str, kept: Iterable[Path], running: Iterable[Path]) -> None:
    running = set(running)
    names = {path.name for path in {*kept, *running, *map(unfinished_path, running)}}
    for path in folder.glob(pattern) if folder.is_dir() else ():
        if path.name not in names:
            path.unlink(missing_ok=True)
