"""Recipes: schedules, averages, accumulation, precision, endpoint layers, training in stages."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from .registry import adam, example, from_logits, learning_rate
from .sources import BATCH, digit_arrays, digit_datasets, digits, table
from .vision import pretrained_base


def dense(*middle: layers.Layer, **arguments: Any) -> keras.Sequential:
    """A small classifier of digits with some layers in the middle."""
    first = layers.Dense(16, activation="relu", **arguments)
    return keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), first, *middle, layers.Dense(10)])


class WarmUpCosine(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that rises in a line and falls as a cosine."""

    def __init__(self, base, total, warmup):
        super().__init__()
        self.base = base
        self.total = total
        self.warmup = warmup

    def __call__(self, step):
        step = ops.cast(step, "float32")
        cosine = self.base * 0.5 * (1 + ops.cos(math.pi * (step - self.warmup) / (self.total - self.warmup)))
        return ops.where(step < self.warmup, self.base * step / self.warmup, ops.maximum(cosine, 0.0))

    def get_config(self):
        return {"base": self.base, "total": self.total, "warmup": self.warmup}


@example(
    "examples/vision/learnable_resizer",
    digit_arrays,
    why_not="the rate is a number of the schedule's own code, a constant of its program",
)
def warm_up_cosine(hp):
    """A schedule of one's own, whose highest rate is tuned."""
    model = dense()
    model.compile(keras.optimizers.Adam(WarmUpCosine(learning_rate(hp), 20, 5)), from_logits(), metrics=["accuracy"])
    return model


@example("examples/vision/involution", digit_datasets)
def cosine_decay(hp):
    schedule = keras.optimizers.schedules.CosineDecay(0.0, 20, warmup_target=learning_rate(hp), warmup_steps=4)
    model = dense(layers.Dropout(hp.float("dropout", 0.1, 0.5)))
    model.compile(keras.optimizers.AdamW(schedule, weight_decay=1e-4), from_logits(), metrics=["accuracy"])
    return model


def step_decay(epoch, rate):
    return rate * 0.9 if epoch else rate


def with_scheduler() -> dict[str, Any]:
    return {**digit_arrays(), "callbacks": [keras.callbacks.LearningRateScheduler(step_decay)]}


@example("examples/keras_recipes/sklearn_metric_callbacks", with_scheduler, holds={"optimizer": "sgd"})
def scheduled_by_a_callback(hp):
    model = dense(kernel_regularizer=keras.regularizers.L2(hp.float("l2", 1e-5, 1e-2, log=True)))
    kind = hp.choice("optimizer", ["sgd", "rmsprop"])
    made = {"sgd": keras.optimizers.SGD, "rmsprop": keras.optimizers.RMSprop}[kind]
    model.compile(made(learning_rate(hp), momentum=hp.float("momentum", 0.5, 0.95)), from_logits(), metrics=["acc"])
    return model


@example("examples/vision/gradient_centralization", digit_arrays)
def averaged_and_accumulated(hp):
    """Averaged weights, gradients that are summed over batches, clipping."""
    model = dense()
    optimizer = keras.optimizers.Adam(
        learning_rate(hp), use_ema=True, ema_momentum=0.9, gradient_accumulation_steps=2, global_clipnorm=1.0
    )
    model.compile(optimizer, from_logits(), metrics=["accuracy"])
    return model


class CentralizedSGD(keras.optimizers.SGD):
    """An optimizer of one's own: gradients lose their mean."""

    def apply(self, grads, trainable_variables=None):
        centred = [
            grad - ops.mean(grad, axis=tuple(range(len(grad.shape) - 1)), keepdims=True)
            if len(grad.shape) > 1
            else grad
            for grad in grads
        ]
        return super().apply(centred, trainable_variables)


@example("examples/vision/gradient_centralization", digit_datasets)
def gradient_centralization(hp):
    model = dense(layers.BatchNormalization())
    model.compile(CentralizedSGD(learning_rate(hp), momentum=0.9), from_logits(), metrics=["accuracy"])
    return model


