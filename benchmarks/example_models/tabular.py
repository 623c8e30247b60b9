"""Tables: preprocessing layers, wide and deep networks, trees, gates, recommenders."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from .registry import adam, example, from_logits, learning_rate
from .sources import BATCH, KINDS, SAMPLES, people, table

NUMBERS = ["age", "pressure", "rate"]


def people_dataset() -> dict[str, Any]:
    """Rows as dicts with columns of numbers and of strings."""
    rows, labels = people()
    data = tf.data.Dataset.from_tensor_slices(({k: v.tolist() for k, v in rows.items()}, labels))
    data = data.shuffle(SAMPLES, seed=1).batch(BATCH).prefetch(BATCH)
    return {"x": data.take(5), "validation_data": data.skip(5)}


def people_inputs() -> dict[str, keras.KerasTensor]:
    kinds = dict.fromkeys(NUMBERS, "float32") | {"vessels": "int64", "kind": "string"}
    return {name: keras.Input((1,), name=name, dtype=kind) for name, kind in kinds.items()}


def encoded(inputs: dict[str, keras.KerasTensor]) -> list[keras.KerasTensor]:
    """Each column, normalised or looked up and encoded."""
    rows, _ = people()
    parts = []
    for name in NUMBERS:
        normalizer = layers.Normalization()
        normalizer.adapt(rows[name][:, None])
        parts.append(normalizer(inputs[name]))
    for name, kind in (("vessels", layers.IntegerLookup), ("kind", layers.StringLookup)):
        lookup = kind(output_mode="multi_hot")
        lookup.adapt(rows[name].astype(str if name == "kind" else "int64"))
        parts.append(lookup(inputs[name]))
    return parts


@example("examples/structured_data/structured_data_classification_from_scratch", people_dataset)
def columns_in_the_model(hp):
    """Normalisation and lookups are layers of the model; strings are fed to it."""
    inputs = people_inputs()
    x = layers.Dense(16, activation="relu")(layers.concatenate(encoded(inputs)))
    x = layers.Dropout(hp.float("dropout", 0.2, 0.6))(x)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))
    model.compile(adam(hp), "binary_crossentropy", metrics=["accuracy"])
    return model


def encoded_people() -> dict[str, Any]:
    """Rows whose columns are encoded in the pipeline."""
    arguments = people_dataset()
    inputs = people_inputs()
    encoder = keras.Model(inputs, layers.concatenate(encoded(inputs)))

    def encode(rows, labels):
        return encoder({name: tf.expand_dims(row, -1) for name, row in rows.items()}), labels

    return {
        name: data.map(encode, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
        for name, data in arguments.items()
    }


@example("examples/structured_data/structured_data_classification_with_feature_space", encoded_people)
def columns_in_the_pipeline(hp):
    model = keras.Sequential(
        [
            layers.Dense(16, activation="relu"),
            layers.Dropout(hp.float("dropout", 0.2, 0.6)),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(adam(hp), "binary_crossentropy", metrics=["accuracy"])
    return model


def numbers_table() -> dict[str, Any]:
    x, y = table()
    return {"x": x, "y": y, "validation_split": 0.2, "batch_size": BATCH}


@example("tutorials/keras/regression", numbers_table, holds={"units": 16})
def normalized_regression(hp):
    normalizer = layers.Normalization(axis=-1)
    normalizer.adapt(table()[0])
    model = keras.Sequential(
        [normalizer, layers.Dense(hp.choice("units", [16, 32]), activation="relu"), layers.Dense(1)]
    )
    model.compile(loss="mean_absolute_error", optimizer=adam(hp))
    return model


def weighed_table() -> dict[str, Any]:
    x, y = table()
    return {"x": x, "y": y, "sample_weight": np.linspace(0.1, 2, SAMPLES).astype("float32"), "batch_size": BATCH}


@example("guides/training_with_built_in_methods", weighed_table, holds={"delta": 1.0})
def weighed_regression(hp):
    """A given mean and variance, weighted samples and metrics, a Huber loss."""
    x, _ = table()
    inputs = keras.Input((10,))
    hidden = layers.Normalization(mean=x.mean(0), variance=x.var(0))(inputs)
    hidden = layers.Dense(16, activation="selu", kernel_regularizer=keras.regularizers.L1L2(1e-4, 1e-4))(hidden)
    model = keras.Model(inputs, layers.Dense(1)(layers.AlphaDropout(hp.float("dropout", 0.05, 0.3))(hidden)))
    model.compile(
        keras.optimizers.Nadam(learning_rate(hp)),
        keras.losses.Huber(hp.float("delta", 0.5, 2.0)),
        metrics=[keras.metrics.RootMeanSquaredError()],
        weighted_metrics=["mae"],
    )
    return model


def frauds() -> dict[str, Any]:
    x, y = table()
    rare = (y > np.quantile(y, 0.9)).astype("uint8")[:, None]
    x = (x - x.mean(0)) / x.std(0)
    weights = {0: 1.0 / int((rare == 0).sum()), 1: 1.0 / int((rare == 1).sum())}
    return {"x": x, "y": rare, "batch_size": 64, "class_weight": weights, "validation_data": (x[:48], rare[:48])}


@example("examples/structured_data/imbalanced_classification", frauds, holds={"units": 16})
def imbalanced(hp):
    units, dropout = hp.choice("units", [16, 32]), hp.float("dropout", 0.1, 0.5)
    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(units, activation="relu"),
            layers.Dense(units, activation="relu"),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    metrics = [
        keras.metrics.FalseNegatives(name="fn"),
        keras.metrics.FalsePositives(name="fp"),
        keras.metrics.TrueNegatives(name="tn"),
        keras.metrics.TruePositives(name="tp"),
        keras.metrics.Precision(name="precision"),
        keras.metrics.Recall(name="recall"),
        keras.metrics.AUC(name="auc", num_thresholds=20),
    ]
    model.compile(optimizer=adam(hp), loss="binary_crossentropy", metrics=metrics)
    return model


def column_dicts() -> dict[str, Any]:
    """Columns in a dict of arrays, strings as numbers already."""
    rows, labels = people()
    x = {name: (rows[name] - rows[name].mean()) / rows[name].std() for name in NUMBERS}
    x |= {"vessels": rows["vessels"], "kind": np.array([KINDS.index(kind) for kind in rows["kind"]])}
    return {"x": x, "y": labels, "batch_size": BATCH, "validation_split": 0.2}


def column_inputs() -> dict[str, keras.KerasTensor]:
    kinds = dict.fromkeys(NUMBERS, "float32") | {"vessels": "int32", "kind": "int32"}
    return {name: keras.Input((1,), name=name, dtype=kind) for name, kind in kinds.items()}


def one_hot(inputs: dict[str, keras.KerasTensor]) -> keras.KerasTensor:
    parts = [inputs[name] for name in NUMBERS]
    parts += [
        layers.CategoryEncoding(num_tokens=size, output_mode="one_hot")(inputs[name])
        for name, size in (("vessels", 4), ("kind", 3))
    ]
    return layers.concatenate(parts)


@example("examples/structured_data/wide_deep_cross_networks", column_dicts, holds={"units": 16})
def wide_and_deep(hp):
    inputs = column_inputs()
    wide = layers.BatchNormalization()(one_hot(inputs))
    deep = one_hot(inputs)
    for _ in range(2):
        deep = layers.BatchNormalization()(layers.Dense(hp.choice("units", [16, 32]))(deep))
        deep = layers.Dropout(hp.float("dropout", 0.05, 0.4))(layers.ReLU()(deep))
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(layers.concatenate([wide, deep])))
    model.compile(adam(hp), "sparse_categorical_crossentropy", metrics=["sparse_categorical_accuracy"])
    return model


@example("examples/structured_data/wide_deep_cross_networks", column_dicts)
def deep_and_cross(hp):
    inputs = column_inputs()
    start = cross = one_hot(inputs)
    for _ in range(2):
        cross = start * layers.Dense(cross.shape[-1])(cross) + cross
    deep = layers.Dropout(hp.float("dropout", 0.05, 0.4))(layers.Dense(16, activation="relu")(start))
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(layers.concatenate([cross, deep])))
    model.compile(adam(hp), "sparse_categorical_crossentropy", metrics=["sparse_categorical_accuracy"])
    return model


class GatedLinearUnit(layers.Layer):
    def __init__(self, units):
        super().__init__()
        self.linear = layers.Dense(units)
        self.sigmoid = layers.Dense(units, activation="sigmoid")

    def call(self, inputs):
        return self.linear(inputs) * self.sigmoid(inputs)


class GatedResidualNetwork(layers.Layer):
    def __init__(self, units, dropout_rate):
        super().__init__()
        self.units = units
        self.elu_dense = layers.Dense(units, activation="elu")
        self.linear_dense = layers.Dense(units)
        self.dropout = layers.Dropout(dropout_rate)
        self.gated_linear_unit = GatedLinearUnit(units)
        self.layer_norm = layers.LayerNormalization()
        self.project = layers.Dense(units)

    def call(self, inputs):
        x = self.dropout(self.linear_dense(self.elu_dense(inputs)))
        if inputs.shape[-1] != self.units:
            inputs = self.project(inputs)
        return self.layer_norm(inputs + self.gated_linear_unit(x))


class VariableSelection(layers.Layer):
    """A network for each column, and one that weighs them."""

    def __init__(self, features, units, dropout_rate):
        super().__init__()
        self.grns = [GatedResidualNetwork(units, dropout_rate) for _ in range(features)]
        self.grn_concat = GatedResidualNetwork(units, dropout_rate)
        self.softmax = layers.Dense(units=features, activation="softmax")

    def call(self, inputs):
        v = self.softmax(self.grn_concat(layers.concatenate(inputs)))
        x = ops.stack([grn(each) for each, grn in zip(inputs, self.grns, strict=True)], axis=1)
        return ops.squeeze(ops.matmul(ops.expand_dims(v, axis=1), x), axis=1)


@example("examples/structured_data/classification_with_grn_and_vsn", column_dicts, holds={"units": 8})
def gated_residual_network(hp):
    units = hp.choice("units", [8, 16])
    inputs = column_inputs()
    features = [layers.Dense(units)(inputs[name]) for name in NUMBERS]
    features += [layers.Flatten()(layers.Embedding(4, units)(inputs[name])) for name in ("vessels", "kind")]
    x = VariableSelection(len(features), units, hp.float("dropout", 0.05, 0.3))(features)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))
    model.compile(adam(hp), keras.losses.BinaryCrossentropy(), metrics=[keras.metrics.BinaryAccuracy(name="accuracy")])
    return model


def weighted_columns() -> dict[str, Any]:
    arguments = column_dicts()
    weights = np.random.default_rng(0).uniform(0.5, 2, SAMPLES).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((arguments["x"], arguments["y"], weights))
    return {"x": data.shuffle(SAMPLES, seed=2).batch(BATCH)}


@example(
    "examples/structured_data/tabtransformer",
    weighted_columns,
    holds={"blocks": 1},
    why_not="the vectors of its columns' places are drawn anew for each model, and constants of its graph",
)
def tab_transformer(hp):
    dropout = hp.float("dropout", 0.05, 0.3)
    inputs = column_inputs()
    columns = [layers.Embedding(4, 8)(inputs[name]) for name in ("vessels", "kind")]
    encoded_categories = ops.concatenate(columns, axis=1)
    encoded_categories += layers.Embedding(2, 8)(ops.arange(start=0, stop=2, step=1))
    for _ in range(hp.int("blocks", 1, 2)):
        attended = layers.MultiHeadAttention(2, 8, dropout=dropout)(encoded_categories, encoded_categories)
        x = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([attended, encoded_categories]))
        fed = layers.Dropout(dropout)(layers.Dense(8, activation="gelu")(layers.LayerNormalization()(x)))
        encoded_categories = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([fed, x]))
    numbers = layers.LayerNormalization(epsilon=1e-6)(layers.concatenate([inputs[name] for name in NUMBERS]))
    x = layers.concatenate([layers.Flatten()(encoded_categories), numbers])
    x = layers.Dropout(dropout)(layers.Dense(16, activation="selu")(layers.BatchNormalization()(x)))
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))
    model.compile(
        keras.optimizers.AdamW(learning_rate(hp), weight_decay=hp.float("decay", 1e-5, 1e-3, log=True)),
        keras.losses.BinaryCrossentropy(),
        metrics=[keras.metrics.BinaryAccuracy(name="accuracy")],
    )
    return model


class NeuralDecisionTree(keras.Model):
    """A tree whose decisions are probabilities; the features that it sees are fixed by a constant matrix."""

    def __init__(self, depth, features, used, classes, seed):
        super().__init__()
        self.depth = depth
        self.num_leaves = 2**depth
        self.num_classes = classes
        chosen = np.random.default_rng(seed).choice(features, int(features * used), replace=False)
        self.used_features_mask = ops.convert_to_tensor(np.eye(features, dtype="float32")[chosen])
        self.pi = self.add_weight(
            initializer="random_normal", shape=[self.num_leaves, classes], dtype="float32", trainable=True
        )
        self.decision_fn = layers.Dense(units=self.num_leaves, activation="sigmoid", name="decision")

    def call(self, features):
        batch = ops.shape(features)[0]
        features = ops.matmul(features, ops.transpose(self.used_features_mask))
        decisions = ops.expand_dims(self.decision_fn(features), axis=2)
        decisions = layers.concatenate([decisions, 1 - decisions], axis=2)
        mu = ops.ones([batch, 1, 1])
        begin, end = 1, 2
        for level in range(self.depth):
            mu = ops.reshape(mu, [batch, -1, 1])
            mu = ops.tile(mu, (1, 1, 2)) * decisions[:, begin:end, :]
            begin, end = end, end + 2 ** (level + 1)
        return ops.matmul(ops.reshape(mu, [batch, self.num_leaves]), ops.softmax(self.pi))


class NeuralDecisionForest(keras.Model):
    def __init__(self, trees, depth, features, used, classes):
        super().__init__()
        self.ensemble = [NeuralDecisionTree(depth, features, used, classes, seed) for seed in range(trees)]

    def call(self, inputs):
        return sum(tree(inputs) for tree in self.ensemble) / len(self.ensemble)


@example("examples/structured_data/deep_neural_decision_forests", column_dicts, holds={"trees": 3})
def decision_forest(hp):
    inputs = column_inputs()
    features = layers.BatchNormalization()(one_hot(inputs))
    forest = NeuralDecisionForest(hp.int("trees", 2, 4), 2, features.shape[1], 0.6, 2)
    model = keras.Model(inputs, forest(features))
    model.compile(adam(hp), "sparse_categorical_crossentropy", metrics=["sparse_categorical_accuracy"])
    return model


USERS, FILMS = 20, 30


def ratings() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    pairs = np.stack([rng.integers(0, USERS, SAMPLES), rng.integers(0, FILMS, SAMPLES)], axis=1)
    liked = ((pairs[:, 0] + pairs[:, 1]) % 7 / 6).astype("float64")
    return {"x": pairs[48:], "y": liked[48:], "batch_size": 64, "validation_data": (pairs[:48], liked[:48])}


class RecommenderNet(keras.Model):
    def __init__(self, users, films, width, penalty, **kwargs):
        super().__init__(**kwargs)

        def embedding(count, size):
            return layers.Embedding(
                count,
                size,
                embeddings_initializer="he_normal" if size > 1 else "uniform",
                embeddings_regularizer=keras.regularizers.l2(penalty) if size > 1 else None,
            )

        self.user_embedding, self.user_bias = embedding(users, width), embedding(users, 1)
        self.film_embedding, self.film_bias = embedding(films, width), embedding(films, 1)

    def call(self, inputs):
        user, film = self.user_embedding(inputs[:, 0]), self.film_embedding(inputs[:, 1])
        return ops.nn.sigmoid(
            ops.tensordot(user, film, 2) + self.user_bias(inputs[:, 0]) + self.film_bias(inputs[:, 1])
        )


@example("examples/structured_data/collaborative_filtering_movielens", ratings, holds={"width": 8})
def recommender(hp):
    penalty = hp.float("l2", 1e-7, 1e-4, log=True)
    model = RecommenderNet(USERS, FILMS, hp.choice("width", [8, 16]), penalty)
    model.compile(loss=keras.losses.BinaryCrossentropy(), optimizer=adam(hp))
    return model


class QREmbedding(layers.Layer):
    """A large vocabulary in two small tables: by quotient and by remainder."""

    def __init__(self, vocabulary, width, buckets):
        super().__init__()
        self.index_lookup = layers.IntegerLookup(vocabulary=vocabulary, num_oov_indices=0)
        self.buckets = buckets
        self.q_embeddings = layers.Embedding(buckets, width)
        self.r_embeddings = layers.Embedding(buckets, width)

    def call(self, inputs):
        places = self.index_lookup(inputs)
        quotient = ops.floor_divide(places, self.buckets)
        return self.q_embeddings(quotient) * self.r_embeddings(ops.mod(places, self.buckets))


@example("examples/keras_recipes/memory_efficient_embeddings", ratings)
def small_embeddings(hp):
    inputs = keras.Input((2,), dtype="int64")
    user = QREmbedding(list(range(USERS)), 8, 6)(inputs[:, 0])
    film = QREmbedding(list(range(FILMS)), 8, 6)(inputs[:, 1])
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(layers.Dot(axes=1)([user, film])))
    model.compile(keras.optimizers.Adagrad(10 * learning_rate(hp)), "mse", metrics=["mae"])
    return model


def positive_pairs() -> dict[str, Any]:
    x = ratings()["x"]
    data = tf.data.Dataset.from_tensor_slices({"user": x[:, 0], "film": x[:, 1]})
    return {"x": data.shuffle(SAMPLES, seed=4).batch(BATCH)}


class TwoTowers(keras.Model):
    """Retrieval: the other films of a batch are the wrong answers; a batch is a dict without targets."""

    def __init__(self, width):
        super().__init__()
        self.user_tower = keras.Sequential([layers.Embedding(USERS, width), layers.Dense(width)])
        self.film_tower = keras.Sequential([layers.Embedding(FILMS, width), layers.Dense(width)])
        self.loss_fn = from_logits()

    def call(self, inputs):
        return self.user_tower(inputs["user"]), self.film_tower(inputs["film"])

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        user, film = y_pred
        scores = ops.matmul(user, ops.transpose(film))
        return self.loss_fn(ops.arange(ops.shape(scores)[0]), scores)


@example("keras_rs/examples/basic_retrieval", positive_pairs, holds={"width": 8})
def two_towers(hp):
    model = TwoTowers(hp.choice("width", [8, 16]))
    model.compile(optimizer=keras.optimizers.Adagrad(10 * learning_rate(hp)))
    return model


class RandomFeatures(layers.Layer):
    """Random Fourier features, whose weights aren't trained."""

    def __init__(self, units, scale):
        super().__init__()
        self.units = units
        self.scale = scale

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units), initializer="random_normal", trainable=False)
        self.bias = self.add_weight(
            shape=(self.units,), initializer=keras.initializers.RandomUniform(0.0, 2 * np.pi), trainable=False
        )

    def call(self, inputs):
        return ops.cos(ops.matmul(inputs, self.kernel) / self.scale + self.bias) * (2 / self.units) ** 0.5


def hinge_table() -> dict[str, Any]:
    arguments = frauds()
    return {"x": arguments["x"], "y": arguments["y"] * 2.0 - 1.0, "batch_size": BATCH}


@example("examples/keras_recipes/quasi_svm", hinge_table, holds={"scale": 5.0})
def quasi_svm(hp):
    model = keras.Sequential([keras.Input((10,)), RandomFeatures(32, hp.float("scale", 1.0, 10.0)), layers.Dense(1)])
    model.compile(optimizer=adam(hp), loss=keras.losses.hinge, metrics=["mae"])
    return model
