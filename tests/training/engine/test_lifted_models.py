"""Numbers of schedules, optimizers, losses and layers that may differ between the models that share a program.

Every case is built with its number at 1, 1.5 and 1 again, and trained through one engine; each time History, weights
and the optimizer's state have to be those of a plain fit.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from keras.optimizers import schedules
from test_kinds_of_models import APART, SHARED, X, Y, net, ran, some

LABELS = np.eye(3, dtype="float32")[Y]


def scheduled(make):
    return lambda a: net(optimizer=keras.optimizers.Adam(make(a)))


SCHEDULES = {
    "a cosine": lambda a: schedules.CosineDecay(0.01 * a, 10),
    "a piecewise constant": lambda a: schedules.PiecewiseConstantDecay([2, 4], [0.01 * a, 0.005 * a, 0.001]),
    "an exponential": lambda a: schedules.ExponentialDecay(0.01 * a, 4, 0.5 / a),
    "a warm cosine": lambda a: schedules.CosineDecay(
        0.001 * a, 10, alpha=0.1 * a, warmup_target=0.01 * a, warmup_steps=3
    ),
    "a staircase": lambda a: schedules.ExponentialDecay(0.01 * a, 4, 0.5 / a, staircase=True),
    "an inverse of time": lambda a: schedules.InverseTimeDecay(0.01 * a, 4, 0.5 * a),
    "a staircase of inverses": lambda a: schedules.InverseTimeDecay(0.01 * a, 4, 0.5 * a, staircase=True),
    "a polynomial": lambda a: schedules.PolynomialDecay(0.01 * a, 10, 0.001 * a, power=1.5 * a),
    "a cycling polynomial": lambda a: schedules.PolynomialDecay(0.01 * a, 3, 0.001 * a, cycle=True),
    "a tuple of constants": lambda a: schedules.PiecewiseConstantDecay((2,), (0.01 * a, 0.001)),
}


@pytest.mark.parametrize("case", some(SCHEDULES, 2))
def test_the_numbers_of_a_schedule_are_lifted(case):
    assert ran(scheduled(SCHEDULES[case])) == SHARED


SCHEDULES_APART = {
    "another number of steps": lambda a: schedules.CosineDecay(0.01, int(10 * a)),
    "other boundaries": lambda a: schedules.PiecewiseConstantDecay([int(2 * a), 5], [0.01, 0.005, 0.001]),
    "another kind": lambda a: schedules.CosineDecay(0.01, 10) if a > 1 else schedules.ExponentialDecay(0.01, 10, 0.5),
    "other restarts": lambda a: schedules.CosineDecayRestarts(0.01, 3, t_mul=1.5 * a, m_mul=0.5 * a),
    "no last rate": lambda a: schedules.CosineDecay(0.01, 10, alpha=0.2 * (a - 1)),
}


@pytest.mark.parametrize("case", some(SCHEDULES_APART, 1))
def test_what_else_differs_between_schedules_is_not_shared(case):
    assert ran(scheduled(SCHEDULES_APART[case])) == APART


def by(kind, **numbers):
    """A model by an optimizer whose numbers are multiplied by the case's number, or divided where they are near 1."""

    def build(a):
        scaled = {name: number / a if number >= 0.5 else number * a for name, number in numbers.items()}
        return net(layers.Dense(8, activation="relu"), optimizer=kind(0.01 * a, **scaled))

    return build


OPTIMIZERS = {
    "Nadam": by(keras.optimizers.Nadam, beta_1=0.9, beta_2=0.99, epsilon=1e-5),
    "a clipped norm": by(keras.optimizers.Adam, clipnorm=0.1),
    "a clipped global norm": by(keras.optimizers.SGD, momentum=0.3, global_clipnorm=0.1),
    "a clipped value": by(keras.optimizers.SGD, clipvalue=0.01),
    "Adamax": by(keras.optimizers.Adamax, beta_1=0.9, beta_2=0.99, epsilon=1e-5),
    "Adagrad": by(keras.optimizers.Adagrad, epsilon=1e-5, weight_decay=0.01),
    "Adadelta": by(keras.optimizers.Adadelta, rho=0.9, epsilon=1e-5),
    "Lion": by(keras.optimizers.Lion, beta_1=0.9, beta_2=0.99, weight_decay=0.01),
    "Lamb": by(keras.optimizers.Lamb, beta_1=0.9, beta_2=0.99, epsilon=1e-5),
    "RMSprop": by(keras.optimizers.RMSprop, rho=0.9, momentum=0.1, epsilon=1e-5),
    "AdamW": by(keras.optimizers.AdamW, beta_1=0.9, beta_2=0.99, epsilon=1e-5, weight_decay=0.01, clipnorm=0.3),
    "SGD": by(keras.optimizers.SGD, momentum=0.3, weight_decay=0.01),
}


