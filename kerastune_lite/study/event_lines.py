"""How events are read from the lines of a journal, and checked: a line may say anything, whatever happened to the file.

A field of another type, or with a value beyond any sense, is an error that names it. The line is then one of the
study's damages, and costs what it said and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, get_args

from kerastune_lite.errors import FailedTrial
from kerastune_lite.space import Value, parameter_from_json
from kerastune_lite.study.events import (
    ConfirmationFailed,
    Confirmed,
    Effort,
    EpochEnded,
    EpochsKnown,
    JournaledEvent,
    ParameterLearned,
    ParametersKnown,
    SearchDescribed,
    SpaceReviewed,
    StudyBegun,
    TrialBegun,
    TrialEnded,
    WorkerLost,
)
from kerastune_lite.study.journal import Line
from kerastune_lite.study.labels import values_from_json
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.read_only import ReadOnlyDict
from kerastune_lite.study.trial import Fill, Note, Trained, Trial, TrialFailure, TrialPlan, TrialState

LARGEST_NUMBER = 10**9
"""No trial, run or attempt has a higher number."""
MOST_EPOCHS = 10**12
"""Nothing is planned to train longer."""
LOST_LINES = 10_000
LOST_SHARE = 100
"""An epoch may be further than the journal has lines, by so many lost ones and by so many for each that is left."""


def event_of(line: Line) -> JournaledEvent | None:
    """The event of a journal's line; None of a note on something that this version knows nothing of.

    Raises:
        KeyError: A field is missing.
        TypeError: A field is of another type.
        ValueError: A field, or the line's kind, has a value that it can't have.
    """
    kind = line["event"]
    if kind == "note":
        # A version that doesn't know a note's key passes it over: so a new kind of event is a note with a new key.
        notes = _NOTES if "trial" in line else _NOTES_ON_STUDIES
        key = next((key for key in notes if key in line), None)
        return None if key is None else notes[key](line)
    if kind not in _BY_KIND:
        raise ValueError(f"unknown event {kind!r}; a newer kerastune_lite may have written it")
    return _BY_KIND[kind](line)


def contradiction(event: JournaledEvent, known: Trial | None, lines: int) -> str | None:
    """Why an event can't have happened after what is known of its trial; None where it can.

    Lines that are doubled or stand in another order than they were written in must not undo a trial's end, and one that
    speaks of an epoch far beyond all that the journal can have held must not fill the memory with the epochs before.

    Args:
        event: The event.
        known: The trial as the lines before have it.
        lines: How many lines the journal has.
    """
    match event:
        case EpochEnded() if max(event.epoch, event.run) > LOST_LINES + LOST_SHARE * lines:
            return f"it is about epoch {event.epoch} of run {event.run}, in a journal of {lines} lines"
        case TrialBegun() if known is not None and known.state.ended and not _may_begin_again(event, known):
            return f"trial {known.number} had ended, and wasn't to be begun again"
        case TrialEnded() if known is not None and known.state.ended and _is_older(event, known):
            return f"trial {known.number} ended later"
    return None


def _may_begin_again(event: TrialBegun, known: Trial) -> bool:
    """Whether a trial that has ended may go on with an event: tried again, or continued after its pause."""
    if _is_before(event.time, known.ended):
        return False
    if event.attempt > known.attempts:
        return True
    now, before = event.plan, known.plan
    if now.resumed_from == known.number and now.resumed_at >= max(map(len, known.curves), default=0):
        return True
    was_paused = known.state is TrialState.STOPPED and before.pause_at is not None
    return was_paused and (now.pause_at is None or now.pause_at > (before.pause_at or 0))


def _is_older(event: TrialEnded, known: Trial) -> bool:
    has_fewer_attempts = event.attempts is not None and event.attempts < known.attempts
    return has_fewer_attempts or _is_before(event.time, known.ended)


def _is_before(time: datetime | None, other: datetime | None) -> bool:
    """Whether a line was written before another: the times of a journal never go back (journal.py)."""
    return time is not None and other is not None and time < other


# The kinds of lines


def _study_begun(line: Line) -> StudyBegun:
    name = _text(line, "objective", or_none=True)
    objective = None if name is None else Objective(name, line.get("direction"))
    return StudyBegun(objective=objective, seed=_seed(line))


def _parameter_learned(line: Line) -> ParameterLearned:
    return ParameterLearned(parameter=parameter_from_json(line))


def _space_reviewed(line: Line) -> SpaceReviewed:
    return SpaceReviewed(
        differing=tuple(_whole(number, "differing") for number in _list(line, "differing")),
        dropped=tuple(_str(name, "dropped") for name in _list(line, "dropped")),
    )


def _search_described(line: Line) -> SearchDescribed:
    description = _mapping(line["search"], "search")
    for name in ("strategy", "training", "data", "versions"):
        _mapping(description.get(name, {}), name)
    for name, described in description.get("data", {}).items():
        _mapping(described, name)
    weights = description.get("training", {}).get("class_weight")
    for key in weights if isinstance(weights, Mapping) else ():
        int(key)  # JSON's keys are texts, and classes are numbers
    return SearchDescribed(description=ReadOnlyDict(description))


def _trial_begun(line: Line) -> TrialBegun:
    number = _trial(line)
    plan = TrialPlan(
        epochs=_count(line, "epochs"),
        pause_at=_count(line, "pause_at"),
        continues_as_new_trial=_bool(line, "is_turn"),
        resumed_from=_number(line, "resumed_from"),
        resumed_at=_count(line, "resumed_at") or 0,
        fill=_fill(line.get("unseen", "random")),
    )
    if plan.resumed_from is not None and plan.resumed_from > number:
        raise ValueError(f"trial {number} can't go on from trial {plan.resumed_from}, which begins after it")
    return TrialBegun(
        trial=number,
        values=_values(line),
        attempt=_number(line, "attempt", 1) or 0,
        seed=_seed(line),
        notes=_notes(line) or (),
        plan=plan,
        folds=_number(line, "folds", 0) or 0,
        memory=ReadOnlyDict(_mapping(line.get("memory", {}), "memory")),
        time=_time(line["time"]),
    )


def _parameters_known(line: Line) -> ParametersKnown:
    return ParametersKnown(trial=_trial(line), values=_values(line))


def _epochs_known(line: Line) -> EpochsKnown:
    return EpochsKnown(trial=_trial(line), epochs=_whole(line["epochs"], "epochs", MOST_EPOCHS))


def _epoch_ended(line: Line) -> EpochEnded:
    logs = _mapping(line["logs"], "logs")
    return EpochEnded(
        trial=_trial(line),
        run=_number(line, "run", 0) or 0,
        epoch=_whole(line["epoch"], "epoch"),
        logs=ReadOnlyDict({name: _real(value, name) for name, value in logs.items()}),
    )


def _worker_lost(line: Line) -> WorkerLost:
    return WorkerLost(trial=_trial(line), reason=_str(line["lost"], "lost"))


def _trial_ended(line: Line) -> TrialEnded:
    error = _failure(line.get("error"))
    direction, trained, started = line.get("direction"), _text(line, "engine", or_none=True), line.get("started")
    score, seconds = line.get("score"), line.get("seconds")
    return TrialEnded(
        trial=_trial(line),
        state=TrialState(line["state"]),
        values=_values(line),
        objective=Objective(line["objective"], direction) if direction else None,
        score=None if score is None else _real(score, "score"),
        best_epoch=_count(line, "best_epoch"),
        best_run=_number(line, "best_run", 0) or 0,
        scores=tuple(_real(score, "scores") for score in _list(line, "scores")),
        best_epochs=tuple(
            None if epoch is None else _whole(epoch, "best_epochs", MOST_EPOCHS) for epoch in _list(line, "best_epochs")
        ),
        seconds=None if seconds is None else _finite(seconds, "seconds"),
        started=_time(started) if started else None,
        stop_reason=_text(line, "stop_reason", or_none=True),
        error=error,
        # Earlier versions wrote the exception's type alone.
        is_rejected=_bool(line, "rejected", error is not None and error.type == FailedTrial.__name__),
        trained=Trained.of(trained) if trained else None,
        attempts=_number(line, "attempts"),
        seed=_seed(line),
        notes=_notes(line),
        returned=ReadOnlyDict(_mapping(line.get("returned", {}), "returned")),
        time=_time(line["time"]),
    )


def _confirmed(line: Line) -> Confirmed:
    scores = _list(line, "confirmed")
    effort = _effort(line)
    return Confirmed(trial=_trial(line), scores=tuple(_real(score, "confirmed") for score in scores), effort=effort)


def _confirmation_failed(line: Line) -> ConfirmationFailed:
    error = _failure(line["confirmation_failed"])
    return ConfirmationFailed(trial=_trial(line), error=error, effort=_effort(line))


def _effort(line: Line) -> Effort | None:
    if line.get("effort") is None:
        return None
    effort = _mapping(line["effort"], "effort")
    return Effort(_count(effort, "epochs") or 0, _finite(effort.get("seconds", 0.0), "seconds"))


_BY_KIND: Mapping[str, Callable[[Line], JournaledEvent]] = {
    StudyBegun.kind: _study_begun,
    ParameterLearned.kind: _parameter_learned,
    TrialBegun.kind: _trial_begun,
    EpochEnded.kind: _epoch_ended,
    TrialEnded.kind: _trial_ended,
}
_NOTES: Mapping[str, Callable[[Line], JournaledEvent]] = {
    ParametersKnown.key: _parameters_known,
    EpochsKnown.key: _epochs_known,
    WorkerLost.key: _worker_lost,
    Confirmed.key: _confirmed,
    ConfirmationFailed.key: _confirmation_failed,
}
_NOTES_ON_STUDIES: Mapping[str, Callable[[Line], JournaledEvent]] = {
    SpaceReviewed.key: _space_reviewed,
    SearchDescribed.key: _search_described,
}


# Fields


def _whole(value: Any, name: str, at_most: int = LARGEST_NUMBER) -> int:
    if type(value) is not int:
        raise TypeError(f"{name} has to be a whole number, and is {_shown(value)}")
    if not 0 <= value <= at_most:
        raise ValueError(f"{name} has to lie between 0 and {at_most}, and is {_shown(value)}")
    return value


def _trial(line: Line) -> int:
    return _whole(line["trial"], "trial")


def _number(line: Line, name: str, default: int | None = None) -> int | None:
    value = line.get(name, default)
    return None if value is None else _whole(value, name)


def _count(line: Line, name: str) -> int | None:
    """A number of epochs, or None."""
    value = line.get(name)
    return None if value is None else _whole(value, name, MOST_EPOCHS)


def _seed(line: Line) -> int | None:
    """A seed, which may be any whole number from 0, or None."""
    value = line.get("seed")
    if value is not None and (type(value) is not int or value < 0):
        raise ValueError(f"seed has to be a whole number of at least 0, and is {_shown(value)}")
    return value


def _real(value: Any, name: str) -> float:
    if type(value) not in (int, float):
        raise TypeError(f"{name} has to be a number, and is {_shown(value)}")
    return float(value) if isinstance(value, int) else value  # OverflowError of one beyond all floats


def _finite(value: Any, name: str) -> float:
    number = _real(value, name)
    if not math.isfinite(number) or abs(number) > LARGEST_NUMBER:
        raise ValueError(f"{name} has to be a number of seconds, and is {_shown(value)}")
    return number


def _bool(line: Line, name: str, default: bool = False) -> bool:
    value = line.get(name, default)
    if not isinstance(value, bool):
        raise TypeError(f"{name} has to be true or false, and is {_shown(value)}")
    return value


def _str(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} has to be a text, and is {_shown(value)}")
    return value


def _text(line: Line, name: str, *, or_none: bool) -> str | None:
    value = line.get(name)
    return None if value is None and or_none else _str(value, name)


def _list(line: Line, name: str) -> list[Any]:
    value = line.get(name, [])
    if not isinstance(value, list):
        raise TypeError(f"{name} has to be a list, and is {_shown(value)}")
    return value


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{name} has to be an object, and is {_shown(value)}")
    return value


def _values(line: Line) -> dict[str, Value]:
    return values_from_json(_mapping(line["values"], "values"))


def _time(value: Any) -> datetime:
    time = datetime.fromisoformat(_str(value, "a time"))
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _fill(value: Any) -> Fill:
    if value not in get_args(Fill):
        raise ValueError(f"unseen has to be one of {get_args(Fill)}, and is {_shown(value)}")
    fill: Fill = value
    return fill


def _failure(value: Any) -> TrialFailure | None:
    """Why a trial failed. Fields that a later version may add are passed over."""
    if value is None:
        return None
    error = _mapping(value, "error")
    texts = {name: _str(error.get(name, ""), name) for name in ("message", "traceback")}
    return TrialFailure(type=_str(error["type"], "type"), **texts)


def _notes(line: Line) -> tuple[Note, ...] | None:
    if "notes" not in line:
        return None
    return tuple(_note(note) for note in _list(line, "notes"))


def _note(value: Any) -> Note:
    if isinstance(value, str):  # before notes had kinds they were plain texts
        return Note(value)
    note = _mapping(value, "a note")
    kind: Any = _str(note["kind"], "kind")
    return Note(_str(note["text"], "text"), kind)


def _shown(value: Any) -> str:
    """A value for a message, which is short whatever it is."""
    text = ascii(value) if not isinstance(value, (int, float)) or abs(value) < 10**20 else "beyond any sense"
    return text if len(text) <= 60 else f"{text[:60]}…"
