"""The searches that search_quality.py compares, and what one of them is watched by."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import io
import math
import time
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from peer_spaces import declared_to_keras_tuner, suggested_by_optuna
from search_problems import Problem, Values

from kerastune_lite.space import Choice, Int, Parameter, Space
from kerastune_lite.space.seeds import suggestion_rng
from kerastune_lite.strategies.bayesian.predictions import best_expected_first
from kerastune_lite.strategies.bayesian.strategy import BayesianStrategy
from kerastune_lite.strategies.random_search import RandomStrategy
from kerastune_lite.strategies.strategy import Strategy, Suggestion
from kerastune_lite.study.trial import Trial, TrialState

CHECKPOINTS = (10, 25, 50, 100)
"""After how many trials what a search holds is compared."""


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
        """The score reported to the search; None for a failure. Noise depends on the seed and the trial alone."""
        start = time.perf_counter()
        rng = np.random.default_rng([self.seed, len(self.scores), 7])
        with np.errstate(all="ignore"):
            score = float(self.problem.value(values, rng)) + self.problem.noise * float(rng.standard_normal())
        self.scores.append(score)
        self.settings.append(dict(values))
        self.seconds += time.perf_counter() - start
        return score if math.isfinite(score) else None

    def recommend(self, values: Values) -> None:
        """Keeps the noise-free value of the setting that a search would recommend after the trials so far."""
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


Evaluate = Callable[[Values], float | None]
"""Gives the score of a setting, or None where it fails."""
Search = Callable[[Sequence[Parameter], Run, int, int], None]
"""Searches a space with a number of trials and a seed."""


def by_strategy(make: Callable[[int], Strategy], at_once: int = 1, recommends: bool = False) -> Search:
    """A strategy's search with `at_once` trials always running, the oldest of which ends next."""

    def search(space: Sequence[Parameter], evaluate: Run, trials: int, seed: int) -> None:
        strategy, known = make(seed), Space(space)
        history: list[Trial] = []
        for index in range(trials + at_once - 1):
            if index < trials:
                answer = strategy.suggest(known, history, suggestion_rng(seed, index))
                if not isinstance(answer, Suggestion):
                    return
                history.append(Trial(number=index, values=answer.values))
            ended = index - at_once + 1
            if ended >= 0:
                score = evaluate(history[ended].values)
                state = TrialState.FAILED if score is None else TrialState.COMPLETED
                history[ended] = dataclasses.replace(history[ended], score=score, state=state)
                if recommends and ended + 1 in CHECKPOINTS:
                    evaluate.recommend(best_expected_first(known, history)[0].values)

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
