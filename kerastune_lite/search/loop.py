"""The loop of a search: it carries out what decide.py says, and journals what workers report."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from kerastune_lite.errors import JournalError, RangeChangedError, StudyMismatchError
from kerastune_lite.execution.workers import Ended, Lost, Workers
from kerastune_lite.running.task import AskedParameters, Outcome, Request
from kerastune_lite.search.decide import STOPPED, Done, GiveUp, Running, Situation, Start, Wait, decide, epochs_left
from kerastune_lite.search.enqueued import Queue
from kerastune_lite.search.failures import Failures, failed_numbers
from kerastune_lite.search.fold_view import FoldView
from kerastune_lite.search.housekeeping import Housekeeping
from kerastune_lite.search.plan import SearchPlan
from kerastune_lite.search.resumption import Reviewer, check_same_build_fn
from kerastune_lite.strategies.strategy import PausingStrategy, Strategy, strategy_of
from kerastune_lite.study.events import (
    EpochEnded,
    EpochsKnown,
    ParametersKnown,
    TrialBegun,
    TrialEnded,
    WorkerLost,
)
from kerastune_lite.study.files import StudyFiles
from kerastune_lite.study.labels import labelled
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.study import Study
from kerastune_lite.study.trial import Trial, TrialFailure, TrialState
from kerastune_lite.study.writer import StudyWriter, mismatch

T = TypeVar("T")


@dataclass(frozen=True)
class _Given:
    """A trial that was given to a worker, and when."""

    trial: Trial
    since: float


class SearchLoop:
    """Runs trials until the plan is fulfilled.

    What a killed search has to know again stands in the journal. Kept here is only what belongs to this process: which
    trials its workers have, and how workers were lost.

    Args:
        plan: What is to be done.
        writer: The study.
        workers: Where trials run.
        queue: The settings to try before the strategy's own.
        reviewer: Asks build_fn what it asks for with the settings of earlier trials; None where there are none.
        clock: Tells the seconds that have passed.
        is_stopped: Whether a person has stopped the search: trials end with their epochs then.

    Attributes:
        seconds_saved: How long the trials of this loop would have traced what the engine had traced before.
    """

    def __init__(
        self,
        plan: SearchPlan,
        writer: StudyWriter,
        workers: Workers,
        queue: Queue = (),
        reviewer: Reviewer | None = None,
        clock: Callable[[], float] = time.monotonic,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.seconds_saved = 0.0
        self._is_stopped = is_stopped
        self._plan = plan
        self._writer = writer
        self._workers = workers
        self._queue = queue
        self._reviewer = reviewer
        self._must_review = False
        self._fold_view: FoldView | None = None
        self._clock = clock
        self._started = clock()
        self._first_number = writer.study.next_number
        self._strategy = strategy_of(plan.strategy, _known(writer.study.seed))
        self._to_retry = _to_retry(plan, self._strategy, writer.study)
        self._failures = Failures(plan.max_failures_in_a_row)
        self._housekeeping = Housekeeping(StudyFiles(writer.study.directory), plan.keep_models, plan.runs)
        self._given: dict[int, _Given] = {}
        self._awaiting_parameters: set[int] = set()
        self._has_checked_build_fn = not writer.is_resumed

    def run(self) -> str:
        """Runs the search, and returns why it ended.

        Raises:
            TooManyFailuresError: `max_failures_in_a_row` trials failed one after the other.
            KerastuneError: A mistake in the call that no other setting would mend.
        """
        self._tidy()
        try:
            while True:
                reason = self._start_trials()
                if reason is not None and not self._given:
                    return reason
                for ended in self._workers.wait():
                    self._finish(ended)
                    self._start_trials()  # the worker needn't wait until all others are seen to
        except BaseException as error:
            self._interrupt_all(error)
            if isinstance(error, RangeChangedError) and not self._has_checked_build_fn:
                raise StudyMismatchError(mismatch(self._study.directory, str(error))) from error
            raise

    @property
    def _study(self) -> Study:
        return self._writer.study

    # Starting trials

    def _start_trials(self) -> str | None:
        """Gives a trial to each worker that has none; returns why there are no more to give, or None."""
        while self._workers.has_room:
            if self._must_review:
                self._review()
            match decide(self._study, self._plan, self._situation()):
                case Start() as start:
                    self._queue = self._queue[start.taken :]
                    self._start(start.begun)
                case GiveUp() as gives_up:
                    self._give_up(gives_up.trial)
                case Done(by_strategy=True) if self._has_overlooked_settings():
                    pass
                case Wait(reason) | Done(reason):
                    return reason
        return None

    def _has_overlooked_settings(self) -> bool:
        """Whether there is more to try than the strategy knew, since build_fn asks for more than it did earlier.

        Before a space counts as used up, build_fn is asked with every earlier setting: a question that only some of
        them lead to may be new.
        """
        if self._reviewer is None or self._reviewer.has_asked_all or self._given:
            return False
        return self._review()

    def _review(self) -> bool:
        self._must_review = False
        return self._reviewer is not None and self._reviewer.review()

    def _situation(self) -> Situation:
        return Situation(
            strategy=self._strategy,
            running=Running(numbers=frozenset(self._given), awaiting_parameters=frozenset(self._awaiting_parameters)),
            queue=self._queue,
            seconds_left=self._seconds_left(),
            first_number=self._first_number,
            is_stopped=self._is_stopped(),
            to_retry=self._to_retry,
        )

    def _start(self, begun: TrialBegun) -> None:
        """Journals a trial's beginning and gives it to a worker."""
        notes = (*begun.notes, *self._failures.note_on(begun.trial, begun.attempt))
        begun = dataclasses.replace(begun, notes=notes, folds=self._plan.folds)
        self._to_retry -= {begun.trial}
        self._writer.append(self._housekeeping.readable(begun))
        trial = self._study.trial(begun.trial)
        request = Request(
            trial=trial,
            space=self._study.space,
            objective=_known(self._study.objective),
            study_seed=_known(self._study.seed),
            runs=self._plan.trainings,
            seconds_left=self._seconds_left(),
            model_path=self._housekeeping.model_path(trial),
            weights_path=self._housekeeping.weights_path(trial),
            score_to_beat=self._housekeeping.score_to_beat(self._study),
            checkpoint=self._housekeeping.resume_path(trial),
            checkpoint_path=self._housekeeping.pause_path(trial),
            awaits_stop_decision=self._plan.may_end_trials,
        )
        self._given[trial.number] = _Given(trial, self._clock())
        self._awaiting_parameters.add(trial.number)
        self._workers.start(request, _JournalReport(self, trial))

    # What workers report

    def after_asking(self, trial: Trial, asked: AskedParameters) -> None:
        """Journals what is new in what a trial has asked for."""
        self._awaiting_parameters.discard(trial.number)
        if not self._has_checked_build_fn and asked.values:
            before = {name for trial in self._study.trials if trial.state.ended for name in trial.values}
            check_same_build_fn(self._study, before, [parameter.name for parameter in asked.parameters])
            self._has_checked_build_fn = True
        space = self._study.space
        if any(parameter.name not in space for parameter in asked.parameters):
            # Earlier trials may lead to the new question too; they can't be built while this one is.
            self._must_review = self._reviewer is not None and not self._reviewer.has_asked_all
        for parameter in asked.parameters:
            space = space.with_parameter(parameter)
        self._writer.learn(space)
        values, known = labelled(asked.values, space), labelled(self._study.records[trial.number].values, space)
        if list(values.items()) != list(known.items()):
            self._writer.append(ParametersKnown(trial=trial.number, values=values))

    def after_build(self, trial: Trial, objective: Objective, epochs: int | None) -> None:
        """Journals what a trial's first model has shown."""
        self._writer.settle(objective)
        if epochs is None:
            return
        epochs = int(epochs)  # build_fn may have decided a NumPy integer
        if epochs == self._plan.shared.data.fit_arguments.get("epochs"):
            # Where build_fn decides the epochs, some of its trainings may be too short for the rule.
            getattr(self._plan.stopping, "check", lambda epochs: None)(epochs)
        self._writer.append(EpochsKnown(trial=trial.number, epochs=epochs))

    def after_epoch(self, trial: Trial, run: int, epoch: int, logs: Mapping[str, float]) -> str | None:
        """Journals an epoch, and tells why the trial is to end with it, or None."""
        self._writer.append(EpochEnded(trial=trial.number, run=run, epoch=epoch, logs=logs))
        known = self._study.trial(trial.number)
        is_last = known.epochs is not None and epoch + 1 >= known.epochs
        if is_last and (not self._plan.folds or run + 1 >= self._plan.trainings):
            return None
        pauses = epoch + 1 == known.plan.pause_at
        if self._is_stopped():
            # A trial that pauses with this epoch is kept, and goes on in a later search.
            return None if pauses else STOPPED
        if epochs_left(self._study, self._plan) == 0 and not pauses:
            return f"max_epochs_total: {self._plan.max_epochs_total} epochs were trained"
        return self._asked_rule(known, run, epoch, is_last=is_last)

    def _asked_rule(self, trial: Trial, run: int, epoch: int, *, is_last: bool) -> str | None:
        """What the stopping rule answers after an epoch of a trial's first run, or of its first run on each fold."""
        rule, folds = self._plan.stopping, self._plan.folds
        if rule is None or run >= max(folds, 1) or (is_last and run + 1 >= folds):
            return None
        # A run that is done again, because its program failed, has the old run's later epochs still.
        if not folds:
            known = dataclasses.replace(
                trial, curves=(trial.curves[0][: epoch + 1],), best_so_far=trial.best_so_far[: epoch + 1]
            )
            return rule.should_stop(known, self._study.in_space, _known(self._study.objective))
        objective = _known(self._study.objective)
        self._fold_view = self._fold_view or FoldView(objective)
        known, others = self._fold_view.running(trial, run, epoch), self._fold_view.others(self._study.in_space, run)
        reason = rule.should_stop(known, others, objective)
        return reason and f"fold {run + 1} of {folds}: {reason}"

    # Ending trials

    def _finish(self, ended: Ended) -> None:
        """Journals what a trial came to."""
        given = self._given.pop(ended.number)
        self._awaiting_parameters.discard(ended.number)
        seconds = self._clock() - given.since
        if isinstance(ended.result, Lost):
            self._failures.record_loss(ended.number, ended.result)
            if ended.result.may_try_again:
                self._writer.append(WorkerLost(trial=ended.number, reason=ended.result.reason))
            else:
                self._give_up(given.trial, seconds)
            return
        outcome = ended.result
        self.seconds_saved += outcome.seconds_saved
        self._end(ended.number, _state_of(outcome), outcome, seconds)
        self._tidy()
        self._failures.count(self._study.trial(ended.number))

    def _give_up(self, trial: Trial, seconds: float = 0.0) -> None:
        """Fails a trial whose worker was lost, with all that is known of its attempts."""
        outcome = Outcome(error=self._failures.failure_of(trial))
        self._end(trial.number, TrialState.FAILED, outcome, seconds)
        if self._failures.was_lost(trial.number):
            self._failures.count(self._study.trial(trial.number))

    def _interrupt_all(self, error: BaseException) -> None:
        """Journals that what ends the search has interrupted the trials that ran."""
        failure = TrialFailure.of(error)
        for number in sorted(self._study.tally.unfinished):
            trial = self._study.trial(number)
            given = self._given.get(trial.number)
            was_lost = given is None and self._failures.was_lost(trial.number)
            if trial.state is TrialState.RUNNING and not was_lost:
                # A trial that was continued keeps the score that it had when it was paused.
                so_far = Outcome(scores=trial.scores, best_run=trial.best_run, best_epoch=trial.best_epoch)
                seconds = 0.0 if given is None else self._clock() - given.since
                with suppress(JournalError):
                    self._end(trial.number, TrialState.INTERRUPTED, so_far, seconds, failure)
        self._given = {}

    def _end(
        self,
        number: int,
        state: TrialState,
        outcome: Outcome,
        seconds: float,
        error: TrialFailure | None = None,
    ) -> None:
        """Journals a trial's end; `error` where it isn't the outcome's own."""
        known = self._study.trial(number)
        self._writer.append(
            TrialEnded(
                trial=number,
                state=state,
                values=labelled(known.values, self._study.space),
                objective=self._study.objective,
                score=outcome.score,
                best_epoch=outcome.best_epoch,
                best_run=outcome.best_run,
                scores=outcome.scores,
                best_epochs=outcome.best_epochs,
                seconds=round((known.seconds or 0.0) + seconds, 3),
                started=known.started,
                stop_reason=outcome.stop_reason,
                error=error or outcome.error,
                is_rejected=outcome.is_rejected,
                trained=outcome.trained,
                attempts=known.attempts,
                seed=known.seed,
                notes=(*known.notes, *outcome.notes),
                returned=outcome.returned,
            )
        )

    def _seconds_left(self) -> float | None:
        if self._plan.max_seconds is None:
            return None
        return max(self._plan.max_seconds - (self._clock() - self._started), 0.0)

    def _tidy(self) -> None:
        self._housekeeping.tidy(self._study, [given.trial for given in self._given.values()], self._strategy)


