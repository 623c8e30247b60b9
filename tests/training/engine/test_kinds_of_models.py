"""Models of the kinds of Keras's examples share programs, and train as by a plain fit.

Most cases are built with their number at 1, 1.5 and 1 again, and trained through one engine; each time History,
weights, every optimizer's state and the states of layers have to be those of a plain fit. In the drills fingerprints of
cases that differ by a layer or a loss are compared, and one model of many such cases is trained.
"""

from __future__ import annotations

import argparse
import dataclasses
import enum
import functools
import random
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from engine_models import by, compared, differences, plain
from keras import layers, ops

from kerastune_lite.training.engine.engine import Engine
from kerastune_lite.training.engine.programs import SharedPrograms
from kerastune_lite.training.engine.samples import Samples
from kerastune_lite.training.keras_internals import TRACING_DRAWS, reset_layer_names

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 8)).astype("float32")
Y = RNG.integers(0, 3, 40).astype("int32")
INTEGERS = RNG.integers(0, 9, (40, 4))
AGAIN = ["compiled", "shared"]
SHARED = ["compiled", "shared", "shared"]
APART = ["compiled", "compiled", "shared"]
pytestmark = [
    pytest.mark.filterwarnings("ignore:`build\\(\\)` was called"),
    pytest.mark.filterwarnings("ignore:Gradients do not exist for variables"),  # of an output without a loss
    pytest.mark.skipif(TRACING_DRAWS, reason="an older Keras leaves such steps to a plain fit"),
]


def crossentropy():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def net(*middle, optimizer=None, loss=None, **compiled):
    model = keras.Sequential([layers.Input((8,)), *middle, layers.Dense(3)])
    model.compile(optimizer or keras.optimizers.Adam(0.01), loss or crossentropy(), **compiled)
    return model


def dense(units=8, inputs=8, **arguments):
    return keras.Sequential([layers.Input((inputs,)), layers.Dense(units, **arguments)])


def state_of(model):
    """All that a training leaves in a model."""
    held = [
        model.optimizer,
        *(thing for thing in vars(model).values() if isinstance(thing, keras.optimizers.Optimizer)),
    ]
    found = [variable for optimizer in held if optimizer is not None for variable in optimizer.variables]
    return [np.asarray(variable) for variable in [*found, *model.variables, *model.metrics_variables]]


def trained(build, fit):
    reset_layer_names()
    keras.utils.set_random_seed(5)
    model = build()
    history = fit(model).history
    return history, model.get_weights(), state_of(model)


def ran(build, x=X, y=Y, values=(1.0, 1.5, 1.0), compared_values=None, **arguments):
    """How the engine trained each model, after those to compare, or all, were found equal to a plain fit."""
    arguments = {"x": x, "y": y, "epochs": 2, "batch_size": 16, **arguments}
    return compared(build, arguments, values, compared_values, trained)


def ran_after_another(build, x=X, y=Y):
    """How the engine trained a model with another number and then one that was found equal to a plain fit."""
    return ran(build, x, y, values=(1.5, 1.0), compared_values=(1.0,))


def fingerprints(build, x=X, y=Y):
    """The fingerprints of the models with the numbers 1, 1.5 and 1 again; nothing is traced."""
    found = []
    for value in (1.0, 1.5, 1.0):
        reset_layer_names()
        keras.utils.set_random_seed(5)
        found.append(SharedPrograms().look_at(build(value), Samples.of(x, y)).key)
    return found


def joined(cases, loss):
    """Builds one model of the middle layers of several cases, one after the other, and of the loss of another one."""

    def build(a):
        middle = [layer for make in cases for layer in make(a).layers[:-1]]
        return net(*middle, loss=loss(a).loss)

    return build


def some(cases, count=2):
    """All cases in the drills, and the first ones always."""
    return [pytest.param(case, marks=() if n < count else pytest.mark.drill) for n, case in enumerate(cases)]


# Models with a step of their own, without a call, with several optimizers and metrics of their own


class Sampling(layers.Layer):
    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs):
        mean, log_variance = inputs
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_variance) * noise


