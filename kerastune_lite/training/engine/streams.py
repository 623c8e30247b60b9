"""Data that Keras iterates over: datasets, PyDatasets, generators, and arrays whose order Keras has to choose.

Keras makes its own adapter and its own iterator of them, in its own time. A `Stream` stands between the adapter and
`fit`: it counts the batches that are taken, and knows how many Keras would take of them in the rest of an epoch. So
many steps can be run in one call, and just as many elements are asked for as by a plain `fit`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import keras
import tensorflow as tf

from kerastune_lite.training.engine.audit import NotShareableError
from kerastune_lite.training.engine.fetching import are_arrays
from kerastune_lite.training.engine.tokens import UNKNOWN, FetchedToken, StreamToken
from kerastune_lite.training.keras_internals import DataAdapter, data_adapter_of, spec_of_python_batches


class Stream(DataAdapter):
    """Data as `fit` takes it, whose batches are counted as they are taken.

    Args:
        make_adapter: Makes Keras's adapter of the data. It is called when Keras would make it.
        steps: The number of steps in an epoch, or in a validation, if it was given.

    Attributes:
        when_taken: Is called once Keras's iterator over epochs has been made of it.
        token: The iterator that is under way; None before the first epoch.
        taken: How many batches were trained or validated on in this epoch.
        asked: How many steps Keras asks for in one call.
    """

    def __init__(self, make_adapter: Callable[[], Any], steps: int | None = None) -> None:
        self._make_adapter = make_adapter
        self._steps = steps
        self.when_taken: Callable[[], None] = lambda: None
        self.when_epoch_begins: Callable[[], None] = lambda: None
        self.token: StreamToken | None = None
        self.taken = 0
        self.asked = 1

    @classmethod
    def of(cls, *, steps: int | None = None, **arguments: Any) -> Stream:
        """A stream of data as `fit` takes it.

        Args:
            steps: The argument `steps_per_epoch` or `validation_steps` of `fit`.
            **arguments: x, y, sample_weight, batch_size, shuffle and class_weight, as `fit` takes them.
        """
        most = keras.config.max_steps_per_epoch()
        if most and (not steps or most < steps):
            steps = most
        return cls(lambda: data_adapter_of(**arguments, steps_per_epoch=steps), steps)

    @cached_property
    def _adapter(self) -> Any:
        return self._make_adapter()

    def get_tf_dataset(self) -> Any:
        """An iterable that makes one iterator each time that Keras begins with the data."""
        spec = spec_of_python_batches(self._adapter)
        if spec is not None and are_arrays(spec):
            self.when_taken()
            return StreamEpochs(self, lambda: FetchedToken(self, self._adapter.get_numpy_iterator, spec))
        dataset = self._adapter.get_tf_dataset()
        self.when_taken()
        return StreamEpochs(self, lambda: StreamToken(self, iter(dataset)))

    def close(self) -> None:
        """Takes no more batches, once a training has ended."""
        if self.token is not None:
            self.token.close()

    def on_epoch_begin(self) -> None:
        """Begins to count the batches of an epoch."""
        self._adapter.on_epoch_begin()
        self.taken = 0
        self.when_epoch_begins()

    def on_epoch_end(self) -> None:
        """Tells the data that an epoch has ended."""
        self._adapter.on_epoch_end()

    @property
    def num_batches(self) -> int | None:
        """The number of batches in the data; None if it isn't known."""
        number: int | None = self._adapter.num_batches
        return number

    @property
    def batch_size(self) -> int | None:
        """The number of samples in a batch; None if it isn't known."""
        size: int | None = self._adapter.batch_size
        return size

    @property
    def has_partial_batch(self) -> bool | None:
        """Whether the last batch is smaller than the others; None if it isn't known."""
        has: bool | None = self._adapter.has_partial_batch
        return has

    @property
    def partial_batch_size(self) -> int | None:
        """The size of the last batch if it is smaller than the others, else None."""
        size: int | None = self._adapter.partial_batch_size
        return size

    @property
    def is_counted(self) -> bool:
        """Whether it is known how many batches the data has."""
        return bool(self.num_batches)

    @property
    def steps_at_once(self) -> int:
        """How many steps Keras should ask for in one call, in the epoch that begins.

        After fewer steps than were asked for, Keras has to call once more, to find that the data has run out: it gives
        its own warning then, and begins with the data anew. It does so by itself where it can count the batches.
        """
        if not self._steps:
            return self.num_batches or UNKNOWN
        if not self.num_batches:
            return max(1, self._steps - 1)
        done = 0 if self.token is None else self.token.position
        return max(1, min(self._steps, self.num_batches - done))

    @property
    def is_limited(self) -> bool:
        """Whether it is known how many batches an epoch takes at most."""
        return bool(self._steps or self.num_batches)

    def left(self, asked: int = UNKNOWN) -> int:
        """How many of the steps that Keras asks for a plain `fit` would run before the end of this epoch."""
        most = self._steps or self.num_batches or UNKNOWN
        return min(asked, most - self.taken)

    @property
    def tensors(self) -> Any:
        """(x,), (x, y) or (x, y, sample_weight) with the shape and dtype of each part; None for an absent part.

        Raises:
            NotShareableError: The shape of a part isn't known.
        """
        assert self.token is not None, "no batch was asked for yet"
        elements = self.token.element_spec
        if isinstance(elements, list):
            elements = tuple(elements)
        if not isinstance(elements, tuple):
            elements = (elements,)
        return keras.tree.map_structure(_known_spec, elements)


