"""A trial: a record of one setting and its training, which never changes: each event makes a new one."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, Self

from kerastune_lite.other_tuners.of_studies import TRIAL_NAMES
from kerastune_lite.other_tuners.telling import told_names
from kerastune_lite.space import Value
from kerastune_lite.study.error_lines import informative_line, without_numbers
from kerastune_lite.study.metric_directions import Direction
from kerastune_lite.study.read_only import ReadOnlyDict
from kerastune_lite.study.texts import LONGEST_MESSAGE, LONGEST_TRACEBACK, bounded, text_of


class TrialState(Enum):
    """The state of a trial: running, or how it ended."""

    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @property
    def ended(self) -> bool:
        """Whether the trial is over: an interrupted one isn't, since it is run again."""
        return self in (TrialState.COMPLETED, TrialState.STOPPED, TrialState.FAILED)


@dataclass(frozen=True, kw_only=True)
class TrialFailure:
    """The reason why a trial failed: the exception's type, its message, and the traceback as text."""

    type: str
    message: str
    traceback: str = ""

    @classmethod
    def of(cls, error: BaseException, traceback: str = "") -> TrialFailure:
        """The failure of an exception, whatever it says: its texts are bounded."""
        return cls.told(type(error).__name__, text_of(error), traceback)

    @classmethod
    def told(cls, kind: str, message: str, traceback: str = "") -> TrialFailure:
        """A failure of these texts, of which the middle is left out where they are too long for a record."""
        return cls(
            type=kind, message=bounded(message, LONGEST_MESSAGE), traceback=bounded(traceback, LONGEST_TRACEBACK)
        )

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type

    @property
    def summary(self) -> str:
        """The type, and the one line of the message that tells what is wrong."""
        line = informative_line(self.message)
        return f"{self.type}: {line}" if line else self.type

    def is_like(self, other: TrialFailure) -> bool:
        """Whether another failure has the same type and says the same, numbers and addresses of objects aside."""
        return without_numbers(self.summary) == without_numbers(other.summary)


Rank = tuple[bool, float, int]
"""The sort key of trials, the best first."""

Curve = Sequence[Mapping[str, float]]
"""A learning curve: one mapping of logs an epoch, in order. It is a tuple, or of a trial that runs a `Series`."""

Fill = Literal["random", "first"]
"""How a parameter is answered that a trial's values don't hold: by a random draw, or by its first value."""

NoteKind = Literal["remark", "setting", "attempt", "checkpoint", "engine", "model", "score", "leak"]
"""What a note is about: where the setting came from, an attempt that was lost, a checkpoint that couldn't be read, how
the trial was trained, how its model was kept or why it wasn't, how its score was made, or what it has in common with
other trials. Journals of earlier versions hold remarks only."""


class Note(str):
    """A remark on a trial: a text, and the kind of thing that it is about."""

    kind: NoteKind

    def __new__(cls, text: str, kind: NoteKind = "remark") -> Note:
        """A string that also carries its kind."""
        self = super().__new__(cls, text)
        self.kind = kind
        return self

    def __getnewargs__(self) -> tuple[str, NoteKind]:  # type: ignore[override]
        return str(self), self.kind


@dataclass(frozen=True)
class Trained:
    """How a trial was trained.

    Attributes:
        how: "shared" by programs that were traced for an earlier trial, "compiled" by new ones, or "fit" by Keras.
        reason: Why it could not be shared; empty where there is nothing to say.
    """

    how: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.how}: {self.reason}" if self.reason else self.how

    @classmethod
    def of(cls, text: str) -> Trained:
        """The object of which `text` is the string."""
        how, _, reason = text.partition(": ")
        return cls(how, reason)


