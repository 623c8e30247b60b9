"""Studies that were made by another tuner, written as journals of this library."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kerastune_lite.errors import StudyError
from kerastune_lite.space import Parameter
from kerastune_lite.study.directory_lock import directory_lock
from kerastune_lite.study.events import JournaledEvent, ParameterLearned, StudyBegun
from kerastune_lite.study.journal import JOURNAL_NAME, Journal
from kerastune_lite.study.objective import Objective


@dataclass(frozen=True)
class Dated:
    """An event, and when it happened; None where nobody knows."""

    event: JournaledEvent
    time: datetime | None = None


def write_brought(
    directory: Path,
    objective: Objective,
    seed: int | None,
    parameters: Sequence[Parameter],
    events: Iterable[Dated],
) -> None:
    """Writes the trials of another tuner's study as a journal, in the order of their times.

    Args:
        directory: Where the study is to be kept.
        objective: What was optimised.
        seed: What later searches draw from; None leaves that to the first of them.
        parameters: The parameters of its trials.
        events: What happened to the trials; of one trial in their order.

    Raises:
        StudyError: The directory holds a study already.
        StudyLockedError: A search runs in it.
        JournalError: The journal can't be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with directory_lock(directory):
        path = directory / JOURNAL_NAME
        if path.exists():
            raise StudyError(f"{directory} holds a study already. Choose another directory, or remove that one.")
        ordered = sorted(events, key=lambda dated: _EARLIEST if dated.time is None else dated.time)
        begun: list[JournaledEvent] = [StudyBegun(objective=objective, seed=seed)]
        begun += [ParameterLearned(parameter=parameter) for parameter in parameters]
        first = next((dated.time for dated in ordered if dated.time is not None), None)
        with closing(Journal(path)) as journal:
            for dated in [*(Dated(event, first) for event in begun), *ordered]:
                journal.append(dated.event.kind, at=dated.time or first, **dated.event.to_json())


_EARLIEST = datetime.min.replace(tzinfo=UTC)
