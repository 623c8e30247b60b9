"""The samples of a training on the device, and the order in which each epoch takes them.

Keras's own `fit` on TensorFlow draws one order under a seed and repeats it in every epoch. Here each epoch has its own
order, a function of the training's seed and the epoch's number. So the order is the same whichever engine trains, and
after a training was paused and resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerastune_lite.training.array_files import checksum_of
from kerastune_lite.training.keras_internals import DataAdapter, converted_arrays

Order = Callable[[int], np.ndarray]
"""A function of an epoch's number that returns the indices of its samples in order, of shape (samples,)."""

BATCH_SIZE = 32
"""Samples in a batch where `fit` is given no batch size: Keras's default."""
ALIGNMENT = 64
"""Bytes to whose multiples a tensor's memory has to be aligned; TensorFlow aborts the process where it isn't."""


@dataclass(frozen=True, eq=False)
class Samples:
    """The arrays of a fit as tensors, converted as Keras converts them.

    Attributes:
        tensors: (x,), (x, y) or (x, y, sample_weight), each nested as the user nested it; None for an absent part.
        count: The number of samples.
    """

    tensors: Any
    count: int

    @classmethod
    def of(
        cls, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, *, on_host: bool = False
    ) -> Samples:
        """Converts arrays with Keras's own casts; class weights become sample weights.

        Args:
            x: Inputs: an array, or a nested structure of arrays.
            y: Targets, or None.
            sample_weight: A weight for each sample, or None.
            class_weight: A weight for each class, or None.
            on_host: Keeps the tensors in main memory, for a plain `fit` that copies each batch to the device.

        Raises:
            TypeError: A part isn't an array of numbers.
        """
        arrays, count = converted_arrays(x, y, sample_weight, class_weight)
        with tf.device("CPU:0" if on_host else None):
            return cls(keras.tree.map_structure(_as_tensor, arrays), count)

    @property
    def specs(self) -> Any:
        """Shapes and dtypes of the tensors, with the number of samples left open."""
        return self.batch_specs(None)

    def batch_specs(self, size: int | None) -> Any:
        """Shapes and dtypes of a batch of `size` samples, or of any number of samples if it is None."""
        return keras.tree.map_structure(
            lambda t: None if t is None else tf.TensorSpec([size, *t.shape[1:]], t.dtype), self.tensors
        )


def _as_tensor(array: Any) -> Any:
    if array is None:
        return None
    if not isinstance(array, np.ndarray) and not tf.is_tensor(array):
        raise TypeError(f"an input is a {type(array).__name__}, not an array")
    if isinstance(array, (tf.SparseTensor, tf.RaggedTensor)) or array.dtype in (object, tf.string):
        raise TypeError("an input is not an array of numbers")
    if is_shared(array):
        return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
    return tf.convert_to_tensor(array)


def is_shared(array: object) -> bool:
    """Whether an array is a memory-mapped file that a tensor can use without a copy, so that processes share it."""
    return (
        isinstance(array, np.memmap)
        and array.size > 0
        and array.flags.writeable  # private copy-on-write pages: NumPy's DLPack exports no read-only array
        and array.flags.c_contiguous
        and array.ctypes.data % ALIGNMENT == 0
        and (array.dtype.kind in "iub" or array.dtype == keras.config.floatx())
        and not tf.config.list_physical_devices("GPU")
    )


def checksums(*parts: Any) -> tuple[int, ...] | None:
    """A checksum of each array of some data, by which it is noticed that code has changed it in place.

    Returns:
        The checksums; None where an array can't be read, so that it isn't known whether it has changed.
    """
    try:
        return tuple(_checksum(leaf) for leaf in keras.tree.flatten(parts))
    except Exception:  # an array of another library may raise anything
        return None


def _checksum(leaf: Any) -> int:
    if leaf is None or (tf.is_tensor(leaf) and not isinstance(leaf, tf.Variable)):  # which can't be changed
        return 0
    if not hasattr(leaf, "__array__"):  # NumPy would read a whole data set to make an array of it
        raise TypeError(f"{type(leaf).__name__} isn't an array")
    array = np.ascontiguousarray(leaf)
    if array.dtype == object:
        raise TypeError("the contents of objects aren't read")
    return checksum_of(array)


def in_order(count: int) -> Order:
    """The order of `shuffle=False`: every epoch takes the samples as they stand."""
    indices = np.arange(count)
    return lambda epoch: indices


def reshuffled(count: int, seed: int) -> Order:
    """The order of `shuffle=True`: each epoch has a new permutation, drawn from the seed and the epoch's number."""
    return lambda epoch: np.random.default_rng([seed, epoch]).permutation(count)


