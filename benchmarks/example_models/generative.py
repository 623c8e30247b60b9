"""Generators: autoencoders, adversarial networks, diffusion, flows."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from .registry import adam, example, from_logits, learning_rate
from .sources import BATCH, SAMPLES, STEPS, digits, image_dataset, images_only, waves

LATENT = 4


class Sampling(layers.Layer):
    """Draws from a normal distribution that is given by its mean and its log of variance."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs):
        mean, log_var = inputs
        epsilon = keras.random.normal(shape=ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_var) * epsilon


class VAE(keras.Model):
    def __init__(self, encoder, decoder, kl_weight, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.kl_weight = kl_weight
        self.total_loss_tracker = keras.metrics.Mean(name="total_loss")
        self.reconstruction_loss_tracker = keras.metrics.Mean(name="reconstruction_loss")
        self.kl_loss_tracker = keras.metrics.Mean(name="kl_loss")

    @property
    def metrics(self):
        return [self.total_loss_tracker, self.reconstruction_loss_tracker, self.kl_loss_tracker]

    def train_step(self, data):
        with tf.GradientTape() as tape:
            mean, log_var, z = self.encoder(data)
            reconstruction = self.decoder(z)
            reconstruction_loss = ops.mean(ops.sum(keras.losses.binary_crossentropy(data, reconstruction), axis=(1, 2)))
            kl_loss = -0.5 * (1 + log_var - ops.square(mean) - ops.exp(log_var))
            kl_loss = self.kl_weight * ops.mean(ops.sum(kl_loss, axis=1))
            total_loss = reconstruction_loss + kl_loss
        gradients = tape.gradient(total_loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        self.total_loss_tracker.update_state(total_loss)
        self.reconstruction_loss_tracker.update_state(reconstruction_loss)
        self.kl_loss_tracker.update_state(kl_loss)
        return {
            "loss": self.total_loss_tracker.result(),
            "reconstruction_loss": self.reconstruction_loss_tracker.result(),
            "kl_loss": self.kl_loss_tracker.result(),
        }


def image_encoder() -> keras.Model:
    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(8, 3, activation="relu", strides=2, padding="same")(inputs)
    x = layers.Dense(16, activation="relu")(layers.Flatten()(x))
    mean, log_var = layers.Dense(LATENT, name="z_mean")(x), layers.Dense(LATENT, name="z_log_var")(x)
    return keras.Model(inputs, [mean, log_var, Sampling()([mean, log_var])], name="encoder")


def image_decoder(width: int = LATENT, activation: str = "sigmoid") -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((width,)),
            layers.Dense(4 * 4 * 4, activation="relu"),
            layers.Reshape((4, 4, 4)),
            layers.Conv2DTranspose(8, 3, activation="relu", strides=2, padding="same"),
            layers.Conv2DTranspose(1, 3, activation=activation, padding="same"),
        ]
    )


@example("examples/generative/vae", images_only, holds={"kl_weight": 1.0})
def variational_autoencoder(hp):
    model = VAE(image_encoder(), image_decoder(), hp.float("kl_weight", 0.5, 2.0))
    model.compile(optimizer=adam(hp))
    return model


class KLDivergence(layers.Layer):
    """Passes its inputs on, and adds a loss."""

    def __init__(self, weight, **kwargs):
        super().__init__(**kwargs)
        self.weight = weight

    def call(self, inputs):
        mean, log_var = inputs
        self.add_loss(-self.weight * ops.mean(1 + log_var - ops.square(mean) - ops.exp(log_var)))
        return inputs


@example(
    "guides/making_new_layers_and_models_via_subclassing",
    lambda: {**images_only(), "y": digits()[0]},
    holds={"kl_weight": 1e-3},
)
def autoencoder_with_added_loss(hp):
    inputs = keras.Input((8, 8, 1))
    mean, log_var, _ = image_encoder()(inputs)
    mean, log_var = KLDivergence(hp.float("kl_weight", 1e-4, 1e-2, log=True))([mean, log_var])
    model = keras.Model(inputs, image_decoder()(Sampling()([mean, log_var])))
    model.compile(adam(hp), loss=keras.losses.MeanSquaredError())
    return model


