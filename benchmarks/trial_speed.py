"""How long a trial takes: this library's engine against bare loops of `build_fn` and `model.fit`, and against peers.

    python benchmarks/trial_speed.py [--rounds 1] [--trials 8] [--models mlp,cnn] [--arms auto,loop]

All arms train the settings of one fixed random search. Each runs in a process of its own, one after the other, model by
model, and a trial is timed from the call of build_fn to that of the next. Printed are medians over the trials after the
second, as ratios to both bare loops (with and without `clear_session`), the memory that a trial leaves behind, which
share of the time of a trial by the engine is spent in its programs, and how many of those trials shared a program.
"mlp of any size" is a search in which the sizes of layers change too; there the mean over all 40 trials counts, the
first ones included. All arms are given the same kind of data: where the name of a model tells one, a dataset or a
PyDataset is made once and serves all trials. Peers that aren't installed are left out (pip install
"kerastune_lite[benchmark]").
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from sklearn.datasets import load_digits

from kerastune_lite import Objective, Suggestion, Tuner
from kerastune_lite.training.engine.runner import EpochRunner
from kerastune_lite.training.engine.stream_runner import StreamRunner

WARM_UP = 2
EPOCHS = {
    "mlp": 10,
    "cnn": 5,
    "lstm": 5,
    "transformer": 10,
    "two inputs": 10,
    "own step": 10,
    "tf.data mlp": 10,
    "tf.data cnn": 5,
    "PyDataset": 10,
    "normalization": 10,
    "vae": 10,
    "gan": 10,
    "cosine schedule": 10,
    "mlp of any size": 10,
}
SIZED = "mlp of any size"
SIZED_TRIALS = 40
BATCH = 32
OBJECTIVES = {"vae": ("loss", "min"), "gan": ("generator_loss", "min")}
"""What is compared where the model isn't a classifier."""
CLASSIFIED = ("val_accuracy", "max")


def digits(kind: str) -> dict[str, Any]:
    """1408 images to train on and 352 to validate on, as the models of a kind take them."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    flat = (images[order] / 16.0).astype("float32")
    x: Any = flat
    if kind in ("cnn", "tf.data cnn", "lstm"):
        x = np.repeat(np.repeat(flat.reshape(-1, 8, 8), 4, 1), 4, 2)[:, 2:30, 2:30]
        x = x if kind == "lstm" else x[..., None]
    elif kind == "transformer":
        x = flat.reshape(-1, 8, 8)
    parts = [slice(0, 1408), slice(1408, 1760)]
    y = labels[order]
    if kind == "two inputs":
        train, check = ({"left": x[part, :32], "right": x[part, 32:]} for part in parts)
    else:
        train, check = (x[part] for part in parts)
    if kind in ("vae", "gan"):  # they learn from the images alone
        return {"x": train, "epochs": EPOCHS[kind]}
    (trained, checked), epochs = (y[part] for part in parts), EPOCHS[kind]
    if kind.startswith("tf.data"):
        dataset = tf.data.Dataset.from_tensor_slices((train, trained)).shuffle(len(train), seed=0).batch(BATCH)
        validation = tf.data.Dataset.from_tensor_slices((check, checked)).batch(BATCH)
        return {"x": dataset.prefetch(2), "validation_data": validation, "epochs": epochs}
    if kind == "PyDataset":
        return {"x": Slices(train, trained), "validation_data": Slices(check, checked), "epochs": epochs}
    return {"x": train, "y": trained, "validation_data": (check, checked), "epochs": epochs}


class Slices(keras.utils.PyDataset):
    """Batches that are cut from arrays."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        super().__init__()
        self._x, self._y = x, y

    def __len__(self) -> int:
        return -(-len(self._x) // BATCH)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        part = slice(index * BATCH, (index + 1) * BATCH)
        return self._x[part], self._y[part]


class OwnStep(keras.Model):
    """A model with its own train_step."""

    def train_step(self, data):
        x, y = data
        x = x + keras.random.normal(keras.ops.shape(x), stddev=0.01, seed=self.noise)
        with tf.GradientTape() as tape:
            predicted = self(x, training=True)
            loss = self.compute_loss(y=y, y_pred=predicted)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, predicted)
        return {metric.name: metric.result() for metric in self.metrics}


