"""Images: classifiers, segmentation, similarity, learning from teachers and without labels."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from .registry import adam, example, from_logits, learning_rate
from .sources import BATCH, SAMPLES, digit_arrays, digit_datasets, digits, images_only

CLASSES = 10


def classifier(hp: Any, model: keras.Model, optimizer: Any = None) -> keras.Model:
    """Compiles a model that returns logits."""
    model.compile(optimizer or adam(hp), from_logits(), metrics=[keras.metrics.SparseCategoricalAccuracy("accuracy")])
    return model


def one_hot_digits() -> dict[str, Any]:
    x, y, *_ = digits()
    return {"x": x, "y": keras.utils.to_categorical(y, CLASSES), "batch_size": BATCH, "validation_split": 0.1}


@example("examples/vision/mnist_convnet", one_hot_digits, holds={"filters": 8})
def convnet(hp):
    filters = hp.choice("filters", [8, 16])
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(filters, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(2 * filters, 2, activation="relu"),
            layers.Flatten(),
            layers.Dropout(hp.float("dropout", 0.1, 0.6)),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile(adam(hp), loss="categorical_crossentropy", metrics=["accuracy"])
    return model


def augmented_datasets() -> dict[str, Any]:
    """Data sets whose images are turned and mirrored as they are read."""
    arguments = digit_datasets()
    augmentation = [layers.RandomFlip("horizontal", seed=1), layers.RandomRotation(0.1, seed=2)]

    def augment(images, labels):
        for layer in augmentation:
            images = layer(images, training=True)
        return images, labels

    return {**arguments, "x": arguments["x"].map(augment).prefetch(tf.data.AUTOTUNE)}


@example("examples/vision/image_classification_from_scratch", augmented_datasets, holds={"width": 8})
def small_xception(hp):
    """Separable convolutions with residual connections."""
    width = hp.choice("width", [8, 16])
    inputs = keras.Input((8, 8, 1))
    x = layers.Rescaling(2.0, offset=-1.0)(inputs)
    x = layers.Activation("relu")(layers.BatchNormalization()(layers.Conv2D(width, 3, padding="same")(x)))
    before = x
    for size in (width, 2 * width):
        x = layers.Activation("relu")(x)
        x = layers.BatchNormalization()(layers.SeparableConv2D(size, 3, padding="same")(x))
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
        x = layers.add([x, layers.Conv2D(size, 1, strides=2, padding="same")(before)])
        before = x
    x = layers.Dropout(hp.float("dropout", 0.1, 0.5))(layers.GlobalAveragePooling2D()(x))
    return classifier(hp, keras.Model(inputs, layers.Dense(CLASSES)(x)))


@example("guides/preprocessing_layers", digit_arrays)
def augmentation_in_the_model(hp):
    """Layers that change images at random, as the first ones of the model."""
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.RandomFlip("horizontal"),
            layers.RandomTranslation(0.1, 0.1),
            layers.RandomContrast(0.2),
            layers.Conv2D(8, 3, activation="relu"),
            layers.GlobalMaxPooling2D(),
            layers.Dense(CLASSES),
        ]
    )
    return classifier(hp, model)


class Patches(layers.Layer):
    def __init__(self, size):
        super().__init__()
        self.size = size

    def call(self, images):
        shape = ops.shape(images)
        patches = ops.image.extract_patches(images, size=self.size)
        return ops.reshape(patches, (shape[0], (8 // self.size) ** 2, self.size**2))

    def get_config(self):
        return {**super().get_config(), "size": self.size}


class PatchEncoder(layers.Layer):
    """Projects patches and adds what is learned for their places."""

    def __init__(self, count, width):
        super().__init__()
        self.count = count
        self.projection = layers.Dense(width)
        self.places = layers.Embedding(count, width)

    def call(self, patches):
        return self.projection(patches) + self.places(ops.expand_dims(ops.arange(0, self.count), 0))


@example("examples/vision/image_classification_with_vision_transformer", digit_arrays, holds={"width": 16})
def vision_transformer(hp):
    width, dropout = hp.choice("width", [16, 32]), hp.float("dropout", 0.05, 0.3)
    augmentation = keras.Sequential([layers.Normalization(), layers.RandomZoom(0.1, 0.1)], name="augmentation")
    augmentation.layers[0].adapt(digits()[0])
    inputs = keras.Input((8, 8, 1))
    encoded = PatchEncoder(16, width)(Patches(2)(augmentation(inputs)))
    for _ in range(2):
        x = layers.LayerNormalization(epsilon=1e-6)(encoded)
        x = layers.Add()([layers.MultiHeadAttention(2, width, dropout=dropout)(x, x), encoded])
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        for units in (2 * width, width):
            y = layers.Dropout(dropout)(layers.Dense(units, activation=keras.activations.gelu)(y))
        encoded = layers.Add()([y, x])
    features = layers.Dropout(0.3)(layers.Flatten()(layers.LayerNormalization(epsilon=1e-6)(encoded)))
    optimizer = keras.optimizers.AdamW(learning_rate(hp), weight_decay=hp.float("decay", 1e-5, 1e-3, log=True))
    return classifier(hp, keras.Model(inputs, layers.Dense(CLASSES)(features)), optimizer)


class Mixer(layers.Layer):
    """A block that mixes first the patches, then the channels."""

    def __init__(self, patches, width, dropout):
        super().__init__()
        self.by_patch = keras.Sequential([layers.Dense(patches, activation="gelu"), layers.Dropout(dropout)])
        self.by_channel = keras.Sequential([layers.Dense(width, activation="gelu"), layers.Dropout(dropout)])
        self.norm = layers.LayerNormalization()

    def build(self, shape):
        self.norm.build(shape)
        self.by_patch.build((shape[0], shape[2], shape[1]))
        self.by_channel.build(shape)

    def call(self, inputs):
        mixed = ops.transpose(self.by_patch(ops.transpose(self.norm(inputs), (0, 2, 1))), (0, 2, 1))
        x = mixed + inputs
        return x + self.by_channel(self.norm(x))


@example("examples/vision/mlp_image_classification", digit_arrays, holds={"width": 16})
def mlp_mixer(hp):
    width, dropout = hp.choice("width", [16, 32]), hp.float("dropout", 0.05, 0.3)
    inputs = keras.Input((8, 8, 1))
    x = layers.Dense(width)(Patches(2)(inputs))
    x = keras.Sequential([Mixer(16, width, dropout) for _ in range(2)])(x)
    return classifier(hp, keras.Model(inputs, layers.Dense(CLASSES)(layers.GlobalAveragePooling1D()(x))))


@example("examples/vision/convmixer", digit_datasets, holds={"filters": 8, "depth": 2})
def convmixer(hp):
    filters, depth = hp.choice("filters", [8, 16]), hp.int("depth", 1, 3)

    def normal(x):
        return layers.BatchNormalization()(layers.Activation("gelu")(x))

    inputs = keras.Input((8, 8, 1))
    x = normal(layers.Conv2D(filters, 2, strides=2)(inputs))
    for _ in range(depth):
        x = layers.Add()([normal(layers.DepthwiseConv2D(3, padding="same")(x)), x])
        x = normal(layers.Conv2D(filters, 1)(x))
    model = keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(layers.GlobalAvgPool2D()(x)))
    optimizer = keras.optimizers.AdamW(learning_rate(hp), weight_decay=1e-4)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class StochasticDepth(layers.Layer):
    """Leaves a branch out for some samples while it trains."""

    def __init__(self, probability, **kwargs):
        super().__init__(**kwargs)
        self.probability = probability
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, x, training=None):
        if not training:
            return x
        keep = 1 - self.probability
        shape = (ops.shape(x)[0],) + (1,) * (len(x.shape) - 1)
        return x / keep * ops.floor(keep + keras.random.uniform(shape, 0, 1, seed=self.seed_generator))


class SequencePooling(layers.Layer):
    def __init__(self):
        super().__init__()
        self.attention = layers.Dense(1)

    def call(self, x):
        weights = ops.transpose(ops.softmax(self.attention(x), axis=1), (0, 2, 1))
        return ops.squeeze(ops.matmul(weights, x), -2)


@example("examples/vision/cct", one_hot_digits, holds={"depth_dropout": 0.1})
def compact_transformer(hp):
    """A convolutional tokenizer, stochastic depth, pooling by attention, and smoothed labels."""
    inputs = keras.Input((8, 8, 1))
    x = layers.MaxPooling2D(2)(layers.Conv2D(16, 3, padding="same", activation="relu")(inputs))
    x = layers.Reshape((16, 16))(x)
    for probability in np.linspace(0, hp.float("depth_dropout", 0.1, 0.3), 2):
        norm = layers.LayerNormalization(epsilon=1e-5)(x)
        x = layers.Add()([x, StochasticDepth(probability)(layers.MultiHeadAttention(2, 16)(norm, norm))])
        fed = layers.Dense(16, activation="gelu")(layers.LayerNormalization(epsilon=1e-5)(x))
        x = layers.Add()([x, StochasticDepth(probability)(fed)])
    model = keras.Model(inputs, layers.Dense(CLASSES)(SequencePooling()(x)))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    model.compile(adam(hp), loss, metrics=[keras.metrics.TopKCategoricalAccuracy(3, name="top_3")])
    return model


def masks() -> dict[str, Any]:
    """Images with a class for each of their pixels, as a mapped data set."""
    x, *_ = digits()

    def with_mask(image):
        return image, tf.cast(image > 0.3, tf.uint8) + tf.cast(image > 0.7, tf.uint8)

    train = tf.data.Dataset.from_tensor_slices(x).map(with_mask, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH)
    return {"x": train}


@example("examples/vision/oxford_pets_image_segmentation", masks, holds={"filters": 4})
def unet(hp):
    filters = hp.choice("filters", [4, 8])
    inputs = keras.Input((8, 8, 1))
    x = first = layers.Conv2D(filters, 3, activation="relu", padding="same")(inputs)
    x = layers.BatchNormalization()(layers.MaxPooling2D()(x))
    x = layers.Conv2D(2 * filters, 3, activation="relu", padding="same")(x)
    x = layers.UpSampling2D(2)(layers.Conv2DTranspose(filters, 3, padding="same")(x))
    x = layers.Dropout(hp.float("dropout", 0.05, 0.3))(layers.Concatenate()([x, first]))
    model = keras.Model(inputs, layers.Conv2D(3, 3, activation="softmax", padding="same")(x))
    model.compile(keras.optimizers.RMSprop(learning_rate(hp)), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def noisy_images() -> dict[str, Any]:
    x, _, x_check, _ = digits()
    noisy, noisy_check = (
        np.clip(part + 0.3 * np.random.default_rng(0).normal(size=part.shape), 0, 1).astype("float32")
        for part in (x, x_check)
    )
    return {"x": noisy, "y": x, "validation_data": (noisy_check, x_check), "batch_size": BATCH}


@example("examples/vision/autoencoder", noisy_images)
def denoising_autoencoder(hp):
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(8, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(2, padding="same"),
            layers.Conv2DTranspose(8, 3, strides=2, activation="relu", padding="same"),
            layers.Conv2D(1, 3, activation="sigmoid", padding="same"),
        ]
    )
    model.compile(adam(hp), "binary_crossentropy")
    return model


def pairs() -> dict[str, Any]:
    """Pairs of images, and whether they show different digits."""
    x, y, *_ = digits()
    other = np.random.default_rng(0).permutation(SAMPLES)
    return {"x": [x, x[other]], "y": (y != y[other]).astype("float32")[:, None], "batch_size": BATCH}


def contrastive(margin):
    def contrastive_loss(y_true, y_pred):
        close = ops.square(y_pred)
        far = ops.square(ops.maximum(margin - y_pred, 0))
        return ops.mean((1 - y_true) * close + y_true * far)

    return contrastive_loss


@example("examples/vision/siamese_contrastive", pairs)
def siamese(hp):
    """One network for two inputs, a distance by a Lambda, and a loss out of a closure."""
    tower = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.BatchNormalization(),
            layers.Conv2D(4, 3, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(8, activation="tanh"),
        ]
    )
    left, right = keras.Input((8, 8, 1)), keras.Input((8, 8, 1))

    def distance(vectors):
        return ops.sqrt(ops.maximum(ops.sum(ops.square(vectors[0] - vectors[1]), axis=1, keepdims=True), 1e-7))

    merged = layers.BatchNormalization()(layers.Lambda(distance, output_shape=(1,))([tower(left), tower(right)]))
    model = keras.Model([left, right], layers.Dense(1, activation="sigmoid")(merged))
    model.compile(keras.optimizers.RMSprop(learning_rate(hp)), contrastive(margin=1), metrics=["accuracy"])
    return model


def triplets() -> dict[str, Any]:
    x, *_ = digits()
    rng = np.random.default_rng(0)
    parts = [tf.data.Dataset.from_tensor_slices(x[rng.permutation(SAMPLES)]) for _ in range(3)]
    return {"x": tf.data.Dataset.zip(tuple(parts)).shuffle(SAMPLES, seed=3).batch(BATCH).prefetch(tf.data.AUTOTUNE)}


class Distances(layers.Layer):
    def call(self, anchor, positive, negative):
        return ops.sum(ops.square(anchor - positive), -1), ops.sum(ops.square(anchor - negative), -1)


class SiameseModel(keras.Model):
    """Wraps a network of three inputs; its step takes batches without targets."""

    def __init__(self, network, margin=0.5):
        super().__init__()
        self.network = network
        self.margin = margin
        self.loss_tracker = keras.metrics.Mean(name="loss")

    def call(self, inputs):
        return self.network(inputs)

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = self._loss_of(data)
        gradients = tape.gradient(loss, self.network.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.network.trainable_weights, strict=True))
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}

    def test_step(self, data):
        self.loss_tracker.update_state(self._loss_of(data))
        return {"loss": self.loss_tracker.result()}

    def _loss_of(self, data):
        near, far = self.network(data)
        return tf.maximum(near - far + self.margin, 0.0)

    @property
    def metrics(self):
        return [self.loss_tracker]


@example("examples/vision/siamese_network", triplets)
def triplet_siamese(hp):
    embedding = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(16, activation="relu")])
    three = [keras.Input((8, 8, 1), name=name) for name in ("anchor", "positive", "negative")]
    model = SiameseModel(keras.Model(three, Distances()(*map(embedding, three))))
    model.compile(optimizer=adam(hp), weighted_metrics=[])
    return model


def labelled_and_not() -> dict[str, Any]:
    x, y, x_check, y_check = digits()
    unlabelled = tf.data.Dataset.from_tensor_slices(x).shuffle(SAMPLES, seed=1).batch(BATCH)
    labelled = tf.data.Dataset.from_tensor_slices((x[:96], y[:96])).shuffle(96, seed=2).batch(BATCH // 2)
    check = tf.data.Dataset.from_tensor_slices((x_check, y_check)).batch(BATCH)
    return {"x": tf.data.Dataset.zip((unlabelled, labelled)).prefetch(2), "validation_data": check}


class Contrastive(keras.Model):
    """SimCLR: an encoder learns from two views of each image, and a linear probe from a few labels."""

    def __init__(self, temperature):
        super().__init__()
        self.temperature = temperature
        self.augmenter = keras.Sequential([layers.RandomTranslation(0.1, 0.1), layers.RandomFlip("horizontal")])
        self.encoder = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(16, "relu")])
        self.projection_head = keras.Sequential([keras.Input((16,)), layers.Dense(16)])
        self.linear_probe = keras.Sequential([keras.Input((16,)), layers.Dense(CLASSES)])

    def compile(self, contrastive_optimizer, probe_optimizer, **kwargs):
        super().compile(**kwargs)
        self.contrastive_optimizer = contrastive_optimizer
        self.probe_optimizer = probe_optimizer
        self.contrastive_loss_tracker = keras.metrics.Mean(name="c_loss")
        self.probe_loss_tracker = keras.metrics.Mean(name="p_loss")
        self.probe_accuracy = keras.metrics.SparseCategoricalAccuracy(name="p_acc")
        self.probe_loss = from_logits()

    @property
    def metrics(self):
        return [self.contrastive_loss_tracker, self.probe_loss_tracker, self.probe_accuracy]

    def contrastive_loss(self, one, other):
        one, other = ops.normalize(one, axis=1), ops.normalize(other, axis=1)
        similarities = ops.matmul(one, ops.transpose(other)) / self.temperature
        labels = ops.arange(ops.shape(one)[0])
        losses = keras.losses.sparse_categorical_crossentropy(
            ops.concatenate([labels, labels], axis=0),
            ops.concatenate([similarities, ops.transpose(similarities)], axis=0),
            from_logits=True,
        )
        return ops.mean(losses)

    def train_step(self, data):
        unlabelled, (labelled, labels) = data
        images = ops.concatenate((unlabelled, labelled), axis=0)
        views = self.augmenter(images, training=True), self.augmenter(images, training=True)
        with tf.GradientTape() as tape:
            projections = [self.projection_head(self.encoder(view, training=True), training=True) for view in views]
            loss = self.contrastive_loss(*projections)
        weights = self.encoder.trainable_weights + self.projection_head.trainable_weights
        self.contrastive_optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        self.contrastive_loss_tracker.update_state(loss)
        with tf.GradientTape() as tape:
            logits = self.linear_probe(self.encoder(labelled, training=False), training=True)
            probe_loss = self.probe_loss(labels, logits)
        weights = self.linear_probe.trainable_weights
        self.probe_optimizer.apply_gradients(zip(tape.gradient(probe_loss, weights), weights, strict=True))
        self.probe_loss_tracker.update_state(probe_loss)
        self.probe_accuracy.update_state(labels, logits)
        return {metric.name: metric.result() for metric in self.metrics}

    def test_step(self, data):
        images, labels = data
        logits = self.linear_probe(self.encoder(images, training=False), training=False)
        self.probe_loss_tracker.update_state(self.probe_loss(labels, logits))
        self.probe_accuracy.update_state(labels, logits)
        return {metric.name: metric.result() for metric in self.metrics[1:]}


@example("examples/vision/semisupervised_simclr", labelled_and_not, objective="val_p_loss")
def simclr(hp):
    model = Contrastive(temperature=0.1)
    model.compile(
        contrastive_optimizer=adam(hp), probe_optimizer=keras.optimizers.Adam(hp.float("probe_rate", 1e-3, 1e-2))
    )
    return model


class Distiller(keras.Model):
    """A student that learns from labels and from a teacher."""

    def __init__(self, student, teacher):
        super().__init__()
        self.teacher = teacher
        self.student = student

    def compile(self, optimizer, metrics, student_loss_fn, distillation_loss_fn, alpha, temperature):
        super().compile(optimizer=optimizer, metrics=metrics)
        self.student_loss_fn = student_loss_fn
        self.distillation_loss_fn = distillation_loss_fn
        self.alpha = alpha
        self.temperature = temperature

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, allow_empty=False):
        taught = self.teacher(x, training=False)
        student_loss = self.student_loss_fn(y, y_pred)
        distillation_loss = self.distillation_loss_fn(
            ops.softmax(taught / self.temperature, axis=1), ops.softmax(y_pred / self.temperature, axis=1)
        ) * (self.temperature**2)
        return self.alpha * student_loss + (1 - self.alpha) * distillation_loss

    def call(self, x):
        return self.student(x)


def small_net(units: int) -> keras.Sequential:
    return keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(units, activation="relu"), layers.Dense(CLASSES)]
    )


@example("examples/vision/knowledge_distillation", digit_arrays, holds={"alpha": 0.1, "temperature": 10.0})
def distillation(hp):
    model = Distiller(small_net(8), small_net(32))
    model.compile(
        optimizer=adam(hp),
        metrics=[keras.metrics.SparseCategoricalAccuracy()],
        student_loss_fn=from_logits(),
        distillation_loss_fn=keras.losses.KLDivergence(),
        alpha=hp.float("alpha", 0.05, 0.5),
        temperature=hp.float("temperature", 2.0, 10.0),
    )
    return model


def clean_and_noisy() -> dict[str, Any]:
    x, y, x_check, y_check = digits()
    noise = np.random.default_rng(0).normal(size=x.shape).astype("float32") * 0.1
    clean, noisy = (tf.data.Dataset.from_tensor_slices((part, y)).batch(BATCH) for part in (x, x + noise))
    return {"x": tf.data.Dataset.zip((clean, noisy)), "validation_data": (x_check, y_check)}


class SelfTrainer(keras.Model):
    """A student that is to answer to noisy images as its teacher does to clean ones."""

    def __init__(self, student, teacher):
        super().__init__()
        self.student = student
        self.teacher = teacher
        self.student_loss_tracker = keras.metrics.Mean(name="loss")

    def compile(self, optimizer, metrics, student_loss_fn, distillation_loss_fn, temperature=3):
        super().compile(optimizer=optimizer, metrics=metrics)
        self.student_loss_fn = student_loss_fn
        self.distillation_loss_fn = distillation_loss_fn
        self.temperature = temperature

    def call(self, x):
        return self.student(x)

    def train_step(self, data):
        (clean, _), (noisy, y) = data
        taught = self.teacher(clean, training=False)
        with tf.GradientTape() as tape:
            predicted = self.student(noisy, training=True)
            student_loss = self.student_loss_fn(y, predicted)
            distillation_loss = self.distillation_loss_fn(
                ops.softmax(taught / self.temperature, axis=1), ops.softmax(predicted / self.temperature, axis=1)
            )
            loss = (student_loss + distillation_loss) / 2
        weights = self.student.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        self.student_loss_tracker.update_state(loss)
        return {"loss": self.student_loss_tracker.result()}

    def test_step(self, data):
        x, y = data
        loss = self.student_loss_fn(y, self.student(x, training=False))
        self.student_loss_tracker.update_state(loss)
        return {"loss": self.student_loss_tracker.result()}

    @property
    def metrics(self):
        return [self.student_loss_tracker]


@example("examples/vision/consistency_training", clean_and_noisy, holds={"temperature": 10})
def consistency_training(hp):
    model = SelfTrainer(small_net(16), small_net(16))
    model.compile(
        optimizer=adam(hp),
        metrics=None,
        student_loss_fn=from_logits(),
        distillation_loss_fn=keras.losses.KLDivergence(),
        temperature=hp.int("temperature", 2, 10),
    )
    return model


def bags() -> dict[str, Any]:
    """Bags of three images each; a bag is positive where one of them is an 8."""
    x, y, *_ = digits()
    places = np.random.default_rng(0).integers(0, SAMPLES, (3, SAMPLES))
    labels = (y[places] == 8).any(0).astype("int32")
    return {"x": [x[row] for row in places], "y": labels, "batch_size": 16, "class_weight": {0: 0.7, 1: 1.7}}


class MILAttention(layers.Layer):
    """Weighs the members of a bag by gated attention with weights of its own."""

    def __init__(self, units, regularizer):
        super().__init__()
        self.units = units
        self.regularizer = keras.regularizers.get(regularizer)

    def build(self, shapes):
        def weight(name, shape):
            return self.add_weight(shape=shape, initializer="glorot_uniform", regularizer=self.regularizer, name=name)

        width = shapes[0][1]
        self.v, self.u = weight("v", (width, self.units)), weight("u", (width, self.units))
        self.w = weight("w", (self.units, 1))

    def call(self, inputs):
        scores = [
            ops.tensordot(
                ops.tanh(ops.tensordot(x, self.v, 1)) * ops.sigmoid(ops.tensordot(x, self.u, 1)), self.w, axes=1
            )
            for x in inputs
        ]
        weights = ops.softmax(ops.stack(scores), axis=0)
        return [weights[place] for place in range(len(inputs))]


@example("examples/vision/attention_mil_classification", bags)
def attention_over_bags(hp):
    inputs = [keras.Input((8, 8, 1)) for _ in range(3)]
    shared = keras.Sequential([layers.Flatten(), layers.Dense(16, activation="relu")])
    embedded = [shared(each) for each in inputs]
    alphas = MILAttention(8, keras.regularizers.L2(hp.float("l2", 1e-4, 1e-1, log=True)))(embedded)
    weighed = [layers.multiply([alpha, each]) for alpha, each in zip(alphas, embedded, strict=True)]
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(layers.concatenate(weighed)))
    model.compile(adam(hp), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def mixed_up() -> dict[str, Any]:
    """Images and labels, mixed in pairs from two data sets by a stateless draw."""
    x, y, x_check, y_check = digits()
    labels, labels_check = tf.one_hot(y, CLASSES), tf.one_hot(y_check, CLASSES)
    parts = [tf.data.Dataset.from_tensor_slices((x, labels)).shuffle(SAMPLES, seed=s).batch(BATCH) for s in (1, 2)]

    def mix(number, one, other):
        share = tf.random.stateless_uniform((BATCH, 1), seed=tf.stack([tf.cast(number, tf.int32), 7]))
        images = one[0] * share[:, :, None, None] + other[0] * (1 - share[:, :, None, None])
        return images, one[1] * share + other[1] * (1 - share)

    train = tf.data.Dataset.zip((tf.data.Dataset.counter(), *parts)).map(mix, num_parallel_calls=tf.data.AUTOTUNE)
    check = tf.data.Dataset.from_tensor_slices((x_check, labels_check)).batch(BATCH)
    return {"x": train, "validation_data": check}


@example("examples/vision/mixup", mixed_up)
def mixup(hp):
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.Flatten(),
            layers.Dropout(hp.float("dropout", 0.1, 0.5)),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile(adam(hp), "categorical_crossentropy", metrics=["accuracy"])
    return model


def small_and_large() -> dict[str, Any]:
    def shrunken(image):
        return tf.image.resize(image, [4, 4], method="area"), image

    x, _, x_check, _ = digits()
    train, check = (tf.data.Dataset.from_tensor_slices(part).batch(BATCH).map(shrunken) for part in (x, x_check))
    return {"x": train.prefetch(BATCH), "validation_data": check.prefetch(BATCH)}


class Resolution(keras.callbacks.Callback):
    """Gathers the signal-to-noise ratio of each batch that is validated."""

    def on_epoch_begin(self, epoch, logs=None):
        self.psnr = []

    def on_test_batch_end(self, batch, logs=None):
        self.psnr.append(-10 * np.log10(float(logs["loss"])))


@example("examples/vision/super_resolution_sub_pixel", lambda: {**small_and_large(), "callbacks": [Resolution()]})
def super_resolution(hp):
    inputs = keras.Input((4, 4, 1))
    x = layers.Conv2D(8, 3, padding="same", activation="relu", kernel_initializer="orthogonal")(inputs)
    x = layers.Conv2D(4, 3, padding="same")(x)
    model = keras.Model(inputs, layers.Lambda(lambda x: tf.nn.depth_to_space(x, 2))(x))
    model.compile(adam(hp), keras.losses.MeanSquaredError())
    return model


def captchas() -> dict[str, Any]:
    """Images with the two characters that are read from them, as a data set of dicts."""
    x, y, *_ = digits()
    images, labels = np.concatenate([x, np.roll(x, 1, 0)], axis=2), np.stack([y, np.roll(y, 1)], 1).astype("float32")

    def as_dict(image, label):
        return {"image": tf.transpose(image, [1, 0, 2]), "label": label}

    train = tf.data.Dataset.from_tensor_slices((images, labels)).map(as_dict, num_parallel_calls=tf.data.AUTOTUNE)
    return {"x": train.batch(BATCH).prefetch(tf.data.AUTOTUNE)}


class CTCLayer(layers.Layer):
    """Adds the loss of a sequence, and passes its predictions on."""

    def call(self, y_true, y_pred):
        batch = ops.cast(ops.shape(y_true)[0], "int32")
        lengths = [ops.full((batch,), each.shape[1], "int32") for each in (y_true, y_pred)]
        self.add_loss(ops.mean(ops.ctc_loss(ops.cast(y_true, "int32"), y_pred, *lengths, mask_index=CLASSES)))
        return y_pred


@example("examples/vision/captcha_ocr", captchas)
def captcha_reader(hp):
    """An endpoint layer that takes the labels as an input; the model is compiled without a loss."""
    image, labels = keras.Input((16, 8, 1), name="image"), keras.Input((2,), name="label")
    x = layers.MaxPooling2D(2)(layers.Conv2D(8, 3, activation="relu", padding="same")(image))
    x = layers.Dense(16, activation="relu")(layers.Reshape((8, 32))(x))
    x = layers.Bidirectional(layers.LSTM(8, return_sequences=True, dropout=hp.float("dropout", 0.1, 0.4)))(x)
    output = CTCLayer(name="ctc_loss")(labels, layers.Dense(CLASSES + 1)(x))
    model = keras.Model([image, labels], output)
    model.compile(adam(hp))
    return model


def boxes() -> dict[str, Any]:
    x, y, *_ = digits()
    corners = np.random.default_rng(0).uniform(size=(SAMPLES, 4)).astype("float32")
    return {"x": x, "y": {"box": corners, "label": y}, "batch_size": BATCH, "validation_split": 0.1}


@example(
    "examples/vision/object_detection_using_vision_transformer",
    boxes,
    why_not="loss_weights are constants of its program",
)
def detector(hp):
    """Two heads: a box and a class."""
    inputs = keras.Input((8, 8, 1))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(16, 3, activation="relu")(inputs))
    outputs = {
        "box": layers.Dense(4, name="box")(x),
        "label": layers.Dense(CLASSES, activation="softmax", name="label")(x),
    }
    model = keras.Model(inputs, outputs)
    model.compile(
        adam(hp),
        loss={"box": keras.losses.Huber(), "label": "sparse_categorical_crossentropy"},
        loss_weights={"box": hp.float("box_weight", 0.5, 2.0), "label": 1.0},
        metrics={"label": ["accuracy"]},
    )
    return model


def scans() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    volumes, labels = rng.normal(size=(96, 6, 6, 4)).astype("float32"), rng.integers(0, 2, 96).astype("float32")

    def with_channel(volume, label):
        return tf.expand_dims(tf.clip_by_value(volume, -1, 1), axis=3), label

    loader = tf.data.Dataset.from_tensor_slices((volumes, labels))
    return {"x": loader.shuffle(96, seed=1).map(with_channel).batch(8).prefetch(2)}


@example("examples/vision/3D_image_classification", scans)
def scan_classifier(hp):
    """3D convolutions, and a rate that decays in steps."""
    inputs = keras.Input((6, 6, 4, 1))
    x = layers.BatchNormalization()(layers.MaxPool3D(2)(layers.Conv3D(4, 3, activation="relu", padding="same")(inputs)))
    x = layers.Dropout(hp.float("dropout", 0.1, 0.5))(layers.GlobalAveragePooling3D()(x))
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))
    schedule = keras.optimizers.schedules.ExponentialDecay(
        learning_rate(hp), decay_steps=10, decay_rate=0.96, staircase=True
    )
    model.compile(keras.optimizers.Adam(schedule), "binary_crossentropy", metrics=["acc"])
    return model


def frames() -> dict[str, Any]:
    x = digits()[0][:64]
    film = np.stack([np.roll(x, step, axis=2) for step in range(4)], axis=1)
    return {"x": film[:, :-1], "y": film[:, 1:], "batch_size": 16}


def next_frame_callbacks() -> dict[str, Any]:
    callbacks = [
        keras.callbacks.EarlyStopping(monitor="loss", patience=10),
        keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=5),
    ]
    return {**frames(), "callbacks": callbacks}


@example("examples/vision/conv_lstm", next_frame_callbacks)
def next_frame(hp):
    inputs = keras.Input((None, 8, 8, 1))
    x = layers.ConvLSTM2D(4, 3, padding="same", return_sequences=True, activation="relu")(inputs)
    x = layers.BatchNormalization()(x)
    model = keras.Model(inputs, layers.Conv3D(1, 3, activation="sigmoid", padding="same")(x))
    model.compile(adam(hp), keras.losses.BinaryCrossentropy())
    return model


class Masked(keras.Model):
    """A masked autoencoder: it restores patches that were hidden at random."""

    def __init__(self, width, share):
        super().__init__()
        self.share = share
        self.patches = Patches(2)
        self.encoder = PatchEncoder(16, width)
        self.decoder = keras.Sequential([layers.Dense(width, activation="gelu"), layers.Dense(4)])
        self.seed_generator = keras.random.SeedGenerator(3)

    def loss_of(self, images):
        patches = self.patches(images)
        draws = keras.random.uniform(ops.shape(patches)[:2], seed=self.seed_generator)
        hidden = ops.expand_dims(ops.cast(draws < self.share, "float32"), -1)
        restored = self.decoder(self.encoder(patches * (1 - hidden)))
        return self.compute_loss(y=patches * hidden, y_pred=restored * hidden), patches, restored

    def train_step(self, images):
        with tf.GradientTape() as tape:
            loss, patches, restored = self.loss_of(images)
        weights = self.encoder.trainable_variables + self.decoder.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        for metric in self.metrics:
            metric.update_state(loss) if metric.name == "loss" else metric.update_state(patches, restored)
        return {metric.name: metric.result() for metric in self.metrics}


@example("examples/vision/masked_image_modeling", images_only, holds={"width": 8, "hidden_share": 0.75})
def masked_autoencoder(hp):
    model = Masked(hp.choice("width", [8, 16]), hp.float("hidden_share", 0.4, 0.8))
    model.compile(adam(hp), loss=keras.losses.MeanSquaredError(), metrics=["mae"])
    return model


class FocalLoss(keras.losses.Loss):
    def __init__(self, alpha, gamma):
        super().__init__(name="focal")
        self.alpha = alpha
        self.gamma = gamma

    def call(self, y_true, y_pred):
        entropy = ops.binary_crossentropy(y_true, y_pred, from_logits=True)
        probability = ops.sigmoid(y_pred)
        alpha = ops.where(ops.equal(y_true, 1.0), self.alpha, 1.0 - self.alpha)
        true = ops.where(ops.equal(y_true, 1.0), probability, 1 - probability)
        return ops.sum(alpha * ops.power(1.0 - true, self.gamma) * entropy, axis=-1)


OWN_NUMBERS = "numbers of its own code are constants of its program"


@example("examples/vision/retinanet", one_hot_digits, why_not=OWN_NUMBERS)
def focal_loss(hp):
    model = small_net(16)
    model.compile(
        keras.optimizers.SGD(learning_rate(hp), momentum=0.9),
        FocalLoss(hp.float("alpha", 0.1, 0.4), hp.float("gamma", 1.0, 3.0)),
        metrics=["categorical_accuracy"],
    )
    return model


def similar_pairs() -> dict[str, Any]:
    """Batches of anchors and positives, one of each class, as a PyDataset draws them."""
    return {"x": AnchorPositivePairs(batches=6)}


class AnchorPositivePairs(keras.utils.PyDataset):
    def __init__(self, batches, **kwargs):
        super().__init__(**kwargs)
        self.batches = batches

    def __len__(self):
        return self.batches

    def __getitem__(self, index):
        x, y, *_ = digits()
        rng = np.random.default_rng(index)
        return np.stack([x[rng.choice(np.flatnonzero(y == each), 2)] for each in range(CLASSES)], axis=1)


class EmbeddingModel(keras.Model):
    """A functional model whose step compares the anchors with the positives."""

    def train_step(self, data):
        if isinstance(data, tuple):
            data = data[0]
        anchors, positives = data[0], data[1]
        with tf.GradientTape() as tape:
            similarities = ops.einsum("ae,pe->ap", self(anchors, training=True), self(positives, training=True))
            similarities /= 0.2
            loss = self.compute_loss(y=ops.arange(CLASSES), y_pred=similarities)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        for metric in self.metrics:
            metric.update_state(loss) if metric.name == "loss" else metric.update_state(
                ops.arange(CLASSES), similarities
            )
        return {metric.name: metric.result() for metric in self.metrics}


@example("examples/vision/metric_learning", similar_pairs)
def metric_learning(hp):
    inputs = keras.Input((8, 8, 1))
    x = layers.Dense(8)(layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, activation="relu")(inputs)))
    model = EmbeddingModel(inputs, layers.UnitNormalization()(x))
    return classifier(hp, model)


def pretrained_base() -> keras.Model:
    """A small base, trained for an epoch on half of the classes."""
    x, y, *_ = digits()
    base = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(8, 3), layers.BatchNormalization(), layers.ReLU()])
    whole = keras.Sequential([base, layers.GlobalAveragePooling2D(), layers.Dense(5, activation="softmax")])
    whole.compile("adam", "sparse_categorical_crossentropy")
    whole.fit(x[y < 5], y[y < 5], verbose=0)
    return base


@example("guides/transfer_learning", digit_datasets)
def frozen_base(hp):
    """The first stage of transfer learning: a head on a base that stays as it is."""
    base = pretrained_base()
    base.trainable = False
    inputs = keras.Input((8, 8, 1))
    x = layers.Rescaling(2.0, -1.0)(layers.RandomFlip("horizontal", seed=1)(inputs))
    x = layers.GlobalAveragePooling2D()(base(x, training=False))
    return classifier(hp, keras.Model(inputs, layers.Dense(CLASSES)(layers.Dropout(hp.float("dropout", 0.1, 0.5))(x))))


@example("examples/vision/image_classification_efficientnet_fine_tuning", digit_arrays)
def fine_tuning(hp):
    """A base that was frozen, all of it trained but for its batch normalisation."""
    base = pretrained_base()
    for layer in base.layers:
        layer.trainable = not isinstance(layer, layers.BatchNormalization)
    head = [layers.GlobalAveragePooling2D(), layers.Dense(CLASSES)]
    return classifier(hp, keras.Sequential([keras.Input((8, 8, 1)), base, *head]))
