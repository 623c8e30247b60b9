"""Series over time and graphs: classifiers, forecasts, anomalies."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from .registry import adam, example, from_logits, learning_rate
from .sources import BATCH, SAMPLES, STEPS, wave_arrays, waves, weather


def waves_with_callbacks() -> dict[str, Any]:
    callbacks = [
        keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=20, min_lr=0.0001),
        keras.callbacks.EarlyStopping(monitor="val_loss", patience=50, verbose=0),
    ]
    return {**wave_arrays(), "callbacks": callbacks}


@example("examples/timeseries/timeseries_classification_from_scratch", waves_with_callbacks, holds={"filters": 8})
def convolutional_series(hp):
    filters = hp.choice("filters", [8, 16])
    x = inputs = keras.layers.Input((STEPS, 1))
    for _ in range(3):
        x = layers.ReLU()(layers.BatchNormalization()(layers.Conv1D(filters, 3, padding="same")(x)))
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling1D()(x)))
    model.compile(adam(hp), "sparse_categorical_crossentropy", metrics=["sparse_categorical_accuracy"])
    return model


@example("examples/timeseries/timeseries_classification_transformer", wave_arrays, holds={"blocks": 2})
def transformer_series(hp):
    dropout = hp.float("dropout", 0.1, 0.4)
    x = inputs = keras.Input((STEPS, 1))
    for _ in range(hp.int("blocks", 1, 2)):
        attended = layers.Dropout(dropout)(layers.MultiHeadAttention(key_dim=8, num_heads=2, dropout=dropout)(x, x))
        residual = layers.LayerNormalization(epsilon=1e-6)(attended) + x
        fed = layers.Dropout(dropout)(layers.Conv1D(4, 1, activation="relu")(residual))
        x = layers.LayerNormalization(epsilon=1e-6)(layers.Conv1D(1, 1)(fed)) + residual
    x = layers.GlobalAveragePooling1D(data_format="channels_last")(x)
    x = layers.Dropout(dropout)(layers.Dense(16, activation="relu")(x))
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
    model.compile(loss="sparse_categorical_crossentropy", optimizer=adam(hp), metrics=["sparse_categorical_accuracy"])
    return model


def series_twice() -> dict[str, Any]:
    x, _ = waves()
    return {"x": x, "y": x, "batch_size": BATCH, "validation_split": 0.1}


@example("examples/timeseries/timeseries_anomaly_detection", series_twice)
def anomaly_detector(hp):
    dropout = hp.float("dropout", 0.1, 0.4)
    model = keras.Sequential(
        [
            layers.Input((STEPS, 1)),
            layers.Conv1D(8, 7, padding="same", strides=2, activation="relu"),
            layers.Dropout(dropout),
            layers.Conv1D(4, 7, padding="same", strides=2, activation="relu"),
            layers.Conv1DTranspose(4, 7, padding="same", strides=2, activation="relu"),
            layers.Dropout(dropout),
            layers.Conv1DTranspose(8, 7, padding="same", strides=2, activation="relu"),
            layers.Conv1DTranspose(1, 7, padding="same"),
        ]
    )
    model.compile(optimizer=adam(hp), loss="mse")
    return model


def weather_windows() -> dict[str, Any]:
    """Windows over one long series, made by Keras's utility."""
    series = weather()

    def windows(part):
        return keras.utils.timeseries_dataset_from_array(
            part[:-12], part[12:, 0], sequence_length=12, sampling_rate=1, batch_size=BATCH
        )

    return {"x": windows(series[:200]), "validation_data": windows(series[200:])}


@example("examples/timeseries/timeseries_weather_forecasting", weather_windows, holds={"units": 8})
def weather_forecast(hp):
    inputs = keras.layers.Input((12, 4))
    model = keras.Model(inputs, layers.Dense(1)(layers.LSTM(hp.choice("units", [8, 16]))(inputs)))
    model.compile(optimizer=adam(hp), loss="mse")
    return model


