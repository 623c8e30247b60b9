"""Traces the batches of an epoch as one TensorFlow program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

INDEX = tf.TensorSpec([], tf.int64)


class UntraceableStepError(Exception):
    """A model's step returns something other than tensors, so it can't be part of a program."""


def traced_epoch(
    model: keras.Model, step: Callable[[Any], Any], batch_specs: Any, size: int | None, data_specs: Any
) -> tf.types.experimental.ConcreteFunction:
    """Traces the program that runs a model's own step on the batches [begin, end) of an epoch.

    Args:
        model: The model whose state the step changes.
        step: Its `train_step` or `test_step`.
        batch_specs: Shapes and dtypes of a batch.
        size: The batch size if all batches have the same size, else None. It is a fixed shape of the program exactly
            where Keras fixes it, since TensorFlow chooses its kernels by it.
        data_specs: Shapes and dtypes of all samples.

    Returns:
        A function of (order, data, begin, end, batch_size), all tensors, that returns the last step's logs.

    Raises:
        UntraceableStepError: The step returns something other than tensors.
    """
    strategy = model.distribute_strategy
    # The program outlives the model, so once it is traced it may hold no reference to the model.
    steps = [step]

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def one_step(batch: Any) -> Any:
        return strategy.run(steps[0], args=(batch,))

    traced_step = tf.function(one_step, jit_compile=model.jit_compile).get_concrete_function(batch_specs)
    outputs = traced_step.structured_outputs
    if not all(isinstance(leaf, (tf.TensorSpec, tf.Tensor)) for leaf in keras.tree.flatten(outputs)):
        raise UntraceableStepError("its step gives something else than tensors")
    shapes = keras.tree.map_structure(lambda leaf: leaf.shape, outputs)

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def chunk(order: tf.Tensor, data: Any, begin: tf.Tensor, end: tf.Tensor, batch_size: tf.Tensor) -> Any:
        def body(index: tf.Tensor, logs: Any) -> Any:
            indices = order[index * batch_size : (index + 1) * batch_size]
            if size is not None:
                indices = tf.reshape(indices, [size])
            batch = keras.tree.map_structure(lambda t: None if t is None else tf.gather(t, indices), data)
            return index + 1, traced_step(batch)

        nothing = keras.tree.map_structure(lambda leaf: tf.zeros([d or 0 for d in leaf.shape], leaf.dtype), outputs)
        _, logs = tf.while_loop(
            lambda index, logs: index < end,
            body,
            (begin, nothing),
            shape_invariants=(tf.TensorShape([]), shapes),
            parallel_iterations=1,
        )
        return logs

    order = tf.TensorSpec([None], tf.int64)
    program = tf.function(chunk).get_concrete_function(order, data_specs, INDEX, INDEX, INDEX)
    steps.clear()
    return program
