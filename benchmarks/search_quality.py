"""How good a setting each search has found after 10, 25, 50 and 100 trials.

    python benchmarks/search_quality.py [--problems a,b] [--peers a,b] [--seeds 10] [--trials 100]
                                        [--reference gp.py] [--tuning] [--table]

Eleven problems: closed forms with a known optimum (their value is what is missing to it) and small learning problems in
NumPy, trained anew with other noise for every trial. The peers are those that are installed. Every finished run is
written to benchmarks/results/search_quality/, a file a problem, and not run again; so the benchmark can be stopped and
resumed at any point, and several processes can share it by taking different `--problems` or `--peers`. `--table` only
prints what is there. `--reference` loads a file that holds `Proto(space, seed, trials)` with `ask` and `tell` as one
more peer.

What counts is the value of the setting with the best score so far, free of noise: that of the closed form, or the mean
of several trainings.

Settings of the strategy are chosen on the tuning seeds 0, 1, … (`--tuning`) and reported on the seeds 100, 101, …
(the default); the two are kept in different files.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib.util
import io
import itertools
import json
import math
import os
import statistics
import sys
import time
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from peer_spaces import declared_to_keras_tuner, suggested_by_optuna
from scipy.stats import rankdata

from kerastune_lite.seeds import suggestion_rng
from kerastune_lite.space import Choice, Condition, Float, Int, Parameter, Space
from kerastune_lite.strategies.bayesian.predictions import best_expected_first
from kerastune_lite.strategies.bayesian.strategy import BayesianStrategy
from kerastune_lite.strategies.random_search import RandomStrategy
from kerastune_lite.strategies.strategy import Pause, Strategy
from kerastune_lite.trial import Trial, TrialState

RESULTS = Path(__file__).parent / "results" / "search_quality"
CHECKPOINTS = (10, 25, 50, 100)
FIRST_SEED = {"tuning": 0, "reporting": 100}

Values = Mapping[str, Any]
Evaluate = Callable[[Values], float | None]


# ---- problems


@dataclass(frozen=True)
class Problem:
    """What is searched.

    Attributes:
        space: The parameters; a condition has a choice as its parent.
        value: What a setting is worth, less being better; NaN where it fails. Draws from the generator are noise
            that belongs to training.
        noise: The deviation of what is added to the value of a closed form.
        repeats: How many trainings the noise-free value of a setting is the mean of; 0 for a closed form.
    """

    space: Sequence[Parameter]
    value: Callable[[Values, np.random.Generator], float]
    noise: float = 0.0
    repeats: int = 0

    def truth(self, values: Values) -> float:
        """The value without noise, nearly: over the same repeats for every setting."""
        repeats = [self.value(values, np.random.default_rng([99, repeat])) for repeat in range(max(self.repeats, 1))]
        return statistics.fmean(repeats)


def number(
    name: str, low: float, high: float, log: bool = False, when: tuple[str, Sequence[Any]] | None = None
) -> Float:
    return Float(name=name, low=low, high=high, log=log, conditions=condition(when))


def integer(name: str, low: int, high: int, log: bool = False, step: int | None = None) -> Int:
    return Int(name=name, low=low, high=high, log=log, step=step)


def choice(name: str, *options: Any) -> Choice:
    return Choice(name=name, options=options)


def condition(when: tuple[str, Sequence[Any]] | None) -> tuple[Condition, ...]:
    return (Condition(when[0], tuple(when[1])),) if when else ()


def bent_valley(v: Values, rng: np.random.Generator) -> float:
    """Two numbers, a bent valley on a log scale of heights; the optimum is 0 at (1, 1)."""
    return math.log1p((1.0 - v["x"]) ** 2 + 20.0 * (v["y"] - v["x"] ** 2) ** 2)


WELLS = np.random.default_rng(11).random((6, 6))
DEPTHS = np.array([1.0, 0.9, 0.85, 0.7, 0.6, 0.5])


def wells(v: Values, rng: np.random.Generator) -> float:
    """Six numbers, six wells of different depths and widths; the optimum is about 0."""
    point = np.array([v[f"x{i}"] for i in range(6)])
    widths = np.linspace(0.25, 0.5, 6)
    return float(1.0 - np.max(DEPTHS * np.exp(-np.sum((point - WELLS) ** 2, axis=1) / (2 * widths**2))))


def ripples(v: Values, rng: np.random.Generator) -> float:
    """Four numbers on log scales, a bowl with ripples; the optimum is 0."""
    away = [math.log10(v[name]) - at for name, at in (("a", -3.3), ("b", -1.7), ("c", -4.4), ("d", 0.6))]
    return sum(0.5 * a * a + 0.25 * (1.0 - math.cos(5.0 * a)) for a in away)


def optimizers(v: Values, rng: np.random.Generator) -> float:
    """A learning rate whose best value and whose worth depend on the optimizer; momentum only where it has one."""
    at, floor, width = {
        "sgd": (-1.0, 0.05, 0.8), "momentum": (-1.8, 0.0, 0.5), "adam": (-3.0, 0.03, 0.7), "rmsprop": (-3.2, 0.08, 0.6),
        "adagrad": (-1.5, 0.35, 1.0), "adadelta": (0.0, 0.6, 1.0),
    }[v["optimizer"]]  # fmt: skip
    loss = floor + 0.4 * (1.0 - math.exp(-(((math.log10(v["rate"]) - at) / width) ** 2)))
    if v["optimizer"] == "momentum":
        loss += 2.0 * (v["momentum"] - 0.9) ** 2
    if v["schedule"] == "step":
        loss += 0.04 + 0.1 * (v["decay"] - 0.4) ** 2
    elif v["schedule"] == "none":
        loss += 0.08
    return loss + 0.03 * (v["layers"] - 4) ** 2 / 4


GOOD = {"activation": (0.0, 0.02, 0.3, 0.5, 0.05), "initialiser": (0.1, 0.0, 0.4), "norm": (0.12, 0.0, 0.08, 0.35)}


def recipe(v: Values, rng: np.random.Generator) -> float:
    """Three choices with good and bad options that depend on each other, and five numbers."""
    loss = GOOD["activation"][v["activation"]] + GOOD["initialiser"][v["initialiser"]] + GOOD["norm"][v["norm"]]
    if v["activation"] == 2 and v["initialiser"] == 0:
        loss -= 0.35  # a pair that suits itself: nearly as good as the best
    best = -2.5 if v["norm"] == 1 else -3.5
    loss += 0.08 * (math.log10(v["rate"]) - best) ** 2 + 0.6 * (v["dropout"] - 0.25) ** 2
    loss += 0.02 * (math.log2(v["units"]) - 7.0) ** 2 + 0.01 * (v["layers"] - 3) ** 2
    return loss + 0.05 * (math.log10(v["decay"]) + 4.0) ** 2


def flat(v: Values, rng: np.random.Generator) -> float:
    """Seven numbers and a choice on a plateau: noise as large as what there is to gain, and walls near the borders."""
    point = np.array([v[f"x{i}"] for i in range(7)])
    dip = 0.03 * math.exp(-np.sum((point[:3] - [0.35, 0.6, 0.45]) ** 2) / 0.12)
    walls = 0.2 * float(np.sum(np.maximum(np.abs(point - 0.5) - 0.42, 0.0)))
    return 0.5 - dip + walls + {"a": 0.0, "b": 0.004, "c": 0.01}[v["kind"]]


def crash(v: Values, rng: np.random.Generator) -> float:
    """Five numbers of which a third of the settings fails: too steep a rate, or more than memory holds."""
    rate = math.log10(v["rate"])
    if rate + 2.0 * v["momentum"] > 0.2 or v["units"] * v["layers"] > 900:
        return math.nan
    size = math.log2(v["units"] * v["layers"])
    return (
        0.3 * (rate + 1.6) ** 2
        + (v["momentum"] - 0.85) ** 2
        + 0.05 * (9.5 - size) ** 2
        + 0.3 * (v["dropout"] - 0.1) ** 2
    )


def many(v: Values, rng: np.random.Generator) -> float:
    """Twelve parameters, numbers and integers, of which four matter much and four a little; the optimum is 0."""
    x = np.array([v[f"x{i}"] for i in range(9)] + [v[f"n{i}"] / 20 for i in range(3)])
    at = np.linspace(0.2, 0.85, 12)
    weights = np.array([4, 0.3, 0, 2, 0.2, 0, 1, 0.1, 0, 3, 0.2, 0])
    bowl = float(weights @ (x - at) ** 2)
    return bowl + 0.5 * abs((x[0] - at[0]) * (x[3] - at[3])) + 0.1 * (1.0 - math.cos(9.0 * (x[9] - at[9])))


def spirals(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of three arms with noise, (count, 2), and which arm, (count,)."""
    rng = np.random.default_rng(seed)
    arm, along = rng.integers(3, size=count), rng.random(count)
    angle = 2.0 * math.pi * arm / 3 + 3.5 * along
    points = along[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return 2.0 * points + 0.12 * rng.standard_normal((count, 2)), arm


TRAIN, CHECK = spirals(240, 1), spirals(400, 2)
ACTIVATIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "relu": (lambda a: np.maximum(a, 0.0), lambda a, h: (a > 0.0).astype(float)),
    "tanh": (np.tanh, lambda a, h: 1.0 - h * h),
    "sigmoid": (lambda a: 1.0 / (1.0 + np.exp(-np.clip(a, -30, 30))), lambda a, h: h * (1.0 - h)),
    "sine": (np.sin, lambda a, h: np.cos(a)),
}