class Vae(keras.Model):
    """A variational autoencoder in the manner of Keras's example: a train_step over two models, and no call."""

    def __init__(self, encoder: keras.Model, decoder: keras.Model) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.seeds = keras.random.SeedGenerator(7)
        self.total = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        return [self.total]

    def train_step(self, data):
        with tf.GradientTape() as tape:
            mean, log_variance = self.encoder(data, training=True)
            noise = keras.random.normal(keras.ops.shape(mean), seed=self.seeds)
            image = self.decoder(mean + keras.ops.exp(0.5 * log_variance) * noise, training=True)
            error = keras.ops.mean(
                keras.ops.sum(keras.losses.binary_crossentropy(data[..., None], image[..., None]), 1)
            )
            spread = 1 + log_variance - keras.ops.square(mean) - keras.ops.exp(log_variance)
            loss = error - 0.5 * keras.ops.mean(keras.ops.sum(spread, 1)) + sum(self.losses)
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        self.total.update_state(loss)
        return {"loss": self.total.result()}


class Gan(keras.Model):
    """Two adversaries in the manner of Keras's example, each with an optimizer of its own."""

    def __init__(self, generator: keras.Model, discriminator: keras.Model) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.seeds = keras.random.SeedGenerator(7)
        self.trackers = {name: keras.metrics.Mean(name=name) for name in ("discriminator_loss", "generator_loss")}

    def compile(self, discriminator_optimizer, generator_optimizer, loss_fn):
        super().compile()
        self.discriminator_optimizer = discriminator_optimizer
        self.generator_optimizer = generator_optimizer
        self.loss_fn = loss_fn

    @property
    def metrics(self):
        return list(self.trackers.values())

    def train_step(self, real):
        size = keras.ops.shape(real)[0]
        fake = self.generator(keras.random.normal((size, 16), seed=self.seeds))
        truth = keras.ops.concatenate([keras.ops.ones((size, 1)), keras.ops.zeros((size, 1))])
        with tf.GradientTape() as tape:
            judged = self.discriminator(keras.ops.concatenate([fake, real]), training=True)
            losses = [self.loss_fn(truth, judged)]
        weights = self.discriminator.trainable_weights
        gradients = tape.gradient(losses[0], weights)
        self.discriminator_optimizer.apply_gradients(zip(gradients, weights, strict=True))
        with tf.GradientTape() as tape:
            fake = self.generator(keras.random.normal((size, 16), seed=self.seeds), training=True)
            losses.append(self.loss_fn(keras.ops.zeros((size, 1)), self.discriminator(fake)))
        weights = self.generator.trainable_weights
        gradients = tape.gradient(losses[1], weights)
        self.generator_optimizer.apply_gradients(zip(gradients, weights, strict=True))
        for tracker, loss in zip(self.metrics, losses, strict=True):
            tracker.update_state(loss)
        return {tracker.name: tracker.result() for tracker in self.metrics}


def build_vae(rate: float, dropout: float, regularizer: keras.Regularizer) -> keras.Model:
    """A compiled Vae."""
    inputs = layers.Input((64,))
    hidden = layers.Dense(64, activation="relu", kernel_regularizer=regularizer)(inputs)
    hidden = layers.Dropout(dropout)(hidden)
    encoder = keras.Model(inputs, [layers.Dense(4)(hidden), layers.Dense(4)(hidden)])
    shape = [layers.Input((4,)), layers.Dense(64, activation="relu"), layers.Dense(64, activation="sigmoid")]
    model = Vae(encoder, keras.Sequential(shape))
    model.compile(keras.optimizers.Adam(rate))
    return model


def build_gan(rate: float, dropout: float, regularizer: keras.Regularizer) -> keras.Model:
    """A compiled Gan."""
    judge = [layers.Input((64,)), layers.Dense(64, activation="leaky_relu", kernel_regularizer=regularizer)]
    forge = [layers.Input((16,)), layers.Dense(64, activation="relu"), layers.Dense(64, activation="sigmoid")]
    model = Gan(keras.Sequential(forge), keras.Sequential([*judge, layers.Dropout(dropout), layers.Dense(1)]))
    model.compile(
        keras.optimizers.Adam(rate), keras.optimizers.Adam(2 * rate), keras.losses.BinaryCrossentropy(from_logits=True)
    )
    return model


