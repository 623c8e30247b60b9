"""A search of twelve trials in which things go wrong: `search`, or drill.py DIRECTORY [SECONDS_AN_EPOCH]."""

import ctypes
import os
import resource
import signal
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from kerastune_lite import GridSearch

TRIALS = 12
HEARTBEAT_TIMEOUT = 12.0
"""Seconds of silence after which a worker counts as hung."""


class SecondEpoch(keras.callbacks.Callback):
    """Does something in the second epoch, and sleeps in each."""

    def __init__(self, action, seconds):
        super().__init__()
        self.action = action
        self.seconds = seconds

    def on_epoch_begin(self, epoch, logs=None):
        time.sleep(self.seconds)
        if epoch == 1 and self.action:
            self.action()


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def silent():
    os.kill(os.getpid(), signal.SIGSTOP)


def out_of_memory():
    resource.setrlimit(resource.RLIMIT_AS, (1 << 36, resource.RLIM_INFINITY))
    np.ones(1 << 36)


def hanging():
    time.sleep(3600.0)


def exiting():
    os._exit(3)


LOUD = 100
"""Megabytes."""


def loud():
    for _ in range(LOUD):
        sys.stdout.write("x" * (1 << 20) + "\n")


def crash():
    ctypes.string_at(0)


def search(directory, *, trials=TRIALS, in_build=(), in_fit=(), once=(), seconds=0.0, **settings):
    """Searches a grid in which a trial's number is its setting.

    Args:
        directory: The study's.
        trials: How many.
        in_build: (trial, action) pairs.
        in_fit: The same, done in the second epoch.
        once: The trials whose second attempt is spared.
        seconds: How long an epoch sleeps.
        **settings: The tuner's.
    """
    in_build, in_fit = dict(in_build), dict(in_fit)

    def action_of(actions, number):
        mark = Path(directory) / f"happened_{number}"
        if number not in actions or (number in once and mark.exists()):
            return None
        mark.touch()
        return actions[number]

    def build_fn(hp):
        number = hp.int("number", 0, trials - 1)
        action = action_of(in_build, number)
        if action:
            action()
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.01 * (number + 1)), loss="mse")
        return model

    def callbacks(trial):
        return [SecondEpoch(action_of(in_fit, trial.number), seconds)]

    x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
    # A plain fit needs no check of the engine in each new worker.
    settings = {"engine": "fit", "seed": 3, "keep_models": 0} | settings
    tuner = GridSearch(build_fn, "val_loss", directory=directory, **settings)
    return tuner.search(x, x[:, :1], validation_split=0.25, epochs=2, callbacks=callbacks)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored in the background
    search(sys.argv[1], seconds=float(sys.argv[2]), workers=2, heartbeat_timeout=HEARTBEAT_TIMEOUT)