class VAE(keras.Model):
    """As in Keras's example: a train_step, no call, trackers as attributes, `metrics` overridden."""

    def __init__(self, encoder, decoder, **arguments):
        super().__init__(**arguments)
        self.encoder, self.decoder = encoder, decoder
        self.total = keras.metrics.Mean(name="total_loss")
        self.kl = keras.metrics.Mean(name="kl_loss")

    @property
    def metrics(self):
        return [self.total, self.kl]

    def train_step(self, data):
        with tf.GradientTape() as tape:
            mean, log_variance, z = self.encoder(data)
            rebuilt = ops.mean(ops.sum((data - self.decoder(z)) ** 2, axis=1))
            kl = ops.mean(-0.5 * (1 + log_variance - ops.square(mean) - ops.exp(log_variance)))
            total = rebuilt + kl
        gradients = tape.gradient(total, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        self.total.update_state(total)
        self.kl.update_state(kl)
        return {"loss": self.total.result(), "kl_loss": self.kl.result()}


def vae(a):
    inputs = keras.Input((8,))
    hidden = layers.Dense(6, activation="relu")(inputs)
    mean, log_variance = layers.Dense(2)(hidden), layers.Dense(2)(hidden)
    encoder = keras.Model(inputs, [mean, log_variance, Sampling()([mean, log_variance])])
    model = VAE(encoder, dense(8, 2))
    model.compile(optimizer=keras.optimizers.Adam(0.01 * a))
    return model


class GAN(keras.Model):
    """As in Keras's example: two optimizers compiled in an own `compile`, each for a part of the weights."""

    def __init__(self, discriminator, generator, size=3):
        super().__init__()
        self.discriminator, self.generator, self.size = discriminator, generator, size
        self.seed_generator = keras.random.SeedGenerator(7)

    def compile(self, d_optimizer, g_optimizer, loss_fn):
        super().compile()
        self.d_optimizer, self.g_optimizer, self.loss_fn = d_optimizer, g_optimizer, loss_fn
        self.d_tracker = keras.metrics.Mean(name="d_loss")
        self.g_tracker = keras.metrics.Mean(name="g_loss")

    @property
    def metrics(self):
        return [self.d_tracker, self.g_tracker]

    def train_step(self, real):
        count = ops.shape(real)[0]
        fake = self.generator(keras.random.normal((count, self.size), seed=self.seed_generator))
        labels = ops.concatenate([ops.ones((count, 1)), ops.zeros((count, 1))], axis=0)
        with tf.GradientTape() as tape:
            d_loss = self.loss_fn(labels, self.discriminator(ops.concatenate([fake, real], axis=0)))
        gradients = tape.gradient(d_loss, self.discriminator.trainable_weights)
        self.d_optimizer.apply_gradients(zip(gradients, self.discriminator.trainable_weights, strict=True))
        latent = keras.random.normal((count, self.size), seed=self.seed_generator)
        with tf.GradientTape() as tape:
            g_loss = self.loss_fn(ops.zeros((count, 1)), self.discriminator(self.generator(latent)))
        gradients = tape.gradient(g_loss, self.generator.trainable_weights)
        self.g_optimizer.apply_gradients(zip(gradients, self.generator.trainable_weights, strict=True))
        self.d_tracker.update_state(d_loss)
        self.g_tracker.update_state(g_loss)
        return {"loss": self.d_tracker.result(), "g_loss": self.g_tracker.result()}


def gan(a, kind=keras.optimizers.Adam):
    model = GAN(dense(1), dense(8, 3))
    model.compile(kind(0.01 * a), kind(0.02 * a), keras.losses.BinaryCrossentropy(from_logits=True))
    return model


class Diffusion(keras.Model):
    """As in Keras's example: an adapted normaliser, an averaged copy of the network, unseeded noise."""

    def __init__(self, kept):
        super().__init__()
        self.normalizer = layers.Normalization()
        self.normalizer.adapt(X)
        self.network = dense()
        self.average = keras.models.clone_model(self.network)
        self.kept = kept

    def compile(self, **arguments):
        super().compile(**arguments)
        self.tracker = keras.metrics.Mean(name="n_loss")

    @property
    def metrics(self):
        return [self.tracker]

    def train_step(self, data):
        data = self.normalizer(data, training=True)
        noises = keras.random.normal(ops.shape(data))
        rates = keras.random.uniform((ops.shape(data)[0], 1), 0.0, 1.0)
        with tf.GradientTape() as tape:
            loss = self.loss(noises, self.network(rates * data + (1.0 - rates) * noises, training=True))
        gradients = tape.gradient(loss, self.network.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.network.trainable_weights, strict=True))
        self.tracker.update_state(loss)
        for weight, average in zip(self.network.weights, self.average.weights, strict=True):
            average.assign(self.kept * average + (1 - self.kept) * weight)
        return {"loss": self.tracker.result()}

    def test_step(self, data):
        data = self.normalizer(data, training=False)
        loss = self.loss(data, self.average(data, training=False))
        self.tracker.update_state(loss)
        return {"loss": self.tracker.result()}


def diffusion(a, kept=0.9):
    model = Diffusion(kept)
    model.compile(
        optimizer=keras.optimizers.AdamW(0.01 * a, weight_decay=1e-3 * a), loss=keras.losses.MeanAbsoluteError()
    )
    return model


