"""What a trial of KerasTuner's returns: checked in its words, and as this library takes it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kerastune_lite.compat.keras_tuner.errors import FatalTypeError, FatalValueError
from kerastune_lite.compat.keras_tuner.objectives import DefaultObjective, Objective, with_objective
from kerastune_lite.training.returned import as_number

Epochs = Sequence[Mapping[str, float]]


def checked(result: Any, objective: Objective, where: str) -> Any:
    """A result, or the results of several executions, as this library takes them: with the objective in each.

    Args:
        result: What was returned.
        objective: What is optimised.
        where: The method that returned it, for the messages.

    Raises:
        FatalTypeError: It is no result.
        FatalValueError: It lacks the objective.
    """
    if isinstance(result, (list, tuple)):
        return [checked(one, objective, where) for one in result]
    if result is None:
        raise FatalTypeError(
            f"The return value of {where} is None. Did you forget to return the metrics? Return a float, a dict of "
            "metrics, the History of fit, or a list of these."
        )
    number = as_number(result)
    if number is not None:
        return number
    if isinstance(objective, DefaultObjective):
        raise FatalTypeError(
            f"Expected the return value of {where} to be a single float when `objective` is left unspecified. "
            f"Received: {result!r} of type {type(result).__name__}."
        )
    if isinstance(result, keras.callbacks.History):
        result = result.history
    if not isinstance(result, Mapping):
        raise FatalTypeError(
            f"Expected the return value of {where} to be one of float, dict, keras.callbacks.History, or a list of one "
            f"of these types. Received: {result!r} of type {type(result).__name__}."
        )
    if not objective.has_value(result):
        raise FatalValueError(
            f"Expected the dictionary that {where} returned to have the objective {objective.name!r}. It has: "
            f"{', '.join(map(str, result)) or 'nothing'}."
        )
    return with_objective(result, objective)


def history_of(curve: Epochs) -> keras.callbacks.History:
    """The History of a training whose learning curve is known."""
    history = keras.callbacks.History()
    history.epoch = list(range(len(curve)))
    names = dict.fromkeys(name for logs in curve for name in logs)
    history.history = {name: [logs[name] for logs in curve if name in logs] for name in names}
    return history


def best_epoch_of(curve: Epochs, objective: Objective) -> int:
    """The epoch with the best objective; the last one where none reports it."""
    scores = [logs.get(objective.name) for logs in curve]
    best = objective.core.best_epoch(scores)
    return len(curve) - 1 if best is None else best


def metrics_of(curves: Sequence[Epochs], objective: Objective) -> tuple[dict[str, float], int]:
    """Each metric at the best epoch, the mean over executions; and that epoch, the mean rounded down."""
    curves = [curve for curve in curves if curve]
    if not curves:
        return {}, 0
    epochs = [best_epoch_of(curve, objective) for curve in curves]
    bests = [curve[epoch] for curve, epoch in zip(curves, epochs, strict=True)]
    names = [name for name in bests[0] if all(name in logs for logs in bests)]
    means = {name: statistics.fmean(logs[name] for logs in bests) for name in names}
    return means, int(statistics.fmean(epochs))


def curves_of(result: Any, objective: Objective) -> list[Epochs]:
    """The learning curve of each execution in a checked result; one of a number or a dict has a single entry."""
    if isinstance(result, list):
        return [curve for one in result for curve in curves_of(one, objective)]
    if isinstance(result, Mapping):
        columns = {name: value for name, value in result.items() if isinstance(value, (list, tuple))}
        if objective.name in columns:
            epochs = range(len(columns[objective.name]))
            return [[{name: column[e] for name, column in columns.items() if e < len(column)} for e in epochs]]
        return [[{name: n for name, value in result.items() if (n := as_number(value)) is not None}]]
    return [[{objective.name: result}]]