def critic(outputs: int = 1, channels: int = 1, dropout: float = 0.0) -> keras.Model:
    parts = [
        keras.Input((8, 8, channels)),
        layers.Conv2D(8, 4, strides=2, padding="same"),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Flatten(),
    ]
    return keras.Sequential([*parts, *([layers.Dropout(dropout)] if dropout else []), layers.Dense(outputs)])


class GAN(keras.Model):
    """A generator and a discriminator, each with an optimizer of its own."""

    def __init__(self, discriminator, generator, latent_dim):
        super().__init__()
        self.discriminator = discriminator
        self.generator = generator
        self.latent_dim = latent_dim
        self.seed_generator = keras.random.SeedGenerator(1337)

    def compile(self, d_optimizer, g_optimizer, loss_fn):
        super().compile()
        self.d_optimizer = d_optimizer
        self.g_optimizer = g_optimizer
        self.loss_fn = loss_fn
        self.d_loss_metric = keras.metrics.Mean(name="d_loss")
        self.g_loss_metric = keras.metrics.Mean(name="g_loss")

    @property
    def metrics(self):
        return [self.d_loss_metric, self.g_loss_metric]

    def train_step(self, real_images):
        batch_size = ops.shape(real_images)[0]
        noise = keras.random.normal(shape=(batch_size, self.latent_dim), seed=self.seed_generator)
        combined = ops.concatenate([self.generator(noise), real_images], axis=0)
        labels = ops.concatenate([ops.ones((batch_size, 1)), ops.zeros((batch_size, 1))], axis=0)
        labels += 0.05 * keras.random.uniform(ops.shape(labels), seed=self.seed_generator)
        with tf.GradientTape() as tape:
            d_loss = self.loss_fn(labels, self.discriminator(combined))
        weights = self.discriminator.trainable_weights
        self.d_optimizer.apply_gradients(zip(tape.gradient(d_loss, weights), weights, strict=True))
        noise = keras.random.normal(shape=(batch_size, self.latent_dim), seed=self.seed_generator)
        with tf.GradientTape() as tape:
            g_loss = self.loss_fn(ops.zeros((batch_size, 1)), self.discriminator(self.generator(noise)))
        weights = self.generator.trainable_weights
        self.g_optimizer.apply_gradients(zip(tape.gradient(g_loss, weights), weights, strict=True))
        self.d_loss_metric.update_state(d_loss)
        self.g_loss_metric.update_state(g_loss)
        return {"d_loss": self.d_loss_metric.result(), "g_loss": self.g_loss_metric.result()}


def two_rates(hp: Any) -> dict[str, keras.optimizers.Optimizer]:
    return {
        "d_optimizer": keras.optimizers.Adam(hp.float("d_rate", 1e-4, 1e-2, log=True), beta_1=0.5),
        "g_optimizer": keras.optimizers.Adam(hp.float("g_rate", 1e-4, 1e-2, log=True), beta_1=0.5),
    }


@example("examples/generative/dcgan_overriding_train_step", image_dataset, objective="g_loss")
def adversarial_network(hp):
    model = GAN(critic(dropout=0.2), image_decoder(), LATENT)
    model.compile(**two_rates(hp), loss_fn=keras.losses.BinaryCrossentropy(from_logits=True))
    return model


