"""The time that Bayesian and freeze-thaw search take to choose what to train, from nothing but the trials.

    python benchmarks/ask_time.py [--rounds 3]

There are ten parameters: floats, logarithmic floats, integers, categories and a declared condition. The numerical
libraries use one thread. In a freeze-thaw search half of the trials are paused after an epoch, and the others later or
ended. Nothing is kept between two questions, so the first one of a resumed search takes as long.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from collections.abc import Mapping

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

import numpy as np

from kerastune_lite.space import Choice, Condition, Float, Int, Space, Value
from kerastune_lite.strategies.bayesian.freeze_thaw import FreezeThawStrategy, pause_steps
from kerastune_lite.strategies.bayesian.strategy import BayesianStrategy
from kerastune_lite.strategies.strategy import Strategy
from kerastune_lite.study.trial import Trial, TrialPlan, TrialState
from kerastune_lite.testing import made_up_trial

LIMITS = {"Bayesian": {50: 0.1, 500: 0.4, 2000: 2.0}, "freeze-thaw": {50: 0.2, 500: 1.0}}
MAX_EPOCHS = 27

SPACE = Space(
    [
        Choice(name="optimizer", options=("sgd", "adam", "rmsprop")),
        Float(name="learning_rate", low=1e-5, high=1.0, log=True),
        Float(name="momentum", low=0.0, high=0.99, conditions=(Condition("optimizer", ("sgd",)),)),
        Int(name="layers", low=1, high=6),
        Int(name="units", low=8, high=1024, log=True),
        Choice(name="activation", options=("relu", "tanh", "gelu", "elu")),
        Float(name="dropout", low=0.0, high=0.6),
        Float(name="weight_decay", low=1e-7, high=1e-2, log=True),
        Float(name="smoothing", low=0.0, high=0.3),
        Int(name="batch_size", low=16, high=256, step=2, log=True),
    ]
)


def score(values: Mapping[str, Value], rng: np.random.Generator) -> float:
    """A bowl with some noise."""
    point = SPACE.encode(values)
    return float(np.sum((point - 0.4) ** 2) + 0.1 * np.sin(9 * point).sum() + 0.01 * rng.standard_normal())


def trials(count: int, seed: int) -> list[Trial]:
    """Trials whose scores improve with their numbers, as those of a search do."""
    rng = np.random.default_rng(seed)
    history = []
    for number in range(count):
        around = 0.4 + 0.25 * rng.standard_normal(len(SPACE))
        point = rng.random(len(SPACE)) if number % 2 else np.clip(around, 0.0, 0.999)
        values = SPACE.decode(point)
        history.append(Trial(number=number, values=values, state=TrialState.COMPLETED, score=score(values, rng)))
    return history


def with_curve(trial: Trial, rng: np.random.Generator) -> Trial:
    """The trial as a freeze-thaw search has it: paused at a step, or trained to its end."""
    steps = pause_steps(MAX_EPOCHS)
    epochs = int(rng.choice(steps, p=[0.5, *[0.5 / (len(steps) - 1)] * (len(steps) - 1)]))
    assert trial.score is not None
    pace = rng.random()
    scores = [trial.score + pace * math.log(MAX_EPOCHS / epoch) for epoch in range(1, epochs + 1)]
    is_whole = epochs == MAX_EPOCHS
    made = made_up_trial(
        trial.number,
        scores,
        values=trial.values,
        state=TrialState.COMPLETED if is_whole else TrialState.STOPPED,
        epochs=MAX_EPOCHS,
    )
    return made.changed(plan=TrialPlan(epochs=MAX_EPOCHS, pause_at=None if is_whole else epochs))


def ask(search: str, count: int, seed: int) -> float:
    history = trials(count, seed)
    strategy: Strategy = BayesianStrategy(seed=seed)
    if search == "freeze-thaw":
        rng = np.random.default_rng(seed)
        history = [with_curve(trial, rng) for trial in history]
        strategy = FreezeThawStrategy(MAX_EPOCHS, seed=seed)
    start = time.perf_counter()
    strategy.suggest(SPACE, history, np.random.default_rng([seed, count]))
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    for search, limits in LIMITS.items():
        ask(search, 20, seed=0)
        print(f"{search}\ntrials  median s  slowest s  limit s")
        for count in (10, 50, 100, 200, 500, 1000, 2000):
            seconds = [ask(search, count, seed) for seed in range(rounds)]
            limit = limits.get(count, "")
            print(f"{count:6d}  {statistics.median(seconds):8.3f}  {max(seconds):9.3f}  {limit!s:>7}")


if __name__ == "__main__":
    main()