class Tracked(keras.Model):
    """The guide's pattern: a tracker in `metrics` in place of Keras's own, which the model keeps nevertheless."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner
        self.tracker, self.error = keras.metrics.Mean(name="loss"), keras.metrics.MeanAbsoluteError(name="mae")

    def call(self, x):
        return self.inner(x)

    @property
    def metrics(self):
        return [self.tracker, self.error]

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            predicted = self(x, training=True)
            loss = keras.losses.sparse_categorical_crossentropy(y, predicted, from_logits=True)
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        self.tracker.update_state(loss)
        self.error.update_state(ops.one_hot(y, 3), predicted)
        return {metric.name: metric.result() for metric in self.metrics}

    def test_step(self, data):
        x, y = data
        self.tracker.update_state(keras.losses.sparse_categorical_crossentropy(y, self(x), from_logits=True))
        return {"loss": self.tracker.result()}


def tracked(a):
    model = Tracked(dense(3))
    model.compile(keras.optimizers.RMSprop(0.01 * a, momentum=0.1 * a))
    return model


class PartlyTrained(Tracked):
    """A step that trains some of the weights, by the loss that the model was compiled with."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=y, y_pred=self(x, training=True))
        kernel = [self.inner.layers[-1].kernel]
        self.optimizer.apply(tape.gradient(loss, kernel), kernel)
        self.tracker.update_state(loss)
        return self.compute_metrics(x, y, self(x)) | {"loss": self.tracker.result()}


def partly(a):
    model = PartlyTrained(dense(3))
    model.compile(keras.optimizers.Adam(0.01 * a), crossentropy(), metrics=["accuracy"])
    return model


class Block(layers.Layer):
    """A layer that builds those inside it when it is called."""

    def __init__(self, units):
        super().__init__()
        self.first, self.second = layers.Dense(units, activation="relu"), layers.Dense(units)

    def call(self, x):
        return self.second(self.first(x))


class Built(layers.Layer):
    def __init__(self, units):
        super().__init__()
        self.units = units

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units), initializer=keras.initializers.Constant(0.1))

    def call(self, x):
        return ops.matmul(x, self.kernel)


class Unbuilt(Tracked):
    """A model whose layers are built while its step is traced."""

    def __init__(self, *parts):
        super().__init__(keras.Sequential(list(parts)))


def unbuilt(a):
    model = Unbuilt(Block(6), Built(5), layers.Dropout(0.1 * a), layers.Dense(3))
    model.compile(keras.optimizers.Adam(0.01 * a))
    return model


class UnbuiltWithoutCall(VAE):
    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = ops.mean((self.decoder(self.encoder(data)) - data) ** 2)
        self.optimizer.apply(tape.gradient(loss, self.trainable_weights), self.trainable_weights)
        self.total.update_state(loss)
        return {"loss": self.total.result()}


def unbuilt_without_call(a):
    model = UnbuiltWithoutCall(Block(3), keras.Sequential([Built(5), layers.Dense(8)]))
    model.compile(keras.optimizers.Adam(0.01 * a))
    return model


