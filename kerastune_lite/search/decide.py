"""What a search does next, decided from the study alone.

`decide` is a pure function: it looks at the study, the plan and which trials run, asks the strategy where it has to,
and answers. It touches no file, no clock and no worker; loop.py carries out what it says.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerastune_lite.search.enqueued import Queue, next_enqueued
from kerastune_lite.search.plan import SearchPlan
from kerastune_lite.space import Value
from kerastune_lite.space.seeds import run_seed, suggestion_rng
from kerastune_lite.strategies.strategy import Answer, GoOn, Pause, PausingStrategy, Strategy, Suggestion
from kerastune_lite.study.events import TrialBegun
from kerastune_lite.study.labels import labelled
from kerastune_lite.study.read_only import ReadOnlyDict
from kerastune_lite.study.study import Study
from kerastune_lite.study.trial import Note, Trial, TrialPlan, TrialState

STOPPED = "tuner.stop() was called"
"""Why a search ends that a person has stopped."""
MOST_REJECTED = 1000
"""After how many rejected settings in a row a search without `max_trials` ends."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """The trials that workers have now.

    Attributes:
        numbers: Their numbers.
        awaiting_parameters: Those of them whose build hasn't shown yet what it asks for.
    """

    numbers: frozenset[int] = frozenset()
    awaiting_parameters: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Start:
    """The decision to begin a trial, or to begin it again.

    Attributes:
        begun: The event that says so.
        taken: How many enqueued settings are used up with it.
    """

    begun: TrialBegun
    taken: int = 0


@dataclass(frozen=True)
class GiveUp:
    """The decision to fail a trial that has had all its attempts.

    Attributes:
        trial: The trial.
    """

    trial: Trial


@dataclass(frozen=True)
class Wait:
    """The decision to start nothing until a running trial has reported.

    Attributes:
        reason: What is waited for.
    """

    reason: str


@dataclass(frozen=True)
class Done:
    """The decision to start nothing more: the search ends with the trials that run now.

    Attributes:
        reason: What a person is told.
        by_strategy: Whether it is the strategy that has nothing left to try.
    """

    reason: str
    by_strategy: bool = field(default=False, compare=False)


Decision = Start | GiveUp | Wait | Done


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What a decision is made from besides the study and the plan.

    Attributes:
        strategy: The plan's strategy, made for the study's seed.
        running: The trials that workers have.
        queue: The enqueued settings that are left.
        seconds_left: How much of `max_time` is left; None without a bound.
        first_number: The number of the first trial that this search began anew: earlier ones were another search's.
        is_stopped: Whether a person has called `tuner.stop()`.
        to_retry: The trials that failed in earlier searches, and that this one is to begin again.
    """

    strategy: Strategy
    running: Running = field(default_factory=Running)
    queue: Queue = ()
    seconds_left: float | None = None
    first_number: int = 0
    is_stopped: bool = False
    to_retry: frozenset[int] = frozenset()


def decide(study: Study, plan: SearchPlan, situation: Situation) -> Decision:
    """Decides what the search does next.

    Trials that were interrupted or lost come first, with their own numbers and values. A new trial's setting is a
    person's, where one is enqueued, or else the strategy's.

    Raises:
        TypeError: The strategy answered something that isn't an answer.
        ValueError: The strategy wants to continue a trial that isn't paused.
    """
    if situation.is_stopped:
        return Done(STOPPED)
    if situation.seconds_left == 0.0:
        return Done("max_time is over")
    if epochs_left(study, plan) == 0:
        return Done(f"max_epochs_total is reached: {plan.max_epochs_total} epochs were trained")
    unfinished = _unfinished(study, plan, situation)
    if unfinished is not None:
        return unfinished
    if _must_wait_for_parameters(study, situation.running):
        return Wait("a running trial has to show first what it asks for")
    number = study.next_number
    if isinstance(situation.strategy, PausingStrategy):
        return _of_pausing_strategy(situation.strategy, study, plan, situation, number)
    enough = _enough_trials(study, plan, situation)
    if enough is not None:
        return Done(enough)
    enqueued = _begun_enqueued(study, plan, situation, number, Suggestion())
    if enqueued is not None:
        return enqueued
    answer = _asked(situation.strategy, study, number)
    if isinstance(answer, Pause):
        reason = f"the space is used up: {answer.value}"
        return Done(reason, by_strategy=True) if answer is Pause.DONE else Wait(reason)
    return Start(_begun(study, number, answer))


