"""The plateau rule: a trial ends when even an optimistic forecast of its curve isn't the best score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kerastune_lite.stopping.rule import check_least_epochs
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Trial, TrialState

Floats = NDArray[np.float64]

DECAYS = (0.25, 0.5, 1.0, 2.0)
"""The exponents of the power laws that are fitted to a curve: one hardly flattens, one is flat soon."""
FEWEST = 4
"""The fewest epochs that a forecast is made from: a power law has three free numbers."""
AS_GOOD = 2.0
"""Laws whose mean squared error is at most this many times that of the best-fitting one are considered too."""


@dataclass(frozen=True)
class Plateau:
    """Stops a trial whose optimistic forecast isn't better than the best score of the study so far.

    The forecast is the lowest last value of the power laws a + b·e^-c of the epoch e (the "pow3" of Domhan et al.
    2015) that fit the curve about as well as the best-fitting one, less `deviations` times the size of the fit's
    errors. The best score so far is that of the whole study, this trial's own included: the best trial ends too once it
    only repeats itself.

    Attributes:
        grace_epochs: How many epochs every trial gets; at least four, since fewer can't be fitted.
        deviations: By how many standard deviations of the errors an epoch may be better than the fitted curve. One
            epoch among many often is two deviations better.
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
        """Raises a StoppingError where the grace epochs are the whole training."""
        check_least_epochs("grace_epochs", self.grace_epochs, epochs)

    def should_stop(self, trial: Trial, trials: Sequence[Trial], objective: Objective) -> str | None:
        """The reason why the trial ends now, or None."""
        if trial.epochs is None or len(trial.best_so_far) < self.grace_epochs:
            return None
        values = objective.values(trial.curves[0])
        forecast = optimistic_end(values, trial.epochs, self.deviations)
        others = [
            other.best_so_far[-1]
            for other in trials
            if other.number != trial.number and other.state is not TrialState.FAILED and other.best_so_far
        ]
        target = min(objective.sign * score for score in (*others, trial.best_so_far[-1]))
        if forecast is None or forecast < target:
            return None
        return (
            f"Plateau: after {len(values)} of {trial.epochs} epochs the optimistic forecast of {objective.name} is "
            f"{objective.sign * forecast:.5g}, no better than the best so far, {objective.sign * target:.5g}"
        )


def optimistic_end(values: Sequence[float], epochs: int, deviations: float) -> float | None:
    """The best score that a curve may realistically reach, where less is better; None with too few finite values.

    Args:
        values: (n,) the score of each epoch; scores that aren't finite are left out.
        epochs: How many epochs the whole training has.
        deviations: By how many standard deviations of the law's errors an epoch may be better than the law.
    """
    after = np.arange(1, len(values) + 1, dtype=np.float64)
    finite = np.isfinite(values)
    if finite.sum() < FEWEST:
        return None
    e, y = after[finite], np.asarray(values, dtype=np.float64)[finite]
    fits = [_power_law(e, y, decay, epochs) for decay in DECAYS]
    least = min(error for error, _ in fits)
    end = min(end for error, end in fits if error <= AS_GOOD * least)
    return end - deviations * math.sqrt(least)


def _power_law(e: Floats, y: Floats, decay: float, epochs: int) -> tuple[float, float]:
    """The mean squared error of the best-fitting a + b·e^-decay with b ≥ 0, and its value at the last epoch.

    Epochs are weighted by their number, since later ones say more about the end.

    Args:
        e: (n,) epochs, from 1.
        y: (n,) their scores.
        decay: The exponent.
        epochs: The last epoch.
    """
    x, weights = e**-decay, e / e.sum()
    mean_x, mean_y = weights @ x, weights @ y
    spread = weights @ (x - mean_x) ** 2
    b = max(float(weights @ ((x - mean_x) * (y - mean_y)) / spread), 0.0)
    a = float(mean_y - b * mean_x)
    error = float(weights @ (y - a - b * x) ** 2)
    return error, a + b * float(epochs) ** -decay
