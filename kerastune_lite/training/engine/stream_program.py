"""Traces the batches of an iterator, or several batches that were joined, as one TensorFlow program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from kerastune_lite.training.engine.epoch_program import INDEX, TracedStep

Function: TypeAlias = tf.types.experimental.ConcreteFunction
LoopOf: TypeAlias = Callable[[TracedStep, Any], Function]
"""Traces the loop of a step over batches with the given shapes and dtypes."""


@dataclass(frozen=True)
class StreamProgram:
    """A step on one batch, and the loop of such steps over many.

    The pipeline of the data belongs to the iterator, which is an argument, so nothing of it is captured.

    Attributes:
        loop: A loop, as `loop_over_iterator` or `loop_over_joined` makes it.
        step: A function of a batch that returns the step's logs.
        end: A function of an iterator that has ended: a step without a batch, which fails as Keras's last one does.
    """

    loop: Function
    step: Function
    end: Function


def traced_stream(model: keras.Model, step: Callable[[Any], Any], element_spec: Any, loop_of: LoopOf) -> StreamProgram:
    """Traces the program that runs a model's own step on the next batches.

    Args:
        model: The model whose state the step changes.
        step: Its `train_step` or `test_step`.
        element_spec: Shapes and dtypes of the batches, as the iterator tells them.
        loop_of: Traces the loop.

    Raises:
        UntraceableStepError: The step returns something other than tensors.
    """
    one_step = TracedStep.of(model, lambda batch: step(without_optionals(batch)), element_spec)

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def end(iterator: Any) -> Any:
        return one_step.function(iterator.get_next())

    at_end = tf.function(end).get_concrete_function(tf.data.IteratorSpec(element_spec))
    return StreamProgram(loop_of(one_step, element_spec), one_step.function, at_end)


def loop_over_iterator(one_step: TracedStep, element_spec: Any) -> Function:
    """Traces the loop of a step over the batches of an iterator.

    Returns:
        A function of (iterator, steps) that runs at most so many steps, and returns how many it ran and the last one's
        logs. It asks the iterator for no more batches than there are steps.
    """

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

    return tf.function(loop).get_concrete_function(tf.data.IteratorSpec(element_spec), INDEX)


def loop_over_joined(one_step: TracedStep, element_spec: Any) -> Function:
    """Traces the loop of a step over batches that stand one after the other.

    Returns:
        A function of (batches, bounds) that returns the last step's logs. The bounds, of shape (parts, batches + 1),
        tell where each part of each batch begins and ends.
    """

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def loop(batches: Any, bounds: tf.Tensor) -> Any:
        parts = keras.tree.flatten(batches)
        specs = keras.tree.flatten(element_spec)

        def body(place: tf.Tensor, logs: Any) -> Any:
            cut = [part[bounds[n, place] : bounds[n, place + 1]] for n, part in enumerate(parts)]
            for part, spec in zip(cut, specs, strict=True):
                part.set_shape(spec.shape)
            return place + 1, one_step.function(keras.tree.pack_sequence_as(batches, cut))

        _, logs = tf.while_loop(
            lambda place, logs: place < tf.shape(bounds, tf.int64)[1] - 1,
            body,
            (tf.constant(0, tf.int64), one_step.no_logs()),
            shape_invariants=(tf.TensorShape([]), one_step.shapes),
            parallel_iterations=1,
        )
        return logs

    return tf.function(loop).get_concrete_function(element_spec, tf.TensorSpec([None, None], tf.int64))


def without_optionals(batch: Any) -> Any:
    """A batch with None where a generator gave None, which its dataset holds as an empty Optional."""
    return keras.tree.map_structure(lambda part: None if isinstance(part, tf.experimental.Optional) else part, batch)