class Windows(keras.utils.PyDataset):
    """Windows over one long series, cut batch by batch."""

    def __init__(self, series, length, horizon, size, **kwargs):
        super().__init__(**kwargs)
        self.series, self.length, self.horizon, self.size = series, length, horizon, size
        self.count = len(series) - length - horizon + 1

    def __len__(self):
        return -(-self.count // self.size)

    def __getitem__(self, index):
        begins = range(index * self.size, min((index + 1) * self.size, self.count))
        x = np.stack([self.series[begin : begin + self.length] for begin in begins])
        ends = [begin + self.length for begin in begins]
        return x, np.stack([self.series[end : end + self.horizon, 0] for end in ends])


def window_batches() -> dict[str, Any]:
    series = weather()
    return {"x": Windows(series[:180], 12, 4, BATCH), "validation_data": Windows(series[180:], 12, 4, BATCH)}


@example("tutorials/structured_data/time_series", window_batches, holds={"units": 8})
def several_steps_ahead(hp):
    """Stacked GRUs with dropout inside, several steps at once."""
    units, dropout = hp.choice("units", [8, 16]), hp.float("dropout", 0.05, 0.3)
    model = keras.Sequential(
        [
            layers.Input((12, 4)),
            layers.GRU(units, return_sequences=True, dropout=dropout),
            layers.GRU(units, dropout=dropout),
            layers.Dense(4),
        ]
    )
    model.compile(keras.optimizers.RMSprop(learning_rate(hp)), keras.losses.Huber(), metrics=["mae"])
    return model


@example("examples/audio/wavenet", wave_arrays, holds={"filters": 8})
def dilated_convolutions(hp):
    """A temporal convolutional network with gates and skip connections."""
    filters = hp.choice("filters", [8, 16])
    inputs = keras.Input((STEPS, 1))
    x, skips = layers.Conv1D(filters, 2, padding="causal")(inputs), []
    for dilation in (1, 2, 4):
        gate = layers.Conv1D(filters, 2, dilation_rate=dilation, padding="causal", activation="sigmoid")(x)
        value = layers.Conv1D(filters, 2, dilation_rate=dilation, padding="causal", activation="tanh")(x)
        z = layers.SpatialDropout1D(hp.float("dropout", 0.05, 0.3))(layers.Multiply()([gate, value]))
        skips.append(layers.Conv1D(filters, 1)(z))
        x = layers.Add()([x, skips[-1]])
    x = layers.Dense(3)(layers.GlobalAveragePooling1D()(layers.ReLU()(layers.Add()(skips))))
    model = keras.Model(inputs, x)
    model.compile(adam(hp), from_logits(), metrics=["accuracy"])
    return model


ROADS = 5


class GraphConv(layers.Layer):
    """Convolution over a graph whose edges are a constant."""

    def __init__(self, edges, width):
        super().__init__()
        self.edges = edges
        self.width = width
        self.weight = self.add_weight(shape=(2, width), initializer="glorot_uniform", name="weight")

    def call(self, features):
        gathered = ops.take(features, self.edges[1], axis=0)
        neighbours = ops.segment_sum(gathered, self.edges[0], num_segments=ROADS)
        own, others = ops.matmul(features, self.weight), ops.matmul(neighbours, self.weight)
        return ops.relu(ops.concatenate([own, others], axis=-1))


class LSTMGC(layers.Layer):
    def __init__(self, edges, units):
        super().__init__()
        self.graph_conv = GraphConv(edges, 4)
        self.lstm = layers.LSTM(units, activation="relu")
        self.dense = layers.Dense(2)

    def call(self, inputs):
        x = ops.transpose(inputs, [2, 0, 1, 3])
        x = self.graph_conv(x)
        shape = ops.shape(x)
        x = self.dense(self.lstm(ops.reshape(x, (shape[0] * shape[1], shape[2], 8))))
        return ops.transpose(ops.reshape(x, (shape[0], shape[1], 2)), [1, 2, 0])


def roads() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(96, 6, ROADS, 2)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((x, x[:, :2, :, 0])).batch(16).prefetch(16)
    return {"x": data.take(4), "validation_data": data.skip(4)}


@example("examples/timeseries/timeseries_traffic_forecasting", roads, holds={"units": 8})
def traffic_forecast(hp):
    edges = np.array([[0, 1, 2, 3, 4, 0], [1, 2, 3, 4, 0, 2]], "int32")
    inputs = layers.Input((6, ROADS, 2))
    model = keras.Model(inputs, LSTMGC(edges, hp.choice("units", [8, 16]))(inputs))
    model.compile(keras.optimizers.RMSprop(learning_rate(hp)), keras.losses.MeanSquaredError())
    return model


PAPERS = 40


class GraphConvolution(layers.Layer):
    """Messages from neighbours, gathered by constant edges."""

    def __init__(self, units, dropout):
        super().__init__()
        self.prepare = keras.Sequential([layers.Dropout(dropout), layers.Dense(units, activation="gelu")])
        self.update = keras.Sequential([layers.BatchNormalization(), layers.Dense(units, activation="gelu")])

    def call(self, inputs):
        nodes, edges = inputs
        messages = self.prepare(ops.take(nodes, edges[1], axis=0))
        gathered = ops.segment_sum(messages, edges[0], num_segments=PAPERS)
        return self.update(ops.concatenate([nodes, gathered], axis=1))


class GNNNodeClassifier(keras.Model):
    """A model that is fed the places of nodes and holds the graph itself."""

    def __init__(self, features, edges, classes, units, dropout):
        super().__init__()
        self.node_features = ops.convert_to_tensor(features)
        self.edges = ops.convert_to_tensor(edges)
        self.preprocess = layers.Dense(units, activation="gelu")
        self.conv1 = GraphConvolution(units, dropout)
        self.compute_logits = layers.Dense(classes)

    def call(self, places):
        x = self.preprocess(self.node_features)
        x = x + self.conv1((x, self.edges))
        return self.compute_logits(ops.take(x, ops.reshape(places, (-1,)), axis=0))


def papers() -> dict[str, Any]:
    labels = np.arange(PAPERS) % 3
    return {"x": np.arange(PAPERS, dtype="int32"), "y": labels, "batch_size": 16, "shuffle": True}


@example("examples/graph/gnn_citations", papers)
def citation_network(hp):
    rng = np.random.default_rng(0)
    features, edges = rng.normal(size=(PAPERS, 6)).astype("float32"), rng.integers(0, PAPERS, (2, 100))
    model = GNNNodeClassifier(features, edges.astype("int32"), 3, 8, hp.float("dropout", 0.1, 0.5))
    model.compile(adam(hp), from_logits(), metrics=[keras.metrics.SparseCategoricalAccuracy(name="acc")])
    return model


def molecules() -> dict[str, Any]:
    """Batches of a generator: atoms, bonds, and a label for each molecule."""
    rng = np.random.default_rng(0)
    atoms = rng.normal(size=(SAMPLES, 4, 3)).astype("float32")
    bonds = rng.integers(0, 2, (SAMPLES, 4, 4)).astype("float32")
    labels = rng.integers(0, 2, SAMPLES).astype("float32")

    def batches():
        for begin in range(0, SAMPLES, BATCH):
            part = slice(begin, begin + BATCH)
            yield (atoms[part], bonds[part]), labels[part]

    return {"x": batches}


class MessagePassing(layers.Layer):
    """Each atom is updated by a GRU from the sum of its neighbours."""

    def __init__(self, width, rounds):
        super().__init__()
        self.width = width
        self.rounds = rounds
        self.update_step = layers.GRUCell(width)

    def call(self, inputs):
        atoms, bonds = inputs
        for _ in range(self.rounds):
            messages = ops.reshape(ops.matmul(bonds, atoms), (-1, self.width))
            updated, _ = self.update_step(messages, [ops.reshape(atoms, (-1, self.width))])
            atoms = ops.reshape(updated, ops.shape(atoms))
        return atoms


@example("examples/graph/mpnn_molecular_graphs", molecules)
def message_passing(hp):
    """Messages between atoms, fed by a generator."""
    atoms, bonds = keras.Input((4, 3)), keras.Input((4, 4))
    x = MessagePassing(8, rounds=2)([layers.Dense(8)(atoms), bonds])
    x = layers.Dropout(hp.float("dropout", 0.1, 0.4))(layers.GlobalAveragePooling1D()(x))
    model = keras.Model([atoms, bonds], layers.Dense(1, activation="sigmoid")(x))
    model.compile(adam(hp), keras.losses.BinaryCrossentropy(), metrics=[keras.metrics.AUC(name="AUC")])
    return model
