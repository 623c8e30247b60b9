"""The model of an estimator that is given no build_fn: a network with one hidden layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from kerastune_lite.space import HyperParameters


def build_default(hp: HyperParameters, meta: Mapping[str, Any]) -> keras.Model:
    """A network whose inputs are normalised; its width and learning rate are tuned."""
    is_classifier = "n_classes_" in meta
    outputs = meta["n_classes_"] if is_classifier else meta["n_outputs_"]
    # Keras warns of a softmax over a single output, which is what a single class has.
    activation = None if not is_classifier else "softmax" if outputs > 1 else "sigmoid"
    model = keras.Sequential(
        [
            keras.Input(meta["shape"]),
            keras.layers.Flatten(),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.Dense(hp.choice("units", [32, 64, 128]), activation="relu"),
            keras.layers.Dense(outputs, activation=activation),
        ]
    )
    rate = hp.float("learning_rate", 3e-3, 1e-1, log=True, default=1e-2)
    model.compile(keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy" if is_classifier else "mse")
    return model
