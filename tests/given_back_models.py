"""Builders of many kinds of models, and searches over them; tests import it, and run it as a process of its own.

    python tests/given_back_models.py DIRECTORY

loads the best model of each search in the directory, and prints its loss on the validation data as JSON.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kerastune_lite import GridSearch

CROSSENTROPY = "sparse_categorical_crossentropy"
layers = keras.layers

_rng = np.random.default_rng(0)
X = _rng.normal(size=(90, 4)).astype("float32")
Y = (X[:, 0] + 0.5 * X[:, 1] > 0).astype("int32") + (X[:, 2] > 1)
TRAIN, VALIDATION = (X[:60], Y[:60]), (X[60:], Y[60:])


class Net(keras.Model):
    """The plainest subclassed model."""

    def __init__(self, units):
        super().__init__()
        self.hidden, self.head = layers.Dense(units, activation="relu"), layers.Dense(3, activation="softmax")

    def call(self, inputs):
        return self.head(self.hidden(inputs))


class OfDicts(keras.Model):
    """A subclassed model of a dict of inputs, with a step of its own."""

    def __init__(self):
        super().__init__()
        self.head = layers.Dense(3, activation="softmax")

    def call(self, inputs):
        return self.head(inputs["x"])

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss}


class Gan(keras.Model):
    """Two models without a call of their own, trained by an optimizer each."""

    def __init__(self, generator, critic):
        super().__init__()
        self.generator, self.critic = generator, critic

    def compile(self, generator_optimizer, critic_optimizer):
        super().compile(run_eagerly=True)
        self.generator_optimizer, self.critic_optimizer = generator_optimizer, critic_optimizer

    def test_step(self, data):
        return {"loss": tf.reduce_mean(self.generator(tf.ones((1, 2))) ** 2) + tf.reduce_mean(self.critic(data[0]))}

    def train_step(self, data):
        real, noise = data[0], tf.ones((tf.shape(data[0])[0], 2))
        with tf.GradientTape(persistent=True) as tape:
            fake = self.generator(noise)
            critic_loss = tf.reduce_mean(self.critic(tf.concat([fake, real], 0)) ** 2)
            generator_loss = tf.reduce_mean((fake - 1.0) ** 2)
        for optimizer, model, loss in (
            (self.critic_optimizer, self.critic, critic_loss),
            (self.generator_optimizer, self.generator, generator_loss),
        ):
            weights = model.trainable_weights
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return {"loss": critic_loss}


class Mix(layers.Layer):
    """A layer with a matrix and a function as arguments, and without get_config."""

    def __init__(self, matrix, activate):
        super().__init__()
        self.matrix, self.activate = matrix, activate

    def call(self, inputs):
        return self.activate(keras.ops.matmul(inputs, keras.ops.cast(self.matrix, inputs.dtype)))


class Forgetful(layers.Layer):
    """A layer that Keras reads without an error, and whose get_config leaves out what it does."""

    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs):
        return inputs * self.factor

    def get_config(self):
        return super().get_config()


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule without get_config."""

    def __init__(self, peak):
        self.peak = peak

    def __call__(self, step):
        return self.peak * keras.ops.minimum(1.0, (keras.ops.cast(step, "float32") + 1) / 5)


