"""A search in a process of its own, for the tests that kill it."""

import os
import signal
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from kerastune_lite import GridSearch, RandomSearch

LONGEST_HOLD = 60.0
"""Seconds."""


class KilledAt(keras.callbacks.Callback):
    """At "trial:hook" it kills its own process, with no chance to clean up, or waits while the file "held" exists."""

    def __init__(self, trial, directory, kill, hold):
        super().__init__()
        self.trial, self.directory, self.kill, self.hold = trial, directory, kill, hold

    def _look(self, hook):
        if f"{self.trial}:{hook}" == self.kill:
            os.kill(os.getpid(), signal.SIGKILL)
        if f"{self.trial}:{hook}" == self.hold:
            held, until = Path(self.directory, "held"), time.monotonic() + LONGEST_HOLD
            held.touch()
            while held.exists() and time.monotonic() < until:
                time.sleep(0.05)

    def on_train_begin(self, logs=None):
        self._look("train_begin")

    def on_train_batch_end(self, batch, logs=None):
        self._look(f"batch{batch}")

    def on_test_end(self, logs=None):
        self._look("test_end")

    def on_epoch_end(self, epoch, logs=None):
        self._look(f"epoch{epoch}")

    def on_train_end(self, logs=None):
        self._look("train_end")


def build_fn(hp):
    units = hp.choice("units", [2, 3, 4])
    rate = hp.float("rate", 1e-3, 1e-1, log=True)
    model = keras.Sequential([keras.layers.Dense(units), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(rate), loss="mse")
    return model


def search(directory, max_trials, strategy, kill="", hold=""):
    x = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")
    tuners = {"random": RandomSearch, "grid": GridSearch}
    tuner = tuners[strategy](build_fn, "val_loss", directory=directory, max_trials=max_trials, seed=3, verbose=1)

    def callbacks(trial):
        return [KilledAt(trial.number, directory, kill, hold)]

    tuner.search(x, x[:, :1], validation_split=0.2, epochs=2, callbacks=callbacks)
    print(f"best model: {tuner.best_model().evaluate(x[48:], x[48:, :1], verbose=0)}")


def search_as_a_program(*arguments):
    """The search as a process runs that a person has started: its signals are those of a new one."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with open(os.devnull, "w") as nowhere:
        sys.stdout = nowhere
        search(*arguments)
