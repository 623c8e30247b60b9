"""The plateau rule: a trial ends when not even a hopeful forecast of its curve would win."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerastune_lite.stopping.rule import best_so_far, check_least_epochs
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Trial, TrialState

DECAYS = (0.25, 0.5, 1.0, 2.0)
"""The exponents of the power laws that a curve is told by: from one that hardly flattens to one that is flat soon."""
FEWEST = 4
"""A power law has three free numbers."""
AS_GOOD = 2.0
"""Laws whose squared errors are less than so many times those of the best one are believed too."""


@dataclass(frozen=True)
class Plateau:
    """Stops a trial when no realistic improvement is left: its hopeful forecast doesn't reach the best score so far.

    The forecast is the lowest end of a power law a + b·e^-c of the epoch e (the "pow3" of Domhan et al. 2015) that
    tells the curve about as well as the best-fitting one, less `deviations` times the size of its errors. The best
    score so far is that of the whole study, this trial's own among them: the best trial ends too once it only repeats
    itself.

    Attributes:
        grace_epochs: How many epochs every trial gets: with fewer than four there is nothing to fit.
        deviations: How lucky the rest of the curve is allowed to be. One epoch among many is often two deviations
            better than the curve.
    """

    grace_epochs: int = 5
    deviations: float = 2.0

    def __post_init__(self) -> None:
        if self.grace_epochs < FEWEST or not 0.0 <= self.deviations < math.inf:
            raise ValueError(
                f"Plateau needs grace_epochs of at least {FEWEST} and deviations of at least 0. "
                f"Received: grace_epochs={self.grace_epochs!r}, deviations={self.deviations!r}."
            )

    def check(self, epochs: int) -> None:
        """StoppingError where the rule begins after the training."""
        check_least_epochs("grace_epochs", self.grace_epochs, epochs)

    def should_stop(self, trial: Trial, trials: Sequence[Trial], objective: Objective) -> str | None:
        """Why the trial ends now, or None."""
        if not trial.curves or trial.epochs is None or len(trial.curves[0]) < self.grace_epochs:
            return None
        values = objective.values(trial.curves[0])
        hope = hopeful_end(values, trial.epochs, self.deviations)
        others = [
            curve[-1]
            for other in trials
            if other.number != trial.number and other.state is not TrialState.FAILED
            if (curve := best_so_far(other, objective))
        ]
        target = min([*others, *best_so_far(trial, objective)[-1:]])
        if hope is None or hope < target:
            return None
        return (
            f"Plateau: after {len(values)} of {trial.epochs} epochs the hopeful forecast of {objective.name} is "
            f"{objective.sign * hope:.5g}, no better than the best so far, {objective.sign * target:.5g}"
        )


def hopeful_end(values: Sequence[float], epochs: int, deviations: float) -> float | None:
    """The best that a curve may realistically come to, where less is better; None with too few finite values.

    Args:
        values: The score after each epoch; what isn't finite is left out.
        epochs: How many epochs there will be.
        deviations: By how many times the size of the law's errors an epoch may be better than the law.
    """
    after = np.arange(1, len(values) + 1, dtype=np.float64)
    told = np.isfinite(values)
    if told.sum() < FEWEST:
        return None
    e, y = after[told], np.asarray(values, dtype=np.float64)[told]
    fits = [_power_law(e, y, decay, epochs) for decay in DECAYS]
    least = min(error for error, _ in fits)
    end = min(end for error, end in fits if error <= AS_GOOD * least)
    return end - deviations * math.sqrt(least)


def _power_law(e: np.ndarray, y: np.ndarray, decay: float, epochs: int) -> tuple[float, float]:
    """The mean squared error of the best a + b·e^-decay with b ≥ 0, and its value at the last epoch.

    Later epochs weigh more (by their number): they tell the end.
    """
    x, weights = e**-decay, e / e.sum()
    mean_x, mean_y = weights @ x, weights @ y
    spread = weights @ (x - mean_x) ** 2
    b = max(float(weights @ ((x - mean_x) * (y - mean_y)) / spread), 0.0)
    a = float(mean_y - b * mean_x)
    error = float(weights @ (y - a - b * x) ** 2)
    return error, a + b * float(epochs) ** -decay
