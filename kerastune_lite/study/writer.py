"""A study that is being searched: every event is appended to the journal first, then folded in, then shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kerastune_lite.errors import StudyMismatchError
from kerastune_lite.space import Space
from kerastune_lite.study import Study
from kerastune_lite.study.files import StudyFiles
from kerastune_lite.study.journal import FORMAT_VERSION, JOURNAL_NAME, Event, Journal, Reading, read_journal
from kerastune_lite.study.objective import Objective

Observer = Callable[[Event, Study], None]


class StudyWriter:
    """Appends to a study's journal and keeps the study up to date. Whoever makes one holds the directory's lock.

    Attributes:
        study: The study as the journal has it now.
        remarks: What a person should be told about the journal that was found.
        is_resumed: Whether there was a study before.
    """

    def __init__(
        self,
        directory: Path,
        objective: Objective,
        seed: int | None,
        fresh_seed: int,
        *,
        overwrite: bool = False,
        observers: Sequence[Observer] = (),
    ) -> None:
        self._observers = tuple(observers)
        self.remarks: list[str] = []
        path = directory / JOURNAL_NAME
        if overwrite:
            _remove(directory)
        reading = read_journal(path) if path.exists() else Reading()
        self.study = Study.of_events(directory, reading)
        if self.study.records and not any(trial.state.ended for trial in self.study.records.values()):
            known = self.study.objective
            if known is not None and known.name != objective.name:
                self.remarks.append(
                    f"the search for {known.name!r} that was begun here had no finished trial; starting anew"
                )
                _remove(directory)
                reading, self.study = Reading(), Study(directory)
        self.remarks += self.study.damages
        self.is_resumed = bool(self.study.records)
        self._check_objective(objective)
        self._journal = Journal(path, reading)
        if self.study.seed is None:
            self._write_study(objective, fresh_seed if seed is None else seed)
        elif seed is not None and seed != self.study.seed:
            self.remarks.append(f"the study goes on with its own seed {self.study.seed}, not with {seed}")

    def append(self, event: str, *, flush: bool = False, **fields: Any) -> None:
        """Appends an event, folds it into the study and shows it."""
        written = self._journal.append(event, flush=flush, **fields)
        self.study = self.study.after(written)
        for observer in self._observers:
            observer(written, self.study)

    def learn(self, space: Space) -> None:
        """Journals the parameters that are new in a space, and takes over its options as objects."""
        for parameter in space:
            known = self.study.space.get(parameter.name)
            if known is None or known.describe() != parameter.describe():
                self.append("parameter", **parameter.describe())
        self.study = self.study.with_space(space)

    def settle(self, objective: Objective) -> None:
        """Journals the objective's direction once it is known."""
        if self.study.objective != objective:
            self._write_study(objective, self.study.seed)

    def close(self) -> None:
        """Flushes and closes the journal."""
        self._journal.close()

    def _write_study(self, objective: Objective, seed: int | None) -> None:
        self.append(
            "study",
            flush=True,
            version=FORMAT_VERSION,
            objective=objective.name,
            direction=objective.direction,
            seed=seed,
        )

    def _check_objective(self, objective: Objective) -> None:
        known = self.study.objective
        if known is None:
            return
        same_direction = None in (known.direction, objective.direction) or known.direction == objective.direction
        if known.name != objective.name or not same_direction:
            raise StudyMismatchError(
                mismatch(
                    self.study.directory,
                    f"its objective is {_text(known)}, and this search's is {_text(objective)}",
                )
            )


def mismatch(directory: Path, difference: str) -> str:
    """What to tell a person whose directory holds another study."""
    return (
        f"{directory} holds another study: {difference}. Choose another directory, "
        "or pass overwrite=True to throw that study away."
    )


def _text(objective: Objective) -> str:
    return repr(objective.name) + (f" ({objective.direction})" if objective.direction else "")


def _remove(directory: Path) -> None:
    """Removes what a study wrote, and nothing else that may lie in its directory."""
    (directory / JOURNAL_NAME).unlink(missing_ok=True)
    StudyFiles(directory).remove()
