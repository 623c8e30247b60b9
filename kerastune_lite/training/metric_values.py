"""The values that metrics report: numbers, and arrays or tensors of numbers, such as one a class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kerastune_lite.errors import ObjectiveError
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Note


def numeric_logs(logs: Mapping[str, Any], objective: Objective | None = None) -> dict[str, float]:
    """The logs as plain floats: an array as its mean, and what holds no numbers left out.

    Args:
        logs: What Keras or a callback reported of an epoch.
        objective: What is optimised, which has to be one number; None where that doesn't matter.

    Raises:
        ObjectiveError: The objective's value isn't one number.
    """
    arrays = {name: _array_of(value) for name, value in logs.items()}
    if objective is not None:
        _check_objective(logs, arrays, objective)
    return {name: float(array.mean(dtype=float)) for name, array in arrays.items() if array is not None}


def notes_of(logs: Mapping[str, Any]) -> tuple[Note, ...]:
    """A remark for each metric of which the record holds a mean."""
    arrays = {name: _array_of(value) for name, value in logs.items()}
    return tuple(
        Note(f"the metric {name!r} is an array of {array.size} numbers; the record holds their mean")
        for name, array in arrays.items()
        if array is not None and array.size > 1
    )


def _check_objective(logs: Mapping[str, Any], arrays: Mapping[str, np.ndarray | None], objective: Objective) -> None:
    try:
        name = objective.reported_name(logs)
    except ObjectiveError:
        return  # whether it has to be reported in this epoch is not decided here
    array = arrays[name]
    if array is None:
        raise ObjectiveError(
            f"The objective {name!r} is {logs[name]!r} ({type(logs[name]).__name__}), and a score is a number. Choose "
            "a metric that reports one."
        )
    if array.size > 1:
        raise ObjectiveError(
            f"The objective {name!r} is an array of {array.size} numbers, such as one a class, and a score is one "
            'number. Let the metric average them, as keras.metrics.F1Score(average="macro") does, or choose another '
            "objective."
        )


def _array_of(value: Any) -> np.ndarray | None:
    """The real numbers of a value as an array; None where it holds none, or something else."""
    if isinstance(value, (str, bytes, Mapping)):
        return None
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":  # such as bfloat16, which NumPy only borrows
            array = array.astype(float) if array.dtype.kind == "V" else np.empty(0)
    except (TypeError, ValueError, NotImplementedError):
        return None
    return array if array.size else None
