"""The problems of search_quality.py: closed forms, and small learning problems in NumPy."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerastune_lite.space import Choice, Condition, Float, Int, Parameter

Values = Mapping[str, Any]


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
