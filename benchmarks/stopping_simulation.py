"""Searches with early stopping on real learning curves of a small NumPy network, each in seconds and without Keras.

    python benchmarks/stopping_simulation.py [--arms a,b] [--seeds 10] [--epochs 540] [--table]

It helps to choose how trials are stopped, and which scores of stopped trials the Gaussian process is given, before
benchmarks/time_to_target.py confirms the choice with Keras. The network has one hidden layer and eleven parameters,
some of which mislead in early epochs (warm-up, annealing, noise). It is trained from new weights and with other noise
for every trial, on 500 of scikit-learn's digits, and validated on 700. A whole trial has 27 epochs. Each finished
search is kept in benchmarks/out/ and not run again.

It prints the median of the best log loss, and the mean rank, after a quarter, a half and all of the epochs.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from peer_spaces import suggested_by_optuna
from scipy.stats import rankdata
from sklearn.datasets import load_digits

from kerastune_lite.space import Choice, Float, Int, Space
from kerastune_lite.space.seeds import suggestion_rng
from kerastune_lite.stopping import MedianRule, Plateau, StoppingRule, SuccessiveHalving
from kerastune_lite.strategies.bayesian.strategy import BayesianStrategy
from kerastune_lite.strategies.random_search import RandomStrategy
from kerastune_lite.strategies.strategy import Strategy, Suggestion
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Trial, TrialState
from kerastune_lite.testing import made_up_trial

KEPT = Path(__file__).parent / "out" / "stopping_simulation.json"
MAX_EPOCHS = 27
OBJECTIVE = Objective("log_loss", "min")
SPACE = Space(
    [
        Float(name="rate", low=1e-3, high=3.0, log=True),
        Float(name="decay", low=1e-6, high=1e-1, log=True),
        Int(name="units", low=4, high=64, log=True),
        Float(name="momentum", low=0.0, high=0.99),
        Choice(name="activation", options=("relu", "tanh", "sin")),
        Float(name="scale", low=0.1, high=3.0, log=True),
        Float(name="dropout", low=0.0, high=0.7),
        Float(name="noise", low=0.0, high=1.0),
        Choice(name="batch", options=(16, 32, 64, 128)),
        Float(name="warm_up", low=0.0, high=1.0),
        Float(name="annealing", low=0.0, high=1.0),
    ]
)
ACTIVATIONS: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "relu": lambda a: (np.maximum(a, 0.0), (a > 0.0) * 1.0),
    "tanh": lambda a: (np.tanh(a), 1.0 - np.tanh(a) ** 2),
    "sin": lambda a: (np.sin(a), np.cos(a)),
}

Search = Callable[[int, int], list[float]]
"""From a seed and a number of epochs to the best score after each of them."""


def data() -> tuple[Any, Any, Any, Any]:
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order] / 16.0 - 0.3, y[order]
    return x[:500], y[:500], x[500:1200], y[500:1200]


def losses(values: Mapping[str, Any], seed: int) -> Iterator[float]:
    """The log of the validation loss after each epoch of a training; inf where it isn't finite."""
    x, y, x_validation, y_validation = data()
    rng = np.random.default_rng(seed)
    units, size, momentum = values["units"], values["batch"], values["momentum"]
    activation = ACTIVATIONS[values["activation"]]
    weights = [
        rng.normal(size=(64, units)) * values["scale"] / 8.0,
        np.zeros(units),
        rng.normal(size=(units, 10)) * values["scale"] / math.sqrt(units),
        np.zeros(10),
    ]
    velocities = [np.zeros_like(weight) for weight in weights]
    steps = len(x) // size
    total = MAX_EPOCHS * steps
    for epoch in range(MAX_EPOCHS):
        order = rng.permutation(len(x))
        with np.errstate(all="ignore"):
            for step in range(steps):
                done = epoch * steps + step
                batch = order[step * size : (step + 1) * size]
                inputs = x[batch] + 0.5 * values["noise"] * rng.normal(size=(size, 64))
                hidden, slope = activation(inputs @ weights[0] + weights[1])
                mask = (rng.random(hidden.shape) > values["dropout"]) / (1.0 - values["dropout"])
                errors = np.exp(log_softmax(hidden * mask @ weights[2] + weights[3]))
                errors[np.arange(size), y[batch]] -= 1.0
                errors /= size
                back = (errors @ weights[2].T) * mask * slope
                gradients = [
                    inputs.T @ back + values["decay"] * weights[0],
                    back.sum(axis=0),
                    (hidden * mask).T @ errors + values["decay"] * weights[2],
                    errors.sum(axis=0),
                ]
                rate = values["rate"] * min(1.0, (done + 1) / (1.0 + 0.3 * values["warm_up"] * total))
                rate *= (1.0 - values["annealing"] * done / total) * (1.0 - 0.9 * momentum)
                velocities = [momentum * v - rate * g for v, g in zip(velocities, gradients, strict=True)]
                weights = [w + v for w, v in zip(weights, velocities, strict=True)]
            hidden, _ = activation(x_validation @ weights[0] + weights[1])
            log_probabilities = log_softmax(hidden @ weights[2] + weights[3])
            loss = -float(np.mean(log_probabilities[np.arange(len(y_validation)), y_validation]))
        yield math.log(loss) if math.isfinite(loss) and loss > 0.0 else math.inf


