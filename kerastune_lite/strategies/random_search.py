"""Random search: every parameter is drawn independently, and no setting is tried twice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kerastune_lite.space import Parameter, Space, Value
from kerastune_lite.strategies.choice_tree import ChoiceTree, TreeMemory
from kerastune_lite.strategies.strategy import Answer, Pause, Suggestion
from kerastune_lite.study.trial import Trial, TrialState
from kerastune_lite.study.trials import all_have

DRAWS = 100
"""How many whole settings are drawn before one that is left is looked up in the tree.

If 1 in 20 settings is left, all draws miss in 1 of 170 cases."""


@dataclass(frozen=True)
class RandomStrategy:
    """Draws settings uniformly from the unit cube, without repeats, until a discrete space is exhausted."""

    _memory: TreeMemory = field(default_factory=lambda: tree_memory(), init=False, repr=False, compare=False)

    def suggest(self, space: Space, trials: Sequence[Trial], rng: np.random.Generator) -> Answer:
        """A setting that no trial has tried."""
        if any(p.never_repeats and all_have(trials, p.name) for p in space):
            # A continuous parameter that every trial has never repeats, so the tree isn't needed, whose cost grows with
            # the trials.
            return Suggestion(space.decode(rng.random(len(space))))
        tree = self._memory.tree(space, trials)
        if tree.is_exhausted:
            running = any(trial.state is TrialState.RUNNING for trial in trials)
            return Pause.WAIT if running else Pause.DONE
        return Suggestion(untried(space, tree, rng))


def tree_memory() -> TreeMemory:
    """A memory of the settings that were tried, in which every value of a discrete parameter is a value of its own."""
    return TreeMemory(countable_values)


def countable_values(parameter: Parameter) -> Sequence[Value] | None:
    """All values of a discrete parameter; None for a continuous one."""
    return parameter.grid(2) if parameter.size < math.inf else None


def untried(
    space: Space, tree: ChoiceTree, rng: np.random.Generator, given: Mapping[str, Value] | None = None
) -> dict[str, Value]:
    """A random setting that contains the values `given` and wasn't tried, if there is one.

    Whole settings are drawn first, which gives each setting that is left the same chance. Only when nearly all were
    tried is one that is left looked up in the tree.
    """
    for _ in range(DRAWS):
        values = space.decode(rng.random(len(space))) | dict(given or {})
        if not tree.holds(values):
            return tree.asked(values)
    if given:
        return tree.asked(values)
    left = tree.random_open(rng)
    return tree.asked(space.decode(rng.random(len(space))) | left)