@example("api/mixed_precision", digit_arrays)
def mixed_precision(hp):
    policy = keras.DTypePolicy("mixed_float16")
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(16, activation="relu", dtype=policy),
            layers.Dropout(hp.float("dropout", 0.1, 0.5), dtype=policy),
            layers.Dense(10, dtype="float32"),
        ]
    )
    optimizer = keras.optimizers.LossScaleOptimizer(adam(hp), initial_scale=2.0**10)
    model.compile(optimizer, from_logits(), metrics=["accuracy"])
    return model


class LogisticEndpoint(layers.Layer):
    """Takes the targets as an input, and adds the loss and passes the probabilities on."""

    def __init__(self, name=None):
        super().__init__(name=name)
        self.loss_fn = keras.losses.BinaryCrossentropy(from_logits=True)

    def call(self, logits, targets=None, sample_weight=None):
        if targets is not None:
            self.add_loss(self.loss_fn(targets, logits, sample_weight))
        return ops.softmax(logits)


def endpoint_data() -> dict[str, Any]:
    x, y = table()
    return {"x": {"inputs": x, "targets": (y > 0).astype("float32")[:, None]}, "batch_size": BATCH}


@example("examples/keras_recipes/endpoint_layer_pattern", endpoint_data)
def endpoint_layer(hp):
    inputs, targets = keras.Input((10,), name="inputs"), keras.Input((1,), name="targets")
    x = layers.Dropout(hp.float("dropout", 0.1, 0.5))(layers.Dense(16, activation="relu")(inputs))
    outputs = LogisticEndpoint(name="predictions")(layers.Dense(1)(x), targets)
    model = keras.Model({"inputs": inputs, "targets": targets}, outputs)
    model.compile(adam(hp))
    return model


class Antirectifier(layers.Layer):
    """A layer with weights that are made when it is built."""

    def __init__(self, initializer="he_normal", **kwargs):
        super().__init__(**kwargs)
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape):
        width = input_shape[-1]
        self.kernel = self.add_weight(shape=(width * 2, width), initializer=self.initializer, name="kernel")

    def call(self, inputs):
        inputs = inputs - ops.mean(inputs, axis=-1, keepdims=True)
        both = ops.concatenate([ops.relu(inputs), ops.relu(-inputs)], axis=-1)
        return ops.matmul(both, self.kernel)


@example("examples/keras_recipes/antirectifier", digit_datasets)
def antirectifier(hp):
    model = dense(Antirectifier(), layers.Dropout(hp.float("dropout", 0.1, 0.5)))
    model.compile(adam(hp), from_logits(), metrics=["sparse_categorical_accuracy"])
    return model