class WGAN(keras.Model):
    """Several steps of the critic for one of the generator, with a penalty on gradients."""

    def __init__(self, discriminator, generator, latent_dim, discriminator_extra_steps=2, gp_weight=10.0):
        super().__init__()
        self.discriminator = discriminator
        self.generator = generator
        self.latent_dim = latent_dim
        self.d_steps = discriminator_extra_steps
        self.gp_weight = gp_weight

    def compile(self, d_optimizer, g_optimizer, d_loss_fn, g_loss_fn):
        super().compile()
        self.d_optimizer = d_optimizer
        self.g_optimizer = g_optimizer
        self.d_loss_fn = d_loss_fn
        self.g_loss_fn = g_loss_fn

    def gradient_penalty(self, batch_size, real_images, fake_images):
        share = tf.random.uniform([batch_size, 1, 1, 1], 0.0, 1.0)
        interpolated = real_images + share * (fake_images - real_images)
        with tf.GradientTape() as gp_tape:
            gp_tape.watch(interpolated)
            predicted = self.discriminator(interpolated, training=True)
        grads = gp_tape.gradient(predicted, [interpolated])[0]
        norm = tf.sqrt(tf.reduce_sum(tf.square(grads), axis=[1, 2, 3]) + 1e-12)
        return tf.reduce_mean((norm - 1.0) ** 2)

    def train_step(self, real_images):
        if isinstance(real_images, tuple):
            real_images = real_images[0]
        batch_size = tf.shape(real_images)[0]
        for _ in range(self.d_steps):
            noise = tf.random.normal(shape=(batch_size, self.latent_dim))
            with tf.GradientTape() as tape:
                fake_images = self.generator(noise, training=True)
                d_cost = self.d_loss_fn(
                    real_img=self.discriminator(real_images, training=True),
                    fake_img=self.discriminator(fake_images, training=True),
                )
                d_loss = d_cost + self.gradient_penalty(batch_size, real_images, fake_images) * self.gp_weight
            gradient = tape.gradient(d_loss, self.discriminator.trainable_variables)
            self.d_optimizer.apply_gradients(zip(gradient, self.discriminator.trainable_variables, strict=True))
        noise = tf.random.normal(shape=(batch_size, self.latent_dim))
        with tf.GradientTape() as tape:
            g_loss = self.g_loss_fn(self.discriminator(self.generator(noise, training=True), training=True))
        gradient = tape.gradient(g_loss, self.generator.trainable_variables)
        self.g_optimizer.apply_gradients(zip(gradient, self.generator.trainable_variables, strict=True))
        return {"d_loss": d_loss, "g_loss": g_loss}


def critic_loss(real_img, fake_img):
    return tf.reduce_mean(fake_img) - tf.reduce_mean(real_img)


def generator_loss(fake_img):
    return -tf.reduce_mean(fake_img)


@example(
    "examples/generative/wgan_gp",
    images_only,
    objective="g_loss",
    holds={"gp_weight": 10.0},
    why_not="it draws by tf.random, whose place in the stream belongs to a traced step",
)
def wasserstein_gan(hp):
    model = WGAN(critic(), image_decoder(), LATENT, gp_weight=hp.float("gp_weight", 5.0, 15.0))
    model.compile(**two_rates(hp), d_loss_fn=critic_loss, g_loss_fn=generator_loss)
    return model


def labelled_images() -> dict[str, Any]:
    x, y, *_ = digits()
    data = tf.data.Dataset.from_tensor_slices((x, keras.utils.to_categorical(y, 10)))
    return {"x": data.shuffle(buffer_size=SAMPLES, seed=1).batch(BATCH)}


class ConditionalGAN(GAN):
    """Both networks see the class; its step takes (images, one-hot labels)."""

    def train_step(self, data):
        real_images, labels = data
        batch_size = ops.shape(real_images)[0]
        planes = ops.repeat(labels[:, None, None, :], 8, axis=1)
        planes = ops.repeat(planes, 8, axis=2)
        noise = keras.random.normal(shape=(batch_size, self.latent_dim), seed=self.seed_generator)
        vectors = ops.concatenate([noise, labels], axis=1)
        fake = ops.concatenate([self.generator(vectors), planes], -1)
        combined = ops.concatenate([fake, ops.concatenate([real_images, planes], -1)], axis=0)
        truth = ops.concatenate([ops.ones((batch_size, 1)), ops.zeros((batch_size, 1))], axis=0)
        with tf.GradientTape() as tape:
            d_loss = self.loss_fn(truth, self.discriminator(combined))
        weights = self.discriminator.trainable_weights
        self.d_optimizer.apply_gradients(zip(tape.gradient(d_loss, weights), weights, strict=True))
        with tf.GradientTape() as tape:
            fake = ops.concatenate([self.generator(vectors), planes], -1)
            g_loss = self.loss_fn(ops.zeros((batch_size, 1)), self.discriminator(fake))
        weights = self.generator.trainable_weights
        self.g_optimizer.apply_gradients(zip(tape.gradient(g_loss, weights), weights, strict=True))
        self.g_loss_metric.update_state(g_loss)
        self.d_loss_metric.update_state(d_loss)
        return {"g_loss": self.g_loss_metric.result(), "d_loss": self.d_loss_metric.result()}


