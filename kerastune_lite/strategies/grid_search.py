"""Grid search: every setting of a grid, in the order in which build_fn asks for its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerastune_lite.space import Space
from kerastune_lite.strategies.choice_tree import ChoiceTree
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

    def __post_init__(self) -> None:
        if self.points_per_axis < 2:
            raise ValueError(
                f"points_per_axis has to be at least 2, for both ends. Received: {self.points_per_axis!r}."
            )

    def suggest(self, space: Space, trials: Sequence[Trial], rng: np.random.Generator) -> Answer:
        """The first setting of the grid that no trial has tried."""
        tree = ChoiceTree(space, trials, axis=lambda parameter: parameter.grid(self.points_per_axis))
        if tree.is_exhausted:
            # A running trial may still ask for a parameter that no trial has asked for.
            running = any(trial.state is TrialState.RUNNING for trial in trials)
            return Pause.WAIT if running else Pause.DONE
        return Suggestion(tree.first_open(), fill="first")
