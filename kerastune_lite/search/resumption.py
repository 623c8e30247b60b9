"""What a resumed search asks before it goes on: does build_fn still ask for what the study's trials were asked?

Ranges are compared where parameters are asked for (space/space.py). Which parameters a setting leads to only build_fn
itself knows: it is called with the settings of earlier trials, and nothing is trained.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kerastune_lite.errors import RangeChangedError, StudyMismatchError
from kerastune_lite.execution.quick_collection import quick_collection
from kerastune_lite.running.task import Shared
from kerastune_lite.space import HyperParameters, Space, Value
from kerastune_lite.strategies.strategy import PlannedStrategy, StrategySource
from kerastune_lite.study.events import ParametersKnown, SpaceReviewed
from kerastune_lite.study.study import Study
from kerastune_lite.study.trial import Trial, TrialState
from kerastune_lite.study.writer import Draft, StudyWriter, mismatch

if TYPE_CHECKING:
    from kerastune_lite.training.asking import End

MOST_FIRST = 8
"""How many settings build_fn is asked with at the beginning: one for each set of parameters that trials have."""
MOST_BUILDS, MOST_SECONDS = 200, 60.0
"""How many settings of earlier trials it is asked with in all, the best first, and how long at most. Trials that are
left over are taken to be like the others that have the same parameters."""


@dataclass(frozen=True)
class Answer:
    """What build_fn asked for with an earlier trial's setting.

    Attributes:
        names: The active parameters, in the order in which they were asked for.
        is_complete: Whether it came to its end. If not, it may have had more to ask.
    """

    names: tuple[str, ...]
    is_complete: bool

    def differs_from(self, trial: Trial) -> bool:
        """Whether the trial was asked for other parameters."""
        asked, held = frozenset(self.names), frozenset(trial.values)
        return asked != held if self.is_complete else not asked <= held

    def is_news(self, trial: Trial, *, differed: bool) -> bool:
        """Whether this changes what is known of a trial: that it differs or not, or the order of its parameters.

        Args:
            trial: The trial.
            differed: Whether it was known to differ.
        """
        if self.differs_from(trial) != differed:
            return self.is_complete or not differed
        return self.is_complete and not differed and self.names != tuple(trial.values)


def check_plan(study: Study, strategy: StrategySource, tuner: str) -> None:
    """StudyMismatchError where the trials of a study have no place in the plan of a strategy that makes one.

    What the study was planned with stands in its journal. Journals of earlier versions don't have it; their trials
    show it, as far as they tell.
    """
    if not isinstance(strategy, PlannedStrategy):
        return
    plan = strategy.plan
    before = {name: known for name, known in _planned(study).items() if name in plan}
    is_other = bool(study.records) and bool(before) and before != dict(plan)
    foreign = None if before else _foreign(study, strategy)
    if not is_other and foreign is None:
        return
    begun = f"its trials were begun with {_in_words(before)}"
    if not is_other and foreign is not None:
        begun = f"its trial {foreign.number} was begun {_epochs_in_words(foreign)}"
    difference = (
        f"{begun}, and {tuner} has {_in_words(plan)} now, by which they can't go on. To continue that study, search "
        "as before"
    )
    raise StudyMismatchError(mismatch(study.directory, difference))


def _foreign(study: Study, strategy: PlannedStrategy) -> Trial | None:
    """A trial of a study whose plan isn't known that shows that it was another one; None where there is none."""
    foreign = [trial for trial in study.trials if not strategy.has_place_for(trial)]
    if study.latest_search is None and len(foreign) < len(study.records):
        # A trial whose beginning can't be read any more tells nothing of its plan.
        foreign = [trial for trial in foreign if trial.plan.epochs is not None]
    return next(iter(foreign), None)


def check_goes_on(study: Study, strategy: StrategySource, tuner: str) -> None:
    """StudyMismatchError where too many trials of a plan lie outside the space as build_fn asks for it now."""
    if isinstance(strategy, PlannedStrategy) and not strategy.goes_on_from(study.to_minimise()):
        difference = (
            f"none of the trials from which {tuner} would go on lies in the space as build_fn asks for it now. To "
            "continue that study, ask for what it was asked"
        )
        raise StudyMismatchError(mismatch(study.directory, difference))


def _planned(study: Study) -> Mapping[str, Any]:
    planned = (study.latest_search or {}).get("strategy", {})
    return planned if isinstance(planned, Mapping) else {}


def _in_words(plan: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in plan.items())


def _epochs_in_words(trial: Trial) -> str:
    if trial.plan.epochs is None:
        return "by a search that made no such plan"
    pause = "" if trial.plan.pause_at is None else f", pausing after {trial.plan.pause_at}"
    return f"to train {trial.plan.epochs} epochs{pause}"


