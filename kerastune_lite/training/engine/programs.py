"""Traced programs that models of one fingerprint share, one after the other.

While a model trains, its Keras variables use the storage of the program's variables, so callbacks, checkpoints and
restored weights see the user's own model; afterwards the model has its own storage back, with the values reached, and
shares nothing with the program.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from kerastune_lite.training.engine.audit import NotShareableError, audit
from kerastune_lite.training.engine.fingerprint import LiftedNumber, fingerprint
from kerastune_lite.training.engine.lifted import Lifted, Slot
from kerastune_lite.training.engine.runner import ProgramError
from kerastune_lite.training.engine.samples import Samples
from kerastune_lite.training.keras_internals import (
    TRACING_DRAWS,
    complete_state,
    lent_storage,
    state_of,
    storage_of,
)

MOST_KEPT, MOST_BYTES = 64, 1 << 29
"""Programs of so many fingerprints are kept, with variables of so many bytes; those used longest ago go first.

TensorFlow never gives back some megabytes of a program (as after a plain `fit`), so dropping one early saves little.
"""
LIFTABLE = frozenset(["float32", "int32", "int64", "uint32", "bool"])
"""The types that all variables of a model have to have for its numbers to be lifted."""

Trace = Callable[[], Any]


class FailedBeforeError(Exception):
    """A program of a model of the same fingerprint has failed."""


class OwnPrograms:
    """Programs of one model alone.

    Attributes:
        how: How its training ran: "compiled", with the reason why it shares nothing.
        seconds_saved: Seconds of tracing that it was spared.
    """

    seconds_saved = 0.0

    def __init__(self, reason: str) -> None:
        self.how = f"compiled: {reason}"
        self._programs: dict[Any, Any] = {}

    def traced(self, key: Any, trace: Trace) -> Any:
        """The program of a key, traced where it is missing."""
        if key not in self._programs:
            self._programs[key] = trace()
        return self._programs[key]


class SharedPrograms:
    """The programs of one search, by the fingerprints of the models that use them.

    Args:
        most_kept: Of how many fingerprints.
        most_bytes: How large their variables may be together. The latest program is kept in any case.
    """

    def __init__(self, most_kept: int = MOST_KEPT, most_bytes: int = MOST_BYTES) -> None:
        self._most_kept = most_kept
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Any, _Program] = OrderedDict()
        self._refused: dict[Any, str] = {}
        self._unliftable: set[Any] = set()
        self._failed: set[Any] = set()

    def __len__(self) -> int:
        return len(self._kept)

    @contextmanager
    def lent_to(self, model: Any, samples: Samples) -> Iterator[OwnPrograms | LentPrograms]:
        """Programs for a model to train with; its own ones where it can't share them.

        Raises:
            FailedBeforeError: A program of such a model failed before.
            ProgramError: The model's state can't be made ready.
        """
        try:
            key, variables, lifted = self._known_as(model, samples)
        except NotShareableError as reason:
            yield OwnPrograms(str(reason))
            return
        except Exception as error:
            raise ProgramError(f"{type(error).__name__}: {error}") from error
        if key in self._failed:
            raise FailedBeforeError
        try:
            if key in self._refused:
                yield OwnPrograms(self._refused[key])
            else:
                with self._lent(key, model, variables, lifted) as lent:
                    yield lent
        except ProgramError:
            self._kept.pop(key, None)
            self._unliftable.discard(key)
            self._failed.add(key)
            raise

    @contextmanager
    def _lent(
        self, key: Any, model: Any, variables: Sequence[Any], lifted: Sequence[LiftedNumber]
    ) -> Iterator[OwnPrograms | LentPrograms]:
        program = self._kept.get(key)
        is_new = program is None
        if program is None:
            program = self._kept[key] = _Program(variables, lifted)
        elif program.suits(lifted):
            program.take_over(variables, lifted)
        else:
            yield OwnPrograms("one of its numbers changes what is computed")
            return
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and self._is_full():
            self._kept.popitem(last=False)
        lent = LentPrograms(program, lifted, is_new=is_new, refuse=lambda error: self._refuse(key, error))
        with lent_storage(variables, program.storages, model.optimizer):
            yield lent

    def _is_full(self) -> bool:
        return len(self._kept) > self._most_kept or sum(p.bytes for p in self._kept.values()) > self._most_bytes

    def _known_as(self, model: Any, samples: Samples) -> tuple[Any, list[Any], list[LiftedNumber]]:
        if model.optimizer is None:
            raise NotShareableError("it has no optimizer")
        if type(model.optimizer).__name__ == "LossScaleOptimizer":
            raise NotShareableError("its optimizer scales the loss")
        complete_state(model, _symbols(samples))
        variables = state_of(model)
        can_lift = all(str(variable.dtype) in LIFTABLE for variable in variables)
        key, lifted = fingerprint(model, variables, lift=can_lift)
        if key in self._unliftable:
            key, lifted = fingerprint(model, variables, lift=False)
        return key, variables, lifted

    def _refuse(self, key: Any, error: Exception) -> None:
        """Never shares programs of a key again: not at all, or not with lifted numbers."""
        program = self._kept.pop(key, None)
        if isinstance(error, NotShareableError) or program is None or not program.slots or key in self._unliftable:
            self._refused[key] = str(error)
        else:
            self._unliftable.add(key)


class LentPrograms:
    """A shared program in the hands of one model.

    Attributes:
        how: How the model's training ran: "shared" with programs that were there, "compiled" with new ones.
        seconds_saved: Seconds that tracing them took for the model before, and not for this one.
    """

    def __init__(
        self, program: _Program, lifted: Sequence[LiftedNumber], *, is_new: bool, refuse: Callable[[Exception], None]
    ) -> None:
        self._program = program
        self._lifted = lifted
        self._refuse = refuse
        self._alone: OwnPrograms | None = None
        self._used: set[Any] = set()
        self.how = "compiled" if is_new else "shared"
        self.seconds_saved = 0.0

    def traced(self, key: Any, trace: Trace) -> Any:
        """The program of a key, traced where it is missing."""
        if self._alone is not None:
            return self._alone.traced(key, trace)
        found = self._program.functions.get(key)
        if found is None:
            started = time.perf_counter()
            try:
                with self._program.lifting(self._lifted):
                    found = trace()
                audit(found, self._program.variables)
            except Exception as error:
                # For this model alone its numbers can be constants; if the model itself is at fault, this fails again.
                self._refuse(error)
                if TRACING_DRAWS and isinstance(error, NotShareableError):
                    raise
                self._alone = OwnPrograms(str(error))
                self.how = self._alone.how
                return self._alone.traced(key, trace)
            self._program.functions[key] = found
            self._program.seconds[key] = time.perf_counter() - started
        elif key not in self._used and self.how == "shared":
            self.seconds_saved += self._program.seconds[key]
        self._used.add(key)
        return found


class _Program:
    """Variables, slots for lifted numbers, and the functions that were traced with them."""

    def __init__(self, variables: Sequence[Any], lifted: Sequence[LiftedNumber]) -> None:
        self.storages = [_copy_of(storage_of(variable)) for variable in variables]
        self.bytes = sum(storage.shape.num_elements() * storage.dtype.size for storage in self.storages)
        self.slots = [Slot() for _ in lifted]
        self.functions: dict[Any, Any] = {}
        self.seconds: dict[Any, float] = {}

    @property
    def variables(self) -> list[tf.Variable]:
        """All that the functions may use."""
        return [*self.storages, *(variable for slot in self.slots for variable in slot.variables)]

    def suits(self, lifted: Sequence[LiftedNumber]) -> bool:
        """Whether its functions would be traced in the same way with other numbers."""
        return all(slot.suits(number.value) for slot, number in zip(self.slots, lifted, strict=True))

    def take_over(self, variables: Sequence[Any], lifted: Sequence[LiftedNumber]) -> None:
        """Takes the values of a model's variables and numbers."""
        for storage, variable in zip(self.storages, variables, strict=True):
            storage.assign(storage_of(variable))
        for slot, number in zip(self.slots, lifted, strict=True):
            slot.set(number.value)

    @contextmanager
    def lifting(self, lifted: Sequence[LiftedNumber]) -> Iterator[None]:
        """Puts lifted numbers into a model while it is traced."""
        for number, slot in zip(lifted, self.slots, strict=True):
            vars(number.owner)[number.attribute] = Lifted(slot, number.value)
        try:
            yield
        finally:
            for number in lifted:
                vars(number.owner)[number.attribute] = number.value


def _copy_of(storage: tf.Variable) -> tf.Variable:
    name = storage.name.partition(":")[0]
    return tf.Variable(storage, trainable=storage.trainable, dtype=storage.dtype, name=name)


def _symbols(samples: Samples) -> Any:
    return keras.tree.map_structure(
        lambda t: None if t is None else keras.KerasTensor((None, *t.shape[1:]), t.dtype.name), samples.tensors
    )