def adapted_normalization() -> layers.Layer:
    """A layer that knows the mean and variance of the training data."""
    layer = layers.Normalization()
    layer.adapt(digits("normalization")["x"])
    return layer


def rate_of(kind: str, rate: float) -> Any:
    """A rate for an optimizer: a schedule where the model's name tells one."""
    steps = EPOCHS[kind] * 1408 // BATCH
    return keras.optimizers.schedules.CosineDecay(rate, steps) if kind == "cosine schedule" else rate


def build(kind: str, rate: float, dropout: float, l2: float, units: int = 128, depth: int = 2) -> keras.Model:
    """A compiled model of a kind."""
    regularizer = keras.regularizers.L2(l2)
    if kind == "vae":
        return build_vae(rate, dropout, regularizer)
    if kind == "gan":
        return build_gan(rate, dropout, regularizer)
    if kind in ("mlp", "tf.data mlp", "PyDataset", "normalization", "cosine schedule", SIZED):
        first = [adapted_normalization()] if kind == "normalization" else []
        parts = [layers.Input((64,)), *first, layers.Dense(units, activation="relu", kernel_regularizer=regularizer)]
        for _ in range(depth - 1):
            parts += [layers.Dropout(dropout), layers.Dense(64, activation="relu")]
        model = keras.Sequential([*parts, layers.Dropout(dropout), layers.Dense(10)])
    elif kind in ("cnn", "tf.data cnn"):
        model = keras.Sequential(
            [
                layers.Input((28, 28, 1)),
                layers.Conv2D(16, 3, activation="relu", kernel_regularizer=regularizer),
                layers.MaxPooling2D(),
                layers.Conv2D(32, 3),
                layers.BatchNormalization(),
                layers.Activation("relu"),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dropout(dropout),
                layers.Dense(10),
            ]
        )
    elif kind == "lstm":
        out = layers.Dense(10, kernel_regularizer=regularizer)
        model = keras.Sequential([layers.Input((28, 28)), layers.LSTM(32), layers.Dropout(dropout), out])
    elif kind == "transformer":
        inputs = layers.Input((8, 8))
        hidden = layers.Dense(32)(inputs)
        attended = layers.MultiHeadAttention(2, 16, dropout=dropout)(hidden, hidden)
        hidden = layers.LayerNormalization()(layers.Add()([hidden, attended]))
        fed = layers.Dense(64, activation="gelu")(hidden)
        fed = layers.Dropout(dropout)(layers.Dense(32, kernel_regularizer=regularizer)(fed))
        hidden = layers.LayerNormalization()(layers.Add()([hidden, fed]))
        model = keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling1D()(hidden)))
    elif kind == "two inputs":
        left, right = layers.Input((32,), name="left"), layers.Input((32,), name="right")
        first = layers.Dense(64, activation="relu", kernel_regularizer=regularizer)(left)
        hidden = layers.Concatenate()([first, layers.Dense(64, activation="relu")(right)])
        model = keras.Model({"left": left, "right": right}, layers.Dense(10)(layers.Dropout(dropout)(hidden)))
    else:
        inputs = layers.Input((64,))
        hidden = layers.Dense(128, activation="relu", kernel_regularizer=regularizer)(inputs)
        model = OwnStep(inputs, layers.Dense(10)(layers.Dropout(dropout)(hidden)))
        model.noise = keras.random.SeedGenerator(7)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate_of(kind, rate)), loss, metrics=["accuracy"])
    return model


def settings(kind: str, count: int) -> list[dict[str, Any]]:
    """The settings of a random search."""
    rng = np.random.default_rng(1)
    drawn = [
        {
            "rate": float(10 ** rng.uniform(-4, -2)),
            "dropout": float(rng.uniform(0.05, 0.5)),
            "l2": float(10 ** rng.uniform(-6, -3)),
        }
        for _ in range(count)
    ]
    if kind == SIZED:
        for values in drawn:
            values |= {"units": int(rng.choice([32, 64, 128, 256])), "depth": int(rng.integers(1, 4))}
    return drawn


