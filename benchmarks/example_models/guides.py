"""What Keras's guides teach: several inputs and outputs, own losses, metrics, steps, layers and callbacks."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from .recipes import dense
from .registry import adam, example, from_logits, learning_rate
from .sources import BATCH, SAMPLES, VOCABULARY, digit_arrays, digit_datasets, digits, table, tokens


def tickets() -> dict[str, Any]:
    x, y = tokens()
    rng = np.random.default_rng(0)
    marks = rng.integers(2, size=(SAMPLES, 6)).astype("float32")
    return {
        "x": {"title": x[:, :5], "body": x, "tags": marks},
        "y": {"priority": rng.random((SAMPLES, 1)), "department": np.eye(4)[y]},
        "batch_size": BATCH,
    }


@example("guides/functional_api", tickets, holds={"department_weight": 0.2})
def several_inputs_and_outputs(hp):
    title = keras.Input((None,), name="title", dtype="int32")
    body = keras.Input((None,), name="body", dtype="int32")
    tags = keras.Input((6,), name="tags")
    parts = [
        layers.LSTM(8)(layers.Embedding(VOCABULARY, 8)(title)),
        layers.LSTM(4)(layers.Embedding(VOCABULARY, 8)(body)),
    ]
    x = layers.concatenate([*parts, tags])
    outputs = {"priority": layers.Dense(1, name="priority")(x), "department": layers.Dense(4, name="department")(x)}
    model = keras.Model([title, body, tags], outputs)
    model.compile(
        optimizer=keras.optimizers.RMSprop(learning_rate(hp)),
        loss={
            "priority": keras.losses.BinaryCrossentropy(from_logits=True),
            "department": keras.losses.CategoricalCrossentropy(from_logits=True),
        },
        loss_weights={"priority": 1.0, "department": hp.float("department_weight", 0.1, 1.0)},
    )
    return model


def heads_data() -> dict[str, Any]:
    x, y = table()
    data = tf.data.Dataset.from_tensor_slices((x, {"score": y[:, None], "sign": (y > 0).astype("int32")}))
    return {"x": data.shuffle(SAMPLES, seed=1).batch(BATCH)}


@example("guides/training_with_built_in_methods", heads_data)
def heads_in_a_list(hp):
    """Outputs in a list, targets and losses in dicts by the names of the layers."""
    inputs = keras.Input((10,))
    x = layers.Dropout(hp.float("dropout", 0.1, 0.4))(layers.Dense(16, activation="relu")(inputs))
    model = keras.Model(inputs, [layers.Dense(1, name="score")(x), layers.Dense(2, name="sign")(x)])
    model.compile(
        adam(hp),
        loss={"score": keras.losses.MeanSquaredError(), "sign": from_logits()},
        metrics={"score": ["mae"], "sign": ["accuracy"]},
    )
    return model


class CategoricalTruePositives(keras.metrics.Metric):
    """The guide's own metric: how many were right."""

    def __init__(self, name="categorical_true_positives", **kwargs):
        super().__init__(name=name, **kwargs)
        self.true_positives = self.add_variable(shape=(), name="ctp", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        predicted = ops.reshape(ops.argmax(y_pred, axis=1), (-1, 1))
        values = ops.cast(ops.cast(ops.reshape(y_true, (-1, 1)), "int32") == ops.cast(predicted, "int32"), "float32")
        if sample_weight is not None:
            values = ops.multiply(values, ops.cast(sample_weight, "float32"))
        self.true_positives.assign_add(ops.sum(values))

    def result(self):
        return self.true_positives.value

    def reset_state(self):
        self.true_positives.assign(0.0)


def confident(penalty):
    """A loss with a number in its closure."""

    def loss(y_true, y_pred):
        probabilities = ops.softmax(y_pred)
        entropy = -ops.sum(probabilities * ops.log(probabilities + 1e-7), axis=-1)
        return keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True) - penalty * entropy

    return loss