def epochs_left(study: Study, plan: SearchPlan) -> int | None:
    """How many epochs the trials may still train together; None without a bound."""
    if plan.max_epochs_total is None:
        return None
    return max(plan.max_epochs_total - study.epochs_spent, 0)


def _enough_trials(study: Study, plan: SearchPlan, situation: Situation) -> str | None:
    """Why no new trial is to begin, as far as their number decides it; None where one may."""
    if plan.max_trials is not None and len(study.tally.counted) >= plan.max_trials:
        return f"{plan.max_trials} trials are done"
    # Where no setting is accepted any more, a search wouldn't end: rejected trials cost neither epochs nor max_trials.
    rejected = study.tally.rejected_in_a_row(situation.first_number)
    if rejected >= (MOST_REJECTED if plan.max_trials is None else 10 * plan.max_trials + 10):
        done = len(study.tally.accepted)
        return f"FailedTrial gave up the last {rejected} settings, one after the other ({done} trials are done)"
    return None


def _unfinished(study: Study, plan: SearchPlan, situation: Situation) -> Start | GiveUp | None:
    """What to do about a trial that has begun, hasn't ended, and isn't running; None where there is none.

    A trial that failed in an earlier search counts as one where it is to be tried again. One that lies outside the
    space can't be run again: it stays in the record as it is.
    """
    for number in sorted(study.tally.unfinished.union(situation.to_retry)):
        trial = study.trial(number)
        if trial.is_outside:
            continue
        if trial.state is TrialState.INTERRUPTED:
            return Start(_begun_again(study, trial, trial.attempts))
        if trial.state is TrialState.RUNNING and trial.number not in situation.running.numbers:
            if trial.attempts < plan.max_attempts:
                return Start(_begun_again(study, trial, trial.attempts + 1))
            return GiveUp(trial)
        if trial.state is TrialState.FAILED and trial.number in situation.to_retry:
            told = "" if trial.error is None else f": {trial.error.summary}"
            note = Note(f"attempt {trial.attempts} failed{told}", "attempt")
            tried = dataclasses.replace(trial, notes=(*trial.notes, note))
            return Start(_begun_again(study, tried, trial.attempts + 1))
    return None


def _must_wait_for_parameters(study: Study, running: Running) -> bool:
    """Whether the next setting can't be chosen before a running trial has shown what it asks for.

    It can't before anything is known, and where trials ask for different parameters: then the settings of a grid and
    of random search are those that one worker would have tried.
    """
    if not running.awaiting_parameters:
        return False
    awaiting = [study.records[number] for number in running.awaiting_parameters if number in study.records]
    return not study.tally.ask_for_the_same(leaving_out=awaiting)


def _of_pausing_strategy(
    strategy: PausingStrategy, study: Study, plan: SearchPlan, situation: Situation, number: int
) -> Decision:
    answer = _asked(strategy, study, number)
    if isinstance(answer, Pause):
        return Done(strategy.ending, by_strategy=True) if answer is Pause.DONE else Wait(strategy.ending)
    if isinstance(answer, Suggestion):
        reason = _enough_trials(study, plan, situation)
        if reason is not None:
            # A trial that runs may pause yet, and be one that the strategy wants to continue.
            return Wait(reason) if situation.running.numbers else Done(reason)
        if answer.resume_from is None:
            enqueued = _begun_enqueued(study, plan, situation, number, answer)
            if enqueued is not None:
                return enqueued
    if getattr(strategy, "pauses_anywhere", False):
        answer = _until_the_bound(answer, study, epochs_left(study, plan))
    return Start(_begun(study, number, answer))


def _until_the_bound(answer: Suggestion | GoOn, study: Study, left: int | None) -> Suggestion | GoOn:
    """The answer with an earlier pause, where `max_epochs_total` ends its trial before, so that it may go on later."""
    # A trial that begins again has to get further than it was.
    if left is None or (isinstance(answer, GoOn) and answer.begins_again):
        return answer
    plan = _paused(study, answer.number).plan if isinstance(answer, GoOn) else TrialPlan(epochs=answer.epochs)
    begun = plan.pause_at or 0
    until = answer.pause_at or plan.epochs
    if until is None or begun + left >= until:
        return answer
    return dataclasses.replace(answer, pause_at=begun + left)


