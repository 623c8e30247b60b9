"""What a trial's notes say of a program that had to be compiled anew."""

import keras
import numpy as np
import pytest

from kerastune_lite.training.engine.engine import Engine
from kerastune_lite.training.keras_internals import reset_layer_names

X, Y = np.zeros((16, 8), "float32"), np.zeros(16)


class Scaled(keras.layers.Layer):
    def __init__(self, function, factor):
        super().__init__()
        self.function, self.factor = function, factor

    def call(self, x):
        return self.function(x) * self.factor


def network(*middle):
    reset_layer_names()
    model = keras.Sequential([keras.layers.Input((8,)), *(make() for make in middle), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def dense(units=4, activation="relu"):
    return lambda: keras.layers.Dense(units, activation=activation)


def scaled(function, factor=1.0):
    return lambda: Scaled(function, factor)


@pytest.mark.parametrize(
    ("before", "after", "difference"),
    [
        ([dense(4)], [dense(5)], "units of 'dense' is 5 and was 4"),
        ([dense()], [dense(activation="tanh")], "activation of 'dense' is another"),
        ([dense()], [dense(), dense()], "it has other layers"),
        ([scaled(lambda x: x)], [scaled(lambda x: x + 1)], "function of 'scaled' is another"),
        ([scaled(abs, 1.0)], [scaled(abs, 2.0)], "factor of 'scaled' is 2.0 and was 1.0"),
    ],
)
def test_a_trial_that_shares_no_program_notes_in_what_it_differs_from_the_one_before(before, after, difference):
    engine, arguments = Engine(), {"x": X, "y": Y, "verbose": 0, "callbacks": []}

    first, second = (engine.fit(network(*middle), arguments, seed=0) for middle in (before, after))

    assert (str(first.trained), first.notes) == ("compiled", ())
    assert str(second.trained) == "compiled"
    assert second.notes == (f"compiled anew, since it differs from the trial before: {difference}",)


def test_a_trial_that_shares_has_no_such_note():
    engine, arguments = Engine(), {"x": X, "y": Y, "verbose": 0, "callbacks": []}
    engine.fit(network(dense()), arguments, seed=0)

    assert engine.fit(network(dense()), arguments, seed=0).notes == ()
