"""Small models of every kind, and how a training by the engine is compared with a plain one."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from kerastune_lite.training.engine.engine import Engine
from kerastune_lite.training.keras_internals import reset_layer_names

SAMPLES = 72
KINDS = ["mlp", "cnn", "lstm", "transformer", "two inputs", "own step"]


def data(kind, samples=SAMPLES):
    """Inputs and three classes to tell from them."""
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(samples, 16)).astype("float32")
    labels = rng.integers(0, 3, samples).astype("int32")
    if kind == "cnn":
        return flat.reshape(-1, 4, 4, 1), labels
    if kind in ("lstm", "transformer"):
        return flat.reshape(-1, 4, 4), labels
    if kind == "two inputs":
        return {"left": flat[:, :8], "right": flat[:, 8:]}, labels
    return flat, labels


class OwnStep(keras.Model):
    """A model that adds noise to its inputs and reports the norm of its gradients."""

    def train_step(self, batch):
        x, y = batch[:2]
        x = x + keras.random.normal(keras.ops.shape(x), stddev=0.01, seed=self.noise)
        with tf.GradientTape() as tape:
            predicted = self(x, training=True)
            loss = self.compute_loss(y=y, y_pred=predicted)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        for metric in self.metrics:
            metric.update_state(loss) if metric.name == "loss" else metric.update_state(y, predicted)
        return {metric.name: metric.result() for metric in self.metrics} | {"norm": tf.linalg.global_norm(gradients)}


def model_of(kind, rate=0.2, l2=1e-3, optimizer=None, **compile_arguments):
    """A compiled model of a kind, with a learning rate, a dropout rate and a regulariser's factor to choose."""
    regulariser = keras.regularizers.L2(l2)
    if kind == "mlp":
        model = keras.Sequential(
            [
                layers.Input((16,)),
                layers.Dense(12, activation="relu", kernel_regularizer=regulariser),
                layers.Dropout(rate),
                layers.Dense(3),
            ]
        )
    elif kind == "cnn":
        model = keras.Sequential(
            [
                layers.Input((4, 4, 1)),
                layers.Conv2D(6, 3, kernel_regularizer=regulariser),
                layers.BatchNormalization(),
                layers.Activation("relu"),
                layers.Flatten(),
                layers.Dropout(rate),
                layers.Dense(3),
            ]
        )
    elif kind == "lstm":
        model = keras.Sequential(
            [
                layers.Input((4, 4)),
                layers.LSTM(6),
                layers.Dropout(rate),
                layers.Dense(3, kernel_regularizer=regulariser),
            ]
        )
    elif kind == "transformer":
        inputs = layers.Input((4, 4))
        hidden = layers.Dense(8)(inputs)
        attended = layers.MultiHeadAttention(2, 4, dropout=rate)(hidden, hidden)
        hidden = layers.LayerNormalization()(layers.Add()([hidden, attended]))
        fed = layers.Dense(8, activation="gelu", kernel_regularizer=regulariser)(hidden)
        hidden = layers.LayerNormalization()(layers.Add()([hidden, layers.Dropout(rate)(fed)]))
        model = keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling1D()(hidden)))
    elif kind == "two inputs":
        left, right = layers.Input((8,), name="left"), layers.Input((8,), name="right")
        hidden = layers.Concatenate()(
            [layers.Dense(6, activation="relu", kernel_regularizer=regulariser)(left), layers.Dense(6)(right)]
        )
        model = keras.Model({"left": left, "right": right}, layers.Dense(3)(layers.Dropout(rate)(hidden)))
    else:
        inputs = layers.Input((16,))
        hidden = layers.Dense(12, activation="relu", kernel_regularizer=regulariser)(inputs)
        model = OwnStep(inputs, layers.Dense(3)(layers.Dropout(rate)(hidden)))
        model.noise = keras.random.SeedGenerator(7)
    model.compile(
        optimizer=optimizer or keras.optimizers.Adam(1e-2),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        **compile_arguments,
    )
    return model


def keras_order(samples):
    """The order that Keras's own `fit` would draw now, which under a seed it repeats in all epochs."""

    def places(_):
        return tf.random.shuffle(tf.range(samples, dtype=tf.int64))

    order = next(iter(tf.data.Dataset.range(1).map(places))).numpy()
    return lambda epoch: order


def trained(build, fit, seed=5):
    """A model built and trained under a seed: its history, weights and optimizer's state."""
    reset_layer_names()
    keras.utils.set_random_seed(seed)
    model = build()
    history = fit(model).history
    state = [np.asarray(variable) for variable in model.optimizer.variables]
    return history, model.get_weights(), state


def plain(**arguments):
    """A plain fit."""
    return lambda model: model.fit(verbose=0, **arguments)


def by(engine, how=None, **arguments):
    """A fit by an engine in the order that a plain fit would draw; how it ran is appended to `how`."""

    def fit(model):
        x = arguments["x"]
        count = len(next(iter(x.values())) if isinstance(x, dict) else x)
        order = keras_order(count) if arguments.get("shuffle", True) else None
        fitted = engine.fit(model, {"verbose": 0, **arguments}, seed=1, order=order)
        if how is not None:
            how.append(str(fitted.trained))
        return fitted.history

    return fit


def compared(build, arguments, values, compared_values=None, trained=trained):
    """How one engine trained a model for each value, after it was found equal to a plain fit, made once for each.

    Only the models of `compared_values` are compared where they are given. `trained` says what is compared of a model.
    """
    engine, how, expected = Engine(), [], {}
    for value in values:
        found = trained(lambda value=value: build(value), by(engine, how, **arguments))
        if compared_values is not None and value not in compared_values:
            continue
        if value not in expected:
            expected[value] = trained(lambda value=value: build(value), plain(**arguments))
        assert differences(found, expected[value]) == [], f"{value}: {how}"
    return how


def differences(one, other):
    """What differs between two trainings, bit by bit; empty where nothing does."""
    found = []
    if list(one[0]) != list(other[0]):
        return [f"logs {list(one[0])} and {list(other[0])}"]
    found += [f"{name}: {one[0][name]} and {other[0][name]}" for name in one[0] if one[0][name] != other[0][name]]
    for what, mine, theirs in (("weights", one[1], other[1]), ("optimizer", one[2], other[2])):
        if len(mine) != len(theirs) or not all(map(np.array_equal, mine, theirs)):
            found.append(what)
    return found