def _asked(strategy: Strategy, study: Study, number: int) -> Answer:
    trials = study.to_minimise() if isinstance(strategy, PausingStrategy) else study.in_space_to_minimise()
    answer = strategy.suggest(study.space, trials, _rng(study, number))
    if not isinstance(answer, (Suggestion, GoOn, Pause)):
        raise TypeError(
            f"{type(strategy).__name__}.suggest() has to return a Suggestion, GoOn, or Pause. Received: {answer!r}."
        )
    return answer


def _begun_enqueued(
    study: Study, plan: SearchPlan, situation: Situation, number: int, suggestion: Suggestion
) -> Start | None:
    """The start of a person's setting, trained as the suggestion says; None where none is enqueued."""
    has_defaults = plan.shared.try_defaults
    enqueued = next_enqueued(situation.queue, study, number, _rng(study, number), has_defaults=has_defaults)
    if enqueued is None:
        return None
    suggestion = dataclasses.replace(suggestion, values=enqueued.values, fill="random")
    return Start(_begun(study, number, suggestion, [enqueued.note]), enqueued.taken)


def _begun(study: Study, number: int, answer: Suggestion | GoOn, notes: Sequence[Note] = ()) -> TrialBegun:
    if isinstance(answer, GoOn):
        source = _paused(study, answer.number)
        if source.is_outside:
            raise ValueError(
                f"The strategy wants to continue trial {source.number}, whose setting lies outside the space as "
                "build_fn asks for it now. A strategy that pauses trials leaves out those whose is_outside is true."
            )
        resumed_at = source.plan.pause_at or 0
        plan = dataclasses.replace(
            source.plan, pause_at=answer.pause_at, resumed_from=source.number, resumed_at=resumed_at
        )
        if not answer.begins_again:
            return _event(study, source.number, source.values, plan, 1, source.notes, source.memory)
        text = f"trained again from the first epoch, since its state after {resumed_at} epochs wasn't kept"
        plan = dataclasses.replace(plan, resumed_from=None, resumed_at=0)
        notes = (*source.notes, Note(text, "checkpoint"))
        return _event(study, source.number, source.values, plan, 1, notes, source.memory)
    plan = TrialPlan(
        epochs=answer.epochs,
        pause_at=answer.pause_at,
        resumed_from=answer.resume_from,
        resumed_at=0 if answer.resume_from is None else _paused(study, answer.resume_from).plan.pause_at or 0,
        continues_as_new_trial=answer.continues_as_new_trial,
        fill=answer.fill,
    )
    return _event(study, number, answer.values, plan, 1, notes, _as_json(answer.memory))


def _as_json(memory: Mapping[str, Any]) -> Mapping[str, Any]:
    """A strategy's memory as it is read from the journal, so that it is the same before and after a resumption."""
    try:
        read: Mapping[str, Any] = json.loads(json.dumps(dict(memory), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"Suggestion.memory has to be a dict of what JSON can hold (texts, finite numbers, lists, dicts): {error}."
        ) from error
    return ReadOnlyDict(read)


def _begun_again(study: Study, trial: Trial, attempt: int) -> TrialBegun:
    return _event(study, trial.number, trial.values, trial.plan, attempt, trial.notes, trial.memory)


def _event(
    study: Study,
    number: int,
    values: Mapping[str, Value],
    plan: TrialPlan,
    attempt: int,
    notes: Sequence[Note],
    memory: Mapping[str, Any],
) -> TrialBegun:
    return TrialBegun(
        trial=number,
        values=labelled(values, study.space),
        attempt=attempt,
        seed=run_seed(_seed(study), number),
        notes=tuple(notes),
        plan=plan,
        memory=memory,
    )


def _paused(study: Study, number: int) -> Trial:
    trial = study.trial(number) if number in study.records else None
    if trial is None or not trial.is_paused:
        raise ValueError(f"The strategy wants to continue trial {number}, and there is no paused trial of that number.")
    return trial


def _seed(study: Study) -> int:
    assert study.seed is not None
    return study.seed


def _rng(study: Study, number: int) -> np.random.Generator:
    return suggestion_rng(_seed(study), number)