class Reviewer:
    """Asks build_fn with the settings of earlier trials, and journals which of them lie outside the space now.

    Args:
        shared: What the trials of this search share.
        writer: The study.
        clock: Tells the seconds that have passed.

    Attributes:
        has_asked_all: Whether it was asked with every earlier trial's setting, as far as the bounds allow.
    """

    def __init__(self, shared: Shared, writer: StudyWriter, clock: Callable[[], float] = time.monotonic) -> None:
        self.has_asked_all = False
        self._shared = shared
        self._writer = writer
        self._clock = clock
        self._earlier = tuple(trial.number for trial in writer.study.trials if trial.state.ended)
        self._names_before = {name for number in self._earlier for name in writer.study.records[number].values}
        self._answers: dict[int, Answer] = {}

    def begin(self, check: Callable[[Study], None] = lambda study: None) -> None:
        """Asks with one trial of each kind, and where build_fn asks for something else now, with all of them.

        Args:
            check: Is given the study as it would be, and raises what keeps it from being journaled.

        Raises:
            StudyMismatchError: A parameter has another kind now, or there is nothing that build_fn still asks for.
        """
        draft = Draft(self._writer.study)
        trials = representatives(draft.study, best_of_all_first(draft.study, self._earlier))
        self._ask(trials, draft, may_train=True)
        known = [trial for trial in trials if trial.number in self._answers]
        differing = self._writer.study.differing
        if any(self._answers[t.number].is_news(t, differed=t.number in differing) for t in known):
            self._ask_all(draft)
        check(draft.study)
        draft.carry_out(self._writer)

    def review(self) -> bool:
        """Asks with all earlier trials; tells whether that has changed the space or which trials lie in it."""
        before, draft = self._writer.study, Draft(self._writer.study)
        self._ask_all(draft)
        draft.carry_out(self._writer)
        return _shape_of(self._writer.study) != _shape_of(before)

    def _ask_all(self, draft: Draft) -> None:
        self.has_asked_all = True
        self._ask(best_of_all_first(draft.study, self._earlier), draft)
        event = reviewed(draft.study, self._earlier, self._answers)
        if event.dropped or frozenset(event.differing) != draft.study.differing:
            draft.append(event)
        for number, values in reordered(draft.study, self._earlier, self._answers).items():
            draft.append(ParametersKnown(trial=number, values=values))

    def _ask(self, trials: Iterable[Trial], draft: Draft, *, may_train: bool = False) -> None:
        started, space = self._clock(), draft.study.space
        new = [trial for trial in trials if trial.number not in self._answers]
        with quick_collection() if new else nullcontext():
            for trial in new:
                if len(self._answers) >= MOST_BUILDS or self._clock() - started > MOST_SECONDS:
                    break
                space = self._asked(trial, space, may_train=may_train)
        draft.learn(space)

    def _asked(self, trial: Trial, space: Space, *, may_train: bool) -> Space:
        """Asks with one setting; returns the space with what build_fn asked for.

        A function that trains by itself is left where its training begins. Where it hasn't asked for all that the trial
        has by then, only its training can show whether it still does: it is trained once, if it may be.
        """
        from kerastune_lite.training.asking import End

        hp, end = self._called(trial, space)
        if may_train and end is End.AT_TRAINING and not hp.values.keys() >= trial.values.keys():
            hp, end = self._called(trial, space, may_train=True)
        check_same_build_fn(self._writer.study, self._names_before, [parameter.name for parameter in hp.asked])
        self._answers[trial.number] = Answer(tuple(hp.values), is_complete=end is End.COMPLETE)
        return hp.space

    def _called(self, trial: Trial, space: Space, *, may_train: bool = False) -> tuple[HyperParameters, End]:
        """Calls build_fn with a trial's setting; returns the `hp` that it asked, and how that ended."""
        from kerastune_lite.training.asking import ask

        # Another trial's build may have asked already for a range without this one's value, or the space may have been
        # without the name for a while.
        held = {name: v for name, v in trial.values.items() if name in space.remembered or space.contains({name: v})}
        hp = HyperParameters(held, space.remembering(held), presets=self._shared.presets)
        try:
            return hp, ask(self._shared, hp, may_train=may_train)
        except RangeChangedError as error:
            conflicts = space.conflicts(hp.asked)
            if not conflicts:
                raise
            directory = self._writer.study.directory
            raise StudyMismatchError(mismatch(directory, "; ".join(conflicts))) from error