@pytest.mark.parametrize("case", some(OPTIMIZERS, 2))
def test_the_numbers_of_an_optimizer_are_lifted(case):
    assert ran(OPTIMIZERS[case]) == SHARED


def recurrent(layer):
    return lambda a: net(layers.Reshape((4, 2)), layer(a))


LAYERS = {
    "noise": lambda a: net(layers.GaussianNoise(0.1 * a)),
    "an LSTM's dropout": recurrent(lambda a: layers.LSTM(4, dropout=0.1 * a, recurrent_dropout=0.1 * a)),
    "dropout in half precision": lambda a: net(layers.Dropout(0.1 * a, dtype="mixed_float16")),
    "dropout of the alpha kind": lambda a: net(layers.AlphaDropout(0.1 * a)),
    "a GRU's dropout": recurrent(lambda a: layers.GRU(4, dropout=0.1 * a)),
    "a plain recurrent layer's dropout": recurrent(lambda a: layers.SimpleRNN(4, recurrent_dropout=0.1 * a)),
    "both directions' dropout": recurrent(lambda a: layers.Bidirectional(layers.LSTM(4, dropout=0.1 * a))),
    "dropout in bfloat16": lambda a: net(layers.Dropout(0.1 * a, dtype="mixed_bfloat16")),
    "noise in half precision": lambda a: net(layers.GaussianNoise(0.1 * a, dtype="mixed_float16")),
    "dropout of volumes": lambda a: net(
        layers.Reshape((2, 2, 1, 2)), layers.SpatialDropout3D(0.2 * a), layers.Flatten()
    ),
    "an attention's dropout": lambda a: _attending(0.1 * a),
    "both factors of a regulariser": lambda a: net(
        layers.Dense(8, kernel_regularizer=keras.regularizers.L1L2(0.01 * a, 0.02))
    ),
}


def _attending(rate):
    inputs = keras.Input((8,))
    steps = layers.Reshape((4, 2))(inputs)
    attended = layers.MultiHeadAttention(2, 4, dropout=rate)(steps, steps)
    model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(attended)))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


@pytest.mark.parametrize("case", some(LAYERS, 1))
def test_the_numbers_of_a_layer_are_lifted(case):
    assert ran(LAYERS[case]) == SHARED


@pytest.mark.drill
def test_a_recurrent_layer_without_dropout_shares_nothing_with_one_that_has_some():
    assert ran(recurrent(lambda a: layers.LSTM(4, dropout=0.2 * (a - 1)))) == APART


LOSSES = {
    "Huber's delta": (lambda a: keras.losses.Huber(delta=0.5 * a), LABELS),
    "smoothed bits": (lambda a: keras.losses.BinaryCrossentropy(True, label_smoothing=0.1 * a), LABELS),
}
LOSSES_APART = {
    "logits": lambda a: keras.losses.BinaryCrossentropy(from_logits=a > 1, label_smoothing=0.1),
    "no smoothing": lambda a: keras.losses.BinaryCrossentropy(True, label_smoothing=0.2 * (a - 1)),
    "smoothed labels": lambda a: keras.losses.CategoricalCrossentropy(True, label_smoothing=0.1 * a),
    "focal loss": lambda a: keras.losses.CategoricalFocalCrossentropy(alpha=0.2 * a, gamma=1.5 * a, from_logits=True),
}


@pytest.mark.parametrize("case", some(LOSSES, 1))
def test_the_numbers_of_a_loss_are_lifted(case):
    make, targets = LOSSES[case]

    assert ran(lambda a: net(loss=make(a)), X, targets) == SHARED


@pytest.mark.parametrize("case", some(LOSSES_APART, 1))
def test_what_else_differs_between_losses_is_not_shared(case):
    assert ran(lambda a: net(loss=LOSSES_APART[case](a)), X, LABELS) == APART


def test_a_number_that_an_object_keeps_as_a_tensor_is_there_again_afterwards():
    regulariser = keras.regularizers.L1(0.01)
    before = regulariser.l1
    ran(lambda a: net(layers.Dense(8, kernel_regularizer=regulariser)), values=(1.0,))

    assert tf.is_tensor(before)
    assert regulariser.l1 is before
