"""The engine: runs a `fit` by programs where that gives the same numbers, and as Keras's own `fit` elsewhere."""

from __future__ import annotations

import functools
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from kerastune_lite.running.task import EngineName
from kerastune_lite.study.trial import Note, Trained
from kerastune_lite.training.engine.conditions import (
    between_chunks,
    keeps_keras_order,
    plain_fit_reason,
    unsupported_reason,
    watches_batches,
)
from kerastune_lite.training.engine.programs import SharedPrograms
from kerastune_lite.training.engine.runner import ProgramError
from kerastune_lite.training.engine.samples import (
    Epochs,
    FollowEpochs,
    Order,
    Samples,
    checksums,
    in_order,
    is_shared,
    reshuffled,
)
from kerastune_lite.training.engine.self_check import kept_verdict
from kerastune_lite.training.engine.stream_runner import StreamRunner
from kerastune_lite.training.engine.streams import ResetSteps, Steps, StepsForValidation, Stream
from kerastune_lite.training.keras_internals import engine_missing, split_by_keras, unpacked

SHARE_OF_MEMORY = 0.25
"""The largest share of the free memory that data may take on the device; of larger data batches are copied there."""
ASSUMED_FREE_MEMORY = 2 << 30
"""Bytes taken to be free where the operating system doesn't report it."""
SAMPLES = ("x", "y", "sample_weight")
"""The arguments of `fit` that hold its data."""
DATA_SETS = 4
"""How many sets of arrays are kept on the device: the training and validation data, and what build_fn may add."""


@dataclass(frozen=True)
class Fitted:
    """The result of a training.

    Attributes:
        history: Keras's History; of a builder with its own `fit`, whatever that returned.
        trained: Whether it was trained by shared programs, by new ones, or by a plain fit, and why.
        seconds_saved: How many seconds the programs had taken to trace that this training could reuse.
        notes: Remarks for the trial's record.
    """

    history: Any
    trained: Trained
    seconds_saved: float = 0.0
    notes: tuple[Note, ...] = ()


