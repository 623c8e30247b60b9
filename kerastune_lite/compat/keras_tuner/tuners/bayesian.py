"""KerasTuner's module of Bayesian search."""

from kerastune_lite.compat.keras_tuner.named_tuners import BayesianOptimization
from kerastune_lite.compat.keras_tuner.oracles import BayesianOptimizationOracle

__all__ = ["BayesianOptimization", "BayesianOptimizationOracle"]
