"""Checkpoints: a paused training in one file, with everything that resuming it takes.

The file is a NumPy archive: arrays and one JSON text, no pickle. It appears at its path complete or not at all; a
damaged one is recognised by the archive's own checksums.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerastune_lite.study.atomic_files import written_whole
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
    """Writes a checkpoint to a file, which appears complete or not at all."""
    arrays: dict[str, np.ndarray] = {}

    def packed(value: Any) -> Any:
        """The value as JSON, with the names of its arrays, which are put into `arrays`."""
        if isinstance(value, (np.ndarray, np.generic)):
            name = f"array{len(arrays)}"
            array = np.asarray(value)
            # NumPy's format has no name for the types that it borrows (bfloat16).
            arrays[name] = array.view(f"u{array.dtype.itemsize}") if array.dtype.kind == "V" else array
            return {"array": name, "type": array.dtype.name, "is_number": isinstance(value, np.generic)}
        if isinstance(value, Mapping):
            return {"dict": [[packed(key), packed(item)] for key, item in value.items()]}
        if isinstance(value, (list, tuple)):
            return {type(value).__name__: [packed(item) for item in value]}
        return value

    document = {
        "epochs": checkpoint.epochs,
        "variables": packed(checkpoint.variables),
        "built_rate": checkpoint.built_rate,
        "best_weights": packed(checkpoint.best_weights),
        "callbacks": [[name, packed(state)] for name, state in checkpoint.callbacks],
    }
    with written_whole(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, allow_pickle=False, document=np.array(json.dumps(document)), **arrays)
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> Checkpoint:
    """The checkpoint of a file.

    Raises:
        CheckpointError: It is missing or damaged.
    """

    def unpacked(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if "array" in value:
            array = archive[value["array"]]
            array = array if array.dtype.name == value["type"] else array.view(value["type"])
            return array[()] if value["is_number"] else array
        if "dict" in value:
            return {unpacked(key): unpacked(item) for key, item in value["dict"]}
        kind, items = next(iter(value.items()))
        return {"list": list, "tuple": tuple}[kind](unpacked(item) for item in items)

    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            document = json.loads(archive["document"].item())
            return Checkpoint(
                document["epochs"],
                unpacked(document["variables"]),
                document["built_rate"],
                unpacked(document["best_weights"]),
                tuple((name, unpacked(state)) for name, state in document["callbacks"]),
            )
    except FileNotFoundError as error:
        raise CheckpointError("it is missing") from error
    except (OSError, ValueError, KeyError, TypeError, EOFError, StopIteration, zipfile.BadZipFile) as error:
        raise CheckpointError(f"it is damaged ({type(error).__name__}: {error})") from error