def shares(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def log_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.mean(np.log(shares(logits)[np.arange(len(labels)), labels] + 1e-9)))


def network(v: Values, rng: np.random.Generator) -> float:
    """A network of one hidden layer on three spirals, trained for 12 epochs from a start of its own: log loss."""
    act, slope = ACTIVATIONS[v["activation"]]
    x, labels = TRAIN
    one_hot = np.eye(3)[labels]
    sizes = (2, v["units"], 3)
    weights = [v["scale"] * rng.standard_normal((a + 1, b)) / math.sqrt(a) for a, b in itertools.pairwise(sizes)]
    speeds = [np.zeros_like(w) for w in weights]
    for _ in range(12):
        order = rng.permutation(len(x))
        for first in range(0, len(x), v["batch"]):
            rows = order[first : first + v["batch"]]
            inputs = np.c_[x[rows], np.ones(len(rows))]
            before = inputs @ weights[0]
            hidden = act(before)
            open_units = rng.random(hidden.shape) >= v["dropout"]
            kept = np.c_[hidden * open_units / (1.0 - v["dropout"]), np.ones(len(rows))]
            error = (shares(kept @ weights[1]) - one_hot[rows]) / len(rows)
            back = (error @ weights[1][:-1].T) * open_units / (1.0 - v["dropout"]) * slope(before, hidden)
            gradients = (inputs.T @ back, kept.T @ error)
            for w, speed, gradient in zip(weights, speeds, gradients, strict=True):
                speed *= v["momentum"]
                speed -= v["rate"] * (gradient + v["decay"] * w)
                w += np.clip(speed, -1.0, 1.0)
    points, truth = CHECK
    hidden = act(np.c_[points, np.ones(len(points))] @ weights[0])
    return log_loss(np.c_[hidden, np.ones(len(points))] @ weights[1], truth)


