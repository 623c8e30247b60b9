"""KerasTuner's module of tuners."""

from kerastune_lite.compat.keras_tuner.named_tuners import BayesianOptimization, GridSearch, Hyperband, RandomSearch
from kerastune_lite.compat.keras_tuner.sklearn_tuner import SklearnTuner
from kerastune_lite.compat.keras_tuner.sklearn_tuner import SklearnTuner as Sklearn
from kerastune_lite.compat.keras_tuner.tuners import bayesian, gridsearch, hyperband, randomsearch, sklearn_tuner

__all__ = [
    "BayesianOptimization",
    "GridSearch",
    "Hyperband",
    "RandomSearch",
    "Sklearn",
    "SklearnTuner",
    "bayesian",
    "gridsearch",
    "hyperband",
    "randomsearch",
    "sklearn_tuner",
]