class Laps:
    """Seconds from the begin of each trial to that of the next, and the memory in use at each.

    Attributes:
        kind: The kind of model.
        memory: MiB in use when each trial begins.
        engines: How each trial was trained, where the arm tells it.
    """

    def __init__(self, kind: str, values: Sequence[Mapping[str, Any]]) -> None:
        self.kind = kind
        self._values = iter(values)
        self._begins: list[float] = []
        self.memory: list[float] = []
        self.engines: list[str] = []

    def next_model(self) -> keras.Model:
        self.ends()
        return build(self.kind, **next(self._values))

    def ends(self) -> None:
        self._begins.append(time.perf_counter())
        self.memory.append(resident_mib())

    @property
    def seconds(self) -> list[float]:
        return np.diff(self._begins).tolist()


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc/self/statm").exists() else 0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def run_loop(laps: Laps, data: dict[str, Any], trials: int) -> None:
    for _ in range(trials):
        laps.next_model().fit(**data, verbose=0)


def run_clearing_loop(laps: Laps, data: dict[str, Any], trials: int) -> None:
    for _ in range(trials):
        laps.next_model().fit(**data, verbose=0)
        keras.utils.clear_session()


class EverySetting:
    """A strategy that only counts: the settings are those of the benchmark."""

    def suggest(self, space, trials, rng):
        return Suggestion({"trial": len(trials)})


def run_ours(engine: str) -> Callable[[Laps, dict[str, Any], int], None]:
    def run(laps: Laps, data: dict[str, Any], trials: int) -> None:
        def build_fn(hp):
            hp.int("trial", 0, trials)
            return laps.next_model()

        objective = Objective(*OBJECTIVES.get(laps.kind, CLASSIFIED))
        with tempfile.TemporaryDirectory() as directory:
            arguments = {"directory": directory, "max_trials": trials, "seed": 0, "verbose": 0, "engine": engine}
            study = Tuner(build_fn, objective, strategy=EverySetting(), **arguments).search(**data)
        laps.engines = [str(trial.engine) for trial in study.trials]

    return run


def run_keras_tuner(laps: Laps, data: dict[str, Any], trials: int) -> None:
    import keras_tuner

    is_first = True

    def build_model(hp):
        nonlocal is_first
        hp.Choice("trial", list(range(trials)))
        if is_first:  # before its first trial, to learn the space
            is_first = False
            return build(laps.kind, **settings(laps.kind, 1)[0])
        return laps.next_model()

    with tempfile.TemporaryDirectory() as directory, contextlib.redirect_stdout(io.StringIO()):
        objective = keras_tuner.Objective(*OBJECTIVES.get(laps.kind, CLASSIFIED))
        keras_tuner.GridSearch(
            build_model, objective=objective, max_trials=trials, directory=directory, project_name="p"
        ).search(**data, verbose=0)


def run_optuna(laps: Laps, data: dict[str, Any], trials: int) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)

    name, goal = OBJECTIVES.get(laps.kind, CLASSIFIED)
    best = max if goal == "max" else min

    def objective(trial):
        trial.suggest_int("trial", 0, trials - 1)
        history = laps.next_model().fit(**data, verbose=0).history
        keras.utils.clear_session()  # as Optuna's own Keras example does
        return best(history[name])

    with tempfile.TemporaryDirectory() as directory:
        optuna.create_study(storage=f"sqlite:///{directory}/study.db", direction=f"{goal}imize").optimize(
            objective, n_trials=trials
        )


ARMS: dict[str, Callable[[Laps, dict[str, Any], int], None]] = {
    "loop": run_loop,
    "loop + clear_session": run_clearing_loop,
    "auto": run_ours("auto"),
    "fit": run_ours("fit"),
    "KerasTuner": run_keras_tuner,
    "Optuna": run_optuna,
}


