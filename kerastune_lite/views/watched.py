"""What a display shows of a search that runs, folded from the search's events; displays only draw it.

A `Watch` takes in events, and its `picture` at a moment holds all that a display shows then: time and epochs spent and
left, the trials that run with their curves, the best one, and the ended ones as rows. A picture is made from records
alone, so that another thread than the search's may make it while trials run.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kerastune_lite.errors import ObjectiveError
from kerastune_lite.space import Value
from kerastune_lite.study import Study
from kerastune_lite.study.events import EpochsKnown, Event, SearchBegun, SearchEnded, TrialBegun, TrialEnded, WorkerLost
from kerastune_lite.study.series import Series
from kerastune_lite.study.trial import Trial, TrialState

SHOWN_NOTES = ("checkpoint", "model", "score", "leak")
"""Kinds of notes that change what a trial is worth, or what a person can do with it."""
FEW_TRIALS = 0.25
"""With less than this share of a trial trained, nothing is said of the time that is left."""


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """A trial that has ended, as a row of a table.

    Attributes:
        number: Its number.
        values: Its active parameters; options that are objects stand as labels.
        score: Its score, or None.
        spread: The standard deviation of the score over runs; None with fewer than two.
        best_epoch: Its best epoch, from 1; None without one.
        epochs: How many epochs it trained in its best run, those before a pause included.
        seconds: How long it took.
        state: How it ended.
        is_paused: Whether it has paused and may be trained further.
        reason: Why it failed or ended early, in a word or two; empty where it trained all its epochs.
        told: The same as a sentence.
        remarks: What changes what the trial is worth, or what can be done with it: a model that couldn't be kept, say.
        is_new_best: Whether no earlier trial had as good a score.
    """

    number: int
    values: Mapping[str, Value]
    score: float | None
    spread: float | None
    best_epoch: int | None
    epochs: int
    seconds: float
    state: TrialState
    is_paused: bool
    reason: str
    told: str
    remarks: Sequence[str] = ()
    is_new_best: bool = False

    @property
    def state_word(self) -> str:
        """The state as a display says it: a trial that may be trained further has paused."""
        return "paused" if self.is_paused else self.state.value


@dataclass(frozen=True, kw_only=True)
class RunningTrial:
    """A trial that runs.

    Attributes:
        number: Its number.
        values: Its parameters, as far as they are known.
        epoch: How many epochs are trained, in the run that trains now.
        epochs: How many it is to train, or None where that isn't known.
        run: Which of the trial's trainings runs, from 1.
        runs: How many trainings it has that nothing stops: folds, times executions.
        folds: How many folds it is cross-validated on; 0 without cross-validation.
        score: The objective after the latest epoch; None before there is one.
        best: The best of them so far.
        curve: The objective after each epoch; NaN where an epoch has none.
    """

    number: int
    values: Mapping[str, Value]
    epoch: int
    epochs: int | None
    run: int
    runs: int
    folds: int
    score: float | None
    best: float | None
    curve: Sequence[float]

    @property
    def share(self) -> float:
        """How much of its trainings is done, from 0 to 1; 0 where that isn't known."""
        return (self.run - 1 + min(self.epoch / self.epochs, 1.0)) / self.runs if self.epochs else 0.0

    @property
    def run_text(self) -> str:
        """Which of its trainings runs, as a display says it; empty where it has one."""
        folds = max(self.folds, 1)
        executions = self.runs // folds
        run = f"run {(self.run - 1) // folds + 1}/{executions}" if executions > 1 else ""
        fold = f"fold {(self.run - 1) % folds + 1}/{folds}" if folds > 1 else ""
        return " ".join(text for text in (run, fold) if text)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What a display shows of a search at one moment.

    Attributes:
        directory: Where the study is kept.
        objective: The name of what is optimised.
        is_maximised: Whether more of it is better.
        parameters: The names of the parameters known so far, in the order asked for.
        seconds: How long the search has run.
        seconds_left: How long it will still run at most, as far as can be told; None where it can't.
        share: How much of the search is done, from 0 to 1; None where it has no bound.
        trials: How many trials of the study count and have ended, those of earlier searches included.
        max_trials: How many the study is to hold; None without a bound.
        epochs: How many epochs the study's trials have trained.
        max_epochs: How many they are to train, where that is planned or bounded.
        epochs_left: How many they will still train at most, as far as can be told; None where it can't.
        running: The trials that run.
        rows: The trials that have ended in this search, in the order of their ends.
        best: The best trial of the study; None before there is one.
        bests: The best score of the study after each of the rows; None before there is one.
        ended: How the search has ended; None while it runs.
    """

    directory: Path
    objective: str
    is_maximised: bool
    parameters: Sequence[str]
    seconds: float
    seconds_left: float | None
    share: float | None
    trials: int
    max_trials: int | None
    epochs: int
    max_epochs: int | None
    epochs_left: int | None
    running: Sequence[RunningTrial]
    rows: Sequence[TrialRow]
    best: TrialRow | None
    bests: Sequence[float | None]
    ended: SearchEnded | None


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What is remembered of a search's events, besides the study, to make a picture.

    Attributes:
        search: The event of its begin.
        started: When it began, by the display's clock.
        epochs_at_start: How many epochs the study's trials had trained then.
        epochs_each: How many epochs a trial trains that isn't ended early; None until one has told.
        begun: The numbers of the trials that run. (A study that was killed calls others running too.)
        rows: The trials that have ended since.
        bests: The best score after each of them.
        best: The number and score of the best trial.
        ended: How the search has ended; None while it runs.
    """

    search: SearchBegun = dataclasses.field(default_factory=SearchBegun)
    started: float = 0.0
    epochs_at_start: int = 0
    epochs_each: int | None = None
    begun: frozenset[int] = frozenset()
    rows: Series[TrialRow] = dataclasses.field(default_factory=Series)
    bests: Series[float | None] = dataclasses.field(default_factory=Series)
    best: tuple[int, float] | None = None
    ended: SearchEnded | None = None

    def after(self, event: Event, study: Study, now: float) -> Watch:
        """The watch after one more event.

        Args:
            event: The event.
            study: The study after it.
            now: The time by the display's clock, in seconds.
        """
        match event:
            case SearchBegun():
                return Watch(search=event, started=now, epochs_at_start=study.epochs_spent, best=_best_of(study))
            case SearchEnded():
                return dataclasses.replace(self, ended=event)
            case TrialBegun():
                return dataclasses.replace(self, begun=self.begun | {event.trial})
            case EpochsKnown():
                return dataclasses.replace(self, epochs_each=event.epochs)
            case WorkerLost():
                return dataclasses.replace(self, begun=self.begun - {event.trial})
            case TrialEnded() if event.trial in study.records and event.state is not TrialState.INTERRUPTED:
                best = _best_of(study)
                is_new_best = best is not None and best[0] == event.trial and best != self.best
                row = row_of(study.records[event.trial], is_new_best=is_new_best)
                return dataclasses.replace(
                    self,
                    begun=self.begun - {event.trial},
                    rows=self.rows.extended([row]),
                    bests=self.bests.extended([None if best is None else best[1]]),
                    best=best,
                )
        return self

    def picture(self, study: Study, now: float) -> Picture:
        """What a display shows of the study now."""
        records = [study.records[number] for number in sorted(self.begun) if number in study.records]
        running = [_running(record, study, self.search) for record in records if record.state is TrialState.RUNNING]
        passed = max(now - self.started, 0.0)
        objective = study.objective
        best = None if self.best is None else study.records.get(self.best[0])
        return Picture(
            directory=study.directory,
            objective=objective.name if objective else "score",
            is_maximised=objective is not None and objective.known_direction == "max",
            parameters=[parameter.name for parameter in study.space],
            seconds=passed,
            seconds_left=None if self.ended else self._seconds_left(study, running, passed),
            share=self._share(study, running, passed),
            trials=_trials_done(study),
            max_trials=self.search.max_trials,
            epochs=study.epochs_spent,
            max_epochs=self.search.max_epochs,
            epochs_left=None if self.ended else self._epochs_left(study, running),
            running=running,
            rows=self.rows,
            best=None if best is None else row_of(best),
            bests=self.bests,
            ended=self.ended,
        )

    def _epochs_left(self, study: Study, running: Sequence[RunningTrial]) -> int | None:
        search, bounds = self.search, []
        if search.max_epochs is not None:
            bounds.append(search.max_epochs - study.epochs_spent)
        if search.max_trials is not None and self.epochs_each is not None and not study.tally.paused:
            trained = sum(trial.epoch + (trial.run - 1) * self.epochs_each for trial in running)
            bounds.append((search.max_trials - _trials_done(study)) * search.trainings * self.epochs_each - trained)
        return max(min(bounds), 0) if bounds else None

    def _share(self, study: Study, running: Sequence[RunningTrial], passed: float) -> float | None:
        """How much of the search is done, by the bound that it will reach first."""
        search, shares = self.search, []
        if search.max_epochs:
            shares.append(study.epochs_spent / search.max_epochs)
        if search.max_trials and not (shares and study.tally.paused):  # a trial that pauses ends more than once
            shares.append((_trials_done(study) + sum(trial.share for trial in running)) / search.max_trials)
        if search.max_seconds:
            shares.append(passed / search.max_seconds)
        return min(max(shares), 1.0) if shares else None

    def _seconds_left(self, study: Study, running: Sequence[RunningTrial], passed: float) -> float | None:
        search, bounds = self.search, []
        trained = study.epochs_spent - self.epochs_at_start
        if search.max_epochs is not None and trained > 0:
            bounds.append((search.max_epochs - study.epochs_spent) * passed / trained)
        in_part = sum(trial.share for trial in running)
        done = len(self.rows) + in_part
        if search.max_trials is not None and done >= FEW_TRIALS and not study.tally.paused:
            bounds.append((search.max_trials - _trials_done(study) - in_part) * passed / done)
        if search.max_seconds is not None:
            bounds.append(search.max_seconds - passed)
        return max(min(bounds), 0.0) if bounds else None


