"""Traced programs, shared one after the other by the models that have the same fingerprint.

While a model trains, its Keras variables use the storage of the program's variables, so callbacks, checkpoints and
restored weights see the user's own model. Afterwards the model gets its own storage back, with the values that the
training reached, and shares nothing with the program.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from kerastune_lite.study.trial import Trained
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
"""How many programs are kept by default, and how many bytes their variables may take; the least recently used go first.

TensorFlow never frees some megabytes of a program (as after a plain `fit`), so dropping programs early saves little.
"""
LIFTABLE = frozenset(["float32", "int32", "int64", "uint32", "bool"])
"""The dtypes that a model's variables may have if its numbers are to be lifted."""

Trace = Callable[[], tf.types.experimental.ConcreteFunction]


class FailedBeforeError(Exception):
    """A program failed for an earlier model of the same fingerprint."""


class OwnPrograms:
    """Programs that one model uses alone.

    Attributes:
        trained: How its training runs: compiled, with the reason why it shares nothing.
        seconds_saved: Always 0: everything is traced anew.
    """

    seconds_saved = 0.0

    def __init__(self, reason: str) -> None:
        self.trained = Trained("compiled", reason)
        self._programs: dict[Hashable, tf.types.experimental.ConcreteFunction] = {}

    def traced(self, key: Hashable, trace: Trace) -> tf.types.experimental.ConcreteFunction:
        """The program of a key, traced if it isn't there yet."""
        if key not in self._programs:
            self._programs[key] = trace()
        return self._programs[key]


class SharedPrograms:
    """The programs of one search, by the fingerprints of the models that use them.

    Args:
        most_kept: Programs of at most this many fingerprints are kept.
        most_bytes: How many bytes the variables of all programs may take. The latest program is kept in any case.
    """

    def __init__(self, most_kept: int = MOST_KEPT, most_bytes: int = MOST_BYTES) -> None:
        self._most_kept = most_kept
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Hashable, _Program] = OrderedDict()
        self._refused: dict[Hashable, str] = {}
        self._unliftable: set[Hashable] = set()
        self._failed: set[Hashable] = set()

    def __len__(self) -> int:
        return len(self._kept)

    @contextmanager
    def lent_to(self, model: keras.Model, samples: Samples) -> Iterator[OwnPrograms | LentPrograms]:
        """Lends a model programs to train with: shared ones, or its own where it can't share.

        Raises:
            FailedBeforeError: A program failed for an earlier model of the same fingerprint.
            ProgramError: The model's variables can't be made before training.
        """
        try:
            key, variables, lifted = self.fingerprinted(model, samples)
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
        self, key: Hashable, model: keras.Model, variables: Sequence[keras.Variable], lifted: Sequence[LiftedNumber]
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

    def fingerprinted(
        self, model: keras.Model, samples: Samples
    ) -> tuple[Hashable, list[keras.Variable], list[LiftedNumber]]:
        """A model's fingerprint, its variables, and the numbers that the fingerprint leaves out."""
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

    def _refuse(self, key: Hashable, error: Exception) -> None:
        """Stops sharing programs of a fingerprint, or lifting its numbers where that may be the reason of the error."""
        program = self._kept.pop(key, None)
        if isinstance(error, NotShareableError) or program is None or not program.slots or key in self._unliftable:
            self._refused[key] = str(error)
        else:
            self._unliftable.add(key)


class LentPrograms:
    """A shared program while one model trains with it.

    Attributes:
        trained: How the model's training runs: shared if the program was traced for an earlier model, else compiled.
        seconds_saved: How many seconds the reused functions had taken to trace.
    """

    def __init__(
        self, program: _Program, lifted: Sequence[LiftedNumber], *, is_new: bool, refuse: Callable[[Exception], None]
    ) -> None:
        self._program = program
        self._lifted = lifted
        self._refuse = refuse
        self._alone: OwnPrograms | None = None
        self._used: set[Hashable] = set()
        self.trained = Trained("compiled" if is_new else "shared")
        self.seconds_saved = 0.0

    def traced(self, key: Hashable, trace: Trace) -> tf.types.experimental.ConcreteFunction:
        """The program of a key, traced if it isn't there yet."""
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
                # For this model alone, its numbers can be constants. If the model itself is at fault, this fails again.
                self._refuse(error)
                if TRACING_DRAWS and isinstance(error, NotShareableError):
                    raise
                self._alone = OwnPrograms(str(error))
                self.trained = self._alone.trained
                return self._alone.traced(key, trace)
            self._program.functions[key] = found
            self._program.seconds[key] = time.perf_counter() - started
        elif key not in self._used and self.trained.how == "shared":
            self.seconds_saved += self._program.seconds[key]
        self._used.add(key)
        return found


class _Program:
    """The variables of a program, the slots of its lifted numbers, and the functions that were traced with them."""

    def __init__(self, variables: Sequence[keras.Variable], lifted: Sequence[LiftedNumber]) -> None:
        self.storages = [_copy_of(storage_of(variable)) for variable in variables]
        self.bytes = sum(storage.shape.num_elements() * storage.dtype.size for storage in self.storages)
        self.slots = [Slot() for _ in lifted]
        self.functions: dict[Hashable, tf.types.experimental.ConcreteFunction] = {}
        self.seconds: dict[Hashable, float] = {}

    @property
    def variables(self) -> list[tf.Variable]:
        """All variables that the functions may use."""
        return [*self.storages, *(variable for slot in self.slots for variable in slot.variables)]

    def suits(self, lifted: Sequence[LiftedNumber]) -> bool:
        """Whether its functions would be traced in the same way with other numbers."""
        return all(slot.suits(number.value) for slot, number in zip(self.slots, lifted, strict=True))

    def take_over(self, variables: Sequence[keras.Variable], lifted: Sequence[LiftedNumber]) -> None:
        """Takes the values of a model's variables and numbers."""
        for storage, variable in zip(self.storages, variables, strict=True):
            storage.assign(storage_of(variable))
        for slot, number in zip(self.slots, lifted, strict=True):
            slot.set(number.value)

    @contextmanager
    def lifting(self, lifted: Sequence[LiftedNumber]) -> Iterator[None]:
        """Replaces the lifted numbers of a model by their slots while it is traced."""
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
