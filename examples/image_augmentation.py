"""Images out of a tf.data pipeline that shuffles, batches and moves them at random."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from sklearn.datasets import load_digits

from kerastune_lite import BayesianOptimization


def datasets():
    """Digits to train on, each moved by a pixel or so whenever it is read, and digits to validate on."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    images, labels = (images[order] / 16.0).astype("float32").reshape(-1, 8, 8, 1), labels[order]
    move = layers.RandomTranslation(0.1, 0.1, seed=0)
    train = tf.data.Dataset.from_tensor_slices((images[:1400], labels[:1400])).shuffle(1400, seed=0).batch(64)
    train = train.map(lambda x, y: (move(x, training=True), y)).prefetch(tf.data.AUTOTUNE)
    return train, tf.data.Dataset.from_tensor_slices((images[1400:], labels[1400:])).batch(64)


def build_fn(hp):
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(hp.choice("filters", [8, 16]), 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(hp.float("dropout", 0.0, 0.5)),
            layers.Dense(10, activation="softmax"),
        ]
    )
    rate = hp.float("learning_rate", 1e-3, 3e-2, log=True)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main(directory=None, max_trials=6, epochs=4):
    train, check = datasets()
    tuner = BayesianOptimization(build_fn, "val_accuracy", max_trials=max_trials, directory=directory, seed=0)
    study = tuner.search(train, validation_data=check, epochs=epochs)
    print(study.leaderboard())
    return study


if __name__ == "__main__":
    main()
