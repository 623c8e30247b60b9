"""Traces the batches of an epoch as one TensorFlow program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

INDEX = tf.TensorSpec([], tf.int64)


class UntraceableStepError(Exception):
    """A model's step returns something other than tensors, so it can't be part of a program."""


@dataclass(frozen=True)
class TracedStep:
    """A model's step on one batch, to be run in a loop.

    Attributes:
        function: A function of a batch that returns the step's logs. It holds no reference to the model, which a
            program outlives.
        shapes: The shapes of the logs.
    """

    function: tf.types.experimental.ConcreteFunction
    shapes: Any

    @classmethod
    def of(cls, model: keras.Model, step: Callable[[Any], Any], batch_specs: Any) -> TracedStep:
        """Traces a step.

        Args:
            model: The model whose state the step changes.
            step: A function of a batch.
            batch_specs: Shapes and dtypes of a batch.

        Raises:
            UntraceableStepError: The step returns something other than tensors.
        """
        strategy = model.distribute_strategy
        steps = [step]

        @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
        def one_step(batch: Any) -> Any:
            return strategy.run(steps[0], args=(batch,))

        function = tf.function(one_step, jit_compile=model.jit_compile).get_concrete_function(batch_specs)
        steps.clear()
        outputs = function.structured_outputs
        if not all(isinstance(leaf, (tf.TensorSpec, tf.Tensor)) for leaf in keras.tree.flatten(outputs)):
            raise UntraceableStepError("its step gives something else than tensors")
        return cls(function, keras.tree.map_structure(lambda leaf: leaf.shape, outputs))

    def no_logs(self) -> Any:
        """What stands for the logs before the first step."""
        outputs = self.function.structured_outputs
        return keras.tree.map_structure(lambda leaf: tf.zeros([d or 0 for d in leaf.shape], leaf.dtype), outputs)


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
    one_step = TracedStep.of(model, step, batch_specs)

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def chunk(order: tf.Tensor, data: Any, begin: tf.Tensor, end: tf.Tensor, batch_size: tf.Tensor) -> Any:
        def body(index: tf.Tensor, logs: Any) -> Any:
            indices = order[index * batch_size : (index + 1) * batch_size]
            if size is not None:
                indices = tf.reshape(indices, [size])
            batch = keras.tree.map_structure(lambda t: None if t is None else tf.gather(t, indices), data)
            return index + 1, one_step.function(batch)

        _, logs = tf.while_loop(
            lambda index, logs: index < end,
            body,
            (begin, one_step.no_logs()),
            shape_invariants=(tf.TensorShape([]), one_step.shapes),
            parallel_iterations=1,
        )
        return logs

    order = tf.TensorSpec([None], tf.int64)
    return tf.function(chunk).get_concrete_function(order, data_specs, INDEX, INDEX, INDEX)