def _known_spec(spec: Any) -> Any:
    if isinstance(spec, tf.OptionalSpec) or type(spec).__name__ == "NoneTensorSpec":
        return None
    if not isinstance(spec, (tf.TensorSpec, tf.RaggedTensorSpec, tf.SparseTensorSpec)):
        raise NotShareableError(f"a part of its data is described by a {type(spec).__name__}")
    if spec.shape.rank is None:
        raise NotShareableError("it isn't known how many dimensions its data has")
    return spec


class StreamEpochs:
    """The iterable that Keras makes its iterators of."""

    def __init__(self, stream: Stream, make_token: Callable[[], StreamToken]) -> None:
        self._stream = stream
        self._make_token = make_token

    def __iter__(self) -> StreamToken:
        self._stream.close()
        self._stream.token = self._make_token()
        return self._stream.token


class Steps:
    """How many steps Keras's iterator over a stream asks for in one call; settled anew when each epoch begins.

    It stands in for Keras's number `steps_per_execution`. Only once the callbacks have begun an epoch is it known which
    of them need to be called after every batch.

    Args:
        stream: The data.
        needs_batches: Returns whether each batch has to be a call of its own.
        has_lines: Whether the numbers of the steps are printed, so that they have to be right in every call.
    """

    def __init__(self, stream: Stream, needs_batches: Callable[[], bool], has_lines: bool) -> None:
        self._stream = stream
        self._needs_batches = needs_batches
        self._has_lines = has_lines
        self._number: int | None = None
        stream.when_epoch_begins = self._forget

    def _forget(self) -> None:
        self._number = None

    def __index__(self) -> int:
        if self._number is None:
            one_by_one = self._needs_batches() or (self._has_lines and not self._stream.is_counted)
            self._number = self._stream.asked = 1 if one_by_one else self._stream.steps_at_once
        return self._number

    def __neg__(self) -> int:
        return -int(self)

    def __radd__(self, other: int) -> int:
        return other + int(self)


class StepsForValidation(keras.callbacks.Callback):
    """Lets Keras's iterator over the validation data have a number of steps of its own, and nothing else.

    Keras makes that iterator after the last batch of the first epoch that is validated, with the number of steps that
    the model has then. This callback has to be the last one, and its `reset` the first.

    Args:
        steps: The number of steps.
    """

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self._steps = steps
        self._before: Any = None

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Offers the number to an iterator that may be made next."""
        if self.model.steps_per_execution is not self._steps:
            self._before = self.model.steps_per_execution
            self.model.steps_per_execution = self._steps

    def reset(self) -> None:
        """Gives the model the number back that it had."""
        if self.model.steps_per_execution is self._steps:
            self.model.steps_per_execution = self._before


class ResetSteps(keras.callbacks.Callback):
    """Calls `reset` of a StepsForValidation before any other callback is called."""

    def __init__(self, validation: StepsForValidation) -> None:
        super().__init__()
        self._validation = validation

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Resets."""
        self._validation.reset()

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Resets."""
        self._validation.reset()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Resets."""
        self._validation.reset()
