"""The argument `stopping=` of a tuner: the rules that have a name, and what else it may be."""

from __future__ import annotations

from collections.abc import Callable

from kerastune_lite.stopping.median import MedianRule
from kerastune_lite.stopping.plateau import Plateau
from kerastune_lite.stopping.rule import StoppingRule
from kerastune_lite.stopping.successive_halving import SuccessiveHalving

NAMED: dict[str, Callable[[], StoppingRule]] = {"median": MedianRule, "asha": SuccessiveHalving, "plateau": Plateau}
"""The rules that can be given by a name, with their default settings."""


def rule_of(stopping: StoppingRule | str | None) -> StoppingRule | None:
    """The stopping rule that a tuner's `stopping=` means: the rule itself, the rule of a name, or none.

    Raises:
        TypeError: It is neither a rule nor a name.
        ValueError: There is no rule of that name.
    """
    if stopping is None:
        return None
    if isinstance(stopping, str):
        if stopping not in NAMED:
            raise ValueError(f"stopping has to be one of {', '.join(map(repr, NAMED))}, or a rule. Not {stopping!r}.")
        return NAMED[stopping]()
    if isinstance(stopping, type) or not isinstance(stopping, StoppingRule):
        raise TypeError(
            "stopping has to be a name, or an object with should_stop(trial, trials, objective), like "
            f"MedianRule(). Received: {stopping!r}."
        )
    return stopping