class MyTrainer(keras.Model):
    """The trainer pattern: a step around any other model."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.loss_fn = from_logits()
        self.accuracy_metric = keras.metrics.SparseCategoricalAccuracy()

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            predictions = self.model(x, training=True)
            loss = self.loss_fn(y, predictions)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        self.accuracy_metric.update_state(y, predictions)
        return {"loss": loss, "accuracy": self.accuracy_metric.result()}

    def test_step(self, data):
        x, y = data
        predictions = self.model(x, training=False)
        loss = self.loss_fn(y, predictions)
        self.accuracy_metric.update_state(y, predictions)
        return {"loss": loss, "accuracy": self.accuracy_metric.result()}

    def call(self, x):
        return self.model(x)


@example("examples/keras_recipes/trainer_pattern", digit_arrays)
def trainer_pattern(hp):
    trainer = MyTrainer(dense(layers.Dropout(hp.float("dropout", 0.1, 0.5))))
    trainer.compile(optimizer=adam(hp))
    return trainer


class SAMModel(keras.Model):
    """Sharpness-aware minimisation: two gradients a step, with weights moved between them."""

    def __init__(self, network, rho):
        super().__init__()
        self.network = network
        self.rho = rho

    def call(self, inputs):
        return self.network(inputs)

    def train_step(self, data):
        images, labels = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=labels, y_pred=self.network(images, training=True))
        weights = self.network.trainable_variables
        gradients = tape.gradient(loss, weights)
        norm = tf.norm(tf.stack([tf.norm(gradient) for gradient in gradients]))
        moves = [gradient * self.rho / (norm + 1e-12) for gradient in gradients]
        for weight, move in zip(weights, moves, strict=True):
            weight.assign_add(move)
        with tf.GradientTape() as tape:
            predicted = self.network(images, training=True)
            loss = self.compute_loss(y=labels, y_pred=predicted)
        gradients = tape.gradient(loss, weights)
        for weight, move in zip(weights, moves, strict=True):
            weight.assign_sub(move)
        self.optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return self.compute_metrics(images, labels, predicted, None)


@example("examples/vision/sharpness_aware_minimization", digit_datasets, holds={"rho": 0.05})
def sharpness_aware(hp):
    model = SAMModel(dense(), hp.float("rho", 0.01, 0.1))
    model.compile(adam(hp), from_logits(), metrics=["accuracy"])
    return model


@dataclasses.dataclass(frozen=True)
class Config:
    """The settings of a model in one object, as many pages have them."""

    units: int
    dropout: float


class Configured(keras.Model):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.flatten = layers.Flatten()
        self.hidden = layers.Dense(config.units, activation="relu")
        self.dropout = layers.Dropout(config.dropout)
        self.head = layers.Dense(10)

    def call(self, x, training=False):
        x = self.hidden(self.flatten(x)) * (1.0 if self.config.units < 100 else 0.5)
        return self.head(self.dropout(x, training=training))


@example("examples/nlp/masked_language_modeling", digit_arrays, holds={"units": 16, "dropout": 0.2})
def settings_in_a_dataclass(hp):
    model = Configured(Config(hp.choice("units", [16, 32]), hp.float("dropout", 0.1, 0.5)))
    model.compile(adam(hp), from_logits(), metrics=["accuracy"])
    return model


@example("examples/keras_recipes/subclassing_conv_layers", digit_arrays)
def class_inside_the_function(hp):
    """A layer whose class is made anew in each call of the builder."""

    class StandardizedConv2D(layers.Conv2D):
        def call(self, inputs):
            mean, variance = ops.moments(self.kernel, axes=(0, 1, 2), keepdims=True)
            kernel = (self.kernel - mean) / ops.sqrt(variance + 1e-5)
            return ops.conv(inputs, kernel, strides=self.strides, padding=self.padding) + self.bias

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            StandardizedConv2D(8, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(hp.float("dropout", 0.1, 0.5)),
            layers.Dense(10),
        ]
    )
    model.compile(adam(hp), from_logits(), metrics=["accuracy"])
    return model


@example("guides/transfer_learning", digit_arrays, why_not="build_fn has its own fit")
class TwoStages:
    """Transfer learning in two stages: first the head, then the base as well, at a lower rate."""

    def build(self, hp):
        self.base = pretrained_base()
        self.base.trainable = False
        model = keras.Sequential([self.base, layers.GlobalAveragePooling2D(), layers.Dense(10)])
        model.compile(adam(hp), from_logits(), metrics=["accuracy"])
        return model

    def fit(self, hp, model, x, y, validation_data=None, epochs=2, **arguments):
        model.fit(x, y, validation_data=validation_data, epochs=1, **arguments)
        self.base.trainable = True
        model.compile(keras.optimizers.Adam(hp.float("low_rate", 1e-5, 1e-4)), from_logits(), metrics=["accuracy"])
        return model.fit(x, y, validation_data=validation_data, epochs=epochs, initial_epoch=1, **arguments)


def jagged_batches() -> dict[str, Any]:
    """A function that makes a generator without an end, and how many steps an epoch has."""
    x, y, *_ = digits()

    def forever():
        rng = np.random.default_rng(0)
        while True:
            rows = rng.integers(0, len(x), BATCH)
            yield x[rows], y[rows]

    return {"x": forever, "steps_per_epoch": 6}


@example("guides/training_with_built_in_methods", jagged_batches)
def endless_generator(hp):
    model = dense(layers.GaussianNoise(hp.float("noise", 0.01, 0.2)))
    model.compile(adam(hp), from_logits(), metrics=["accuracy"])
    return model