@example("examples/generative/conditional_gan", labelled_images, objective="g_loss")
def conditional_gan(hp):
    model = ConditionalGAN(critic(channels=11), image_decoder(LATENT + 10), LATENT)
    model.compile(**two_rates(hp), loss_fn=keras.losses.BinaryCrossentropy(from_logits=True))
    return model


class DiffusionModel(keras.Model):
    """Denoises images, and keeps a moving average of its network's weights."""

    def __init__(self, network, averaged, ema):
        super().__init__()
        self.normalizer = layers.Normalization()
        self.network = network
        self.ema_network = averaged
        self.ema_network.set_weights(network.get_weights())
        self.ema = ema
        self.seed_generator = keras.random.SeedGenerator(5)

    def compile(self, **kwargs):
        super().compile(**kwargs)
        self.noise_loss_tracker = keras.metrics.Mean(name="n_loss")
        self.image_loss_tracker = keras.metrics.Mean(name="i_loss")

    @property
    def metrics(self):
        return [self.noise_loss_tracker, self.image_loss_tracker]

    def noisy(self, images):
        images = self.normalizer(images)
        noises = keras.random.normal(ops.shape(images), seed=self.seed_generator)
        times = keras.random.uniform((ops.shape(images)[0], 1, 1, 1), 0.0, 1.0, seed=self.seed_generator)
        start, end = ops.arccos(0.95), ops.arccos(0.02)
        angles = start + times * (end - start)
        signal, noise = ops.cos(angles), ops.sin(angles)
        return images, noises, signal * images + noise * noises, signal, noise

    def train_step(self, images):
        images, noises, noisy, signal, noise = self.noisy(images)
        with tf.GradientTape() as tape:
            predicted = self.network([noisy, noise**2], training=True)
            noise_loss = self.loss(noises, predicted)
            image_loss = self.loss(images, (noisy - noise * predicted) / signal)
        gradients = tape.gradient(noise_loss, self.network.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.network.trainable_weights, strict=True))
        self.noise_loss_tracker.update_state(noise_loss)
        self.image_loss_tracker.update_state(image_loss)
        for weight, ema_weight in zip(self.network.weights, self.ema_network.weights, strict=True):
            ema_weight.assign(self.ema * ema_weight + (1 - self.ema) * weight)
        return {metric.name: metric.result() for metric in self.metrics}

    def test_step(self, images):
        _, noises, noisy, _, noise = self.noisy(images)
        self.noise_loss_tracker.update_state(self.loss(noises, self.ema_network([noisy, noise**2], training=False)))
        return {"n_loss": self.noise_loss_tracker.result()}


def sinusoidal_embedding(x):
    frequencies = ops.exp(ops.linspace(ops.log(1.0), ops.log(1000.0), 4))
    angular_speeds = ops.cast(2.0 * np.pi * frequencies, "float32")
    return ops.concatenate([ops.sin(angular_speeds * x), ops.cos(angular_speeds * x)], axis=3)


