"""Trainings of small NumPy networks, an epoch in a few milliseconds, for searches that stop or pause trials.

A training is a generator of validation losses: it goes on for as long as it is asked for another epoch, so that a
paused training is just one that isn't asked. The problems are chosen so that early epochs tell something, and mislead
here and there: warm-up, annealing, noise, large rates.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits, make_friedman1

from kerastune_lite.space import Choice, Condition, Float, Int, Parameter, Space

Array: TypeAlias = NDArray[Any]
Data: TypeAlias = tuple[Array, Array, Array, Array]
"""Inputs and targets to train on, inputs and targets to validate on. Integer targets are classes."""

MAX_EPOCHS = 27
"""How many epochs a whole training has."""
ACTIVATIONS: Mapping[str, Callable[[Array], tuple[Array, Array]]] = {
    "relu": lambda a: (np.maximum(a, 0.0), (a > 0.0) * 1.0),
    "tanh": lambda a: (np.tanh(a), 1.0 - np.tanh(a) ** 2),
    "sin": lambda a: (np.sin(a), np.cos(a)),
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A network and how it is trained.

    Attributes:
        units: The widths of the hidden layers.
        activation: Theirs.
        rate: The learning rate.
        adam: Whether to train with Adam instead of SGD.
        momentum: The momentum of SGD, or beta_1 of Adam.
        epsilon: That of Adam.
        decay: The factor of the L2 penalty.
        dropout: The share of the first hidden layer that is dropped.
        noise: The standard deviation of the noise on the inputs.
        batch: How many samples a step has.
        warm_up: The share of the training in which the rate rises.
        annealing: By how much the rate falls until the end.
        cosine: Whether the rate follows a cosine.
        scale: The factor of the initial weights.
    """

    units: tuple[int, ...]
    activation: str = "relu"
    rate: float = 1e-3
    adam: bool = False
    momentum: float = 0.9
    epsilon: float = 1e-7
    decay: float = 0.0
    dropout: float = 0.0
    noise: float = 0.0
    batch: int = 32
    warm_up: float = 0.0
    annealing: float = 0.0
    cosine: bool = False
    scale: float = 1.0

    def rate_after(self, done: float) -> float:
        """The learning rate after a share of the whole training."""
        rate = self.rate * (1.0 - self.annealing * done)
        if self.warm_up > 0.0:
            rate *= min(1.0, done / self.warm_up)
        return rate * (0.5 + 0.5 * math.cos(math.pi * done)) if self.cosine else rate


class Network:
    """The weights of a network, and one step of its training."""

    def __init__(self, recipe: Recipe, inputs: int, outputs: int, rng: np.random.Generator) -> None:
        self.recipe = recipe
        self.activation = ACTIVATIONS[recipe.activation]
        widths = [inputs, *recipe.units, outputs]
        self.weights: list[Array] = []
        for before, after in itertools.pairwise(widths):
            limit = recipe.scale * math.sqrt(6.0 / (before + after))
            self.weights += [rng.uniform(-limit, limit, (before, after)), np.zeros(after)]
        self.first = [np.zeros_like(weight) for weight in self.weights]
        self.second = [np.zeros_like(weight) for weight in self.weights]
        self.steps = 0

    def outputs(self, x: Array) -> Array:
        for place in range(0, len(self.weights) - 2, 2):
            x, _ = self.activation(x @ self.weights[place] + self.weights[place + 1])
        return x @ self.weights[-2] + self.weights[-1]

    def step(self, x: Array, y: Array, rate: float, rng: np.random.Generator) -> None:
        kept, slopes = [x], []
        for place in range(0, len(self.weights) - 2, 2):
            hidden, slope = self.activation(kept[-1] @ self.weights[place] + self.weights[place + 1])
            if place == 0 and self.recipe.dropout > 0.0:
                mask = (rng.random(hidden.shape) > self.recipe.dropout) / (1.0 - self.recipe.dropout)
                hidden, slope = hidden * mask, slope * mask
            kept.append(hidden)
            slopes.append(slope)
        errors = errors_of(kept[-1] @ self.weights[-2] + self.weights[-1], y) / len(x)
        gradients: list[Array] = []
        for place in range(len(self.weights) - 2, -1, -2):
            weight = self.weights[place]
            gradients = [kept.pop().T @ errors + self.recipe.decay * weight, errors.sum(axis=0), *gradients]
            if place > 0:
                errors = (errors @ weight.T) * slopes.pop()
        self.apply(gradients, rate)

    def apply(self, gradients: Sequence[Array], rate: float) -> None:
        self.steps += 1
        beta = self.recipe.momentum
        if not self.recipe.adam:
            self.first = [beta * v - rate * g for v, g in zip(self.first, gradients, strict=True)]
            self.weights = [w + v for w, v in zip(self.weights, self.first, strict=True)]
            return
        self.first = [beta * m + (1.0 - beta) * g for m, g in zip(self.first, gradients, strict=True)]
        self.second = [0.999 * v + 0.001 * g * g for v, g in zip(self.second, gradients, strict=True)]
        rate *= math.sqrt(1.0 - 0.999**self.steps) / (1.0 - beta**self.steps)
        self.weights = [
            w - rate * m / (np.sqrt(v) + self.recipe.epsilon)
            for w, m, v in zip(self.weights, self.first, self.second, strict=True)
        ]


