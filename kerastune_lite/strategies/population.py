"""Population based training: settings change while they train (Jaderberg et al. 2017).

The members of a population train in turns of a few epochs. Each turn of a member is a trial of its own, which continues
from the weights of a trial of the turn before. After a turn, each member of the worst quarter takes over the weights of
one of the best quarter, with its setting changed a little; all other members continue with their own weights and
setting. So the setting of the best member is a schedule over epochs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kerastune_lite.space import Choice, Parameter, Space, Value, is_number, same_value
from kerastune_lite.strategies.strategy import Answer, Pause, Strategy, Suggestion
from kerastune_lite.study.trial import Trial, inside

FACTORS = (0.8, 1.2)
"""A number is multiplied by one of these (Jaderberg et al. 2017, Appendix A)."""
REDRAWN = 0.25
"""The probability that a parameter is drawn again from its whole range instead."""
SMALLEST = 4
"""The smallest population: a smaller one has no worst and no best quarter."""

Layout = Callable[[Mapping[str, Value]], Hashable]
"""The shapes of the weights that a setting leads to: settings with equal layouts can take over each other's weights."""


@dataclass(frozen=True)
class PopulationStrategy:
    """Trains a population in turns, after each of which the worst quarter takes over the weights of the best.

    Trial n is the turn n // population of member n % population, so the population's state is known from the trials
    alone. A turn begins when all members have ended the one before. A member that failed, whose training ended by
    itself, or whose setting lies outside the space now, takes over weights too.

    Attributes:
        inner: The strategy that chooses the first settings.
        population: How many members there are.
        interval: How many epochs a turn has.
        epochs: How many epochs each member trains in all.
        layout: The shapes of the weights that a setting leads to. A change that would need other weights isn't made:
            such a parameter keeps its value.
    """

    inner: Strategy
    population: int
    interval: int
    epochs: int
    layout: Layout

    def __post_init__(self) -> None:
        if self.population < SMALLEST or not 1 <= self.interval < self.epochs:
            raise ValueError(
                f"Population based training needs a population of at least {SMALLEST} and an interval of at least 1 "
                f"and shorter than the training. Received: population={self.population!r}, "
                f"interval={self.interval!r}, epochs={self.epochs!r}."
            )

    @property
    def first_pause(self) -> int:
        """After how many epochs a trial pauses at the earliest."""
        return self.interval

    @property
    def ending(self) -> str:
        """Why the search has ended; shown to the user."""
        return f"the population has trained for {self.epochs} epochs"

    def suggest(self, space: Space, trials: Sequence[Trial], rng: np.random.Generator) -> Answer:
        """The next turn of the next member."""
        turn, member = divmod(max((trial.number for trial in trials), default=-1) + 1, self.population)
        if turn * self.interval >= self.epochs:
            return Pause.DONE
        before = self._members(trials, turn - 1)
        if any(not trial.state.ended for trial in inside(before)):
            return Pause.WAIT
        until = (turn + 1) * self.interval
        pause_at = until if until < self.epochs else None
        ranked = sorted((trial for trial in inside(before) if trial.is_paused), key=_by_score)
        if not ranked:
            return self._new(space, trials, rng, pause_at)
        quarter = self.population // SMALLEST
        worst = ranked[self.population - quarter :]
        own = next(trial for trial in before if trial.number % self.population == member)
        if own in ranked and own not in worst:
            return self._turn(own.values, pause_at, own.number)
        best = ranked[int(rng.integers(min(quarter, len(ranked))))]
        values = changed(best.values, space, self.layout, rng)
        return self._turn(values, pause_at, best.number)

    @property
    def plan(self) -> Mapping[str, int]:
        """The numbers that decide which member's turn a trial is, and when it pauses."""
        return {"population": self.population, "interval": self.interval, "epochs": self.epochs}

    def has_place_for(self, trial: Trial) -> bool:
        """Whether a trial is the turn that the plan has for its number."""
        until = (trial.number // self.population + 1) * self.interval
        pause_at = until if until < self.epochs else None
        plan = trial.plan
        return plan.continues_as_new_trial and plan.epochs == self.epochs and plan.pause_at == pause_at

    def goes_on_from(self, trials: Sequence[Trial]) -> bool:
        """Whether a member of the latest complete turn, or of a later one, lies in the space.

        If not, nobody is left whose training goes on.
        """
        turns = max((trial.number for trial in trials), default=-1) + 1
        first = (turns // self.population - 1) * self.population
        return first < 0 or any(trial.number >= first for trial in inside(trials))

    def resumable(self, trials: Sequence[Trial]) -> set[int]:
        """The paused trials of the latest turn, and of the turn before until the latest one is complete."""
        turn = (max((trial.number for trial in trials), default=-1) + 1) // self.population
        return {t.number for t in trials if t.is_paused and t.number // self.population >= turn - 1}

    def _members(self, trials: Sequence[Trial], turn: int) -> list[Trial]:
        return [trial for trial in trials if trial.number // self.population == turn]

    def _new(self, space: Space, trials: Sequence[Trial], rng: np.random.Generator, pause_at: int | None) -> Answer:
        """A turn with a new setting; in a space with fewer settings than members, some of them are tried twice."""
        answer = self.inner.suggest(space, inside(trials), rng)
        if answer is Pause.WAIT:
            return answer
        values = answer.values if isinstance(answer, Suggestion) else space.decode(rng.random(len(space)))
        return self._turn(values, pause_at)

    def _turn(self, values: Mapping[str, Value], pause_at: int | None, resume_from: int | None = None) -> Suggestion:
        return Suggestion(
            values, epochs=self.epochs, pause_at=pause_at, resume_from=resume_from, continues_as_new_trial=True
        )


def changed(values: Mapping[str, Value], space: Space, layout: Layout, rng: np.random.Generator) -> dict[str, Value]:
    """A setting near another one: each parameter is multiplied, moved or drawn again, if the weights still fit then.

    Args:
        values: The setting to change.
        space: The parameters.
        layout: The shapes of the weights that a setting leads to; the changed setting has the same ones.
        rng: The generator to draw with.
    """
    new, own = dict(values), layout(values)
    for name, value in values.items():
        parameter = space.get(name)
        if parameter is None or parameter.size == 1:
            continue
        proposed = {**values, name: _changed(parameter, value, rng)}
        if not same_value(proposed[name], value) and layout(proposed) == own:
            new[name] = proposed[name]
    # Changes that fit one by one may not fit together.
    return new if layout(new) == own else dict(values)


def _changed(parameter: Parameter, value: Value, rng: np.random.Generator) -> Value:
    is_redrawn = rng.random() < REDRAWN
    drawn = parameter.decode(float(rng.random()))
    is_up = bool(rng.random() < 0.5)
    if is_redrawn:
        return drawn
    if isinstance(parameter, Choice):
        return _neighbour(parameter, value, is_up=is_up) if _is_ordered(parameter) else value
    multiplied = value * FACTORS[is_up]
    if parameter.size < math.inf:
        points = parameter.grid(2)
        nearest = points[int(np.abs(np.asarray(points) - multiplied).argmin())]
        return _neighbour(parameter, value, is_up=is_up) if same_value(nearest, value) else nearest
    return parameter.nearest(min(max(multiplied, parameter.decode(0.0)), parameter.decode(math.nextafter(1.0, 0.0))))


def _neighbour(parameter: Parameter, value: Value, *, is_up: bool) -> Value:
    points = parameter.grid(2)
    place = parameter.index_of(value) + (1 if is_up else -1)
    return points[min(max(place, 0), len(points) - 1)]


def _is_ordered(parameter: Choice) -> bool:
    options = parameter.options
    return all(map(is_number, options)) and list(options) in (sorted(options), sorted(options, reverse=True))


def _by_score(trial: Trial) -> tuple[float, int]:
    return (float("inf") if trial.score is None else trial.score, trial.number)