def waves(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2.0, 2.0, (count, 3))
    return x, np.sin(2.0 * x[:, 0]) + 0.5 * x[:, 1] ** 2 * np.cos(x[:, 2]) + 0.15 * rng.standard_normal(count)


WAVES = waves(360, 3)


def kernel_ridge(v: Values, rng: np.random.Generator) -> float:
    """Ridge regression with one of four kernels, each with parameters of its own, on a random split: log RMSE."""
    x, y = WAVES
    order = rng.permutation(len(x))
    fit, check = order[:120], order[120:240]
    apart = np.sum((x[order[:240], None] - x[fit]) ** 2, axis=2)
    if v["kernel"] == "gaussian":
        gram = np.exp(-v["gamma"] * apart)
    elif v["kernel"] == "laplace":
        gram = np.exp(-v["gamma"] * np.sqrt(apart))
    elif v["kernel"] == "polynomial":
        gram = (0.3 * x[order[:240]] @ x[fit].T + v["offset"]) ** v["degree"]
    else:
        gram = x[order[:240]] @ x[fit].T
    weights = np.linalg.lstsq(gram[:120] + v["ridge"] * np.eye(120), y[fit], rcond=None)[0]
    return math.log(min(math.sqrt(float(np.mean((gram[120:] @ weights - y[check]) ** 2))), 1e3))


BLOBS = np.random.default_rng(5)
BLOB_X = BLOBS.standard_normal((500, 8))
BLOB_Y = (BLOB_X[:, 0] + 0.6 * BLOB_X[:, 1] + 1.2 * BLOBS.standard_normal(500) > 0).astype(float)


