"""What a training of the user's own returned: a number, a dict of metrics, a History, or a list of them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from kerastune_lite.errors import BuildError
from kerastune_lite.space import is_number, plain
from kerastune_lite.space.values import is_scalar
from kerastune_lite.study.objective import Objective, with_direction
from kerastune_lite.training.metric_values import numeric_logs
from kerastune_lite.training.scoring import best_of_curve

Curve = Sequence[Mapping[str, float]]


@dataclass(frozen=True)
class Returned:
    """What a training of the user's own returned, sorted.

    Attributes:
        curves: The logs of each epoch, one curve for each fold or repeat, or a single one. A result that isn't of
            epochs is a curve of one entry.
        model: The model that came with it, or None.
        besides: The texts and other plain values among it that are no metrics.
    """

    curves: tuple[Curve, ...]
    model: keras.Model | None = None
    besides: Mapping[str, Any] = field(default_factory=dict)

    def best(self, objective: Objective) -> tuple[int, float]:
        """The best epoch of the curve, and its score; of folds or repeats the mean of their scores.

        Raises:
            Diverged: The objective was finite in no epoch, or not in one of the folds.
            ObjectiveError: The objective isn't among the metrics, or has no direction.
        """
        objective = with_direction(objective)
        bests = [best_of_curve(objective, curve) for curve in self.curves]
        return bests[0] if len(bests) == 1 else (0, statistics.fmean(score for _, score in bests))

    def curve(self, objective: Objective) -> Curve:
        """The curve for the trial's record: of folds or repeats an entry with their mean.

        Raises:
            Diverged: As `best` does, for folds or repeats.
        """
        return self.curves[0] if len(self.curves) == 1 else ({objective.name: self.best(objective)[1]},)


def returned_of(value: Any, objective: Objective) -> Returned | None:
    """What a training returned, or None where it is none of the things that a training may return.

    A list or tuple holds the results of folds or repeats. A dict holds the metrics of a training, each as a number or
    as a list with one number an epoch, and perhaps the "model".

    Raises:
        ObjectiveError: A dict doesn't hold the objective.
        BuildError: A list is empty, or holds something that is no result.
    """
    number = as_number(value)
    if number is not None:
        return Returned((({objective.name: number},),))
    if isinstance(value, keras.callbacks.History):
        return Returned((_epochs_of(value.history, objective),)) if value.history else None
    if isinstance(value, Mapping):
        model = value.get("model")
        model = model if isinstance(model, keras.Model) else None
        return Returned((_curve_of(value, objective),), model, _besides(value))
    if isinstance(value, (list, tuple, np.ndarray)):
        return Returned(tuple(_part_of(item, objective) for item in _not_empty(list(value))))
    return None


def as_number(value: Any) -> float | None:
    """A real number, or an array or tensor that holds a single one, as a float; None of anything else."""
    if is_number(value):
        return float(value)
    if isinstance(value, (list, tuple, str, bytes, Mapping)) or not hasattr(value, "__array__"):
        return None
    array = np.asarray(value)
    is_one = array.size == 1 and array.dtype.kind in "fiu"
    return float(array.reshape(-1)[0]) if is_one else None


def evaluation_of(value: Any, model: keras.Model) -> dict[str, float] | None:
    """The metrics that `model.evaluate` has just returned as a list or a dict; None where a value isn't that.

    An own fit validates with it, so that each metric counts under its name with "val_" too.
    """
    if not (isinstance(value, list) and len(value) > 1) and not isinstance(value, dict):
        return None
    try:
        results = {name: as_number(result) for name, result in model.get_metrics_result().items()}
    except ValueError:
        return None  # it hasn't been evaluated
    # A list has them in an order that Keras has changed between versions, so it is recognised by its numbers.
    numbers = [as_number(item) for item in (value.values() if isinstance(value, dict) else value)]
    is_of_others = isinstance(value, dict) and value.keys() != results.keys()
    if is_of_others or None in numbers or None in results.values() or len(numbers) != len(results):
        return None
    ours, theirs = np.sort(np.array(numbers, float)), np.sort(np.array(list(results.values()), float))
    if not np.allclose(ours, theirs, rtol=1e-6, atol=0.0, equal_nan=True):
        return None
    known = {name: result for name, result in results.items() if result is not None}
    return known | {f"val_{name}": result for name, result in known.items()}


def _epochs_of(columns: Mapping[str, Sequence[Any]], objective: Objective) -> Curve:
    """The logs of each epoch, from one list a metric; a metric of which some epochs lack a value has a shorter one."""
    length = max(map(len, columns.values()), default=0)
    return tuple(
        numeric_logs({name: column[epoch] for name, column in columns.items() if epoch < len(column)}, objective)
        for epoch in range(length)
    )


def _curve_of(metrics: Mapping[str, Any], objective: Objective) -> Curve:
    """The curve in a dict of metrics: as many epochs as the objective has values; other things are left out."""
    numbers = {str(name): number for name, value in metrics.items() if (number := as_number(value)) is not None}
    lists = {str(name): list(value) for name, value in metrics.items() if _are_numbers(value)}
    name = objective.reported_name([*numbers, *lists])
    if name in numbers:
        return (numbers,)
    columns = {other: column for other, column in lists.items() if len(column) == len(lists[name])}
    *epochs, last = _epochs_of(columns, objective)
    return (*epochs, {**last, **numbers})


def _besides(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The plain values in a dict of metrics that are no numbers."""
    plain_values = ((str(name), plain(value)) for name, value in metrics.items() if as_number(value) is None)
    return {name: value for name, value in plain_values if is_scalar(value)}


def _are_numbers(value: Any) -> bool:
    is_list = isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim == 1)
    return is_list and len(value) > 0 and all(as_number(item) is not None for item in value)


def _not_empty(items: list[Any]) -> list[Any]:
    if not items:
        raise BuildError(f"A training of your own returned an empty list. {_LISTS}")
    return items


def _part_of(item: Any, objective: Objective) -> Curve:
    """The curve of one fold or repeat."""
    part = None if isinstance(item, (list, tuple)) else returned_of(item, objective)
    if part is None or len(part.curves) > 1:
        raise BuildError(
            f"A training of your own returned a list that holds {item!r} ({type(item).__name__}). {_LISTS}"
        )
    return part.curves[0]


_LISTS = "A list is taken as the results of folds or repeats: each a number, a dict of metrics, or a History."