def denoiser() -> keras.Model:
    noisy, variances = keras.Input((8, 8, 1)), keras.Input((1, 1, 1))
    embedded = layers.Lambda(sinusoidal_embedding, output_shape=(1, 1, 8))(variances)
    embedded = layers.UpSampling2D(size=8, interpolation="nearest")(embedded)
    x = layers.Concatenate()([layers.Conv2D(8, 1)(noisy), embedded])
    residual = layers.Conv2D(8, 1)(x)
    x = layers.BatchNormalization(center=False, scale=False)(x)
    x = layers.Add()([layers.Conv2D(8, 3, padding="same", activation="swish")(x), residual])
    return keras.Model([noisy, variances], layers.Conv2D(1, 1, kernel_initializer="zeros")(x))


def train_and_check_images() -> dict[str, Any]:
    check = tf.data.Dataset.from_tensor_slices(digits()[2]).batch(BATCH, drop_remainder=True)
    return {**image_dataset(), "validation_data": check}


@example("examples/generative/ddim", train_and_check_images, objective="i_loss", holds={"ema": 0.99})
def diffusion(hp):
    model = DiffusionModel(denoiser(), denoiser(), ema=hp.float("ema", 0.9, 0.999))
    model.normalizer.adapt(digits()[0])
    model.compile(
        optimizer=keras.optimizers.AdamW(learning_rate(hp), weight_decay=1e-4), loss=keras.losses.mean_absolute_error
    )
    return model


class VectorQuantizer(layers.Layer):
    """The nearest of learned codes, with gradients copied through."""

    def __init__(self, codes, width, beta):
        super().__init__()
        self.codes, self.width, self.beta = codes, width, beta
        self.embeddings = self.add_weight(
            shape=(width, codes),
            initializer=keras.initializers.RandomUniform(),
            trainable=True,
            name="embeddings_vqvae",
        )

    def call(self, x):
        flattened = ops.reshape(x, [-1, self.width])
        distances = (
            ops.sum(flattened**2, axis=1, keepdims=True)
            + ops.sum(self.embeddings**2, axis=0)
            - 2 * ops.matmul(flattened, self.embeddings)
        )
        encodings = ops.one_hot(ops.argmin(distances, axis=1), self.codes)
        quantized = ops.reshape(ops.matmul(encodings, ops.transpose(self.embeddings)), ops.shape(x))
        commitment = ops.mean((ops.stop_gradient(quantized) - x) ** 2)
        self.add_loss(self.beta * commitment + ops.mean((quantized - ops.stop_gradient(x)) ** 2))
        return x + ops.stop_gradient(quantized - x)


class VQVAETrainer(keras.Model):
    def __init__(self, train_variance, codes, beta):
        super().__init__()
        self.train_variance = train_variance
        inputs = keras.Input((8, 8, 1))
        x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(inputs)
        x = VectorQuantizer(codes, 4, beta)(x)
        self.vqvae = keras.Model(inputs, layers.Conv2DTranspose(1, 3, strides=2, padding="same")(x))
        self.total_loss_tracker = keras.metrics.Mean(name="total_loss")
        self.vq_loss_tracker = keras.metrics.Mean(name="vq_loss")

    @property
    def metrics(self):
        return [self.total_loss_tracker, self.vq_loss_tracker]

    def train_step(self, x):
        with tf.GradientTape() as tape:
            reconstructions = self.vqvae(x)
            reconstruction_loss = ops.mean((x - reconstructions) ** 2) / self.train_variance
            total_loss = reconstruction_loss + sum(self.vqvae.losses)
        gradients = tape.gradient(total_loss, self.vqvae.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.vqvae.trainable_variables, strict=True))
        self.total_loss_tracker.update_state(total_loss)
        self.vq_loss_tracker.update_state(sum(self.vqvae.losses))
        return {"loss": self.total_loss_tracker.result(), "vqvae_loss": self.vq_loss_tracker.result()}


@example("examples/generative/vq_vae", images_only, holds={"codes": 16, "beta": 0.25})
def quantized_autoencoder(hp):
    model = VQVAETrainer(float(np.var(digits()[0])), hp.choice("codes", [16, 32]), hp.float("beta", 0.1, 0.5))
    model.compile(optimizer=adam(hp))
    return model