def logistic(v: Values, rng: np.random.Generator) -> float:
    """Logistic regression that nearly every setting trains equally well, on small random splits: a plateau of noise."""
    order = rng.permutation(500)
    fit, check = order[:150], order[150:230]
    weights = np.zeros(8)
    for _ in range(v["epochs"]):
        rows = rng.permutation(fit)
        for first in range(0, 150, v["batch"]):
            part = rows[first : first + v["batch"]]
            inputs = BLOB_X[part] * (rng.random((len(part), 8)) >= v["dropout"])
            inputs = inputs + v["jitter"] * rng.standard_normal(inputs.shape)
            error = 1.0 / (1.0 + np.exp(-np.clip(inputs @ weights, -30, 30))) - BLOB_Y[part]
            weights -= v["rate"] * (inputs.T @ error / len(part) + v["decay"] * weights)
    return float(np.mean((BLOB_X[check] @ weights > 0) != BLOB_Y[check]))


PROBLEMS = {
    "bent valley": Problem([number("x", -2.0, 2.0), number("y", -1.0, 3.0)], bent_valley),
    "wells": Problem([number(f"x{i}", 0.0, 1.0) for i in range(6)], wells),
    "ripples": Problem(
        [
            number("a", 1e-6, 1.0, True), number("b", 1e-5, 1.0, True),
            number("c", 1e-7, 1e-2, True), number("d", 0.01, 1e3, True),
        ],
        ripples,
    ),
    "optimizers": Problem(
        [
            choice("optimizer", "sgd", "momentum", "adam", "rmsprop", "adagrad", "adadelta"),
            number("rate", 1e-5, 1.0, True),
            number("momentum", 0.0, 0.999, when=("optimizer", ["momentum"])),
            choice("schedule", "none", "step", "cosine"),
            number("decay", 0.1, 0.9, when=("schedule", ["step"])),
            integer("layers", 1, 8),
        ],
        optimizers,
        noise=0.01,
    ),
    "recipe": Problem(
        [
            choice("activation", *range(5)), choice("initialiser", *range(3)), choice("norm", *range(4)),
            number("rate", 1e-5, 1e-1, True), number("dropout", 0.0, 0.7), integer("units", 8, 1024, True),
            integer("layers", 1, 8), number("decay", 1e-7, 1e-1, True),
        ],
        recipe,
        noise=0.02,
    ),
    "flat": Problem([choice("kind", "a", "b", "c"), *(number(f"x{i}", 0.0, 1.0) for i in range(7))], flat, noise=0.02),
    "crash": Problem(
        [
            number("rate", 1e-4, 1.0, True), number("momentum", 0.0, 0.99), integer("units", 8, 512, True),
            integer("layers", 1, 6), number("dropout", 0.0, 0.5),
        ],
        crash,
        noise=0.01,
    ),
    "many": Problem(
        [*(number(f"x{i}", 0.0, 1.0) for i in range(9)), *(integer(f"n{i}", 0, 20) for i in range(3))],
        many,
    ),
    "network": Problem(
        [
            number("rate", 1e-3, 10.0, True), number("momentum", 0.0, 0.99), integer("batch", 4, 64, True, step=2),
            integer("units", 3, 48, True), choice("activation", *ACTIVATIONS), number("scale", 0.05, 5.0, True),
            number("dropout", 0.0, 0.6), number("decay", 1e-6, 1e-1, True),
        ],
        network,
        repeats=10,
    ),
    "kernel ridge": Problem(
        [
            choice("kernel", "linear", "polynomial", "gaussian", "laplace"), number("ridge", 1e-6, 10.0, True),
            number("gamma", 1e-3, 10.0, True, when=("kernel", ["gaussian", "laplace"])),
            Int(name="degree", low=2, high=6, conditions=condition(("kernel", ["polynomial"]))),
            number("offset", 0.0, 2.0, when=("kernel", ["polynomial"])),
        ],
        kernel_ridge,
        repeats=10,
    ),
    "logistic": Problem(
        [
            number("rate", 1e-2, 3.0, True), integer("batch", 8, 64, True), integer("epochs", 2, 8),
            number("decay", 1e-6, 1e-1, True), number("dropout", 0.0, 0.5), number("jitter", 0.0, 0.5),
        ],
        logistic,
        repeats=40,
    ),
}  # fmt: skip