class Squares(keras.regularizers.Regularizer):
    """A regularizer without get_config."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, weights):
        return self.factor * keras.ops.sum(keras.ops.square(weights))


def scaled_loss(factor):
    """A loss that is a closure."""

    def loss(y_true, y_pred):
        return factor * keras.losses.sparse_categorical_crossentropy(y_true, y_pred)

    return loss


def compiled(model, optimizer=None, loss=CROSSENTROPY):
    model.compile(optimizer or keras.optimizers.Adam(0.05), loss)
    return model


def sequential(*middle, units=8, optimizer=None, loss=CROSSENTROPY, inputs=True):
    first = [keras.Input((4,))] if inputs else []
    last = [layers.Dense(units, activation="relu"), layers.Dense(3, activation="softmax")]
    return compiled(keras.Sequential([*first, *middle, *last]), optimizer, loss)


def functional(hp):
    inputs = keras.Input((4,))
    hidden = layers.Dense(hp.choice("units", [8]), activation="relu")(inputs)
    return compiled(keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.Concatenate()([hidden, inputs]))))


def normalized(hp):
    normalization = layers.Normalization()
    normalization.adapt(X)
    return sequential(normalization, units=hp.choice("units", [8]))


def gan(hp):
    generator = keras.Sequential([layers.Dense(hp.choice("units", [4])), layers.Dense(4)])
    model = Gan(generator, keras.Sequential([layers.Dense(4), layers.Dense(1)]))
    model.compile(keras.optimizers.Adam(0.01), keras.optimizers.SGD(0.01))
    return model


def averaged(hp):
    rate = hp.choice("rate", [0.2])
    return sequential(optimizer=keras.optimizers.SGD(rate, use_ema=True, ema_momentum=0.9))


def of_hyperas(hp):
    model = compiled(Net(hp.choice("units", [4])))
    model.fit(*TRAIN, verbose=0)
    return {"loss": model.evaluate(*VALIDATION, verbose=0), "status": "ok", "model": model}


KINDS = {
    "sequential": lambda hp: sequential(units=hp.choice("units", [8])),
    "sequential without inputs": lambda hp: sequential(units=hp.choice("units", [8]), inputs=False),
    "functional": functional,
    "batch normalization": lambda hp: sequential(layers.BatchNormalization(), units=hp.choice("units", [8])),
    "normalization": normalized,
    "averaged weights": averaged,
    "subclassed": lambda hp: compiled(Net(hp.choice("units", [8]))),
    "own train_step": lambda hp: compiled(OfDicts(), keras.optimizers.Adam(hp.choice("rate", [0.05]))),
    "GAN": gan,
    "a matrix and a function": lambda hp: sequential(Mix(np.eye(4) * hp.choice("by", [2.0]), keras.ops.tanh)),
    "forgetful get_config": lambda hp: sequential(Forgetful(hp.choice("factor", [3.0]))),
    "Lambda": lambda hp: sequential(layers.Lambda(lambda t: t * 2.0), units=hp.choice("units", [8])),
    "own schedule": lambda hp: sequential(optimizer=keras.optimizers.Adam(WarmUp(hp.choice("peak", [0.05])))),
    "own regularizer": lambda hp: sequential(layers.Dense(4, kernel_regularizer=Squares(hp.choice("l2", [0.01])))),
    "own loss": lambda hp: sequential(loss=scaled_loss(hp.choice("factor", [0.5]))),
    "Hyperas": of_hyperas,
}
"""A builder of one setting for each kind of model."""

AS_WEIGHTS = {
    "subclassed",
    "own train_step",
    "GAN",
    "a matrix and a function",
    "forgetful get_config",
    "Lambda",
    "own schedule",
    "own regularizer",
    "own loss",
    "Hyperas",
}
"""The kinds that Keras can't keep whole."""


def data_of(kind):
    """The training and the validation data of a kind."""
    if kind == "own train_step":
        return ({"x": TRAIN[0]}, TRAIN[1]), ({"x": VALIDATION[0]}, VALIDATION[1])
    return TRAIN, VALIDATION


def tuner_of(kind, directory, **settings):
    objective = "loss" if kind == "Hyperas" else "val_loss"
    return GridSearch(KINDS[kind], objective, directory=directory, **{"verbose": 0, "seed": 0, **settings})


def searched(kind, directory, **settings):
    """The tuner of a search over a kind."""
    tuner = tuner_of(kind, directory, **settings)
    train, validation = data_of(kind)
    callbacks = [keras.callbacks.SwapEMAWeights()] if kind == "averaged weights" else []
    if kind == "Hyperas":
        tuner.search()
    else:
        tuner.search(*train, validation_data=validation, epochs=2, batch_size=20, callbacks=callbacks)
    return tuner


def loss_of(kind, model):
    """The loss of a model on the validation data."""
    return model.evaluate(*data_of(kind)[1], verbose=0, return_dict=True)["loss"]


def main(directory):
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    losses = {
        kind: loss_of(kind, tuner_of(kind, path).best_model()) for kind in KINDS if (path := directory / kind).is_dir()
    }
    print(json.dumps(losses))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
