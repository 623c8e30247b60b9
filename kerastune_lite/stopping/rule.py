"""The protocol of a stopping rule, and what rules compare: best scores after equally many epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from kerastune_lite.errors import StoppingError
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Trial


@runtime_checkable
class StoppingRule(Protocol):
    """Decides after each epoch whether a running trial ends early, from the learning curves of all trials alone.

    A rule may also have `check(epochs)`. It raises a StoppingError where the rule could never stop a training of that
    many epochs.
    """

    def should_stop(self, trial: Trial, trials: Sequence[Trial], objective: Objective) -> str | None:
        """The reason why the trial ends now, as a sentence for its record; None where it continues.

        It is asked after each epoch of a trial's first run except the last one.

        Args:
            trial: The running trial, with its learning curve until now.
            trials: Every trial of the study, the running one among them.
            objective: What is optimised. `trial.best_so_far` is in its own units: multiplied by `objective.sign`, less
                is better.
        """
        ...


def others_after(epochs: int, trial: Trial, trials: Sequence[Trial], objective: Objective) -> list[float]:
    """The best scores of the other trials after that many epochs, with the sign turned so that less is better.

    Trials that ended earlier are left out, since they say nothing about a later epoch.
    """
    return [
        objective.sign * other.best_so_far[epochs - 1]
        for other in trials
        if other.number != trial.number and len(other.best_so_far) >= epochs
    ]


def check_least_epochs(name: str, least: int, epochs: int) -> None:
    """Raises a StoppingError where a rule's first decision would come after the end of the training.

    Args:
        name: The name of the rule's setting.
        least: Its value: how many epochs every trial gets.
        epochs: How many epochs a whole training has.
    """
    if least >= epochs:
        raise StoppingError(
            f"{name}={least} lets every trial train for {least} epochs, and a whole training has {epochs}: the rule "
            f"could never stop one. Choose {name} below {epochs}, or train longer."
        )