def _to_retry(plan: SearchPlan, strategy: Strategy, study: Study) -> frozenset[int]:
    """The numbers of the trials that failed in earlier searches and are to be begun again."""
    if not plan.retry_failed:
        return frozenset()
    if isinstance(strategy, PausingStrategy):
        raise ValueError(
            f"retry_failed=True can't be used with {type(strategy).__name__}, which has decided without the trials "
            "that failed which others go on. Leave it out, or search again in another directory."
        )
    return frozenset(failed_numbers(study))


def _state_of(outcome: Outcome) -> TrialState:
    if outcome.error is not None:
        return TrialState.FAILED
    return TrialState.STOPPED if outcome.is_stopped else TrialState.COMPLETED


def _known(value: T | None) -> T:
    """A value that a study which is open for writing always has: its seed, or its objective."""
    assert value is not None
    return value


class _JournalReport:
    """The report of one trial, which the loop journals."""

    def __init__(self, loop: SearchLoop, trial: Trial) -> None:
        self._loop = loop
        self._trial = trial

    def asked(self, asked: AskedParameters) -> None:
        self._loop.after_asking(self._trial, asked)

    def built(self, objective: Objective, epochs: int | None) -> None:
        self._loop.after_build(self._trial, objective, epochs)

    def epoch(self, run: int, epoch: int, logs: Mapping[str, float]) -> str | None:
        return self._loop.after_epoch(self._trial, run, epoch, logs)