def measured(arm: str, kind: str, trials: int) -> dict[str, Any]:
    """Seconds of trials, memory, and seconds inside programs, of one arm in this process."""
    inside = [0.0]
    run_program = EpochRunner._by

    def timed(program, token, end):
        began = time.perf_counter()
        try:
            logs = run_program(program, token, end)
            return tf.nest.map_structure(lambda leaf: leaf.numpy() if tf.is_tensor(leaf) else leaf, logs)
        finally:
            inside[0] += time.perf_counter() - began

    EpochRunner._by = staticmethod(timed)
    run_steps = StreamRunner._steps

    def steps_timed(self, token, most):
        began = time.perf_counter()
        try:
            return run_steps(self, token, most)
        finally:
            inside[0] += time.perf_counter() - began

    StreamRunner._steps = steps_timed
    laps = Laps(kind, settings(kind, trials))
    gc.collect()
    ARMS[arm](laps, digits(kind), trials)
    laps.ends()
    return {"seconds": laps.seconds, "memory": laps.memory, "inside": inside[0], "engines": laps.engines}


def shared_of(runs: Sequence[Mapping[str, Any]]) -> str:
    """How many trials of an arm shared a program, of how many; nothing where the arm doesn't tell."""
    engines = [engine for run in runs for engine in run["engines"]]
    return f"{sum(engine.startswith('shared') for engine in engines)} of {len(engines)}" if engines else ""


def report(kind: str, results: Mapping[str, list[dict[str, Any]]]) -> None:
    """Prints a model's table."""
    print(f"\n{kind}, {EPOCHS[kind]} epochs")
    heads = (
        f"{'seconds':>9s}{'x loop':>9s}{'x loop + clear':>16s}{'MiB a trial':>13s}{'in programs':>13s}{'shared':>9s}"
    )
    print(f"{'':24s}{heads}")

    def typical(runs: Sequence[dict[str, Any]]) -> float:
        seconds = [run["seconds"] if kind == SIZED else run["seconds"][WARM_UP:] for run in runs]
        flat = [second for each in seconds for second in each]
        return statistics.fmean(flat) if kind == SIZED else statistics.median(flat)

    bare = {name: typical(results[name]) for name in ("loop", "loop + clear_session") if name in results}
    for arm, runs in results.items():
        seconds = typical(runs)
        ratios = [f"{value / seconds:.2f}" for value in bare.values()]
        grown = statistics.fmean((run["memory"][-1] - run["memory"][WARM_UP]) / len(run["seconds"]) for run in runs)
        share = statistics.fmean(run["inside"] / sum(run["seconds"]) for run in runs)
        told = f"{100 * share:.0f} %" if share else ""
        name = f"kerastune_lite, {arm}" if arm in ("auto", "fit") else arm
        print(
            f"{name:24s}{seconds:9.3f}{ratios[0]:>9s}{ratios[-1]:>16s}{grown:13.2f}{told:>13s}{shared_of(runs):>9s}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="How long a trial takes.")
    parser.add_argument("--rounds", type=int, default=1, help="how often every arm is run, in turn")
    parser.add_argument("--trials", type=int, default=8, help="trials an arm and round; the first two are not counted")
    parser.add_argument("--models", default=",".join(EPOCHS), help="names, by commas")
    parser.add_argument("--arms", default=",".join(ARMS), help="names, by commas")
    parser.add_argument("--one", action="store_true", help="run one arm in this process, and print it as JSON")
    options = parser.parse_args()
    kinds, arms = options.models.split(","), options.arms.split(",")
    if options.one:
        print(json.dumps(measured(arms[0], kinds[0], options.trials)))
        return
    versions = f"Keras {keras.__version__}, TensorFlow {tf.__version__}, Python {platform.python_version()}"
    print(f"{time.strftime('%Y-%m-%d')}, {versions}, {os.cpu_count()} cores, {platform.machine()}")
    for kind in kinds:
        results: dict[str, list[dict[str, Any]]] = {arm: [] for arm in arms}
        for _ in range(options.rounds):
            for arm in arms:
                trials = SIZED_TRIALS if kind == SIZED else options.trials
                command = [sys.executable, __file__, "--one", "--models", kind, "--arms", arm, "--trials", str(trials)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    print(f"{arm} is left out: {(done.stderr.strip() or 'no message').splitlines()[-1]}")
                else:
                    results[arm].append(json.loads(done.stdout.strip().splitlines()[-1]))
        report(kind, {arm: runs for arm, runs in results.items() if runs})


if __name__ == "__main__":
    main()