class RealNVP(keras.Model):
    """Coupling layers held in a list, a fixed mask, and one tracker."""

    def __init__(self, couplings):
        super().__init__()
        self.masks = np.array([[0, 1], [1, 0]] * (couplings // 2), dtype="float32")
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.layers_list = [self.coupling() for _ in range(couplings)]

    @staticmethod
    def coupling():
        inputs = keras.Input((2,))

        def head(activation):
            hidden = layers.Dense(16, activation="relu", kernel_regularizer=keras.regularizers.l2(0.01))(inputs)
            return layers.Dense(2, activation=activation, kernel_regularizer=keras.regularizers.l2(0.01))(hidden)

        return keras.Model(inputs, [head("tanh"), head("linear")])

    @property
    def metrics(self):
        return [self.loss_tracker]

    def call(self, x, training=True):
        log_det = 0
        for mask, layer in zip(self.masks[::-1], self.layers_list[::-1], strict=True):
            masked = x * mask
            reversed_mask = 1 - mask
            scale, shift = layer(masked)
            scale, shift = scale * reversed_mask, shift * reversed_mask
            x = reversed_mask * (x * ops.exp(-scale) - shift * ops.exp(-scale)) + masked
            log_det -= ops.sum(scale, axis=1)
        return x, log_det

    def log_loss(self, x):
        y, log_det = self(x)
        likelihood = -0.5 * ops.sum(y**2, axis=1) - np.log(2 * np.pi) + log_det
        return -ops.mean(likelihood)

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = self.log_loss(data)
        g = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(g, self.trainable_variables, strict=True))
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}

    def test_step(self, data):
        self.loss_tracker.update_state(self.log_loss(data))
        return {"loss": self.loss_tracker.result()}


def moons() -> dict[str, Any]:
    angles = np.random.default_rng(0).uniform(0, np.pi, SAMPLES)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype("float32")
    return {"x": points, "batch_size": BATCH, "validation_split": 0.2}


@example("examples/generative/real_nvp", moons, holds={"couplings": 4})
def normalizing_flow(hp):
    model = RealNVP(hp.choice("couplings", [2, 4]))
    model.compile(optimizer=adam(hp))
    return model


def two_domains() -> dict[str, Any]:
    x, *_ = digits()
    one, other = (tf.data.Dataset.from_tensor_slices(part).batch(16) for part in (x[:64], 1 - x[64:128]))
    return {"x": tf.data.Dataset.zip((one, other))}


class CycleGan(keras.Model):
    """Four networks and four optimizers; it returns plain losses."""

    def __init__(self, lambda_cycle):
        super().__init__()
        self.gen_G, self.gen_F = (
            keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(4, 3, padding="same"), layers.Conv2D(1, 1)])
            for _ in range(2)
        )
        self.disc_X, self.disc_Y = critic(), critic()
        self.lambda_cycle = lambda_cycle

    def call(self, inputs):
        return self.disc_X(inputs), self.disc_Y(inputs), self.gen_G(inputs), self.gen_F(inputs)

    def compile(self, gen_G_optimizer, gen_F_optimizer, disc_X_optimizer, disc_Y_optimizer):
        super().compile()
        self.gen_G_optimizer, self.gen_F_optimizer = gen_G_optimizer, gen_F_optimizer
        self.disc_X_optimizer, self.disc_Y_optimizer = disc_X_optimizer, disc_Y_optimizer
        self.squared = keras.losses.MeanSquaredError()
        self.absolute = keras.losses.MeanAbsoluteError()

    def train_step(self, batch_data):
        real_x, real_y = batch_data
        with tf.GradientTape(persistent=True) as tape:
            fake_y, fake_x = self.gen_G(real_x, training=True), self.gen_F(real_y, training=True)
            cycle = self.absolute(real_x, self.gen_F(fake_y, training=True)) + self.absolute(
                real_y, self.gen_G(fake_x, training=True)
            )
            judged_x, judged_y = self.disc_X(fake_x, training=True), self.disc_Y(fake_y, training=True)
            g_loss = self.squared(ops.ones_like(judged_y), judged_y) + self.lambda_cycle * cycle
            f_loss = self.squared(ops.ones_like(judged_x), judged_x) + self.lambda_cycle * cycle
            true_x, true_y = self.disc_X(real_x, training=True), self.disc_Y(real_y, training=True)
            x_loss = self.squared(ops.ones_like(true_x), true_x) + self.squared(ops.zeros_like(judged_x), judged_x)
            y_loss = self.squared(ops.ones_like(true_y), true_y) + self.squared(ops.zeros_like(judged_y), judged_y)
        for optimizer, loss, network in (
            (self.gen_G_optimizer, g_loss, self.gen_G),
            (self.gen_F_optimizer, f_loss, self.gen_F),
            (self.disc_X_optimizer, x_loss, self.disc_X),
            (self.disc_Y_optimizer, y_loss, self.disc_Y),
        ):
            weights = network.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return {"G_loss": g_loss, "F_loss": f_loss, "D_X_loss": x_loss, "D_Y_loss": y_loss}