class Epochs(DataAdapter):
    """The data that `fit` is given as x: Keras asks it for an iterator in each epoch.

    Args:
        samples: The samples to train or validate on.
        batch_size: The number of samples in a batch; None for Keras's default.
        order: The order in which each epoch takes the samples.
        as_batches: Whether the iterator yields batches, as Keras's own functions need it, or is one token for the
            whole epoch, as the engine's functions need it.

    Attributes:
        when_taken: Is called once Keras's iterator over epochs has been made of it.
    """

    def __init__(self, samples: Samples, batch_size: int | None, order: Order, *, as_batches: bool = False) -> None:
        self.samples = samples
        self.order = order
        self.epoch = 0
        self.when_taken: Callable[[], None] = lambda: None
        self._size = batch_size or BATCH_SIZE
        self._as_batches = as_batches

    def get_tf_dataset(self) -> Any:
        """An iterable that makes one iterator for each epoch."""
        self.when_taken()
        return BatchedEpochs(self) if self._as_batches else EpochTokens(self)

    @property
    def num_batches(self) -> int:
        """The number of batches in an epoch."""
        return -(-self.samples.count // self._size)

    @property
    def batch_size(self) -> int:
        """The number of samples in every batch but perhaps the last."""
        return self._size

    @property
    def static_batch_size(self) -> int | None:
        """The batch size if all batches have the same size, else None, as Keras fixes it in its programs."""
        return None if self.has_partial_batch else self._size

    @property
    def has_partial_batch(self) -> bool:
        """Whether the last batch is smaller than the others."""
        return self.samples.count % self._size != 0

    @property
    def partial_batch_size(self) -> int | None:
        """The size of the last batch if it is smaller than the others, else None."""
        return self.samples.count % self._size or None


class FollowEpochs(keras.callbacks.Callback):
    """Sets the number of the epoch that begins on the data, since the order of its samples depends on it."""

    def __init__(self, epochs: Epochs) -> None:
        super().__init__()
        self._epochs = epochs

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Sets the epoch's number."""
        self._epochs.epoch = epoch


class EpochTokens:
    """An iterable whose iterator is one token for a whole epoch."""

    def __init__(self, epochs: Epochs) -> None:
        self._epochs = epochs

    def __iter__(self) -> Iterator[Any]:
        return EpochToken(self._epochs, tf.constant(self._epochs.order(self._epochs.epoch), tf.int64))


class EpochToken:
    """An epoch that is under way: its samples, their order, and how many batches were taken from it.

    Attributes:
        epochs: The data that it belongs to.
        order: The order of this epoch, an int64 tensor of shape (samples,) on the device.
        position: The number of batches that were taken.
    """

    def __init__(self, epochs: Epochs, order: tf.Tensor) -> None:
        self.epochs = epochs
        self.order = order
        self.position = 0

    def __iter__(self) -> EpochToken:
        return self

    def __next__(self) -> Any:
        """The next batch; only Keras's own functions take batches one by one."""
        if self.position >= self.epochs.num_batches:
            raise StopIteration
        begin = self.position * self.epochs.batch_size
        indices = self.order[begin : begin + self.epochs.batch_size]
        self.position += 1
        return keras.tree.map_structure(
            lambda t: None if t is None else tf.gather(t, indices), self.epochs.samples.tensors
        )


class BatchedEpochs:
    """An iterable over the batches of an epoch as a TensorFlow dataset, for a `fit` that isn't compiled."""

    def __init__(self, epochs: Epochs) -> None:
        self._epochs = epochs
        self._order = tf.Variable(epochs.order(0), dtype=tf.int64, trainable=False)
        size, whole = epochs.batch_size, epochs.samples.count // epochs.batch_size
        rest = epochs.samples.count - whole * size

        def batch_indices(_: Any) -> tf.data.Dataset:
            order = self._order.read_value()
            batches = tf.data.Dataset.from_tensor_slices(tf.reshape(order[: whole * size], [whole, size]))
            return batches.concatenate(tf.data.Dataset.from_tensors(order[whole * size :])) if rest else batches

        def batch(indices: tf.Tensor) -> Any:
            return keras.tree.map_structure(
                lambda t: None if t is None else tf.gather(t, indices), epochs.samples.tensors
            )

        # As Keras sets them: serialising the pipeline for its optimisation costs more than it gains.
        options = tf.data.Options()
        options.experimental_optimization.apply_default_optimizations = False
        options.experimental_external_state_policy = tf.data.experimental.ExternalStatePolicy.IGNORE
        dataset = tf.data.Dataset.range(1).flat_map(batch_indices).map(batch, num_parallel_calls=tf.data.AUTOTUNE)
        self._dataset = dataset.with_options(options).prefetch(tf.data.AUTOTUNE)

    def __iter__(self) -> Iterator[Any]:
        self._order.assign(self._epochs.order(self._epochs.epoch))
        return iter(self._dataset)
