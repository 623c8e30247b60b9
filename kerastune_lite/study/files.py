"""The files of a study beside its journal: their paths, and the removal of those that aren't needed any more.

A study's directory may hold anything else as well: a person's own `models/`, say, where they search in ".". So a file
is removed only if this library made it, which two things tell together. Its name has the form of ours, and the journal
knows the trial of that number: before a search begins, the names of the trials to come are free (`check_free`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kerastune_lite.errors import StudyError
from kerastune_lite.study.atomic_files import UNFINISHED
from kerastune_lite.study.trial import Trial

MODELS, CHECKPOINTS = "models", "checkpoints"

_MODEL = re.compile(rf"(?:{re.escape(UNFINISHED)})?(?P<number>\d{{4,}})\.(?:keras|npz)")
_CHECKPOINT = re.compile(rf"(?:{re.escape(UNFINISHED)})?(?P<number>\d{{4,}})-(?P<epochs>\d+)(?:-\d+)?\.npz")


@dataclass(frozen=True)
class StudyFiles:
    """The paths of a study's models and checkpoints.

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
        """The path of a trial's checkpoint after a number of epochs: that of its first run."""
        return self.directory / CHECKPOINTS / f"{number:04d}-{epochs}.npz"

    def keep_models(self, kept: Iterable[int], running: Iterable[int], known: Container[int]) -> None:
        """Removes all models of a study's trials but those of some, and what unfinished writes left.

        Args:
            kept: The numbers of the trials whose models stay.
            running: The numbers of the trials that may just be writing theirs.
            known: The numbers of all trials of the study. No other file is touched.
        """
        kept, running = set(kept), set(running)
        for path, number in self._models():
            is_kept = number in kept and not path.name.startswith(UNFINISHED)
            if number in known and number not in running and not is_kept:
                path.unlink(missing_ok=True)

    def keep_checkpoints(self, kept: Iterable[Path], running: Iterable[Path], known: Mapping[int, Trial]) -> None:
        """Removes all checkpoints of a study's trials but some, and what unfinished writes left.

        Args:
            kept: The paths of those that stay, of the first runs; those of further runs stay with them.
            running: The paths of those that may just be written, likewise.
            known: All trials of the study by their numbers. No other file is touched.
        """
        being_written = {path.name for path in running}
        stay = {path.name for path in kept} | being_written
        for path, number, epochs in self._checkpoints():
            was_paused = number in known and epochs <= _latest_pause(known[number])
            wanted = being_written if path.name.startswith(UNFINISHED) else stay
            if was_paused and self.checkpoint(number, epochs).name not in wanted:
                path.unlink(missing_ok=True)

    def size_of_checkpoints(self, known: Container[int]) -> int:
        """How many bytes the checkpoints of the trials with these numbers take."""
        return sum(path.stat().st_size for path, number, _ in self._checkpoints() if number in known)

    def remove(self, known: Container[int]) -> None:
        """Removes the models and checkpoints of a study that is thrown away, of the trials with these numbers."""
        self.keep_models((), (), known)
        for path, number, _ in self._checkpoints():
            if number in known:
                path.unlink(missing_ok=True)

    def check_free(self, known: Container[int]) -> None:
        """Refuses a directory in which a file that isn't the study's has the name of a model or checkpoint to come.

        Args:
            known: The numbers of the trials that the journal knows.

        Raises:
            StudyError: There is such a file, which a trial of that number would overwrite.
        """
        numbered = [*self._models(), *((path, number) for path, number, _ in self._checkpoints())]
        foreign = sorted(path for path, number in numbered if number not in known)
        if foreign:
            more = f" (and {len(foreign) - 1} more)" if len(foreign) > 1 else ""
            raise StudyError(
                f"{foreign[0]}{more} has the name of a file that this search would write, and no trial of the study in "
                f"{self.directory} made it. It isn't touched: move it elsewhere, or choose another directory."
            )

    def _models(self) -> Iterator[tuple[Path, int]]:
        """The files that have the name of a model, with the trial's number."""
        for path, found in _named(self.directory / MODELS, _MODEL):
            yield path, int(found["number"])

    def _checkpoints(self) -> Iterator[tuple[Path, int, int]]:
        """The files that have the name of a checkpoint, with the trial's number and its epochs."""
        for path, found in _named(self.directory / CHECKPOINTS, _CHECKPOINT):
            yield path, int(found["number"]), int(found["epochs"])


def of_run(checkpoint: Path, run: int) -> Path:
    """Where a trial's run keeps its training, given where the first one does: "0005-9-1.npz" beside "0005-9.npz"."""
    return checkpoint.with_name(f"{checkpoint.stem}-{run}{checkpoint.suffix}") if run else checkpoint


def _latest_pause(trial: Trial) -> int:
    """After how many epochs a trial may have been paused last; 0 of a trial that never was."""
    pause = trial.plan.pause_at or trial.plan.resumed_at
    if any(note.kind == "checkpoint" for note in trial.notes):  # it was, and then begun again without its checkpoint
        pause = max(pause, *map(len, trial.curves), 0)
    return pause


def expanded(directory: str | Path) -> Path:
    """A person's path, with "~" and environment variables looked up, as a shell would do."""
    return Path(os.path.expandvars(os.path.expanduser(directory)))


def _named(folder: Path, form: re.Pattern[str]) -> Iterator[tuple[Path, re.Match[str]]]:
    """The plain files of a folder whose names have a form."""
    for path in list(folder.iterdir()) if folder.is_dir() else ():
        found = form.fullmatch(path.name)
        if found is not None and f"{int(found['number']):04d}" == found["number"] and path.is_file():
            yield path, found
