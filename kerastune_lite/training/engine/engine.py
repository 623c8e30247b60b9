"""The one way in: a `fit` by programs where that gives the same numbers, else Keras's own."""

from __future__ import annotations

import functools
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import keras

from kerastune_lite.training.engine.conditions import (
    between_chunks,
    watches_batches,
    why_keras_orders_samples,
    why_not_compiled,
)
from kerastune_lite.training.engine.programs import FailedBeforeError, SharedPrograms
from kerastune_lite.training.engine.runner import EpochRunner, ProgramError
from kerastune_lite.training.engine.samples import Epochs, FollowEpochs, Order, Samples, in_order, is_shared, reshuffled
from kerastune_lite.training.engine.self_check import kept_verdict
from kerastune_lite.training.keras_internals import engine_missing

EngineName = Literal["auto", "fit"]

SHARE_OF_MEMORY = 0.25
"""Data that would take a larger share of the free memory isn't copied to the device."""
LEAST_MEMORY = 2 << 30
"""Bytes that are taken to be free where the system doesn't tell."""
DATA_SETS = 4
"""How many sets of arrays are kept on the device: those to train and to validate on, and what build_fn may add."""


@dataclass(frozen=True)
class Fitted:
    """What a training gave, and how it ran.

    Attributes:
        history: Keras's History.
        how: "shared", "compiled" or "fit", with the reason where it could not be shared.
        seconds_saved: How long it took to trace what this training didn't have to trace.
    """

    history: Any
    how: str
    seconds_saved: float = 0.0


class Engine:
    """Trains the models of one search. Data and programs are kept for as long as it lives.

    Attributes:
        distrust: Why nothing is compiled with this Keras and TensorFlow, or None.

    Args:
        name: "auto" compiles what can be compiled, "fit" nothing.
        is_trusted: Whether "auto" needs no check that programs give a plain fit's numbers here.
    """

    def __init__(self, name: EngineName = "auto", *, is_trusted: bool = False) -> None:
        self.name: EngineName = name
        self.distrust = None if is_trusted or name == "fit" else engine_missing() or why_not_trusted()
        self._programs = SharedPrograms()
        self._samples: OrderedDict[tuple[Any, ...], tuple[Any, Samples]] = OrderedDict()

    def fit(self, model: Any, arguments: Mapping[str, Any], seed: int, order: Order | None = None) -> Fitted:
        """`model.fit(**arguments)`, with the samples in a new order every epoch.

        Args:
            model: A compiled model.
            arguments: Those of `fit`, all by name.
            seed: What the orders are drawn from.
            order: Another order than the drawn one.

        Raises:
            ProgramError: A program failed. Whether a plain `fit` would have failed too, only a plain `fit` can tell.
        """
        keras_orders = why_keras_orders_samples(model, arguments)
        if keras_orders is not None:
            return Fitted(model.fit(**arguments), self._as_fit(keras_orders))
        given = tuple(arguments.get(name) for name in ("x", "y", "sample_weight", "class_weight"))
        reason = "" if self.name == "fit" else self.distrust or why_not_compiled(model) or self._why_too_large(*given)
        try:
            samples = self._samples_of(*given, on_host=reason is not None)
        except TypeError as error:
            return Fitted(model.fit(**arguments), self._as_fit(str(error)))
        if order is None:
            is_shuffled = arguments.get("shuffle", True)
            order = reshuffled(samples.count, seed) if is_shuffled else in_order(samples.count)
        size = arguments.get("batch_size")
        if reason is None:
            try:
                return self._by_programs(model, Epochs(samples, size, order), arguments)
            except FailedBeforeError:
                reason = "its program failed before"
        epochs = Epochs(samples, size, order, as_batches=True)
        return Fitted(model.fit(**_arguments_with(epochs, arguments)), self._as_fit(reason))

    def _by_programs(self, model: Any, epochs: Epochs, arguments: Mapping[str, Any]) -> Fitted:
        arguments = _arguments_with(epochs, arguments)
        callbacks = arguments["callbacks"]
        validation = self._validation(arguments)
        if validation is not None:
            arguments["validation_data"] = validation
        needs_batches = any(map(watches_batches, callbacks)) or arguments.get("verbose") in (1, "auto")
        steps = 1 if needs_batches else epochs.num_batches
        with self._programs.lent_to(model, epochs.samples) as programs, _steps_at_once(model, steps):
            model.train_function = EpochRunner(model, "train", programs, between_chunks(callbacks))
            model.test_function = EpochRunner(model, "test", programs)
            history = model.fit(**arguments)
        return Fitted(history, programs.how, programs.seconds_saved)

    def _validation(self, arguments: Mapping[str, Any]) -> Epochs | None:
        """Validation data on the device; None where there is none, or it isn't arrays or is too large."""
        given = arguments.get("validation_data")
        if not isinstance(given, (tuple, list)) or self._why_too_large(*given):
            return None
        try:
            samples = self._samples_of(*given)
        except TypeError:
            return None
        return Epochs(samples, arguments.get("validation_batch_size"), in_order(samples.count))

    def _samples_of(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, *, on_host: bool = False
    ) -> Samples:
        key = (*_identity(x, y, sample_weight, class_weight), on_host)
        if key not in self._samples:
            samples = Samples.of(x, y, sample_weight, class_weight, on_host=on_host)
            # The arrays are kept too: another one at the same place would have the same id.
            self._samples[key] = ((x, y, sample_weight), samples)
        self._samples.move_to_end(key)
        while len(self._samples) > DATA_SETS:
            self._samples.popitem(last=False)
        return self._samples[key][1]

    def _why_too_large(self, *given: Any) -> str | None:
        """Why arrays can't be kept on the device; None where they can, or are there already."""
        leaves = keras.tree.flatten(given[:3])
        size = sum(getattr(leaf, "nbytes", 0) for leaf in leaves if not is_shared(leaf))
        if (*_identity(*given), False) in self._samples or size <= SHARE_OF_MEMORY * _free_memory():
            return None
        return f"the data ({size >> 20} MiB) is too large to be kept on the device"

    def _as_fit(self, reason: str) -> str:
        return f"fit: {reason}" if reason and self.name == "auto" else "fit"