def row_of(record: Trial, *, is_new_best: bool = False) -> TrialRow:
    """A trial as a row of a table."""
    return TrialRow(
        number=record.number,
        values=record.values,
        score=record.score,
        spread=record.spread,
        best_epoch=None if record.best_epoch is None else record.best_epoch + 1,
        epochs=len(record.curve),
        seconds=record.seconds or 0.0,
        state=record.state,
        is_paused=record.is_paused,
        reason=reason_of(record),
        told=_told(record),
        remarks=[note for note in record.notes if note.kind in SHOWN_NOTES],
        is_new_best=is_new_best,
    )


_NAMED = re.compile(r"(?P<name>[A-Za-z_]\w*): ")
_PARTS = re.compile(r"NaN|[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_LINKS = ("a", "are", "has", "is", "the", "was", "were")
"""Words that say nothing as the last of two."""


def reason_of(record: Trial) -> str:
    """Why a trial failed or ended early, in a word or two: the error's type, or the name of what stopped it."""
    if record.error is not None and record.state is TrialState.FAILED:
        return record.error.type
    if record.is_paused:
        return "may go on"
    told = record.stop_reason or ""
    named = _NAMED.match(told)
    if named is not None:
        return _in_words(named["name"])
    words = told.split()[:2]
    return " ".join(words[:1] if words[1:] and words[1] in _LINKS else words)


def _in_words(name: str) -> str:
    """The name of a callback or rule in small words: a reason begins with it ("EarlyStopping: val_loss did not …")."""
    if "_" in name:
        return name
    return " ".join(part if part == "NaN" or part.isupper() else part.lower() for part in _PARTS.findall(name))


def _told(record: Trial) -> str:
    if record.error is not None and record.state is TrialState.FAILED:
        return record.error.summary
    return record.stop_reason or ""


def _best_of(study: Study) -> tuple[int, float] | None:
    for _, _, number in study.tally.ranked:
        score = study.records[number].score
        return None if score is None else (number, score)
    return None


def _trials_done(study: Study) -> int:
    """How many trials count for `max_trials` and have ended."""
    tally = study.tally
    return len(tally.counted) - sum(number in tally.counted for number in tally.unfinished)


def _running(record: Trial, study: Study, search: SearchBegun) -> RunningTrial:
    run = _current_run(record)
    curve = record.curves[run] if record.curves else ()
    scores = _scores(curve, study)
    known = [score for score in scores if math.isfinite(score)]
    choose = max if study.objective and study.objective.known_direction == "max" else min
    return RunningTrial(
        number=record.number,
        values=record.values,
        epoch=len(curve),
        epochs=record.epochs,
        run=run + 1,
        runs=max(len(record.curves), search.trainings),
        folds=search.folds,
        score=scores[-1] if scores and math.isfinite(scores[-1]) else None,
        best=choose(known) if known else None,
        curve=scores,
    )


def _current_run(record: Trial) -> int:
    """Which of a trial's trainings runs, from 0: the latest, or, where all of them go on in turn, the one that does."""
    last, until = max(len(record.curves) - 1, 0), record.plan.pause_at or record.plan.epochs
    if record.plan.resumed_from != record.number or until is None:
        return last
    return next((run for run, curve in enumerate(record.curves) if len(curve) < until), last)


def _scores(curve: Sequence[Mapping[str, float]], study: Study) -> Sequence[float]:
    """The objective after each epoch of a curve."""
    epochs = list(curve)
    try:
        name = study.objective.reported_name(set[str]().union(*epochs)) if study.objective and epochs else ""
    except ObjectiveError:
        name = ""
    return [logs.get(name, math.nan) for logs in epochs]