def log_softmax(logits: Any) -> Any:
    logits = logits - logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def ours(strategy_of: Callable[[int], Strategy], *rules: StoppingRule) -> Search:
    def search(seed: int, epochs: int) -> list[float]:
        strategy = strategy_of(seed)
        trials: list[Trial] = []
        best: list[float] = []
        while len(best) < epochs:
            number = len(trials)
            suggestion = strategy.suggest(SPACE, trials, suggestion_rng(seed, number))
            assert isinstance(suggestion, Suggestion)
            trial = Trial(number=number, values=suggestion.values, epochs=MAX_EPOCHS)
            trials.append(trained(trial, trials, rules, seed, epochs, best))
        return best

    return search


def trained(
    trial: Trial, trials: Sequence[Trial], rules: Sequence[StoppingRule], seed: int, epochs: int, best: list[float]
) -> Trial:
    """A trial trained until a rule stops it or the epochs are spent; `best` grows with every epoch."""
    scores: list[float] = []

    def as_trial(state: TrialState) -> Trial:
        return made_up_trial(trial.number, scores, OBJECTIVE, values=trial.values, state=state, epochs=MAX_EPOCHS)

    state = TrialState.COMPLETED
    for loss in losses(trial.values, seed * 10_007 + trial.number):
        scores.append(loss)
        best.append(min(loss, best[-1]) if best else loss)
        so_far = as_trial(TrialState.RUNNING)
        is_last = len(scores) == MAX_EPOCHS
        if not is_last and any(rule.should_stop(so_far, [*trials, so_far], OBJECTIVE) for rule in rules):
            state = TrialState.STOPPED
        if len(best) >= epochs and not is_last:
            state = TrialState.STOPPED
        if state is TrialState.STOPPED:
            break
    return as_trial(state if math.isfinite(min(scores)) else TrialState.FAILED)


def by_optuna(seed: int, epochs: int) -> list[float]:
    """TPE with its successive halving pruner."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
    )
    best: list[float] = []
    while len(best) < epochs:
        trial = study.ask()
        values = suggested_by_optuna(trial, SPACE)
        least, state = math.inf, optuna.trial.TrialState.COMPLETE
        for epoch, loss in enumerate(losses(values, seed * 10_007 + trial.number), start=1):
            least = min(least, loss)
            best.append(min(loss, best[-1]) if best else loss)
            trial.report(min(loss, 1e9), epoch)
            if len(best) >= epochs or (epoch < MAX_EPOCHS and trial.should_prune()):
                state = optuna.trial.TrialState.PRUNED
                break
        if state == optuna.trial.TrialState.PRUNED or math.isfinite(least):
            study.tell(trial, least if state == optuna.trial.TrialState.COMPLETE else None, state=state)
        else:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
    return best


def bayesian(seed: int) -> Strategy:
    return BayesianStrategy(seed=seed)


def random(seed: int) -> Strategy:
    return RandomStrategy()


HALVING = SuccessiveHalving(min_epochs=1, factor=3)
ARMS: dict[str, Search] = {
    "Bayesian": ours(bayesian),
    "Bayesian + halving": ours(bayesian, HALVING),
    "Bayesian + median": ours(bayesian, MedianRule()),
    "Bayesian + plateau": ours(bayesian, Plateau()),
    "Bayesian + halving + plateau": ours(bayesian, HALVING, Plateau()),
    "random + halving": ours(random, HALVING),
    "Optuna, TPE + successive halving": by_optuna,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", default="", help="names, by commas; all by default (write a comma in a name as is)")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=20 * MAX_EPOCHS)
    parser.add_argument("--table", action="store_true", help="print what was run, run nothing")
    arguments = parser.parse_args()
    arms = [arm for arm in ARMS if not arguments.arms or arm in arguments.arms]
    kept: dict[str, list[float]] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for seed in () if arguments.table else range(arguments.seeds):
        for arm in arms:
            key = f"{arm}|{seed}|{arguments.epochs}"
            if key not in kept:
                kept[key] = ARMS[arm](seed, arguments.epochs)
                KEPT.parent.mkdir(exist_ok=True)
                KEPT.write_text(json.dumps(kept))
                print(f"seed {seed}, {arm}: {kept[key][-1]:.3f}", flush=True)
    seeds = [s for s in range(arguments.seeds) if all(f"{arm}|{s}|{arguments.epochs}" in kept for arm in arms)]
    if not seeds:
        return
    marks = [arguments.epochs // 4, arguments.epochs // 2, arguments.epochs]
    print(f"\nbest log loss after that many epochs, medians over {len(seeds)} seeds, and mean rank")
    print(" " * 34 + "".join(f"{mark:>16}" for mark in marks))
    values = {
        mark: np.array([[kept[f"{arm}|{seed}|{arguments.epochs}"][mark - 1] for arm in arms] for seed in seeds])
        for mark in marks
    }
    for place, arm in enumerate(arms):
        cells = [
            f"{statistics.median(table[:, place]):9.3f} ({np.mean([rankdata(row)[place] for row in table]):.1f})"
            for table in values.values()
        ]
        print(f"{arm:34}" + "".join(f"{cell:>16}" for cell in cells))


if __name__ == "__main__":
    main()
