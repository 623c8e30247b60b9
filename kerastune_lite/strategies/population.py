"""Population based training: settings that change while they train (Jaderberg et al. 2017).

A population trains in turns of some epochs, each member's turn a trial of its own that goes on from weights of the turn
before. After a turn the worst quarter takes over the weights of one of the best and tries its setting changed a little;
all others go on as they were. So the best member's setting is a schedule over epochs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kerastune_lite.space import Choice, Parameter, Space, Value, is_number, same_value
from kerastune_lite.strategies.strategy import Answer, Pause, Strategy, Suggestion
from kerastune_lite.study.trial import Trial

FACTORS = (0.8, 1.2)
"""A number is multiplied by one of these (Jaderberg et al. 2017, Appendix A)."""
REDRAWN = 0.25
"""How often a parameter is drawn anew instead."""
SMALLEST = 4
"""A smaller population has no worst and no best quarter."""

Layout = Callable[[Mapping[str, Value]], Hashable]
"""What of a setting decides whether weights fit: settings with equal layouts can take over each other's."""


@dataclass(frozen=True)
class PopulationStrategy:
    """Trains a population in turns and lets the worst quarter of it take over from the best.

    Trial n is the turn n // population of member n % population, so everything is known from the trials. A turn begins
    when all members have ended the one before. A member that failed, or whose training ended by itself, takes over too.

    Attributes:
        inner: What draws the first settings.
        population: How many members there are.
        interval: How many epochs a turn has.
        epochs: How many epochs each member trains.
        layout: Tells settings with other weights apart. A change that would need other weights isn't made: such
            parameters are inherited.
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
    def ending(self) -> str:
        """What a person is told when the search is over."""
        return f"the population has trained for {self.epochs} epochs"

    def suggest(self, space: Space, trials: Sequence[Trial], rng: np.random.Generator) -> Answer:
        """The next member's next turn."""
        turn, member = divmod(max((trial.number for trial in trials), default=-1) + 1, self.population)
        if turn * self.interval >= self.epochs:
            return Pause.DONE
        before = self._members(trials, turn - 1)
        if any(not trial.state.ended for trial in before):
            return Pause.WAIT
        until = (turn + 1) * self.interval
        pause_at = until if until < self.epochs else None
        ranked = sorted((trial for trial in before if trial.is_paused), key=_by_score)
        if not ranked:
            return self._new(space, trials, rng, pause_at)
        quarter = self.population // SMALLEST
        worst = ranked[self.population - quarter :]
        own = next(trial for trial in before if trial.number % self.population == member)
        if own.is_paused and own not in worst:
            return self._turn(own.values, pause_at, own.number)
        best = ranked[int(rng.integers(min(quarter, len(ranked))))]
        values = changed(best.values, space, self.layout, rng)
        return self._turn(values, pause_at, best.number)

    def resumable(self, trials: Sequence[Trial]) -> set[int]:
        """The paused members of the latest turn, and of the one before while the latest isn't whole."""
        turn = (max((trial.number for trial in trials), default=-1) + 1) // self.population
        return {t.number for t in trials if t.is_paused and t.number // self.population >= turn - 1}

    def _members(self, trials: Sequence[Trial], turn: int) -> list[Trial]:
        return [trial for trial in trials if trial.number // self.population == turn]

    def _new(self, space: Space, trials: Sequence[Trial], rng: np.random.Generator, pause_at: int | None) -> Answer:
        """A setting of its own: a space with fewer settings than members has some of them twice."""
        answer = self.inner.suggest(space, trials, rng)
        if answer is Pause.WAIT:
            return answer
        values = answer.values if isinstance(answer, Suggestion) else space.decode(rng.random(len(space)))
        return self._turn(values, pause_at)

    def _turn(self, values: Mapping[str, Value], pause_at: int | None, resume_from: int | None = None) -> Suggestion:
        return Suggestion(values, epochs=self.epochs, pause_at=pause_at, resume_from=resume_from, continues_as_new_trial=True)


def changed(values: Mapping[str, Value], space: Space, layout: Layout, rng: np.random.Generator) -> dict[str, Value]:
    """A setting whose parameters are multiplied, moved or drawn anew, as far as the weights still fit."""
    new, own = dict(values), layout(values)
    for name, value in values.items():
        parameter = space.get(name)
        if parameter is None or parameter.size == 1:
            continue
        proposed = {**values, name: _changed(parameter, value, rng)}
        if not same_value(proposed[name], value) and layout(proposed) == own:
            new[name] = proposed[name]
    # Parameters that are harmless one by one may still not be together.
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
    return min(max(multiplied, parameter.decode(0.0)), parameter.decode(math.nextafter(1.0, 0.0)))


def _neighbour(parameter: Parameter, value: Value, *, is_up: bool) -> Value:
    points = parameter.grid(2)
    place = parameter.index_of(value) + (1 if is_up else -1)
    return points[min(max(place, 0), len(points) - 1)]


def _is_ordered(parameter: Choice) -> bool:
    options = parameter.options
    return all(map(is_number, options)) and list(options) in (sorted(options), sorted(options, reverse=True))


def _by_score(trial: Trial) -> tuple[float, int]:
    return (float("inf") if trial.score is None else trial.score, trial.number)
