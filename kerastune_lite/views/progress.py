"""The progress of a search in a terminal: a line for each trial, and below them one that is updated in place."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from rich.console import Console

from kerastune_lite.study import Study
from kerastune_lite.study.events import (
    ConfirmationFailed,
    Confirmed,
    Event,
    JournalRestored,
    ParameterLearned,
    SearchBegun,
    SearchDescribed,
    SearchEnded,
    SpaceReviewed,
    StudyBegun,
    TrialEnded,
    WorkerLost,
    WorkersChosen,
)
from kerastune_lite.study.leaderboard import confirmed_text, duration_text, epoch_text, score_text, values_text
from kerastune_lite.study.trial import Trial, TrialFailure, TrialState
from kerastune_lite.views.screen import Screen

SHOWN_NOTES = ("checkpoint", "model", "score", "leak")
"""Kinds of notes that change what a trial is worth, or what a person can do with it, so that they stand in its line."""
LONGEST_ERROR = 200
"""Characters of an error's informative line that are shown."""


class Progress:
    """A view that prints the events of a search for a person.

    Args:
        verbose: 0 shows nothing.
        console: Where to print.
        clock: Tells the seconds that have passed.
    """

    def __init__(
        self, verbose: int, console: Console | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._screen = Screen(console or Console(quiet=verbose == 0, soft_wrap=True))
        self._clock = clock
        self._search = SearchBegun()
        self._started = clock()
        self._epochs_at_start = 0
        self._ended = 0
        self._seconds = 0.0

    def __call__(self, event: Event, study: Study) -> None:
        """Shows one event."""
        if self._screen.is_silent:
            return
        match event:
            case SearchBegun():
                self._begin(event, study)
            case SearchEnded():
                self._end(event, study)
            case WorkersChosen():
                self._print(event.text)
            case JournalRestored():
                self._print(f"{study.directory}: {event.remark}")
            case StudyBegun() | ParameterLearned() | SpaceReviewed() | SearchDescribed():
                pass
            case _ if event.trial not in study.records:
                pass
            case TrialEnded():
                trial = study.trial(event.trial)
                self._ended += 1
                self._seconds += trial.seconds or 0.0
                self._print(self._line(trial, study))
            case Confirmed():
                trial = study.trial(event.trial)
                self._print(f"trial {event.trial} again: {event.scores[-1]:.5g}, so far {confirmed_text(trial)}")
            case ConfirmationFailed():
                reason = "" if event.error is None else _told(event.error)
                self._print(f"trial {event.trial} again: failed  {reason}")
            case WorkerLost():
                self._print(f"trial {event.trial}: {event.reason}")
            case _ if self._screen.is_terminal:
                self._screen.update(self._moving_line(study.trial(event.trial), study))

    def _begin(self, search: SearchBegun, study: Study) -> None:
        """Says where the study is kept and what was found there."""
        self._search, self._started = search, self._clock()
        self._ended, self._seconds = 0, 0.0
        self._epochs_at_start = study.epochs_spent
        if self._screen.is_terminal:
            self._screen.begin_line("starting")
        for remark in search.remarks:
            self._print(f"{study.directory}: {remark}")
        if study.records:
            finished = len(study.records) - len(study.tally.unfinished)
            unfinished = sum(number in study.tally.inside for number in study.tally.unfinished)
            again = f", {unfinished} to run again" if unfinished else ""
            self._print(f"resuming the study in {study.directory}: {finished} finished trials found{again}")
        else:
            self._print(f"study in {study.directory}")

    def _end(self, search: SearchEnded, study: Study) -> None:
        """Says why the search ended, how its trials were trained, and what its best is."""
        self._screen.end_line()
        if search.reason is None:
            return
        records = study.records.values()
        counts = ", ".join(f"{n} {state}" for state, n in Counter(trial.state.value for trial in records).items())
        self._print(f"search ended: {search.reason} ({counts}, {duration_text(self._clock() - self._started)})")
        engines = Counter(str(trial.trained) for trial in records if trial.trained)
        if engines.keys() - {"fit"}:
            seconds = search.seconds_saved
            saved = f"  (some {duration_text(seconds)} of tracing saved)" if seconds >= 1.0 else ""
            self._print("trained by: " + ", ".join(f"{n} {how}" for how, n in engines.most_common()) + saved)
        if study.epochs_saved:
            self._print(self._epochs(study))
        for best in study.leaderboard(1):
            self._print(f"best: trial {best.number} {self._scored(best, study)}  {values_text(best.values)}")
        for remark in search.remarks:
            self._print(remark)

    def _line(self, trial: Trial, study: Study) -> str:
        parts = [f"trial {trial.number}{self._of(trial, study)}", trial.state.value]
        if trial.score is not None:
            parts.append(self._scored(trial, study))
        parts.append(duration_text(trial.seconds or 0.0))
        if trial.error is not None and trial.state is TrialState.FAILED:
            parts.append(_told(trial.error))
        if trial.stop_reason:
            parts.append(trial.stop_reason)
        parts.append(values_text(trial.values))
        parts += [note for note in trial.notes if note.kind in SHOWN_NOTES]
        return "  ".join([*parts, *self._outlook(study)])

    def _moving_line(self, trial: Trial, study: Study) -> str:
        epochs = f"/{trial.epochs}" if trial.epochs else ""
        running = study.tally.running
        parts = [f"{running} trials running"] if running > 1 else []
        parts.append(f"trial {trial.number}{self._of(trial, study)}")
        if trial.folds and trial.curves:
            parts.append(f"fold {(len(trial.curves) - 1) % trial.folds + 1}/{trial.folds}")
        curve = trial.curves[-1] if trial.curves else ()
        parts.append(f"epoch {len(curve)}{epochs}")
        name = study.objective.name if study.objective else ""
        if curve and name in curve[-1]:
            parts.append(f"{name} {curve[-1][name]:.4g}")
        return "  ".join([*parts, *self._outlook(study)])

    def _of(self, trial: Trial, study: Study) -> str:
        """Which of how many trials it is, where that is bounded, of those that count for it."""
        if not self._search.max_trials or trial.is_rejected:
            return ""
        earlier = study.tally.counted.position_of(trial.number)
        return f" ({earlier + 1} of {self._search.max_trials})"

    def _outlook(self, study: Study) -> list[str]:
        parts = [f"best {score_text(best)} (trial {best.number})" for best in study.leaderboard(1)]
        parts += [self._epochs(study)] if study.epochs_saved or self._search.max_epochs else []
        left = self._seconds_left(study)
        return parts if left is None else [*parts, f"{duration_text(left)} left"]

    def _seconds_left(self, study: Study) -> float | None:
        passed = self._clock() - self._started
        tally = study.tally
        bounds = []
        trained = study.epochs_spent - self._epochs_at_start
        if self._search.max_epochs is not None and trained > 0:
            bounds.append((self._search.max_epochs - study.epochs_spent) * passed / trained)
        # A trial that pauses ends more than once.
        if self._search.max_trials is not None and self._ended and not tally.paused:
            mean = self._seconds / self._ended
            bounds.append((self._search.max_trials - len(tally.accepted)) * mean / max(tally.running, 1))
        if self._search.max_seconds is not None:
            bounds.append(self._search.max_seconds - passed)
        return max(min(bounds), 0.0) if bounds and min(bounds) > 0 else None

    def _scored(self, trial: Trial, study: Study) -> str:
        name = study.objective.name if study.objective else "score"
        return f"{name} {score_text(trial)} (epoch {epoch_text(trial)})"

    def _epochs(self, study: Study) -> str:
        """How many epochs were trained, and how many were saved because trials ended early."""
        of = f" of {self._search.max_epochs}" if self._search.max_epochs else ""
        saved = f", {study.epochs_saved} saved" if study.epochs_saved else ""
        return f"{study.epochs_spent}{of} epochs spent{saved}"

    def _print(self, text: str) -> None:
        self._screen.show(text)


def _told(error: TrialFailure) -> str:
    return error.summary[:LONGEST_ERROR]
