"""The objective: its name, its direction, and which epoch of a learning curve counts.

A metric's own direction stands in metric_directions.py.
"""

from __future__ import annotations

import difflib
import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kerastune_lite.errors import ObjectiveError
from kerastune_lite.other_tuners.of_tuners import OBJECTIVE_ARGUMENTS
from kerastune_lite.other_tuners.telling import class_with_told_arguments
from kerastune_lite.study.metric_directions import Direction, direction_of_class, direction_of_name


@class_with_told_arguments(OBJECTIVE_ARGUMENTS)
@dataclass(frozen=True)
class Objective:
    """What a search optimises: a name out of a model's logs, and whether less or more of it is better.

    `direction` is "min" or "max"; None means that it is to be known from the metric or its name.
    """

    name: str
    direction: Direction | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ObjectiveError(
                f"An objective is the name of one metric, like 'val_accuracy'. Received: {self.name!r}. "
                "Several objectives are not searched together: pass the one that decides, and read the others "
                "from each trial's curve."
            )
        if self.direction not in (None, "min", "max"):
            raise ObjectiveError(
                f"An objective's direction is 'min' or 'max': Objective({self.name!r}, 'min'). "
                f"Received: {self.direction!r}."
            )

    @classmethod
    def of(cls, objective: str | Objective) -> Objective:
        """The objective that a person gave as a name or as an Objective."""
        return objective if isinstance(objective, Objective) else cls(objective)

    @property
    def known_direction(self) -> Direction | None:
        """The direction that was given, or else the one that its name tells; None where neither does."""
        return self.direction or direction_of_name(self.name)

    @property
    def sign(self) -> int:
        """The factor, 1 or -1, that turns scores so that less is better; ObjectiveError without a direction."""
        if self.direction is None:
            raise ObjectiveError(unknown_direction(self.name))
        return 1 if self.direction == "min" else -1

    def better(self, score: float, than: float | None) -> bool:
        """Whether a score beats another; a score that is not finite beats nothing."""
        if not math.isfinite(score):
            return False
        return than is None or self.sign * score < self.sign * than

    def best_epoch(self, scores: Sequence[float | None]) -> int | None:
        """The first epoch with the best finite score, or None where there is none."""
        best: int | None = None
        for epoch, score in enumerate(scores):
            if score is not None and self.better(score, None if best is None else scores[best]):
                best = epoch
        return best

    def values(self, curve: Sequence[Mapping[str, float]]) -> tuple[float, ...]:
        """The score of each epoch, turned so that less is better; inf where there is no finite one."""
        try:
            name = self.reported_name(set[str]().union(*curve))
        except ObjectiveError:
            return (math.inf,) * len(curve)
        values = (self.sign * logs.get(name, math.nan) for logs in curve)
        return tuple(value if math.isfinite(value) else math.inf for value in values)

    def best_so_far(self, curve: Sequence[Mapping[str, float]]) -> tuple[float, ...]:
        """The best score after each epoch, turned so that less is better; inf before the first finite one."""
        return tuple(itertools.accumulate(self.values(curve), min))

    def reported_name(self, reported: Iterable[str]) -> str:
        """The objective's name among a model's logs; ObjectiveError, with all of them, where it isn't there.

        A suffix that Keras adds (`val_auc_1` for `val_auc`) is accepted where only one name fits.
        """
        names = list(reported)
        if self.name in names:
            return self.name
        suffixed = [name for name in names if re.fullmatch(re.escape(self.name) + r"_\d+", name)]
        if len(suffixed) == 1:
            return suffixed[0]
        raise ObjectiveError(not_reported(self.name, names))


def with_direction(
    objective: Objective, metric_classes: Mapping[str, str] | None = None, reported: str | None = None
) -> Objective:
    """The objective with the direction given, or else that of its metric or name; ObjectiveError without any.

    Args:
        objective: The objective as it was given.
        metric_classes: Class names of Keras's metrics by their names, as the compiled model has them.
        reported: The objective's name in the logs, where it is known already.
    """
    if objective.direction is not None:
        return objective
    name = reported or objective.name
    metric = (metric_classes or {}).get(name.removeprefix("val_"))
    direction = (direction_of_class(metric) if metric else None) or direction_of_name(name)
    if direction is None:
        raise ObjectiveError(unknown_direction(name))
    return Objective(objective.name, direction)


def is_of_training(objective: Objective) -> bool:
    """Whether an objective is known to be measured on the training data: one of Keras's own metrics, without val_.

    A name that isn't known may be reported by a callback of the user's, on whatever data.
    """
    return not objective.name.startswith("val_") and direction_of_name(objective.name) is not None


def unknown_direction(name: str) -> str:
    """What to tell a person whose objective could be meant either way."""
    return (
        f"Whether a good {name!r} is small or large can't be known from its name. Pass "
        f'Objective("{name}", direction="max"), or direction="min" where less is better.'
    )


def not_reported(name: str, reported: Sequence[str]) -> str:
    """What to tell a person whose objective is not in the logs."""
    tail = name.removeprefix("val_")
    heads = [other for other in reported if other.endswith("_" + tail) and other.startswith("val_") == (tail != name)]
    near = heads or difflib.get_close_matches(name, reported, n=1, cutoff=0.5)
    hint = f" Did you mean {' or '.join(repr(other) for other in near)}?" if near else ""
    return f"The model doesn't report the objective {name!r}. It reports: {', '.join(reported)}.{hint}"