class Engine:
    """Trains the models of one search, and keeps their data and programs for the next model.

    Args:
        name: "auto" compiles every training that can be compiled, "fit" none.
        distrust: Why this engine compiles nothing with the Keras and TensorFlow that are installed; None if it may.
    """

    def __init__(self, name: EngineName = "auto", distrust: str | None = None) -> None:
        self.name: EngineName = name
        self.distrust = distrust
        self._programs = SharedPrograms()
        self._samples: OrderedDict[tuple[Any, ...], tuple[Any, Any, Samples]] = OrderedDict()

    @classmethod
    def trusted(cls, name: EngineName = "auto") -> Engine:
        """An engine that compiles only if a training by programs gave the numbers of a plain fit in this installation.

        The first call in a process may train a small model to find out. An engine named "fit" needs no such check.
        """
        return cls(name, None if name == "fit" else engine_missing() or failed_self_check())

    def fit(self, model: keras.Model, arguments: Mapping[str, Any], seed: int, order: Order | None = None) -> Fitted:
        """Runs `model.fit(**arguments)`, with the samples in a new order in every epoch.

        Args:
            model: A compiled model.
            arguments: The arguments of `fit`, all by name.
            seed: The seed from which the orders are drawn.
            order: An order to use instead of the drawn one.

        Raises:
            ProgramError: A program failed. Only a plain `fit` can show whether the model itself is at fault.
        """
        untouchable = plain_fit_reason(model)
        if untouchable is not None:
            return Fitted(model.fit(**arguments), self._as_fit(untouchable))
        if keeps_keras_order(arguments):
            return self._in_keras_order(model, arguments)
        given = tuple(arguments.get(name) for name in ("x", "y", "sample_weight", "class_weight"))
        reason = self._reason(model)
        is_large = self._is_large(*given)
        try:
            samples = self._samples_of(*given, on_host=is_large or reason is not None)
        except TypeError:
            return self._in_keras_order(model, arguments)
        if order is None:
            is_shuffled = arguments.get("shuffle", True)
            order = reshuffled(samples.count, seed) if is_shuffled else in_order(samples.count)
        size = arguments.get("batch_size")
        if reason is None and not is_large:
            return self._by_programs(model, Epochs(samples, size, order), arguments)
        epochs = Epochs(samples, size, order, as_batches=True)
        arguments = _arguments_with(epochs, arguments)
        if reason is None:
            return self._by_streams(model, Stream(lambda: epochs), arguments)
        return Fitted(model.fit(**arguments), self._as_fit(reason))

    def _reason(self, model: keras.Model) -> str | None:
        """Why a model is trained by Keras's own functions; None where it isn't, empty where that was asked for."""
        return "" if self.name == "fit" else self.distrust or unsupported_reason(model)

    def _in_keras_order(self, model: keras.Model, arguments: Mapping[str, Any]) -> Fitted:
        """Trains on the batches that Keras's own iterator gives, in its order."""
        reason = self._reason(model)
        if reason is not None:
            return Fitted(model.fit(**arguments), self._as_fit(reason))
        arguments = _split(arguments)
        stream = Stream.of(
            steps=arguments.get("steps_per_epoch"),
            shuffle=arguments.get("shuffle", True),
            **{name: arguments.get(name) for name in (*SAMPLES, "batch_size", "class_weight")},
        )
        return self._by_streams(model, stream, arguments)

    def _by_streams(self, model: keras.Model, stream: Stream, arguments: Mapping[str, Any]) -> Fitted:
        """Trains on the batches of an iterator, by programs."""
        callbacks = keras.tree.flatten(arguments.get("callbacks") or ())
        steps = Steps(stream, *_calls(callbacks, arguments))
        before = model.steps_per_execution, model.train_function, model.test_function

        def give_back_number() -> None:
            model.steps_per_execution = before[0]

        stream.when_taken = give_back_number
        inside = (*SAMPLES, "batch_size", "class_weight", "shuffle")
        changed = {name: value for name, value in arguments.items() if name not in inside}
        changed |= {"x": stream, "shuffle": False, "callbacks": callbacks}
        changed |= _validated_as_stream(arguments, callbacks)
        model.steps_per_execution = steps
        try:
            return self._run(model, stream, changed, callbacks)
        finally:
            model.steps_per_execution, model.train_function, model.test_function = before

    def _run(
        self, model: keras.Model, samples: Samples | Stream, arguments: Mapping[str, Any], callbacks: Sequence[Any]
    ) -> Fitted:
        with self._programs.lent_to(model, samples, callbacks) as programs:
            model.train_function = StreamRunner(model, "train", programs, lambda: between_chunks(callbacks))
            model.test_function = StreamRunner(model, "test", programs)
            try:
                history = model.fit(**arguments)
            finally:
                for data in (arguments["x"], arguments.get("validation_data")):
                    if isinstance(data, Stream):
                        data.close()
        return Fitted(history, programs.trained, programs.seconds_saved, programs.notes)

    def _by_programs(self, model: keras.Model, epochs: Epochs, arguments: Mapping[str, Any]) -> Fitted:
        arguments = _arguments_with(epochs, arguments)
        callbacks = arguments["callbacks"]
        validation = self._validation(arguments)
        if validation is not None:
            arguments["validation_data"] = validation
        else:
            arguments |= _validated_as_stream(arguments, callbacks)
        steps = StepsAtOnce(model, epochs.num_batches, callbacks, arguments.get("verbose"))
        epochs.when_taken = steps.settle
        with steps:
            return self._run(model, epochs.samples, arguments, callbacks)

    def _validation(self, arguments: Mapping[str, Any]) -> Epochs | None:
        """The validation data on the device; None if there is none, if it isn't arrays, or if it is too large."""
        given = arguments.get("validation_data")
        if not isinstance(given, (tuple, list)) or self._is_large(*given):
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
        sums = checksums(x, y, sample_weight)
        if key not in self._samples or sums is None or self._samples[key][1] != sums:
            samples = Samples.of(x, y, sample_weight, class_weight, on_host=on_host)
            # The arrays are kept too: another one at the same place would have the same id.
            self._samples[key] = ((x, y, sample_weight), sums, samples)
        self._samples.move_to_end(key)
        while len(self._samples) > DATA_SETS:
            self._samples.popitem(last=False)
        return self._samples[key][2]

    def _is_large(self, *given: Any) -> bool:
        """Whether arrays are too large to be kept on the device, and aren't there already."""
        leaves = keras.tree.flatten(given[:3])
        size = sum(getattr(leaf, "nbytes", 0) for leaf in leaves if not is_shared(leaf))
        return (*_identity(*given), False) not in self._samples and size > SHARE_OF_MEMORY * _free_memory()

    def _as_fit(self, reason: str) -> Trained:
        return Trained("fit", reason if self.name == "auto" else "")


