"""What a stopping rule is asked and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from kerastune_lite.errors import StoppingError
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Trial


@runtime_checkable
class StoppingRule(Protocol):
    """Decides after an epoch whether a running trial goes on, from the learning curves and from nothing else."""

    def should_stop(self, trial: Trial, trials: Sequence[Trial], objective: Objective) -> str | None:
        """Why the trial ends now, or None.

        It is asked after each epoch of the trial's first run but the last one. A rule may also have
        `check(epochs)`, which raises a StoppingError where it can't be of use in a training of so many epochs.

        Args:
            trial: The running trial, with its learning curve so far.
            trials: Every trial of the study, the running one among them.
            objective: What is optimised.
        """
        ...


def best_so_far(trial: Trial, objective: Objective) -> tuple[float, ...]:
    """The best score after each epoch of a trial's first run, turned so that less is better."""
    return objective.best_so_far(trial.curves[0]) if trial.curves else ()


def others_after(epochs: int, trial: Trial, trials: Sequence[Trial], objective: Objective) -> list[float]:
    """The best scores that the other trials had after so many epochs, of those that got there; less is better.

    Like is compared with like: a trial that ended before tells nothing about a later epoch.
    """
    curves = [other.curves[0] for other in trials if other.curves and other.number != trial.number]
    return [objective.best_so_far(curve[:epochs])[-1] for curve in curves if len(curve) >= epochs]


def check_least_epochs(name: str, least: int, epochs: int) -> None:
    """StoppingError where a rule begins when the training is over."""
    if least >= epochs:
        raise StoppingError(
            f"{name}={least} lets every trial train for {least} epochs, and a whole training has {epochs}: the rule "
            f"could never stop one. Choose {name} below {epochs}, or train longer."
        )


def rule_of(stopping: StoppingRule | str | None) -> StoppingRule | None:
    """The rule of a tuner's `stopping=`: a rule, or the name of one with its defaults.

    Raises:
        TypeError: It is neither.
        ValueError: There is no rule of that name.
    """
    # The rules import this file.
    from kerastune_lite.stopping.median import MedianRule
    from kerastune_lite.stopping.plateau import Plateau
    from kerastune_lite.stopping.successive_halving import SuccessiveHalving

    named: dict[str, Callable[[], StoppingRule]] = {"median": MedianRule, "asha": SuccessiveHalving, "plateau": Plateau}
    if stopping is None:
        return None
    if isinstance(stopping, str):
        if stopping not in named:
            raise ValueError(f"stopping has to be one of {', '.join(map(repr, named))}, or a rule. Not {stopping!r}.")
        return named[stopping]()
    if isinstance(stopping, type) or not isinstance(stopping, StoppingRule):
        raise TypeError(
            "stopping has to be a name, or an object with should_stop(trial, trials, objective), like "
            f"MedianRule(). Received: {stopping!r}."
        )
    return stopping
