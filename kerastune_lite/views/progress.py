"""A line a trial while a search runs, and on a terminal a line that moves."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status

from kerastune_lite.search.durations import duration_text
from kerastune_lite.study import Study
from kerastune_lite.study.journal import Event
from kerastune_lite.study.leaderboard import confirmed_text, epoch_text, score_text, values_text
from kerastune_lite.study.trial import Trial, TrialFailure, TrialState


class Progress:
    """Shows a search's events to a person.

    Args:
        verbose: 0 shows nothing.
        max_trials: How many trials there will be, where it is bounded.
        max_seconds: How long the search may take, where it is bounded.
        max_epochs: How many epochs all trials will train, where that is planned or bounded.
        console: Where to print.
    """

    def __init__(
        self,
        verbose: int,
        max_trials: int | None = None,
        max_seconds: float | None = None,
        max_epochs: int | None = None,
        console: Console | None = None,
    ) -> None:
        self._console = console or Console(quiet=verbose == 0, soft_wrap=True)
        self._max_trials = max_trials
        self._max_seconds = max_seconds
        self._max_epochs = max_epochs
        self._epochs_at_start = 0
        self._started = time.monotonic()
        self._durations: list[float] = []
        self._status: Status | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.quiet:
            self._status = self._console.status("starting")
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def begins(self, study: Study, remarks: Sequence[str]) -> None:
        """Says where the study is kept and what was found there."""
        for remark in remarks:
            self._print(f"{study.directory}: {remark}")
        self._epochs_at_start = study.epochs_spent
        finished = sum(trial.state.ended for trial in study.trials)
        if study.records:
            unfinished = len(study.records) - finished
            again = f", {unfinished} to run again" if unfinished else ""
            self._print(f"resuming the study in {study.directory}: {finished} finished trials found{again}")
        else:
            self._print(f"study in {study.directory}")

    def ends(self, study: Study, reason: str, seconds_saved: float = 0.0) -> None:
        """Says why the search ended, how its trials were trained, and what its best is."""
        states = [trial.state.value for trial in study.trials]
        counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
        self._print(f"search ended: {reason} ({counts}, {duration_text(time.monotonic() - self._started)})")
        engines = Counter(trial.engine for trial in study.trials if trial.engine)
        if engines.keys() - {"fit"}:
            saved = f"  (some {duration_text(seconds_saved)} of tracing saved)" if seconds_saved >= 1.0 else ""
            self._print("trained by: " + ", ".join(f"{n} {how}" for how, n in engines.most_common()) + saved)
        if study.epochs_saved:
            self._print(self._epochs(study))
        for best in study.leaderboard(1):
            self._print(f"best: trial {best.number} {self._scored(best, study)}  {values_text(best.values)}")

    def adds(self, remark: str) -> None:
        """Says one thing more."""
        self._print(remark)

    def __call__(self, event: Event, study: Study) -> None:
        """Shows one event."""
        if self._console.quiet or "trial" not in event or event["trial"] not in study.records:
            return
        trial = study.trial(event["trial"])
        if event["event"] == "end":
            self._durations.append(trial.seconds or 0.0)
            self._print(self._line(trial, study))
        elif "confirmed" in event:
            self._print(f"trial {trial.number} again: {event['confirmed'][-1]:.5g}, so far {confirmed_text(trial)}")
        elif "confirmation_failed" in event:
            error = TrialFailure(**event["confirmation_failed"])
            self._print(f"trial {trial.number} again: failed  {str(error).splitlines()[0][:200]}")
        elif "lost" in event:
            self._print(f"trial {trial.number}: {event['lost']}")
        elif self._status is not None:
            self._status.update(self._moving_line(trial, study))

    def _line(self, trial: Trial, study: Study) -> str:
        of = f" ({trial.number + 1} of {self._max_trials})" if self._max_trials else ""
        parts = [f"trial {trial.number}{of}", trial.state.value]
        if trial.score is not None:
            parts.append(self._scored(trial, study))
        parts.append(duration_text(trial.seconds or 0.0))
        if trial.error is not None and trial.state is TrialState.FAILED:
            parts.append(str(trial.error).splitlines()[0][:200])
        if trial.stop_reason:
            parts.append(trial.stop_reason)
        parts.append(values_text(trial.values))
        parts += [note for note in trial.notes if note.startswith(("the model", "trained again"))]
        return "  ".join([*parts, *self._outlook(study)])

    def _moving_line(self, trial: Trial, study: Study) -> str:
        of = f" ({trial.number + 1} of {self._max_trials})" if self._max_trials else ""
        epochs = f"/{trial.epochs}" if trial.epochs else ""
        running = sum(other.state is TrialState.RUNNING for other in study.records.values())
        parts = [f"{running} trials running"] if running > 1 else []
        parts += [f"trial {trial.number}{of}", f"epoch {len(trial.curve)}{epochs}"]
        name = study.objective.name if study.objective else ""
        if trial.curve and name in trial.curve[-1]:
            parts.append(f"{name} {trial.curve[-1][name]:.4g}")
        return "  ".join([*parts, *self._outlook(study)])

    def _outlook(self, study: Study) -> list[str]:
        parts = [f"best {score_text(best)} (trial {best.number})" for best in study.leaderboard(1)]
        parts += [self._epochs(study)] if study.epochs_saved or self._max_epochs else []
        left = self._seconds_left(study)
        return parts if left is None else [*parts, f"{duration_text(left)} left"]

    def _seconds_left(self, study: Study) -> float | None:
        passed = time.monotonic() - self._started
        records = study.records.values()
        bounds = []
        trained = study.epochs_spent - self._epochs_at_start
        if self._max_epochs is not None and trained > 0:
            bounds.append((self._max_epochs - study.epochs_spent) * passed / trained)
        # A trial that pauses ends more than once.
        if self._max_trials is not None and self._durations and not any(trial.is_paused for trial in records):
            ended = sum(trial.state.ended for trial in records)
            running = sum(trial.state is TrialState.RUNNING for trial in records)
            mean = sum(self._durations) / len(self._durations)
            bounds.append((self._max_trials - ended) * mean / max(running, 1))
        if self._max_seconds is not None:
            bounds.append(self._max_seconds - passed)
        return max(min(bounds), 0.0) if bounds and min(bounds) > 0 else None

    def _scored(self, trial: Trial, study: Study) -> str:
        name = study.objective.name if study.objective else "score"
        return f"{name} {score_text(trial)} (epoch {epoch_text(trial)})"

    def _epochs(self, study: Study) -> str:
        """How many epochs were trained, and how many were spared since trials ended early."""
        of = f" of {self._max_epochs}" if self._max_epochs else ""
        saved = f", {study.epochs_saved} saved" if study.epochs_saved else ""
        return f"{study.epochs_spent}{of} epochs spent{saved}"

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)