@dataclass
class Run:
    """Evaluates one search's settings and keeps what became of them."""

    problem: Problem
    seed: int
    scores: list[float] = field(default_factory=list)
    settings: list[Values] = field(default_factory=list)
    seconds: float = 0.0
    recommended: dict[int, float] = field(default_factory=dict)

    def __call__(self, values: Values) -> float | None:
        """The score that the search is told; None for a failure. Noise depends on the seed and the trial alone."""
        start = time.perf_counter()
        rng = np.random.default_rng([self.seed, len(self.scores), 7])
        with np.errstate(all="ignore"):
            score = float(self.problem.value(values, rng)) + self.problem.noise * float(rng.standard_normal())
        self.scores.append(score)
        self.settings.append(dict(values))
        self.seconds += time.perf_counter() - start
        return score if math.isfinite(score) else None

    def recommend(self, values: Values) -> None:
        """Keeps the noise-free value of the setting that a search would hand out after so many trials."""
        start = time.perf_counter()
        self.recommended[len(self.scores)] = self.truth(values)
        self.seconds += time.perf_counter() - start

    def steps(self) -> list[tuple[int, float]]:
        """Trial, counted from 1, and noise-free value of each new setting with the best score."""
        best, steps = math.inf, []
        for trial, (score, values) in enumerate(zip(self.scores, self.settings, strict=True), start=1):
            if math.isfinite(score) and score < best:
                best = score
                steps.append((trial, self.truth(values)))
        return steps

    def truth(self, values: Values) -> float:
        with np.errstate(all="ignore"):
            return float(f"{self.problem.truth(values):.6g}")


# ---- peers: each searches a space with a seed


Search = Callable[[Sequence[Parameter], Run, int, int], None]


def by_strategy(make: Callable[[int], Strategy], at_once: int = 1, recommends: bool = False) -> Search:
    """A strategy's search with so many trials always running, the oldest of which ends next."""

    def search(space: Sequence[Parameter], evaluate: Run, trials: int, seed: int) -> None:
        strategy, known = make(seed), Space(space)
        told: list[Trial] = []
        for index in range(trials + at_once - 1):
            if index < trials:
                answer = strategy.suggest(known, told, suggestion_rng(seed, index))
                if isinstance(answer, Pause):
                    return
                told.append(Trial(number=index, values=answer.values))
            ended = index - at_once + 1
            if ended >= 0:
                score = evaluate(told[ended].values)
                state = TrialState.FAILED if score is None else TrialState.COMPLETED
                told[ended] = dataclasses.replace(told[ended], score=score, state=state)
                if recommends and ended + 1 in CHECKPOINTS:
                    evaluate.recommend(best_expected_first(known, told)[0].values)

    return search


def by_reference(path: str) -> Search:
    """The search of a file with `Proto`; its parameters have name, kind, low, high, log, choices and when."""
    spec = importlib.util.spec_from_file_location("reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def described(parameter: Parameter) -> types.SimpleNamespace:
        when = next(((c.parent, c.values) for c in parameter.conditions), None)
        common = {"name": parameter.name, "when": when}
        # It knows no steps: a range with one is a choice of its points.
        if isinstance(parameter, Choice) or parameter.step is not None:
            return types.SimpleNamespace(
                kind="cat", low=0, high=1, log=False, choices=list(parameter.grid(2)), **common
            )
        return types.SimpleNamespace(
            kind=parameter.kind, low=parameter.low, high=parameter.high, log=parameter.log, choices=None, **common
        )

    def search(space: Sequence[Parameter], evaluate: Evaluate, trials: int, seed: int) -> None:
        proto = module.Proto([described(parameter) for parameter in space], seed, trials)
        for _ in range(trials):
            values = proto.ask()
            score = evaluate(values)
            proto.tell(values, math.nan if score is None else score)

    return search


def by_optuna(sampler: str) -> Search:
    import optuna

    if sampler == "GPSampler":
        import torch

        torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def search(space: Sequence[Parameter], evaluate: Evaluate, trials: int, seed: int) -> None:
        study = optuna.create_study(sampler=getattr(optuna.samplers, sampler)(seed=seed))
        for _ in range(trials):
            trial = study.ask()
            score = evaluate(suggested_by_optuna(trial, space))
            if score is None:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, score)

    return search


