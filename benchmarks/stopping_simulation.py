"""Searches that stop or pause trials, on real learning curves of small NumPy networks: a minute each, without Keras.

    python benchmarks/stopping_simulation.py [--arms "a;b"] [--problems "a;b"] [--seeds 10] [--table]

It helps to choose how trials are stopped or paused, and what the Gaussian process is told of them, before
benchmarks/time_to_target.py confirms the choice with Keras. The problems are those of network_problems.py: every trial
is trained from new weights and with other noise, for up to 27 epochs. A search spends 324 epochs, which twelve whole
trainings have. Each finished search is kept in benchmarks/out/ and not run again.

It prints the mean rank of each arm after an eighth, a quarter, a half and all of the epochs, and the epochs until the
loss that twenty random whole trainings reach: the share of the searches that reached it, and the median and the mean,
for which a search that didn't counts with all its epochs. Arms are only compared on the searches that all of them ran.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from network_problems import MAX_EPOCHS, PROBLEMS, Problem
from peer_spaces import suggested_by_optuna
from result_lines import append_result, read_results
from scipy.stats import rankdata

from kerastune_lite.space.seeds import suggestion_rng
from kerastune_lite.stopping import MedianRule, Plateau, StoppingRule, SuccessiveHalving
from kerastune_lite.strategies.bayesian.freeze_thaw import FreezeThawStrategy
from kerastune_lite.strategies.bayesian.strategy import BayesianStrategy
from kerastune_lite.strategies.hyperband import HyperbandStrategy
from kerastune_lite.strategies.random_search import RandomStrategy
from kerastune_lite.strategies.strategy import GoOn, Pause, PausingStrategy, Strategy
from kerastune_lite.study.objective import Objective
from kerastune_lite.study.trial import Trial, TrialPlan, TrialState
from kerastune_lite.testing import made_up_trial

KEPT = Path(__file__).parent / "out" / "stopping_simulation.jsonl"
POOLS = Path(__file__).parent / "out" / "stopping_pools.json"
EPOCHS = 12 * MAX_EPOCHS
MARKS = (EPOCHS // 8, EPOCHS // 4, EPOCHS // 2, EPOCHS)
POOL, RANDOM_TRAININGS = 200, 20
"""Of how many random whole trainings the target is computed, and how many of them reach it every second time."""
OBJECTIVE = Objective("loss", "min")

Search = Callable[[Problem, int], tuple[list[float], float]]
"""From a problem and a seed to the best loss after each epoch, and the seconds that the longest question took."""


class Searching:
    """A search of ours with a strategy: its trials, and the trainings that go on.

    Args:
        problem: What is searched.
        seed: The search's seed.
        strategy: What is searched with.
        rules: What stops trials.
        workers: How many trials are trained at a time, an epoch of each in turn.
    """

    def __init__(
        self, problem: Problem, seed: int, strategy: Strategy, rules: Sequence[StoppingRule], workers: int = 1
    ) -> None:
        self.problem, self.seed, self.strategy, self.rules, self.workers = problem, seed, strategy, rules, workers
        self.trials: dict[int, Trial] = {}
        self.trainings: dict[int, Iterator[float]] = {}
        self.running: list[int] = []
        self.best: list[float] = []
        self.slowest = 0.0

    def run(self) -> tuple[list[float], float]:
        while len(self.best) < EPOCHS:
            while len(self.running) < self.workers and self.begin_next():
                pass
            if not self.running:
                break
            number = self.running.pop(0)
            trial = self.trials[number] = self.trained(self.trials[number])
            if not trial.state.ended:
                self.running.append(number)
            else:
                self.drop_states()
        return self.best, self.slowest

    def begin_next(self) -> bool:
        """Asks the strategy and begins, or goes on with, what it says; False where there is nothing to do now."""
        number, started = len(self.trials), time.process_time()
        answer = self.strategy.suggest(self.problem.space, [*self.trials.values()], suggestion_rng(self.seed, number))
        self.slowest = max(self.slowest, time.process_time() - started)
        if isinstance(answer, Pause):
            return False
        scores: list[float] = []
        if isinstance(answer, GoOn):
            number, values = answer.number, self.trials[answer.number].values
            if not answer.begins_again:
                scores = scores_of(self.trials[number])
        else:
            values = answer.values
        if not scores:
            self.trainings[number] = self.problem.losses(values, self.seed * 10_007 + number)
        resumed_from = number if isinstance(answer, GoOn) else None
        plan = TrialPlan(epochs=MAX_EPOCHS, pause_at=answer.pause_at, resumed_from=resumed_from)
        self.trials[number] = trial_of(number, scores, values, TrialState.RUNNING).changed(plan=plan)
        self.running.append(number)
        return True

    def trained(self, trial: Trial) -> Trial:
        """A trial after one more epoch, which may be its last one for now, or for good."""
        scores = [*scores_of(trial), next(self.trainings[trial.number])]
        self.best.append(min([scores[-1], *self.best[-1:]]))

        def as_trial(state: TrialState) -> Trial:
            return trial_of(trial.number, scores, trial.values, state)

        so_far = as_trial(TrialState.RUNNING).changed(plan=trial.plan)
        others = [*self.trials.values(), so_far]
        if len(scores) < MAX_EPOCHS and any(rule.should_stop(so_far, others, OBJECTIVE) for rule in self.rules):
            return as_trial(TrialState.STOPPED)
        if len(scores) < (trial.plan.pause_at or MAX_EPOCHS):
            return so_far
        if not math.isfinite(min(scores)):
            return as_trial(TrialState.FAILED).changed(plan=trial.plan)
        ended = TrialState.COMPLETED if len(scores) == MAX_EPOCHS else TrialState.STOPPED
        return as_trial(ended).changed(plan=trial.plan)

    def drop_states(self) -> None:
        """Forgets the trainings that the strategy doesn't keep."""
        pauses = isinstance(self.strategy, PausingStrategy)
        kept = self.strategy.resumable([*self.trials.values()]) if pauses else set()
        kept |= set(self.running)
        self.trainings = {number: training for number, training in self.trainings.items() if number in kept}


