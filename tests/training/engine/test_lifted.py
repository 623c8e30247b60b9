"""A lifted number is in a program what a plain one would have been."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from kerastune_lite.training.engine.lifted import Lifted, LiftError, Slot


def program_of(function, value):
    """A program traced with a lifted number, and its slot."""
    slot = Slot()
    number = Lifted(slot, value)
    return tf.function(lambda x: function(x, number)).get_concrete_function(tf.TensorSpec([3], tf.float32)), slot


X = tf.constant([0.3, -1.7, 2.9])
FUNCTIONS = {
    "a product": lambda x, number: x * number,
    "a sum from the right": lambda x, number: number + x,
    "arithmetic in double precision": lambda x, number: x * (1.0 / (1.0 - number)),
    "a power": lambda x, number: x * 0.9**number,
    "a negative": lambda x, number: x * -number,
    "two uses": lambda x, number: x * number - x * (number + 2.0),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_program_gives_bit_for_bit_what_each_plain_number_would_give(function):
    program, slot = program_of(function, 0.1)
    for value in (0.1, 0.7, 1.0 / 3.0):
        slot.set(value)
        plain = tf.function(lambda x, value=value: function(x, value)).get_concrete_function(
            tf.TensorSpec([3], tf.float32)
        )

        np.testing.assert_array_equal(program(X), plain(X))


def test_a_program_suits_numbers_that_decide_alike():
    _, slot = program_of(lambda x, number: x * number if 0 < number < 1 else x, 0.5)

    assert [slot.suits(value) for value in (0.5, 0.9, 1.0, 0.0, -0.1)] == [True, True, False, False, False]


def test_a_program_does_not_suit_a_number_that_its_arithmetic_cannot_take():
    _, slot = program_of(lambda x, number: x * (1.0 / (1.0 - number)), 0.5)

    assert not slot.suits(1.0)


@pytest.mark.parametrize("use", [float, int, np.asarray, lambda number: [0, 1][number]])
def test_a_number_that_has_to_be_known_while_tracing_is_refused(use):
    with pytest.raises(LiftError):
        use(Lifted(Slot(), 1.0))


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_a_number_that_meets_half_precision_is_rounded_once(dtype):
    def scaled(x, number):
        return tf.cast(x, dtype) * (1.0 / (1.0 - number))

    program, slot = program_of(scaled, 0.1)
    for value in (0.1, 1.0 / 3.0, 0.70001):
        slot.set(value)
        plain = tf.function(lambda x, value=value: scaled(x, value))

        np.testing.assert_array_equal(program(X).numpy(), plain(X).numpy())


def test_two_expressions_of_a_number_may_meet():
    program, slot = program_of(lambda x, number: x * ((1.0 - number) * (1.0 + number * 3.0)) ** -0.5, 0.1)
    slot.set(0.3)

    np.testing.assert_array_equal(program(X), X * ((1.0 - 0.3) * (1.0 + 0.3 * 3.0)) ** -0.5)


def test_a_number_that_meets_another_type_of_floats_is_refused():
    with pytest.raises(TypeError, match="a lifted number meets"):
        program_of(lambda x, number: tf.cast(x, tf.float64) * number, 0.5)