@example("examples/generative/cyclegan", two_domains, objective="G_loss", holds={"lambda_cycle": 10.0})
def cycle_gan(hp):
    model = CycleGan(hp.float("lambda_cycle", 5.0, 15.0))
    rate = learning_rate(hp)
    model.compile(*(keras.optimizers.Adam(rate, beta_1=0.5) for _ in range(4)))
    return model


class PixelConvLayer(layers.Layer):
    """A convolution whose kernel is masked; the mask is made when it is built."""

    def __init__(self, mask_type, **kwargs):
        super().__init__()
        self.mask_type = mask_type
        self.conv = layers.Conv2D(**kwargs)

    def build(self, input_shape):
        self.conv.build(input_shape)
        shape = ops.shape(self.conv.kernel)
        self.mask = np.zeros(shape=shape)
        self.mask[: shape[0] // 2, ...] = 1.0
        self.mask[shape[0] // 2, : shape[1] // 2, ...] = 1.0
        if self.mask_type == "B":
            self.mask[shape[0] // 2, shape[1] // 2, ...] = 1.0

    def call(self, inputs):
        self.conv.kernel.assign(self.conv.kernel * self.mask)
        return self.conv(inputs)


def binary_images() -> dict[str, Any]:
    x = np.where(digits()[0] < 0.33, 0, 1).astype("float32")
    return {"x": x, "y": x, "batch_size": BATCH, "validation_split": 0.1}


@example("examples/generative/pixelcnn", binary_images, holds={"filters": 8})
def pixel_cnn(hp):
    inputs = keras.Input((8, 8, 1))
    filters = hp.choice("filters", [8, 16])
    x = PixelConvLayer("A", filters=filters, kernel_size=5, activation="relu", padding="same")(inputs)
    x = x + PixelConvLayer("B", filters=filters, kernel_size=3, activation="relu", padding="same")(x)
    model = keras.Model(inputs, layers.Conv2D(1, 1, activation="sigmoid")(x))
    model.compile(optimizer=adam(hp), loss="binary_crossentropy")
    return model


def next_values() -> dict[str, Any]:
    x, _ = waves()
    levels = np.digitize(x[..., 0], np.linspace(-1, 1, 7)).astype("int32")
    return {"x": np.eye(8, dtype="bool")[levels[:, :-1]], "y": levels[:, -1], "batch_size": BATCH}


@example("examples/generative/lstm_character_level_text_generation", next_values, holds={"units": 16})
def character_lstm(hp):
    model = keras.Sequential([keras.Input((STEPS - 1, 8)), layers.LSTM(hp.choice("units", [16, 32])), layers.Dense(8)])
    model.compile(loss=from_logits(), optimizer=keras.optimizers.RMSprop(learning_rate=learning_rate(hp)))
    return model