@example("guides/training_with_built_in_methods", digit_arrays)
def own_loss_and_metric(hp):
    model = dense(layers.Dropout(hp.float("dropout", 0.1, 0.5)))
    model.compile(adam(hp), confident(0.1), metrics=[CategoricalTruePositives()])
    return model


class CustomModel(keras.Model):
    """The guide's own step with its own trackers, listed by `metrics`."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.mae_metric = keras.metrics.MeanAbsoluteError(name="mae")
        self.loss_fn = keras.losses.MeanSquaredError()

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.loss_fn(y, y_pred)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        self.loss_tracker.update_state(loss)
        self.mae_metric.update_state(y, y_pred)
        return {"loss": self.loss_tracker.result(), "mae": self.mae_metric.result()}

    @property
    def metrics(self):
        return [self.loss_tracker, self.mae_metric]


def column() -> dict[str, Any]:
    x, y = table()
    return {"x": x, "y": y[:, None], "batch_size": BATCH}


@example("guides/custom_train_step_in_tensorflow", column)
def own_step_with_own_metrics(hp):
    inputs = keras.Input((10,))
    x = layers.Dropout(hp.float("dropout", 0.05, 0.4))(layers.Dense(16, activation="relu")(inputs))
    model = CustomModel(inputs, layers.Dense(1)(x))
    model.compile(optimizer=adam(hp))
    return model


class WeightedStep(keras.Model):
    """The guide's step that takes sample weights and leaves the rest to `compile`."""

    def train_step(self, data):
        x, y, sample_weight = data if len(data) == 3 else (*data, None)
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(y=y, y_pred=y_pred, sample_weight=sample_weight)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, y_pred, sample_weight=sample_weight)
        return {metric.name: metric.result() for metric in self.metrics}

    def test_step(self, data):
        x, y = data
        y_pred = self(x, training=False)
        loss = self.compute_loss(y=y, y_pred=y_pred)
        for metric in self.metrics:
            metric.update_state(loss) if metric.name == "loss" else metric.update_state(y, y_pred)
        return {metric.name: metric.result() for metric in self.metrics}


def weighted_column() -> dict[str, Any]:
    return {
        **column(),
        "sample_weight": np.random.default_rng(0).random((SAMPLES, 1)),
        "validation_data": (table()[0][:40], table()[1][:40, None]),
    }


@example("guides/custom_train_step_in_tensorflow", weighted_column)
def own_step_with_weights(hp):
    inputs = keras.Input((10,))
    x = layers.Dense(16, activation="relu", kernel_regularizer=keras.regularizers.L2(hp.float("l2", 1e-4, 1e-2)))(
        inputs
    )
    model = WeightedStep(inputs, layers.Dense(1)(x))
    model.compile(optimizer=adam(hp), loss="mse", metrics=["mae"])
    return model


class Linear(layers.Layer):
    def __init__(self, units=32, activity=0.0):
        super().__init__()
        self.units = units
        self.activity = activity

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1], self.units), initializer="random_normal", trainable=True)
        self.b = self.add_weight(shape=(self.units,), initializer="zeros", trainable=True)

    def call(self, inputs):
        self.add_loss(self.activity * ops.mean(inputs**2))
        return ops.matmul(inputs, self.w) + self.b


class MLPBlock(layers.Layer):
    """Layers in a layer, with a running count in a weight that isn't trained."""

    def __init__(self, activity):
        super().__init__()
        self.linear_1, self.linear_2, self.linear_3 = Linear(16, activity), Linear(16, activity), Linear(1, activity)
        self.total = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, inputs, training=None):
        if training:
            self.total.assign_add(ops.mean(inputs))
        x = ops.relu(self.linear_1(inputs))
        return self.linear_3(ops.relu(self.linear_2(x)))


@example("guides/making_new_layers_and_models_via_subclassing", column)
def layers_in_layers(hp):
    model = keras.Sequential([MLPBlock(activity=1e-3), layers.ActivityRegularization(l2=hp.float("l2", 1e-4, 1e-2))])
    model.compile(adam(hp), "mse")
    return model


