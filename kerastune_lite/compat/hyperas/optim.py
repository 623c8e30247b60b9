"""Hyperas's `optim`: searches the templates of a model function by this library's own strategies."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

from kerastune_lite.compat.hyperas.ensemble import VotingModel
from kerastune_lite.compat.hyperas.hyperopt_words import fill, run_of
from kerastune_lite.compat.hyperas.model_function import Data, ModelFunction
from kerastune_lite.errors import StudyError
from kerastune_lite.search.tuner import Tuner
from kerastune_lite.strategies.random_search import RandomStrategy
from kerastune_lite.strategies.strategy import Strategy, StrategySource
from kerastune_lite.study.files import StudyFiles
from kerastune_lite.study.objective import Objective

FIRST_RANDOM = 8
"""How many settings are spread evenly before the Gaussian process takes over, as in `BayesianOptimization`."""


def minimize(
    model: Callable[..., Any],
    data: Callable[..., Any],
    algo: Any,
    max_evals: int,
    trials: Any,
    functions: Sequence[Callable[..., Any]] | None = None,
    rseed: int | None = 1337,
    notebook_name: str | None = None,
    verbose: bool = True,
    eval_space: bool = False,
    return_space: bool = False,
    keep_temp: bool = False,
    data_args: Sequence[Any] | None = None,
    **settings: Any,
) -> tuple[Any, ...]:
    """Searches the values of a model function's templates for the least loss.

    The function's source may hold `{{distribution(…)}}` wherever a value stands. It trains by itself, and returns
    `{"loss": …, "status": STATUS_OK, "model": model}`.

    Args:
        model: The function. Its parameters are data()'s variables by their names, or what data() returns in order.
        data: Makes the data; it is called once.
        algo: `tpe.suggest` stands for this library's Bayesian optimization, `rand.suggest` for random search; any
            strategy of this library is taken as well.
        max_evals: How many trials there are to be, with those that `trials` holds already.
        trials: hyperopt's Trials, or those of this package, which are filled; given again, their search goes on. A
            list is filled too, and forgets its search.
        functions: Not needed: functions that the model calls are found where it was written.
        rseed: What every random choice is drawn from; None draws one.
        notebook_name: Not needed: the source of functions in a notebook is found without it.
        verbose: Whether to print a line for each trial.
        eval_space: Whether the best run holds the options themselves, rather than their indexes.
        return_space: Whether to return the space too.
        keep_temp: Not needed: no file is made of the source.
        data_args: What data() is called with.
        **settings: What `Tuner` takes besides, such as `directory` and `max_failures_in_a_row`.

    Returns:
        The best run, a dict from names to values, and its model; with `return_space` the space as well. The run lacks
        templates that it didn't come to, inside an `if`. The model is None where the function returned none.

    Raises:
        BuildError: The source of a function can't be read, or the data don't suit the model's parameters.
        KerastuneError: What ends a search.
    """
    search = _searched(model, data, algo, max_evals, trials, rseed, data_args, {"verbose": int(verbose), **settings})
    best = search.tuner.study.best
    run = run_of(best.values, search.tuner.study.space, evaluated=eval_space)
    returned = (run, search.best_model())
    return (*returned, search.tuner.study.space) if return_space else returned


def best_models(
    nb_models: int,
    model: Callable[..., Any],
    data: Callable[..., Any],
    algo: Any,
    max_evals: int,
    trials: Any,
    functions: Sequence[Callable[..., Any]] | None = None,
    keep_temp: bool = False,
    **settings: Any,
) -> list[Any]:
    """The models with the least losses, best first; Hyperas gave those with the greatest.

    Args:
        nb_models: How many.
        model: As in `minimize`, and so are all other arguments.
        data: The data function.
        algo: The algorithm.
        max_evals: How many trials.
        trials: What is filled with the trials.
        functions: Not needed.
        keep_temp: Not needed.
        **settings: What `Tuner` takes besides.
    """
    kept = {"keep_models": nb_models, **settings}
    search = _searched(model, data, algo, max_evals, trials, kept.pop("rseed", 1337), None, kept)
    return search.tuner.best_models(nb_models)


def best_ensemble(
    nb_ensemble_models: int,
    model: Callable[..., Any],
    data: Callable[..., Any],
    algo: Any,
    max_evals: int,
    trials: Any,
    voting: str = "hard",
    weights: Sequence[float] | None = None,
    nb_classes: int | None = None,
    functions: Sequence[Callable[..., Any]] | None = None,
    **settings: Any,
) -> VotingModel:
    """The models with the least losses as one model that votes; see `VotingModel` and `best_models`."""
    models = best_models(nb_ensemble_models, model, data, algo, max_evals, trials, functions, **settings)
    return VotingModel(models, voting, weights, nb_classes)


class _Search:
    """A search that is done."""

    def __init__(self, tuner: Tuner, function: ModelFunction) -> None:
        self.tuner = tuner
        self._function = function

    def best_model(self) -> Any:
        """The best trial's model: the object itself where this process made it, else what was kept of it, or None."""
        best, study = self._function.best, self.tuner.study
        if best.loss == study.best.score:
            return best.model
        return self.tuner.best_model() if StudyFiles(study.directory).has_model(study.best.number) else None


def _searched(
    model: Callable[..., Any],
    data: Callable[..., Any],
    algo: Any,
    max_evals: int,
    trials: Any,
    rseed: int | None,
    data_args: Sequence[Any] | None,
    settings: dict[str, Any],
) -> _Search:
    if type(trials).__name__ in ("MongoTrials", "SparkTrials"):
        raise StudyError(
            f"{type(trials).__name__} run trials on other machines by hyperopt. Pass Trials() and workers=4, or "
            "executor= a dask.distributed client, to optim.minimize."
        )
    strategy, told = strategy_of_algo(algo)
    if settings.get("verbose", 1) and told:
        print(told)
    function = ModelFunction.of(model, Data.of(data, data_args or ()))
    directory = getattr(trials, "kerastune_directory", None)
    tuner = Tuner(
        function,
        Objective("loss", "min"),
        strategy=strategy,
        max_trials=max_evals,
        seed=rseed,
        **{"directory": directory, **settings},
    )
    fill(trials, tuner.search(), function.templates)
    return _Search(tuner, function)


def strategy_of_algo(algo: Any) -> tuple[StrategySource, str]:
    """The strategy that an algorithm of hyperopt's stands for, and a line that says so.

    Raises:
        TypeError: It is neither one of hyperopt's nor a strategy.
    """
    if isinstance(algo, Strategy) and not isinstance(algo, (ModuleType, SimpleNamespace)):
        return algo, ""
    inner = algo
    while isinstance(inner, functools.partial):
        inner = inner.func
    name = str(getattr(inner, "__module__", "")).rpartition(".")[2]
    if getattr(inner, "__name__", "") != "suggest" or not name:
        raise TypeError(
            "algo has to be hyperopt's tpe.suggest or rand.suggest (kerastune_lite.compat.hyperas has them too), or a "
            f"strategy. Received: {algo!r}."
        )
    if name == "rand":
        return RandomStrategy(), "algo=rand.suggest: settings are drawn by this library's random search"
    return _bayesian, f"algo={name}.suggest: settings are chosen by this library's Bayesian optimization"


def _bayesian(seed: int) -> Strategy:
    # Half a second of imports that random search need not pay.
    from kerastune_lite.strategies.bayesian.strategy import BayesianStrategy

    return BayesianStrategy(seed=seed, design=FIRST_RANDOM)
