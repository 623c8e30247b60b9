"""Checkpoints: a paused training in one file, with everything that resuming it takes.

The file appears at its path complete or not at all, and a damaged one is recognised: see array_files.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerastune_lite.errors import StudyError
from kerastune_lite.study.atomic_files import written_whole
from kerastune_lite.training import array_files
from kerastune_lite.training.keras_internals import trained_state_of

Arrays = list[np.ndarray]
State = Mapping[str, Any]
"""The state of a callback between epochs: numbers, texts, arrays, and lists and dicts of them."""


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training after an epoch.

    Attributes:
        epochs: How many epochs had been trained.
        variables: The values of the model's and the optimizer's variables, including the states of random generators.
        built_rate: The learning rate that the model was built with; None where a schedule decides it.
        best_weights: The weights after the best epoch so far; None where the latest one was the best.
        callbacks: The name of each callback's class, and its state; None for a callback that starts afresh.
    """

    epochs: int
    variables: Arrays
    built_rate: float | None = None
    best_weights: Arrays | None = None
    callbacks: Sequence[tuple[str, State | None]] = field(default_factory=tuple)


class CheckpointError(Exception):
    """A checkpoint is missing, damaged, or doesn't fit the model."""


def values_of(model: keras.Model) -> Arrays:
    """Copies of the values of a model's and its optimizer's variables."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in trained_state_of(model)]


def restore(model: keras.Model, checkpoint: Checkpoint, keep: Sequence[keras.Variable] = ()) -> None:
    """Gives a built model and its optimizer the values of a checkpoint, except for the variables to `keep`.

    Raises:
        CheckpointError: The model has other variables than the checkpoint.
    """
    variables = trained_state_of(model)
    shapes, kept = [tuple(v.shape) for v in variables], [value.shape for value in checkpoint.variables]
    if shapes != kept:
        at = next((n for n, pair in enumerate(zip(shapes, kept, strict=False)) if len(set(pair)) > 1), None)
        difference = f"{len(kept)} variables, not {len(shapes)}" if at is None else f"{variables[at].path} {shapes[at]}"
        raise CheckpointError(
            f"the weights that were kept don't fit the model that build_fn makes now ({difference}). It has to build "
            "the same model whenever it is given the same values."
        )
    for variable, value in zip(variables, checkpoint.variables, strict=True):
        if not any(variable is other for other in keep):
            variable.assign(value)


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint to a file, which appears complete or not at all.

    Raises:
        StudyError: It can't be written. No other setting would mend that, so it ends the search instead of its trial.
    """
    document = {
        "epochs": checkpoint.epochs,
        "variables": checkpoint.variables,
        "built_rate": checkpoint.built_rate,
        "best_weights": checkpoint.best_weights,
        "callbacks": [list(pair) for pair in checkpoint.callbacks],
    }
    try:
        with written_whole(path) as unfinished:
            array_files.write(unfinished, document)
    except OSError as error:
        raise StudyError(
            f"A training that pauses can't be written to {path}: {error.strerror or error}. What has ended is kept, "
            "and this trial runs again: make room and search again in the same directory."
        ) from error


def read(path: Path) -> Checkpoint:
    """The checkpoint of a file.

    Raises:
        CheckpointError: It is missing or damaged.
    """
    try:
        return _checked(array_files.read(path))
    except FileNotFoundError as error:
        raise CheckpointError("it is missing") from error
    except (array_files.ArrayFileError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"it is damaged ({error})") from error


def _checked(document: Mapping[str, Any]) -> Checkpoint:
    """The checkpoint of a document; an error where a part of it is missing or of another type."""
    epochs, rate = document["epochs"], document["built_rate"]
    if type(epochs) is not int or epochs < 1 or not isinstance(rate, (int, float, type(None))):
        raise ValueError(f"it speaks of {epochs!r} epochs and of a learning rate {rate!r}")
    best = document["best_weights"]
    callbacks = tuple((name, state) for name, state in document["callbacks"])
    if not all(isinstance(name, str) and isinstance(state, (Mapping, type(None))) for name, state in callbacks):
        raise TypeError("it has no states of callbacks")
    return Checkpoint(epochs, _arrays(document["variables"]), rate, None if best is None else _arrays(best), callbacks)


def _arrays(value: Any) -> Arrays:
    if not isinstance(value, list) or not all(isinstance(array, (np.ndarray, np.generic)) for array in value):
        raise TypeError("its variables are no arrays")
    return value
