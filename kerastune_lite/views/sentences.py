"""What a display says of a search in sentences: where its study is, what happened beside trials, how it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from kerastune_lite.study import Study
from kerastune_lite.study.events import (
    ConfirmationFailed,
    Confirmed,
    Event,
    JournalRestored,
    SearchBegun,
    SearchEnded,
    WorkerLost,
    WorkersChosen,
)
from kerastune_lite.study.leaderboard import confirmed_text, duration_text, score_text
from kerastune_lite.study.trial import Trial

LONGEST_ERROR = 200
"""Characters of an error's informative line that are told."""
NOTABLE_SECONDS = 1.0
"""With less time spared by shared programs nothing is said of it."""


def opening(event: SearchBegun, study: Study) -> Sequence[str]:
    """What is said when a search begins: what was found of note, and where the study is kept."""
    if not event.is_kept:
        return event.remarks
    told = [f"{study.directory}: {remark}" for remark in event.remarks]
    if not study.records:
        return [*told, f"The study is kept in {study.directory}"]
    finished = len(study.records) - len(study.tally.unfinished)
    unfinished = sum(number in study.tally.inside for number in study.tally.unfinished)
    again = f", {_trials(unfinished)} to run again" if unfinished else ""
    return [*told, f"Resuming the study in {study.directory}: {_trials(finished)} finished{again}"]


def notice(event: Event, study: Study) -> str | None:
    """What is said of an event beside a trial's begin, epochs and end; None of one that needs no word."""
    match event:
        case WorkersChosen():
            return event.text
        case JournalRestored():
            return f"{study.directory}: {event.remark}"
        case Confirmed() if event.trial in study.records:
            trial = study.records[event.trial]
            return f"trial {event.trial} again: {event.scores[-1]:.5g}, so far {confirmed_text(trial)}"
        case ConfirmationFailed() if event.trial in study.records:
            reason = "" if event.error is None else f": {event.error.summary[:LONGEST_ERROR]}"
            return f"trial {event.trial} again: failed{reason}"
        case WorkerLost() if event.trial in study.records:
            return f"trial {event.trial}: {event.reason}"
    return None


def closing(event: SearchEnded, study: Study, seconds: float) -> Sequence[str]:
    """What is said when a search has ended; nothing where an exception says it.

    Args:
        event: How it ended.
        study: The study.
        seconds: How long the search took.
    """
    if event.is_interrupted and not event.is_kept:
        return ["Interrupted: the trials are not kept, since no directory was given."]
    if event.is_interrupted:
        return [interrupted(study)]
    if event.reason is None:
        return []
    records = list(study.records.values())
    counts = ", ".join(f"{n} {state}" for state, n in Counter(trial.state.value for trial in records).items())
    spent = f"{_counted(study.epochs_spent, 'epoch')} in {duration_text(seconds)}"
    return [
        f"Search ended: {event.reason} ({counts}; {spent})",
        *_saved(study, event),
        *_by_fit(records),
        *event.remarks,
    ]


def interrupted(study: Study) -> str:
    """What is said when a person has interrupted a search: what is kept, where, and how to go on."""
    finished = len(study.records) - len(study.tally.unfinished)
    return f"Interrupted: {_trials(finished)} kept in {study.directory}. Search again to go on."


def best_sentence(study: Study, best: Trial) -> str:
    """Which trial is the best, its score, and the epoch that it was reached at."""
    name = study.objective.name if study.objective else "score"
    epoch = "" if best.best_epoch is None else f" at epoch {best.best_epoch + 1} of {len(best.curve)}"
    return f"best: trial {best.number} with {name} {score_text(best)}{epoch}"


def _saved(study: Study, event: SearchEnded) -> Sequence[str]:
    told = []
    if study.epochs_saved:
        told.append(f"Trials that ended early left out {_counted(study.epochs_saved, 'epoch')}")
    if event.seconds_saved >= NOTABLE_SECONDS:
        shared = sum(trial.trained is not None and trial.trained.how == "shared" for trial in study.records.values())
        saved = duration_text(event.seconds_saved)
        told.append(f"{_trials(shared)} ran programs compiled for earlier ones, which saved about {saved}")
    return told


def _by_fit(records: Iterable[Trial]) -> Sequence[str]:
    """Why trials were trained without compiled epochs, where the engine had to."""
    reasons = Counter(
        trial.trained.reason
        for trial in records
        if trial.trained is not None and trial.trained.how == "fit" and trial.trained.reason
    )
    if not reasons:
        return []
    ((reason, _),) = reasons.most_common(1)
    return [f"{_trials(reasons.total())} trained by Keras's fit, epoch by epoch: {reason}"]


def _trials(count: int) -> str:
    return _counted(count, "trial")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
