"""A trial: one setting and what came of it. Frozen; a change makes a new one."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Literal

from kerastune_lite.study.metric_directions import Direction


class TrialState(Enum):
    """How far a trial got, and how it ended."""

    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @property
    def ended(self) -> bool:
        """Whether it isn't running, nor run again as an interrupted trial is."""
        return self in (TrialState.COMPLETED, TrialState.STOPPED, TrialState.FAILED)


@dataclass(frozen=True, kw_only=True)
class TrialFailure:
    """Why a trial failed: the exception's type, its message, and the traceback as text."""

    type: str
    message: str
    traceback: str = ""

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type


Curve = tuple[Mapping[str, float], ...]
"""A learning curve: one mapping of logs an epoch, in order."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One setting, trained and scored.

    Attributes:
        number: From 0, in the order in which trials began.
        values: The active parameters, in the order in which build_fn asked for them.
        state: How it ended, or `running`.
        score: The objective at its best epoch, the mean over runs where there were several; None without one.
        best_epoch: The epoch, from 0, at which the kept weights were taken (in the best run).
        curve: One mapping of logs an epoch; with several runs, that of the best one.
        curves: One curve a run.
        scores: One score a run.
        seconds: Wall-clock time from the beginning of the build to the end of the last run.
        started: When it began (UTC).
        ended: When it ended (UTC), or None.
        stop_reason: Why training ended before its last epoch, or None.
        error: Why it failed, or None.
        engine: How it was trained: "shared" by programs that were traced before, "compiled" by new ones, or "fit", with
            the reason where it could not be shared; None where build_fn trained by itself.
        attempts: How many times it was begun; a beginning that the user interrupted isn't counted again.
        seed: What Python, NumPy and Keras were seeded with before the first run's build.
        notes: Remarks of the search, such as "enqueued".
        epochs: How many epochs it was to train for, where that is known.
        asked_epochs: The same where the strategy decides it.
        pause_at: After how many epochs it pauses, or None. A trial that has paused is `stopped`, and may go on.
        is_turn: Whether what it trained goes on as another trial: a turn of a population's member.
        resumed_from: The trial whose weights and state it went on from: its own number once it was paused, or that of
            the one it took over from.
        resumed_at: How many epochs those weights had been trained for.
        confirmations: Scores of later runs with new seeds (`tuner.confirm`); they don't change the score.
        best_run: Which run had the best score.
        unseen: How parameters were filled that its first values didn't hold: "random" or "first".
        best_so_far: Where a strategy is asked: the best score after each epoch of the first run, to be minimised, inf
            before there is one.
    """

    number: int
    values: Mapping[str, Any] = field(default_factory=dict)
    state: TrialState = TrialState.RUNNING
    score: float | None = None
    best_epoch: int | None = None
    curves: tuple[Curve, ...] = ()
    scores: tuple[float, ...] = ()
    seconds: float | None = None
    started: datetime | None = None
    ended: datetime | None = None
    stop_reason: str | None = None
    error: TrialFailure | None = None
    engine: str | None = None
    attempts: int = 1
    seed: int | None = None
    notes: tuple[str, ...] = ()
    epochs: int | None = None
    asked_epochs: int | None = None
    pause_at: int | None = None
    is_turn: bool = False
    resumed_from: int | None = None
    resumed_at: int = 0
    confirmations: tuple[float, ...] = ()
    best_run: int = 0
    unseen: Literal["random", "first"] = "random"
    best_so_far: tuple[float, ...] = ()

    @property
    def curve(self) -> Curve:
        """The learning curve of the best run, or of the one that is running."""
        return self.curves[min(self.best_run, len(self.curves) - 1)] if self.curves else ()

    @property
    def parent(self) -> int | None:
        """The other trial whose weights it took over, or None."""
        return None if self.resumed_from == self.number else self.resumed_from

    @property
    def first_epoch(self) -> int:
        """The first epoch of its own, from 0: what comes before in its curve is its parent's, and gives it no score."""
        return 0 if self.parent is None else self.resumed_at

    @property
    def is_paused(self) -> bool:
        """Whether it may be trained further."""
        epochs = len(self.curves[0]) if self.curves else 0
        return self.state is TrialState.STOPPED and epochs == self.pause_at

    @property
    def epochs_spent(self) -> int:
        """How many epochs were trained, over all runs."""
        return sum(max(len(curve) - self.first_epoch, 0) for curve in self.curves)

    @property
    def epochs_saved(self) -> int:
        """How many epochs of the runs that were begun were not trained, once the trial has ended with a score."""
        if self.state not in (TrialState.COMPLETED, TrialState.STOPPED):
            return 0
        until = (self.pause_at if self.is_turn else None) or self.epochs or 0
        return sum(max(until - len(curve), 0) for curve in self.curves)

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


def best_first(trials: Iterable[Trial], direction: Direction) -> list[Trial]:
    """The trials that have a score, best first, earlier ones first among equals.

    One that goes on after a pause keeps the score that it had, until it has another or fails.
    """
    sign = 1 if direction == "min" else -1
    scored = [
        (sign * trial.score, trial.number, trial)
        for trial in trials
        if trial.score is not None and (trial.state in _SCORED or _goes_on(trial))
    ]
    return [trial for *_, trial in sorted(scored, key=lambda row: row[:2])]


_SCORED = (TrialState.COMPLETED, TrialState.STOPPED)


def _goes_on(trial: Trial) -> bool:
    return trial.state is not TrialState.FAILED and trial.resumed_from == trial.number