@functools.cache
def why_not_trusted() -> str | None:
    """Why trainings by programs can't be trusted in this process; None where they can."""
    engine = Engine(is_trusted=True)
    return kept_verdict(lambda model, arguments: engine.fit(model, arguments, seed=0).history)


def _identity(x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None) -> tuple[Any, ...]:
    """What tells arrays that are alive apart without looking into them."""
    return (id(x), id(y), id(sample_weight), repr(class_weight))


def _arguments_with(epochs: Epochs, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a fit whose samples, weights and batches are in `epochs`."""
    inside = ("x", "y", "sample_weight", "class_weight", "batch_size", "shuffle")
    changed = {name: value for name, value in arguments.items() if name not in inside}
    changed["x"], changed["shuffle"] = epochs, False
    changed.setdefault("validation_batch_size", None)
    changed["validation_batch_size"] = changed["validation_batch_size"] or epochs.batch_size
    given = arguments.get("callbacks") or ()
    changed["callbacks"] = [FollowEpochs(epochs), *keras.tree.flatten(given)]
    return changed


@contextmanager
def _steps_at_once(model: Any, steps: int) -> Iterator[None]:
    """Lets `fit` ask for so many steps at once, and leaves the model with its own functions."""
    before = model.steps_per_execution, model.train_function, model.test_function
    try:
        model.steps_per_execution = steps
        yield
    finally:
        model.steps_per_execution, model.train_function, model.test_function = before


def _free_memory() -> float:
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return float(LEAST_MEMORY)


__all__ = ["Engine", "EngineName", "Fitted", "ProgramError"]
