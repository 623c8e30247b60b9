"""Checks a shared program as it runs, by the model itself: a fingerprint can't be proven complete.

A model that holds any code but Keras's may compute something else than the program that its fingerprint leads to. So
its first batches are run once more, eagerly, by its own step from the same state, and the logs of both are compared.
Single weights aren't: where a gradient is zero but for rounding, an optimizer such as Adam makes noise of it that is as
large as a step. Nothing remains of the check but its verdict.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerastune_lite.training.keras_internals import compute_dtypes, has_known_step, logs_before_update, storage_of

BATCHES = {"train": 2, "test": 1}
"""How many batches are compared: the first shows the model's outputs and losses, the second what was learnt from it."""
TOLERANCES = {"float64": (1e-6, 1e-5), "float32": (1e-5, 1e-4), "float16": (1e-2, 2e-2), "bfloat16": (3e-2, 6e-2)}
"""By how much the logs of the first and the second batch may differ, relative to them, by the type of numbers."""
IS_ON = True
"""Tests of the fingerprint alone set it to False."""

Numbers = Mapping[str, float]
"""The logs of a step that are single numbers, by name."""
Stepping = Callable[[Sequence[Any]], list[Numbers]]
"""Runs a step on some batches, and returns its logs after each of them."""


def numbers_of(logs: Any) -> dict[str, float]:
    """The logs of a step as plain numbers; those that aren't single numbers are left out."""
    found: dict[str, float] = {}
    for name, value in dict(logs).items():
        if isinstance(value, Mapping):  # the metrics of a step of the user's own may be grouped
            found |= {f"{name}.{inner}": number for inner, number in numbers_of(value).items()}
        elif np.size(value) == 1:
            found[str(name)] = float(np.asarray(value).reshape(()))
    return found


def ways_to_step(model: keras.Model, kind: str) -> list[Stepping]:
    """The ways to run a model's own step eagerly on some batches, for its logs; the quickest one is the first.

    The logs of the last batch don't depend on what is learnt from it. So where the step is Keras's own, the gradients
    and the update of the last one are left out. A metric of the user's may look at the weights nevertheless: a
    difference counts only where whole steps show it too.
    """
    step = getattr(model, f"{kind}_step")

    def run(function: Callable[[Any], Any], batch: Any) -> Numbers:
        return numbers_of(model.distribute_strategy.run(function, args=(batch,)))

    def in_full(batches: Sequence[Any]) -> list[Numbers]:
        return [run(step, batch) for batch in batches]

    def in_brief(batches: Sequence[Any]) -> list[Numbers]:
        return [*in_full(batches[:-1]), run(lambda batch: logs_before_update(model, batch), batches[-1])]

    return [in_brief, in_full] if kind == "train" and has_known_step(model) else [in_full]


def difference(
    found: Sequence[Numbers], expected: Sequence[Numbers], dtypes: Iterable[str], strictness: float = 1.0
) -> str:
    """What differs between two lists of logs by more than rounding; empty where nothing does.

    Args:
        found: The logs after each batch that a shared program gave.
        expected: Those that the model gave.
        dtypes: The types of numbers that the model computes with.
        strictness: How many times as near as usual they have to be.
    """
    coarsest = max((TOLERANCES.get(dtype, TOLERANCES["float32"]) for dtype in dtypes), default=TOLERANCES["float32"])
    for place, (mine, theirs) in enumerate(zip(found, expected, strict=True)):
        tolerance = coarsest[min(place, len(coarsest) - 1)] / strictness
        if mine.keys() != theirs.keys():
            return f"the logs {sorted(mine)} instead of {sorted(theirs)}"
        for name, value in mine.items():
            if not np.isclose(value, theirs[name], rtol=tolerance, atol=0.1 * tolerance, equal_nan=True):
                return f"{name} {value:.6g} instead of {theirs[name]:.6g} in batch {place + 1}"
    return ""


def dtypes_of(model: keras.Model) -> set[str]:
    """The types of numbers that a model's layers compute with."""
    return {str(dtype) for dtype in compute_dtypes(model)}


@contextmanager
def state_kept(variables: Iterable[keras.Variable], others: Iterable[tf.Variable] = ()) -> Iterator[None]:
    """Gives variables and the global random generators the state back that they had before."""
    storages = [*map(storage_of, variables), *others]
    # Plain operations: the methods of variables take three times as long, which tells in a check of small steps.
    values = [tf.raw_ops.ReadVariableOp(resource=storage.handle, dtype=storage.dtype) for storage in storages]
    states = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        for storage, value in zip(storages, values, strict=True):
            tf.raw_ops.AssignVariableOp(resource=storage.handle, value=value)
        random.setstate(states[0])
        np.random.set_state(states[1])
