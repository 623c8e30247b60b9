"""KerasTuner's objectives: one metric, a sum of several, or what a trial returns as its one number."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kerastune_lite.study.metric_directions import Direction, direction_of_name
from kerastune_lite.study.objective import Objective as CoreObjective

_SHORT_NAMES = {"acc": "accuracy"}
"""Names that Keras 2 gave to metrics, and those that Keras 3 gives them."""


class Objective:
    """A metric, and whether less or more of it is better.

    Args:
        name: Its name in the logs.
        direction: "min" or "max".
    """

    def __init__(self, name: str, direction: Direction) -> None:
        if direction not in ("min", "max"):
            raise ValueError(f"An objective's direction is 'min' or 'max'. Received: {direction!r}.")
        self.name = name
        self.direction = direction

    @property
    def core(self) -> CoreObjective:
        """The library's own objective."""
        return CoreObjective(self.name, self.direction)

    def has_value(self, logs: Mapping[str, Any]) -> bool:
        """Whether logs tell the objective."""
        return name_in(logs, self.name) is not None

    def get_value(self, logs: Mapping[str, Any]) -> Any:
        """The objective in the logs of an epoch."""
        return logs[name_in(logs, self.name) or self.name]

    def better_than(self, one: float, other: float) -> bool:
        """Whether a score is better than another."""
        return one < other if self.direction == "min" else one > other

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and str(other) == str(self)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return f'Objective(name="{self.name}", direction="{self.direction}")'

    __repr__ = __str__


class DefaultObjective(Objective):
    """What a trial returns as its one number; less is better."""

    def __init__(self) -> None:
        super().__init__("default_objective", "min")


class MultiObjective(Objective):
    """The sum of several metrics, of which those that are maximised count negatively; less is better.

    Args:
        objectives: The metrics.
    """

    def __init__(self, objectives: Sequence[Objective]) -> None:
        super().__init__("multi_objective", "min")
        self.objectives = list(objectives)
        self.name_to_direction = {objective.name: objective.direction for objective in self.objectives}

    def has_value(self, logs: Mapping[str, Any]) -> bool:
        """Whether logs tell all of the metrics."""
        return all(objective.has_value(logs) for objective in self.objectives)

    def get_value(self, logs: Mapping[str, Any]) -> Any:
        """The sum in the logs of an epoch."""
        return sum(
            objective.get_value(logs) * (1 if objective.direction == "min" else -1) for objective in self.objectives
        )

    def __str__(self) -> str:
        return f"Multi{super().__str__()}: [{', '.join(map(str, self.objectives))}]"

    __repr__ = __str__


def objective_of(given: Any) -> Objective:
    """The objective that a person gave: a name, an Objective (this library's own too), a list of these, or None.

    Raises:
        ValueError: Its name doesn't tell whether less or more of it is better.
    """
    if given is None:
        return DefaultObjective()
    if isinstance(given, (list, tuple)):
        return MultiObjective([objective_of(one) for one in given])
    if isinstance(given, Objective):
        return given
    if isinstance(given, CoreObjective):
        name, direction = given.name, given.known_direction
    else:
        name, direction = str(given), direction_of_name(str(given))
    if direction is None:
        raise ValueError(
            f'Could not infer optimization direction ("min" or "max") for unknown metric "{name}". Please specify the '
            f'objective as a `keras_tuner.Objective`, for example `keras_tuner.Objective("{name}", direction="min")`.'
        )
    return Objective(name, direction)


def name_in(logs: Mapping[str, Any], name: str) -> str | None:
    """The name under which logs hold a metric; None where they don't.

    Code for Keras 2 may ask for `val_acc`, which is `val_accuracy` now, and Keras numbers metrics: `val_auc_1`.
    """
    if name in logs:
        return name
    bare = name.removeprefix("val_")
    prefix = name[: len(name) - len(bare)]
    long = prefix + _SHORT_NAMES.get(bare, bare)
    if long in logs:
        return long
    numbered = [other for other in logs if re.fullmatch(re.escape(long) + r"_\d+", other)]
    return numbered[0] if len(numbered) == 1 else None


def may_have_other_name(objective: Objective) -> bool:
    """Whether the logs of a model may tell an objective under other names than its own."""
    return isinstance(objective, MultiObjective) or objective.name.removeprefix("val_") in _SHORT_NAMES


def with_objective(logs: Mapping[str, Any], objective: Objective) -> dict[str, Any]:
    """Logs of an epoch, or their columns over epochs, with the objective under its own name where they tell it."""
    if objective.name in logs or not objective.has_value(logs):
        return dict(logs)
    if all(isinstance(value, (list, tuple)) for value in logs.values()):
        epochs = range(min(len(column) for column in logs.values()))
        rows = [{name: column[epoch] for name, column in logs.items()} for epoch in epochs]
        return {**logs, objective.name: [objective.get_value(row) for row in rows]}
    return {**logs, objective.name: objective.get_value(logs)}