def check_same_build_fn(study: Study, before: Iterable[str], names: Sequence[str]) -> None:
    """StudyMismatchError where build_fn asks for parameters, and for none of those that it asked for before."""
    known = set(before)
    if known and names and not known.intersection(names):
        difference = f"its build_fn asked for {', '.join(sorted(known))}, and this one asks for {', '.join(names)}"
        raise StudyMismatchError(mismatch(study.directory, difference))


def best_of_all_first(study: Study, numbers: Iterable[int]) -> list[Trial]:
    """Trials in the order in which build_fn is asked with them: those that count first, and of these the best."""
    ranked = [trial.number for trial in study.leaderboard()]
    others = sorted((trial.is_outside, trial.number) for trial in study.trials)
    wanted = set(numbers)
    order = dict.fromkeys([*ranked, *(number for _, number in others)])
    return [study.trial(number) for number in order if number in wanted]


def representatives(study: Study, ordered: Sequence[Trial]) -> list[Trial]:
    """The first trial of each set of parameters that trials have, or any trial where none has ended with a score.

    Of trials that differ from what build_fn asked for last there is one too: it may have been changed back.
    """
    by_names: dict[tuple[bool, frozenset[str]], Trial] = {}
    for trial in ordered:
        if trial.state is not TrialState.FAILED and trial.number not in study.outranged:
            by_names.setdefault((trial.is_outside, frozenset(trial.values)), trial)
    return list(by_names.values())[:MOST_FIRST] or list(ordered[:1])


def reviewed(study: Study, earlier: Sequence[int], answers: Mapping[int, Answer]) -> SpaceReviewed:
    """What the answers of build_fn say of a study's earlier trials and of its space.

    A trial with a value outside its range is outside anyway. Since build_fn was answered with another value in its
    place, that says nothing of the parameters that belong to the trial, and what was known of them is kept.

    Args:
        study: The study, whose space has learnt all that build_fn asked for.
        earlier: The numbers of the trials that had ended when the search began.
        answers: What build_fn asked for, by the number of the trial with whose setting it was asked.
    """
    judged = {
        number: differs
        for number, answer in answers.items()
        if number not in study.outranged
        and ((differs := answer.differs_from(study.trial(number))) or answer.is_complete)
    }
    verdicts: dict[frozenset[str], set[bool]] = {}
    for number, differs in judged.items():
        verdicts.setdefault(frozenset(study.records[number].values), set()).add(differs)
    differing = []
    for number in earlier:
        alike = verdicts.get(frozenset(study.records[number].values), set()) if number not in study.outranged else set()
        unknown = alike == {True} or (alike != {False} and number in study.differing)
        if judged.get(number, unknown):
            differing.append(number)
    held = {
        name
        for number, record in study.records.items()
        if number not in differing and number not in study.outranged and record.state.ended
        for name in record.values
    }
    is_known = any(answer.is_complete for answer in answers.values())
    dropped = [p.name for p in study.space if p.name in study.space.remembered and p.name not in held]
    return SpaceReviewed(differing=tuple(differing), dropped=tuple(dropped) if is_known else ())


def reordered(study: Study, earlier: Sequence[int], answers: Mapping[int, Answer]) -> dict[int, Mapping[str, Value]]:
    """The settings of the trials whose parameters are asked for in another order now, in that order, by their numbers.

    A strategy learns from the order which parameter decides about which. Trials that build_fn wasn't asked with are
    ordered like another one with the same parameters.
    """
    orders = {frozenset(answer.names): answer.names for answer in answers.values() if answer.is_complete}
    settings: dict[int, Mapping[str, Value]] = {}
    for number in earlier:
        values, answer = study.records[number].values, answers.get(number)
        order = orders.get(frozenset(values), tuple(values))
        if answer is not None and answer.is_complete and set(answer.names) == set(values):
            order = answer.names
        if order != tuple(values):
            settings[number] = {name: values[name] for name in order}
    return settings


def _shape_of(study: Study) -> tuple[object, ...]:
    """What a strategy's answer depends on besides the trials' scores."""
    orders = [tuple(record.values) for record in study.records.values()]
    return [parameter.describe() for parameter in study.space], study.differing, study.outranged, orders


def remark_on(study: Study) -> list[str]:
    """What a person is told of the trials that lie outside the space, when a search begins."""
    outside = len(study.outside)
    if not outside:
        return []
    lie = "lies" if outside == 1 else "lie"
    they = "it stays in the record and doesn't" if outside == 1 else "they stay in the record and don't"
    return [
        f"{outside} of {len(study.records)} trials {lie} outside the space as build_fn asks for it now: {they} count"
    ]
