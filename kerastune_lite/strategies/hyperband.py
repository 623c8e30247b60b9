"""Hyperband: many settings train for few epochs, and the best of them for more (Li et al. 2018).

A bracket begins with n settings that train for r epochs. At each rung the best 1/factor of them continue, to `factor`
times as many epochs, until one or more are trained completely. All brackets train about equally many epochs, and spend
them differently: from many settings with few epochs each to few settings with all epochs, in case early epochs mislead.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from kerastune_lite.space import Space
from kerastune_lite.strategies.strategy import Answer, GoOn, Pause, Strategy, Suggestion
from kerastune_lite.study.trial import Trial, TrialState, inside


@dataclass(frozen=True)
class Rung:
    """A level of a bracket: how many of its trials train for how many epochs."""

    trials: int
    epochs: int


Bracket = tuple[Rung, ...]


def brackets(max_epochs: int, factor: int) -> list[Bracket]:
    """The brackets of one round, the one with the most settings first (Li et al. 2018, Algorithm 1 and Table 1).

    With s_max the largest whole s for which factor^s ≤ max_epochs, bracket s begins with
    floor((s_max + 1) / (s + 1)) · factor^s settings and max_epochs · factor^-s epochs. (Algorithm 1 rounds up;
    the paper's table, which is followed here, rounds down.)
    """
    largest = 0
    while factor ** (largest + 1) <= max_epochs:
        largest += 1
    planned = []
    for s in range(largest, -1, -1):
        settings = (largest + 1) // (s + 1) * factor**s
        epochs = [max(round(max_epochs / factor ** (s - rung)), 1) for rung in range(s + 1)]
        planned.append(tuple(Rung(settings // factor**rung, epochs[rung]) for rung in range(s + 1)))
    return planned


@dataclass(frozen=True)
class HyperbandStrategy:
    """Promotes the best trials of each rung, and takes new settings from another strategy.

    The trials of a bracket are consecutive, so that its state is known from the trials alone. The trials of a rung are
    compared once all of them have reached it; meanwhile the next bracket may begin. Where the space has fewer settings
    than a bracket asks for, its rungs shrink in proportion, and at least one trial is trained completely.

    Trials outside the space leave their brackets, and those after them move up: in a study that is resumed with another
    space, all brackets are filled with trials that count. One that moves into a bracket in which trials train longer
    before they are compared is trained as long.

    Attributes:
        inner: The strategy that chooses new settings.
        max_epochs: How many epochs the best trials train.
        factor: Keeps 1/factor of the trials at each rung.
        iterations: How many times all brackets are run.
        max_trials: How many settings are tried at most; None for as many as the brackets ask for.
    """

    pauses_all_runs: ClassVar[bool] = True

    inner: Strategy
    max_epochs: int
    factor: int = 3
    iterations: int = 1
    max_trials: int | None = None

    def __post_init__(self) -> None:
        if self.factor < 2 or self.max_epochs < self.factor or self.iterations < 1:
            raise ValueError(
                "Hyperband needs a factor of at least 2, max_epochs of at least the factor, and at least 1 iteration. "
                f"Received: factor={self.factor!r}, max_epochs={self.max_epochs!r}, iterations={self.iterations!r}."
            )

    @property
    def planned_epochs(self) -> int:
        """How many epochs are trained in all, if no training ends by itself and the space has enough settings."""
        total = 0
        for first, bracket in self._places():
            entrants = bracket[0].trials if self.max_trials is None else min(bracket[0].trials, self.max_trials - first)
            if entrants <= 0:
                break
            trained = (0, *(rung.epochs for rung in bracket))
            for rung, before in zip(bracket, trained, strict=False):
                total += _members_of(rung, bracket, entrants) * (rung.epochs - before)
        return total

    @property
    def first_pause(self) -> int:
        """After how many epochs a trial pauses at the earliest."""
        return min(bracket[0].epochs for bracket in brackets(self.max_epochs, self.factor))

    @property
    def ending(self) -> str:
        """Why the search has ended; shown to the user."""
        return "all brackets are done"

    def suggest(self, space: Space, trials: Sequence[Trial], rng: np.random.Generator) -> Answer:
        """A new setting for a bracket that isn't full, or the next trial to promote."""
        trials = inside(trials)
        number = len(trials)
        is_waiting = False
        for first, bracket in self._places():
            if number < first + bracket[0].trials and (self.max_trials is None or number < self.max_trials):
                answer = self.inner.suggest(space, trials, rng)
                if isinstance(answer, Suggestion):
                    return replace(answer, epochs=self.max_epochs, pause_at=self._pause_of(bracket[0]))
                if answer is Pause.WAIT:
                    return Pause.WAIT
            members = trials[first : first + bracket[0].trials]
            for trial in _behind(bracket, members):
                return GoOn(trial.number, pause_at=self._pause_of(bracket[0]))
            for above, best, is_final in _promotions(bracket, members):
                for trial in best if is_final else ():
                    if trial.is_paused and len(trial.best_so_far) < above.epochs:
                        return GoOn(trial.number, pause_at=self._pause_of(above))
            is_waiting |= any(not trial.state.ended for trial in members)
        return Pause.WAIT if is_waiting else Pause.DONE

    @property
    def plan(self) -> Mapping[str, int]:
        """The numbers that decide which trials are in which bracket, and when they pause."""
        return {"max_epochs": self.max_epochs, "factor": self.factor}

    def has_place_for(self, trial: Trial) -> bool:
        """Whether a trial is to train max_epochs, and pauses at a rung."""
        pauses = {self._pause_of(rung) for _, bracket in self._places() for rung in bracket}
        return trial.plan.epochs == self.max_epochs and trial.plan.pause_at in pauses

    def goes_on_from(self, trials: Sequence[Trial]) -> bool:
        """True: brackets that trials have left are filled with new ones."""
        return True

    def resumable(self, trials: Sequence[Trial]) -> set[int]:
        """The numbers of the paused trials that may still be promoted: the best of each rung so far."""
        trials = inside(trials)
        last = len(trials) - 1
        numbers: set[int] = set()
        for first, bracket in self._places():
            members = trials[first : first + bracket[0].trials]
            numbers |= {trial.number for trial in _behind(bracket, members)}
            has_promoted = any(trial.plan.resumed_from is not None for trial in members)
            may_grow = last < first + bracket[0].trials - 1 and not has_promoted
            for above, best, is_final in _promotions(bracket, members, may_grow=may_grow):
                numbers |= {t.number for t in best if t.is_paused and len(t.best_so_far) < above.epochs}
                if not is_final:
                    break
        return numbers

    def _pause_of(self, rung: Rung) -> int | None:
        return rung.epochs if rung.epochs < self.max_epochs else None

    def _places(self) -> Iterator[tuple[int, Bracket]]:
        """The number of each bracket's first trial, and the bracket, in the order in which they begin."""
        first = 0
        one_round = brackets(self.max_epochs, self.factor)
        for _ in range(self.iterations):
            for bracket in one_round:
                yield first, bracket
                first += bracket[0].trials


def _members_of(rung: Rung, bracket: Bracket, entrants: int) -> int:
    """How many trials reach a rung of a bracket that begins with `entrants` trials: at least one."""
    return max(rung.trials * entrants // bracket[0].trials, 1)


def _behind(bracket: Bracket, members: Sequence[Trial]) -> list[Trial]:
    """The paused trials that haven't reached the first rung, since they came from a bracket with an earlier one."""
    return [trial for trial in members if trial.is_paused and len(trial.best_so_far) < bracket[0].epochs]


def _promotions(
    bracket: Bracket, members: Sequence[Trial], *, may_grow: bool = False
) -> Iterator[tuple[Rung, list[Trial], bool]]:
    """Each rung above the first, the trials that are best placed for it, and whether that is final.

    It is final once all trials of the rung below have reached that rung. Rungs above one that isn't final are left out.

    Args:
        bracket: The bracket.
        members: Its trials.
        may_grow: Whether more trials may join the bracket; then nothing is final.
    """
    entrants = list(members)
    for here, above in itertools.pairwise(bracket):
        count = above.trials
        if not may_grow:
            count = _members_of(above, bracket, len(members))
        arrived = [trial for trial in entrants if _has_arrived(trial, here.epochs)]
        best = sorted(arrived, key=lambda trial: (_score_after(trial, here.epochs), trial.number))[:count]
        is_final = len(arrived) == len(entrants) and not may_grow
        yield above, best, is_final
        if not is_final:
            return
        entrants = best


def _has_arrived(trial: Trial, epochs: int) -> bool:
    """Whether a trial has reached a rung of that many epochs, or has ended and will not reach it."""
    if trial.state.ended:
        return not (trial.is_paused and len(trial.best_so_far) < epochs)
    return trial.plan.resumed_from == trial.number and trial.plan.resumed_at >= epochs


def _score_after(trial: Trial, epochs: int) -> float:
    """The best score after that many epochs, or fewer if the trial ended by itself; inf where there is none.

    A trial that failed before it went on from there has none: it may lack one of several trainings.
    """
    curve = trial.best_so_far[:epochs]
    went_on = trial.plan.resumed_from == trial.number and trial.plan.resumed_at >= epochs
    if not curve or (trial.state is TrialState.FAILED and not went_on):
        return math.inf
    return curve[-1]
