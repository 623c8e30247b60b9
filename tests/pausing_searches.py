"""Data, and a small model, of searches whose trials pause and go on."""

from __future__ import annotations

import keras
import numpy as np

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4)).astype("float32")
Y = (X[:, 0] * X[:, 1] + 0.1 * RNG.normal(size=90)).astype("float32")


def build_fn(hp):
    """A model whose settings share one program."""
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(4, activation="tanh")])
    model.add(keras.layers.Dropout(hp.float("dropout", 0.0, 0.5)))
    model.add(keras.layers.Dense(1))
    model.compile(keras.optimizers.SGD(hp.float("rate", 1e-3, 1e-1, log=True), momentum=0.9), "mse", metrics=["mae"])
    return model


def told(study):
    """All of a study's trials that two searches which try the same have in common."""
    return [(t.values, t.state, t.score, t.best_epoch, t.curve, t.stop_reason) for t in study.trials]
