"""Trials that leak into one another: variables made outside build_fn, which every trial goes on training."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np

from kerastune_lite.study.trial import Note
from kerastune_lite.training.array_files import checksum_of

SAMPLED = 1 << 18
"""Elements of a variable of which the checksum is taken: training changes nearly all elements of nearly all variables,
and reading every one of a large model would cost as much as a step."""
NAMED = 3
"""How many variables a message names."""


@dataclass(frozen=True)
class _Start:
    """A variable that a trial trains, and the checksum of the value that its first training began with.

    The checksum is None of a variable that was made during that training.
    """

    variable: weakref.ref[keras.Variable]
    checksum: int | None


_starts: dict[int, _Start] = {}
"""By the variable's id: every variable that a trial of this process has trained and that is still alive.

It is the process that holds what trials have in common, whichever search they belong to."""


def leak_notes(model: keras.Model) -> tuple[Note, ...]:
    """Notices, before a training, that an earlier one has changed variables of the model; remembers the others.

    Variables that earlier trainings left as they were (a frozen base) are fine, and so are those that build_fn has set
    back to what they were. Warns once, and returns the note for the trial's record.

    Args:
        model: A model that build_fn has just returned.
    """
    changed = [variable.path for variable in _may_leak(model) if _has_changed(variable)]
    if not changed:
        return ()
    more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
    text = (
        f"it begins with weights that an earlier training has changed ({', '.join(changed[:NAMED])}{more}): they were "
        "made outside build_fn, so trials go on from one another and their scores depend on the order. Make the model, "
        "its layers and its optimizer inside build_fn (of a pretrained one: keras.models.clone_model and set_weights), "
        "or freeze what is shared (layer.trainable = False)."
    )
    warnings.warn(f"A trial shares variables with an earlier one: {text}", stacklevel=2)
    return (Note(text, "leak"),)


def remember(model: keras.Model) -> None:
    """Remembers, after a training, the variables that it made: those of layers that didn't know their inputs before."""
    for variable in _may_leak(model):
        if not _is_known(variable):
            _keep(variable, None)


def _may_leak(model: keras.Model) -> Iterator[keras.Variable]:
    """The variables that decide where a training begins: the weights, and the states of optimizers.

    The states of random generators are left out: they differ between trials in any case.
    """
    yield from (variable for variable in model.variables if keras.backend.is_float_dtype(variable.dtype))
    compiled_with = getattr(model, "optimizer", None)  # a model that isn't compiled has none
    for optimizer in {id(value): value for value in (compiled_with, *vars(model).values())}.values():
        if isinstance(optimizer, keras.optimizers.Optimizer):
            yield from optimizer.variables


def _has_changed(variable: keras.Variable) -> bool:
    """Whether an earlier training began with another value; a variable that is new is remembered."""
    if _is_known(variable):
        return _starts[id(variable)].checksum != _checksum(variable)
    _keep(variable, _checksum(variable))
    return False


def _is_known(variable: keras.Variable) -> bool:
    known = _starts.get(id(variable))
    return known is not None and known.variable() is variable


def _keep(variable: keras.Variable, checksum: int | None) -> None:
    key = id(variable)
    _starts[key] = _Start(weakref.ref(variable, lambda _: _starts.pop(key, None)), checksum)


def _checksum(variable: keras.Variable) -> int:
    values = np.asarray(keras.ops.convert_to_numpy(variable.value)).reshape(-1)
    step = max(values.size // SAMPLED, 1)
    return checksum_of(values[::step])
