"""Batches out of a Python generator: `search` is given a function that makes it, since a trial uses one up."""

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits

from kerastune_lite import RandomSearch

BATCH = 64


def batches(x, y):
    """One epoch of batches after the other, without end, each in an order of its own."""
    rng = np.random.default_rng(0)
    while True:
        order = rng.permutation(len(x))
        for begin in range(0, len(x) - BATCH + 1, BATCH):
            rows = order[begin : begin + BATCH]
            yield x[rows], y[rows]


def build_fn(hp):
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(hp.choice("units", [16, 32, 64]), activation="relu"),
            layers.Dropout(hp.float("dropout", 0.0, 0.5)),
            layers.Dense(10, activation="softmax"),
        ]
    )
    rate = hp.float("learning_rate", 1e-3, 3e-2, log=True)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main(directory=None, max_trials=6, epochs=5):
    images, digits = load_digits(return_X_y=True)
    x, x_check = np.split((images / 16.0).astype("float32"), [1400])
    y, y_check = np.split(digits, [1400])
    tuner = RandomSearch(build_fn, "val_accuracy", max_trials=max_trials, directory=directory, seed=0)
    study = tuner.search(
        lambda: batches(x, y), validation_data=(x_check, y_check), steps_per_epoch=len(x) // BATCH, epochs=epochs
    )
    print(study.leaderboard())
    return study


if __name__ == "__main__":
    main()