def by_keras_tuner() -> Search:
    import tempfile

    with contextlib.redirect_stderr(io.StringIO()):
        import keras_tuner

    def search(space: Sequence[Parameter], evaluate: Evaluate, trials: int, seed: int) -> None:
        oracle = keras_tuner.oracles.BayesianOptimizationOracle(
            objective=keras_tuner.Objective("score", "min"),
            max_trials=trials,
            hyperparameters=declared_to_keras_tuner(space),
            seed=seed + 1,  # it takes 0 for no seed
            max_consecutive_failed_trials=trials + 1,
        )
        oracle.verbose = 0
        with tempfile.TemporaryDirectory() as folder:
            oracle._set_project_dir(folder, "search")
            for _ in range(trials):
                trial = oracle.create_trial("one")
                if trial.status == "STOPPED":
                    return
                hp = trial.hyperparameters
                active: dict[str, Any] = {}
                for p in space:
                    if all(condition.holds(active) for condition in p.conditions):
                        active[p.name] = hp.values[p.name]
                score = evaluate(active)
                if score is None:
                    trial.status, trial.message = "INVALID", "failed"
                else:
                    oracle.update_trial(trial.trial_id, {"score": score})
                    trial = oracle.get_trial(trial.trial_id)
                    trial.status = "COMPLETED"
                oracle.end_trial(trial)

    return search


