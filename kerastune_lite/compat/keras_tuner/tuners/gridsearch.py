"""KerasTuner's module of grid search."""

from kerastune_lite.compat.keras_tuner.named_tuners import GridSearch
from kerastune_lite.compat.keras_tuner.oracles import GridSearchOracle

__all__ = ["GridSearch", "GridSearchOracle"]