@dataclass(frozen=True, kw_only=True)
class TrialPlan:
    """How a trial is to be trained, as far as the strategy decides it.

    Attributes:
        epochs: How many epochs the whole training has; None where `fit`'s arguments decide.
        pause_at: After how many epochs it pauses, or None. A trial that has paused is `stopped`, and may go on.
        resumed_from: The trial whose weights and state it goes on from: its own number once it was paused, or that of
            the one it takes over from.
        resumed_at: How many epochs those weights had been trained for.
        continues_as_new_trial: Whether its training is continued by another trial, as a turn of a population is.
        fill: How parameters are answered that its first values don't hold.
    """

    epochs: int | None = None
    pause_at: int | None = None
    resumed_from: int | None = None
    resumed_at: int = 0
    continues_as_new_trial: bool = False
    fill: Fill = "random"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """The record of one setting and its training, which can't be changed.

    Attributes:
        number: From 0, in the order in which trials began.
        values: The active parameters, in the order in which build_fn asked for them; a dict that can't be changed.
        state: How it ended, or `running`.
        score: The objective at its best epoch, the mean over runs where there were several; None without one.
        best_epoch: The epoch, from 0, at which the kept weights were taken (in the best run).
        curve: One mapping of logs an epoch; with several runs, that of the best one.
        curves: One curve a run.
        best_so_far: The best score after each epoch of the first run, or where a strategy pauses several, the mean
            over them; infinitely bad before there is one.
        scores: One score a run; with cross-validation a run is a fold, and where the setting is trained several times
            all folds follow one another again.
        best_epochs: The best epoch, from 0, of each run, where there were several.
        best_run: Which run had the best score.
        confirmations: Scores of later runs with new seeds (`tuner.confirm`); they don't change the score.
        seconds: Wall-clock time from the beginning of the build to the end of the last run.
        started: When it began (UTC).
        ended: When it ended (UTC), or None.
        stop_reason: Why training ended before its last epoch, or None.
        error: Why it failed, or None.
        is_rejected: Whether it failed because the user's code gave its setting up, by raising `FailedTrial`.
        trained: How it was trained; None where build_fn trained by itself.
        attempts: How many times it was begun; a beginning that the user interrupted isn't counted again.
        seed: What Python, NumPy and Keras were seeded with before the first run's build.
        notes: Remarks of the search, such as "enqueued".
        epochs: How many epochs it was to train for, where that is known.
        plan: What the strategy decided of its training.
        is_outside: Whether its setting lies outside the space as build_fn asks for it now. It stays in the record and
            doesn't count: it is never the best, and no strategy learns from it.
        confirmation_epochs: How many epochs its confirmations trained, failed ones among them.
        confirmation_seconds: How long those took.
        returned: What build_fn returned besides the model or the metrics of epochs: the arguments of `fit` that it
            decided (of arrays and other objects their type's name), or the texts among its own results. Where folds
            returned different things of one name, a list with one for each.
        folds: How many folds it is cross-validated on; 0 without cross-validation.
        memory: What its strategy noted when it suggested the setting (`Suggestion.memory`), as JSON has it.
    """

    number: int
    values: Mapping[str, Value] = field(default_factory=ReadOnlyDict)
    state: TrialState = TrialState.RUNNING
    score: float | None = None
    best_epoch: int | None = None
    curves: tuple[Curve, ...] = ()
    best_so_far: Sequence[float] = ()
    scores: tuple[float, ...] = ()
    best_epochs: tuple[int | None, ...] = ()
    best_run: int = 0
    confirmations: tuple[float, ...] = ()
    seconds: float | None = None
    started: datetime | None = None
    ended: datetime | None = None
    stop_reason: str | None = None
    error: TrialFailure | None = None
    is_rejected: bool = False
    trained: Trained | None = None
    attempts: int = 1
    seed: int | None = None
    notes: tuple[Note, ...] = ()
    epochs: int | None = None
    plan: TrialPlan = field(default_factory=TrialPlan)
    is_outside: bool = False
    confirmation_epochs: int = 0
    confirmation_seconds: float = 0.0
    returned: Mapping[str, Any] = field(default_factory=ReadOnlyDict)
    folds: int = 0
    memory: Mapping[str, Any] = field(default_factory=ReadOnlyDict)

    def __post_init__(self) -> None:
        if not isinstance(self.values, ReadOnlyDict):
            object.__setattr__(self, "values", ReadOnlyDict(self.values))

    if not TYPE_CHECKING:
        __getattr__ = told_names("trial", TRIAL_NAMES)

    def __repr__(self) -> str:
        from kerastune_lite.study.leaderboard import brief_values, epoch_text, score_text

        score = "" if self.score is None else f", score {score_text(self)} (epoch {epoch_text(self)})"
        error = f" ({self.error.type})" if self.error is not None and self.state is TrialState.FAILED else ""
        values = f", {brief_values(self.values)}" if self.values else ""
        return f"<Trial {self.number}: {self.state.value}{error}{score}{values}>"

    def _repr_html_(self) -> str:
        from kerastune_lite.study.as_html import trial_html

        return trial_html(self)

    def changed(self, **changes: Any) -> Self:
        """The trial with some attributes changed: what `dataclasses.replace` makes, in a fraction of its time.

        A study makes a trial anew with each of its events.
        """
        changed = object.__new__(type(self))
        changed.__dict__.update(self.__dict__ | changes)
        changed.__post_init__()
        return changed

    @property
    def engine(self) -> str | None:
        """How it was trained, as a text: "shared", "compiled" or "fit", with the reason where there is one."""
        return None if self.trained is None else str(self.trained)

    @property
    def curve(self) -> Curve:
        """The learning curve of the best run so far."""
        return self.curves[min(self.best_run, len(self.curves) - 1)] if self.curves else ()

    @property
    def parent(self) -> int | None:
        """The number of the other trial whose weights this one took over, or None."""
        return None if self.plan.resumed_from == self.number else self.plan.resumed_from

    @property
    def first_epoch(self) -> int:
        """The first epoch, from 0, that the trial trained itself: earlier ones are its parent's and don't count."""
        return 0 if self.parent is None else self.plan.resumed_at

    @property
    def is_paused(self) -> bool:
        """Whether the trial has paused and may be trained further."""
        if self.state is not TrialState.STOPPED or not self.curves:
            return False
        return all(len(curve) == self.plan.pause_at for curve in self.scored_curves)

    @property
    def scored_curves(self) -> tuple[Curve, ...]:
        """The curves of the runs that have scores, or of the first one: others may be left of a search of more runs."""
        return self.curves[: max(len(self.scores), 1)]

    @property
    def epochs_spent(self) -> int:
        """How many epochs were trained, over all runs and confirmations."""
        return sum(max(len(curve) - self.first_epoch, 0) for curve in self.curves) + self.confirmation_epochs

    @property
    def seconds_spent(self) -> float:
        """How many seconds it took, its confirmations included."""
        return round((self.seconds or 0.0) + self.confirmation_seconds, 3)

    @property
    def epochs_saved(self) -> int:
        """How many epochs of the runs that were begun, and of folds, were not trained, once it ended with a score."""
        if self.state not in (TrialState.COMPLETED, TrialState.STOPPED):
            return 0
        until = (self.plan.pause_at if self.plan.continues_as_new_trial else None) or self.epochs or 0
        return sum(max(until - len(curve), 0) for curve in self.curves) + until * max(self.folds - len(self.curves), 0)

    @property
    def fold_scores(self) -> tuple[float, ...]:
        """The score of each fold that was trained, the mean where it was trained several times; none without folds."""
        if not self.folds:
            return ()
        return tuple(
            statistics.fmean(self.scores[fold :: self.folds]) for fold in range(min(self.folds, len(self.scores)))
        )

    @property
    def lacks_folds(self) -> bool:
        """Whether it ended before all of its folds were trained: its score is the mean of others than a whole one's."""
        return len(self.scores) < self.folds

    @property
    def spread(self) -> float | None:
        """The standard deviation of the scores over runs; None with fewer than two."""
        return statistics.stdev(self.scores) if len(self.scores) > 1 else None

    @property
    def confirmed(self) -> float | None:
        """The mean of the confirmations; None where there are none."""
        return statistics.fmean(self.confirmations) if self.confirmations else None

    @property
    def confirmed_spread(self) -> float | None:
        """The standard deviation of the confirmations; None with fewer than two."""
        return statistics.stdev(self.confirmations) if len(self.confirmations) > 1 else None


