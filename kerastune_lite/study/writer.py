"""A study that is being searched: every event is appended to the journal first, then folded in, then shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from kerastune_lite.errors import JournalError, StudyMismatchError
from kerastune_lite.space import Space
from kerastune_lite.study.directory_lock import LOCK_NAME, directory_lock
from kerastune_lite.study.event_lines import event_of
from kerastune_lite.study.events import Event, JournaledEvent, JournalRestored, ParameterLearned, StudyBegun
from kerastune_lite.study.files import StudyFiles
from kerastune_lite.study.journal import JOURNAL_NAME, Journal, Reading, cut_off_path, read_journal
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.study import Study

View = Callable[[Event, Study], None]
"""Is shown each event, with the study as it stands after it."""


class StudyWriter:
    """Appends to a study's journal and keeps the study up to date. Whoever opens one holds the directory's lock.

    Attributes:
        study: The study as the journal has it now.
        is_resumed: Whether there was a study before.
        remarks: What a person should know of the journal that was found.

    Args:
        journal: Where events are appended.
        study: What the journal held.
        remarks: What was found of note.
        views: What is shown each event.
    """

    def __init__(
        self, journal: Journal, study: Study, *, remarks: Sequence[str] = (), views: Sequence[View] = ()
    ) -> None:
        # What the journal says of the space is what earlier searches asked for.
        self.study = study.with_space(study.space.as_remembered())
        self.is_resumed = bool(study.records)
        self.remarks: Sequence[str] = tuple(remarks)
        self._journal = journal
        self._views = tuple(views)
        self._locks = ExitStack()

    @classmethod
    def open(
        cls,
        directory: Path,
        objective: Objective,
        seed: int | None,
        fresh_seed: int,
        *,
        overwrite: bool = False,
        views: Sequence[View] = (),
    ) -> Self:
        """Opens the study of a directory, or begins one there.

        Args:
            directory: Where it is kept.
            objective: What the search optimises.
            seed: The seed that the user gave, or None.
            fresh_seed: The seed of a new study where the user gave none.
            overwrite: Whether to throw away the study that the directory holds.
            views: What is shown each event.

        Raises:
            StudyMismatchError: The directory holds a study with another objective.
            StudyError: The directory holds a file that isn't the study's, where the study's own would be written.
            JournalError: The journal can't be read or written, or is something else than a journal.
        """
        path, remarks = directory / JOURNAL_NAME, []
        if overwrite:
            _remove(directory)
        reading = read_journal(path) if path.exists() else Reading()
        _check_is_ours(path, reading)
        study = Study.of_events(directory, reading)
        known = study.objective
        has_ended_trials = any(trial.state.ended for trial in study.records.values())
        if study.records and not has_ended_trials and known is not None and known.name != objective.name:
            remarks.append(f"the search for {known.name!r} that was begun here had no finished trial; starting anew")
            _remove(directory)
            reading, study = Reading(), Study(directory)
        remarks += study.damages
        _check_objective(study, objective)
        StudyFiles(directory).check_free(study.records)
        if seed is not None and study.seed is not None and seed != study.seed:
            remarks.append(f"the study keeps its own seed {study.seed}; seed={seed} is not used")
        writer = cls(Journal(path, reading), study, remarks=remarks, views=views)
        if study.seed is None:
            writer.append(StudyBegun(objective=objective, seed=fresh_seed if seed is None else seed))
        return writer

    def append(self, event: JournaledEvent) -> None:
        """Appends an event, folds it into the study and shows it.

        Raises:
            JournalError: It can't be written.
            StudyLockedError: The directory had vanished, and another search has begun in its place.
        """
        remark = self._restored() if event.is_flushed else None
        line = self._journal.append(event.kind, flush=event.is_flushed, **event.to_json())
        # What is folded is what a reader would see: a resumed study is the same as this one.
        written = event_of(line)
        assert written is not None
        self.study = self.study.after(written)
        if remark is not None:
            self.show(JournalRestored(remark=remark))
        self.show(written)

    def _restored(self) -> str | None:
        """Sees to it that the journal's file is where it belongs; what a person should know if it wasn't."""
        if not (self.study.directory / LOCK_NAME).exists():
            # The lock has gone with the directory, and what comes to its place isn't this search's yet.
            remark = self._journal.restore()
            if remark is not None:
                self._locks.enter_context(directory_lock(self.study.directory))
            return remark
        return self._journal.restore()

    def show(self, event: Event) -> None:
        """Shows an event to the views."""
        for view in self._views:
            view(event, self.study)

    def learn(self, space: Space) -> None:
        """Journals the parameters that are new or changed in a space, and takes over its options as objects."""
        for event in _news(self.study.space, space):
            self.append(event)
        self.study = self.study.with_space(space)

    def settle(self, objective: Objective) -> None:
        """Journals the objective's direction once it is known."""
        if self.study.objective != objective:
            self.append(StudyBegun(objective=objective, seed=self.study.seed))

    def close(self) -> None:
        """Flushes and closes the journal."""
        self._journal.close()
        self._locks.close()


class Draft:
    """Changes of a study that may still be given up: nothing is journaled before they are carried out.

    Attributes:
        study: The study as it would be.

    Args:
        study: The study as it is.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self._events: list[JournaledEvent] = []

    def append(self, event: JournaledEvent) -> None:
        """Folds an event into the study."""
        self.study = self.study.after(event)
        self._events.append(event)

    def learn(self, space: Space) -> None:
        """Takes over a space, as `StudyWriter.learn` does."""
        for event in _news(self.study.space, space):
            self.append(event)
        self.study = self.study.with_space(space)

    def carry_out(self, writer: StudyWriter) -> None:
        """Journals the changes in a study that hasn't changed since."""
        for event in self._events:
            writer.append(event)
        writer.study = writer.study.with_space(self.study.space)


def _news(known: Space, space: Space) -> list[ParameterLearned]:
    """What is new or changed in a space that has grown out of a known one."""
    return [
        ParameterLearned(parameter=parameter)
        for parameter in space
        if (before := known.get(parameter.name)) is None or before.describe() != parameter.describe()
    ]


def mismatch(directory: Path, difference: str) -> str:
    """What to tell a person whose directory holds another study."""
    return (
        f"{directory} holds another study: {difference}. Choose another directory, "
        "or pass overwrite=True to throw that study away."
    )


def _check_objective(study: Study, objective: Objective) -> None:
    known = study.objective
    if known is None:
        return
    same_direction = None in (known.direction, objective.direction) or known.direction == objective.direction
    if known.name != objective.name or not same_direction:
        raise StudyMismatchError(
            mismatch(study.directory, f"its objective is {_text(known)}, and this search's is {_text(objective)}")
        )


def _text(objective: Objective) -> str:
    return repr(objective.name) + (f" ({objective.direction})" if objective.direction else "")


def _check_is_ours(path: Path, reading: Reading) -> None:
    """Refuses a file that has the name of a journal and is none."""
    if not reading.is_journal:
        raise JournalError(
            f"{path} is not a journal of this library: none of its lines is one that a search writes. It isn't "
            "touched: move it elsewhere, or choose another directory."
        )


def _remove(directory: Path) -> None:
    """Removes what a study wrote, as its journal knows it, and nothing else that may lie in its directory."""
    path = directory / JOURNAL_NAME
    if not path.exists():
        return
    reading = read_journal(path, of_any_version=True)
    _check_is_ours(path, reading)
    StudyFiles(directory).remove(reading.trial_numbers)
    cut_off_path(path).unlink(missing_ok=True)
    path.unlink()
