"""The median rule: a trial ends when it is worse than half of the others were after as many epochs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from kerastune_lite.stopping.rule import check_least_epochs, others_after
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Trial


@dataclass(frozen=True)
class MedianRule:
    """Stops a trial whose best score is worse than the median of the other trials' after as many epochs.

    The rule of Google Vizier (Golovin et al. 2017, Section 3.2.1), with best scores so far in place of running
    averages.

    Attributes:
        grace_epochs: How many epochs every trial gets: three by default, since the first epochs say little.
        min_trials: How many other trials have to have trained for as many epochs. A median of fewer than five is
            mostly chance.
    """

    grace_epochs: int = 3
    min_trials: int = 5

    def __post_init__(self) -> None:
        if self.grace_epochs < 1 or self.min_trials < 1:
            raise ValueError(
                "MedianRule needs grace_epochs and min_trials of at least 1. "
                f"Received: grace_epochs={self.grace_epochs!r}, min_trials={self.min_trials!r}."
            )

    def check(self, epochs: int) -> None:
        """Raises a StoppingError where the grace epochs are the whole training."""
        check_least_epochs("grace_epochs", self.grace_epochs, epochs)

    def should_stop(self, trial: Trial, trials: Sequence[Trial], objective: Objective) -> str | None:
        """The reason why the trial ends now, or None."""
        epochs = len(trial.best_so_far)
        if epochs < self.grace_epochs:
            return None
        others = others_after(epochs, trial, trials, objective)
        if len(others) < self.min_trials:
            return None
        median = statistics.median(others)
        if not objective.sign * trial.best_so_far[-1] > median:
            return None
        return (
            f"MedianRule: after {epochs} epochs the best {objective.name} was {trial.best_so_far[-1]:.5g}; "
            f"the median of {len(others)} other trials was {objective.sign * median:.5g}"
        )