@functools.cache
def failed_self_check() -> str | None:
    """What is wrong with trainings by programs in this process; None if their numbers are those of a plain fit."""
    engine = Engine()
    return kept_verdict(lambda model, arguments: engine.fit(model, arguments, seed=0).history)


def _identity(x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None) -> tuple[Any, ...]:
    """A key of a set of arrays that no other set has while the arrays are kept alive; their contents may change."""
    return (id(x), id(y), id(sample_weight), repr(class_weight))


def _arguments_with(epochs: Epochs, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a fit whose samples, sample weights and batches come from `epochs`."""
    inside = ("x", "y", "sample_weight", "class_weight", "batch_size", "shuffle")
    changed = {name: value for name, value in arguments.items() if name not in inside}
    changed["x"], changed["shuffle"] = epochs, False
    changed.setdefault("validation_batch_size", None)
    changed["validation_batch_size"] = changed["validation_batch_size"] or epochs.batch_size
    given = arguments.get("callbacks") or ()
    changed["callbacks"] = [FollowEpochs(epochs), *keras.tree.flatten(given)]
    return changed


def _split(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a fit, with the validation split made as Keras makes it."""
    split = arguments.get("validation_split")
    changed = {name: value for name, value in arguments.items() if name != "validation_split"}
    if split and arguments.get("validation_data") is None:
        parts = split_by_keras(tuple(arguments.get(name) for name in SAMPLES), split)
        changed |= dict(zip(SAMPLES, parts[0], strict=True))
        changed["validation_data"] = parts[1]
    return changed


def _validated_as_stream(arguments: Mapping[str, Any], callbacks: Sequence[keras.callbacks.Callback]) -> dict[str, Any]:
    """What changes in the arguments of a fit, so that it validates on the batches of Keras's own iterator by programs.

    Args:
        arguments: The arguments.
        callbacks: The callbacks of the training.
    """
    given = arguments.get("validation_data")
    if given is None:
        return {}
    stream = Stream.of(
        steps=arguments.get("validation_steps"),
        shuffle=False,
        class_weight=None,
        batch_size=arguments.get("validation_batch_size") or arguments.get("batch_size"),
        **dict(zip(SAMPLES, unpacked(given), strict=True)),
    )
    last = StepsForValidation(Steps(stream, *_calls(callbacks, arguments)))
    return {"validation_data": stream, "callbacks": [ResetSteps(last), *callbacks, last]}


def _calls(
    callbacks: Sequence[keras.callbacks.Callback], arguments: Mapping[str, Any]
) -> tuple[Callable[[], bool], bool]:
    """Whether each batch has to be a call of its own, asked anew in each epoch, and whether lines are printed."""
    verbose = arguments.get("verbose", "auto")
    return lambda: verbose in (1, "auto") or any(map(watches_batches, callbacks)), bool(verbose)


class StepsAtOnce:
    """How many steps `fit` asks for in one call; a number that is settled when an epoch begins.

    Keras's iterator over an epoch keeps `model.steps_per_execution` from the beginning of `fit`, and counts by it once
    the callbacks have begun the epoch. Only then is it known which of them need to be called after every batch. In a
    `with`, the model is given its own number and functions back afterwards.

    Args:
        model: The model that is trained.
        num_batches: The number of batches in an epoch.
        callbacks: The callbacks of the training.
        verbose: The argument of `fit`.
    """

    def __init__(
        self, model: keras.Model, num_batches: int, callbacks: Sequence[keras.callbacks.Callback], verbose: Any
    ) -> None:
        self._model = model
        self._num_batches = num_batches
        self._callbacks = callbacks
        self._has_bar = verbose in (1, "auto")
        self._before = model.steps_per_execution, model.train_function, model.test_function

    def __enter__(self) -> StepsAtOnce:
        self._model.steps_per_execution = self
        return self

    def __exit__(self, *_: object) -> None:
        self._model.steps_per_execution, self._model.train_function, self._model.test_function = self._before

    def settle(self) -> None:
        """Gives the model a plain number again, once the iterator over epochs has taken this one."""
        self._model.steps_per_execution = 1

    def __index__(self) -> int:
        """The number of steps, from now on."""
        needs_batches = self._has_bar or any(map(watches_batches, self._callbacks))
        self._model.steps_per_execution = 1 if needs_batches else self._num_batches
        return int(self._model.steps_per_execution)

    def __radd__(self, other: int) -> int:
        return other + int(self._model.steps_per_execution)


def _free_memory() -> float:
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return float(ASSUMED_FREE_MEMORY)


__all__ = ["Engine", "Fitted", "ProgramError"]