def trial_of(number: int, scores: Sequence[float], values: Mapping[str, Any], state: TrialState) -> Trial:
    return made_up_trial(number, scores, OBJECTIVE, values=values, state=state, epochs=MAX_EPOCHS)


def scores_of(trial: Trial) -> list[float]:
    return [logs[OBJECTIVE.name] for logs in trial.curve]


def ours(strategy_of: Callable[[int], Strategy], *rules: StoppingRule, workers: int = 1) -> Search:
    return lambda problem, seed: Searching(problem, seed, strategy_of(seed), rules, workers).run()


def by_optuna(pruner_of: Callable[[Any], Any]) -> Search:
    """TPE with a pruner."""

    def search(problem: Problem, seed: int) -> tuple[list[float], float]:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed), pruner=pruner_of(optuna.pruners))
        best: list[float] = []
        slowest = 0.0
        while len(best) < EPOCHS:
            started = time.process_time()
            trial = study.ask()
            values = suggested_by_optuna(trial, problem.space)
            slowest = max(slowest, time.process_time() - started)
            least, is_pruned = math.inf, False
            for epoch, loss in enumerate(problem.losses(values, seed * 10_007 + trial.number), start=1):
                least = min(least, loss)
                best.append(min([loss, *best[-1:]]))
                trial.report(min(loss, 1e9), epoch)
                if len(best) >= EPOCHS or (epoch < MAX_EPOCHS and trial.should_prune()):
                    is_pruned = True
                    break
            state = optuna.trial.TrialState.PRUNED if is_pruned else None
            study.tell(trial, None if is_pruned else min(least, 1e9), state=state)
        return best, slowest

    return search


def freeze_thaw(seed: int) -> Strategy:
    return FreezeThawStrategy(MAX_EPOCHS, seed=seed)


def bayesian(seed: int) -> Strategy:
    return BayesianStrategy(seed=seed)


def random(seed: int) -> Strategy:
    return RandomStrategy()


ARMS: dict[str, Search] = {
    "Optuna, TPE + successive halving": by_optuna(
        lambda pruners: pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
    ),
    "Optuna, TPE + Hyperband pruner": by_optuna(
        lambda pruners: pruners.HyperbandPruner(min_resource=1, max_resource=MAX_EPOCHS, reduction_factor=3)
    ),
    "freeze-thaw": ours(freeze_thaw),
    "freeze-thaw, two workers": ours(freeze_thaw, workers=2),
    "Hyperband": ours(lambda seed: HyperbandStrategy(RandomStrategy(), MAX_EPOCHS, iterations=9)),
    "Bayesian": ours(bayesian),
    "Bayesian + halving": ours(bayesian, SuccessiveHalving()),
    "Bayesian + halving after one epoch": ours(bayesian, SuccessiveHalving(min_epochs=1)),
    "Bayesian + median": ours(bayesian, MedianRule()),
    "Bayesian + plateau": ours(bayesian, Plateau()),
    "random + halving": ours(random, SuccessiveHalving()),
}


