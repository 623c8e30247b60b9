"""A subclassed model with its own train_step: gradients are those of a mixture of samples."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from sklearn.datasets import load_digits

from kerastune_lite import RandomSearch


class MixedUp(keras.Model):
    """A classifier that is trained on mixtures of neighbours in a batch."""

    def __init__(self, units, dropout):
        super().__init__()
        self.hidden = layers.Dense(units, activation="relu")
        self.dropout = layers.Dropout(dropout)
        self.head = layers.Dense(10, activation="softmax")
        self.seeds = keras.random.SeedGenerator(7)

    def call(self, x, training=False):
        return self.head(self.dropout(self.hidden(x), training=training))

    def train_step(self, data):
        x, y = data
        share = keras.random.uniform((ops.shape(x)[0], 1), 0.7, 1.0, seed=self.seeds)
        x, y = (share * part + (1 - share) * ops.roll(part, 1, axis=0) for part in (x, y))
        with tf.GradientTape() as tape:
            predicted = self(x, training=True)
            loss = self.compute_loss(x, y, predicted)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        for metric in self.metrics:
            metric.update_state(loss) if metric.name == "loss" else metric.update_state(y, predicted)
        return {metric.name: metric.result() for metric in self.metrics}


def build_fn(hp):
    model = MixedUp(hp.choice("units", [16, 32, 64]), hp.float("dropout", 0.0, 0.5))
    rate = hp.float("learning_rate", 1e-3, 3e-2, log=True)
    model.compile(keras.optimizers.Adam(rate), "categorical_crossentropy", metrics=["categorical_accuracy"])
    return model


def main(directory=None, max_trials=6, epochs=5):
    images, digits = load_digits(return_X_y=True)
    x, y = (images / 16.0).astype("float32"), np.eye(10, dtype="float32")[digits]
    tuner = RandomSearch(build_fn, "val_categorical_accuracy", max_trials=max_trials, directory=directory, seed=0)
    study = tuner.search(x, y, validation_split=0.2, epochs=epochs)
    print(study.leaderboard())
    return study


if __name__ == "__main__":
    main()
