"""Asynchronous successive halving, in the variant that stops trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kerastune_lite.stopping.rule import check_least_epochs, others_after
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Trial


@dataclass(frozen=True)
class SuccessiveHalving:
    """Stops a trial that isn't among the best `1 / factor` of those that have reached the same rung.

    Rungs lie after `min_epochs`, `min_epochs * factor`, `min_epochs * factor²`, … epochs. A trial that reaches a rung
    is compared with all trials that have reached it before, so no trial waits for another (ASHA, Li et al. 2020, in
    the variant that stops trials rather than promoting them).

    Attributes:
        min_epochs: How many epochs every trial gets. By default the epochs of a whole training divided by factor²,
            which makes two rungs. With a rung after one epoch of 27, settings that learn slowly and end best are lost,
            and now and then a whole search with them.
        factor: Keeps 1/factor of the trials at each rung. Three is the usual and, by Li et al. 2018, a robust choice.
    """

    min_epochs: int | None = None
    factor: int = 3

    def __post_init__(self) -> None:
        if (self.min_epochs is not None and self.min_epochs < 1) or self.factor < 2:
            raise ValueError(
                "SuccessiveHalving needs min_epochs of at least 1 and a factor of at least 2. "
                f"Received: min_epochs={self.min_epochs!r}, factor={self.factor!r}."
            )

    def check(self, epochs: int) -> None:
        """Raises a StoppingError where the first rung lies at or after the end of the training."""
        check_least_epochs("min_epochs", self._first_rung(epochs), epochs)

    def should_stop(self, trial: Trial, trials: Sequence[Trial], objective: Objective) -> str | None:
        """The reason why the trial ends now, or None."""
        epochs = len(trial.best_so_far)
        if not self._is_rung(epochs, self._first_rung(trial.epochs)):
            return None
        others = others_after(epochs, trial, trials, objective)
        reached = objective.sign * trial.best_so_far[-1]
        better = sum(score < reached for score in others)
        places = max((len(others) + 1) // self.factor, 1)
        if better < places:
            return None
        return (
            f"SuccessiveHalving: after {epochs} epochs the best {objective.name} was "
            f"{trial.best_so_far[-1]:.5g}, behind {better} of {len(others)} other trials; {places} may go on"
        )

    def _first_rung(self, epochs: int | None) -> int:
        if self.min_epochs is not None:
            return self.min_epochs
        return 1 if epochs is None else math.ceil(epochs / self.factor**2)

    def _is_rung(self, epochs: int, first: int) -> bool:
        rung = first
        while rung < epochs:
            rung *= self.factor
        return rung == epochs