def state_now(trial: Trial, *, is_running: bool) -> TrialState:
    """The state of a trial as it is now: where no search runs, whatever the journal calls running was interrupted."""
    was_cut = trial.state is TrialState.RUNNING and not is_running
    return TrialState.INTERRUPTED if was_cut else trial.state


def inside(trials: Iterable[Trial]) -> tuple[Trial, ...]:
    """The trials that count: those that lie in the space as build_fn asks for it now."""
    return tuple(trial for trial in trials if not trial.is_outside)


def best_first(trials: Iterable[Trial], direction: Direction) -> list[Trial]:
    """The trials that have a score, best first; among equals the earlier comes first.

    Those that were stopped before all of their folds were trained come after those that have all: some folds are easier
    than others. One that goes on after a pause keeps the score that it had, until it has another or fails.
    """
    sign = 1 if direction == "min" else -1
    ranked = [(rank, trial) for trial in trials if (rank := rank_of(trial, sign)) is not None]
    return [trial for _, trial in sorted(ranked, key=lambda row: row[0])]


def rank_of(trial: Trial, sign: int) -> Rank | None:
    """What trials are sorted by, the best first: whether folds are missing, the score, and the number.

    None of a trial that has no score.

    Args:
        trial: The trial.
        sign: The factor that turns scores so that less is better.
    """
    if trial.score is None or not (trial.state in _SCORED or _goes_on(trial)):
        return None
    return trial.lacks_folds, math.inf if math.isnan(trial.score) else sign * trial.score, trial.number


_SCORED = (TrialState.COMPLETED, TrialState.STOPPED)


def _goes_on(trial: Trial) -> bool:
    return trial.state is not TrialState.FAILED and trial.plan.resumed_from == trial.number
