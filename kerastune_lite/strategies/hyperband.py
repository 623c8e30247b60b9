"""Hyperband: many settings get few epochs, the best of them more (Li et al. 2018).

A bracket begins with n settings that train for r epochs; at each rung the best of them, one in `factor`, go on to
`factor` times as many epochs, until one or more have had them all. Brackets differ in how they spend about the same
epochs: from many settings with few epochs each to few settings with all of them, in case early epochs mislead.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kerastune_lite.space import Space
from kerastune_lite.strategies.strategy import Answer, GoOn, Pause, Strategy, Suggestion
from kerastune_lite.study.trial import Trial, TrialState


@dataclass(frozen=True)
class Rung:
    """How many trials of a bracket get how many epochs."""

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
    """Promotes the best trials of each rung, and draws new settings from another strategy.

    The trials of a bracket have consecutive numbers, so everything is known from the trials. The trials of a rung are
    compared once all of them have got there; meanwhile the next bracket may begin. Where the space has fewer settings
    than a bracket asks for, its rungs shrink with it, and one trial at least goes on to the end.

    Attributes:
        inner: What draws new settings.
        max_epochs: How many epochs the best trials train.
        factor: One trial in so many goes on.
        iterations: How many times all brackets are run.
        max_trials: How many settings are tried at most; None for all that the brackets ask for.
    """

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
        """How many epochs the brackets ask for, where no training ends by itself and the space has enough settings."""
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
    def ending(self) -> str:
        """What a person is told when the search is over."""
        return "all brackets are done"

    def suggest(self, space: Space, trials: Sequence[Trial], rng: np.random.Generator) -> Answer:
        """A trial to promote, or a new one for a bracket that isn't full."""
        number = max((trial.number for trial in trials), default=-1) + 1
        is_waiting = False
        for first, bracket in self._places():
            if number < first + bracket[0].trials and (self.max_trials is None or number < self.max_trials):
                answer = self.inner.suggest(space, trials, rng)
                if isinstance(answer, Suggestion):
                    return replace(answer, epochs=self.max_epochs, pause_at=self._pause_of(bracket[0]))
                if answer is Pause.WAIT:
                    return Pause.WAIT
            members = _numbered(trials, first, bracket[0].trials)
            for above, best, is_settled in _promotions(bracket, members):
                for trial in best if is_settled else ():
                    if trial.is_paused and len(trial.best_so_far) < above.epochs:
                        return GoOn(trial.number, pause_at=self._pause_of(above))
            is_waiting |= any(not trial.state.ended for trial in members)
        return Pause.WAIT if is_waiting else Pause.DONE

    def resumable(self, trials: Sequence[Trial]) -> set[int]:
        """The paused trials that are among the best of their rung so far, and so may still be promoted."""
        last = max((trial.number for trial in trials), default=-1)
        numbers: set[int] = set()
        for first, bracket in self._places():
            members = _numbered(trials, first, bracket[0].trials)
            may_grow = last < first + bracket[0].trials - 1 and all(trial.plan.resumed_from is None for trial in members)
            for above, best, is_settled in _promotions(bracket, members, may_grow=may_grow):
                numbers |= {t.number for t in best if t.is_paused and len(t.best_so_far) < above.epochs}
                if not is_settled:
                    break
        return numbers

    def _pause_of(self, rung: Rung) -> int | None:
        return rung.epochs if rung.epochs < self.max_epochs else None

    def _places(self) -> Iterator[tuple[int, Bracket]]:
        """The brackets in the order in which they begin, with the number of their first trial."""
        first = 0
        one_round = brackets(self.max_epochs, self.factor)
        for _ in range(self.iterations):
            for bracket in one_round:
                yield first, bracket
                first += bracket[0].trials


def _members_of(rung: Rung, bracket: Bracket, entrants: int) -> int:
    """How many trials get to a rung where a bracket begins with so many."""
    return max(rung.trials * entrants // bracket[0].trials, 1)


def _numbered(trials: Sequence[Trial], first: int, count: int) -> list[Trial]:
    return [trial for trial in trials if first <= trial.number < first + count]


def _promotions(
    bracket: Bracket, members: Sequence[Trial], *, may_grow: bool = False
) -> Iterator[tuple[Rung, list[Trial], bool]]:
    """Each rung above the first, the best trials for it so far, and whether that is settled.

    It is once all trials of the rung below have got there. The rungs above one that isn't settled are left out.
    """
    entrants = list(members)
    for here, above in itertools.pairwise(bracket):
        count = above.trials
        if not may_grow:
            count = _members_of(above, bracket, len(members))
        arrived = [trial for trial in entrants if _has_arrived(trial, here.epochs)]
        best = sorted(arrived, key=lambda trial: (_score_after(trial, here.epochs), trial.number))[:count]
        is_settled = len(arrived) == len(entrants) and not may_grow
        yield above, best, is_settled
        if not is_settled:
            return
        entrants = best


def _has_arrived(trial: Trial, epochs: int) -> bool:
    """Whether a trial has got to a rung, or will not go on to it."""
    if trial.state.ended:
        return not (trial.is_paused and len(trial.best_so_far) < epochs)
    return trial.plan.resumed_from == trial.number and trial.plan.resumed_at >= epochs


def _score_after(trial: Trial, epochs: int) -> float:
    """The best score after so many epochs, or after fewer where the trial ended by itself; inf where there is none."""
    curve = trial.best_so_far[:epochs]
    if not curve or (trial.state is TrialState.FAILED and len(curve) < epochs):
        return math.inf
    return curve[-1]