def is_classes(y: Array) -> bool:
    return bool(np.issubdtype(y.dtype, np.integer))


def log_softmax(logits: Array) -> Array:
    logits = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))


def errors_of(outputs: Array, y: Array) -> Array:
    """The derivative of the summed loss in the outputs."""
    if not is_classes(y):
        return 2.0 * (outputs - y[:, None])
    errors = np.exp(log_softmax(outputs))
    errors[np.arange(len(y)), y] -= 1.0
    return np.asarray(errors)


def loss_of(outputs: Array, y: Array) -> float:
    """The cross-entropy of classes, or the mean squared error."""
    if not is_classes(y):
        return float(np.mean((outputs[:, 0] - y) ** 2))
    return -float(np.mean(log_softmax(outputs)[np.arange(len(y)), y]))


@dataclass(frozen=True)
class Problem:
    """A space of settings, and the data and the recipe that a setting is trained with."""

    space: Space
    make_data: Callable[[], Data]
    recipe: Callable[[Mapping[str, Any]], Recipe]

    @cached_property
    def data(self) -> Data:
        return self.make_data()

    def losses(self, values: Mapping[str, Any], seed: int) -> Iterator[float]:
        """The validation loss after each epoch of a training; inf where it isn't finite."""
        x, y, x_validation, y_validation = self.data
        rng, recipe = np.random.default_rng(seed), self.recipe(values)
        network = Network(recipe, x.shape[1], int(y.max()) + 1 if is_classes(y) else 1, rng)
        steps = len(x) // recipe.batch
        for epoch in range(MAX_EPOCHS):
            order = rng.permutation(len(x))
            with np.errstate(all="ignore"):
                for step in range(steps):
                    batch = order[step * recipe.batch : (step + 1) * recipe.batch]
                    inputs = x[batch]
                    if recipe.noise > 0.0:
                        inputs = inputs + recipe.noise * rng.normal(size=inputs.shape)
                    done = (epoch * steps + step + 1) / (steps * MAX_EPOCHS)
                    network.step(inputs, y[batch], recipe.rate_after(done), rng)
                loss = loss_of(network.outputs(x_validation), y_validation)
            yield loss if math.isfinite(loss) else math.inf


# The problems


def digits(train: int, validate: int, seed: int, shift: float = 0.0) -> Callable[[], Data]:
    """scikit-learn's digits."""

    def data() -> Data:
        x, y = load_digits(return_X_y=True)
        order = np.random.default_rng(seed).permutation(len(x))
        x, y = x[order] / 16.0 - shift, y[order]
        return x[:train], y[:train], x[train : train + validate], y[train : train + validate]

    return data


def standardised(x: Array, y: Array) -> Data:
    y = (y - y.mean()) / y.std()
    return x[:300], y[:300], x[300:], y[300:]


def friedman() -> Data:
    """Friedman's first function of ten inputs, with noise."""
    x, y = make_friedman1(700, 10, noise=0.5, random_state=1)
    return standardised(3.4 * (x - 0.5), y)


