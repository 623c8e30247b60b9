"""KerasTuner's named tuners: each an oracle with the arguments of a tuner."""

from __future__ import annotations

from typing import Any

from kerastune_lite.compat.keras_tuner.hyperparameters import HyperParameters
from kerastune_lite.compat.keras_tuner.oracles import (
    BayesianOptimizationOracle,
    GridSearchOracle,
    HyperbandOracle,
    RandomSearchOracle,
)
from kerastune_lite.compat.keras_tuner.tuner import Tuner


class RandomSearch(Tuner):
    """Draws each setting at random, and none of them twice.

    Args:
        hypermodel: As in `Tuner`.
        objective: A name, an Objective, a list of them, or None: the one number that a trial returns.
        max_trials: How many trials there will be.
        seed: What every random choice is drawn from.
        hyperparameters: Parameters whose ranges take the place of those that are asked for under the same names.
        tune_new_entries: Whether others are searched, or always have their defaults.
        allow_new_entries: Whether others may be asked for.
        max_retries_per_trial: How many more times a trial is tried that an error has failed.
        max_consecutive_failed_trials: The search ends with an error after so many failures in a row.
        **kwargs: As in `Tuner`.
    """

    def __init__(
        self,
        hypermodel: Any = None,
        objective: Any = None,
        max_trials: int = 10,
        seed: int | None = None,
        hyperparameters: HyperParameters | None = None,
        tune_new_entries: bool = True,
        allow_new_entries: bool = True,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int = 3,
        **kwargs: Any,
    ) -> None:
        oracle = RandomSearchOracle(
            objective,
            max_trials,
            seed=seed,
            hyperparameters=hyperparameters,
            tune_new_entries=tune_new_entries,
            allow_new_entries=allow_new_entries,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        super().__init__(oracle, hypermodel, **kwargs)


class GridSearch(Tuner):
    """Tries every setting; a range without a step has its default and ten even values.

    Args:
        hypermodel: As in `Tuner`.
        objective: As in `RandomSearch`.
        max_trials: How many trials there will be at most; None for the whole grid.
        seed: As in `RandomSearch`.
        hyperparameters: As in `RandomSearch`.
        tune_new_entries: As in `RandomSearch`.
        allow_new_entries: As in `RandomSearch`.
        max_retries_per_trial: As in `RandomSearch`.
        max_consecutive_failed_trials: As in `RandomSearch`.
        **kwargs: As in `Tuner`.
    """

    def __init__(
        self,
        hypermodel: Any = None,
        objective: Any = None,
        max_trials: int | None = None,
        seed: int | None = None,
        hyperparameters: HyperParameters | None = None,
        tune_new_entries: bool = True,
        allow_new_entries: bool = True,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int = 3,
        **kwargs: Any,
    ) -> None:
        oracle = GridSearchOracle(
            objective,
            max_trials,
            seed=seed,
            hyperparameters=hyperparameters,
            tune_new_entries=tune_new_entries,
            allow_new_entries=allow_new_entries,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        super().__init__(oracle, hypermodel, **kwargs)


class BayesianOptimization(Tuner):
    """Tries the settings from which a Gaussian process, fitted to the trials so far, expects the most improvement.

    Args:
        hypermodel: As in `Tuner`.
        objective: As in `RandomSearch`.
        max_trials: How many trials there will be.
        num_initial_points: How many of them are spread over the space first.
        alpha: Not used: the process learns the noise from the trials.
        beta: Not used: settings are chosen by the improvement that is expected of them.
        seed: As in `RandomSearch`.
        hyperparameters: As in `RandomSearch`.
        tune_new_entries: As in `RandomSearch`.
        allow_new_entries: As in `RandomSearch`.
        max_retries_per_trial: As in `RandomSearch`.
        max_consecutive_failed_trials: As in `RandomSearch`.
        **kwargs: As in `Tuner`.
    """

    def __init__(
        self,
        hypermodel: Any = None,
        objective: Any = None,
        max_trials: int = 10,
        num_initial_points: int | None = None,
        alpha: float | None = None,
        beta: float | None = None,
        seed: int | None = None,
        hyperparameters: HyperParameters | None = None,
        tune_new_entries: bool = True,
        allow_new_entries: bool = True,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int = 3,
        **kwargs: Any,
    ) -> None:
        oracle = BayesianOptimizationOracle(
            objective,
            max_trials,
            num_initial_points,
            alpha,
            beta,
            seed=seed,
            hyperparameters=hyperparameters,
            tune_new_entries=tune_new_entries,
            allow_new_entries=allow_new_entries,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        super().__init__(oracle, hypermodel, **kwargs)


class Hyperband(Tuner):
    """Trains many settings for a few epochs, and the best of them for longer, each from where it paused.

    Args:
        hypermodel: As in `Tuner`.
        objective: As in `RandomSearch`.
        max_epochs: How many epochs the best trials train.
        factor: What a round's number of trials is divided by for the next one, and its epochs multiplied by.
        hyperband_iterations: How many times all brackets are run.
        seed: As in `RandomSearch`.
        hyperparameters: As in `RandomSearch`.
        tune_new_entries: As in `RandomSearch`.
        allow_new_entries: As in `RandomSearch`.
        max_retries_per_trial: As in `RandomSearch`.
        max_consecutive_failed_trials: As in `RandomSearch`.
        **kwargs: As in `Tuner`.
    """

    def __init__(
        self,
        hypermodel: Any = None,
        objective: Any = None,
        max_epochs: int = 100,
        factor: int = 3,
        hyperband_iterations: float | None = 1,
        seed: int | None = None,
        hyperparameters: HyperParameters | None = None,
        tune_new_entries: bool = True,
        allow_new_entries: bool = True,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int = 3,
        **kwargs: Any,
    ) -> None:
        oracle = HyperbandOracle(
            objective,
            max_epochs,
            factor,
            hyperband_iterations,
            seed=seed,
            hyperparameters=hyperparameters,
            tune_new_entries=tune_new_entries,
            allow_new_entries=allow_new_entries,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        super().__init__(oracle, hypermodel, **kwargs)
