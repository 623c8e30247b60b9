"""The protocol of a strategy: how it is asked for the next trial, and what it may answer.

A strategy is frozen settings and one pure function. The function is given all that it may use, every trial until now
included, and nothing is remembered between two calls: a resumed search asks the same questions and gets the same
answers. A strategy always minimises; the search turns the sign of a "max" objective's scores before it asks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol, runtime_checkable

import numpy as np

from kerastune_lite.space import Space, Value
from kerastune_lite.study.trial import Fill, Trial


@dataclass(frozen=True)
class Suggestion:
    """The answer to train a setting next, as a new trial.

    Attributes:
        values: A value for each parameter that the strategy decides.
        fill: How parameters are answered that build_fn asks for and `values` doesn't hold: by a random draw, or by
            the first point of their grid.
        epochs: How long the whole training is, where the strategy decides it.
        pause_at: After how many epochs to pause, or None. The training state is kept then, so that a later answer may
            continue from it.
        resume_from: The paused trial whose weights and training state the new one takes over; None starts a new
            training.
        continues_as_new_trial: Whether it is another trial that continues the training after a pause, as in the turns
            of a population. The epochs that are left to that trial aren't counted as saved.
        memory: What the strategy wants to find again in `trial.memory` when it is asked next, of what JSON can hold:
            the state of an optimiser that can't be computed from the trials. It is kept in the journal.
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    fill: Fill = "random"
    epochs: int | None = None
    pause_at: int | None = None
    resume_from: int | None = None
    continues_as_new_trial: bool = False
    memory: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GoOn:
    """The answer to train a paused trial further, under its own number and with its own values.

    Attributes:
        number: The paused trial.
        pause_at: After how many epochs, counted from the trial's first one, to pause again; None trains to the end.
        begins_again: Whether it is trained from its first epoch again, by the same seed, as it has to be where
            `resumable` has left it out since it paused.
    """

    number: int
    pause_at: int | None = None
    begins_again: bool = False


class Pause(Enum):
    """The answer that there is nothing to train now, and why."""

    WAIT = "a running trial has to report first"
    DONE = "every setting of the space has been tried"


Answer = Suggestion | GoOn | Pause


@runtime_checkable
class Strategy(Protocol):
    """Decides what to try next, from the space and its trials alone.

    A strategy that pauses trials and continues them later is a PausingStrategy.
    """

    def suggest(self, space: Space, trials: Sequence[Trial], rng: np.random.Generator) -> Answer:
        """The next trial to train, or the reason why there is none now.

        Args:
            space: The parameters known so far; empty before the first build.
            trials: Every trial so far, in the order of their numbers, running ones included. Less is better in all of
                their scores. In a study that was resumed with another space, trials that lie outside of it are left
                out; a PausingStrategy is given them too, and knows them by `trial.is_outside`.
            rng: A generator for this answer only, made from the study's seed and the next trial's number.
        """
        ...


StrategySource = Strategy | Callable[[int], Strategy]
"""A strategy, or a function of the study's seed that makes one."""


def strategy_of(source: StrategySource, seed: int) -> Strategy:
    """The strategy of a study with this seed."""
    return source if isinstance(source, Strategy) else source(seed)


@runtime_checkable
class PlannedStrategy(Strategy, Protocol):
    """A strategy whose trials have their places in a plan, so that a study can't go on by another plan."""

    @property
    def plan(self) -> Mapping[str, int]:
        """The numbers that the plan was made from, by their names."""
        ...

    def has_place_for(self, trial: Trial) -> bool:
        """Whether a trial was begun as this plan would have begun it."""
        ...

    def goes_on_from(self, trials: Sequence[Trial]) -> bool:
        """Whether the plan can go on after these trials, of which some may lie outside the space now."""
        ...


@runtime_checkable
class PausingStrategy(Strategy, Protocol):
    """A strategy that pauses trials and continues them later, and that decides itself when the search is over.

    One whose `pauses_anywhere` is true goes on with a trial from any epoch: where `max_epochs_total` is over before a
    trial would pause, it pauses there instead of ending. One whose `pauses_all_runs` is true may be searched with
    several trainings a trial (`executions_per_trial`): all of them pause, and all of them go on. A trial of which one
    training has ended by itself isn't paused. `first_pause` tells after how many epochs a trial pauses at the earliest,
    where that isn't 1.
    """

    @property
    def ending(self) -> str:
        """Why the search has ended, when `suggest` has answered Pause.DONE; shown to the user."""
        ...

    def resumable(self, trials: Sequence[Trial]) -> Collection[int]:
        """The numbers of the paused trials that a later answer may continue or take over.

        The training state of all other trials is deleted. They can only be trained again, by `GoOn(…,
        begins_again=True)`.
        """
        ...