def target_of(name: str) -> float:
    """The loss that RANDOM_TRAININGS random whole trainings reach every second time."""
    kept = json.loads(POOLS.read_text()) if POOLS.exists() else {}
    if name not in kept:
        problem, rng = PROBLEMS[name], np.random.default_rng(999)
        settings = [problem.space.decode(rng.random(len(problem.space))) for _ in range(POOL)]
        kept[name] = sorted(min(problem.losses(values, 777_000 + n)) for n, values in enumerate(settings))
        POOLS.parent.mkdir(exist_ok=True)
        POOLS.write_text(json.dumps(kept))
    place = round((1.0 - 0.5 ** (1.0 / RANDOM_TRAININGS)) * POOL) - 1
    return float(kept[name][max(place, 0)])


def print_table(arms: Sequence[str], problems: Sequence[str], seeds: Sequence[int]) -> None:
    kept = read_results(KEPT, key=("arm", "problem", "seed"))
    arms = [arm for arm in arms if any(key[0] == arm for key in kept)]
    searches = [
        (problem, seed) for problem in problems for seed in seeds if all((arm, problem, seed) in kept for arm in arms)
    ]
    if not arms or not searches:
        return
    curves = {(arm, *search): kept[arm, *search]["best"] for arm in arms for search in searches}
    ranks = {
        mark: np.mean([rankdata([curves[arm, *search][mark - 1] for arm in arms]) for search in searches], axis=0)
        for mark in MARKS
    }
    print(f"\n{len(searches)} searches of each arm: mean rank after {', '.join(map(str, MARKS))} epochs; epochs to the")
    print("target: reached, median, mean; the longest question in seconds")
    for place, arm in enumerate(arms):
        needed = [(name, epochs_to(curves[arm, name, seed], target_of(name))) for name, seed in searches]
        cells = " ".join(f"{rank[place]:5.2f}" for rank in ranks.values())
        slowest = max(kept[arm, *search]["slowest"] for search in searches)
        print(f"{arm:36}{cells}   {summary([epochs for _, epochs in needed])}   {slowest:.2f}")
        for problem in problems if len(problems) > 1 else ():
            own = [epochs for name, epochs in needed if name == problem]
            if own:
                print(f"    {problem:32}{'':23}   {summary(own)}")


def summary(needed: Sequence[float]) -> str:
    """The share of the searches that reached the target, and the median and the mean of the epochs that it took."""
    reached = statistics.fmean(math.isfinite(epochs) for epochs in needed)
    mean = statistics.fmean(min(epochs, EPOCHS) for epochs in needed)
    return f"{reached:.2f} {statistics.median(needed):5.0f} {mean:6.1f}"


def epochs_to(best: Sequence[float], target: float) -> float:
    return next((epoch for epoch, loss in enumerate(best, start=1) if loss <= target), math.inf)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", default=";".join(ARMS), help="names, by semicolons; all by default")
    parser.add_argument("--problems", default=";".join(PROBLEMS), help="names, by semicolons; all by default")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--table", action="store_true", help="print what was run, run nothing")
    arguments = parser.parse_args()
    arms, problems = arguments.arms.split(";"), arguments.problems.split(";")
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    kept = read_results(KEPT, key=("arm", "problem", "seed"))
    for seed in () if arguments.table else seeds:
        for problem in problems:
            for arm in arms:
                if (arm, problem, seed) not in kept:
                    best, slowest = ARMS[arm](PROBLEMS[problem], seed)
                    result = {"arm": arm, "problem": problem, "seed": seed, "slowest": round(slowest, 4)}
                    append_result(KEPT, {**result, "best": [float(f"{loss:.6g}") for loss in best]})
                    print(f"seed {seed}, {problem}, {arm}: {best[-1]:.4f}", flush=True)
    print_table(arms, problems, seeds)


if __name__ == "__main__":
    main()
