"""What a strategy is asked and what it answers.

A strategy is frozen settings and one pure question. It is given all it may know, every trial so far among it, and
remembers nothing: a resumed search asks the same questions and gets the same answers. It always minimises; the tuner
turns the scores of a "max" objective before it asks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, runtime_checkable

import numpy as np

from kerastune_lite.space import Space, Value
from kerastune_lite.study.trial import Fill, Trial


@dataclass(frozen=True)
class Suggestion:
    """Train these values next, as a new trial.

    Attributes:
        values: A value for each parameter that the strategy decides.
        fill: How parameters are answered that build_fn asks for and `values` doesn't hold: by a random draw, or by
            the first point of their grid.
        epochs: How long the whole training is, where the strategy decides it.
        pause_at: After how many epochs to pause, or None. The weights are kept then, for an answer to go on from.
        resume_from: The paused trial whose weights and state the new one takes over; None begins afresh.
        continues_as_new_trial: Whether a training that pauses goes on as another trial, as a turn of a population's
            member does. Epochs that such a trial doesn't train aren't counted as saved.
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    fill: Fill = "random"
    epochs: int | None = None
    pause_at: int | None = None
    resume_from: int | None = None
    continues_as_new_trial: bool = False


@dataclass(frozen=True)
class GoOn:
    """Train a paused trial further, under its own number and with its own values.

    Attributes:
        number: The paused trial.
        pause_at: After how many epochs, counted from the trial's first, to pause again; None trains to the end.
    """

    number: int
    pause_at: int | None = None


class Pause(Enum):
    """Why there is nothing to train now."""

    WAIT = "a running trial has to report first"
    DONE = "every setting of the space has been tried"


Answer = Suggestion | GoOn | Pause


@runtime_checkable
class Strategy(Protocol):
    """Decides what to try next from what the trials say, and from nothing else.

    One whose trials pause and go on is a PausingStrategy.
    """

    def suggest(self, space: Space, trials: Sequence[Trial], rng: np.random.Generator) -> Answer:
        """The next setting to train, or why there is none.

        Args:
            space: The parameters known so far; empty before the first build.
            trials: Every trial so far, running ones included; scores are to be minimised.
            rng: A generator of this trial's own, made from the study's seed and the trial's number.
        """
        ...


StrategySource = Strategy | Callable[[int], Strategy]
"""A strategy, or a function of the study's seed that makes one."""


def strategy_of(source: StrategySource, seed: int) -> Strategy:
    """The strategy of a study with this seed."""
    return source if isinstance(source, Strategy) else source(seed)


@runtime_checkable
class PausingStrategy(Strategy, Protocol):
    """A strategy whose trials pause and go on, and which knows itself when the search is over."""

    @property
    def ending(self) -> str:
        """What a person is told when it is."""
        ...

    def resumable(self, trials: Sequence[Trial]) -> Collection[int]:
        """The paused trials that may still be gone on from; what is kept of the others is removed."""
        ...