def waves() -> Data:
    """Sines of four inputs, with noise."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(700, 4))
    y = np.sin(2.0 * x[:, 0] + x[:, 1]) + 0.5 * np.cos(1.5 * x[:, 2]) + 0.2 * rng.normal(size=700)
    return standardised(x, y)


def log_float(name: str, low: float, high: float, *conditions: Condition) -> Float:
    return Float(name=name, low=low, high=high, log=True, conditions=conditions)


def share(name: str, high: float = 1.0, low: float = 0.0, conditions: tuple[Condition, ...] = ()) -> Float:
    return Float(name=name, low=low, high=high, conditions=conditions)


def units(name: str, low: int, high: int, *conditions: Condition) -> Int:
    return Int(name=name, low=low, high=high, log=True, conditions=conditions)


def choice(name: str, *options: Any) -> Parameter:
    return Choice(name=name, options=options)


SGD, ADAM, TWO = Condition("optimizer", ("sgd",)), Condition("optimizer", ("adam",)), Condition("layers", (2,))

PROBLEMS: Mapping[str, Problem] = {
    "annealing": Problem(
        Space(
            [
                log_float("rate", 1e-3, 3.0),
                log_float("decay", 1e-6, 1e-1),
                units("units", 4, 64),
                share("momentum", 0.99),
                choice("activation", "relu", "tanh", "sin"),
                log_float("scale", 0.1, 3.0),
                share("dropout", 0.7),
                share("noise"),
                choice("batch", 16, 32, 64, 128),
                share("warm_up"),
                share("annealing"),
            ]
        ),
        digits(500, 700, seed=0, shift=0.3),
        lambda v: Recipe(
            units=(v["units"],),
            rate=v["rate"] * (1.0 - 0.9 * v["momentum"]),
            noise=0.5 * v["noise"],
            warm_up=0.3 * v["warm_up"],
            **{name: v[name] for name in ("decay", "momentum", "activation", "scale", "dropout", "batch", "annealing")},
        ),
    ),
    "conditions": Problem(
        Space(
            [
                log_float("rate", 1e-5, 10.0),
                choice("optimizer", "adam", "sgd"),
                share("momentum", 0.99, conditions=(SGD,)),
                share("beta", 0.99, 0.5, conditions=(ADAM,)),
                log_float("epsilon", 1e-8, 1e-1, ADAM),
                choice("layers", 1, 2),
                units("units", 4, 64),
                units("units_2", 4, 64, TWO),
                choice("activation", "relu", "tanh"),
                choice("batch", 8, 32, 128),
                log_float("decay", 1e-6, 1e-1),
            ]
        ),
        digits(400, 800, seed=5),
        lambda v: Recipe(
            units=(v["units"], *([v["units_2"]] if "units_2" in v else [])),
            adam=v["optimizer"] == "adam",
            momentum=v.get("momentum", v.get("beta", 0.9)),
            epsilon=v.get("epsilon", 1e-7),
            **{name: v[name] for name in ("rate", "activation", "batch", "decay")},
        ),
    ),
    "few samples": Problem(
        Space(
            [
                log_float("rate", 1e-4, 1.0),
                share("momentum", 0.99),
                units("units", 8, 64),
                units("units_2", 4, 32),
                choice("schedule", "constant", "cosine"),
                choice("batch", 8, 16, 32, 64),
                choice("activation", "relu", "tanh"),
                log_float("decay", 1e-6, 1e-1),
                share("warm_up"),
            ]
        ),
        friedman,
        lambda v: Recipe(
            units=(v["units"], v["units_2"]),
            cosine=v["schedule"] == "cosine",
            warm_up=0.2 * v["warm_up"],
            **{name: v[name] for name in ("rate", "momentum", "activation", "batch", "decay")},
        ),
    ),
    "waves": Problem(
        Space(
            [
                log_float("rate", 1e-5, 0.3),
                units("units", 4, 48),
                units("units_2", 4, 32),
                choice("activation", "relu", "tanh", "sin"),
                log_float("scale", 0.1, 3.0),
                share("annealing"),
                choice("batch", 8, 16, 32, 64),
                log_float("decay", 1e-6, 1e-1),
            ]
        ),
        waves,
        lambda v: Recipe(
            units=(v["units"], v["units_2"]),
            adam=True,
            **{name: v[name] for name in ("rate", "activation", "scale", "annealing", "batch", "decay")},
        ),
    ),
}
