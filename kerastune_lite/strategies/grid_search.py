"""Grid search: every setting of a grid, in the order in which build_fn asks for its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from kerastune_lite.space import Parameter, Space, Value
from kerastune_lite.strategies.choice_tree import TreeMemory
from kerastune_lite.strategies.strategy import Answer, Pause, Suggestion
from kerastune_lite.study.trial import Trial, TrialState


@dataclass(frozen=True)
class GridStrategy:
    """Tries all settings of a grid in order, the parameter that build_fn asks for last changing fastest.

    The space need not be known beforehand: a parameter that is asked for the first time gets its first value, and the
    next trials get the others. So conditional spaces are enumerated exactly, without repeats.

    Attributes:
        points_per_axis: How many values a float without a step has on the grid, both ends included; evenly spaced on
            its scale, which may be logarithmic.
    """

    points_per_axis: int = 5
    _memory: TreeMemory = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.points_per_axis < 2:
            raise ValueError(
                f"points_per_axis has to be at least 2, for both ends. Received: {self.points_per_axis!r}."
            )
        object.__setattr__(self, "_memory", TreeMemory(partial(_points_of, self.points_per_axis)))

    def suggest(self, space: Space, trials: Sequence[Trial], rng: np.random.Generator) -> Answer:
        """The first setting of the grid that no trial has tried."""
        tree = self._memory.tree(space, trials)
        if tree.is_exhausted:
            # A running trial may still ask for a parameter that no trial has asked for.
            running = any(trial.state is TrialState.RUNNING for trial in trials)
            return Pause.WAIT if running else Pause.DONE
        return Suggestion(tree.first_open(), fill="first")


def _points_of(points_per_axis: int, parameter: Parameter) -> Sequence[Value]:
    return parameter.grid(points_per_axis)