class EarlyStoppingAtMinLoss(keras.callbacks.Callback):
    """The guide's own callback, which keeps the best weights."""

    def __init__(self, patience=0):
        super().__init__()
        self.patience = patience
        self.best_weights = None

    def on_train_begin(self, logs=None):
        self.wait = 0
        self.best = np.inf

    def on_epoch_end(self, epoch, logs=None):
        current = logs.get("loss")
        if np.less(current, self.best):
            self.best, self.wait = current, 0
            self.best_weights = self.model.get_weights()
        else:
            self.wait += 1
            if self.wait >= self.patience:
                self.model.stop_training = True
                self.model.set_weights(self.best_weights)


class CustomLearningRateScheduler(keras.callbacks.Callback):
    def __init__(self, schedule):
        super().__init__()
        self.schedule = schedule

    def on_epoch_begin(self, epoch, logs=None):
        rate = self.schedule(epoch, float(np.asarray(self.model.optimizer.learning_rate)))
        self.model.optimizer.learning_rate = rate


def halved(epoch, rate):
    return rate * 0.5 if epoch else rate


class LossHistory(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.losses = []

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(float(logs["loss"]))


@example(
    "guides/writing_your_own_callbacks",
    lambda: {**digit_arrays(), "callbacks": [EarlyStoppingAtMinLoss(1), CustomLearningRateScheduler(halved)]},
)
def own_callbacks(hp):
    model = dense(layers.Dropout(hp.float("dropout", 0.1, 0.5)))
    model.compile(keras.optimizers.RMSprop(learning_rate(hp)), from_logits(), metrics=["accuracy"])
    return model


@example("guides/writing_your_own_callbacks", lambda: {**digit_datasets(), "callbacks": [LossHistory()]})
def callback_of_batches(hp):
    model = dense()
    model.compile(adam(hp), from_logits(), metrics=["accuracy"])
    return model


class MinimalRNNCell(layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="uniform", name="kernel")
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, self.units), initializer="orthogonal", name="recurrent_kernel"
        )

    def call(self, inputs, states):
        output = ops.tanh(ops.matmul(inputs, self.kernel) + ops.matmul(states[0], self.recurrent_kernel))
        return output, [output]


def rows_of_images() -> dict[str, Any]:
    x, y, x_check, y_check = digits()
    return {"x": x[..., 0], "y": y, "validation_data": (x_check[..., 0], y_check), "batch_size": BATCH}


@example("guides/working_with_rnns", rows_of_images)
def own_recurrent_cell(hp):
    model = keras.Sequential(
        [
            keras.Input((8, 8)),
            layers.RNN(MinimalRNNCell(16)),
            layers.BatchNormalization(),
            layers.Dropout(hp.float("dropout", 0.1, 0.4)),
            layers.Dense(10),
        ]
    )
    model.compile(loss=from_logits(), optimizer=keras.optimizers.SGD(learning_rate(hp)), metrics=["accuracy"])
    return model


def stateful_batches() -> dict[str, Any]:
    x = digits()[0][:160, ..., 0]
    return {"x": x, "y": x.mean((1, 2))[:, None], "batch_size": BATCH, "shuffle": False}


@example("guides/working_with_rnns", stateful_batches)
def stateful_lstm(hp):
    model = keras.Sequential([keras.Input(batch_shape=(BATCH, 8, 8)), layers.LSTM(8, stateful=True), layers.Dense(1)])
    model.compile(adam(hp), "mse")
    return model


@example("guides/sequential_model", digit_arrays, holds={"layers": 2, "units": 16})
def plain_mlp(hp):
    """The model that most searches begin with: as many layers as are asked for."""
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten()])
    for _ in range(hp.int("layers", 1, 3)):
        model.add(layers.Dense(hp.choice("units", [16, 32]), activation="relu"))
        model.add(layers.Dropout(hp.float("dropout", 0.05, 0.5)))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(adam(hp), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
