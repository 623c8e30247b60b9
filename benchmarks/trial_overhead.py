"""What a tuner adds to a trial, against a bare loop of `build_fn` and `model.fit` with the same settings.

    python benchmarks/trial_overhead.py [--rounds 3] [--trials 12] [--epochs 5]

Each tuner runs in a process of its own, and before each of its trials the same setting is trained by a bare `build_fn`
and `model.fit`, so that a drift of the machine falls on both. A trial is timed from the moment at which build_fn is
called to the same moment of the next, the bare trial left out, so that all that a tuner does between two trainings is
counted. Printed are medians over all trials, of the seconds and of what each trial took longer than its bare one.
Peers that aren't installed are left out (pip install "kerastune_lite[benchmark]").
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
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


class PairedTimes:
    """Seconds of a tuner's trials, and of a bare training of the same setting just before each."""

    def __init__(self, values: list[dict[str, float]], arguments: dict) -> None:
        self._values = iter(values)
        self._arguments = arguments
        self._resumed: float | None = None
        self.bare: list[float] = []
        self.tuner: list[float] = []

    def next_model(self) -> keras.Model:
        """Ends the trial before, trains the next setting barely, and builds it for the tuner's own trial."""
        self.end()
        value = next(self._values)
        gc.collect()
        begin = time.perf_counter()
        build(value["units"], value["rate"]).fit(**self._arguments, verbose=0)
        self.bare.append(time.perf_counter() - begin)
        gc.collect()
        self._resumed = time.perf_counter()
        return build(value["units"], value["rate"])

    def end(self) -> None:
        if self._resumed is not None:
            self.tuner.append(time.perf_counter() - self._resumed)
            self._resumed = None


def run_clearing_loop(times: PairedTimes, values, arguments) -> None:
    for _ in values:
        times.next_model().fit(**arguments, verbose=0)
        keras.utils.clear_session()
        times.end()


def run_ours(times: PairedTimes, values, arguments) -> None:
    def build_fn(hp):
        hp.int("units", 1, 512)
        hp.float("rate", 1e-5, 1.0)
        return times.next_model()

    with tempfile.TemporaryDirectory() as directory, contextlib.redirect_stdout(io.StringIO()):
        strategy = OneAfterTheOther(values)
        settings = {"directory": directory, "max_trials": len(values), "seed": 0, "engine": "fit"}
        Tuner(build_fn, "val_accuracy", strategy=strategy, **settings).search(**arguments)
        times.end()


def run_keras_tuner(times: PairedTimes, values, arguments) -> None:
    import keras_tuner

    builds = itertools.count()

    def build_model(hp):
        hp.Choice("round", list(range(len(values))))
        if next(builds) == 0:  # before its first trial, to learn the space
            return build(**values[0])
        return times.next_model()

    with tempfile.TemporaryDirectory() as directory, contextlib.redirect_stdout(io.StringIO()):
        tuner = keras_tuner.GridSearch(
            build_model, objective="val_accuracy", max_trials=len(values), directory=directory, project_name="p"
        )
        tuner.search(**arguments, verbose=0)
        times.end()


def run_optuna(times: PairedTimes, values, arguments) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial):
        trial.suggest_int("round", 0, len(values) - 1)
        model = times.next_model()
        history = model.fit(**arguments, callbacks=[reporting_to(trial)], verbose=0).history
        keras.utils.clear_session()  # as Optuna's own Keras example does
        return max(history["val_accuracy"])

    with tempfile.TemporaryDirectory() as directory:
        study = optuna.create_study(
            storage=f"sqlite:///{directory}/study.db",
            direction="maximize",
            sampler=optuna.samplers.GridSampler({"round": list(range(len(values)))}, seed=0),
        )
        study.optimize(objective, n_trials=len(values))
        times.end()


def reporting_to(trial) -> keras.callbacks.Callback:
    """What Optuna's own integration does: report each epoch's value to the study."""

    class Reporting(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            trial.report(logs["val_accuracy"], step=epoch)

    return Reporting()


ARMS = {
    "loop + clear_session": run_clearing_loop,
    "kerastune_lite": run_ours,
    "KerasTuner": run_keras_tuner,
    "Optuna": run_optuna,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="What a tuner adds to a trial.")
    parser.add_argument("--rounds", type=int, default=3, help="how often every arm is run, in turn")
    parser.add_argument("--trials", type=int, default=12, help="trials an arm and round; the first two are not counted")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--arm", choices=ARMS, help="run only this one, and print its seconds as JSON")
    options = parser.parse_args()
    if options.arm:
        x, y = load_digits(return_X_y=True)
        arguments = {"x": (x / 16.0).astype("float32"), "y": y, "validation_split": 0.2, "epochs": options.epochs}
        values = settings(options.trials)
        times = PairedTimes(values, arguments)
        ARMS[options.arm](times, values, arguments)
        print(json.dumps(list(zip(times.bare, times.tuner, strict=True))[WARM_UP:]))
        return
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in ARMS}
    for _ in range(options.rounds):
        for name in list(pairs):
            command = [sys.executable, __file__, "--arm", name, "--trials", str(options.trials)]
            command += ["--epochs", str(options.epochs)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{name} is left out: {done.stderr.strip().splitlines()[-1]}")
                pairs.pop(name)
            else:
                pairs[name] += json.loads(done.stdout.strip().splitlines()[-1])
    report(pairs)


def report(pairs: dict[str, list[tuple[float, float]]]) -> None:
    versions = f"Keras {keras.__version__}, TensorFlow {tf.__version__}, Python {platform.python_version()}"
    print(f"{time.strftime('%Y-%m-%d')}, {versions}, {os.cpu_count()} cores, {platform.machine()}")
    print(f"{'':22s}{'trials':>8s}{'bare s':>9s}{'tuner s':>9s}{'added ms':>10s}{'quartiles':>18s}{'added %':>9s}")
    for name, both in pairs.items():
        bare = statistics.median(bare for bare, _ in both)
        tuner = statistics.median(tuner for _, tuner in both)
        low, added, high = statistics.quantiles((1000 * (tuner - bare) for bare, tuner in both), n=4)
        share = 0.1 * added / bare
        quartiles = f"{low:.0f} to {high:.0f}"
        print(f"{name:22s}{len(both):8d}{bare:9.3f}{tuner:9.3f}{added:10.0f}{quartiles:>18s}{share:9.1f}")


if __name__ == "__main__":
    main()
