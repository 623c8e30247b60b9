"""How many epochs, and how many seconds, until a search holds what KerasTuner's Hyperband holds at its end.

    taskset -c 0 python benchmarks/time_to_target.py [--problem digits|fashion] [--data fashion_mnist.npz]
                                                     [--arms "a;b"] [--seeds 5] [--table]

Two problems, both a small convolutional network with six parameters and up to 27 epochs a trial: scikit-learn's digits
(360 images to train, 1,437 to validate; 540 epochs in all), and Fashion-MNIST (10,000 and 5,000; from keras.datasets,
or a file; 270 epochs in all, since a seed takes an hour).

The target of a seed is the best validation accuracy of KerasTuner's Hyperband at its end, after all that its brackets
ask for. It reaches that by definition, whatever its luck, so the table also shows how often it reaches the targets of
the other seeds. Every other arm is ended where it reaches the target, or has spent its epochs; in the mean of the
epochs, a search that didn't reach its target counts with all of them. The best accuracy after every epoch is appended
to benchmarks/results/time_to_target/, one file for each problem and one line for each seed and arm, and is not run
again, so the benchmark can be stopped and resumed; `--table` prints the stored results without running anything. The
curves are drawn into benchmarks/out/ where matplotlib is installed.

Every arm runs in a process of its own. Seconds are processor seconds, of all cores together: held to one core, as by
taskset above, they are the seconds of the search, and what else runs on the machine matters little.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from peer_spaces import declared_to_keras_tuner, suggested_by_optuna
from result_lines import append_result, read_results

from kerastune_lite import BayesianOptimization, FreezeThaw, Hyperband, RandomSearch, Tuner
from kerastune_lite.space import Choice, Float, Int, Space
from kerastune_lite.stopping import MedianRule, Plateau, SuccessiveHalving

FOLDER = Path(__file__).parent
RESULTS, PICTURES = FOLDER / "results" / "time_to_target", FOLDER / "out"
MAX_EPOCHS, FACTOR = 27, 3
TARGET = "KerasTuner, Hyperband"
FIRST_SEED = 100

Data = tuple[Any, Any, tuple[Any, Any]]
Curve = list[tuple[float, float]]
"""Processor seconds since the start and the best validation accuracy so far, after each epoch of a search."""
Arm = Callable[[Data, "Watch", int], None]
"""Searches with a seed until its watch raises SearchIsOver."""

SPACE = Space(
    [
        Float(name="learning_rate", low=1e-4, high=1e-1, log=True),
        Int(name="filters", low=4, high=24, log=True),
        Int(name="units", low=16, high=96, log=True),
        Float(name="dropout", low=0.0, high=0.6),
        Float(name="decay", low=1e-6, high=1e-2, log=True),
        Choice(name="optimizer", options=("adam", "sgd")),
    ]
)


def model_of(values: Mapping[str, Any], shape: tuple[int, ...]) -> keras.Model:
    decay = keras.regularizers.L2(values["decay"])
    model = keras.Sequential(
        [
            keras.layers.Input(shape),
            keras.layers.Conv2D(values["filters"], 3, activation="relu", kernel_regularizer=decay),
            keras.layers.MaxPooling2D(2),
            keras.layers.Flatten(),
            keras.layers.Dropout(values["dropout"]),
            keras.layers.Dense(values["units"], activation="relu", kernel_regularizer=decay),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    rate = values["learning_rate"]
    adam = values["optimizer"] == "adam"
    optimizer = keras.optimizers.Adam(rate) if adam else keras.optimizers.SGD(rate, momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def digits(_: Path | None) -> Data:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = (x[order] / 16.0).astype("float32").reshape(-1, 8, 8, 1), y[order]
    return x[:360], y[:360], (x[360:], y[360:])


def fashion(path: Path | None) -> Data:
    if path is None:
        (x, y), _ = keras.datasets.fashion_mnist.load_data()
    else:
        with np.load(path) as archive:
            x, y = archive["x_train"], archive["y_train"]
    x = (x[:15000] / 255.0).astype("float32")[..., None]
    return x[:10000], y[:10000], (x[10000:], y[10000:15000])


PROBLEMS: dict[str, tuple[Callable[[Path | None], Data], int]] = {
    "digits": (digits, 20 * MAX_EPOCHS),
    "fashion": (fashion, 10 * MAX_EPOCHS),
}
"""What makes the data of a problem, and how many epochs an arm spends on it at most."""


# What is measured


class SearchIsOver(BaseException):
    """Ends a search from inside a training; no `except Exception` of a tuner takes it for a failed trial."""


class Watch:
    """Notes the best validation accuracy after each epoch of any fit, and ends the search at the target."""

    def __init__(self, epochs: float, target: float) -> None:
        self.epochs = epochs
        self.target = target
        self.started = time.process_time()
        self.curve: Curve = []

    def note(self, accuracy: float) -> None:
        best = max(accuracy, self.curve[-1][1] if self.curve else 0.0)
        self.curve.append((round(time.process_time() - self.started, 3), best))
        if best >= self.target or len(self.curve) >= self.epochs:
            raise SearchIsOver


class Noting(keras.callbacks.Callback):
    """Reports each epoch to a watch, from the first epoch that counts; its copies report to the same watch."""

    def __init__(self, watch: Watch, first: int = 0) -> None:
        super().__init__()
        self.watch = watch
        self.first = first

    def __deepcopy__(self, memo: Any) -> Noting:
        return Noting(self.watch, self.first)

    def get_state(self) -> dict[str, Any]:
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        pass

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        if epoch >= self.first:
            self.watch.note((logs or {})["val_accuracy"])


# Ours


def ours(make: Callable[[Any, dict[str, Any]], Tuner]) -> Arm:
    def arm(data: Data, watch: Watch, seed: int) -> None:
        x, y, validation = data

        def build_fn(hp: Any) -> keras.Model:
            values = {}
            for p in SPACE:
                if isinstance(p, Choice):
                    values[p.name] = hp.choice(p.name, p.options)
                else:
                    ask = hp.int if isinstance(p, Int) else hp.float
                    values[p.name] = ask(p.name, p.low, p.high, log=p.log)
            return model_of(values, x.shape[1:])

        with tempfile.TemporaryDirectory() as directory:
            settings = {"directory": directory, "seed": seed, "verbose": 0}
            tuner = make(build_fn, settings)
            length: dict[str, Any] = {} if isinstance(tuner, (FreezeThaw, Hyperband)) else {"epochs": MAX_EPOCHS}
            if isinstance(tuner, FreezeThaw):
                length = {"max_epochs_total": int(watch.epochs)}
            tuner.search(x, y, validation_data=validation, callbacks=[Noting(watch)], **length)

    return arm


def bayesian(stopping: Any) -> Arm:
    return ours(
        lambda build_fn, settings: BayesianOptimization(
            build_fn, "val_accuracy", max_trials=None, stopping=stopping, **settings
        )
    )


def hyperband(strategy: Any) -> Arm:
    return ours(
        lambda build_fn, settings: Hyperband(
            build_fn,
            "val_accuracy",
            max_epochs=MAX_EPOCHS,
            factor=FACTOR,
            iterations=9,
            strategy=strategy,
            **settings,
        )
    )


def freeze_thaw(build_fn: Any, settings: dict[str, Any]) -> Tuner:
    return FreezeThaw(build_fn, "val_accuracy", max_epochs=MAX_EPOCHS, **settings)


def random_halving(build_fn: Any, settings: dict[str, Any]) -> Tuner:
    return RandomSearch(build_fn, "val_accuracy", max_trials=None, stopping="asha", **settings)


# The peers


def by_optuna(pruner_of: Callable[[Any], Any]) -> Arm:
    def arm(data: Data, watch: Watch, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        x, y, validation = data

        class Pruning(keras.callbacks.Callback):
            def __init__(self, trial: Any) -> None:
                super().__init__()
                self.trial = trial

            def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
                self.trial.report((logs or {})["val_accuracy"], epoch + 1)
                if self.trial.should_prune():
                    self.model.stop_training = True

        def objective(trial: Any) -> float:
            values = suggested_by_optuna(trial, SPACE)
            keras.backend.clear_session()
            keras.utils.set_random_seed(seed * 10_000 + trial.number)
            model = model_of(values, x.shape[1:])
            history = model.fit(
                x,
                y,
                validation_data=validation,
                epochs=MAX_EPOCHS,
                verbose=0,
                callbacks=[Noting(watch), Pruning(trial)],
            ).history["val_accuracy"]
            if len(history) < MAX_EPOCHS:
                raise optuna.TrialPruned
            return max(history)

        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed), pruner=pruner_of(optuna)
        )
        study.optimize(objective)

    return arm


def by_keras_tuner(data: Data, watch: Watch, seed: int) -> None:
    """One run of its brackets: however many epochs they ask for."""
    with contextlib.redirect_stderr(io.StringIO()):
        import keras_tuner

    x, y, validation = data

    def build(hp: Any) -> keras.Model:
        return model_of({p.name: hp.get(p.name) for p in SPACE}, x.shape[1:])

    keras.utils.set_random_seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        tuner = keras_tuner.Hyperband(
            build,
            "val_accuracy",
            hyperparameters=declared_to_keras_tuner(SPACE),
            max_epochs=MAX_EPOCHS,
            factor=FACTOR,
            seed=seed,
            directory=folder,
            project_name="a",
        )
        tuner.search(x, y, validation_data=validation, verbose=0, callbacks=[Noting(watch)])


def screening(data: Data, watch: Watch, seed: int) -> None:
    """Random search with one epoch each for half of the budget; then the best of them, one after the other, to the end.

    Egele et al. 2023: the simplest multi-fidelity search.
    """
    x, y, validation = data
    rng = np.random.default_rng(seed)
    finalists = max(int(watch.epochs) // 2 // (MAX_EPOCHS - 1), 1)
    first = int(watch.epochs) - finalists * (MAX_EPOCHS - 1)

    def train(values: Mapping[str, Any], number: int, until: int) -> float:
        keras.backend.clear_session()
        keras.utils.set_random_seed(seed * 10_000 + number)
        model = model_of(values, x.shape[1:])
        # The first epoch of a second training was paid for in the first.
        noting = Noting(watch, first=1 if until > 1 else 0)
        fit = model.fit(x, y, validation_data=validation, epochs=until, verbose=0, callbacks=[noting])
        return max(fit.history["val_accuracy"])

    tried = []
    for number in range(first):
        values = SPACE.decode(rng.random(len(SPACE)))
        tried.append((-train(values, number, 1), number, values))
    for _, number, values in sorted(tried, key=lambda row: row[:2])[:finalists]:
        train(values, number, MAX_EPOCHS)


ARMS: dict[str, Arm] = {
    TARGET: by_keras_tuner,
    "Optuna, TPE + median pruner": by_optuna(lambda optuna: optuna.pruners.MedianPruner(n_warmup_steps=3)),
    "Optuna, TPE + successive halving": by_optuna(
        lambda optuna: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=FACTOR)
    ),
    "Optuna, TPE + Hyperband pruner": by_optuna(
        lambda optuna: optuna.pruners.HyperbandPruner(min_resource=1, max_resource=MAX_EPOCHS, reduction_factor=FACTOR)
    ),
    "random, one epoch, the best to the end": screening,
    "ours, random + halving": ours(random_halving),
    "ours, Bayesian": bayesian(None),
    "ours, Bayesian + halving": bayesian("asha"),
    "ours, Bayesian + halving after one epoch": bayesian(SuccessiveHalving(min_epochs=1, factor=FACTOR)),
    "ours, Bayesian + median": bayesian(MedianRule(grace_epochs=3)),
    "ours, Bayesian + plateau": bayesian(Plateau()),
    "ours, freeze-thaw": ours(freeze_thaw),
    "ours, Hyperband": hyperband("random"),
    "ours, Hyperband + Bayesian": hyperband("bayesian"),
}


NAMESAKES = {
    "ours, Bayesian + halving": "Optuna, TPE + successive halving",
    "ours, Bayesian + median": "Optuna, TPE + median pruner",
    "ours, Hyperband": TARGET,
    "ours, Hyperband + Bayesian": "Optuna, TPE + Hyperband pruner",
}
"""Ours and the peer that stops by the same rule."""


# The table and the picture


def file_of(problem: str) -> Path:
    return RESULTS / f"{problem}.jsonl"


def stored_curves(problem: str) -> dict[tuple[int, str], Curve]:
    """The stored curves by seed and arm, each no longer than the epochs that its arm may spend."""
    curves = {}
    for (seed, arm), result in read_results(file_of(problem), key=("seed", "arm")).items():
        curve = [tuple(row) for row in result["curve"]]
        curves[seed, arm] = curve if arm == TARGET else curve[: PROBLEMS[problem][1]]
    return curves


def reached(curve: Curve, target: float) -> tuple[float, float]:
    """Epochs and seconds until a target; inf where it was not reached."""
    for epoch, (seconds, best) in enumerate(curve, start=1):
        if best >= target:
            return epoch, seconds
    return float("inf"), float("inf")


def table(problem: str, seeds: range) -> None:
    curves = stored_curves(problem)
    targets = {seed: curve[-1][1] for seed in seeds if (curve := curves.get((seed, TARGET)))}
    print(f"\n{problem}: epochs and seconds to the target, medians over seeds {seeds.start}-{seeds.stop - 1}")
    if not targets:
        print(f"no run of {TARGET} yet, whose end is the target")
        return
    print(f"targets: {', '.join(f'{target:.4f}' for target in targets.values())}\n")
    print(f"{'':42} {'seeds':>5} {'reached':>8} {'epochs':>7} {'mean':>7} {'seconds':>8} {'at the end':>10}")
    needed, limit = {}, PROBLEMS[problem][1]
    for arm in ARMS:
        runs = {seed: curve for seed in targets if (curve := curves.get((seed, arm)))}
        if not runs:
            continue
        needed[arm] = {seed: reached(curve, targets[seed]) for seed, curve in runs.items()}
        ends = statistics.median(curve[-1][1] for curve in runs.values())
        print_row(arm, list(needed[arm].values()), limit, f"{ends:10.4f}")
        if arm == TARGET:
            others = [reached(runs[own], targets[its]) for own, its in itertools.permutations(targets, 2)]
            print_row("  on the targets of the other seeds", others, limit)
    for part, unit in enumerate(("epochs", "seconds")):
        ours, peers = (
            {arm: median(list(each.values()), part) for arm, each in needed.items() if is_ours(arm) is side}
            for side in (True, False)
        )
        if ours:
            best, best_peer = min(ours, key=ours.__getitem__), min(peers, key=peers.__getitem__)
            print(f"{best}: {ours[best] / peers[best_peer]:.2f} of the {unit} of {best_peer}")
    for own, peer in NAMESAKES.items():
        mine, its = needed.get(own, {}), needed.get(peer, {})
        both = mine.keys() & its.keys()
        if both:
            first = sum(mine[seed][0] < its[seed][0] for seed in both)
            later = sum(mine[seed][0] > its[seed][0] for seed in both)
            print(f"{own} before {peer} in {first} of {len(both)} seeds, behind it in {later}")


def print_row(name: str, needed: Sequence[tuple[float, float]], limit: int, end: str = "") -> None:
    """A line with medians, and the mean of the epochs, in which a search without the target counts with `limit`."""
    count = sum(epochs < float("inf") for epochs, _ in needed)
    epochs, seconds = (median(needed, part) for part in (0, 1))
    mean = statistics.fmean(min(epochs, limit) for epochs, _ in needed)
    print(f"{name:42} {len(needed):5} {count:8} {epochs:7.0f} {mean:7.0f} {seconds:8.1f} {end}".rstrip())


def median(needed: Sequence[tuple[float, float]], part: int) -> float:
    """Of epochs (part 0) or seconds (part 1)."""
    return statistics.median(each[part] for each in needed)


def is_ours(arm: str) -> bool:
    return arm.startswith("ours")


def draw(problem: str, seeds: range) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is not installed")
        return
    figure = Figure(figsize=(14, 6), layout="constrained")
    by_epochs, by_seconds = figure.subplots(1, 2)
    stored = stored_curves(problem)
    for number, arm in enumerate(ARMS):
        curves = [curve for seed in seeds if (curve := stored.get((seed, arm)))]
        if not curves:
            continue
        shortest = int(statistics.median(map(len, curves)))
        at_epoch = [[curve[min(at, len(curve) - 1)] for curve in curves] for at in range(shortest)]
        best = [statistics.median(so_far for _, so_far in marks) for marks in at_epoch]
        seconds = [statistics.median(spent for spent, _ in marks) for marks in at_epoch]
        style = {"label": arm, "linestyle": "-" if is_ours(arm) else "--", "color": f"C{number % 10}"}
        by_epochs.plot(range(1, shortest + 1), best, **style)
        by_seconds.plot(seconds, best, **style)
    for axes, label in ((by_epochs, "epochs"), (by_seconds, "seconds")):
        axes.set(xlabel=label, ylabel="best validation accuracy so far (median)", xscale="log")
        axes.set_ylim(bottom=np.quantile([line.get_ydata()[-1] for line in axes.lines], 0.0) - 0.06)
    by_epochs.legend(fontsize=8)
    PICTURES.mkdir(exist_ok=True)
    path = PICTURES / f"time_to_target-{problem}.png"
    figure.savefig(path, dpi=120)
    print(f"\ncurves in {path}")


def run(problem: str, data: Path | None, seed: int, arm: str) -> None:
    """Runs one arm with one seed and stores its curve."""
    load, epochs = PROBLEMS[problem]
    if arm == TARGET:
        watch = Watch(float("inf"), float("inf"))
    else:
        _, target = stored_curves(problem)[seed, TARGET][-1]
        watch = Watch(epochs, target)
    with contextlib.suppress(SearchIsOver):
        ARMS[arm](load(data), watch, seed)
    append_result(file_of(problem), {"arm": arm, "seed": seed, "curve": watch.curve})
    spent, best = watch.curve[-1]
    print(f"seed {seed}, {arm}: {best:.4f} after {len(watch.curve)} epochs, {spent:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problem", choices=sorted(PROBLEMS), default="digits")
    parser.add_argument("--data", type=Path, help="fashion_mnist.npz, where there is no network")
    parser.add_argument("--arms", default="", help="names or parts of names, by semicolons; all by default")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--table", action="store_true", help="print the stored results, run nothing")
    arguments = parser.parse_args()
    wanted = [TARGET, *(part.strip() for part in arguments.arms.split(";") if part.strip())]
    arms = [arm for arm in ARMS if not arguments.arms or any(part in arm for part in wanted)]
    seeds = range(FIRST_SEED, FIRST_SEED + arguments.seeds)
    if not arguments.table:
        for seed, arm in itertools.product(seeds, arms):
            if (seed, arm) not in stored_curves(arguments.problem):
                given = (arguments.problem, arguments.data, seed, arm)
                process = multiprocessing.get_context("spawn").Process(target=run, args=given)
                process.start()
                process.join()
                if process.exitcode:
                    raise SystemExit(process.exitcode)
    table(arguments.problem, seeds)
    draw(arguments.problem, seeds)


if __name__ == "__main__":
    main()
