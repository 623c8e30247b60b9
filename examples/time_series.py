"""A time series: windows over one long series, and a recurrent network that tells the next value."""

import keras
import numpy as np
from keras import layers

from kerastune_lite import RandomSearch

WINDOW = 20


def windows():
    """Windows of a noisy wave with the value after each, the later ones to validate on."""
    moments = np.arange(600)
    series = np.sin(moments / 5) + np.sin(moments / 17) + np.random.default_rng(0).normal(size=600) * 0.1
    x = np.lib.stride_tricks.sliding_window_view(series[:-1], WINDOW)[..., None].astype("float32")
    y = series[WINDOW:].astype("float32")
    # The windows that overlap with those to validate on are left out.
    return (x[:440], y[:440]), (x[440 + WINDOW :], y[440 + WINDOW :])


def build_fn(hp):
    units = hp.choice("units", [8, 16])
    cell = {"gru": layers.GRU, "lstm": layers.LSTM}[hp.choice("cell", ["gru", "lstm"])]
    model = keras.Sequential([keras.Input((WINDOW, 1)), cell(units), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(hp.float("learning_rate", 1e-3, 3e-2, log=True)), "mse", metrics=["mae"])
    return model


def main(directory=None, max_trials=6, epochs=5):
    (x, y), check = windows()
    tuner = RandomSearch(build_fn, "val_mae", max_trials=max_trials, directory=directory, seed=0)
    study = tuner.search(x, y, validation_data=check, epochs=epochs)
    print(study.leaderboard())
    return study


if __name__ == "__main__":
    main()
