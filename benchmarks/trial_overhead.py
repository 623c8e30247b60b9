"""What a tuner adds to a trial, against a bare loop of `build_fn` and `model.fit` with the same settings.

    python benchmarks/trial_overhead.py [--rounds 4] [--trials 10] [--epochs 5]

In every round the same settings are trained by the bare loop and by each tuner, in turn, in one process. A trial is
timed from the moment at which its build_fn is called to the same moment of the next, so that all that a tuner does
between two trainings is counted. Printed are medians over all trials and what the tuner added to the bare loop. Peers
that aren't installed are left out (pip install "kerastune_lite[benchmark]").
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import itertools
import os
import platform
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

from kerastune_lite import Suggestion, Tuner

WARM_UP = 2


def build(units: int, rate: float) -> keras.Model:
    model = keras.Sequential(
        [keras.layers.Dense(units, activation="relu"), keras.layers.Dense(10, activation="softmax")]
    )
    model.compile(keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def settings(rounds: int) -> list[dict[str, float]]:
    """One learning rate a round, so that no tuner may skip a setting as tried."""
    return [{"units": 64, "rate": 1e-3 * (1 + 0.01 * index)} for index in range(rounds)]


class OneAfterTheOther:
    """A strategy that hands out the settings of the rounds."""

    def __init__(self, values: list[dict[str, float]]) -> None:
        self.values = values

    def suggest(self, space, trials, rng):
        return Suggestion(self.values[len(trials)])


class Stopwatch:
    """Seconds between the ends of consecutive trials, as build_fn sees them begin."""

    def __init__(self) -> None:
        self.begins: list[float] = []

    def begin(self) -> None:
        self.begins.append(time.perf_counter())

    def seconds(self, end: float) -> list[float]:
        marks = [*self.begins, end]
        return [after - before for before, after in itertools.pairwise(marks)]


def time_bare(values, arguments, *, clear: bool) -> list[float]:
    watch = Stopwatch()
    for value in values:
        watch.begin()
        if clear:
            keras.utils.clear_session()
        build(value["units"], value["rate"]).fit(**arguments, verbose=0)
    return watch.seconds(time.perf_counter())


def time_ours(values, arguments) -> list[float]:
    watch = Stopwatch()

    def build_fn(hp):
        watch.begin()
        return build(hp.int("units", 1, 512), hp.float("rate", 1e-5, 1.0))

    with tempfile.TemporaryDirectory() as directory:
        tuner = Tuner(
            build_fn,
            "val_accuracy",
            strategy=OneAfterTheOther(values),
            directory=directory,
            max_trials=len(values),
            verbose=1,
            seed=0,
        )
        with contextlib.redirect_stdout(io.StringIO()):
            tuner.search(**arguments)
        return watch.seconds(time.perf_counter())


def time_keras_tuner(values, arguments) -> list[float]:
    import keras_tuner

    watch = Stopwatch()
    rounds = iter([values[0], *values])  # it builds once before its first trial

    def build_model(hp):
        hp.Choice("round", list(range(len(values))))
        watch.begin()
        value = next(rounds)
        return build(value["units"], value["rate"])

    with tempfile.TemporaryDirectory() as directory, contextlib.redirect_stdout(io.StringIO()):
        tuner = keras_tuner.GridSearch(
            build_model, objective="val_accuracy", max_trials=len(values), directory=directory, project_name="p"
        )
        watch.begins.clear()
        tuner.search(**arguments, verbose=0)
        return watch.seconds(time.perf_counter())


def time_optuna(values, arguments) -> list[float]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    watch = Stopwatch()

    def objective(trial):
        watch.begin()
        keras.utils.clear_session()
        value = values[trial.suggest_int("round", 0, len(values) - 1)]
        callback = optuna_pruning(trial)
        history = build(value["units"], value["rate"]).fit(**arguments, callbacks=[callback], verbose=0).history
        return max(history["val_accuracy"])

    with tempfile.TemporaryDirectory() as directory:
        study = optuna.create_study(
            storage=f"sqlite:///{directory}/study.db",
            direction="maximize",
            sampler=optuna.samplers.GridSampler({"round": list(range(len(values)))}, seed=0),
        )
        study.optimize(objective, n_trials=len(values))
        return watch.seconds(time.perf_counter())


def optuna_pruning(trial) -> keras.callbacks.Callback:
    """What Optuna's own integration does: report each epoch's value to the study."""

    class Reporting(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            trial.report(logs["val_accuracy"], step=epoch)

    return Reporting()


ARMS = {
    "bare loop": lambda values, arguments: time_bare(values, arguments, clear=False),
    "bare loop + clear_session": lambda values, arguments: time_bare(values, arguments, clear=True),
    "kerastune_lite": time_ours,
    "KerasTuner": time_keras_tuner,
    "Optuna": time_optuna,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=4, help="how often every arm is run, in turn")
    parser.add_argument("--trials", type=int, default=10, help="trials an arm and round; the first two are not counted")
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()
    x, y = load_digits(return_X_y=True)
    arguments = {"x": (x / 16.0).astype("float32"), "y": y, "validation_split": 0.2, "epochs": options.epochs}
    values = settings(options.trials)
    seconds: dict[str, list[float]] = {name: [] for name in ARMS}
    for round_number in range(options.rounds):
        names = list(ARMS)
        # Each round begins with another arm, so that a drift of the machine falls on all of them.
        for name in names[round_number % len(names) :] + names[: round_number % len(names)]:
            gc.collect()
            try:
                seconds[name] += ARMS[name](values, arguments)[WARM_UP:]
            except ImportError:
                seconds.pop(name, None)
                ARMS.pop(name, None)
                print(f"{name} is not installed")
    report(seconds)


def report(seconds: dict[str, list[float]]) -> None:
    versions = f"Keras {keras.__version__}, TensorFlow {tf.__version__}, Python {platform.python_version()}"
    print(f"\n{time.strftime('%Y-%m-%d')}, {versions}, {os.cpu_count()} cores, {platform.machine()}")
    bare = statistics.median(seconds["bare loop"])
    print(f"{'':28s}{'median s':>10s}{'quartiles':>18s}{'ratio':>8s}{'added ms':>10s}")
    for name, times in seconds.items():
        median = statistics.median(times)
        low, _, high = statistics.quantiles(times, n=4)
        added = 1000 * (median - bare)
        print(f"{name:28s}{median:10.3f}{f'{low:.3f} - {high:.3f}':>18s}{median / bare:8.3f}{added:10.1f}")


if __name__ == "__main__":
    np.random.seed(0)
    main()
