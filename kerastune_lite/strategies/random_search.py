"""Random search: every parameter drawn independently, no setting twice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kerastune_lite.space import Parameter, Space, Value
from kerastune_lite.strategies.choice_tree import ChoiceTree
from kerastune_lite.strategies.strategy import Answer, Pause, Suggestion
from kerastune_lite.study.trial import Trial, TrialState

DRAWS = 100
"""Draws of a whole setting before the tree is asked for one that is left: at least one in about 20 settings is."""


@dataclass(frozen=True)
class RandomStrategy:
    """Draws settings uniformly from the unit cube, and ends when a discrete space is exhausted."""

    def suggest(self, space: Space, trials: Sequence[Trial], rng: np.random.Generator) -> Answer:
        """A setting that no trial has tried."""
        if any(p.size == math.inf and all(p.name in trial.values for trial in trials) for p in space):
            # No draw of what every trial asks for comes twice, however many trials there are to look at.
            return Suggestion(space.decode(rng.random(len(space))))
        tree = tried_settings(space, trials)
        if tree.is_exhausted:
            running = any(trial.state is TrialState.RUNNING for trial in trials)
            return Pause.WAIT if running else Pause.DONE
        return Suggestion(untried(space, tree, rng))


def tried_settings(space: Space, trials: Sequence[Trial]) -> ChoiceTree:
    """The tree of the settings that count as tried, every value of a discrete parameter told apart."""
    return ChoiceTree(space, trials, axis=countable_values)


def countable_values(parameter: Parameter) -> Sequence[Value] | None:
    """All values of a discrete parameter; None of one that never repeats."""
    return parameter.grid(2) if parameter.size < math.inf else None


def untried(
    space: Space, tree: ChoiceTree, rng: np.random.Generator, given: Mapping[str, Value] | None = None
) -> dict[str, Value]:
    """A random setting that holds `given` and wasn't tried, where there is one.

    Whole settings are drawn first, which gives each setting that is left the same chance; only when nearly all were
    tried is the tree asked for what is left.
    """
    for _ in range(DRAWS):
        values = space.decode(rng.random(len(space))) | dict(given or {})
        if not tree.holds(values):
            return tree.asked(values)
    if given:
        return tree.asked(values)
    left = tree.random_open(rng)
    return tree.asked(space.decode(rng.random(len(space))) | left)