class OwnLoss(keras.Model):
    """A functional model with a `compute_loss` of its own that Keras's compiled loss has no part in."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return ops.mean(keras.losses.sparse_categorical_crossentropy(y, y_pred, from_logits=True))


def own_loss(a):
    inputs = keras.Input((8,))
    model = OwnLoss(inputs, layers.Dense(3)(inputs))
    model.compile(keras.optimizers.Adam(0.01 * a), metrics=["accuracy"])
    return model


STEPS = {
    "a VAE": (vae, X, None),
    "a GAN": (gan, X, None),
    "a diffusion model": (diffusion, X, None),
    "own metrics": (tracked, X, Y),
    "a step that trains a part": (partly, X, Y),
    "layers that the step builds": (unbuilt, X, Y),
    "layers that the step builds, without call": (unbuilt_without_call, X, None),
    "a GAN by SGD": (lambda a: gan(a, keras.optimizers.SGD), X, None),
    "own loss": (own_loss, X, Y),
}


WITH_VALIDATION = ("a diffusion model", "own metrics", "a step that trains a part", "layers that the step builds")
"""Those that are validated too."""


@pytest.mark.parametrize("case", some(STEPS, 2))
def test_models_with_a_step_of_their_own_share_programs(case):
    build, x, y = STEPS[case]
    validation = (X[:20],) if y is None else (X[:20], Y[:20])

    assert ran(build, x, y, validation_data=validation if case in WITH_VALIDATION else None) == SHARED


def other_part(a):
    class Part(PartlyTrained):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = self.compute_loss(y=y, y_pred=self(x, training=True))
            trained = [self.inner.layers[-1].bias if a > 1 else self.inner.layers[-1].kernel]
            self.optimizer.apply(tape.gradient(loss, trained), trained)
            self.tracker.update_state(loss)
            return {"loss": self.tracker.result()}

    model = Part(dense(3))
    model.compile("adam", crossentropy())
    return model


def counting(a):
    class Counting(Tracked):
        def train_step(self, data):
            self.steps = getattr(self, "steps", 0) + 1
            return super().train_step(data)

    model = Counting(dense(3))
    model.compile("adam")
    return model


STEPS_APART = {
    "the kept share of an average": (lambda a: diffusion(1.0, 0.9 / a), X, None),
    "another kind of optimizer": (
        lambda a: gan(1.0, keras.optimizers.SGD if a > 1 else keras.optimizers.Adam),
        X,
        None,
    ),
    "another part of the weights": (other_part, X, Y),
}


@pytest.mark.parametrize("case", some(STEPS_APART, 1))
def test_steps_that_differ_share_nothing(case):
    build, x, y = STEPS_APART[case]

    assert ran(build, x, y) == APART


def test_a_step_that_leaves_something_in_the_model_shares_nothing_even_where_it_builds_an_optimizer_too():
    reason = "compiled: its step changes the model while it is traced"

    assert ran(counting)[1:] == [reason] * 2


@pytest.mark.drill
@pytest.mark.parametrize("case", ["a GAN", "layers that the step builds"])
def test_a_model_that_has_shared_programs_can_be_trained_on(case):
    build, x, y = STEPS[case]

    def twice(fit):
        def fits(model):
            fit(model)
            return model.fit(x, y, batch_size=16, shuffle=False, verbose=0)

        return fits

    engine, arguments = Engine(), {"x": x, "y": y, "batch_size": 16, "shuffle": False}
    expected = trained(lambda: build(1.0), twice(plain(**arguments)))
    for _ in range(2):
        assert differences(trained(lambda: build(1.0), twice(by(engine, **arguments))), expected) == []


# Forms of inputs, outputs and losses


class Reconstruction(layers.Layer):
    def call(self, x, y):
        self.add_loss(ops.mean((x - y) ** 2))
        return y


def by_added_loss(a):
    inputs = keras.Input((8,))
    model = keras.Model(inputs, Reconstruction()(inputs, layers.Dense(8)(inputs)))
    model.compile(keras.optimizers.Adam(0.01 * a))
    return model


def of_two_by_added_loss(a):
    one, two = keras.Input((8,), name="one"), keras.Input((8,), name="two")
    model = keras.Model({"one": one, "two": two}, Reconstruction()(two, layers.Dense(8)(one)))
    model.compile(keras.optimizers.Adam(0.01 * a))
    return model


def heads(loss, weights=None, metrics=None, as_dict=False):
    def build(a):
        inputs = keras.Input((8,))
        hidden = layers.Dense(6, activation="relu")(inputs)
        outputs = [layers.Dense(1, name="p")(hidden), layers.Dense(3, name="q")(hidden)]
        model = keras.Model(inputs, dict(zip("pq", outputs, strict=True)) if as_dict else outputs)
        model.compile(keras.optimizers.Adam(0.01 * a), loss=loss(), loss_weights=weights, metrics=metrics and metrics())
        return model

    return build


REAL = X[:, :1].copy()
FORMS = {
    "x alone": (by_added_loss, X, None),
    "a dict of inputs alone": (of_two_by_added_loss, {"one": X, "two": X}, None),
    "a list of outputs, a dict of targets": (heads(lambda: {"p": "mse", "q": crossentropy()}), X, {"p": REAL, "q": Y}),
    "no loss for an output": (heads(lambda: [None, crossentropy()]), X, Y),
    "no loss for the last output": (heads(lambda: ["mse", None]), X, REAL),
    "a list of targets": (heads(lambda: ["mse", crossentropy()], [1.0, 0.5]), X, [REAL, Y]),
    "metrics of an output": (
        heads(lambda: {"p": "mse", "q": crossentropy()}, metrics=lambda: {"q": ["accuracy"]}),
        X,
        {"p": REAL, "q": Y},
    ),
    "a dict of outputs": (
        heads(
            lambda: {"p": "mse", "q": crossentropy()}, {"p": 1.0, "q": 0.5}, lambda: {"q": ["accuracy"]}, as_dict=True
        ),
        X,
        {"p": REAL, "q": Y},
    ),
    "no loss at all for a dict's output": (heads(lambda: {"p": "mse"}, as_dict=True), X, {"p": REAL}),
}


@pytest.mark.parametrize("case", some(FORMS, 2))
def test_every_form_of_inputs_outputs_and_losses_shares_programs(case):
    build, x, y = FORMS[case]

    assert ran_after_another(build, x, y) == AGAIN


# Constants, tables and variables of TensorFlow


def normalised(a, data=X):
    layer = layers.Normalization()
    layer.adapt(data)
    return net(layer, optimizer=keras.optimizers.Adam(0.01 * a))


def integer_lookup(a, vocabulary=(1, 2, 3, 5)):
    lookup = layers.IntegerLookup(vocabulary=list(vocabulary))
    model = keras.Sequential([layers.Input((4,), dtype="int64"), lookup, layers.Embedding(12, 3), layers.Flatten()])
    model.add(layers.Dense(3))
    model.compile(keras.optimizers.Adam(0.01 * a), crossentropy())
    return model


class Weighted(layers.Layer):
    def __init__(self, weights):
        super().__init__()
        self.given = weights

    def call(self, x):
        return x * self.given


class Positions(layers.Layer):
    """Adds a constant that is too large to be written into a program."""

    def __init__(self, scale):
        super().__init__()
        table = tf.reshape(tf.range(800, dtype="float32"), (100, 8))
        self.table = tf.sin(table * scale)

    def call(self, x):
        return x + self.table[7] + ops.mean(self.table, axis=0)


class Counter(layers.Layer):
    """Counts its calls in a variable of TensorFlow, and scales by the count."""

    def __init__(self, start):
        super().__init__()
        self.calls = tf.Variable(start, trainable=False)

    def call(self, x, training=False):
        if training:
            self.calls.assign_add(1.0)
        return x * self.calls / 10.0


def weighted_loss(weights):
    def loss(y, predicted):
        each = keras.losses.sparse_categorical_crossentropy(y, predicted, from_logits=True)
        return tf.reduce_mean(tf.gather(weights, tf.cast(tf.reshape(y, [-1]), "int32")) * each)

    return loss


def with_constant(scale):
    inputs = keras.Input((8,))
    shifted = ops.add(inputs, tf.reshape(tf.range(8, dtype="float32"), (1, 8)) * scale)
    model = keras.Model(inputs, layers.Dense(3)(shifted))
    model.compile("adam", crossentropy())
    return model


CONSTANTS = {
    "an adapted normalisation": (normalised, X),
    "a given normalisation": (lambda a: net(layers.Normalization(mean=0.5, variance=2.0)), X),
    "a vocabulary of integers": (integer_lookup, INTEGERS),
    "a tensor of a layer": (lambda a: net(Weighted(tf.constant([1.0, 2.0] * 4))), X),
    "an array of a layer": (lambda a: net(Weighted(np.full(8, 2.0, "float32"))), X),
    "a large tensor of a layer": (lambda a: net(Positions(0.1)), X),
    "a tensor in a loss": (lambda a: net(loss=weighted_loss(tf.constant([1.0, 2.0, 0.5]))), X),
    "a constant in a graph": (lambda a: with_constant(0.5), X),
    "an orthogonal regulariser": (
        lambda a: net(layers.Dense(8, kernel_regularizer=keras.regularizers.OrthogonalRegularizer(0.01))),
        X,
    ),
    "an L1 regulariser": (lambda a: net(layers.Dense(8, kernel_regularizer=keras.regularizers.L1(0.01 * a))), X),
    "a variable of TensorFlow that the step changes": (lambda a: net(Counter(5.0 * a)), X),
    "a variable of TensorFlow": (lambda a: net(Weighted(tf.Variable(a))), X),
}


@pytest.mark.parametrize("case", ["an adapted normalisation", "a given normalisation"])
def test_equal_constants_are_shared(case):
    build, x = CONSTANTS[case]

    assert ran_after_another(build, x) == AGAIN


@pytest.mark.drill
@pytest.mark.parametrize("case", CONSTANTS)
def test_models_of_equal_constants_have_one_fingerprint(case):
    assert len(set(fingerprints(*CONSTANTS[case]))) == 1


@pytest.mark.drill
@pytest.mark.parametrize("case", ["a vocabulary of integers", "a constant in a graph"])
def test_a_model_of_equal_constants_trains_as_by_a_plain_fit(case):
    build, x = CONSTANTS[case]

    assert ran_after_another(build, x) == AGAIN


@pytest.mark.drill
def test_a_model_of_many_equal_constants_trains_as_by_a_plain_fit():
    of_layers = [
        *("a tensor of a layer", "an array of a layer", "a large tensor of a layer", "an orthogonal regulariser"),
        *("an L1 regulariser", "a variable of TensorFlow that the step changes", "a variable of TensorFlow"),
    ]

    assert ran(joined([CONSTANTS[case][0] for case in of_layers], CONSTANTS["a tensor in a loss"][0])) == SHARED


class ReadsValue(Weighted):
    def call(self, x):
        with tf.init_scope():
            value = float(self.given.numpy())
        return x * value


CONSTANTS_APART = {
    "a variable of TensorFlow that is read while a step is traced": (lambda a: net(ReadsValue(tf.Variable(a))), X),
    "normalisations of other data": (lambda a: normalised(1.0, X * a), X),
    "another vocabulary": (lambda a: integer_lookup(1.0, (1, 2, 3, 5) if a > 1 else (2, 1, 3, 5)), INTEGERS),
    "another tensor": (lambda a: net(Weighted(tf.constant([1.0, a] * 4))), X),
    "another large tensor": (lambda a: net(Positions(0.1 * a)), X),
    "another tensor in a loss": (lambda a: net(loss=weighted_loss(tf.constant([1.0, a, 0.5]))), X),
    "another constant in a graph": (lambda a: with_constant(0.5 * a), X),
    "a large array": (lambda a: net(Weighted(np.full((1, 8), a, "float32").repeat(1, 0))), X),
}


@pytest.mark.parametrize(
    "case", ["a variable of TensorFlow that is read while a step is traced", "normalisations of other data"]
)
def test_other_constants_are_not_shared(case):
    build, x = CONSTANTS_APART[case]

    assert ran(build, x) == APART


@pytest.mark.drill
@pytest.mark.parametrize("case", list(CONSTANTS_APART)[1:])  # that of the first is found while its step is traced
def test_models_of_other_constants_have_other_fingerprints(case):
    one, other, again = fingerprints(*CONSTANTS_APART[case])

    assert one != other
    assert one == again


@pytest.mark.drill
@pytest.mark.parametrize("case", ["another vocabulary", "another constant in a graph"])
def test_a_model_of_another_constant_trains_as_by_a_plain_fit(case):
    build, x = CONSTANTS_APART[case]

    assert ran_after_another(build, x) == ["compiled", "compiled"]


@pytest.mark.drill
def test_a_model_of_many_other_constants_trains_as_by_a_plain_fit():
    of_layers = ("another tensor", "another large tensor", "a large array")
    loss, _ = CONSTANTS_APART["another tensor in a loss"]

    assert ran(joined([CONSTANTS_APART[case][0] for case in of_layers], loss)) == APART


# What belongs to a model besides its own variables


@pytest.mark.drill
def test_the_state_of_a_recurrent_layer_is_lent_too():
    def build(a):
        inputs = keras.Input(batch_shape=(8, 4, 2))
        model = keras.Model(inputs, layers.Dense(3)(layers.GRU(4, stateful=True)(inputs)))
        model.compile(keras.optimizers.Adam(0.01 * a), crossentropy())
        return model

    assert ran(build, X.reshape(40, 4, 2), Y, batch_size=8) == SHARED


class Noise(layers.Layer):
    def call(self, x, training=False):
        return x + keras.random.normal(ops.shape(x)) if training else x


@pytest.mark.drill
def test_noise_without_a_seed_is_that_of_a_plain_fit():
    assert ran_after_another(lambda a: net(Noise(), optimizer=keras.optimizers.Adam(0.01 * a))) == AGAIN


@pytest.mark.drill
def test_a_scaled_loss_shares_programs():
    def build(a):
        return net(
            layers.Dense(8, activation="relu", dtype="mixed_float16"),
            layers.Dropout(0.1 * a, dtype="mixed_float16"),
            optimizer=keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01 * a), initial_scale=16.0),
        )

    assert ran_after_another(build) == AGAIN


@pytest.mark.drill
@pytest.mark.parametrize("trainable", [False, True])
def test_a_base_that_all_trials_share_keeps_what_a_plain_fit_leaves_in_it(trainable):
    def search(fit):
        keras.utils.set_random_seed(1)
        base = dense()
        base.trainable = trainable
        left = []
        for value in (1.0, 1.5, 1.0):
            one = trained(lambda value=value: net(base, optimizer=keras.optimizers.Adam(0.01 * value)), fit)
            left.append((one, base.get_weights()))
        return left

    engine, how = Engine(), []
    arguments = {"x": X, "y": Y, "epochs": 2, "batch_size": 16}
    found, expected = search(by(engine, how, **arguments)), search(plain(**arguments))

    assert how == SHARED
    for (one, base), (other, other_base) in zip(found, expected, strict=True):
        assert differences(one, other) == []
        assert all(map(np.array_equal, base, other_base))


@pytest.mark.drill
def test_averaged_weights_and_normalised_batches_share_programs():
    def build(a):
        optimizer = keras.optimizers.Adam(0.01 * a, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=2)
        return net(layers.BatchNormalization(), optimizer=optimizer)

    assert ran(build, validation_data=(X[:20], Y[:20])) == SHARED


# Classes, configurations and decorated functions


@dataclasses.dataclass
class Config:
    factor: float = 2.0
    sizes: list = dataclasses.field(default_factory=lambda: [1, 2])


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    factor: float


class Mode(enum.Enum):
    PLAIN, SCALED = 1.0, 1.5


class Flag(enum.IntFlag):
    ONE, TWO = 1, 2


class ByConfig(layers.Layer):
    def __init__(self, config):
        super().__init__()
        self.config = config

    def call(self, x):
        return x * self.config.factor


class ByMode(layers.Layer):
    def __init__(self, mode):
        super().__init__()
        self.mode = mode

    def call(self, x):
        return x * 2.0 if self.mode in (Mode.PLAIN, Flag.ONE) else x


class Decorated(layers.Layer):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor
        self.inner = dense()

    @tf.function
    def call(self, x):
        return self.inner(x) * self.factor


class WithDecoratedStep(Tracked):
    @tf.function
    def train_step(self, data):
        return super().train_step(data)


@tf.function
def decorated_loss(y, predicted):
    return tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, predicted, from_logits=True))


class Randomised(layers.Layer):
    """A layer that draws random numbers when it is made, and no others."""

    def __init__(self, factor):
        super().__init__()
        import os  # as in code that reads its settings from the environment

        self.factor = factor + 0 * random.random() + 0 * np.random.uniform() + 0 * len(os.environ)

    def call(self, x):
        import time  # noqa: F401

        return x * self.factor


def local(a, factor=2.0):
    class Twice(layers.Layer):
        def call(self, x):
            return factor * x

    return net(Twice(), optimizer=keras.optimizers.Adam(0.01 * a))


def local_with_a_base(a, factor=2.0):
    class Base(layers.Layer):
        def factor(self):
            return factor

    class Scaled(Base):
        def __init__(self):
            super().__init__()

        def call(self, x):
            return super().factor() * x

    return net(Scaled(), optimizer=keras.optimizers.Adam(0.01 * a))


def local_step(a):
    class Local(Tracked):
        def train_step(self, data):
            return super().train_step(data)

    model = Local(dense(3))
    model.compile(keras.optimizers.Adam(0.01 * a))
    return model


def decorated_step(a):
    model = WithDecoratedStep(dense(3))
    model.compile(keras.optimizers.Adam(0.01 * a))
    return model


class Cached(layers.Layer):
    def __init__(self, factor):
        super().__init__()
        self.given = factor

    @functools.cached_property
    def factor(self):
        return 2.0 * self.given

    def call(self, x):
        return x * self.factor


def perceptual(a, scale=2.0):
    """A loss that compares what another model makes of targets and outputs."""
    features = dense(4, 3, kernel_initializer="ones")
    targets = tf.one_hot(Y, 3)

    @tf.function
    def loss(y, predicted):
        wanted = features(tf.gather(targets, tf.cast(tf.reshape(y, [-1]), "int32")))
        return scale * tf.reduce_mean(tf.abs(features(predicted) - wanted))

    return net(loss=loss, optimizer=keras.optimizers.Adam(0.01 * a))


CODE = {
    "a class made in build_fn": local,
    "a dataclass": lambda a: net(ByConfig(Config())),
    "a member of an enumeration": lambda a: net(ByMode(Mode.PLAIN)),
    "a decorated call": lambda a: net(Decorated(2.0), optimizer=keras.optimizers.Adam(0.01 * a)),
    "random numbers and imports that no step uses": lambda a: net(Randomised(2.0)),
    "another model in a decorated loss": perceptual,
    "a cached property": lambda a: net(Cached(2.0)),
    "a namespace": lambda a: net(ByConfig(types.SimpleNamespace(factor=2.0))),
    "parsed arguments": lambda a: net(ByConfig(argparse.Namespace(factor=2.0, other="x"))),
    "a class and its base made in build_fn": local_with_a_base,
    "a model's class made in build_fn": local_step,
    "a frozen dataclass with slots": lambda a: net(ByConfig(Frozen(2.0))),
    "a flag": lambda a: net(ByMode(Flag.ONE)),
    "a decorated step": decorated_step,
    "a decorated loss": lambda a: net(loss=decorated_loss),
}


@pytest.mark.parametrize("case", ["a class made in build_fn", "a dataclass"])
def test_equal_code_and_settings_are_shared(case):
    assert ran_after_another(CODE[case]) == AGAIN


STEPS_IN_CODE = ("a model's class made in build_fn", "a decorated step")


@pytest.mark.drill
@pytest.mark.parametrize("case", CODE)
def test_models_of_equal_code_and_settings_have_one_fingerprint(case):
    assert len(set(fingerprints(CODE[case]))) == 1


@pytest.mark.drill
@pytest.mark.parametrize("case", [*STEPS_IN_CODE, "a decorated loss"])
def test_a_model_of_equal_code_trains_as_by_a_plain_fit(case):
    assert ran_after_another(CODE[case]) == AGAIN


@pytest.mark.drill
def test_a_model_of_much_equal_code_trains_as_by_a_plain_fit():
    of_losses = ("another model in a decorated loss", "a decorated loss")
    of_layers = [CODE[case] for case in CODE if case not in (*STEPS_IN_CODE, *of_losses)]

    assert ran(joined(of_layers, CODE["another model in a decorated loss"])) == SHARED


def other_base(a):
    class Plain(layers.Layer):
        def factor(self):
            return 1.0

    class Double(layers.Layer):
        def factor(self):
            return 2.0

    class Scaled(Double if a > 1 else Plain):
        def call(self, x):
            return self.factor() * x

    return net(Scaled())


def other_method(a):
    if a > 1:

        class Scaled(layers.Layer):
            def call(self, x):
                return x * 2.0
    else:

        class Scaled(layers.Layer):
            def call(self, x):
                return x * 3.0

    return net(Scaled())


def other_class_attribute(a):
    class Scaled(layers.Layer):
        factor = a

        def call(self, x):
            return x * self.factor

    return net(Scaled())


CODE_APART = {
    "another closure of a class": lambda a: local(1.0, a),
    "another base": other_base,
    "another method": other_method,
    "another field": lambda a: net(ByConfig(Config(a))),
    "another member": lambda a: net(ByMode(Mode(a))),
    "another closure of a decorated loss": lambda a: perceptual(1.0, a),
    "another cached property": lambda a: net(Cached(a)),
    "another closure of a base": lambda a: local_with_a_base(1.0, a),
    "another attribute of a class": other_class_attribute,
    "another frozen field": lambda a: net(ByConfig(Frozen(a))),
    "another flag": lambda a: net(ByMode(Flag.TWO if a > 1 else Flag.ONE)),
    "another namespace": lambda a: net(ByConfig(types.SimpleNamespace(factor=a))),
    "other arguments": lambda a: net(ByConfig(argparse.Namespace(factor=a))),
    "another attribute of a decorated layer": lambda a: net(Decorated(a)),
    "another number drawn when a layer is made": lambda a: net(Randomised(a)),
}


@pytest.mark.parametrize("case", ["another closure of a class", "another base"])
def test_other_code_and_settings_are_not_shared(case):
    assert ran(CODE_APART[case]) == APART


@pytest.mark.drill
@pytest.mark.parametrize("case", CODE_APART)
def test_models_of_other_code_and_settings_have_other_fingerprints(case):
    one, other, again = fingerprints(CODE_APART[case])

    assert one != other
    assert one == again


@pytest.mark.drill
def test_a_model_of_much_other_code_trains_as_by_a_plain_fit():
    of_a_loss = "another closure of a decorated loss"
    of_layers = [build for case, build in CODE_APART.items() if case != of_a_loss]

    assert ran(joined(of_layers, CODE_APART[of_a_loss])) == APART


@pytest.mark.drill
def test_a_decorated_call_reads_the_models_own_weights_after_the_training():
    engine = Engine()
    for _ in range(2):
        model = net(Decorated(2.0))
        model.predict(X, verbose=0)
        by(engine, x=X, y=Y, batch_size=16)(model)
        before = model.predict(X, verbose=0)
        model.set_weights([2.0 * weight for weight in model.get_weights()])

        assert not np.allclose(model.predict(X, verbose=0), before)


def test_a_model_that_cannot_be_looked_at_tells_why_in_one_line():
    class Odd(layers.Layer):
        def call(self, x):
            return x * self.handle.factor

    def build(a):
        class Handle:
            __slots__ = ()
            factor = 2.0

        layer = Odd()
        layer.handle = open(__file__)  # noqa: SIM115
        layer.handle.close()
        layer.handle = types.MappingProxyType({})
        layer.call = lambda x: x * (2.0 + len(layer.handle))
        return net(layer)

    for reason in ran(build):
        assert reason.startswith("compiled: it holds a ")
        assert "\n" not in reason
