"""Of an error of Keras's or TensorFlow's a person is shown the line that tells what is wrong, not the wrapper's."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kerastune_lite import RandomSearch
from kerastune_lite.study.error_lines import informative_line
from kerastune_lite.study.trial import TrialFailure

X, Y = np.zeros((8, 4), "float32"), np.zeros(8, "int32")


def fit(*stack, x=X, y=Y, loss="sparse_categorical_crossentropy", optimizer="sgd"):
    model = keras.Sequential(stack)
    model.compile(optimizer, loss)
    model.fit(x, y, verbose=0)


class Wide(layers.Layer):
    """Multiplies with a matrix of another size."""

    def call(self, x):
        return x @ tf.zeros((7, 3))


class Strict(layers.Layer):
    """Takes only large inputs."""

    def call(self, x):
        tf.debugging.assert_greater(x, 1.0, message="x has to be above one")
        return x


class Twice(keras.Model):
    """Calls a layer with inputs of two widths."""

    def __init__(self):
        super().__init__()
        self.top = layers.Dense(3)

    def call(self, x):
        return self.top(self.top(x))


def fit_twice():
    model = Twice()
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(X, Y, verbose=0)


ERRORS = {
    "a layer's input": (lambda: fit(keras.Input((5,)), layers.Dense(3)), "ValueError: Input 0 .* is incompatible"),
    "inside a subclass": (fit_twice, "ValueError: Input 0 .* is incompatible with the layer: expected axis -1"),
    "a reshape": (lambda: fit(layers.Dense(3), layers.Reshape((7,))), "ValueError: The total size of the tensor must"),
    "a layer of one's own": (lambda: fit(Wide()), "ValueError: Dimensions must be equal, but are 4 and 7"),
    "an attribute": (lambda: fit(layers.Lambda(lambda x: x.foo())), "AttributeError: .* has no attribute 'foo'"),
    "a label": (lambda: fit(layers.Dense(3), y=Y + 9), "InvalidArgumentError: Received a label value of 9 which"),
    "an index": (
        lambda: fit(layers.Embedding(3, 2), layers.Flatten(), layers.Dense(3), x=X + 77),
        r"InvalidArgumentError: indices\[0,0\] = 77 is not in \[0, 3\)$",
    ),
    "an assertion": (lambda: fit(Strict(), layers.Dense(3)), r"InvalidArgumentError: assertion failed: \[x has to be"),
    "a plain operation": (
        lambda: tf.matmul(tf.zeros((2, 3)), tf.zeros((4, 5))),
        r"InvalidArgumentError: Matrix size-incompatible: In\[0\]: \[2,3\], In\[1\]: \[4,5\]$",
    ),
    "too much memory": (
        lambda: tf.zeros((10**7, 10**8)),
        "ResourceExhaustedError: OOM when allocating tensor with shape",
    ),
    "a name": (lambda: fit(layers.Dense(3), loss="nope"), "ValueError: Could not interpret loss identifier: nope$"),
    "lengths": (lambda: fit(layers.Dense(3), y=Y[:5]), "ValueError: Data cardinality is ambiguous"),
}


SLOW = ("too much memory",)
"""TensorFlow tries for ten seconds to find the memory."""
CASES = [pytest.param(*case, id=name, marks=pytest.mark.drill if name in SLOW else ()) for name, case in ERRORS.items()]


@pytest.mark.parametrize(("fail", "told"), CASES)
def test_the_informative_line_of_an_error_is_shown(fail, told):
    with pytest.raises(Exception, match=r".*") as caught:
        fail()
    summary = TrialFailure(type=type(caught.value).__name__, message=str(caught.value)).summary

    assert "\x1b" not in summary
    assert "\n" not in summary
    assert re.match(told, summary)


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("plain", "plain"),
        ("first\nsecond", "first"),
        ("\n\n  all lines\n  are indented", "all lines"),
        (
            "Exception encountered when calling Sequential.call().",
            "Exception encountered when calling Sequential.call().",
        ),
        ("", ""),
    ],
)
def test_a_message_without_a_wrapper_is_its_first_line(message, line):
    assert informative_line(message) == line


def test_failures_are_alike_where_only_numbers_and_addresses_differ():
    def failure(message, kind="ValueError"):
        return TrialFailure(type=kind, message=message)

    one = failure("<object at 0x7f12> of dense_3 has 12 units, 1.5e-3 wide")

    assert one.is_like(failure("<object at 0x9bcd> of dense_17 has 256 units, 0.25 wide"))
    assert not one.is_like(failure("<object at 0x7f12> of dense_3 has 12 weights, 1.5e-3 wide"))
    assert not one.is_like(failure(one.message, "TypeError"))


def test_the_line_of_a_failed_trial_shows_what_keras_found(tmp_path, capsys):
    def build_fn(hp):
        model = keras.Sequential([keras.Input((hp.choice("width", [5, 4]),)), layers.Dense(3)])
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    RandomSearch(build_fn, "loss", max_trials=2, directory=tmp_path, seed=0).search(X, Y)

    lines = [line for line in capsys.readouterr().out.splitlines() if re.match(r"[\d:]{8} trial \d failed", line)]
    assert len(lines) == 1
    assert "ValueError: Input 0 " in lines[0]  # "with name" or "of layer", by Keras's version
    assert "Exception encountered" not in lines[0]
