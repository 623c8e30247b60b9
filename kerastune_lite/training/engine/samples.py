"""Samples on the device, and the order in which an epoch takes them.

Keras's own `fit` on TensorFlow draws one order under a seed and repeats it in every epoch. Here every epoch has an
order of its own, a function of the training's seed and the epoch's number, the same whichever engine trains and
wherever a training is taken up again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerastune_lite.training.keras_internals import DataAdapter, converted_arrays

Order = Callable[[int], np.ndarray]
"""The samples' places in the order in which an epoch takes them, (samples,), by the epoch's number."""

BATCH_SIZE = 32
"""Keras's default."""
ALIGNMENT = 64
"""TensorFlow ends the process over a tensor whose bytes begin elsewhere."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Arrays as `fit` would convert them, as tensors.

    Attributes:
        tensors: (x,), (x, y) or (x, y, sample_weight), nested as the user's; None where a part is absent.
        count: How many samples there are.
    """

    tensors: Any
    count: int

    @classmethod
    def of(
        cls, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, *, on_host: bool = False
    ) -> Samples:
        """Converts arrays with Keras's own casts, class weights becoming sample weights.

        `on_host` keeps them in the main memory, for a plain `fit` that copies each batch to the device.

        Raises:
            TypeError: A part isn't an array of numbers.
        """
        arrays, count = converted_arrays(x, y, sample_weight, class_weight)
        with tf.device("CPU:0" if on_host else None):
            return cls(keras.tree.map_structure(_as_tensor, arrays), count)

    @property
    def specs(self) -> Any:
        """Shapes and types of the tensors, the number of samples left open."""
        return self.batch_specs(None)

    def batch_specs(self, size: int | None) -> Any:
        """Shapes and types of a batch of so many samples, or of any number."""
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


def is_shared(array: Any) -> bool:
    """Whether an array's memory is a mapped file that a tensor can use as it stands, with no copy for each process."""
    return (
        isinstance(array, np.memmap)
        and array.size > 0
        and array.flags.writeable  # to this process's own pages: NumPy hands out no others
        and array.flags.c_contiguous
        and array.ctypes.data % ALIGNMENT == 0
        and (array.dtype.kind in "iub" or array.dtype == keras.config.floatx())
        and not tf.config.list_physical_devices("GPU")
    )


def in_order(count: int) -> Order:
    """Every epoch takes the samples as they stand."""
    places = np.arange(count)
    return lambda epoch: places


def reshuffled(count: int, seed: int) -> Order:
    """A new order every epoch, drawn from the seed and the epoch's number."""
    return lambda epoch: np.random.default_rng([seed, epoch]).permutation(count)


class Epochs(DataAdapter):
    """What `fit` gets as x: it asks for an iterator each epoch, and gets the epoch as a whole.

    Args:
        samples: What to train or validate on.
        batch_size: How many samples a batch holds.
        order: In which order each epoch takes them.
        as_batches: Whether an epoch is handed out as Keras's own functions take it, a dataset of batches, or as a
            token for our own.
    """

    def __init__(self, samples: Samples, batch_size: int | None, order: Order, *, as_batches: bool = False) -> None:
        self.samples = samples
        self.order = order
        self.epoch = 0
        self._size = batch_size or BATCH_SIZE
        self._as_batches = as_batches

    def get_tf_dataset(self) -> Any:
        """An object that gives an iterator for each epoch."""
        return BatchedEpochs(self) if self._as_batches else EpochTokens(self)

    @property
    def num_batches(self) -> int:
        """How many batches an epoch has."""
        return -(-self.samples.count // self._size)

    @property
    def batch_size(self) -> int:
        """How many samples a batch holds."""
        return self._size

    @property
    def static_batch_size(self) -> int | None:
        """The batch size where all batches have it, as Keras tells its programs; they compute by other kernels then."""
        return None if self.has_partial_batch else self._size

    @property
    def has_partial_batch(self) -> bool:
        """Whether the last batch is smaller."""
        return self.samples.count % self._size != 0

    @property
    def partial_batch_size(self) -> int | None:
        """The size of the last batch where it is smaller."""
        return self.samples.count % self._size or None


class FollowEpochs(keras.callbacks.Callback):
    """Tells the data which epoch begins. Its order depends on that alone, so that a training can be taken up again."""

    def __init__(self, epochs: Epochs) -> None:
        super().__init__()
        self._epochs = epochs

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Notes the epoch's number."""
        self._epochs.epoch = epoch


class EpochTokens:
    """Gives one token an epoch."""

    def __init__(self, epochs: Epochs) -> None:
        self._epochs = epochs

    def __iter__(self) -> Iterator[Any]:
        return EpochToken(self._epochs, tf.constant(self._epochs.order(self._epochs.epoch), tf.int64))


class EpochToken:
    """An epoch on its way: its samples, their order, and how many batches were taken.

    Attributes:
        epochs: The data it belongs to.
        order: (samples,) the order of this epoch, on the device.
        position: How many batches were taken.
    """

    def __init__(self, epochs: Epochs, order: tf.Tensor) -> None:
        self.epochs = epochs
        self.order = order
        self.position = 0

    def __iter__(self) -> EpochToken:
        return self

    def __next__(self) -> Any:
        """The next batch, for Keras's own functions."""
        if self.position >= self.epochs.num_batches:
            raise StopIteration
        begin = self.position * self.epochs.batch_size
        places = self.order[begin : begin + self.epochs.batch_size]
        self.position += 1
        return keras.tree.map_structure(
            lambda t: None if t is None else tf.gather(t, places), self.epochs.samples.tensors
        )


class BatchedEpochs:
    """Gives a dataset's iterator over batches an epoch, for a `fit` that nothing is compiled of."""

    def __init__(self, epochs: Epochs) -> None:
        self._epochs = epochs
        self._order = tf.Variable(epochs.order(0), dtype=tf.int64, trainable=False)
        size, whole = epochs.batch_size, epochs.samples.count // epochs.batch_size
        rest = epochs.samples.count - whole * size

        def places(_: Any) -> tf.data.Dataset:
            order = self._order.read_value()
            batches = tf.data.Dataset.from_tensor_slices(tf.reshape(order[: whole * size], [whole, size]))
            return batches.concatenate(tf.data.Dataset.from_tensors(order[whole * size :])) if rest else batches

        def batch(where: tf.Tensor) -> Any:
            return keras.tree.map_structure(
                lambda t: None if t is None else tf.gather(t, where), epochs.samples.tensors
            )

        # As Keras sets them: serialising the pipeline for its optimisation costs more than it gains.
        options = tf.data.Options()
        options.experimental_optimization.apply_default_optimizations = False
        options.experimental_external_state_policy = tf.data.experimental.ExternalStatePolicy.IGNORE
        dataset = tf.data.Dataset.range(1).flat_map(places).map(batch, num_parallel_calls=tf.data.AUTOTUNE)
        self._dataset = dataset.with_options(options).prefetch(tf.data.AUTOTUNE)

    def __iter__(self) -> Iterator[Any]:
        self._order.assign(self._epochs.order(self._epochs.epoch))
        return iter(self._dataset)
