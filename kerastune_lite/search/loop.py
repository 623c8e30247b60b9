"""The loop: ask the strategy, hand the trial to a worker, append what happens."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerastune_lite.errors import JournalError, RangeChangedError, StudyMismatchError, TooManyFailuresError
from kerastune_lite.execution.workers import Ended, Lost, Workers
from kerastune_lite.search.enqueued import Enqueued
from kerastune_lite.search.plan import SearchPlan
from kerastune_lite.space import Value
from kerastune_lite.space.seeds import run_seed, suggestion_rng
from kerastune_lite.strategies.strategy import Pause, PausingStrategy, Suggestion, strategy_of
from kerastune_lite.study.files import StudyFiles
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.study import values_to_json
from kerastune_lite.study.trial import Trial, TrialFailure, TrialState, best_first
from kerastune_lite.study.writer import StudyWriter, mismatch
from kerastune_lite.training import checkpoints
from kerastune_lite.training.checkpoints import CheckpointError
from kerastune_lite.training.one_trial import Asked, Outcome, Task


@dataclass(frozen=True)
class _Running:
    """A trial that a worker has, and when it was given it."""

    trial: Trial
    since: float


class SearchLoop:
    """Runs trials until the plan is fulfilled. All it decides by stands in the journal.

    Args:
        plan: What is to be done.
        writer: The study.
        workers: Where trials run.

    Attributes:
        seconds_saved: How long the trials of this loop would have traced what the engine had traced before.
    """

    def __init__(self, plan: SearchPlan, writer: StudyWriter, workers: Workers) -> None:
        self._plan = plan
        self._writer = writer
        self._workers = workers
        self._files = StudyFiles(writer.study.directory)
        self._started = time.monotonic()
        self.seconds_saved = 0.0
        self._enqueued = Enqueued(plan.enqueued, writer)
        self._failures: list[Trial] = []
        self._running: dict[int, _Running] = {}
        self._unheard: set[int] = set()  # running trials that have not told what they ask for
        self._losses: dict[int, list[Lost]] = {}
        self._checkpoint: Path | None = None  # where the trial that was begun last goes on from
        self._known_at_start = writer.study.space if writer.is_resumed else None
        self._strategy = strategy_of(plan.strategy, self._seed())

    def run(self) -> str:
        """Searches, and says why it ended.

        Raises:
            TooManyFailuresError: `max_failures_in_a_row` trials failed one after the other.
            KerastuneError: A mistake in the call that no other setting would mend.
        """
        self._tidy()
        self._enqueued.check(self._plan.build_fn)
        try:
            while True:
                reason = self._start_trials()
                if reason is not None and not self._running:
                    return reason
                for ended in self._workers.wait():
                    self._finish(ended)
                    self._start_trials()  # the worker needn't wait until all others are seen to
        except BaseException as error:
            self._interrupt_all(error)
            if isinstance(error, RangeChangedError) and self._known_at_start is not None:
                raise StudyMismatchError(mismatch(self._writer.study.directory, str(error))) from error
            raise

    @property
    def _trials(self) -> tuple[Trial, ...]:
        return self._writer.study.trials

    def _objective(self) -> Objective:
        objective = self._writer.study.objective
        assert objective is not None
        return objective

    def _seed(self) -> int:
        seed = self._writer.study.seed
        assert seed is not None
        return seed

    # What to run next

    def _start_trials(self) -> str | None:
        """Gives trials to all workers that have none; why there is none to give, or None."""
        while self._workers.has_room:
            trial = self._next()
            if isinstance(trial, str):
                return trial
            self._start(trial)
        return None

    def _must_listen(self) -> bool:
        """Whether a strategy has to wait until running trials tell what they ask for.

        It does before anything is known, and where trials ask for different parameters: then the settings of a grid and
        of random search are those that one worker would have tried.
        """
        if not self._unheard:
            return False
        trials = self._writer.study.records.values()
        return len({frozenset(trial.values) for trial in trials if trial.number not in self._unheard}) != 1

    def _next(self) -> Trial | str:
        """The next trial, already begun in the journal, or why there is none."""
        if self._seconds_left() == 0.0:
            return "max_time is over"
        if self._epochs_left() == 0:
            return f"max_epochs_total is reached: {self._plan.max_epochs_total} epochs were trained"
        for trial in self._trials:
            if trial.state is TrialState.INTERRUPTED:
                return self._begin_again(trial, trial.attempts)
            if trial.state is TrialState.RUNNING and trial.number not in self._running:
                if trial.attempts < self._plan.max_attempts:
                    return self._begin_again(trial, trial.attempts + 1)
                self._give_up(trial)
        if self._must_listen():
            return "a running trial has to tell first what it asks for"
        number = max(self._writer.study.records, default=-1) + 1
        if isinstance(self._strategy, PausingStrategy):
            answer = self._ask(number)
            if isinstance(answer, Pause):
                return self._strategy.ending
            if answer.number is not None:
                paused = self._writer.study.trial(answer.number)
                return self._begin(answer.number, answer, 1, paused.notes)
            chosen = self._enqueued.next(number, self._rng(number)) if answer.resume_from is None else None
            return self._begin_new(number, answer, chosen)
        if self._plan.max_trials is not None and number >= self._plan.max_trials:
            return f"{self._plan.max_trials} trials are done"
        chosen = self._enqueued.next(number, self._rng(number))
        if chosen is not None:
            return self._begin_new(number, Suggestion(), chosen)
        answer = self._ask(number)
        if isinstance(answer, Pause):
            return f"the space is used up: {answer.value}"
        return self._begin_new(number, answer, None)

    def _ask(self, number: int) -> Suggestion | Pause:
        study = self._writer.study
        return self._strategy.suggest(study.space, study.to_minimise(), self._rng(number))

    def _rng(self, number: int) -> np.random.Generator:
        return suggestion_rng(self._seed(), number)

    # Running it

    def _begin_new(self, number: int, suggestion: Suggestion, chosen: tuple[dict[str, Value], str] | None) -> Trial:
        if chosen is None:
            return self._begin(number, suggestion, 1, ())
        values, note = chosen
        return self._begin(number, dataclasses.replace(suggestion, values=values, unseen="random"), 1, (note,))

    def _begin_again(self, trial: Trial, attempt: int) -> Trial:
        suggestion = Suggestion(
            trial.values,
            trial.unseen,
            epochs=trial.asked_epochs,
            pause_at=trial.pause_at,
            resume_from=trial.resumed_from,
            is_turn=trial.is_turn,
        )
        lost = [f"attempt {attempt - 1}: {loss.reason}" for loss in self._losses.get(trial.number, [])[-1:]]
        return self._begin(trial.number, suggestion, attempt, [*trial.notes, *lost], resumed_at=trial.resumed_at)

    def _begin(
        self,
        number: int,
        suggestion: Suggestion,
        attempt: int,
        notes: Sequence[str],
        resumed_at: int | None = None,
    ) -> Trial:
        """Begins a trial; `resumed_at` are the epochs of the weights it goes on from, by default the latest kept."""
        decided: dict[str, Any] = {"epochs": suggestion.epochs, "pause_at": suggestion.pause_at}
        if suggestion.is_turn:
            decided["is_turn"] = True
        self._checkpoint = None
        if suggestion.resume_from is not None:
            latest = self._writer.study.records[suggestion.resume_from].pause_at
            kept = latest if resumed_at is None else resumed_at
            path = self._files.checkpoint(suggestion.resume_from, kept)
            try:
                checkpoints.read(path)
                self._checkpoint = path
                decided |= {"resumed_from": suggestion.resume_from, "resumed_at": kept}
            except CheckpointError as error:
                notes = (*notes, f"trained again from the first epoch, since of its checkpoint after {kept}: {error}")
        self._writer.append(
            "begin",
            flush=True,
            trial=number,
            values=values_to_json(suggestion.values, self._writer.study.space),
            attempt=attempt,
            seed=run_seed(self._seed(), number),
            notes=list(notes),
            unseen=suggestion.unseen,
            **{name: value for name, value in decided.items() if value is not None},
        )
        return self._writer.study.trial(number)

    def _start(self, trial: Trial) -> None:
        keeps_model = self._plan.keep_models > 0
        task = Task(
            build_fn=self._plan.build_fn,
            trial=trial,
            space=self._writer.study.space,
            objective=self._objective(),
            study_seed=self._seed(),
            runs=self._plan.runs,
            data=self._plan.data,
            callbacks=self._plan.callbacks,
            seconds_left=self._seconds_left(),
            model_path=self._files.model(trial.number) if keeps_model else None,
            score_to_beat=self._score_to_beat(),
            checkpoint=self._checkpoint,
            checkpoint_path=None if trial.pause_at is None else self._files.checkpoint(trial.number, trial.pause_at),
        )
        self._running[trial.number] = _Running(trial, time.monotonic())
        self._unheard.add(trial.number)
        self._workers.start(task, _JournalReport(self, trial))

    def _finish(self, ended: Ended) -> None:
        """Journals what a trial came to."""
        running = self._running.pop(ended.number)
        self._unheard.discard(ended.number)
        seconds = time.monotonic() - running.since
        if isinstance(ended.result, Lost):
            self._losses.setdefault(ended.number, []).append(ended.result)
            if ended.result.may_try_again:
                self._writer.append("note", trial=ended.number, lost=ended.result.reason)
            else:
                self._give_up(running.trial, seconds)
            return
        outcome = ended.result
        state = TrialState.STOPPED if outcome.is_stopped else TrialState.COMPLETED
        state = state if outcome.error is None else TrialState.FAILED
        failure = outcome.error.__dict__ if outcome.error else None
        self.seconds_saved += outcome.seconds_saved
        self._end(running.trial, state, outcome, seconds, error=failure)
        self._tidy()
        self._count_failures(self._writer.study.trial(ended.number), is_rejected=outcome.is_rejected)

    def _interrupt_all(self, error: BaseException) -> None:
        """Journals that what ends the search has interrupted the trials that ran."""
        told = {"type": type(error).__name__, "message": str(error)}
        for trial in self._trials:
            running = self._running.get(trial.number)
            was_lost = running is None and trial.number in self._losses
            if trial.state is TrialState.RUNNING and not was_lost:
                seconds = 0.0 if running is None else time.monotonic() - running.since
                with suppress(JournalError):
                    self._end(trial, TrialState.INTERRUPTED, _so_far(trial), seconds, error=told)
        self._running = {}

    def after_asking(self, trial: Trial, asked: Asked) -> None:
        """Journals what is new in what a trial has asked for."""
        self._unheard.discard(trial.number)
        if self._known_at_start is not None and asked.values:
            self._check_same_build_fn(asked)
            self._known_at_start = None
        space = self._writer.study.space
        for parameter in asked.parameters:
            space = space.with_parameter(parameter)
        self._writer.learn(space)
        known = self._writer.study.records[trial.number].values
        told, known_as = values_to_json(asked.values, space), values_to_json(known, space)
        if list(told.items()) != list(known_as.items()):
            self._writer.append("note", trial=trial.number, values=told)

    def after_build(self, trial: Trial, objective: Objective, epochs: int | None) -> None:
        """Journals what a trial's first model has shown."""
        self._writer.settle(objective)
        data = self._plan.data
        if epochs is not None and data is not None and epochs == data.fit_arguments.get("epochs"):
            # Where build_fn decides the epochs, some of its trainings may be too short for the rule.
            getattr(self._plan.stopping, "check", lambda epochs: None)(epochs)
        if epochs is not None:
            self._writer.append("note", trial=trial.number, epochs=epochs)

    def after_epoch(self, trial: Trial, run: int, epoch: int, logs: Mapping[str, float]) -> str | None:
        """Journals an epoch, and tells why the trial is to end with it, or None."""
        which: dict[str, Any] = {"run": run} if self._plan.runs > 1 else {}
        self._writer.append("epoch", trial=trial.number, epoch=epoch, **which, logs=dict(logs))
        known = self._writer.study.trial(trial.number)
        if known.epochs is not None and epoch + 1 >= known.epochs:
            return None
        if self._epochs_left() == 0:
            return f"max_epochs_total: {self._plan.max_epochs_total} epochs were trained"
        if self._plan.stopping is None or run > 0:
            return None
        # A run that is done again, because its program failed, has the old run's later epochs still.
        known = dataclasses.replace(known, curves=(known.curves[0][: epoch + 1],))
        return self._plan.stopping.should_stop(known, self._trials, self._objective())

    def _end(self, trial: Trial, state: TrialState, outcome: Outcome, seconds: float, error: Any = None) -> None:
        known = self._writer.study.trial(trial.number)
        self._writer.append(
            "end",
            flush=True,
            trial=trial.number,
            objective=self._objective().name,
            direction=self._objective().direction,
            state=state.value,
            values=values_to_json(known.values, self._writer.study.space),
            score=outcome.score,
            best_epoch=outcome.best_epoch,
            best_run=outcome.best_run,
            scores=list(outcome.scores),
            seconds=round((known.seconds or 0.0) + seconds, 3),
            started=known.started.isoformat() if known.started else None,
            stop_reason=outcome.stop_reason,
            error=error,
            engine=outcome.engine,
            attempts=known.attempts,
            seed=known.seed,
            notes=[*known.notes, *outcome.notes],
            unseen=known.unseen,
        )

    def _give_up(self, trial: Trial, seconds: float = 0.0) -> None:
        """Fails a trial whose worker was lost, with all that is known of the ends."""
        losses = self._losses.get(trial.number, [])
        kind, traceback = "ProcessDied", ""
        message = f"the process died {trial.attempts} times while this trial ran"
        if losses:
            kind, message = losses[-1].type, losses[-1].reason
            traceback = "\n".join(loss.traceback for loss in losses if loss.traceback)
        if len(losses) > 1:
            message = "; ".join(f"attempt {n}: {loss.reason}" for n, loss in enumerate(losses, start=1))
        error = TrialFailure(type=kind, message=message, traceback=traceback)
        self._end(trial, TrialState.FAILED, Outcome(), seconds, error=error.__dict__)
        if losses:
            self._count_failures(self._writer.study.trial(trial.number), is_rejected=False)

    def _count_failures(self, trial: Trial, *, is_rejected: bool) -> None:
        if trial.state is not TrialState.FAILED:
            self._failures = []
        elif not (is_rejected and trial.values):
            self._failures.append(trial)
        if len(self._failures) >= self._plan.max_failures_in_a_row:
            first = self._failures[0]
            assert first.error is not None
            raise TooManyFailuresError(
                f"{len(self._failures)} trials in a row failed (max_failures_in_a_row="
                f"{self._plan.max_failures_in_a_row}), so the search ends. The first was trial {first.number} with "
                f"{dict(first.values)}:\n\n{first.error.traceback or first.error}"
            )

    def _check_same_build_fn(self, asked: Asked) -> None:
        """A resumed directory whose build_fn asks for nothing that it asked for before holds another study."""
        before = {name for trial in self._trials if trial.state.ended for name in trial.values}
        names = [parameter.name for parameter in asked.parameters]
        if before and not before.intersection(names):
            raise StudyMismatchError(
                mismatch(
                    self._writer.study.directory,
                    f"its build_fn asked for {', '.join(sorted(before))}, and this one asks for {', '.join(names)}",
                )
            )

    def _seconds_left(self) -> float | None:
        if self._plan.max_seconds is None:
            return None
        return max(self._plan.max_seconds - (time.monotonic() - self._started), 0.0)

    def _epochs_left(self) -> int | None:
        if self._plan.max_epochs_total is None:
            return None
        return max(self._plan.max_epochs_total - self._writer.study.epochs_spent, 0)

    # Models and paused trainings on disk

    def _tidy(self) -> None:
        """Removes models that are no longer among the best, and paused trainings that nothing can go on from."""
        files = self._files
        running = [each.trial for each in self._running.values()]
        best = self._ranked()[: self._plan.keep_models] if self._plan.keep_models else []
        files.keep_models((files.model(t.number) for t in best), (files.model(t.number) for t in running))
        trials = self._writer.study.records.values()
        kept = {(t.resumed_from, t.resumed_at) for t in trials if not t.state.ended}
        if isinstance(self._strategy, PausingStrategy):
            resumable = self._strategy.resumable(self._writer.study.to_minimise())
            kept |= {(t.number, t.pause_at or 0) for t in trials if t.number in resumable}
        files.keep_checkpoints(
            (files.checkpoint(number, epochs) for number, epochs in kept if number is not None),
            (files.checkpoint(t.number, t.pause_at) for t in running if t.pause_at is not None),
        )

    def _ranked(self) -> list[Trial]:
        objective = self._objective()
        return best_first(self._trials, objective.direction) if objective.direction else []

    def _score_to_beat(self) -> float | None:
        ranked = self._ranked() if self._plan.keep_models else []
        if len(ranked) < self._plan.keep_models or not ranked:
            return None
        return ranked[self._plan.keep_models - 1].score


def _so_far(trial: Trial) -> Outcome:
    """What an interrupted trial keeps: the score that it had when it was paused."""
    return Outcome(scores=trial.scores, best_run=trial.best_run, best_epoch=trial.best_epoch)


class _JournalReport:
    """What a running trial tells, handed to the loop."""

    def __init__(self, loop: SearchLoop, trial: Trial) -> None:
        self._loop = loop
        self._trial = trial

    def asked(self, asked: Asked) -> None:
        self._loop.after_asking(self._trial, asked)

    def built(self, objective: Objective, epochs: int | None) -> None:
        self._loop.after_build(self._trial, objective, epochs)

    def epoch(self, run: int, epoch: int, logs: Mapping[str, float]) -> str | None:
        return self._loop.after_epoch(self._trial, run, epoch, logs)