def by_hyperopt() -> Search:
    import hyperopt
    from hyperopt import hp, pyll

    def declared(space: Sequence[Parameter]) -> Any:
        children: dict[str | None, list[Parameter]] = {}
        for p in space:
            children.setdefault(p.conditions[0].parent if p.conditions else None, []).append(p)
        made: dict[str, Any] = {}

        def node(p: Parameter) -> Any:
            if p.name not in made:
                made[p.name] = fresh(p)
            return made[p.name]

        def fresh(p: Parameter) -> Any:
            below = children.get(p.name, [])
            if below:
                held = [(o, [c for c in below if c.conditions[0].holds({p.name: o})]) for o in p.grid(2)]
                return hp.choice(p.name, [{p.name: o, **{c.name: node(c) for c in some}} for o, some in held])
            if isinstance(p, Choice) or p.step is not None:
                return hp.choice(p.name, list(p.grid(2)))
            if isinstance(p, Int):
                if p.log:
                    ends = math.log(p.low - 0.499), math.log(p.high + 0.499)
                    return pyll.scope.int(hp.qloguniform(p.name, *ends, 1))
                return pyll.scope.int(hp.quniform(p.name, p.low - 0.499, p.high + 0.499, 1))
            if p.log:
                return hp.loguniform(p.name, math.log(p.low), math.log(p.high))
            return hp.uniform(p.name, p.low, p.high)

        return {p.name: node(p) for p in children[None]}

    def plain(answer: Mapping[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, value in answer.items():
            values |= plain(value) if isinstance(value, dict) else {name: value}
        return values

    def search(space: Sequence[Parameter], evaluate: Evaluate, trials: int, seed: int) -> None:
        low_high = {p.name: (p.low, p.high) for p in space if isinstance(p, Int) and p.step is None}

        def objective(answer: Mapping[str, Any]) -> dict[str, Any]:
            values = plain(answer)
            for name in low_high.keys() & values.keys():
                values[name] = min(max(values[name], low_high[name][0]), low_high[name][1])
            score = evaluate(values)
            return {"status": hyperopt.STATUS_FAIL if score is None else hyperopt.STATUS_OK, "loss": score}

        hyperopt.fmin(
            objective,
            declared(space),
            algo=hyperopt.tpe.suggest,
            max_evals=trials,
            rstate=np.random.default_rng(seed),
            show_progressbar=False,
            verbose=False,
        )

    return search


def by_scikit_optimize() -> Search:
    import skopt
    from skopt.space import Categorical, Integer, Real

    def declared(p: Parameter) -> Any:
        if isinstance(p, Choice) or p.step is not None:
            return Categorical(list(p.grid(2)))
        kind = Integer if isinstance(p, Int) else Real
        return kind(p.low, p.high, prior="log-uniform" if p.log else "uniform")

    def search(space: Sequence[Parameter], evaluate: Evaluate, trials: int, seed: int) -> None:
        optimizer = skopt.Optimizer([declared(p) for p in space], random_state=seed)
        finite: list[float] = []
        for _ in range(trials):
            point = optimizer.ask()
            values: dict[str, Any] = {}
            for p, value in zip(space, point, strict=True):
                if all(condition.holds(values) for condition in p.conditions):
                    values[p.name] = value.item() if isinstance(value, np.generic) else value
            score = evaluate(values)
            if score is not None:
                finite.append(score)
            # It takes no failures: one counts as the worst score so far.
            optimizer.tell(point, score if score is not None else max(finite, default=1.0))

    return search


FOUR = "ours with 4 running"
"""Not a peer: the price of asking before three trials have ended."""
PEERS: dict[str, Callable[[], Search]] = {
    "ours": lambda: by_strategy(lambda seed: BayesianStrategy(seed=seed), recommends=True),
    FOUR: lambda: by_strategy(lambda seed: BayesianStrategy(seed=seed), at_once=4),
    "random": lambda: by_strategy(lambda seed: RandomStrategy()),
    "optuna tpe": lambda: by_optuna("TPESampler"),
    "optuna gp": lambda: by_optuna("GPSampler"),
    "keras tuner": by_keras_tuner,
    "hyperopt": by_hyperopt,
    "scikit-optimize": by_scikit_optimize,
}


def installed(names: Sequence[str], reference: str | None) -> dict[str, Search]:
    """The peers that can be used, and a line on each that can't."""
    makers = dict(PEERS)
    if reference is not None:
        makers["reference"] = lambda: by_reference(reference)
    found = {}
    unknown = [name for name in names if name not in makers]
    if unknown:
        raise SystemExit(f"no such peer: {', '.join(unknown)}. There are {', '.join(makers)}.")
    for name in names or list(makers):
        try:
            found[name] = makers[name]()
        except ImportError as error:
            print(f"{name} is left out: {error}")
    return found


# ---- results


Record = dict[str, Any]  # "steps": [[trial, value], …], "trials": how many were run, "ask": seconds a trial


def file_of(problem: str, which: str) -> Path:
    return RESULTS / f"{problem.replace(' ', '_')}-{which}.json"


def load(problem: str, which: str) -> dict[str, dict[str, Record]]:
    """Records by peer and seed."""
    path = file_of(problem, which)
    return json.loads(path.read_text()) if path.exists() else {}


def save(problem: str, which: str, records: Mapping[str, Any]) -> None:
    path = file_of(problem, which)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(records, indent=None, separators=(",", ":")).replace('}},"', '}},\n"') + "\n")
    fresh.replace(path)


def run_missing(problem: str, peers: Mapping[str, Search], seeds: Sequence[int], trials: int, which: str) -> None:
    for seed in seeds:
        for peer, search in peers.items():
            if load(problem, which).get(peer, {}).get(str(seed), {}).get("trials", 0) >= trials:
                continue
            run = Run(PROBLEMS[problem], seed)
            start = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                search(PROBLEMS[problem].space, run, trials, seed)
            ask = (time.perf_counter() - start - run.seconds) / max(len(run.scores), 1)
            steps = run.steps()
            record: Record = {"steps": steps, "trials": trials, "ask": round(ask, 5)}
            if run.recommended:
                record["recommended"] = run.recommended
            records = load(problem, which)  # again: another process may have added to it
            records.setdefault(peer, {})[str(seed)] = record
            save(problem, which, records)
            print(f"{problem}, {peer}, seed {seed}: {steps[-1:]} after {time.perf_counter() - start:.1f} s", flush=True)


def curve(record: Record, trials: int) -> np.ndarray:
    """The value of the best setting after each trial, (trials,); infinity before the first that didn't fail."""
    best = np.full(trials, np.inf)
    for trial, value in record["steps"]:
        best[trial - 1 :] = value
    return best


def curves(records: Mapping[str, Mapping[str, Record]], seeds: Sequence[int], trials: int) -> dict[str, np.ndarray]:
    """Of each peer that has run all seeds for so many trials: (seeds, trials)."""
    return {
        peer: np.array([curve(runs[str(seed)], trials) for seed in seeds])
        for peer, runs in records.items()
        if all(runs.get(str(seed), {}).get("trials", 0) >= trials for seed in seeds)
    }


def first_at(medians: np.ndarray, level: float) -> str:
    reached = np.flatnonzero(medians <= level)
    return str(reached[0] + 1) if len(reached) else f">{len(medians)}"


def print_tables(problems: Sequence[str], seeds: Sequence[int], trials: int, which: str) -> None:
    marks = [mark for mark in CHECKPOINTS if mark <= trials]
    ranks: dict[str, list[list[float]]] = {}
    asks: dict[str, list[float]] = {}
    matches = 0
    print(f"\nMedian value of the best setting over the {which} seeds {seeds[0]} to {seeds[-1]}; less is better.")
    shown = 0
    for problem in problems:
        records = load(problem, which)
        found = curves(records, seeds, trials)
        four = found.pop(FOUR, None)
        if not found:
            continue
        shown += 1
        print(f"\n{problem:<18}" + "".join(f"{mark:>11}" for mark in marks) + f"{'mean rank':>11}{'ask ms':>9}")
        of_seed = np.array([rankdata([found[p][:, m - 1] for p in found], axis=0).T for m in marks])
        order = sorted(found, key=lambda peer: float(of_seed[..., list(found).index(peer)].mean()))
        for peer in order:
            medians = np.median(found[peer], axis=0)
            rank = of_seed[..., list(found).index(peer)]
            ask = statistics.median(records[peer][str(seed)]["ask"] for seed in seeds)
            ranks.setdefault(peer, []).append([*rank.mean(axis=1).tolist(), float(rank.mean())])
            asks.setdefault(peer, []).append(ask)
            row = "".join(f"{medians[mark - 1]:>11.4g}" for mark in marks)
            print(f"{peer:<18}{row}{rank.mean():>11.2f}{1e3 * ask:>9.1f}")
        matches += compare(found, trials)
        if "ours" in found:
            print_beside(four, [records["ours"][str(seed)] for seed in seeds], marks)
    print(f"\nMean rank over {shown} problems" + "".join(f"{mark:>7}" for mark in marks) + f"{'all':>7}{'ask ms':>9}")
    for peer in sorted(ranks, key=lambda peer: float(np.mean([row[-1] for row in ranks[peer]]))):
        if len(ranks[peer]) < shown:
            print(f"{peer:<29}has not run all problems")
            continue
        row = "".join(f"{mean:>7.2f}" for mean in np.mean(ranks[peer], axis=0))
        print(f"{peer:<29}{row}{1e3 * statistics.median(asks[peer]):>9.1f}")
    if trials >= 50:
        print(f"Ours reaches by trial 25 what the best peer holds at 50 on {matches} of {shown} problems.")


def print_beside(four: np.ndarray | None, records: Sequence[Record], marks: Sequence[int]) -> None:
    """Prints medians of what isn't ranked: with four trials running, and of the recommended instead of the best."""
    rows = {} if four is None else {"  (4 running)": np.median(four, axis=0)[np.array(marks) - 1]}
    if all("recommended" in record for record in records):
        table = [[record["recommended"].get(str(mark), math.nan) for mark in marks] for record in records]
        rows["  (recommended)"] = np.median(np.array(table), axis=0)
    for name, medians in rows.items():
        print(f"{name:<18}" + "".join(f"{median:>11.4g}" for median in medians))


def compare(found: Mapping[str, np.ndarray], trials: int) -> bool:
    """Prints how many trials the best peer needs to match ours at 25, and whether ours at 25 matches its 50."""
    peers = {peer: np.median(runs, axis=0) for peer, runs in found.items() if peer not in ("ours", "reference")}
    if "ours" not in found or not peers or trials < 25:
        return False
    ours = np.median(found["ours"], axis=0)
    needed = {peer: first_at(medians, ours[24]) for peer, medians in peers.items()}
    quickest = min(needed, key=lambda peer: int(needed[peer].lstrip(">")) + (needed[peer][0] == ">"))
    print(f"  the quickest peer, {quickest}, needs {needed[quickest]} trials to match ours at 25", end="")
    if trials < 50:
        print()
        return False
    best = min(peers, key=lambda peer: peers[peer][49])
    print(f"; ours needs {first_at(ours, peers[best][49])} to match {best} at 50")
    return bool(ours[24] <= peers[best][49])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", default="", help="names, by commas; all by default")
    parser.add_argument("--peers", default="", help="names, by commas; all that are installed by default")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--reference", help="a file with one more peer")
    parser.add_argument("--tuning", action="store_true", help="the seeds on which settings are chosen")
    parser.add_argument("--table", action="store_true", help="print what was run, run nothing")
    arguments = parser.parse_args()
    which = "tuning" if arguments.tuning else "reporting"
    seeds = range(FIRST_SEED[which], FIRST_SEED[which] + arguments.seeds)
    problems = arguments.problems.split(",") if arguments.problems else list(PROBLEMS)
    unknown = [problem for problem in problems if problem not in PROBLEMS]
    if unknown:
        sys.exit(f"There is no problem {', '.join(unknown)}. There are: {', '.join(PROBLEMS)}.")
    if not arguments.table:
        names = arguments.peers.split(",") if arguments.peers else []
        peers = installed(names, arguments.reference)
        for problem in problems:
            run_missing(problem, peers, seeds, arguments.trials, which)
    print_tables(problems, seeds, arguments.trials, which)


if __name__ == "__main__":
    main()
