"""Traces the batches of an iterator as one TensorFlow program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from kerastune_lite.training.engine.epoch_program import INDEX, TracedStep


@dataclass(frozen=True)
class StreamProgram:
    """A step on one batch, and the loop of such steps over an iterator.

    The pipeline of the data belongs to the iterator, which is an argument, so nothing of it is captured.

    Attributes:
        loop: A function of (iterator, steps) that runs at most so many steps, and returns how many it ran and the last
            one's logs. It asks the iterator for no more batches than there are steps.
        step: A function of a batch that returns the step's logs.
        end: A function of an iterator that has ended: a step without a batch, which fails as Keras's last one does.
    """

    loop: tf.types.experimental.ConcreteFunction
    step: tf.types.experimental.ConcreteFunction
    end: tf.types.experimental.ConcreteFunction


def traced_stream(model: keras.Model, step: Callable[[Any], Any], element_spec: Any) -> StreamProgram:
    """Traces the program that runs a model's own step on the next batches of an iterator.

    Args:
        model: The model whose state the step changes.
        step: Its `train_step` or `test_step`.
        element_spec: Shapes and dtypes of the batches, as the iterator tells them.

    Raises:
        UntraceableStepError: The step returns something other than tensors.
    """
    one_step = TracedStep.of(model, lambda batch: step(without_optionals(batch)), element_spec)

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def loop(iterator: Any, most: tf.Tensor) -> Any:
        def body(done: tf.Tensor, _: tf.Tensor, logs: Any) -> Any:
            batch = iterator.get_next_as_optional()
            has_batch = batch.has_value()
            logs = tf.cond(has_batch, lambda: one_step.function(batch.get_value()), lambda: logs)
            return done + tf.cast(has_batch, tf.int64), has_batch, logs

        done, _, logs = tf.while_loop(
            lambda done, has_more, logs: has_more & (done < most),
            body,
            (tf.constant(0, tf.int64), tf.constant(True), one_step.no_logs()),
            shape_invariants=(tf.TensorShape([]), tf.TensorShape([]), one_step.shapes),
            parallel_iterations=1,
        )
        return done, logs

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def end(iterator: Any) -> Any:
        return one_step.function(iterator.get_next())

    of_iterators = tf.data.IteratorSpec(element_spec)
    program = tf.function(loop).get_concrete_function(of_iterators, INDEX)
    at_end = tf.function(end).get_concrete_function(of_iterators)
    return StreamProgram(program, one_step.function, at_end)


def without_optionals(batch: Any) -> Any:
    """A batch with None where a generator gave None, which its dataset holds as an empty Optional."""
    return keras.tree.map_structure(lambda part: None if isinstance(part, tf.experimental.Optional) else part, batch)
